//! Counts what a thread does to memory that other threads use as well: locks taken, values written. For tests that say
//! what a message may not touch.
//!
//! Must hold: without the feature `counting`, nothing of it is left in the program. Deliberately absent: reading, which
//! costs nobody else anything.

/// What a thread has done so far.
#[cfg(any(test, feature = "counting"))]
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Touches {
    /// Locks taken, for reading or writing: either writes the lock's own words.
    pub locks: u64,
    /// Values written that other threads read or write.
    pub writes: u64,
}

#[cfg(any(test, feature = "counting"))]
thread_local! {
    static TOUCHES: std::cell::Cell<Touches> = const { std::cell::Cell::new(Touches { locks: 0, writes: 0 }) };
}

/// What this thread has done so far.
#[cfg(any(test, feature = "counting"))]
#[must_use]
pub fn touches() -> Touches {
    TOUCHES.get()
}

#[inline]
pub(crate) fn lock_taken() {
    #[cfg(any(test, feature = "counting"))]
    TOUCHES.set(Touches {
        locks: TOUCHES.get().locks + 1,
        ..TOUCHES.get()
    });
}

#[inline]
pub(crate) fn shared_write() {
    #[cfg(any(test, feature = "counting"))]
    TOUCHES.set(Touches {
        writes: TOUCHES.get().writes + 1,
        ..TOUCHES.get()
    });
}
