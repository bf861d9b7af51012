//! What a shard asks to be kept: operations, gathered in a batch for each turn.
//!
//! What must hold: one record for each message, whatever the fan-out; acknowledgements are numbers, not records; every
//! operation has a defined effect in every state.
//! Deliberately absent: connections and windows; they do not survive a restart.

use burgee_codec::{PacketId, QoS, TopicFilterBuf, TopicNameBuf};
use smallvec::SmallVec;

use crate::body::Body;

/// A session's number: given once, never reused. 1 and above.
#[derive(Copy, Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionNo(pub u64);

/// A message's number: given once, never reused, ascending in the order in which a shard took the messages over.
/// 1 and above.
#[derive(Copy, Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageNo(pub u64);

/// Who submits: a shard.
#[derive(Copy, Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Source(pub u16);

/// How far a QoS 2 delivery has come.
#[derive(Copy, Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// PUBLISH has its identifier; PUBREC has not come.
    Published,
    /// PUBREC came; PUBCOMP has not.
    Released,
}

/// What is published for a session whose client is lost.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Will {
    /// Topic and payload.
    pub body: Body,
    /// With which QoS it is published.
    pub qos: QoS,
    /// Whether it is published with RETAIN set.
    pub retain: bool,
}

/// How much of the retained messages that match a new subscription is still to be handed over to its client.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Replay {
    /// Nothing.
    #[default]
    Done,
    /// All of them.
    Whole,
    /// Those whose topics lie behind this one, in the order of their bytes.
    Behind(TopicNameBuf),
}

impl Replay {
    /// Bytes that it owns.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Done | Self::Whole => 0,
            Self::Behind(topic) => topic.as_str().len(),
        }
    }
}

/// Sessions that are owed a message, and with which QoS it is delivered to each. One of them takes no memory of its own.
pub type Owing = SmallVec<[(SessionNo, QoS); 1]>;

/// One change of durable state. "Nothing happens" where the session is unknown or gone, in all of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Op {
    /// A persistent session exists from now on. A number or a client identifier that a living session has is a false
    /// claim: the commit fails. Delete the old session first; the same batch will do.
    SessionCreated {
        /// Its number.
        session: SessionNo,
        /// Its client identifier.
        client_id: Box<str>,
        /// The user that it belongs to; an empty name: clients without one; none: whoever comes first.
        user: Option<Box<str>>,
    },
    /// A session belongs to this user from now on, or to clients without a name where that is empty. The last word counts.
    SessionClaimed {
        /// Its number.
        session: SessionNo,
        /// Whose it is.
        user: Box<str>,
    },
    /// A session is gone with all that it held; its messages count as settled.
    SessionDeleted {
        /// Its number.
        session: SessionNo,
    },
    /// A subscription was made, or made again: this is its QoS, and this is owed to it of what is retained.
    Subscribed {
        /// Whose.
        session: SessionNo,
        /// As sent, compared by its bytes.
        filter: TopicFilterBuf,
        /// Granted QoS.
        qos: QoS,
        /// What of the retained messages is to be handed over.
        replay: Replay,
    },
    /// So much of the retained messages is still to be handed over to a subscription. Nothing happens where there is none.
    Replayed {
        /// Whose.
        session: SessionNo,
        /// As sent.
        filter: TopicFilterBuf,
        /// What is left.
        replay: Replay,
    },
    /// A subscription ended. Nothing happens where there is none.
    Unsubscribed {
        /// Whose.
        session: SessionNo,
        /// As sent.
        filter: TopicFilterBuf,
    },
    /// A message is owed to sessions, whoever owns them: one record for all. Unknown ones are left out, and where none
    /// is left, so is the message. Of a session that is named twice the last word counts. The number of a message that is
    /// there is a false claim: the commit fails.
    Owed {
        /// Its number.
        message: MessageNo,
        /// Topic and payload.
        body: Body,
        /// Whether it is delivered with RETAIN set.
        retain: bool,
        /// Who is owed it, and with which QoS it is delivered.
        owing: Owing,
    },
    /// A session has a message no more: acknowledged, or dropped by a limit. Its identifier, if any, is free. Nothing
    /// happens where it is not owed.
    Settled {
        /// Which session.
        session: SessionNo,
        /// Which message.
        message: MessageNo,
    },
    /// A QoS 2 delivery has this identifier and has come so far; the last word counts. Nothing happens where the
    /// message is not owed. An identifier that another message of the session has moves to this one; the other stays
    /// owed, without an identifier.
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
    /// A QoS 2 message with this identifier was received: sent again, it is not taken again.
    Received {
        /// Which session.
        session: SessionNo,
        /// The identifier.
        id: PacketId,
    },
    /// PUBREL came for a received QoS 2 message: its identifier is free. Nothing happens where it was.
    Freed {
        /// Which session.
        session: SessionNo,
        /// The identifier.
        id: PacketId,
    },
    /// A session has this will and no other.
    WillSet {
        /// Which session.
        session: SessionNo,
        /// The will.
        will: Will,
    },
    /// A session has no will: it was published, or its client left in peace.
    WillCleared {
        /// Which session.
        session: SessionNo,
    },
    /// The retained message of a topic was set; the old one is gone. Nothing happens where a greater stamp has spoken of
    /// this topic since the store was opened, or the message that is there has one.
    Retained {
        /// Topic and payload.
        body: Body,
        /// QoS of the publication.
        qos: QoS,
        /// When, among all words about retained messages, whoever said them: see [`Op::Unretained`].
        stamp: u64,
    },
    /// The retained message of a topic was removed. Nothing happens where there is none, or where a greater stamp has
    /// spoken, as for [`Op::Retained`]. Sources may say their words in another order than that in which they had their
    /// stamps; so the store remembers a removal for as long as an older word may come.
    Unretained {
        /// Topic name.
        topic: TopicNameBuf,
        /// When.
        stamp: u64,
        /// No word with a lesser stamp comes after this one. It may be less than necessary, never more.
        oldest: u64,
    },
}

impl Op {
    /// Bytes that it holds in memory, its body included.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.heap()
    }

    /// Bytes that it owns on the heap, bodies included.
    fn heap(&self) -> usize {
        match self {
            Self::SessionCreated { client_id, user, .. } => {
                client_id.len() + user.as_ref().map_or(0, |user| user.len())
            }
            Self::SessionClaimed { user, .. } => user.len(),
            Self::Unsubscribed { filter, .. } => filter.as_str().len(),
            Self::Subscribed { filter, replay, .. } | Self::Replayed { filter, replay, .. } => {
                filter.as_str().len() + replay.len()
            }
            // It has grown in steps, so that it may have more room than it needs.
            Self::Owed { body, owing, .. } if owing.spilled() => {
                body.len() + owing.capacity() * size_of::<(SessionNo, QoS)>()
            }
            Self::Owed { body, .. } | Self::Retained { body, .. } => body.len(),
            Self::WillSet { will, .. } => will.body.len(),
            Self::Unretained { topic, .. } => topic.as_str().len(),
            Self::SessionDeleted { .. }
            | Self::Settled { .. }
            | Self::Delivery { .. }
            | Self::Received { .. }
            | Self::Freed { .. }
            | Self::WillCleared { .. } => 0,
        }
    }
}

/// Operations of one source that become durable together, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Batch {
    /// Whose they are.
    pub source: Source,
    /// The number that the notice of durability will carry: 1, 2, 3 for each source since the store was opened.
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

    /// Bytes that it holds in memory until it is committed, bodies included (they may be shared with others).
    #[must_use]
    pub fn weight(&self) -> usize {
        self.ops.iter().map(Op::weight).sum()
    }
}
