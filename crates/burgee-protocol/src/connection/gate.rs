//! The gate: which packets may come from the other side, and when.
//!
//! What must hold: before CONNECT (or CONNACK) nothing else passes, afterwards no second one; packets that only we may
//! send never pass. Deliberately absent: what a packet does; that is the core's business, or the client's.

use burgee_codec::{ConnAck, Connect, Packet, PacketId, Publish, SubAck, Subscribe, Unsubscribe, Version, code};

use crate::Fault;

/// A packet that a client may send, once its connection is open.
#[derive(Clone, Debug)]
pub enum FromClient<'a> {
    /// PUBLISH.
    Publish(Publish<'a>),
    /// PUBACK.
    PubAck(PacketId),
    /// PUBREC.
    PubRec(PacketId),
    /// PUBREL.
    PubRel(PacketId),
    /// PUBCOMP.
    PubComp(PacketId),
    /// SUBSCRIBE.
    Subscribe(Subscribe<'a>),
    /// UNSUBSCRIBE.
    Unsubscribe(Unsubscribe<'a>),
    /// PINGREQ.
    Ping,
    /// DISCONNECT.
    Disconnect,
}

/// A packet that a server may send, once its CONNACK came.
#[derive(Clone, Debug)]
pub enum FromServer<'a> {
    /// PUBLISH.
    Publish(Publish<'a>),
    /// PUBACK.
    PubAck(PacketId),
    /// PUBREC.
    PubRec(PacketId),
    /// PUBREL.
    PubRel(PacketId),
    /// PUBCOMP.
    PubComp(PacketId),
    /// SUBACK.
    SubAck(SubAck<'a>),
    /// UNSUBACK.
    UnsubAck(PacketId),
    /// PINGRESP.
    Pong,
}

/// The server's gate before CONNECT, as soon as a byte has come: nobody may make us wait for the rest of a packet that
/// will not be taken.
///
/// # Errors
/// The packet that begins here is no CONNECT.
pub const fn check_first_byte(bytes: &[u8]) -> Result<(), Fault> {
    match bytes.first() {
        None | Some(0x10) => Ok(()),
        // [MQTT-3.1.0-1] the first packet of a client is CONNECT.
        Some(_) => Err(Fault::peer("MQTT-3.1.0-1", "the first packet is not CONNECT")),
    }
}

/// The server's gate before CONNECT.
///
/// # Errors
/// The packet is no CONNECT.
pub fn first_from_client(packet: Packet<'_>) -> Result<Connect<'_>, Fault> {
    // [MQTT-3.1.0-1] the first packet of a client is CONNECT.
    let Packet::Connect(connect) = packet else {
        return Err(Fault::peer("MQTT-3.1.0-1", "the first packet is not CONNECT"));
    };
    Ok(connect)
}

/// The server's gate after CONNECT.
///
/// # Errors
/// A client must not send this packet, or not now.
pub fn from_client(packet: Packet<'_>) -> Result<FromClient<'_>, Fault> {
    Ok(match packet {
        Packet::Publish(publish) => FromClient::Publish(publish),
        Packet::PubAck(ack) => FromClient::PubAck(ack.packet_id),
        Packet::PubRec(ack) => FromClient::PubRec(ack.packet_id),
        Packet::PubRel(ack) => FromClient::PubRel(ack.packet_id),
        Packet::PubComp(ack) => FromClient::PubComp(ack.packet_id),
        Packet::Subscribe(subscribe) => FromClient::Subscribe(subscribe),
        Packet::Unsubscribe(unsubscribe) => FromClient::Unsubscribe(unsubscribe),
        Packet::PingReq => FromClient::Ping,
        Packet::Disconnect(_) => FromClient::Disconnect,
        // [MQTT-3.1.0-2] a second CONNECT is a protocol violation.
        Packet::Connect(_) => return Err(Fault::peer("MQTT-3.1.0-2", "a second CONNECT")),
        // [MQTT-4.8.0-1] these only a server sends.
        Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp | Packet::Auth(_) => {
            return Err(Fault::peer("MQTT-4.8.0-1", "a packet that a client must not send"));
        }
    })
}

/// The client's gate before CONNACK.
///
/// # Errors
/// The packet is no CONNACK.
pub fn first_from_server(packet: Packet<'_>) -> Result<ConnAck<'_>, Fault> {
    // [MQTT-3.2.0-1] the first packet of a server is CONNACK.
    let Packet::ConnAck(connack) = packet else {
        return Err(Fault::peer("MQTT-3.2.0-1", "the first packet is not CONNACK"));
    };
    Ok(connack)
}

/// The client's gate after CONNACK.
///
/// # Errors
/// A server must not send this packet, or not now.
pub fn from_server(packet: Packet<'_>) -> Result<FromServer<'_>, Fault> {
    Ok(match packet {
        Packet::Publish(publish) => FromServer::Publish(publish),
        Packet::PubAck(ack) => FromServer::PubAck(ack.packet_id),
        Packet::PubRec(ack) => FromServer::PubRec(ack.packet_id),
        Packet::PubRel(ack) => FromServer::PubRel(ack.packet_id),
        Packet::PubComp(ack) => FromServer::PubComp(ack.packet_id),
        Packet::SubAck(suback) => FromServer::SubAck(suback),
        Packet::UnsubAck(unsuback) => FromServer::UnsubAck(unsuback.packet_id),
        Packet::PingResp => FromServer::Pong,
        // [MQTT-4.8.0-1] these only a client sends, and CONNACK comes once.
        Packet::Connect(_)
        | Packet::ConnAck(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Disconnect(_)
        | Packet::Auth(_) => return Err(Fault::peer("MQTT-4.8.0-1", "a packet that a server must not send")),
    })
}

/// Whether the client identifier of a CONNECT is acceptable by itself.
///
/// # Errors
/// The CONNACK return code of the refusal.
pub fn check_client_id(connect: &Connect<'_>) -> Result<(), u8> {
    let refused = match connect.version {
        // MQTT 3.1 asks for 1 to 23 characters.
        Version::V31 => !(1..=23).contains(&connect.client_id.chars().count()),
        // [MQTT-3.1.3-8] an empty identifier needs clean session 1.
        Version::V311 => connect.client_id.is_empty() && !connect.clean_session,
        Version::V5 => false,
    };
    // [MQTT-3.1.3-9] [MQTT-3.1.3-5] every other well-formed identifier is welcome.
    if refused {
        Err(code::IDENTIFIER_REJECTED)
    } else {
        Ok(())
    }
}
