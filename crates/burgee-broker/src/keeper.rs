//! The keeper: the one thread that owns the store. It takes what all shards handed in meanwhile, commits it at once, and
//! says how far each of them is durable.
//!
//! What must hold: batches reach the store in the order in which they were handed in; a round is one commit, whatever
//! gathered for it, and nobody waits for a timer, nor for what the store does to itself behind a commit; reads see
//! every batch that was handed in before them. A failure of the store is told once and never retried. Backups and
//! tidying up go in steps that hold no round up for long.
//! Deliberately absent: what is kept; shards write it, the store reads it.

mod tray;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

use burgee_core::io::{Read, ShardId};
use burgee_store::{Durable, Failure, Fault, Store, SubmitError};
use burgee_store_sqlite::SqliteStore;

use crate::mail::{Answer, Hub};
use tray::Work;
pub(crate) use tray::{Copying, Tray};

/// That the store has failed is said again after this time, and so is that it is slow.
const REMINDER: Duration = Duration::from_secs(60);
/// A commit that takes longer is worth a line.
const SLOW: Duration = Duration::from_secs(2);
/// After so long without work the store may tidy up: nobody is likely to wait for that. Whoever comes next pays for it
/// with a sync more, so who comes every few seconds shall not.
pub(crate) const IDLE: Duration = Duration::from_secs(10);

/// What a running backup lets happen between two of its steps.
pub(crate) type Between<'a> = &'a mut dyn FnMut(&mut dyn Store) -> Result<(), Failure>;

/// A store that can be copied while it is in use, and that can tidy up.
pub(crate) trait Kept: Store + Send {
    /// Writes a whole copy to where no store may be yet, and calls `between` now and then: that may submit, commit and
    /// read.
    ///
    /// # Errors
    /// There is no copy, and why; the store itself goes on.
    fn copy_to(&mut self, to: &Path, between: Between<'_>) -> Result<(), String>;

    /// Gives room back, a bounded step. True: there is more to do.
    ///
    /// # Errors
    /// As those of a commit.
    fn tidy(&mut self) -> Result<bool, Failure>;
}

impl Kept for SqliteStore {
    fn copy_to(&mut self, to: &Path, between: Between<'_>) -> Result<(), String> {
        self.backup(to, between).map_err(|error| error.to_string())
    }

    fn tidy(&mut self) -> Result<bool, Failure> {
        self.give_back()
    }
}

/// The running thread, for whoever has to end it.
pub(crate) struct Keeper {
    tray: Arc<Tray>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts it over a store that lies in this directory and may tidy up when it was idle for so long.
    pub(crate) fn start(store: Box<dyn Kept>, directory: PathBuf, hub: Arc<Hub>, idle: Duration) -> io::Result<Self> {
        let tray = Arc::new(Tray::default());
        let mut desk = Desk {
            store,
            idle,
            tidying: Tidying::Done,
            rounds: Rounds::new(Arc::clone(&tray), hub, directory),
        };
        let run = move || {
            // So that it begins before whoever woke it does something else: the disk works while that goes on. Where this
            // is refused, all is a little slower.
            if let Err(error) = burgee_slice::ask_for_short_turns() {
                tracing::debug!(%error, "the thread of the store has turns of the usual length");
            }
            if catch_unwind(AssertUnwindSafe(|| desk.run())).is_err() {
                // Reported by the panic itself; what that means for the broker is said here. It goes on to say so, and
                // does not touch the store any more.
                desk.rounds.fail(Failure::new(Fault::Ours, "its thread panicked"));
                desk.run();
            }
        };
        let thread = thread::Builder::new().name("burgee-keeper".to_owned()).spawn(run)?;
        Ok(Self {
            tray,
            thread: Some(thread),
        })
    }

    /// Where to hand in.
    pub(crate) const fn tray(&self) -> &Arc<Tray> {
        &self.tray
    }

    /// Commits what was handed in, closes the store and waits for that. Nothing is to be handed in any more.
    pub(crate) fn end(&mut self) {
        self.tray.close();
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread itself.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

/// Whether the store has something to tidy up.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Tidying {
    /// Once it is idle for a while.
    Later,
    /// It has begun, and there is more.
    Begun,
    Done,
}

/// What the thread works with.
struct Desk {
    store: Box<dyn Kept>,
    /// How long without work is idle.
    idle: Duration,
    tidying: Tidying,
    rounds: Rounds,
}

impl Desk {
    fn run(&mut self) {
        let mut work = Work::default();
        while self.rounds.tray.take(&mut work, self.patience()) {
            if work.is_empty() {
                self.use_leisure();
                continue;
            }
            if !work.batches.is_empty() {
                self.tidying = Tidying::Later;
            }
            self.rounds.round(&mut *self.store, &mut work);
            for copying in work.copies.drain(..) {
                self.copy(&copying);
            }
        }
    }

    /// How long to sleep without work.
    const fn patience(&self) -> Option<Duration> {
        match self.tidying {
            _ if self.rounds.failed.is_some() => Some(REMINDER),
            Tidying::Later => Some(self.idle),
            Tidying::Begun => Some(Duration::ZERO),
            Tidying::Done => None,
        }
    }

    fn use_leisure(&mut self) {
        if self.rounds.failed.is_some() {
            self.rounds.complain();
            return;
        }
        match self.store.tidy() {
            Ok(true) => self.tidying = Tidying::Begun,
            Ok(false) => self.tidying = Tidying::Done,
            Err(failure) => self.rounds.fail(failure),
        }
    }

    /// Others' rounds go on between two steps; further wishes for copies wait.
    fn copy(&mut self, copying: &Copying) {
        if let Some(failure) = &self.rounds.failed {
            copying.answer(Err(failure.to_string()));
            return;
        }
        let (begun, rounds) = (Instant::now(), &mut self.rounds);
        let (mut work, mut later) = (Work::default(), Vec::new());
        let done = self.store.copy_to(&copying.to, &mut |store| {
            if rounds.tray.take(&mut work, Some(Duration::ZERO)) {
                later.append(&mut work.copies);
                rounds.round(store, &mut work);
            }
            rounds.failed.clone().map_or(Ok(()), Err)
        });
        let (to, millis) = (copying.to.display(), begun.elapsed().as_millis());
        match &done {
            Ok(()) => tracing::info!(%to, millis, "backup written"),
            Err(error) => tracing::error!(%to, "no backup: {error}"),
        }
        copying.answer(done);
        for copying in later {
            self.copy(&copying);
        }
    }
}

/// Commits and answers, without the store itself: a backup lends that out step by step.
struct Rounds {
    tray: Arc<Tray>,
    hub: Arc<Hub>,
    directory: PathBuf,
    notices: Vec<Durable>,
    /// Of one round, by shard in the order in which they asked.
    answers: Vec<(ShardId, Vec<Answer>)>,
    failed: Option<Failure>,
    slow_said: Option<Instant>,
}

impl Rounds {
    const fn new(tray: Arc<Tray>, hub: Arc<Hub>, directory: PathBuf) -> Self {
        Self {
            tray,
            hub,
            directory,
            notices: Vec::new(),
            answers: Vec::new(),
            failed: None,
            slow_said: None,
        }
    }

    /// One commit for everything that gathered, the notices, then the reads. Wishes for copies are left.
    fn round(&mut self, store: &mut dyn Store, work: &mut Work) {
        // What was on its way when the store failed is dropped; everybody was told.
        if self.failed.is_none()
            && let Err(failure) = self.try_round(store, work)
        {
            self.fail(failure);
        }
        work.clear();
    }

    fn try_round(&mut self, store: &mut dyn Store, work: &mut Work) -> Result<(), Failure> {
        if !work.batches.is_empty() {
            self.commit(store, work)?;
        }
        for (shard, read) in work.reads.drain(..) {
            self.read(store, shard, &read)?;
        }
        for (shard, mut answers) in self.answers.drain(..) {
            self.hub.tell_answers(shard, &mut answers);
        }
        store.tend()
    }

    fn commit(&mut self, store: &mut dyn Store, work: &mut Work) -> Result<(), Failure> {
        let (count, weight, begun) = (work.batches.len(), work.weight, Instant::now());
        for batch in work.batches.drain(..) {
            store.submit(batch).map_err(|error| match error {
                SubmitError::Failed(failure) => failure,
                // Nothing can follow a batch that was not taken: the gap would be an acknowledged loss.
                SubmitError::Breach(breach) => Failure::new(Fault::Ours, breach.to_string()),
            })?;
        }
        store.commit(&mut self.notices)?;
        for Durable { source, upto } in self.notices.drain(..) {
            self.hub.tell_durable(source.0, upto);
        }
        self.look_at_time(begun, count, weight);
        Ok(())
    }

    fn read(&mut self, store: &mut dyn Store, shard: ShardId, read: &Read) -> Result<(), Failure> {
        let mut bodies = Vec::with_capacity(read.messages.len());
        store.bodies(&read.messages, &mut bodies)?;
        let answer = Answer { key: read.key, bodies };
        match self.answers.iter_mut().find(|(asker, _)| *asker == shard) {
            Some((_, answers)) => answers.push(answer),
            None => self.answers.push((shard, vec![answer])),
        }
        Ok(())
    }

    /// Everybody is told, once. The tray takes nothing from now on, so nobody is held up either.
    fn fail(&mut self, failure: Failure) {
        if self.failed.is_none() {
            self.failed = Some(failure);
            self.answers.clear();
            self.complain();
            self.tray.lose();
            self.hub.tell_store_failed();
        }
    }

    fn complain(&self) {
        if let Some(failure) = &self.failed {
            tracing::error!(
                data = %self.directory.display(),
                "{failure}. Until then nothing is acknowledged that needs the disk; the rest goes on"
            );
        }
    }

    fn look_at_time(&mut self, begun: Instant, batches: usize, bytes: usize) {
        let took = begun.elapsed();
        let millis = took.as_millis();
        tracing::trace!(batches, bytes, millis, "committed");
        if took >= SLOW && self.slow_said.is_none_or(|at| at.elapsed() >= REMINDER) {
            self.slow_said = Some(Instant::now());
            tracing::warn!(
                data = %self.directory.display(), batches, bytes, millis,
                "the disk is slow: clients waited so long for their acknowledgements"
            );
        }
    }
}

#[cfg(test)]
mod tests;
