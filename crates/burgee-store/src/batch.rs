//! What a shard asks to be kept: operations, gathered in a batch for each turn.
//!
//! What must hold: one record for each message, whatever the fan-out; acknowledgements are numbers, not records.
//! Deliberately absent: connections and windows; they do not survive a restart.

use std::sync::Arc;

use burgee_codec::{PacketId, QoS};

/// A session's number: given once, never reused.
#[derive(Copy, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionNo(pub u64);

/// A message's number: ascending in the order in which a shard took the messages over.
#[derive(Copy, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageNo(pub u64);

/// How far a QoS 2 delivery has come.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Stage {
    /// PUBLISH has its identifier; PUBREC has not come.
    Published,
    /// PUBREC came; PUBCOMP has not.
    Released,
}

/// One change of durable state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Op {
    /// A persistent session exists from now on.
    SessionCreated {
        /// Its number.
        session: SessionNo,
        /// Its client identifier.
        client_id: Box<str>,
    },
    /// A session is gone with all that it held.
    SessionDeleted {
        /// Its number.
        session: SessionNo,
    },
    /// A subscription was made or its QoS changed.
    Subscribed {
        /// Whose.
        session: SessionNo,
        /// Topic filter, as sent.
        filter: Box<str>,
        /// Granted QoS.
        qos: QoS,
    },
    /// A subscription ended.
    Unsubscribed {
        /// Whose.
        session: SessionNo,
        /// Topic filter, as sent.
        filter: Box<str>,
    },
    /// A message is owed to sessions: one record for all of them.
    Owed {
        /// Its number.
        message: MessageNo,
        /// Length of the topic name (two bytes), topic name, payload.
        body: Arc<[u8]>,
        /// QoS of the publication.
        qos: QoS,
        /// Whether it is delivered with RETAIN set.
        retain: bool,
        /// Who is owed it, and with which QoS.
        owing: Box<[(SessionNo, QoS)]>,
    },
    /// A session has a message no more: acknowledged, or dropped by a limit.
    Settled {
        /// Which session.
        session: SessionNo,
        /// Which message.
        message: MessageNo,
    },
    /// A QoS 2 delivery has this identifier and has come so far.
    Delivery {
        /// Which session.
        session: SessionNo,
        /// Which message.
        message: MessageNo,
        /// Its packet identifier.
        id: PacketId,
        /// How far it is.
        stage: Stage,
    },
    /// The identifier of a received QoS 2 message.
    Received {
        /// Which session.
        session: SessionNo,
        /// The identifier.
        id: PacketId,
    },
    /// PUBREL came for a received QoS 2 message: its identifier is free.
    Released {
        /// Which session.
        session: SessionNo,
        /// The identifier.
        id: PacketId,
    },
    /// The retained message of a topic was set.
    Retained {
        /// As in [`Op::Owed`].
        body: Arc<[u8]>,
        /// QoS of the publication.
        qos: QoS,
    },
    /// The retained message of a topic was removed.
    Unretained {
        /// Topic name.
        topic: Box<str>,
    },
}

/// Operations that become durable together, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Batch {
    /// The number that the notice of durability will carry; ascending for each shard, from 1.
    pub number: u64,
    /// What to do.
    pub ops: Vec<Op>,
}

impl Batch {
    /// Nothing is to be kept.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}
