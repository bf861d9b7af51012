//! The tray between the shards and the keeper: what was handed in and not taken yet, in order.
//!
//! What must hold: batches of all shards are in one order; handing in never waits for the store; the keeper is woken
//! once, and only if it sleeps. Who says that more follows at once wakes it later, and never forgets to. How much lies here
//! is bounded by the shards, each of which counts what it has under way.
//! Deliberately absent: what becomes of it.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use burgee_core::io::{Read, ShardId};
use burgee_store::Batch;

/// What gathered for one round.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) batches: Vec<Batch>,
    /// Bytes of the batches.
    pub(super) weight: usize,
    pub(super) reads: Vec<(ShardId, Read)>,
    pub(super) copies: Vec<Copying>,
}

impl Work {
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.reads.is_empty() && self.copies.is_empty()
    }

    /// All but the wishes for copies.
    pub(super) fn clear(&mut self) {
        self.batches.clear();
        self.weight = 0;
        self.reads.clear();
    }
}

/// Somebody wants a copy of everything.
#[derive(Debug)]
pub(crate) struct Copying {
    pub(crate) to: PathBuf,
    answer: Sender<Result<(), String>>,
}

impl Copying {
    /// Says how it went, if anybody still wants to know.
    pub(super) fn answer(&self, done: Result<(), String>) {
        drop(self.answer.send(done));
    }
}

#[derive(Debug, Default)]
struct State {
    work: Work,
    /// The keeper sleeps until something is handed in.
    sleeps: bool,
    /// Nobody hands in any more.
    closed: bool,
    /// The store failed: nothing is taken any more.
    lost: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tray {
    state: Mutex<State>,
    filled: Condvar,
}

impl Tray {
    /// Hands in what a shard's turn left; both lists are empty afterwards. The reads see all of the batches. A keeper that
    /// sleeps goes on doing so until it is told to begin: here, or later.
    pub(crate) fn hand_in(&self, shard: ShardId, batches: &mut Vec<Batch>, reads: &mut Vec<Read>, begin: bool) {
        let weight: usize = batches.iter().map(Batch::weight).sum();
        let mut state = self.state();
        if state.lost {
            drop(state);
            batches.clear();
            reads.clear();
            return;
        }
        state.work.batches.append(batches);
        state.work.weight += weight;
        state.work.reads.extend(reads.drain(..).map(|read| (shard, read)));
        if begin {
            self.wake(state);
        }
    }

    /// What was handed in is all that is there for now.
    pub(crate) fn begin(&self) {
        self.wake(self.state());
    }

    /// Asks for a copy of everything; the answer comes when it is written. An end without an answer: it failed.
    pub(crate) fn ask_for_copy(&self, to: PathBuf) -> Receiver<Result<(), String>> {
        let (answer, answers) = channel();
        let mut state = self.state();
        if !state.closed {
            state.work.copies.push(Copying { to, answer });
            self.wake(state);
        }
        answers
    }

    /// Nobody hands in any more: the keeper takes what is left and ends.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        self.wake(state);
    }

    /// The store failed: what lies here is dropped, and so is all that comes. Wishes for copies are still answered.
    pub(super) fn lose(&self) {
        let mut state = self.state();
        state.lost = true;
        let copies = std::mem::take(&mut state.work.copies);
        let dropped = std::mem::take(&mut state.work);
        state.work.copies = copies;
        drop(state);
        drop(dropped);
    }

    /// Waits for work and takes all that is there, in exchange for an empty one. Without work after `patience`: nothing
    /// is taken. False: there is none and there will be none.
    pub(super) fn take(&self, work: &mut Work, patience: Option<Duration>) -> bool {
        let mut state = self.state();
        loop {
            if !state.work.is_empty() {
                std::mem::swap(&mut state.work, work);
                return true;
            }
            if state.closed {
                return false;
            }
            state.sleeps = true;
            let Some(patience) = patience else {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (woken, waited) = self
                .filled
                .wait_timeout(state, patience)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() && state.work.is_empty() && !state.closed {
                state.sleeps = false;
                return true;
            }
        }
    }

    /// Stands in for a keeper: waits for a wish for a copy and answers it.
    #[cfg(test)]
    pub(crate) fn answer_next_copy(&self, with: impl FnOnce(&std::path::Path) -> Result<(), String>) {
        let mut work = Work::default();
        while self.take(&mut work, None) {
            if let Some(copying) = work.copies.pop() {
                copying.answer(with(&copying.to));
                return;
            }
        }
    }

    /// The keeper has taken all, and sleeps.
    #[cfg(test)]
    pub(crate) fn keeper_sleeps(&self) -> bool {
        self.state().sleeps
    }

    /// Somebody's wish lies here.
    #[cfg(test)]
    pub(crate) fn has_wishes(&self) -> bool {
        !self.state().work.copies.is_empty()
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let sleeps = std::mem::take(&mut state.sleeps);
        drop(state);
        if sleeps {
            self.filled.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is half done when it is let go.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
