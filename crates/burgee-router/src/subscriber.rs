//! Names of subscribers. The index knows nothing else about them.
//!
//! A key is no pointer: its owner checks the generation, so that a stale key finds nobody
//! rather than a stranger.

use burgee_codec::QoS;

/// A session's number in the store, so that whoever publishes can say who is owed a message. In two halves, so that a
/// recipient stays within 24 bytes.
#[derive(Copy, Clone, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct Kept {
    high: u32,
    low: u32,
}

impl Kept {
    /// What a session is owed ends with its connection.
    pub const NOT: Self = Self { high: 0, low: 0 };

    /// The session of this number; 0 is none.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "a half each")]
    pub const fn new(number: u64) -> Self {
        Self {
            high: (number >> 32) as u32,
            low: number as u32,
        }
    }

    /// The number; 0: none.
    #[must_use]
    pub const fn number(self) -> u64 {
        (self.high as u64) << 32 | self.low as u64
    }

    /// Whether there is a store that keeps what this session is owed.
    #[must_use]
    pub const fn is_kept(self) -> bool {
        self.high | self.low != 0
    }
}

/// A session, wherever it lives: the shard that owns it, and its slot there.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct SubscriberKey {
    /// The shard that owns the session.
    pub shard: u16,
    /// The session's slot within the shard.
    pub slot: u32,
    /// How often the slot had been used before, so that a stale key can be told.
    pub generation: u32,
    /// The session's number in the store.
    pub kept: Kept,
}

/// One who is owed a copy, and with which quality at most.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct Recipient {
    /// The session that is owed the message.
    pub key: SubscriberKey,
    /// The granted quality of service: the upper bound for the delivery.
    pub qos: QoS,
}
