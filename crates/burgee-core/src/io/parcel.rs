//! Mail between shards.
//!
//! What must hold: parcels of one shard to another arrive in the order in which they were sent, none is lost.
//! Deliberately absent: answers in the same turn. Nothing waits for mail.

use burgee_codec::QoS;

use crate::counters::Counters;
use crate::message::Message;

/// One session's copy of a message.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Copy {
    /// The session's place in its shard.
    pub slot: u32,
    /// The session's generation.
    pub generation: u32,
    /// The QoS of this delivery: the lesser of the message's and the granted one.
    pub qos: QoS,
}

/// What one shard tells another.
#[derive(Debug)]
pub enum Parcel {
    /// A message that is owed to sessions of the receiving shard.
    Publish {
        /// The message.
        message: Message,
        /// Who is owed it, in order of their keys.
        copies: Vec<Copy>,
    },
    /// Shard 0 wants the counters.
    CountersWanted,
    /// The counters as they are now.
    Counters(Box<Counters>),
}

impl Parcel {
    /// Bytes that it counts for in the mail's limit.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Publish { message, copies } => message.weight() + copies.len() * size_of::<Copy>() + 64,
            Self::CountersWanted => 16,
            Self::Counters(_) => size_of::<Counters>(),
        }
    }
}
