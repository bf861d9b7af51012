//! What the oracle remembers: connections, sessions, messages, and who is owed what.
//!
//! What must hold: plain data, ordered containers only. Deliberately absent: rules; they stand in the sister modules.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use burgee_codec::{QoS, Version};

use super::history::History;
use super::waits::Waits;
use crate::law::Who;
use crate::net::LinkId;

/// A message's number, in the order in which the broker took them.
pub(super) type MessageNo = usize;
/// A session's number; never used again.
pub(super) type SessionNo = usize;

/// In place of a connection: it was before the crash.
pub(super) const RESTORED: LinkId = usize::MAX;

/// Why a connection ended, as far as the oracle can tell from what went in.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    Ended,
    Disconnect,
    Violation,
    Refused,
    TakenOver,
    KeepAlive,
    ConnectTimeout,
    Kicked,
    Shutdown,
}

/// A will as its CONNECT said it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Will {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
}

/// Answers that a connection has to get, in order within each kind.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) connack: Option<(bool, u8)>,
    /// With the message that it answers.
    pub(super) puback: VecDeque<(u16, Option<MessageNo>)>,
    pub(super) pubrec: VecDeque<(u16, Option<MessageNo>)>,
    pub(super) pubcomp: VecDeque<u16>,
    /// With the number of the SUBSCRIBE.
    pub(super) suback: VecDeque<(u16, Vec<u8>, u64)>,
    /// With the number of the UNSUBSCRIBE.
    pub(super) unsuback: VecDeque<(u16, u64)>,
    pub(super) pongs: usize,
    /// PUBRELs that answer a PUBREC, in the order of those.
    pub(super) pubrel: VecDeque<u16>,
}

impl Answers {
    pub(super) fn outstanding(&self) -> Option<&'static str> {
        let table = [
            (self.connack.is_some(), "CONNACK"),
            (!self.puback.is_empty(), "PUBACK"),
            (!self.pubrec.is_empty(), "PUBREC"),
            (!self.pubcomp.is_empty(), "PUBCOMP"),
            (!self.suback.is_empty(), "SUBACK"),
            (!self.unsuback.is_empty(), "UNSUBACK"),
            (self.pongs > 0, "PINGRESP"),
            (!self.pubrel.is_empty(), "PUBREL"),
        ];
        table.into_iter().find(|(missing, _)| *missing).map(|(_, name)| name)
    }
}

/// A connection as the broker has seen it so far.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) shard: u16,
    pub(super) accepted: u64,
    pub(super) version: Version,
    pub(super) session: Option<SessionNo>,
    pub(super) client: String,
    /// Its client's, proven.
    pub(super) user: Option<String>,
    pub(super) waits: Waits,
    pub(super) will: Option<Will>,
    /// The same, behind a DISCONNECT that waits for what stands before it.
    pub(super) will_behind: Option<Will>,
    pub(super) keep_alive: u16,
    pub(super) last_packet: u64,
    /// When it was last not read for a reason of the broker's own.
    pub(super) unread: u64,
    pub(super) answers: Answers,
    pub(super) closed: Option<Cause>,
}

impl Conn {
    /// Who it is, for rules.
    pub(super) fn who(&self) -> Who<'_> {
        Who {
            client: &self.client,
            user: self.user.as_deref(),
        }
    }

    pub(super) fn new(shard: u16, now: u64) -> Self {
        Self {
            shard,
            accepted: now,
            version: Version::V311,
            session: None,
            client: String::new(),
            user: None,
            waits: Waits::default(),
            will: None,
            will_behind: None,
            keep_alive: 0,
            last_packet: now,
            unread: 0,
            answers: Answers::default(),
            closed: None,
        }
    }

    /// When its silence may end, if it was the broker that did not listen.
    pub(super) fn kept_silent(&self) -> u64 {
        if self.unread > 0 {
            self.unread + u64::from(self.keep_alive) * 1500
        } else {
            0
        }
    }

    /// When the broker has given it up at the latest.
    pub(super) fn latest(&self, connect_timeout: u64) -> Option<u64> {
        let due = self.due(connect_timeout)?;
        Some(if self.session.is_none() {
            due.max(self.waits.latest(connect_timeout))
        } else {
            due
        })
    }

    /// When the broker has to give it up for silence.
    pub(super) fn due(&self, connect_timeout: u64) -> Option<u64> {
        if self.session.is_none() {
            return Some(self.accepted + connect_timeout);
        }
        (self.keep_alive > 0).then(|| self.last_packet + u64::from(self.keep_alive) * 1500)
    }
}

/// A message that the broker took.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) publisher: String,
    pub(super) topic: String,
    pub(super) payload: Rc<[u8]>,
    pub(super) qos: QoS,
    /// When it was taken.
    pub(super) taken: u64,
    /// It has been acknowledged to its publisher: it must not be lost.
    pub(super) sure: bool,
    /// Somebody was sent it with QoS 2.
    pub(super) exactly: bool,
    /// The session and the identifier that it came with, if it came with QoS 2.
    pub(super) origin: Option<(SessionNo, u16)>,
}

impl Message {
    /// Whether the payload says which message it is.
    pub(super) fn is_marked(&self) -> bool {
        !self.payload.is_empty()
    }
}

/// A copy that a session has not been sent yet.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of yes and no")]
pub(super) struct Owed {
    pub(super) message: MessageNo,
    pub(super) qos: QoS,
    /// The connection that the session had when the message was taken.
    pub(super) conn: Option<LinkId>,
    /// It may also be missing.
    pub(super) optional: bool,
    /// It may have been written to a connection whose end hid it from us.
    pub(super) perhaps_written: bool,
    /// It came back from the disk.
    pub(super) restored: bool,
    /// It was sent before that.
    pub(super) seen: bool,
    /// Which of several that look alike it is cannot be told.
    pub(super) alike: bool,
    /// It may have expired.
    pub(super) old: bool,
}

impl Owed {
    /// A copy that nothing is known of yet.
    pub(super) const fn new(message: MessageNo, qos: QoS, conn: Option<LinkId>) -> Self {
        Self {
            message,
            qos,
            conn,
            optional: false,
            perhaps_written: false,
            restored: false,
            seen: false,
            alike: false,
            old: false,
        }
    }

    /// QoS 0 does not wait.
    pub(super) fn may_expire(&self) -> bool {
        self.qos > QoS::AtMostOnce
    }
}

/// A message of QoS 1 or 2 that was sent and is not finished.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of yes and no")]
pub(super) struct Flight {
    pub(super) id: u16,
    pub(super) topic: String,
    pub(super) payload: Rc<[u8]>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// PUBREC came.
    pub(super) released: bool,
    /// PUBREL was sent.
    pub(super) release_sent: bool,
    /// Which message it is, if that can be told.
    pub(super) message: Option<MessageNo>,
    /// It came back from the disk, and was not sent since.
    pub(super) restored: bool,
    /// Its PUBLISH was seen: sent again, it has DUP set.
    pub(super) seen: bool,
    /// The last connection on which its PUBLISH or PUBREL was sent.
    pub(super) sent_on: LinkId,
}

/// One topic of a replay.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Any of these may be sent.
    pub(super) any_of: Vec<MessageNo>,
    pub(super) optional: bool,
}

/// Retained messages that a new subscription has to bring.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    pub(super) filter: String,
    pub(super) granted: QoS,
    pub(super) wanted: BTreeMap<String, Wanted>,
    pub(super) conn: LinkId,
    /// The number of its SUBSCRIBE.
    pub(super) question: u64,
    /// When that came.
    pub(super) asked: u64,
    /// The broker may still be reading the retained messages.
    pub(super) open: bool,
}

/// The will that a session's client left with the broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Testament {
    pub(super) will: Option<Will>,
    /// It is none because it was published as this message.
    pub(super) published: Option<MessageNo>,
}

/// A delivery that the client has acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) id: u16,
    pub(super) topic: String,
    pub(super) payload: Rc<[u8]>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) at: u64,
}

impl Done {
    pub(super) fn of(flight: &Flight, at: u64) -> Self {
        Self {
            id: flight.id,
            topic: flight.topic.clone(),
            payload: Rc::clone(&flight.payload),
            qos: flight.qos,
            retain: flight.retain,
            at,
        }
    }
}

/// What may be on the disk of one session.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// A CONNACK for it has left.
    pub(super) created: bool,
    /// The CONNACK of a later session of this client has left.
    pub(super) ended: bool,
    pub(super) filters: BTreeMap<String, History<Option<QoS>>>,
    /// Identifiers of QoS 2 that must be there.
    pub(super) received: BTreeSet<u16>,
    /// Identifiers that PUBREL has freed and PUBCOMP has not.
    pub(super) freed: BTreeSet<u16>,
    pub(super) will: History<Testament>,
    /// Whose it is.
    pub(super) owner: History<Option<String>>,
    pub(super) done: Vec<Done>,
}

/// What one replay has to bring of one topic.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) wanted: Wanted,
    pub(super) granted: QoS,
    pub(super) conn: LinkId,
    pub(super) question: u64,
}

/// A retained message that was sent.
#[derive(Clone, Debug)]
pub(super) struct Copied {
    pub(super) payload: Rc<[u8]>,
    pub(super) qos: QoS,
    /// The last SUBSCRIBE that it may be for: none that was not answered.
    pub(super) until: u64,
    /// It came with DUP on this connection: what was asked for there was not sent before.
    pub(super) again_on: Option<LinkId>,
}

/// A copy, and for what it was counted.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) topic: String,
    pub(super) want: Want,
    pub(super) copy: Copied,
}

/// A session, connected or not.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) client: String,
    /// Whose it is.
    pub(super) user: Option<String>,
    pub(super) clean: bool,
    /// Nobody knows before its client comes where it will be.
    pub(super) shard: Option<u16>,
    pub(super) conn: Option<LinkId>,
    pub(super) dead: bool,
    /// When its last connection ended; `None`: it has had none since the broker started.
    pub(super) left: Option<u64>,
    /// When its client had stayed away for too long.
    pub(super) expired: Option<u64>,
    pub(super) filters: BTreeMap<String, QoS>,
    /// It has ever subscribed to something in `$SYS`.
    pub(super) asked_for_sys: bool,
    pub(super) owed: Vec<Owed>,
    /// In the order of first sending.
    pub(super) flights: Vec<Flight>,
    pub(super) replays: Vec<Replay>,
    pub(super) given: Vec<Given>,
    /// Received and not released, with the message.
    pub(super) incoming: BTreeMap<u16, Option<MessageNo>>,
    /// The last message of each publisher, by class.
    pub(super) latest: BTreeMap<(String, (u8, bool)), MessageNo>,
    pub(super) kept: Kept,
}

impl Session {
    /// Whose it is, for rules.
    pub(super) fn who(&self) -> Who<'_> {
        Who {
            client: &self.client,
            user: self.user.as_deref(),
        }
    }
}
