//! The memory limit: whom it may cost what, and when.
//!
//! What must hold: nobody pays for it while there is room; what it costs is counted, and is never a message that the store
//! has for a session; what clients send takes no more memory than the limit and what each client may have at it.
//! Deliberately absent: how memory is counted. The bounds are what can be seen from outside, on either side.

use std::collections::BTreeMap;

use burgee_codec::Connect;

use super::{Oracle, Seen, Turn, Verdict};
use crate::net::LinkId;

/// What one client may have at the limit: an outbox, what it shares, and what waits for it, in bytes.
const OF_ONE: u64 = 16 * 1024 + 64 * 1024 + 16 * 1024;
/// What is counted of a message besides its bytes, at most.
const OVERHEAD: u64 = 200;

/// What a shard had before a turn, and what it has said of its memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Bytes in outboxes.
    pub outboxes: u64,
    /// Bytes of messages that wait, here or in the store, and of what is on its way there.
    pub waiting: u64,
    /// What it took for held.
    pub held: u64,
    /// Messages that it has dropped for want of memory since it started, and clients that it has closed.
    pub dropped: u64,
    /// See `dropped`.
    pub closed: u64,
}

/// What is known from the turns before.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// In this turn there may be too little.
    short: bool,
    /// In this turn there may be none.
    full: bool,
    /// In this turn a client has to go.
    relieves: bool,
    /// Dropped and closed so far, by shard.
    told: BTreeMap<u16, (u64, u64)>,
    /// Bytes that the shard took in its last turn, with all copies.
    intake: u64,
}

impl Oracle {
    /// A turn begins: how much room there was, at least, and whether what it says of its memory can be.
    pub(super) fn look_for_room(&mut self, turn: &Turn) -> Verdict {
        let Some(limit) = self.rules.memory_limit else {
            return Ok(());
        };
        let memory = turn.memory;
        if memory.held < memory.outboxes {
            return Err(format!(
                "{} bytes are in outboxes, {} count",
                memory.outboxes, memory.held
            ));
        }
        let most = memory.outboxes + memory.waiting;
        self.room.full = most >= limit;
        self.room.short = most >= limit - limit / 8;
        let told = self.room.told.insert(turn.shard, (memory.dropped, memory.closed));
        let (dropped, closed) = told.unwrap_or_default();
        if memory.dropped > dropped && !self.room.short {
            return Err(format!(
                "a message is dropped for want of memory, of which {most} bytes are used of {limit}"
            ));
        }
        self.tally.squeezed += memory.dropped - dropped;
        self.room.relieves = memory.closed > closed;
        if self.room.relieves && !self.room.full {
            return Err(format!(
                "a client is closed for want of memory, of which {most} bytes are used of {limit}"
            ));
        }
        self.check_held(turn, limit)
    }

    /// One shard without a disk: only what clients have sent counts.
    fn check_held(&mut self, turn: &Turn, limit: u64) -> Verdict {
        let copies = self.sessions.iter().filter(|session| !session.dead).count() as u64 + 1;
        if self.rules.alone && !self.rules.durable {
            let most = limit + copies * OF_ONE + self.room.intake;
            if turn.memory.held > most {
                return Err(format!("{} bytes are held, at most {most} may be", turn.memory.held));
            }
        }
        let taken = turn.inputs.iter().map(|input| {
            let used = if let Seen::Bytes { used, .. } = input { *used } else { 0 };
            used as u64 + OVERHEAD
        });
        // A will is no input of this turn.
        self.room.intake = (taken.sum::<u64>() + self.rules.largest) * copies;
        Ok(())
    }

    /// Whether a newcomer may be told that there is no room for it. Who has a session may come back.
    pub(super) fn has_no_room(&self, link: LinkId, connect: &Connect<'_>) -> bool {
        let known = self.by_client.contains_key(connect.client_id);
        self.room.full && !known && self.refused.contains(&link)
    }

    /// Whether one client has to go in this turn because it holds so much.
    pub(super) fn relieves(&mut self) -> bool {
        std::mem::take(&mut self.room.relieves)
    }

    /// There is a limit at which clients get less.
    pub(super) const fn is_tight(&self) -> bool {
        self.rules.memory_limit.is_some()
    }

    /// The broker is no more.
    pub(super) fn forget_room(&mut self) {
        self.room = Room::default();
    }
}
