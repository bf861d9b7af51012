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
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        self.plus_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}
