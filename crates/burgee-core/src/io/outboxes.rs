//! The outboxes of all connections of a shard, and the buffers that busy ones borrow.
//!
//! What must hold: an outbox that got bytes is on the dirty list once; idle ones hold no buffer; the pool is bounded.
//! Deliberately absent: writing. The event loop takes the dirty ones at the end of the turn.

use burgee_protocol::connection::Outbox;

use super::ConnKey;

/// Buffers kept for reuse, at most; beyond, they go back to the allocator. A fan-out wants one for each subscriber.
const POOL: usize = 16 * 1024;
/// Bytes of all of them, at most.
const POOL_BYTES: usize = 16 * 1024 * 1024;
/// A pooled buffer is at most so large, in bytes: one burst must not pin memory for ever.
const POOLED_CAPACITY: usize = 256 * 1024;

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    open: bool,
    dirty: bool,
    outbox: Outbox,
    /// Its part of the total.
    counted: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Outboxes {
    slots: Vec<Slot>,
    /// In the order in which they got their first bytes: a message leaves before its acknowledgement does.
    dirty: Vec<ConnKey>,
    /// So many at the front were taken.
    taken: usize,
    pool: Pool,
    total: usize,
}

/// Empty buffers.
#[derive(Debug, Default)]
struct Pool {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    fn take(&mut self) -> Option<Vec<u8>> {
        let buffer = self.buffers.pop()?;
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    fn give(&mut self, buffer: Vec<u8>) {
        let bytes = self.bytes + buffer.capacity();
        if self.buffers.len() < POOL && bytes <= POOL_BYTES && buffer.capacity() <= POOLED_CAPACITY {
            self.bytes = bytes;
            self.buffers.push(buffer);
        }
    }
}

impl Outboxes {
    /// Makes an empty outbox for a connection; what the slot held before is gone.
    pub fn open(&mut self, conn: ConnKey) {
        let index = conn.slot as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Slot::default);
        }
        if let Some(slot) = self.slots.get_mut(index) {
            self.total -= slot.counted;
            *slot = Slot {
                generation: conn.generation,
                open: true,
                dirty: false,
                outbox: Outbox::default(),
                counted: 0,
            };
        }
    }

    /// Forgets a connection's outbox and its bytes.
    pub fn close(&mut self, conn: ConnKey) {
        if let Some(slot) = self.slot_mut(conn) {
            slot.open = false;
            slot.outbox = Outbox::default();
            let counted = core::mem::take(&mut slot.counted);
            self.total -= counted;
        }
    }

    /// The outbox for looking at and consuming from.
    pub fn get_mut(&mut self, conn: ConnKey) -> Option<&mut Outbox> {
        self.slot_mut(conn).map(|slot| &mut slot.outbox)
    }

    /// The outbox for appending: it is marked dirty and has a buffer.
    #[inline]
    pub fn writer(&mut self, conn: ConnKey) -> Option<&mut Outbox> {
        let slot = self.slots.get_mut(conn.slot as usize)?;
        if slot.generation != conn.generation || !slot.open {
            return None;
        }
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(conn);
            let pool = &mut self.pool;
            slot.outbox.give_buffer(|| pool.take());
        }
        Some(&mut slot.outbox)
    }

    /// The outbox for looking at.
    #[inline]
    #[must_use]
    pub fn get(&self, conn: ConnKey) -> Option<&Outbox> {
        let slot = self.slots.get(conn.slot as usize)?;
        (slot.open && slot.generation == conn.generation).then_some(&slot.outbox)
    }

    /// Unsent bytes of a connection; 0 for one that is gone.
    #[must_use]
    pub fn unsent(&self, conn: ConnKey) -> usize {
        let slot = self.slots.get(conn.slot as usize);
        slot.filter(|slot| slot.open && slot.generation == conn.generation)
            .map_or(0, |slot| slot.outbox.len())
    }

    /// Takes one connection off the dirty list: the event loop writes it now. Its outbox may be gone meanwhile.
    pub fn next_dirty(&mut self) -> Option<ConnKey> {
        let Some(conn) = self.dirty.get(self.taken).copied() else {
            self.dirty.clear();
            self.taken = 0;
            return None;
        };
        self.taken += 1;
        if let Some(slot) = self.slot_mut(conn) {
            slot.dirty = false;
        }
        Some(conn)
    }

    /// Nothing waits to be written for the first time.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.taken == self.dirty.len()
    }

    /// An outbox was written from: takes its buffer back into the pool if all is sent, and counts what is not.
    pub fn reclaim(&mut self, conn: ConnKey) {
        let Some(slot) = self.slot_mut(conn) else { return };
        let (left, before) = (slot.outbox.len(), slot.counted);
        slot.counted = left;
        let buffer = slot.outbox.take_buffer();
        self.total = self.total - before + left;
        if let Some(buffer) = buffer {
            self.pool.give(buffer);
        }
    }

    /// Bytes that were unsent when the outboxes were last written from. Shared ones count for each.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    fn slot_mut(&mut self, conn: ConnKey) -> Option<&mut Slot> {
        self.slots
            .get_mut(conn.slot as usize)
            .filter(|slot| slot.open && slot.generation == conn.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_is_bounded_in_buffers_and_bytes() {
        let mut pool = Pool::default();
        (0..2 * POOL).for_each(|_| pool.give(Vec::with_capacity(100)));
        assert_eq!(pool.buffers.len(), POOL);
        while pool.take().is_some() {}
        assert_eq!(pool.bytes, 0);
        (0..2 * POOL_BYTES / POOLED_CAPACITY).for_each(|_| pool.give(Vec::with_capacity(POOLED_CAPACITY)));
        assert_eq!(pool.bytes, POOL_BYTES);
        pool.take();
        pool.give(Vec::with_capacity(POOLED_CAPACITY + 1));
        assert_eq!(pool.bytes, POOL_BYTES - POOLED_CAPACITY, "one burst is not kept");
    }
}
