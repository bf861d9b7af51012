//! How much a client, or all clients of a user, have published of what their rate allows.
//!
//! What must hold: over any time it is let through no more than its rate for that time, its burst, and one packet. What is
//! larger than the burst gets through, and is paid for afterwards. Deliberately absent: what happens to whoever is spent.

use std::sync::{Arc, PoisonError, RwLock};

use burgee_protocol::Time;

use crate::policy::Rate;

/// A thousandth of what is measured: that is what comes back in a millisecond at a rate of one in a second.
const UNIT: i64 = 1000;

#[derive(Debug)]
struct Bucket {
    /// What may still be used; below zero: what was used in advance.
    left: i64,
    per_second: i64,
    burst: i64,
}

/// What has been used of a rate.
#[derive(Debug)]
pub(crate) struct Buckets {
    messages: Bucket,
    bytes: Bucket,
    filled: Time,
    /// Since when it has been spent again and again, without ever having its whole burst back.
    spent_since: Option<Time>,
}

impl Buckets {
    pub(crate) fn new(rate: Rate, now: Time) -> Self {
        Self {
            messages: Bucket::new(rate.messages.into(), rate.message_burst.into()),
            bytes: Bucket::new(rate.bytes, rate.byte_burst),
            filled: now,
            spent_since: None,
        }
    }

    /// Time has passed. Says whether everything is there again.
    pub(crate) fn fill(&mut self, now: Time) -> bool {
        let passed = i64::try_from(now.millis_since(self.filled)).unwrap_or(i64::MAX);
        // The shards look at the clock one after the other.
        self.filled = self.filled.max(now);
        let whole = [&mut self.messages, &mut self.bytes].map(|bucket| bucket.fill(passed));
        if whole == [true, true] {
            self.spent_since = None;
        }
        whole == [true, true]
    }

    fn is_spent(&mut self, now: Time) -> bool {
        self.fill(now);
        let spent = self.messages.wait() > 0 || self.bytes.wait() > 0;
        if spent {
            self.spent_since.get_or_insert(now);
        }
        spent
    }

    /// A message of so many bytes was let through.
    pub(crate) fn charge(&mut self, bytes: usize) {
        self.messages.charge(1);
        self.bytes.charge(bytes as u64);
    }
}

/// What the connections of one user have in common, over all shards. Locked for each of their messages, and for nobody
/// else's: a rate that holds for all of them is one datum, and whoever publishes writes it.
pub(crate) type Common = Arc<RwLock<Buckets>>;

/// Whose buckets.
#[derive(Debug)]
enum Held {
    Own(Buckets),
    /// Of all connections of a user.
    Common(Common),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Meter {
    held: Held,
    rate: Rate,
}

impl Meter {
    /// `None` if the rate limits nothing.
    pub(crate) fn new(rate: Rate, now: Time) -> Option<Self> {
        rate.limits().then(|| Self {
            held: Held::Own(Buckets::new(rate, now)),
            rate,
        })
    }

    /// One that measures what all connections of a user have in common.
    pub(crate) const fn in_common(rate: Rate, common: Common) -> Self {
        Self {
            held: Held::Common(common),
            rate,
        }
    }

    fn with<R>(&self, own: impl FnOnce(&Buckets) -> R) -> R {
        match &self.held {
            Held::Own(buckets) => own(buckets),
            Held::Common(common) => own(&common.read().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn with_mut<R>(&mut self, own: impl FnOnce(&mut Buckets) -> R) -> R {
        match &mut self.held {
            Held::Own(buckets) => own(buckets),
            Held::Common(common) => own(&mut common.write().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// What it measures by.
    pub(crate) const fn rate(&self) -> Rate {
        self.rate
    }

    /// Whether nothing may be let through now.
    pub(crate) fn is_spent(&mut self, now: Time) -> bool {
        self.with_mut(|buckets| buckets.is_spent(now))
    }

    /// Whether it has been beyond its rate for longer than it may be.
    pub(crate) fn is_too_long(&self, now: Time) -> bool {
        let most = self.rate.close_after_ms;
        let long = |since: Time| now.millis_since(since) >= most;
        most > 0 && self.with(|buckets| buckets.spent_since.is_some_and(long))
    }

    /// A message of so many bytes was let through.
    pub(crate) fn charge(&mut self, bytes: usize) {
        self.with_mut(|buckets| buckets.charge(bytes));
    }

    /// When something may be let through again.
    pub(crate) fn due(&self, now: Time) -> Time {
        now.plus_millis(self.with(|buckets| buckets.messages.wait().max(buckets.bytes.wait())))
    }
}

impl Bucket {
    /// A rate of 0 limits nothing.
    fn new(per_second: u64, burst: u64) -> Self {
        // More than anybody can send is as good as no limit.
        let most = |value: u64| i64::try_from(value.min(1 << 50)).unwrap_or(0);
        let burst = most(if burst == 0 { per_second.max(1) } else { burst }) * UNIT;
        Self {
            left: burst,
            per_second: most(per_second),
            burst,
        }
    }

    /// Says whether it is full.
    fn fill(&mut self, millis: i64) -> bool {
        if self.per_second > 0 {
            self.left = self
                .left
                .saturating_add(self.per_second.saturating_mul(millis))
                .min(self.burst);
        }
        self.left == self.burst
    }

    fn charge(&mut self, used: u64) {
        if self.per_second > 0 {
            let used = i64::try_from(used).unwrap_or(i64::MAX);
            self.left = self.left.saturating_sub(used.saturating_mul(UNIT));
        }
    }

    /// Milliseconds until something may be used.
    fn wait(&self) -> u64 {
        if self.left > 0 || self.per_second == 0 {
            return 0;
        }
        // Until there is something again.
        let missing = u64::try_from(1 - self.left).unwrap_or(0);
        missing.div_ceil(u64::try_from(self.per_second).unwrap_or(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_a_long_time_the_rate_is_kept() {
        for (rate, size, most) in [
            (
                Rate {
                    messages: 10,
                    message_burst: 5,
                    ..Rate::default()
                },
                1,
                100 * 10 + 6,
            ),
            (
                Rate {
                    bytes: 1000,
                    byte_burst: 100,
                    ..Rate::default()
                },
                250,
                100 * 4 + 2,
            ),
        ] {
            let mut meter = Meter::new(rate, Time::ZERO).unwrap();
            let (mut now, mut through) = (Time::ZERO, 0);
            while now < Time::from_millis(100_000) {
                if meter.is_spent(now) {
                    let due = meter.due(now);
                    assert!(due > now, "waiting has to help");
                    now = due;
                } else {
                    meter.charge(size);
                    through += 1;
                }
            }
            assert!((most - 12..=most).contains(&through), "{through} of {most}");
        }
    }

    #[test]
    fn who_rests_is_forgiven_and_who_does_not_is_not() {
        let rate = Rate {
            messages: 1,
            message_burst: 2,
            close_after_ms: 5_000,
            ..Rate::default()
        };
        let mut meter = Meter::new(rate, Time::ZERO).unwrap();
        let at = Time::from_millis;
        for second in 0..20 {
            let now = at(second * 1000);
            while !meter.is_spent(now) {
                meter.charge(1);
            }
            assert_eq!(meter.is_too_long(now), second >= 5, "{second}");
        }
        assert!(!meter.is_spent(at(40_000)) && !meter.is_too_long(at(40_000)));
        assert!(Meter::new(Rate::default(), Time::ZERO).is_none());
    }
}
