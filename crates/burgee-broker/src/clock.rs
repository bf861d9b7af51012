//! The broker's clock: milliseconds since it started, the same for all its threads.
//!
//! What must hold: monotonic; read once for each turn. Deliberately absent: the time of day.

use std::time::Instant;

use burgee_protocol::Time;

/// See the module.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts at zero.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Now.
    pub(crate) fn now(self) -> Time {
        Time::from_millis(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
