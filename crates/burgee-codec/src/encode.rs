//! From a packet to bytes.
//!
//! Must hold: what is written here, `decode` reads as the same packet; what it would not read is refused with an error. The
//! length said beforehand is the length written, because both come from the same walk over the fields.
//! Deliberately absent: longer forms than needed. Lengths are minimal, 5.0 leaves out what may be left out.

use alloc::vec::Vec;

use crate::code::{self, allowed_in_v5};
use crate::error::EncodeError;
use crate::filters::check_options;
use crate::packet::{Ack, ConnAck, Connect, Packet, Publish, Subscribe};
use crate::properties::Properties;
use crate::property::{Place, Property};
use crate::rule::Broken;
use crate::types::{PacketType, QoS, Version};
use crate::wire::{
    Counter, MAX_REMAINING_LENGTH, Sink, Writer, check_binary, check_string, invalid_unless, varint_len,
};

impl Publish<'_> {
    /// Whether a QoS 0 PUBLISH without properties that came in `len` bytes came in its shortest form, so that these
    /// bytes can go out as they are. Below 5.0 a longer remaining length than needed is accepted, but never sent.
    #[must_use]
    #[inline]
    pub fn is_shortest(&self, len: usize) -> bool {
        let remaining = 2 + self.topic.as_str().len() + self.payload.len();
        u32::try_from(remaining).is_ok_and(|remaining| whole_len(remaining) == len)
    }

    /// The topic name with its two bytes of length in front, out of the bytes of the packet that this was read from.
    #[must_use]
    #[inline]
    pub fn topic_field_in<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        let behind_first = packet.get(1..).unwrap_or_default();
        let length_bytes = behind_first.iter().take_while(|byte| **byte > 0x7F).count() + 1;
        let end = length_bytes + 2 + self.topic.as_str().len();
        behind_first.get(length_bytes..end).unwrap_or_default()
    }

    /// Writes everything but the payload to the end of `out`: for payloads that are shared instead of copied. The
    /// lengths count the payload, which has to follow.
    ///
    /// # Errors
    /// The packet cannot be written in this version; nothing was written then.
    pub fn append_head_to(&self, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        let packet = Packet::Publish(*self);
        let remaining = packet.measure(version)?;
        let before = out.len();
        out.u8(packet.packet_type().bits() << 4 | packet.flags());
        out.varint(remaining);
        write_publish_head(self, version == Version::V5, out);
        Ok(out.len() - before)
    }
}

impl Packet<'_> {
    /// How many bytes [`Packet::encode`] writes.
    ///
    /// # Errors
    /// The packet cannot be written in this version.
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        Ok(whole_len(self.measure(version)?))
    }

    /// Writes the packet to the start of `out` and says how many bytes it has.
    ///
    /// `version` is that of the connection. A CONNECT has its own, so for it the argument is not looked at.
    ///
    /// # Errors
    /// The packet cannot be written in this version, or `out` is too short; nothing was written then.
    pub fn encode(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        let remaining = self.measure(version)?;
        let needed = whole_len(remaining);
        let target = out.get_mut(..needed).ok_or(EncodeError::BufferTooSmall { needed })?;
        self.write(version, remaining, &mut Writer::new(target));
        Ok(needed)
    }

    /// Writes the packet to the end of `out` and says how many bytes it has.
    ///
    /// # Errors
    /// The packet cannot be written in this version; nothing was written then.
    #[inline]
    pub fn append_to(&self, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        if let Some(bytes) = self.as_bare_ack() {
            out.put(&bytes);
            return Ok(bytes.len());
        }
        self.append_any(version, out)
    }

    /// Half of what goes out with QoS 1 and 2: an acknowledgement without reason and properties has four bytes in every
    /// version.
    #[inline]
    fn as_bare_ack(&self) -> Option<[u8; 4]> {
        let (first, ack) = match self {
            Self::PubAck(ack) => (0x40, ack),
            Self::PubRec(ack) => (0x50, ack),
            Self::PubRel(ack) => (0x62, ack),
            Self::PubComp(ack) => (0x70, ack),
            Self::Connect(_)
            | Self::ConnAck(_)
            | Self::Publish(_)
            | Self::Subscribe(_)
            | Self::SubAck(_)
            | Self::Unsubscribe(_)
            | Self::UnsubAck(_)
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect(_)
            | Self::Auth(_) => return None,
        };
        let [high, low] = ack.packet_id.get().to_be_bytes();
        (ack.reason == 0 && ack.properties.is_empty()).then_some([first, 2, high, low])
    }

    fn append_any(&self, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        let remaining = self.measure(version)?;
        let needed = whole_len(remaining);
        out.reserve(needed);
        self.write(version, remaining, out);
        Ok(needed)
    }

    /// The remaining length, after a check of everything that could not be written.
    fn measure(&self, version: Version) -> Result<u32, EncodeError> {
        self.check(version)?;
        let mut counter = Counter::default();
        self.write_body(version, &mut counter);
        match u32::try_from(counter.0) {
            Ok(remaining) if remaining <= MAX_REMAINING_LENGTH => Ok(remaining),
            _ => Err(EncodeError::TooLarge),
        }
    }

    fn write(&self, version: Version, remaining: u32, out: &mut impl Sink) {
        out.u8(self.packet_type().bits() << 4 | self.flags());
        out.varint(remaining);
        self.write_body(version, out);
    }

    // [MQTT-2.2.2-1] the low half of the first byte.
    fn flags(&self) -> u8 {
        match self {
            Self::Publish(publish) => u8::from(publish.dup) << 3 | publish.qos.bits() << 1 | u8::from(publish.retain),
            Self::PubRel(_) | Self::Subscribe(_) | Self::Unsubscribe(_) => 2,
            Self::Connect(_)
            | Self::ConnAck(_)
            | Self::PubAck(_)
            | Self::PubRec(_)
            | Self::PubComp(_)
            | Self::SubAck(_)
            | Self::UnsubAck(_)
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect(_)
            | Self::Auth(_) => 0,
        }
    }

    fn write_body(&self, version: Version, out: &mut impl Sink) {
        let v5 = version == Version::V5;
        match self {
            Self::Connect(connect) => write_connect(connect, out),
            Self::ConnAck(ack) => {
                out.u8(u8::from(ack.session_present && version != Version::V31));
                out.u8(ack.code);
                write_properties(&ack.properties, v5, out);
            }
            Self::Publish(publish) => {
                write_publish_head(publish, v5, out);
                out.put(publish.payload);
            }
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                out.u16(ack.packet_id.get());
                write_reason(ack.reason, &ack.properties, out);
            }
            Self::Subscribe(subscribe) => {
                out.u16(subscribe.packet_id.get());
                write_properties(&subscribe.properties, v5, out);
                subscribe.filters.write(out);
            }
            Self::SubAck(ack) => {
                out.u16(ack.packet_id.get());
                write_properties(&ack.properties, v5, out);
                out.put(ack.codes);
            }
            Self::Unsubscribe(unsubscribe) => {
                out.u16(unsubscribe.packet_id.get());
                write_properties(&unsubscribe.properties, v5, out);
                unsubscribe.filters.write(out);
            }
            Self::UnsubAck(ack) => {
                out.u16(ack.packet_id.get());
                write_properties(&ack.properties, v5, out);
                out.put(ack.codes);
            }
            Self::PingReq | Self::PingResp => {}
            Self::Disconnect(disconnect) => write_reason(disconnect.reason, &disconnect.properties, out),
            Self::Auth(auth) => {
                if auth.reason != 0 || !auth.properties.is_empty() {
                    out.u8(auth.reason);
                    auth.properties.write(out);
                }
            }
        }
    }

    fn check(&self, version: Version) -> Result<(), EncodeError> {
        match self {
            Self::Connect(connect) => check_connect(connect),
            Self::ConnAck(ack) => check_conn_ack(ack, version),
            Self::Publish(publish) => check_publish(publish, version),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                self.check_ack(ack, version)
            }
            Self::Subscribe(subscribe) => check_subscribe(subscribe, version),
            Self::SubAck(ack) => {
                check_properties(&ack.properties, Place::SubAck, version)?;
                invalid_unless(!ack.codes.is_empty(), "SUBACK has no code")?;
                invalid_unless(
                    ack.codes.iter().all(|code| match version {
                        Version::V31 | Version::V311 => matches!(*code, 0..=2 | code::SUBSCRIBE_FAILURE),
                        Version::V5 => allowed_in_v5(PacketType::SubAck, *code),
                    }),
                    "SUBACK has an unknown code",
                )
            }
            Self::Unsubscribe(unsubscribe) => {
                check_properties(&unsubscribe.properties, Place::Unsubscribe, version)?;
                invalid_unless(!unsubscribe.filters.is_empty(), "UNSUBSCRIBE has no filter")
            }
            Self::UnsubAck(ack) => {
                check_properties(&ack.properties, Place::UnsubAck, version)?;
                if version < Version::V5 {
                    return known_unless(!ack.codes.is_empty(), "reason codes in UNSUBACK");
                }
                invalid_unless(!ack.codes.is_empty(), "UNSUBACK has no reason code")?;
                let known = ack.codes.iter().all(|code| allowed_in_v5(PacketType::UnsubAck, *code));
                invalid_unless(known, "UNSUBACK has an unknown reason code")
            }
            Self::PingReq | Self::PingResp => Ok(()),
            Self::Disconnect(disconnect) => {
                check_properties(&disconnect.properties, Place::Disconnect, version)?;
                self.check_reason(disconnect.reason, version)
            }
            Self::Auth(auth) => {
                known_unless(version < Version::V5, "AUTH")?;
                auth.properties.check(Place::Auth)?;
                self.check_reason(auth.reason, version)
            }
        }
    }

    fn check_ack(&self, ack: &Ack<'_>, version: Version) -> Result<(), EncodeError> {
        check_properties(&ack.properties, Place::PublishAck, version)?;
        self.check_reason(ack.reason, version)
    }

    fn check_reason(&self, reason: u8, version: Version) -> Result<(), EncodeError> {
        known_unless(version < Version::V5 && reason != 0, "reason code")?;
        invalid_unless(
            reason == 0 || allowed_in_v5(self.packet_type(), reason),
            "an unknown reason code",
        )
    }
}

const fn whole_len(remaining: u32) -> usize {
    1 + varint_len(remaining) + remaining as usize
}

const fn known_unless(lacking: bool, what: &'static str) -> Result<(), EncodeError> {
    if lacking {
        Err(EncodeError::NotInVersion(what))
    } else {
        Ok(())
    }
}

#[inline]
fn write_properties(properties: &Properties<'_>, v5: bool, out: &mut impl Sink) {
    if v5 {
        properties.write(out);
    }
}

/// Reason and properties where both may be left out. Below 5.0 there is nothing to write.
#[inline]
fn write_reason(reason: u8, properties: &Properties<'_>, out: &mut impl Sink) {
    let some = !properties.is_empty();
    if reason != 0 || some {
        out.u8(reason);
    }
    if some {
        properties.write(out);
    }
}

fn write_publish_head(publish: &Publish<'_>, v5: bool, out: &mut impl Sink) {
    out.string(publish.topic.as_str());
    if let Some(id) = publish.packet_id {
        out.u16(id.get());
    }
    write_properties(&publish.properties, v5, out);
}

fn write_connect(connect: &Connect<'_>, out: &mut impl Sink) {
    let v5 = connect.version == Version::V5;
    out.string(if connect.version == Version::V31 {
        "MQIsdp"
    } else {
        "MQTT"
    }); // [MQTT-3.1.2-1]
    out.u8(connect.version.level());
    let will_bits = connect
        .will
        .map_or(0, |will| 0x04 | will.qos.bits() << 3 | u8::from(will.retain) << 5);
    out.u8(u8::from(connect.clean_session) << 1
        | will_bits
        | u8::from(connect.password.is_some()) << 6
        | u8::from(connect.user_name.is_some()) << 7);
    out.u16(connect.keep_alive);
    write_properties(&connect.properties, v5, out);
    // [MQTT-3.1.3-1] in this order.
    out.string(connect.client_id);
    if let Some(will) = connect.will {
        write_properties(&will.properties, v5, out);
        out.string(will.topic.as_str());
        out.binary(will.payload);
    }
    if let Some(user_name) = connect.user_name {
        out.string(user_name);
    }
    if let Some(password) = connect.password {
        out.binary(password);
    }
}

fn check_properties(properties: &Properties<'_>, place: Place, version: Version) -> Result<(), EncodeError> {
    if properties.is_empty() {
        return Ok(());
    }
    known_unless(version < Version::V5, "properties")?;
    properties.check(place)
}

fn check_connect(connect: &Connect<'_>) -> Result<(), EncodeError> {
    check_properties(&connect.properties, Place::Connect, connect.version)?;
    check_string(connect.client_id)?;
    if let Some(will) = connect.will {
        check_properties(&will.properties, Place::Will, connect.version)?;
        invalid_unless(!will.topic.is_empty(), "the will topic is empty")?;
        check_binary(will.payload)?;
    }
    connect.user_name.map_or(Ok(()), check_string)?;
    connect.password.map_or(Ok(()), check_binary)?;
    // [MQTT-3.1.2-22]
    let password_alone = connect.password.is_some() && connect.user_name.is_none();
    invalid_unless(
        !password_alone || connect.version == Version::V5,
        "a password without a user name",
    )
}

fn check_conn_ack(ack: &ConnAck<'_>, version: Version) -> Result<(), EncodeError> {
    check_properties(&ack.properties, Place::ConnAck, version)?;
    let known = match version {
        Version::V31 | Version::V311 => ack.code <= code::NOT_AUTHORIZED,
        Version::V5 => allowed_in_v5(PacketType::ConnAck, ack.code),
    };
    invalid_unless(known, "CONNACK has an unknown code")?;
    // [MQTT-3.2.2-4]
    invalid_unless(
        !ack.session_present || ack.code == code::ACCEPTED,
        "a refusal says that a session is present",
    )
}

#[inline]
fn check_publish(publish: &Publish<'_>, version: Version) -> Result<(), EncodeError> {
    check_properties(&publish.properties, Place::Publish, version)?;
    let acknowledged = publish.qos != QoS::AtMostOnce;
    // [MQTT-2.3.1-1] [MQTT-2.3.1-5]
    invalid_unless(
        acknowledged == publish.packet_id.is_some(),
        "a packet identifier belongs to QoS 1 and 2 alone",
    )?;
    invalid_unless(acknowledged || !publish.dup, "DUP is set with QoS 0")?; // [MQTT-3.3.1-2]
    let alias = |property: Property<'_>| matches!(property, Property::TopicAlias(_));
    invalid_unless(
        !publish.topic.is_empty() || publish.properties.iter().any(alias),
        "a PUBLISH has neither topic nor alias",
    )
}

fn check_subscribe(subscribe: &Subscribe<'_>, version: Version) -> Result<(), EncodeError> {
    check_properties(&subscribe.properties, Place::Subscribe, version)?;
    invalid_unless(!subscribe.filters.is_empty(), "SUBSCRIBE has no filter")?; // [MQTT-3.8.3-3]
    for (filter, options) in &subscribe.filters {
        if version < Version::V5 {
            known_unless(options.bits() > 2, "subscribe options")?;
        }
        check_options(filter, options.bits(), version).map_err(|broken| match broken {
            Broken::Rule(rule) => EncodeError::Invalid(rule.what()),
            Broken::Topic(invalid) => EncodeError::Invalid(invalid.what()),
        })?;
    }
    Ok(())
}
