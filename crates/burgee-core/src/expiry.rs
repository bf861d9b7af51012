//! One verb: what has waited too long for a client is given up, where the operator wants that.
//!
//! What must hold: nothing expires by default; a session that is connected does not expire; what is in flight is
//! completed whatever its age. Nothing is given up before its time: ages of messages are rounded down to seconds, and who
//! waits alone is looked at once in a sweep's round: so many seconds later may a message go. A sweep looks at a bounded number of
//! sessions in a turn. After a restart all ages begin anew, with the first turn: reading the store may take long.
//! Deliberately absent: MQTT 5's expiry by the client's wish.

use burgee_protocol::Time;
use burgee_protocol::session::Deliverable;

use crate::sessions::{Delivery, SessionKey};
use crate::state::Shard;

/// Sessions that one sweep looks at, and the time from one sweep to the next in milliseconds.
const SWEEP: (usize, u64) = (4096, 1000);
/// The stamp of a message that the store kept: its age counts from the first turn.
pub(crate) const FROM_BEFORE: u32 = 0;

impl Shard {
    /// Whether anything expires at all.
    #[inline]
    pub(crate) fn expires(&self) -> bool {
        self.config.session_expiry_ms | self.config.message_expiry_ms != 0
    }

    /// A client has left a session that stays.
    pub(crate) fn begin_to_expire(&mut self, key: SessionKey) {
        if self.config.session_expiry_ms == 0 {
            return;
        }
        let due = self.now.plus_millis(self.config.session_expiry_ms);
        if let Some(session) = self.sessions.get_mut(key) {
            // Who comes and goes stands here once: where it comes up early, it is put back.
            if core::mem::replace(&mut session.expires, due) == Time::ZERO {
                self.expiry.leaving.insert((due, key));
            }
        }
    }

    pub(crate) fn expiry_deadline(&self) -> Option<Time> {
        let leaving = self.expiry.leaving.first().map(|(due, _)| *due);
        Time::earlier(leaving, self.expiry.sweep)
    }

    /// Gives up what is due.
    pub(crate) fn give_up(&mut self) {
        let began = *self.expiry.began.get_or_insert(self.now);
        // Sessions that were found at the start were given a time when nobody knew yet when that would be over.
        let least = began.plus_millis(self.config.session_expiry_ms);
        while let Some((due, key)) = self.expiry.leaving.first().copied() {
            if due > self.now {
                break;
            }
            self.expiry.leaving.pop_first();
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            let said = session.expires > Time::ZERO && session.conn.is_none();
            let later = Some(session.expires.max(least)).filter(|due| said && *due > self.now);
            session.expires = later.unwrap_or(Time::ZERO);
            if let Some(later) = later {
                // It was back meanwhile, and has left again.
                self.expiry.leaving.insert((later, key));
            } else if said && !(session.kept.is_kept() && self.journal.has_failed()) {
                // After a failure of the store it would come back.
                self.counters.sessions_expired += 1;
                self.forget_session(key);
            }
        }
        if self.config.message_expiry_ms > 0 && self.expiry.sweep.is_none_or(|due| due <= self.now) {
            self.expiry.sweep = Some(self.now.plus_millis(SWEEP.1));
            let from = self.expiry.at;
            self.expiry.at = from + SWEEP.0;
            if self.expiry.at >= self.sessions.slots() {
                self.expiry.at = 0;
            }
            for slot in from..from + SWEEP.0 {
                if let Some(key) = self.sessions.key_at(slot) {
                    self.drop_old(key);
                }
            }
        }
    }

    /// What a message's age is counted from: the next full second, so that it never seems older than it is.
    #[inline]
    pub(crate) fn stamp(&self) -> u32 {
        if self.config.message_expiry_ms == 0 {
            return FROM_BEFORE;
        }
        let second = self.now.as_millis().div_ceil(1000).max(1);
        u32::try_from(second).unwrap_or(u32::MAX)
    }

    /// Drops messages from the front of a queue that are too old.
    pub(crate) fn drop_old(&mut self, key: SessionKey) {
        let limit = self.config.message_expiry_ms;
        if limit == 0 {
            return;
        }
        let (now, began) = (self.now, self.expiry.began.unwrap_or(self.now));
        let is_old = |delivery: &Delivery| {
            let since = match delivery.stamp {
                FROM_BEFORE => began,
                second => Time::from_millis(u64::from(second) * 1000),
            };
            since.plus_millis(limit) <= now
        };
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let kept = burgee_store::SessionNo(session.kept.number());
        let Some(flow) = session.flow_if_any() else { return };
        let mut old = Vec::new();
        while let Some(delivery) = flow.outgoing.drop_front_if(is_old) {
            old.push((delivery.number(), delivery.weight(), delivery.is_here()));
        }
        for (number, weight, here) in old {
            self.counters.dropped_expired += 1;
            self.counters.settled(weight, here);
            self.note_settled(kept, number);
        }
    }
}
