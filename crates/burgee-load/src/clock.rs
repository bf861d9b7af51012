//! Time in the unit of the time stamps that messages carry: 100 nanoseconds since the run began.

use std::time::{Duration, Instant};

/// Units in a second.
pub(crate) const SECOND: u64 = 10_000_000;

/// When the run began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Units since the run began.
    pub(crate) fn now(&self) -> u64 {
        units(self.0.elapsed())
    }

    /// The unit in which this instant lies.
    pub(crate) fn at(&self, instant: Instant) -> u64 {
        units(instant.saturating_duration_since(self.0))
    }
}

/// A duration in units.
pub(crate) fn units(duration: Duration) -> u64 {
    duration.as_secs() * SECOND + u64::from(duration.subsec_nanos()) / 100
}

/// The stamp of a unit: its low 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "stamps wrap")]
pub(crate) fn stamp(units: u64) -> u32 {
    units as u32
}

/// When a message with this stamp was sent, and how old it is, if it is younger than seven minutes.
pub(crate) fn sent(now: u64, stamp_of_message: u32) -> (u64, u32) {
    let age = stamp(now).wrapping_sub(stamp_of_message);
    (now.saturating_sub(u64::from(age)), age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_survive_the_wrap() {
        let sent_at = (1 << 32) - 5;
        assert_eq!(sent(sent_at + 12, stamp(sent_at)), (sent_at, 12));
        assert_eq!(units(Duration::from_millis(1500)), SECOND + SECOND / 2);
    }
}
