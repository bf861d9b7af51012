//! The packet model: what every packet of every version says, borrowed from wherever it stands.
//!
//! Must hold: one struct for all versions; a field that a version lacks has its empty value there.
//! Deliberately absent: how a packet looks on the wire (`decode`, `encode`), and owned packets.

use crate::filters::{FilterList, Filters};
use crate::properties::Properties;
use crate::topic::TopicName;
use crate::types::{PacketId, PacketType, QoS, Version};

/// Any packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A client opens its connection.
    Connect(Connect<'a>),
    /// The server's answer to CONNECT.
    ConnAck(ConnAck<'a>),
    /// A message.
    Publish(Publish<'a>),
    /// QoS 1: the message has arrived.
    PubAck(Ack<'a>),
    /// QoS 2: the message has arrived.
    PubRec(Ack<'a>),
    /// QoS 2: the identifier may be forgotten.
    PubRel(Ack<'a>),
    /// QoS 2: the identifier is forgotten.
    PubComp(Ack<'a>),
    /// A client asks for subscriptions.
    Subscribe(Subscribe<'a>),
    /// The server's answer to SUBSCRIBE.
    SubAck(SubAck<'a>),
    /// A client gives subscriptions up.
    Unsubscribe(Unsubscribe<'a>),
    /// The server's answer to UNSUBSCRIBE.
    UnsubAck(UnsubAck<'a>),
    /// A client's sign of life.
    PingReq,
    /// The server's answer to PINGREQ.
    PingResp,
    /// The orderly end of a connection; below 5.0 only from the client.
    Disconnect(Disconnect<'a>),
    /// A step of an authentication; only in 5.0.
    Auth(Auth<'a>),
}

impl Packet<'_> {
    /// The type, as in the first byte.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

/// CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version that the client speaks; it decides the form of the packet.
    pub version: Version,
    /// Clean session; in 5.0 called clean start.
    pub clean_session: bool,
    /// Seconds; 0 = off.
    pub keep_alive: u16,
    /// May be empty.
    pub client_id: &'a str,
    /// What to publish if the connection ends without DISCONNECT.
    pub will: Option<Will<'a>>,
    /// In 3.1 absent also where the flag is set but the packet ends before the field.
    pub user_name: Option<&'a str>,
    /// Below 5.0 only together with a user name.
    pub password: Option<&'a [u8]>,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

/// The will of a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    /// Where it is published.
    pub topic: TopicName<'a>,
    /// May be empty.
    pub payload: &'a [u8],
    /// The QoS with which it is published.
    pub qos: QoS,
    /// Whether it is published as a retained message.
    pub retain: bool,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

/// CONNACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// The server had a session for this client. 3.1 cannot say it: written as 0, read as `false`.
    pub session_present: bool,
    /// Return code of 3.1.1 or reason code of 5.0, see [`code`](crate::code).
    pub code: u8,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

impl ConnAck<'_> {
    /// A CONNACK without properties.
    #[must_use]
    pub fn new(session_present: bool, code: u8) -> Self {
        Self {
            session_present,
            code,
            properties: Properties::default(),
        }
    }
}

/// PUBLISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// This may be a repetition. Never with QoS 0.
    pub dup: bool,
    /// The QoS of this packet.
    pub qos: QoS,
    /// To be retained, or sent because it was.
    pub retain: bool,
    /// [`TopicName::EMPTY`] only in 5.0 and with a topic alias.
    pub topic: TopicName<'a>,
    /// Present with QoS 1 and 2, absent with QoS 0.
    pub packet_id: Option<PacketId>,
    /// May be empty.
    pub payload: &'a [u8],
    /// 5.0 only.
    pub properties: Properties<'a>,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The identifier of the PUBLISH.
    pub packet_id: PacketId,
    /// Reason code of 5.0; 0 below.
    pub reason: u8,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

impl Ack<'_> {
    /// An acknowledgement that all is well.
    #[must_use]
    pub fn new(packet_id: PacketId) -> Self {
        Self {
            packet_id,
            reason: 0,
            properties: Properties::default(),
        }
    }
}

/// SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Comes back in SUBACK.
    pub packet_id: PacketId,
    /// At least one.
    pub filters: Filters<'a>,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

/// SUBACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// The identifier of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// One for each filter, in their order: the granted QoS or a failure.
    pub codes: &'a [u8],
    /// 5.0 only.
    pub properties: Properties<'a>,
}

/// UNSUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Comes back in UNSUBACK.
    pub packet_id: PacketId,
    /// At least one.
    pub filters: FilterList<'a>,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

/// UNSUBACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    /// The identifier of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// One for each filter in 5.0; empty below.
    pub codes: &'a [u8],
    /// 5.0 only.
    pub properties: Properties<'a>,
}

/// DISCONNECT. The default is the normal end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disconnect<'a> {
    /// Reason code of 5.0; 0 below.
    pub reason: u8,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

/// AUTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Auth<'a> {
    /// Reason code.
    pub reason: u8,
    /// Authentication method and data above all.
    pub properties: Properties<'a>,
}
