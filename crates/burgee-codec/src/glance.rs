//! The packets that nearly all traffic consists of, found without reading more of them than is needed.
//!
//! Must hold: what is found here, [`decode`](crate::decode) reads as the same packet, but that a topic name is not looked
//! at: its bytes must be known from a packet that was decoded. What has any other form is not found, and decoded.
//! Deliberately absent: errors. Whoever finds nothing here asks `decode`, which says what is wrong.

use crate::rule;
use crate::types::{PacketId, PacketType, QoS};
use crate::wire::{Reader, Varint, varint_len};

/// A whole PUBLISH below 5.0 whose topic name nobody has looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadPublish<'a> {
    /// QoS.
    pub qos: QoS,
    /// DUP.
    pub dup: bool,
    /// RETAIN.
    pub retain: bool,
    /// The topic name's bytes with their length in front.
    pub topic_field: &'a [u8],
    /// With QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// The payload.
    pub payload: &'a [u8],
    /// The whole packet.
    pub packet: &'a [u8],
    /// Its remaining length is said in as few bytes as can be.
    pub shortest: bool,
}

impl<'a> UnreadPublish<'a> {
    /// The PUBLISH at the start of `input`, if a whole one with a remaining length up to the limit is there.
    #[inline]
    #[must_use]
    pub fn find(input: &'a [u8], max_remaining_length: u32) -> Option<Self> {
        let (&first, behind) = input.split_first()?;
        if first >> 4 != PacketType::Publish.bits() {
            return None;
        }
        let Ok(Varint::Whole { value, len }) = Varint::read(behind) else {
            return None;
        };
        let header = 1 + len;
        let end = header + usize::try_from(value).ok()?;
        let packet = input.get(..end).filter(|_| value <= max_remaining_length)?;
        let qos = QoS::from_bits(first >> 1 & 3)?;
        let dup = first & 8 != 0;
        if dup && qos == QoS::AtMostOnce {
            return None; // [MQTT-3.3.1-2]
        }
        let body = packet.get(header..)?;
        let name_len = usize::from(Reader::new(body).u16(&rule::SHORT).ok()?);
        let (topic_field, rest) = body.split_at_checked(2 + name_len)?;
        let (packet_id, payload) = if qos == QoS::AtMostOnce {
            (None, rest)
        } else {
            let (id, payload) = rest.split_first_chunk()?;
            (Some(PacketId::new(u16::from_be_bytes(*id))?), payload) // [MQTT-2.3.1-1]
        };
        Some(Self {
            qos,
            dup,
            retain: first & 1 != 0,
            topic_field,
            packet_id,
            payload,
            packet,
            shortest: len == varint_len(value),
        })
    }

    /// The topic name's bytes.
    #[inline]
    #[must_use]
    pub fn topic_bytes(&self) -> &'a [u8] {
        self.topic_field.get(2..).unwrap_or_default()
    }
}

/// Which acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckKind {
    /// PUBACK.
    PubAck,
    /// PUBREC.
    PubRec,
    /// PUBREL.
    PubRel,
    /// PUBCOMP.
    PubComp,
}

/// An acknowledgement of four bytes, as it is in every version when there is nothing to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BareAck {
    /// Which.
    pub kind: AckKind,
    /// The identifier of the PUBLISH.
    pub packet_id: PacketId,
}

impl BareAck {
    /// Bytes that it has.
    pub const LEN: usize = 4;

    /// The acknowledgement at the start of `input`, if one is there.
    #[inline]
    #[must_use]
    pub fn find(input: &[u8]) -> Option<Self> {
        let [first, 2, high, low] = *input.first_chunk()? else {
            return None;
        };
        let kind = match first {
            0x40 => AckKind::PubAck,
            0x50 => AckKind::PubRec,
            0x62 => AckKind::PubRel,
            0x70 => AckKind::PubComp,
            _ => return None,
        };
        let packet_id = PacketId::new(u16::from_be_bytes([high, low]))?;
        Some(Self { kind, packet_id })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::{Ack, Decoded, Limits, Packet, TopicName, Version, decode};

    fn agrees(input: &[u8], version: Version) {
        let limits = Limits {
            max_remaining_length: 400,
            ..Limits::default()
        };
        let decoded = decode(input, version, &limits);
        let found = UnreadPublish::find(input, limits.max_remaining_length);
        if let Some(found) = found {
            let name = core::str::from_utf8(found.topic_bytes()).ok();
            let topic = name.and_then(|name| TopicName::parse(name).ok());
            let Some(topic) = topic else {
                assert!(decoded.is_err(), "{input:?}");
                return;
            };
            let Ok(Decoded::Packet {
                packet: Packet::Publish(publish),
                len,
            }) = decoded
            else {
                panic!("{input:?}: {found:?}, {decoded:?}");
            };
            assert_eq!(found.packet, &input[..len]);
            assert_eq!(
                (found.qos, found.dup, found.retain),
                (publish.qos, publish.dup, publish.retain)
            );
            assert_eq!(
                (topic, found.packet_id, found.payload),
                (publish.topic, publish.packet_id, publish.payload)
            );
            assert_eq!(found.topic_field, publish.topic_field_in(found.packet));
            assert_eq!(
                found.shortest || found.packet_id.is_some(),
                publish.is_shortest(len) || found.packet_id.is_some()
            );
        } else {
            assert!(
                !matches!(
                    decoded,
                    Ok(Decoded::Packet {
                        packet: Packet::Publish(_),
                        ..
                    })
                ),
                "{input:?}"
            );
        }
        if let Some(BareAck { kind, packet_id }) = BareAck::find(input) {
            let Ok(Decoded::Packet {
                packet,
                len: BareAck::LEN,
            }) = decode(input, version, &Limits::default())
            else {
                panic!("{input:?}");
            };
            let ack = Ack::new(packet_id);
            let expected = match kind {
                AckKind::PubAck => Packet::PubAck(ack),
                AckKind::PubRec => Packet::PubRec(ack),
                AckKind::PubRel => Packet::PubRel(ack),
                AckKind::PubComp => Packet::PubComp(ack),
            };
            assert_eq!(packet, expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn any_bytes(mut input in prop::collection::vec(any::<u8>(), 0..40), first in prop::sample::select(alloc::vec![0x30_u8, 0x31, 0x32, 0x33, 0x34, 0x38, 0x3A, 0x36, 0x40, 0x50, 0x62, 0x60, 0x70])) {
            for version in [Version::V31, Version::V311] {
                agrees(&input, version);
            }
            if let Some(byte) = input.first_mut() {
                *byte = first;
            }
            agrees(&input, Version::V311);
        }

        #[test]
        fn nearly_right_ones(
            flags in 0..16_u8, topic in prop::collection::vec(prop::sample::select(&b"ab/+#\0\xC3\xA4"[..]), 0..6),
            payload in prop::collection::vec(any::<u8>(), 0..500), cut in 0..3_usize, long in any::<bool>(),
        ) {
            let mut body = Vec::from([0, u8::try_from(topic.len()).unwrap()]);
            body.extend(&topic);
            body.extend(&payload);
            let length = u8::try_from(body.len() & 0x7F).unwrap();
            let high = u8::try_from(body.len() >> 7).unwrap();
            let mut input = Vec::from([0x30 | flags]);
            if high > 0 || long {
                input.extend([length | 0x80, high]);
            } else {
                input.push(length);
            }
            input.extend(body);
            input.truncate(input.len() - cut.min(input.len()));
            agrees(&input, Version::V311);
            agrees(&input, Version::V31);
        }
    }
}
