//! One verb: the broker ends.
//!
//! What must hold: wills are published while their subscribers are still connected, also those on other shards; then
//! every connection is closed once its outbox is sent. Deliberately absent: the limit on that time; the event loop has it.

use burgee_protocol::Time;

use crate::close::is_once;
use crate::conns::Hold;
use crate::io::{CloseMode, Effects, Reason};
use crate::state::Shard;

/// Time for wills to reach subscribers on other shards before connections are closed, in milliseconds.
const WILLS_TRAVEL_MS: u64 = 100;

impl Shard {
    /// Begins to end: newcomers are refused [MQTT-3.2.2-5], wills go out.
    pub(crate) fn end(&mut self, fx: &mut Effects) {
        if self.ending.is_some() {
            return;
        }
        let travel = if self.config.shards > 1 { WILLS_TRAVEL_MS } else { 0 };
        self.ending = Some(self.now.plus_millis(travel));
        for conn in self.conns.keys() {
            // [MQTT-3.1.2-8] this end is not the clients' wish either.
            let Some(open) = self.conns.open_mut(conn) else {
                continue;
            };
            let (key, parked) = (open.session, open.parked > 0);
            let Some(will) = open.will.take() else { continue };
            let kept = self.sessions.kept(key).unwrap_or_default();
            self.note_no_will(key, kept);
            let mut access = self.conns.open_mut(conn).and_then(|open| open.access.take());
            let may = self.may_publish_will((conn, access.as_deref_mut()), &will, fx);
            if let Some(open) = self.conns.open_mut(conn) {
                open.access = access;
            }
            if !may {
                continue;
            }
            let park = parked || is_once(&will.message, kept);
            self.publish_own(&will.message, will.retain, park, fx);
        }
    }

    /// Reads nobody any more: what comes now would have to be answered, too.
    fn hush(&mut self, fx: &mut Effects) {
        if core::mem::replace(&mut self.hushed, true) {
            return;
        }
        for conn in self.conns.keys() {
            if self.conns.get(conn).is_some_and(|conn| conn.hold == Hold::None) {
                self.hold(conn, Hold::Ending, fx);
            }
        }
    }

    /// Closes what is left when the wills have travelled and every copy is made.
    pub(crate) fn finish_ending(&mut self, fx: &mut Effects) {
        // What waits for the store is answered before its connection ends.
        let busy = !self.jobs.is_empty() || !self.journal.is_quiet();
        if self.ending.is_none_or(|due| due > self.now) {
            return;
        }
        if busy {
            self.hush(fx);
            return;
        }
        for conn in self.conns.keys() {
            self.close(conn, Reason::Shutdown, CloseMode::AfterFlush, fx);
        }
        self.ending = Some(Time::from_millis(u64::MAX));
    }
}
