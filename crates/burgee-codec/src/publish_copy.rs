//! One message for many: a PUBLISH below 5.0 whose topic is at hand as the packet carries it.
//!
//! Must hold: the bytes are those of [`Packet::append_to`](crate::Packet::append_to) for the same packet, in one walk and without
//! looking at what was checked when the message came in. Deliberately absent: properties, hence 5.0.

use alloc::vec::Vec;

use crate::error::EncodeError;
use crate::types::{PacketId, QoS};
use crate::wire::{MAX_REMAINING_LENGTH, Sink};

/// What differs between the copies of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyKind {
    /// QoS 0: neither DUP nor an identifier [MQTT-3.3.1-2] [MQTT-2.3.1-5].
    Once,
    /// QoS 1 or 2. With QoS 0 it is written as QoS 0 without DUP.
    Acknowledged {
        /// Whether it may have been sent before.
        dup: bool,
        /// 1 or 2.
        qos: QoS,
        /// Its packet identifier [MQTT-2.3.1-1].
        packet_id: PacketId,
    },
}

/// A PUBLISH below 5.0, ready to be written.
#[derive(Debug, Clone, Copy)]
pub struct PublishCopy<'a> {
    /// QoS, and what comes with it.
    pub kind: CopyKind,
    /// RETAIN.
    pub retain: bool,
    /// The topic name of a valid PUBLISH with its two bytes of length in front.
    pub topic_field: &'a [u8],
}

impl PublishCopy<'_> {
    /// Writes the whole packet to the end of `out`.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`]; nothing was written then.
    #[inline]
    pub fn append_to(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.append_head(payload.len(), payload.len(), out)?;
        out.put(payload);
        Ok(())
    }

    /// Writes everything but the payload, which has to follow with `payload_len` bytes.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`]; nothing was written then.
    #[inline]
    pub fn append_head_to(&self, payload_len: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.append_head(payload_len, 0, out)
    }

    /// Writes everything but the payload; so many bytes of that follow in the same buffer.
    #[inline]
    fn append_head(&self, payload_len: usize, follow: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let (flags, id) = match self.kind {
            CopyKind::Acknowledged { dup, qos, packet_id } if qos != QoS::AtMostOnce => {
                (u8::from(dup) << 3 | qos.bits() << 1, Some(packet_id))
            }
            CopyKind::Once | CopyKind::Acknowledged { .. } => (0, None),
        };
        let id_len = if id.is_some() { 2 } else { 0 };
        let remaining = self
            .topic_field
            .len()
            .saturating_add(id_len)
            .saturating_add(payload_len);
        let remaining = match u32::try_from(remaining) {
            Ok(fits) if fits <= MAX_REMAINING_LENGTH => fits,
            _ => return Err(EncodeError::TooLarge),
        };
        // Once for all: a fresh buffer would grow several times.
        out.reserve(5 + self.topic_field.len() + id_len + follow);
        out.u8(0x30 | flags | u8::from(self.retain));
        out.varint(remaining);
        out.put(self.topic_field);
        if let Some(id) = id {
            out.u16(id.get());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Packet, Properties, Publish, TopicName, Version};

    proptest! {
        #[test]
        fn a_copy_is_what_the_packet_would_be(
            topic in "[a-z/]{1,200}", payload in prop::collection::vec(any::<u8>(), 0..20_000),
            (dup, retain, bits, id) in (any::<bool>(), any::<bool>(), 0..3_u8, 1..=u16::MAX),
        ) {
            let qos = QoS::from_bits(bits).unwrap();
            let packet_id = PacketId::new(id).filter(|_| bits > 0);
            let publish = Publish {
                dup: dup && bits > 0,
                qos,
                retain,
                topic: TopicName::parse(&topic).unwrap(),
                packet_id,
                payload: &payload,
                properties: Properties::default(),
            };
            let (mut expected, mut got) = (Vec::new(), b"before".to_vec());
            Packet::Publish(publish).append_to(Version::V311, &mut expected).unwrap();
            let mut topic_field = Vec::new();
            topic_field.string(&topic);
            let kind = packet_id.map_or(CopyKind::Once, |packet_id| CopyKind::Acknowledged { dup, qos, packet_id });
            PublishCopy { kind, retain, topic_field: &topic_field }.append_to(&payload, &mut got).unwrap();
            prop_assert_eq!(&got[6..], &expected[..]);
        }
    }

    #[test]
    fn what_no_length_can_say_is_refused() {
        let copy = PublishCopy {
            kind: CopyKind::Once,
            retain: false,
            topic_field: b"\0\x01t",
        };
        let mut out = Vec::new();
        assert!(copy.append_head_to(MAX_REMAINING_LENGTH as usize - 3, &mut out).is_ok());
        assert_eq!(out, b"\x30\xff\xff\xff\x7f\0\x01t");
        out.clear();
        assert_eq!(
            copy.append_head_to(MAX_REMAINING_LENGTH as usize - 2, &mut out),
            Err(EncodeError::TooLarge)
        );
        assert!(out.is_empty());
    }
}
