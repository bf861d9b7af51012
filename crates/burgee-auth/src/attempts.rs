//! Failed logins of each origin: after so many within a window, it is refused at once until the window is over.
//!
//! What must hold: memory is bounded; when the table is full, the oldest window goes. A success takes nothing back, or
//! who has one password could try others for ever. Deliberately absent: answers that are slow on purpose; each would be
//! a connection that we hold for whoever attacks.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::origin::Origin;

/// What is allowed.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct FailureLimit {
    /// Failures within the window; 0: no limit.
    pub failures: u32,
    /// How long failures count, from the first on.
    pub window: Duration,
    /// Origins that are remembered.
    pub origins: usize,
}

impl Default for FailureLimit {
    fn default() -> Self {
        Self {
            failures: 10,
            window: Duration::from_secs(60),
            origins: 65_536,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Attempts {
    limit: FailureLimit,
    windows: HashMap<Origin, Window>,
    /// In the order in which they began; some may be over and begun anew.
    begun: VecDeque<(Instant, Origin)>,
}

#[derive(Copy, Clone, Debug)]
struct Window {
    begun: Instant,
    failures: u32,
}

impl Attempts {
    pub(crate) fn new(limit: FailureLimit) -> Self {
        Self {
            limit,
            windows: HashMap::new(),
            begun: VecDeque::new(),
        }
    }

    /// Other limits; what was counted stays.
    pub(crate) fn set_limit(&mut self, limit: FailureLimit) {
        self.limit = limit;
    }

    /// Whether this origin has to wait.
    pub(crate) fn is_blocked(&self, origin: Origin, now: Instant) -> bool {
        self.limit.failures > 0
            && self
                .windows
                .get(&origin)
                .is_some_and(|window| window.failures >= self.limit.failures && !self.is_over(window.begun, now))
    }

    /// Counts a failure. True: with it, the origin is blocked.
    pub(crate) fn failed(&mut self, origin: Origin, now: Instant) -> bool {
        if self.limit.failures == 0 || self.limit.origins == 0 {
            return false;
        }
        self.forget(now);
        let window = self.windows.entry(origin).or_insert_with(|| {
            self.begun.push_back((now, origin));
            Window {
                begun: now,
                failures: 0,
            }
        });
        window.failures = window.failures.saturating_add(1);
        window.failures == self.limit.failures
    }

    fn is_over(&self, begun: Instant, now: Instant) -> bool {
        now.saturating_duration_since(begun) >= self.limit.window
    }

    /// What is over, and the oldest where there is no more room.
    fn forget(&mut self, now: Instant) {
        while let Some(&(begun, origin)) = self.begun.front() {
            if !self.is_over(begun, now) && self.windows.len() < self.limit.origins {
                break;
            }
            self.begun.pop_front();
            self.windows.remove(&origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn origin(number: u32) -> Origin {
        Origin::V4(Ipv4Addr::from_bits(number))
    }

    fn attempts(failures: u32, origins: usize) -> Attempts {
        Attempts::new(FailureLimit {
            failures,
            window: Duration::from_secs(60),
            origins,
        })
    }

    #[test]
    fn who_fails_too_often_waits_until_the_window_is_over_and_nobody_else_does() {
        let mut attempts = attempts(3, 10);
        let now = Instant::now();
        assert!(!attempts.failed(origin(1), now));
        assert!(!attempts.failed(origin(1), now + Duration::from_secs(30)));
        assert!(!attempts.is_blocked(origin(1), now + Duration::from_secs(30)));
        assert!(
            attempts.failed(origin(1), now + Duration::from_secs(31)),
            "now it is blocked"
        );
        assert!(
            !attempts.failed(origin(1), now + Duration::from_secs(32)),
            "and is told so once"
        );
        assert!(attempts.is_blocked(origin(1), now + Duration::from_secs(59)));
        assert!(!attempts.is_blocked(origin(2), now + Duration::from_secs(59)));
        assert!(!attempts.is_blocked(origin(1), now + Duration::from_secs(60)));
        assert!(
            !attempts.failed(origin(1), now + Duration::from_secs(61)),
            "counted anew"
        );
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_goes() {
        let mut attempts = attempts(1, 4);
        let now = Instant::now();
        for number in 0..1000 {
            attempts.failed(origin(number), now + Duration::from_millis(u64::from(number)));
            assert!(attempts.windows.len() <= 4 && attempts.begun.len() <= 4);
        }
        let later = now + Duration::from_secs(1);
        assert!(attempts.is_blocked(origin(999), later) && attempts.is_blocked(origin(996), later));
        assert!(!attempts.is_blocked(origin(995), later));
    }

    #[test]
    fn no_limit_blocks_nobody() {
        let mut attempts = attempts(0, 4);
        let now = Instant::now();
        assert!((0..100).all(|_| !attempts.failed(origin(1), now)));
        assert!(!attempts.is_blocked(origin(1), now));
    }
}
