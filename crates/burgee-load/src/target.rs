//! Whom to load, and who watches.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::histogram::Percentiles;

/// A broker, as everybody may know it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The user name to log in with, if any.
    pub user: Option<String>,
    /// The password to log in with, if any; needs a user name.
    pub password: Option<Vec<u8>>,
    /// Its process on this machine, if its costs are to be read.
    pub process: Option<u32>,
    /// Set from outside when the run shall end early: every loop looks at it, ends what it began, and tells what it
    /// has measured so far.
    pub stop: Arc<AtomicBool>,
}

impl Target {
    /// A broker at an address: no login, costs not read.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            user: None,
            password: None,
            process: None,
            stop: Arc::default(),
        }
    }

    /// Whether the run shall end early.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// How a run stands, for a live line. Handed over about ten times a second.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    /// What is being done now, in a word or two: `warm-up`, `connecting`, `measuring`, `draining`.
    pub phase: &'static str,
    /// Time since the phase began.
    pub elapsed: Duration,
    /// Things done in this phase: messages delivered, clients connected, filters subscribed.
    pub done: u64,
    /// How many will be done, where that is known.
    pub of: Option<u64>,
    /// Things done a second, lately.
    pub rate: f64,
    /// Latencies of the last second, where they are taken.
    pub latency: Option<Percentiles>,
}

/// Somebody who looks on. It must be quick: the generator waits for it.
pub type Watch<'a> = &'a mut dyn FnMut(&Live);

/// Tells the watcher ten times a second.
pub(crate) struct Ticker<'a> {
    watch: Watch<'a>,
    phase: &'static str,
    of: Option<u64>,
    begun: Instant,
    last: (Instant, u64),
}

impl<'a> Ticker<'a> {
    const EVERY: Duration = Duration::from_millis(100);

    /// Nothing is told before the first phase begins.
    pub(crate) fn new(watch: Watch<'a>) -> Self {
        let now = Instant::now();
        Self {
            watch,
            phase: "connecting",
            of: None,
            begun: now,
            last: (now, 0),
        }
    }

    /// A phase begins; `done` is where its count starts (usually zero).
    pub(crate) fn phase(&mut self, phase: &'static str, of: Option<u64>, done: u64) {
        let now = Instant::now();
        (self.phase, self.of, self.begun, self.last) = (phase, of, now, (now, done));
    }

    /// Tells how the phase stands, if it is time to.
    pub(crate) fn tick(&mut self, now: Instant, done: u64, latency: impl FnOnce() -> Option<Percentiles>) {
        let since = now.saturating_duration_since(self.last.0);
        if since < Self::EVERY {
            return;
        }
        let lately = u32::try_from(done.saturating_sub(self.last.1)).unwrap_or(u32::MAX);
        self.last = (now, done);
        (self.watch)(&Live {
            phase: self.phase,
            elapsed: now.saturating_duration_since(self.begun),
            done,
            of: self.of,
            rate: f64::from(lately) / since.as_secs_f64(),
            latency: latency(),
        });
    }
}
