//! What a shard remembers while the broker ends. See `ending`.
//!
//! What must hold: once it has begun, it comes to an end. Deliberately absent: what is done then.

use burgee_protocol::Time;

use crate::io::ShardId;

/// So long other shards are waited for, in milliseconds: less than the event loop has for the whole end.
pub(crate) const MOST_MS: u64 = 3_000;

/// How far the end is.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// When it began; `None`: the broker goes on.
    pub(crate) begun: Option<Time>,
    /// Nobody is read any more.
    pub(crate) hushed: bool,
    /// The other shards were told that all is in the mail.
    pub(crate) told: bool,
    /// So many of them have said so.
    pub(crate) heard: ShardId,
    /// All connections were closed.
    pub(crate) over: bool,
}

impl Ending {
    pub(crate) const fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// When something is to be done, if nothing happens before.
    pub(crate) fn deadline(&self, now: Time) -> Option<Time> {
        let begun = self.begun.filter(|_| !self.over)?;
        // Once it is past, it is what is left over or the store that keeps the end waiting, and not the time.
        Some(begun.plus_millis(MOST_MS)).filter(|due| *due > now)
    }
}
