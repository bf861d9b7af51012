//! Time as an argument: milliseconds since an origin that the caller chose.
//!
//! What must hold: only differences mean anything. Deliberately absent: a clock. Whoever owns one says what time it
//! is, once for each turn; a simulated hour therefore costs nothing.

use core::ops::Add;
use core::time::Duration;

/// A point in time, in milliseconds since the caller's origin.
#[derive(Copy, Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Time(u64);

impl Time {
    /// The origin itself.
    pub const ZERO: Self = Self(0);

    /// The point `millis` milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to here; 0 if `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The point `millis` milliseconds later, at most the end of time.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The earlier of two points that may not be there. Every turn asks for the earliest of several, and a chain of
    /// iterators over them took longer than all the rest of an empty turn.
    #[must_use]
    pub const fn earlier(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(a), Some(b)) if b.0 < a.0 => other,
            (Some(_), _) => one,
            (None, _) => other,
        }
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        self.plus_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_one_is_found_wherever_it_stands() {
        let [early, late] = [3, 7].map(|millis| Some(Time::from_millis(millis)));
        for (one, other, expected) in [
            (early, late, early),
            (late, early, early),
            (None, late, late),
            (early, None, early),
            (None, None, None),
        ] {
            assert_eq!(Time::earlier(one, other), expected);
        }
    }
}
