//! Closing a connection that still has something to say: send the rest, shut down writing, drain briefly, close.
//!
//! What must hold: each step has a bound in time, draining one in bytes too; both waits are first in, first out, so
//! that no timer is kept for each connection. Deliberately absent: the close at once, which needs no waiting.

use std::collections::VecDeque;

use burgee_core::io::{ConnKey, Outboxes};
use burgee_protocol::Time;

use crate::conn_table::{Conn, Flags, Table};
use crate::layers::Layers;
use crate::reading::Reader;
use crate::writing;

/// Time for sending the rest, in milliseconds.
const FLUSH_MS: u64 = 5_000;
/// Time for the peer to close its side, in milliseconds.
const LINGER_MS: u64 = 1_000;
/// Bytes drained at most: whoever sends more gets a reset.
const DRAIN: usize = 1 << 20;

/// All connections of a shard that are closing.
#[derive(Debug, Default)]
pub(crate) struct Closer {
    flushing: VecDeque<(Time, ConnKey)>,
    lingering: VecDeque<(Time, ConnKey)>,
}

impl Closer {
    /// Begins to close a connection that the core let go of.
    pub(crate) fn begin(conn: &mut Conn) {
        conn.flags.set(Flags::ENDED);
        conn.flags.clear(Flags::NEWCOMER);
        conn.tail = None;
        conn.closing = Some(Box::default());
    }

    /// Goes on with one connection as far as it goes. True: it is over and has to be removed.
    pub(crate) fn step(
        &mut self,
        now: Time,
        (key, conn): (ConnKey, &mut Conn),
        outboxes: &mut Outboxes,
        reader: &mut Reader,
    ) -> bool {
        let unsent = outboxes.get_mut(key).is_some_and(|outbox| {
            writing::flush(conn, outbox, &mut reader.work);
            !outbox.is_empty() || conn.layers.as_deref().is_some_and(Layers::has_unsent)
        });
        let Some(closing) = conn.closing.as_deref_mut() else {
            return true;
        };
        if unsent && !closing.timed {
            closing.timed = true;
            self.flushing.push_back((now.plus_millis(FLUSH_MS), key));
        }
        if !unsent && !closing.lingers {
            closing.lingers = true;
            if conn.socket.shutdown_write().is_err() {
                return true;
            }
            self.lingering.push_back((now.plus_millis(LINGER_MS), key));
        }
        if closing.heard_all {
            // Nothing is to be waited for but our own bytes.
            return !unsent;
        }
        if !conn.flags.any(Flags::READABLE) {
            return false;
        }
        loop {
            match reader.discard(conn) {
                None => {
                    // Who only stopped sending may still read what it is owed.
                    if let Some(closing) = conn.closing.as_deref_mut() {
                        closing.heard_all = true;
                    }
                    return !unsent;
                }
                Some(0) => {
                    conn.flags.clear(Flags::READABLE);
                    return false;
                }
                Some(count) => {
                    let Some(closing) = conn.closing.as_deref_mut() else {
                        return true;
                    };
                    closing.drained += count;
                    if closing.drained > DRAIN {
                        return true;
                    }
                }
            }
        }
    }

    /// The next connection whose time is up. It may be gone already.
    pub(crate) fn next_overdue(&mut self, now: Time, table: &Table) -> Option<ConnKey> {
        while let Some(key) = pop_due(&mut self.flushing, now) {
            // One that got as far as lingering has its place in the other line.
            if table
                .get(key)
                .and_then(|conn| conn.closing.as_deref())
                .is_some_and(|closing| !closing.lingers)
            {
                return Some(key);
            }
        }
        pop_due(&mut self.lingering, now)
    }

    /// When the next one's time is up.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let fronts = [self.flushing.front(), self.lingering.front()];
        fronts.into_iter().flatten().map(|(at, _)| *at).min()
    }
}

/// Takes the first out of a line if its time has come.
pub(crate) fn pop_due(line: &mut VecDeque<(Time, ConnKey)>, now: Time) -> Option<ConnKey> {
    let (at, key) = *line.front()?;
    if at > now {
        return None;
    }
    line.pop_front();
    Some(key)
}
