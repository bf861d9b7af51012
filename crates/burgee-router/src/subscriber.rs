//! Names of subscribers. The index knows nothing else about them.
//!
//! A key is no pointer: its owner checks the generation, so that a stale key finds nobody
//! rather than a stranger.

use burgee_codec::QoS;

/// A session, wherever it lives: the shard that owns it, and its slot there.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct SubscriberKey {
    /// The shard that owns the session.
    pub shard: u16,
    /// The session's slot within the shard.
    pub slot: u32,
    /// How often the slot had been used before, so that a stale key can be told.
    pub generation: u32,
}

/// One who is owed a copy, and with which quality at most.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct Recipient {
    /// The session that is owed the message.
    pub key: SubscriberKey,
    /// The granted quality of service: the upper bound for the delivery.
    pub qos: QoS,
}
