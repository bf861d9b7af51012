//! How near the memory limit is. See `memory`.
//!
//! What must hold: each level asks more of clients than the one before. Deliberately absent: what is counted.

/// What one client may hold in an outbox, alone and shared, and in its queue once the limit is near, in bytes.
pub(crate) const MODEST: (usize, usize, usize) = (16 * 1024, 64 * 1024, 16 * 1024);

/// See the module.
#[derive(Copy, Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Pressure {
    /// There is room.
    #[default]
    None,
    /// Seven eighths are used.
    Near,
    /// All is used.
    Full,
}

impl Pressure {
    /// How many messages of this weight may be in flight to one client; one always.
    #[inline]
    pub(crate) fn most_in_flight(self, weight: usize) -> usize {
        match self {
            Self::None => usize::MAX,
            Self::Near | Self::Full => (MODEST.2 / weight.max(1)).max(1),
        }
    }

    /// Whether a queue that holds so much may hold more in memory.
    pub(crate) const fn may_queue(self, held: usize) -> bool {
        match self {
            Self::None => true,
            Self::Near => held < MODEST.2,
            Self::Full => false,
        }
    }
}
