//! From bytes to a packet. The first byte, the remaining length and the protocol of a CONNECT are judged as soon as they
//! are there; everything else when the packet is whole.
//!
//! Must hold: more bytes never change an answer other than `Incomplete`. Nothing is allocated: a packet borrows from the input.
//! Deliberately absent: which side may send what, and when.

mod connect;
mod publish;
mod rest;

use crate::error::DecodeError;
use crate::packet::Packet;
use crate::rule::{self, Checked, Rule};
use crate::types::{PacketId, PacketType, Version, Versions};
use crate::wire::{MAX_REMAINING_LENGTH, Reader, Varint, varint_len};

/// What a receiver accepts of what the format allows; by default all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The greatest remaining length. A packet above it is refused before its body arrives.
    pub max_remaining_length: u32,
    /// The versions accepted in CONNECT.
    pub versions: Versions,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_remaining_length: MAX_REMAINING_LENGTH,
            versions: Versions::ALL,
        }
    }
}

/// What the bytes at hand amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole packet.
    Packet {
        /// What it says.
        packet: Packet<'a>,
        /// How many bytes of the input it has; behind them begins the next.
        len: usize,
    },
    /// The beginning of a packet that is good so far.
    Incomplete {
        /// How many bytes there must be, counted from the start of the input, before asking again is of use.
        needed: usize,
    },
}

/// Reads the first packet of `input`.
///
/// `version` is that of the connection. A CONNECT says its own version, so for it the argument is not looked at.
///
/// # Errors
/// The bytes are no packet, or one that `limits` exclude. No further byte can mend that.
pub fn decode<'a>(input: &'a [u8], version: Version, limits: &Limits) -> Result<Decoded<'a>, DecodeError> {
    let Some((&first, behind)) = input.split_first() else {
        return Ok(Decoded::Incomplete { needed: 2 });
    };
    let kind = packet_type(first, version).map_err(|broken| broken.tell(version))?;
    let Some(length) = remaining_length(kind, behind, version).map_err(|broken| broken.tell(version))? else {
        return Ok(Decoded::Incomplete {
            needed: input.len() + 1,
        });
    };
    if length.value > limits.max_remaining_length {
        return Err(DecodeError::TooLarge {
            size: length.value,
            limit: limits.max_remaining_length,
        });
    }
    let header = 1 + length.bytes;
    let len = header.saturating_add(usize::try_from(length.value).unwrap_or(usize::MAX));
    let Some(body) = input.get(header..len) else {
        if kind == PacketType::Connect {
            connect::judge_protocol(input.get(header..).unwrap_or_default(), &length, *limits)?;
        }
        return Ok(Decoded::Incomplete { needed: len });
    };
    if kind == PacketType::Connect {
        let packet = Packet::Connect(connect::connect(body, &length, *limits)?);
        return Ok(Decoded::Packet { packet, len });
    }
    let packet = if kind == PacketType::Publish {
        publish::publish(first, body, version).map(Packet::Publish)
    } else {
        rest::packet(kind, body, version)
    };
    match packet {
        Ok(packet) => Ok(Decoded::Packet { packet, len }),
        Err(broken) => Err(broken.tell(version)),
    }
}

/// The remaining length of a packet.
struct Length {
    value: u32,
    /// How many bytes say it.
    bytes: usize,
}

impl Length {
    const fn is_minimal(&self) -> bool {
        self.bytes == varint_len(self.value)
    }
}

/// Judges the first byte.
#[inline]
fn packet_type(first: u8, version: Version) -> Checked<PacketType> {
    let flags = first & 0x0F;
    // First, as it is the packet that there is most of.
    if first >> 4 == PacketType::Publish.bits() {
        return publish::check_flags(flags).map(|()| PacketType::Publish);
    }
    let kind = PacketType::from_bits(first >> 4).ok_or(rule::TYPE.broken())?;
    // 3.1 lets a client repeat these with DUP.
    let dup_or_not = |flags: u8| flags == 2 || flags == 0x0A && version == Version::V31;
    match kind {
        PacketType::Publish => publish::check_flags(flags)?,
        PacketType::PubRel => rule::FLAGS_PUBREL.unless(dup_or_not(flags))?, // [MQTT-3.6.1-1]
        PacketType::Subscribe => rule::FLAGS_SUBSCRIBE.unless(dup_or_not(flags))?, // [MQTT-3.8.1-1]
        PacketType::Unsubscribe => rule::FLAGS_UNSUBSCRIBE.unless(dup_or_not(flags))?, // [MQTT-3.10.1-1]
        PacketType::Disconnect => rule::FLAGS_DISCONNECT.unless(flags == 0)?, // [MQTT-3.14.1-1]
        PacketType::Auth => {
            rule::TYPE.unless(version == Version::V5)?;
            rule::FLAGS_AUTH.unless(flags == 0)?; // [MQTT5-3.15.1-1]
        }
        PacketType::Connect
        | PacketType::ConnAck
        | PacketType::PubAck
        | PacketType::PubRec
        | PacketType::PubComp
        | PacketType::SubAck
        | PacketType::UnsubAck
        | PacketType::PingReq
        | PacketType::PingResp => rule::FLAGS.unless(flags == 0)?, // [MQTT-2.2.2-2]
    }
    Ok(kind)
}

/// Judges the remaining length. `None`: it is not whole yet.
#[inline]
fn remaining_length(kind: PacketType, behind: &[u8], version: Version) -> Checked<Option<Length>> {
    let length = match Varint::read(behind)? {
        Varint::Cut => return Ok(None),
        Varint::Whole { value, len } => Length { value, bytes: len },
    };
    // A CONNECT of 5.0 is asked this once its level is known.
    if version == Version::V5 && kind != PacketType::Connect {
        rule::NOT_MINIMAL.unless(length.is_minimal())?; // [MQTT5-1.5.5-1]
    }
    if kind != PacketType::Publish
        && let Some(fixed) = fixed_length(kind, version)
    {
        rule::FIXED_LENGTH.unless(length.value == fixed)?;
    }
    Ok(Some(length))
}

/// The remaining length of a packet that has but one.
#[inline]
const fn fixed_length(kind: PacketType, version: Version) -> Option<u32> {
    match (kind, version) {
        (PacketType::PingReq | PacketType::PingResp, _) => Some(0),
        (_, Version::V5) => None,
        (PacketType::Disconnect, _) => Some(0),
        (
            PacketType::ConnAck
            | PacketType::PubAck
            | PacketType::PubRec
            | PacketType::PubRel
            | PacketType::PubComp
            | PacketType::UnsubAck,
            _,
        ) => Some(2),
        _ => None,
    }
}

fn end(reader: &Reader<'_>, trailing: &'static Rule) -> Checked<()> {
    trailing.unless(reader.is_empty())
}

fn packet_id(reader: &mut Reader<'_>) -> Checked<PacketId> {
    PacketId::new(reader.u16(&rule::SHORT)?).ok_or(rule::PACKET_ID.broken()) // [MQTT-2.3.1-1]
}
