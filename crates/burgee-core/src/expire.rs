//! One verb: time has passed.
//!
//! What must hold: a client is closed when nothing came for one and a half times its keep alive, never before
//! [MQTT-3.1.2-24]; one that we do not read for a reason of our own is not held responsible for its silence.
//! Deliberately absent: work for each packet. A deadline that moved meanwhile is looked up when the old one comes up.

use crate::conns::{Conn, Hold, State};
use crate::io::{CloseMode, ConnKey, Effects, Inputs, Reason};
use crate::state::Shard;

/// When to look again at a client whose bytes we have not read, in milliseconds.
pub(crate) const LATER_MS: u64 = 100;

impl Shard {
    pub(crate) fn expire(&mut self, inputs: &impl Inputs, fx: &mut Effects) {
        while let Some((due, conn)) = self.awaiting.front().copied() {
            if due > self.now {
                break;
            }
            self.awaiting.pop_front();
            if let Some(State::Awaiting(newcomer)) = self.conns.get(conn).map(Conn::state) {
                if newcomer.due > self.now {
                    // It had to wait: not for its own sake is it late.
                    let due = newcomer.due;
                    let place = self.awaiting.partition_point(|(other, _)| *other <= due);
                    self.awaiting.insert(place, (due, conn));
                    continue;
                }
                self.counters.timeouts += 1;
                self.close(conn, Reason::ConnectTimeout, CloseMode::AfterFlush, fx);
            }
        }
        if self.awaiting.is_empty() {
            self.awaiting.shrink_to(64);
        }
        while let Some(due) = self.wheel.due(self.now) {
            for conn in due {
                self.look_after(conn, inputs.may_have_more(conn), fx);
            }
        }
    }

    fn look_after(&mut self, conn: ConnKey, unread: bool, fx: &mut Effects) {
        let Some(deadline) = self.conns.deadline(conn) else {
            return;
        };
        if deadline > self.now {
            self.wheel.insert(deadline, conn);
            return;
        }
        let held = self.conns.get(conn).is_some_and(|conn| {
            matches!(
                conn.hold,
                Hold::Rate | Hold::Mail(_) | Hold::FanOut | Hold::Welcome | Hold::Store | Hold::Ending
            )
        });
        if held || unread {
            // It may have spoken: what it said is waiting for us, not the other way round.
            self.wheel.insert(self.now.plus_millis(LATER_MS), conn);
            return;
        }
        self.counters.timeouts += 1;
        self.close(conn, Reason::KeepAlive, CloseMode::Now, fx);
    }
}
