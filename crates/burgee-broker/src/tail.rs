//! The unconsumed bytes of one connection: a partial packet, or what waits for a pause to end.
//!
//! What must hold: it grows as bytes arrive, never by what a packet declares, and gives memory back that a large
//! packet left behind. Deliberately absent: where the bytes come from.

/// Unused memory is given back from so many bytes on.
const SPARE: usize = 16 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    /// So many of them are consumed already.
    start: usize,
    /// The core wants no less than this.
    needed: usize,
}

impl Tail {
    /// The bytes that a connection brought along from another shard.
    pub(crate) fn brought(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            start: 0,
            needed: 0,
        }
    }

    /// The unconsumed bytes, to be taken along to another shard.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.drain(..self.start);
        self.bytes
    }

    /// The unconsumed bytes.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The core wants to hear of the bytes when there are so many.
    pub(crate) const fn needed(&self) -> usize {
        self.needed
    }

    /// Memory held.
    pub(crate) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Forgets the bytes and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Holds these bytes instead.
    pub(crate) fn replace(&mut self, rest: &[u8], needed: usize) {
        self.clear();
        self.bytes.extend_from_slice(rest);
        self.needed = needed;
        self.trim();
    }

    /// New bytes came behind the unconsumed ones.
    pub(crate) fn append(&mut self, new: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        let want = self.bytes.len() + new.len();
        if want > self.bytes.capacity() {
            // Doubling, but not beyond what is needed: the declared length is not believed, yet it is a bound.
            let target = (2 * self.bytes.len()).min(self.needed).max(want);
            self.bytes.reserve_exact(target - self.bytes.len());
        }
        self.bytes.extend_from_slice(new);
    }

    /// The core is done with `used` bytes.
    pub(crate) fn advance(&mut self, used: usize, needed: usize) {
        self.start = (self.start + used).min(self.bytes.len());
        self.needed = needed;
        self.trim();
    }

    /// A tail at rest must not pin the memory of a packet that is long gone. An empty one is not at rest: it goes back
    /// to the pool.
    fn trim(&mut self) {
        let rest = self.bytes.len() - self.start;
        if rest > 0 && self.bytes.capacity() > SPARE + 4 * rest {
            self.bytes = self.rest().to_vec();
            self.start = 0;
        }
    }
}
