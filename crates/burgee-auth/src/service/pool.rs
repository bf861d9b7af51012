//! Threads that work off one bounded queue.
//!
//! What must hold: threads are started once and end when told; a panic in one job costs that job alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::lanes::Lanes;
use crate::origin::Origin;

/// A queue and what is needed to wait at it.
#[derive(Debug)]
pub(super) struct Pool<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<J> {
    lanes: Lanes<J>,
    ends: bool,
    started: bool,
}

impl<J: Send + 'static> Pool<J> {
    /// `most` jobs wait.
    pub(super) fn new(most: usize) -> Self {
        Self {
            state: Mutex::new(State {
                lanes: Lanes::new(most),
                ends: false,
                started: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// # Errors
    /// No room, or the end: the job itself.
    pub(super) fn push(&self, origin: Origin, job: J) -> Result<(), J> {
        let mut state = self.lock();
        if state.ends {
            return Err(job);
        }
        state.lanes.push(origin, job)?;
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Jobs that wait.
    pub(super) fn len(&self) -> usize {
        self.lock().lanes.len()
    }

    /// Starts threads unless that was done.
    ///
    /// # Errors
    /// The system gives none.
    pub(super) fn start(
        self: &Arc<Self>,
        name: &str,
        threads: usize,
        work: &Arc<dyn Fn(J) + Send + Sync>,
    ) -> std::io::Result<Vec<JoinHandle<()>>> {
        if std::mem::replace(&mut self.lock().started, true) {
            return Ok(Vec::new());
        }
        let start = |_| {
            let (pool, work) = (Arc::clone(self), Arc::clone(work));
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || pool.run(&*work))
        };
        let threads: std::io::Result<Vec<_>> = (0..threads).map(start).collect();
        if threads.is_err() {
            self.lock().started = false;
        }
        threads
    }

    /// Nothing is worked off any more, what waits is dropped.
    pub(super) fn end(&self) {
        self.lock().ends = true;
        self.changed.notify_all();
    }

    fn run(&self, work: &(dyn Fn(J) + Send + Sync)) {
        while let Some(job) = self.next() {
            // What a job holds is dropped with it; nothing is shared half done.
            if catch_unwind(AssertUnwindSafe(|| work(job))).is_err() {
                tracing::error!("checking a login failed in a way that it must not; please report this");
            }
        }
    }

    fn next(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if state.ends {
                return None;
            }
            if let Some(job) = state.lanes.pop() {
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
