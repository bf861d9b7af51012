//! The service: takes logins, answers at once what can be, and has the rest checked by threads of its own.
//!
//! What must hold: asking never waits; every login that was taken gets one answer, unless whoever asked has gone; the
//! queues are bounded, one origin cannot fill them for others, and who finds no room is refused and counted. An answer
//! is never from users that were replaced meanwhile: such a login is checked again. Deliberately absent: sockets and
//! packets; whoever asks has a ticket, and gets it back with the answer.

mod lanes;
mod pool;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::attempts::{Attempts, Blocked, FailureLimit};
use crate::chain::{Bench, Chain};
use crate::counters::{Counters, Tally};
use crate::login::{Grant, Login, Method, Outcome, Refusal, Said};
use pool::Pool;

/// What is allowed; all of it is fixed at the start.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Threads that hash.
    pub hash_workers: NonZeroU16,
    /// Threads that ask over HTTP: so many requests are under way at once.
    pub http_workers: NonZeroU16,
    /// Logins that wait in each of the queues.
    pub queue: NonZeroUsize,
    /// How long one waits there at most.
    pub longest_wait: Duration,
    /// Failed logins of one origin.
    pub failures: FailureLimit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hash_workers: NonZeroU16::MIN.saturating_add(1),
            http_workers: NonZeroU16::MIN.saturating_add(7),
            queue: NonZeroUsize::MIN.saturating_add(1023),
            longest_wait: Duration::from_secs(10),
            failures: FailureLimit::default(),
        }
    }
}

/// To be kept for as long as the answer is wanted: dropping it takes the login back.
#[derive(Debug)]
pub struct Wanted(#[expect(dead_code, reason = "that it lives is what it says")] Arc<()>);

/// What asking comes to.
#[derive(Debug)]
pub enum Asked {
    /// The answer.
    Now(Outcome),
    /// It comes later, with the ticket.
    Later(Wanted),
}

/// Hears answers, on whatever thread has them.
pub type Reply<T> = Box<dyn Fn(T, Outcome) + Send + Sync>;

struct Job<T> {
    login: Login,
    ticket: T,
    since: Instant,
    wanted: Weak<()>,
    chain: Arc<Chain>,
    step: usize,
}

/// See the module. Dropping it ends its threads; answers that are still due are not given.
pub struct Service<T: Send + 'static> {
    inner: Arc<Inner<T>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Inner<T> {
    limits: Limits,
    chain: RwLock<Arc<Chain>>,
    attempts: Mutex<Attempts>,
    tally: Tally,
    light: Arc<Pool<Job<T>>>,
    hash: Arc<Pool<Job<T>>>,
    http: Arc<Pool<Job<T>>>,
    reply: Reply<T>,
}

impl<T: Send + 'static> Service<T> {
    /// Starts what the chain needs.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn start(limits: Limits, chain: Chain, reply: Reply<T>) -> io::Result<Self> {
        let pool = || Arc::new(Pool::new(limits.queue.get()));
        let service = Self {
            inner: Arc::new(Inner {
                limits,
                chain: RwLock::default(),
                attempts: Mutex::new(Attempts::new(limits.failures)),
                tally: Tally::default(),
                light: pool(),
                hash: pool(),
                http: pool(),
                reply,
            }),
            threads: Mutex::default(),
        };
        service.replace(chain)?;
        Ok(service)
    }

    /// Starts what this chain needs. Nothing else changes yet; after this, [`Self::replace`] cannot fail.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn prepare(&self, chain: &Chain) -> io::Result<()> {
        chain.begin()?;
        let limits = &self.inner.limits;
        let many = |workers: NonZeroU16| usize::from(workers.get());
        for (bench, name, threads) in [
            (Bench::Light, "burgee-tokens", 1),
            (Bench::Hash, "burgee-hash", many(limits.hash_workers)),
            (Bench::Http, "burgee-ask", many(limits.http_workers)),
        ] {
            if chain.uses(bench) {
                let inner = Arc::downgrade(&self.inner);
                let work: Arc<dyn Fn(Job<T>) + Send + Sync> = Arc::new(move |job| {
                    if let Some(inner) = inner.upgrade() {
                        inner.work(job, bench);
                    }
                });
                let started = self.inner.pool(bench).start(name, threads, &work)?;
                lock(&self.threads).extend(started);
            }
        }
        Ok(())
    }

    /// From here on logins are checked by another chain; those under way, too. The names of users that are gone, or
    /// have another password.
    ///
    /// # Errors
    /// The system gives no threads. Then nothing has changed.
    pub fn replace(&self, chain: Chain) -> io::Result<BTreeSet<Box<str>>> {
        self.prepare(&chain)?;
        // The old one ends outside of the lock: it may have a thread to wait for.
        let changed = self.inner.chain().users_changed(&chain);
        let mut new = Arc::new(chain);
        std::mem::swap(
            &mut *self.inner.chain.write().unwrap_or_else(PoisonError::into_inner),
            &mut new,
        );
        drop(new);
        Ok(changed)
    }

    /// Other limits for failed logins.
    pub fn limit_failures(&self, limit: FailureLimit) {
        lock(&self.inner.attempts).set_limit(limit);
    }

    /// Asks who this is. `ticket` comes back with an answer that is not there at once.
    pub fn ask(&self, login: Login, ticket: T) -> Asked {
        let inner = &self.inner;
        let now = Instant::now();
        let chain = inner.chain();
        // Without a way to find out who somebody is, a name is only a claim: everybody is nobody.
        if login.is_anonymous() || chain.is_empty() {
            let outcome = if login.anonymous {
                Outcome::Admitted(Grant {
                    user: None,
                    by: Method::Anonymous,
                    until: None,
                    rights: None,
                })
            } else {
                Outcome::Refused(Refusal::Anonymous)
            };
            return Asked::Now(inner.settle(&login, outcome, now));
        }
        // Who has shown a certificate guesses at nothing.
        if login.certificate.is_none() && lock(&inner.attempts).is_blocked(login.claim(), now) {
            return Asked::Now(inner.settle(&login, Outcome::Refused(Refusal::TooManyFailures), now));
        }
        let wanted = Arc::new(());
        let job = Job {
            login,
            ticket,
            since: now,
            wanted: Arc::downgrade(&wanted),
            chain,
            step: 0,
        };
        match inner.advance(job, None) {
            None => Asked::Later(Wanted(wanted)),
            Some((job, outcome)) => {
                if matches!(&outcome, Outcome::Admitted(grant) if grant.by == Method::Passwords) {
                    inner.tally.count_remembered();
                }
                Asked::Now(inner.settle(&job.login, outcome, now))
            }
        }
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.inner.tally.copy()
    }

    /// Logins that wait to be checked.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.light.len() + self.inner.hash.len() + self.inner.http.len()
    }
}

impl<T: Send + 'static> Drop for Service<T> {
    fn drop(&mut self) {
        for pool in [&self.inner.light, &self.inner.hash, &self.inner.http] {
            pool.end();
        }
        for thread in lock(&self.threads).drain(..) {
            drop(thread.join());
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Service<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Inner<T> {
    fn chain(&self) -> Arc<Chain> {
        Arc::clone(&self.chain.read().unwrap_or_else(PoisonError::into_inner))
    }

    const fn pool(&self, bench: Bench) -> &Arc<Pool<Job<T>>> {
        match bench {
            Bench::Light => &self.light,
            Bench::Hash => &self.hash,
            Bench::Http => &self.http,
        }
    }

    /// On a thread of a pool.
    fn work(&self, job: Job<T>, here: Bench) {
        if job.wanted.strong_count() == 0 {
            self.tally.count_gone();
            return;
        }
        let now = Instant::now();
        let late = now.saturating_duration_since(job.since) > self.limits.longest_wait;
        let done = if late {
            Some((job, Outcome::Refused(Refusal::WaitedTooLong)))
        } else if lock(&self.attempts).is_blocked(job.login.claim(), now) {
            // Hundreds from one address may have waited here before the first of them failed.
            Some((job, Outcome::Refused(Refusal::TooManyFailures)))
        } else {
            self.advance(job, Some(here))
        };
        if let Some((job, outcome)) = done {
            let outcome = self.settle(&job.login, outcome, Instant::now());
            (self.reply)(job.ticket, outcome);
        }
    }

    /// Goes on until there is an outcome. None: the job lies in the queue of another bench.
    fn advance(&self, mut job: Job<T>, here: Option<Bench>) -> Option<(Job<T>, Outcome)> {
        loop {
            let said = match job.chain.at_once(job.step, &job.login) {
                Some(said) => said,
                None => match job.chain.bench(job.step) {
                    Some(bench) if here == Some(bench) => job.chain.work(job.step, &job.login),
                    Some(bench) => {
                        let origin = job.login.origin();
                        let full = self.pool(bench).push(origin, job).err();
                        return full.map(|job| (job, Outcome::Refused(Refusal::QueueFull)));
                    }
                    None => Said::No(Refusal::Credentials),
                },
            };
            let outcome = match said {
                Said::Yes(grant) => Outcome::Admitted(grant),
                Said::No(refusal) => Outcome::Refused(refusal),
                Said::NotMine => {
                    job.step = (job.step + 1).min(job.chain.len());
                    continue;
                }
            };
            let chain = self.chain();
            if Arc::ptr_eq(&chain, &job.chain) {
                return Some((job, outcome));
            }
            // Users were replaced meanwhile: what the old ones say does not count any more.
            job.chain = chain;
            job.step = 0;
        }
    }

    /// Counts, and remembers failures.
    fn settle(&self, login: &Login, outcome: Outcome, now: Instant) -> Outcome {
        self.tally.count(&outcome);
        if let Outcome::Refused(refusal) = &outcome
            && refusal.is_failure()
        {
            let (from, user) = login.claim();
            let blocked = lock(&self.attempts).failed((from, user), now);
            self.tally.count_blocked(blocked);
            let user = user.escape_debug();
            match blocked {
                Some(Blocked::Name) => {
                    tracing::warn!(%from, %user, "too many failed logins: this name is refused from there until its window is over");
                }
                Some(Blocked::Origin) => {
                    tracing::warn!(%from, "too many failed logins: all are refused from there until its window is over");
                }
                None => {}
            }
        }
        outcome
    }
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
