//! One verb: the broker ends.
//!
//! What must hold: wills are published while their subscribers are still connected, also those on other shards: a shard
//! closes its clients when every shard has said that all it had to send is in the mail, and mail keeps its order. Then every
//! connection is closed once its outbox is sent. Who is awaited in vain is not waited for for ever: `ending_state`.
//! Deliberately absent: the limit on all of it; the event loop has it.

use crate::conns::Hold;
use crate::ending_state::MOST_MS;
use crate::io::{CloseMode, Effects, Parcel, Reason};
use crate::job::Wait;
use crate::state::Shard;

impl Shard {
    /// Begins to end: newcomers are refused [MQTT-3.2.2-5], wills go out.
    pub(crate) fn end(&mut self, fx: &mut Effects) {
        if self.ending.has_begun() {
            return;
        }
        self.ending.begun = Some(self.now);
        for conn in self.conns.keys() {
            // [MQTT-3.1.2-8] this end is not the clients' wish either, but of those that have said so.
            let heard = self.has_heard_farewell(conn);
            let Some(open) = self.conns.open_mut(conn) else {
                continue;
            };
            let behind = if open.parked > 0 { Wait::Others } else { Wait::No };
            let key = open.session;
            let Some(will) = open.will.take().filter(|_| !heard) else {
                continue;
            };
            let kept = self.sessions.kept(key).unwrap_or_default();
            self.note_no_will(key, kept);
            let mut access = self.conns.open_mut(conn).and_then(|open| open.access.take());
            let may = self.may_publish_will((conn, access.as_deref_mut()), &will, fx);
            if let Some(open) = self.conns.open_mut(conn) {
                open.access = access;
            }
            if may {
                self.publish_will(kept, (&will.message, will.retain), behind, fx);
            }
        }
    }

    /// Another shard has all that it had to send in the mail.
    pub(crate) const fn hear_of_end(&mut self) {
        self.ending.heard = self.ending.heard.saturating_add(1);
    }

    /// Reads nobody any more: what comes now would have to be answered, too.
    fn hush(&mut self, fx: &mut Effects) {
        if core::mem::replace(&mut self.ending.hushed, true) {
            return;
        }
        for conn in self.conns.keys() {
            if self.conns.get(conn).is_some_and(|conn| conn.hold == Hold::None) {
                self.hold(conn, Hold::Ending, fx);
            }
        }
    }

    /// Closes what is left when the wills of all shards are here and every copy is made.
    pub(crate) fn finish_ending(&mut self, fx: &mut Effects) {
        let Some(begun) = self.ending.begun.filter(|_| !self.ending.over) else {
            return;
        };
        self.hush(fx);
        // What waits for the store is answered before its connection ends.
        if !self.jobs.is_empty() || !self.journal.is_quiet() {
            return;
        }
        if !core::mem::replace(&mut self.ending.told, true) {
            for other in (0..self.config.shards).filter(|other| *other != self.id) {
                if let Some(mailbox) = fx.mail.get_mut(usize::from(other)) {
                    mailbox.push(Parcel::Ending);
                }
            }
        }
        if self.ending.heard + 1 < self.config.shards && self.now < begun.plus_millis(MOST_MS) {
            return;
        }
        for conn in self.conns.keys() {
            self.close(conn, Reason::Shutdown, CloseMode::AfterFlush, fx);
        }
        self.ending.over = true;
        fx.over = true;
    }
}
