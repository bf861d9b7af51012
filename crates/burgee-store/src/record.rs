//! What a store tells: how far it is durable, and what it holds.
//!
//! What must hold: records are values, without any tie to the store. Lists are sorted: subscriptions by the filter's
//! bytes, identifiers and messages by number.

use burgee_codec::{PacketId, QoS, TopicFilterBuf};

use crate::batch::{MessageNo, Replay, SessionNo, Source, Stage, Will};
use crate::body::Body;

/// A notice: all batches of a source up to this number are durable.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Durable {
    /// Whose.
    pub source: Source,
    /// The highest number.
    pub upto: u64,
}

/// What there is at the start, in short.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Recovered {
    /// Above every session number that was ever durable, those of deleted sessions included.
    pub next_session: SessionNo,
    /// Above every message number that was ever durable, those of settled messages included.
    pub next_message: MessageNo,
    /// Sessions.
    pub sessions: u64,
    /// Messages that somebody is owed.
    pub messages: u64,
    /// Bytes of their bodies; each counts once.
    pub message_bytes: u64,
    /// Retained messages.
    pub retained: u64,
    /// Bytes of their bodies.
    pub retained_bytes: u64,
}

/// A session with everything that must be known of it before its client comes back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRecord {
    /// Its number.
    pub session: SessionNo,
    /// Its client identifier.
    pub client_id: Box<str>,
    /// The user that it belongs to; an empty name: clients without one; none: whoever comes first.
    pub user: Option<Box<str>>,
    /// Its subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// Identifiers of received QoS 2 messages that are not free yet.
    pub received: Vec<PacketId>,
    /// QoS 2 deliveries that have an identifier, by message number.
    pub deliveries: Vec<Delivery>,
    /// Its will: the client was connected and has not left in peace.
    pub will: Option<Will>,
    /// What it is owed, in short.
    pub backlog: Backlog,
}

impl SessionRecord {
    /// Bytes that it counts for on a page.
    #[must_use]
    pub fn weight(&self) -> usize {
        let filters: usize = self
            .subscriptions
            .iter()
            .map(|held| held.filter.as_str().len() + held.replay.len())
            .sum();
        let will = self.will.as_ref().map_or(0, |will| will.body.len());
        let lists = size_of_val::<[_]>(&self.subscriptions)
            + size_of_val::<[_]>(&self.received)
            + size_of_val::<[_]>(&self.deliveries);
        let user = self.user.as_ref().map_or(0, |user| user.len());
        size_of::<Self>() + self.client_id.len() + user + filters + will + lists
    }
}

/// A subscription.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subscription {
    /// As sent.
    pub filter: TopicFilterBuf,
    /// Granted QoS.
    pub qos: QoS,
    /// What of the retained messages is still to be handed over.
    pub replay: Replay,
}

/// A QoS 2 delivery that has an identifier.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// Of which message.
    pub message: MessageNo,
    /// The identifier.
    pub id: PacketId,
    /// How far it is.
    pub stage: Stage,
}

/// What a session is owed, in short.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Backlog {
    /// How many messages.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// The oldest.
    pub first: Option<MessageNo>,
}

/// A message that a session is owed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwedMessage {
    /// Its number.
    pub message: MessageNo,
    /// Topic and payload.
    pub body: Body,
    /// With which QoS it is delivered.
    pub qos: QoS,
    /// Whether it is delivered with RETAIN set.
    pub retain: bool,
    /// Identifier and stage of a QoS 2 delivery under way.
    pub delivery: Option<(PacketId, Stage)>,
}

impl OwedMessage {
    /// Bytes that it counts for on a page.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.body.len()
    }
}

/// A message that a session is owed, without its body.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct OwedRef {
    /// Its number.
    pub message: MessageNo,
    /// Length of its body.
    pub bytes: u32,
    /// With which QoS it is delivered.
    pub qos: QoS,
    /// Whether it is delivered with RETAIN set.
    pub retain: bool,
    /// Identifier and stage of a QoS 2 delivery under way.
    pub delivery: Option<(PacketId, Stage)>,
}

impl OwedRef {
    /// Bytes that it counts for on a page: its own.
    #[must_use]
    pub const fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

/// A retained message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RetainedMessage {
    /// Topic and payload.
    pub body: Body,
    /// QoS of the publication.
    pub qos: QoS,
    /// When it was retained; see [`Op::Unretained`](crate::Op::Unretained).
    pub stamp: u64,
}

impl RetainedMessage {
    /// Bytes that it counts for on a page.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.body.len()
    }
}
