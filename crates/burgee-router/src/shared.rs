//! What several shards touch at once: the one file with locks and atomics.
//!
//! Must hold: a writer raises the generation after its change and before it releases the lock,
//! a reader notes the generation before it takes the lock. So what a reader remembers under a
//! generation is at least as new as that generation: stale data can never be taken for fresh,
//! fresh data is at worst taken for stale.
//!
//! Deliberately absent: any lock held across a call to the outside. Closures passed in here
//! touch plain data of this crate only. Every lock taken and every write is counted in tests: a
//! way around `counting` would be a lie to them.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::counting::{lock_taken, shared_write};

/// A value behind a lock for many readers or one writer.
#[derive(Debug, Default)]
pub(crate) struct Locked<T> {
    value: RwLock<T>,
}

impl<T> Locked<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: RwLock::new(value),
        }
    }

    pub(crate) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        lock_taken();
        // A panic elsewhere must not take the whole broker's routing with it.
        look(&self.value.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn write<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        lock_taken();
        change(&mut self.value.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A locked value that tells by its generation whether it has changed.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    generation: OwnLine<AtomicU64>,
    value: Locked<T>,
}

/// Keeps the generation away from the lock's words: those are written by every reader that
/// misses its cache, and would slow down all who only check the generation.
#[derive(Debug)]
#[repr(align(128))]
struct OwnLine<T>(T);

/// What a writer did to a [`Watched`] value.
pub(crate) enum Change<R> {
    /// Something that readers can see is different now.
    Made(R),
    /// All is as it was, so that cached answers stay right.
    Nothing(R),
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            generation: OwnLine(AtomicU64::new(0)),
            value: Locked::new(value),
        }
    }

    /// Read this before looking, never after.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.0.load(Ordering::Acquire)
    }

    pub(crate) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        self.value.read(look)
    }

    pub(crate) fn write<R>(&self, change: impl FnOnce(&mut T) -> Change<R>) -> R {
        self.value.write(|value| match change(value) {
            Change::Made(result) => {
                // Still under the lock: whoever sees the new generation and then takes the
                // lock finds the change.
                shared_write();
                self.generation.0.fetch_add(1, Ordering::Release);
                result
            }
            Change::Nothing(result) => result,
        })
    }
}

/// Whose turn it is in a shared group. All routes of the group share it.
#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicU32);

impl Turn {
    /// The next number. Order between threads does not matter, only that the numbers differ.
    pub(crate) fn next(&self) -> u32 {
        shared_write();
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// A number that anybody may ask for without a lock.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicUsize);

impl Tally {
    pub(crate) fn up(&self) {
        shared_write();
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn down(&self) {
        shared_write();
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_under_the_lock_does_not_end_the_service() {
        let locked = Locked::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| locked.write(|_| panic!("on purpose"))));
        assert!(panicked.is_err());
        locked.write(|value| *value += 1);
        assert_eq!(locked.read(|value| *value), 2);
    }
}
