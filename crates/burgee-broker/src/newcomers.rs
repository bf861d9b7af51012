//! What the connections of a shard hold before their CONNECT is done with: bytes of handshakes, and of CONNECTs that are
//! not whole or wait for their verdict. All shards share one budget for it.
//!
//! What must hold: beyond the budget, who holds the most goes, the newest among equals, until the rest fits; nobody else
//! pays. The sum goes over by no more than what all shards receive from them in one turn, and what their memory is
//! rounded up by. Deliberately absent: closing; and what a client holds that is in, which has limits of its own.

use std::collections::{BTreeSet, HashMap};

use burgee_core::io::ConnKey;

use crate::conn_table::{Conn, Flags};
use crate::door::Doors;
use crate::layers::Layers;
use crate::tail::Tail;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Newcomers {
    /// The bytes of each, and its place in the order in which they came.
    held: HashMap<ConnKey, (usize, u64)>,
    by_bytes: BTreeSet<(usize, u64, ConnKey)>,
    next: u64,
}

/// Bytes that a connection holds before it is in; none if it is.
pub(crate) fn weight(conn: &Conn) -> usize {
    if !conn.flags.any(Flags::NEWCOMER) {
        return 0;
    }
    let tail = conn.tail.as_deref().map_or(0, Tail::capacity);
    // Whoever is asked about a CONNECT has a copy of what it says.
    let copies = if conn.flags.any(Flags::PAUSED) { 2 } else { 1 };
    copies * tail + conn.layers.as_deref().map_or(0, Layers::held)
}

impl Newcomers {
    /// A connection holds so many bytes now.
    pub(crate) fn weigh(&mut self, key: ConnKey, bytes: usize, doors: &Doors) {
        let before = self.held.get(&key).copied();
        let (known, place) = before.unwrap_or((0, self.next));
        if known == bytes {
            return;
        }
        doors.hold_unfinished(known, bytes);
        if before.is_some() {
            self.by_bytes.remove(&(known, place, key));
        } else {
            self.next += 1;
        }
        if bytes == 0 {
            self.held.remove(&key);
        } else {
            self.held.insert(key, (bytes, place));
            self.by_bytes.insert((bytes, place, key));
        }
    }

    /// A connection is gone, or in.
    pub(crate) fn forget(&mut self, key: ConnKey, doors: &Doors) {
        self.weigh(key, 0, doors);
    }

    /// Who has to go, as long as there is too much; it is forgotten here.
    pub(crate) fn pop_greatest(&mut self, doors: &Doors) -> Option<ConnKey> {
        if !doors.has_too_much_unfinished() {
            return None;
        }
        let (_, _, key) = self.by_bytes.last().copied()?;
        self.forget(key, doors);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AcceptLimits;

    fn key(slot: u32) -> ConnKey {
        ConnKey { slot, generation: 0 }
    }

    #[test]
    fn the_greatest_goes_and_the_newest_among_equals_until_the_rest_fits() {
        let limits = AcceptLimits {
            unfinished_bytes: 100,
            ..AcceptLimits::default()
        };
        let (doors, mut newcomers) = (Doors::new(Vec::new(), 1, limits), Newcomers::default());
        for (slot, bytes) in [(9, 40), (3, 40), (1, 20)] {
            newcomers.weigh(key(slot), bytes, &doors);
        }
        assert_eq!(newcomers.pop_greatest(&doors), None);
        newcomers.weigh(key(2), 10, &doors);
        assert_eq!(newcomers.pop_greatest(&doors), Some(key(3)));
        assert_eq!(newcomers.pop_greatest(&doors), None);
        // Another shard's bytes count, too; each shard takes from its own.
        doors.hold_unfinished(0, 75);
        assert_eq!(newcomers.pop_greatest(&doors), Some(key(9)));
        assert_eq!(newcomers.pop_greatest(&doors), Some(key(1)));
        assert_eq!(newcomers.pop_greatest(&doors), None);
        newcomers.forget(key(2), &doors);
        assert_eq!(doors.counters().unfinished_bytes, 75);
        assert!(newcomers.held.is_empty() && newcomers.by_bytes.is_empty());
    }
}
