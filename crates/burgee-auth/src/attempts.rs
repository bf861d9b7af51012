//! Failed logins of each name from each origin, and of each origin: after so many within a window, it is refused at once
//! until the window is over.
//!
//! What must hold: who guesses at one name shuts out that name where it guesses from, and not those who share the address;
//! who tries many names shuts out the address. Memory is bounded; when a table is full, the oldest window goes. A success
//! takes nothing back, or who has one password could try others for ever. Deliberately absent: answers that are slow on
//! purpose; each would be a connection that we hold for whoever attacks.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use crate::origin::Origin;

/// What is allowed.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct FailureLimit {
    /// Failures of one name from one origin within the window; 0: no limit.
    pub failures: u32,
    /// Failures from one origin within the window, whatever the names; 0: no limit.
    pub of_origin: u32,
    /// How long failures count, from the first on.
    pub window: Duration,
    /// Origins, and pairs of name and origin, that are remembered.
    pub origins: usize,
}

impl Default for FailureLimit {
    fn default() -> Self {
        Self {
            failures: 10,
            of_origin: 100,
            window: Duration::from_secs(60),
            origins: 65_536,
        }
    }
}

/// Who is shut out by a failure.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Blocked {
    /// One name from its origin.
    Name,
    /// Everybody from there.
    Origin,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Attempts {
    limit: FailureLimit,
    /// Names are kept as hashes under a key of this process: how long they are must not matter.
    key: RandomState,
    names: Windows<(Origin, u64)>,
    origins: Windows<Origin>,
}

impl Attempts {
    pub(crate) fn new(limit: FailureLimit) -> Self {
        Self {
            limit,
            key: RandomState::new(),
            names: Windows::default(),
            origins: Windows::default(),
        }
    }

    /// Other limits; what was counted stays.
    pub(crate) fn set_limit(&mut self, limit: FailureLimit) {
        self.limit = limit;
    }

    /// Whether this name from this origin has to wait.
    pub(crate) fn is_blocked(&self, (origin, name): (Origin, &str), now: Instant) -> bool {
        let pair = (origin, self.key.hash_one(name));
        self.names.is_blocked(&pair, (self.limit.failures, self.limit), now)
            || self
                .origins
                .is_blocked(&origin, (self.limit.of_origin, self.limit), now)
    }

    /// Counts a failure, and says who is shut out with it.
    pub(crate) fn failed(&mut self, (origin, name): (Origin, &str), now: Instant) -> Option<Blocked> {
        let pair = (origin, self.key.hash_one(name));
        let limit = self.limit;
        let of_name = self.names.failed(pair, (limit.failures, limit), now);
        // Both are counted, whatever became of the other.
        let of_origin = self.origins.failed(origin, (limit.of_origin, limit), now);
        if of_origin {
            Some(Blocked::Origin)
        } else {
            of_name.then_some(Blocked::Name)
        }
    }
}

#[derive(Debug)]
struct Windows<K> {
    open: HashMap<K, Window>,
    /// In the order in which they began; some may be over and begun anew.
    begun: VecDeque<(Instant, K)>,
}

#[derive(Copy, Clone, Debug)]
struct Window {
    begun: Instant,
    failures: u32,
}

impl<K> Default for Windows<K> {
    fn default() -> Self {
        Self {
            open: HashMap::new(),
            begun: VecDeque::new(),
        }
    }
}

impl<K: Copy + Eq + Hash> Windows<K> {
    fn is_blocked(&self, who: &K, (most, limit): (u32, FailureLimit), now: Instant) -> bool {
        let open = self.open.get(who);
        most > 0 && open.is_some_and(|window| window.failures >= most && !is_over(limit, window.begun, now))
    }

    /// True: with this failure, it is blocked.
    fn failed(&mut self, who: K, (most, limit): (u32, FailureLimit), now: Instant) -> bool {
        if most == 0 || limit.origins == 0 {
            return false;
        }
        self.forget(limit, now);
        let window = self.open.entry(who).or_insert_with(|| {
            self.begun.push_back((now, who));
            Window {
                begun: now,
                failures: 0,
            }
        });
        window.failures = window.failures.saturating_add(1);
        window.failures == most
    }

    /// What is over, and the oldest where there is no more room.
    fn forget(&mut self, limit: FailureLimit, now: Instant) {
        while let Some(&(begun, who)) = self.begun.front() {
            if !is_over(limit, begun, now) && self.open.len() < limit.origins {
                break;
            }
            self.begun.pop_front();
            self.open.remove(&who);
        }
    }
}

fn is_over(limit: FailureLimit, begun: Instant, now: Instant) -> bool {
    now.saturating_duration_since(begun) >= limit.window
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn origin(number: u32) -> Origin {
        Origin::V4(Ipv4Addr::from_bits(number))
    }

    fn attempts(failures: u32, of_origin: u32, origins: usize) -> Attempts {
        Attempts::new(FailureLimit {
            failures,
            of_origin,
            window: Duration::from_secs(60),
            origins,
        })
    }

    #[test]
    fn a_name_that_fails_too_often_waits_until_the_window_is_over_and_no_other_does() {
        let mut attempts = attempts(3, 100, 10);
        let (now, ann) = (Instant::now(), (origin(1), "ann"));
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(attempts.failed(ann, at(0)), None);
        assert_eq!(attempts.failed(ann, at(30)), None);
        assert!(!attempts.is_blocked(ann, at(30)));
        assert_eq!(attempts.failed(ann, at(31)), Some(Blocked::Name));
        assert_eq!(attempts.failed(ann, at(32)), None, "it is told once");
        assert!(attempts.is_blocked(ann, at(59)));
        assert!(!attempts.is_blocked((origin(1), "bob"), at(59)));
        assert!(!attempts.is_blocked((origin(2), "ann"), at(59)));
        assert!(!attempts.is_blocked(ann, at(60)));
        assert_eq!(attempts.failed(ann, at(61)), None, "counted anew");
    }

    #[test]
    fn a_spray_of_names_shuts_out_where_it_comes_from() {
        let mut attempts = attempts(3, 20, 1000);
        let now = Instant::now();
        let mut failed = |number: u32| attempts.failed((origin(1), &number.to_string()), now);
        assert!((0..19).all(|number| failed(number).is_none()));
        assert_eq!(failed(19), Some(Blocked::Origin));
        assert!(attempts.is_blocked((origin(1), "never seen"), now));
        assert!(!attempts.is_blocked((origin(2), "never seen"), now));
        assert!(!attempts.is_blocked((origin(1), "never seen"), now + Duration::from_secs(60)));
    }

    #[test]
    fn the_tables_are_bounded_and_the_oldest_goes() {
        let mut attempts = attempts(1, 1, 4);
        let now = Instant::now();
        for number in 0..1000 {
            attempts.failed(
                (origin(number), &number.to_string()),
                now + Duration::from_millis(u64::from(number)),
            );
            assert!(attempts.names.open.len() <= 4 && attempts.names.begun.len() <= 4);
            assert!(attempts.origins.open.len() <= 4 && attempts.origins.begun.len() <= 4);
        }
        let later = now + Duration::from_secs(1);
        let is_blocked = |number| attempts.is_blocked((origin(number), "x"), later);
        assert!(is_blocked(999) && is_blocked(996));
        assert!(!is_blocked(995));
    }

    #[test]
    fn no_limit_blocks_nobody() {
        let mut attempts = attempts(0, 0, 4);
        let (now, ann) = (Instant::now(), (origin(1), "ann"));
        assert!((0..1000).all(|_| attempts.failed(ann, now).is_none()));
        assert!(!attempts.is_blocked(ann, now));
    }
}
