//! One verb: the broker ends.
//!
//! What must hold: wills are published while their subscribers are still connected, also those on other shards; then
//! every connection is closed once its outbox is sent. Deliberately absent: the limit on that time; the event loop has it.

use burgee_protocol::Time;

use crate::conns::Open;
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
            if let Some(will) = self.conns.open_mut(conn).and_then(take_will) {
                self.publish_own(&will.message, will.retain, fx);
            }
        }
    }

    /// Closes what is left when the wills have travelled and every copy is made.
    pub(crate) fn finish_ending(&mut self, fx: &mut Effects) {
        if self.ending.is_none_or(|due| due > self.now) || !self.jobs.is_empty() {
            return;
        }
        for conn in self.conns.keys() {
            self.close(conn, Reason::Shutdown, CloseMode::AfterFlush, fx);
        }
        self.ending = Some(Time::from_millis(u64::MAX));
    }
}

fn take_will(open: &mut Open) -> Option<Box<crate::conns::Will>> {
    open.will.take()
}
