//! The one-byte codes of answers, by name: CONNACK return codes of 3.1 and 3.1.1, SUBACK return codes, and the reason
//! codes of 5.0.
//!
//! Must hold: a value stands here once for each meaning, and [`mod@self`] has no logic but the tables of what a packet may carry.
//! Deliberately absent: an enum. A code is one byte on both sides, and its meaning depends on the version.

use crate::types::PacketType;

/// CONNACK of 3.1 and 3.1.1: accepted.
pub const ACCEPTED: u8 = 0;
/// CONNACK of 3.1 and 3.1.1: this protocol level is not spoken here.
pub const UNACCEPTABLE_PROTOCOL_VERSION: u8 = 1;
/// CONNACK of 3.1 and 3.1.1: the client identifier is well-formed, but not allowed.
pub const IDENTIFIER_REJECTED: u8 = 2;
/// CONNACK of 3.1 and 3.1.1: the server takes nobody at present.
pub const SERVER_UNAVAILABLE: u8 = 3;
/// CONNACK of 3.1 and 3.1.1: wrong user name or password.
pub const BAD_USER_NAME_OR_PASSWORD: u8 = 4;
/// CONNACK of 3.1 and 3.1.1: known, but not permitted.
pub const NOT_AUTHORIZED: u8 = 5;
/// SUBACK of 3.1.1: the subscription was refused.
pub const SUBSCRIBE_FAILURE: u8 = 0x80;

/// Reason codes of MQTT 5.0.
pub mod reason {
    /// Success; also: normal disconnection, granted QoS 0.
    pub const SUCCESS: u8 = 0x00;
    /// SUBACK: granted QoS 1.
    pub const GRANTED_QOS_1: u8 = 0x01;
    /// SUBACK: granted QoS 2.
    pub const GRANTED_QOS_2: u8 = 0x02;
    /// DISCONNECT: publish the will all the same.
    pub const DISCONNECT_WITH_WILL: u8 = 0x04;
    /// PUBACK, PUBREC: nobody subscribes to this topic.
    pub const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
    /// UNSUBACK: there was no such subscription.
    pub const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
    /// AUTH: go on with the next step.
    pub const CONTINUE_AUTHENTICATION: u8 = 0x18;
    /// AUTH: authenticate anew.
    pub const REAUTHENTICATE: u8 = 0x19;
    /// The reason shall not be told, or no other fits.
    pub const UNSPECIFIED_ERROR: u8 = 0x80;
    /// The packet does not have the form that the standard demands.
    pub const MALFORMED_PACKET: u8 = 0x81;
    /// The packet has the right form but must not come here.
    pub const PROTOCOL_ERROR: u8 = 0x82;
    /// Valid, but this receiver does not do it.
    pub const IMPLEMENTATION_SPECIFIC_ERROR: u8 = 0x83;
    /// CONNACK: this protocol version is not spoken here.
    pub const UNSUPPORTED_PROTOCOL_VERSION: u8 = 0x84;
    /// CONNACK: the client identifier is well-formed, but not allowed.
    pub const CLIENT_IDENTIFIER_NOT_VALID: u8 = 0x85;
    /// CONNACK: wrong user name or password.
    pub const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;
    /// Not permitted.
    pub const NOT_AUTHORIZED: u8 = 0x87;
    /// CONNACK: the server is not available.
    pub const SERVER_UNAVAILABLE: u8 = 0x88;
    /// The server has too much to do.
    pub const SERVER_BUSY: u8 = 0x89;
    /// CONNACK: this client is banned.
    pub const BANNED: u8 = 0x8A;
    /// DISCONNECT: the server goes down.
    pub const SERVER_SHUTTING_DOWN: u8 = 0x8B;
    /// Unknown or unsuitable authentication method.
    pub const BAD_AUTHENTICATION_METHOD: u8 = 0x8C;
    /// DISCONNECT: nothing came for 1.5 times the keep alive.
    pub const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
    /// DISCONNECT: another connection uses the same client identifier.
    pub const SESSION_TAKEN_OVER: u8 = 0x8E;
    /// The topic filter is well-formed, but not accepted.
    pub const TOPIC_FILTER_INVALID: u8 = 0x8F;
    /// The topic name is well-formed, but not accepted.
    pub const TOPIC_NAME_INVALID: u8 = 0x90;
    /// The packet identifier is in use.
    pub const PACKET_IDENTIFIER_IN_USE: u8 = 0x91;
    /// PUBREL, PUBCOMP: this packet identifier is unknown.
    pub const PACKET_IDENTIFIER_NOT_FOUND: u8 = 0x92;
    /// DISCONNECT: more messages in flight than the receive maximum allows.
    pub const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
    /// DISCONNECT: topic alias 0 or above the maximum.
    pub const TOPIC_ALIAS_INVALID: u8 = 0x94;
    /// The packet is larger than this receiver accepts.
    pub const PACKET_TOO_LARGE: u8 = 0x95;
    /// DISCONNECT: too many messages a second.
    pub const MESSAGE_RATE_TOO_HIGH: u8 = 0x96;
    /// A limit that somebody set is used up.
    pub const QUOTA_EXCEEDED: u8 = 0x97;
    /// DISCONNECT: somebody ended this connection by hand.
    pub const ADMINISTRATIVE_ACTION: u8 = 0x98;
    /// The payload is not what its format indicator says.
    pub const PAYLOAD_FORMAT_INVALID: u8 = 0x99;
    /// The server keeps no retained messages.
    pub const RETAIN_NOT_SUPPORTED: u8 = 0x9A;
    /// The QoS is above the server's maximum.
    pub const QOS_NOT_SUPPORTED: u8 = 0x9B;
    /// Use another server for this time.
    pub const USE_ANOTHER_SERVER: u8 = 0x9C;
    /// Use another server from now on.
    pub const SERVER_MOVED: u8 = 0x9D;
    /// The server has no shared subscriptions.
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: u8 = 0x9E;
    /// Too many connections a second.
    pub const CONNECTION_RATE_EXCEEDED: u8 = 0x9F;
    /// DISCONNECT: this connection has lasted as long as it may.
    pub const MAXIMUM_CONNECT_TIME: u8 = 0xA0;
    /// The server has no subscription identifiers.
    pub const SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED: u8 = 0xA1;
    /// The server has no wildcard subscriptions.
    pub const WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: u8 = 0xA2;
}

/// Whether a 5.0 packet of this type may carry `code`, from whichever side it comes.
pub(crate) fn allowed_in_v5(kind: PacketType, code: u8) -> bool {
    match kind {
        PacketType::ConnAck => {
            matches!(code, 0 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F)
        }
        PacketType::PubAck | PacketType::PubRec => {
            matches!(code, 0 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
        }
        PacketType::PubRel | PacketType::PubComp => matches!(code, 0 | 0x92),
        PacketType::SubAck => {
            matches!(
                code,
                0..=2 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2
            )
        }
        PacketType::UnsubAck => matches!(code, 0 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91),
        PacketType::Disconnect => {
            matches!(code, 0 | 4 | 0x80..=0x83 | 0x87 | 0x89 | 0x8B | 0x8D..=0x90 | 0x93..=0xA2)
        }
        PacketType::Auth => matches!(code, 0 | 0x18 | 0x19),
        PacketType::Connect
        | PacketType::Publish
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::PingReq
        | PacketType::PingResp => false,
    }
}
