//! All packets but CONNECT and PUBLISH.

use super::{end, packet_id};
use crate::code::{self, allowed_in_v5};
use crate::filters::{FilterList, Filters};
use crate::packet::{Ack, Auth, ConnAck, Disconnect, Packet, SubAck, Subscribe, UnsubAck, Unsubscribe};
use crate::properties::Properties;
use crate::property::Place;
use crate::rule::{self, Checked, Rule};
use crate::types::{PacketType, Version};
use crate::wire::Reader;

pub(super) fn packet(kind: PacketType, body: &[u8], version: Version) -> Checked<Packet<'_>> {
    let mut reader = Reader::new(body);
    let reader = &mut reader;
    let packet = match kind {
        PacketType::ConnAck => Packet::ConnAck(conn_ack(reader, version)?),
        PacketType::PubAck => Packet::PubAck(ack(kind, reader, version)?),
        PacketType::PubRec => Packet::PubRec(ack(kind, reader, version)?),
        PacketType::PubRel => Packet::PubRel(ack(kind, reader, version)?),
        PacketType::PubComp => Packet::PubComp(ack(kind, reader, version)?),
        PacketType::Subscribe => Packet::Subscribe(Subscribe {
            packet_id: packet_id(reader)?,
            properties: properties(reader, version, Place::Subscribe)?,
            filters: Filters::read(reader, version)?,
        }),
        PacketType::SubAck => Packet::SubAck(sub_ack(reader, version)?),
        PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe {
            packet_id: packet_id(reader)?,
            properties: properties(reader, version, Place::Unsubscribe)?,
            filters: FilterList::read(reader)?,
        }),
        PacketType::UnsubAck => Packet::UnsubAck(unsub_ack(reader, version)?),
        PacketType::PingReq => Packet::PingReq,
        PacketType::PingResp => Packet::PingResp,
        PacketType::Disconnect => Packet::Disconnect(disconnect(reader, version)?),
        PacketType::Auth => Packet::Auth(auth(reader)?),
        PacketType::Connect | PacketType::Publish => return Err(rule::TYPE.broken()), // have their own files
    };
    end(reader, &rule::TRAILING)?;
    Ok(packet)
}

fn properties<'a>(reader: &mut Reader<'a>, version: Version, place: Place) -> Checked<Properties<'a>> {
    if version == Version::V5 {
        Properties::read(reader, place)
    } else {
        Ok(Properties::default())
    }
}

fn conn_ack<'a>(reader: &mut Reader<'a>, version: Version) -> Checked<ConnAck<'a>> {
    let mut flags = reader.u8(&rule::SHORT)?;
    let code = reader.u8(&rule::SHORT)?;
    if version == Version::V31 {
        flags = 0; // the byte is not in use there
    }
    rule::CONNACK_FLAGS.unless(flags <= 1)?;
    let known = match version {
        Version::V31 | Version::V311 => code <= code::NOT_AUTHORIZED,
        Version::V5 => allowed_in_v5(PacketType::ConnAck, code),
    };
    rule::CONNACK_CODE.unless(known)?;
    let session_present = flags == 1;
    rule::SESSION_PRESENT.unless(!session_present || code == code::ACCEPTED)?; // [MQTT-3.2.2-4]
    Ok(ConnAck {
        session_present,
        code,
        properties: properties(reader, version, Place::ConnAck)?,
    })
}

fn ack<'a>(kind: PacketType, reader: &mut Reader<'a>, version: Version) -> Checked<Ack<'a>> {
    let mut ack = Ack::new(packet_id(reader)?);
    if version == Version::V5 && !reader.is_empty() {
        ack.reason = reason(kind, reader)?;
        if !reader.is_empty() {
            ack.properties = Properties::read(reader, Place::PublishAck)?;
        }
    }
    Ok(ack)
}

fn reason(kind: PacketType, reader: &mut Reader<'_>) -> Checked<u8> {
    let code = reader.u8(&rule::SHORT)?;
    reason_rule(kind).unless(allowed_in_v5(kind, code))?;
    Ok(code)
}

fn reason_rule(kind: PacketType) -> &'static Rule {
    match kind {
        PacketType::PubAck => &rule::PUBACK_CODE,
        PacketType::PubRec => &rule::PUBREC_CODE,
        PacketType::PubRel => &rule::PUBREL_CODE,
        PacketType::PubComp => &rule::PUBCOMP_CODE,
        PacketType::Disconnect => &rule::DISCONNECT_CODE,
        PacketType::Auth => &rule::AUTH_CODE,
        PacketType::SubAck => &rule::SUBACK_CODE,
        PacketType::UnsubAck => &rule::UNSUBACK_CODE,
        PacketType::ConnAck
        | PacketType::Connect
        | PacketType::Publish
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::PingReq
        | PacketType::PingResp => &rule::CONNACK_CODE,
    }
}

fn sub_ack<'a>(reader: &mut Reader<'a>, version: Version) -> Checked<SubAck<'a>> {
    let packet_id = packet_id(reader)?;
    let properties = properties(reader, version, Place::SubAck)?;
    let codes = reader.take_rest();
    rule::SUBACK_EMPTY.unless(!codes.is_empty())?;
    // [MQTT-3.9.3-2]
    let known = |code: u8| match version {
        Version::V31 | Version::V311 => matches!(code, 0..=2 | code::SUBSCRIBE_FAILURE),
        Version::V5 => allowed_in_v5(PacketType::SubAck, code),
    };
    rule::SUBACK_CODE.unless(codes.iter().all(|code| known(*code)))?;
    Ok(SubAck {
        packet_id,
        codes,
        properties,
    })
}

fn unsub_ack<'a>(reader: &mut Reader<'a>, version: Version) -> Checked<UnsubAck<'a>> {
    let packet_id = packet_id(reader)?;
    if version < Version::V5 {
        return Ok(UnsubAck {
            packet_id,
            codes: &[],
            properties: Properties::default(),
        });
    }
    let properties = Properties::read(reader, Place::UnsubAck)?;
    let codes = reader.take_rest();
    rule::UNSUBACK_EMPTY.unless(!codes.is_empty())?;
    // [MQTT5-3.11.3-2]
    rule::UNSUBACK_CODE.unless(codes.iter().all(|code| allowed_in_v5(PacketType::UnsubAck, *code)))?;
    Ok(UnsubAck {
        packet_id,
        codes,
        properties,
    })
}

fn disconnect<'a>(reader: &mut Reader<'a>, version: Version) -> Checked<Disconnect<'a>> {
    let mut disconnect = Disconnect::default();
    if version == Version::V5 && !reader.is_empty() {
        disconnect.reason = reason(PacketType::Disconnect, reader)?;
        if !reader.is_empty() {
            disconnect.properties = Properties::read(reader, Place::Disconnect)?;
        }
    }
    Ok(disconnect)
}

fn auth<'a>(reader: &mut Reader<'a>) -> Checked<Auth<'a>> {
    if reader.is_empty() {
        return Ok(Auth::default());
    }
    Ok(Auth {
        reason: reason(PacketType::Auth, reader)?,
        properties: Properties::read(reader, Place::Auth)?,
    })
}
