//! The bytes: where a packet ends, and the answers that never change.
//!
//! Deliberately absent: checks. What cannot be read as a packet ends the connection, and that is all.

/// CONNACK: accepted, no session present.
pub(crate) const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
/// PINGRESP.
pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0];

/// The types of the packets that the floor reads, as they stand in the upper half of the first byte.
pub(crate) mod kind {
    pub(crate) const CONNECT: u8 = 1;
    pub(crate) const PUBLISH: u8 = 3;
    pub(crate) const PUBREC: u8 = 5;
    pub(crate) const PUBREL: u8 = 6;
    pub(crate) const SUBSCRIBE: u8 = 8;
    pub(crate) const UNSUBSCRIBE: u8 = 10;
    pub(crate) const PINGREQ: u8 = 12;
    pub(crate) const DISCONNECT: u8 = 14;
}

/// The first bytes of the answers of two bytes and an identifier.
pub(crate) mod answer {
    pub(crate) const PUBACK: u8 = 0x40;
    pub(crate) const PUBREC: u8 = 0x50;
    pub(crate) const PUBREL: u8 = 0x62;
    pub(crate) const PUBCOMP: u8 = 0x70;
    pub(crate) const UNSUBACK: u8 = 0xB0;
}

/// The fixed header of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) first: u8,
    /// Bytes of the fixed header.
    pub(crate) length: usize,
    /// Bytes of the packet with it.
    pub(crate) total: usize,
}

/// These bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Head {
    /// Reads the fixed header. `None`: it is not all there.
    #[inline]
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let [first, rest @ ..] = bytes else { return Ok(None) };
        let (mut remaining, mut length) = (0, 1);
        for &byte in rest.iter().take(4) {
            remaining |= usize::from(byte & 0x7F) << (7 * (length - 1));
            length += 1;
            if byte < 0x80 {
                return Ok(Some(Self {
                    first: *first,
                    length,
                    total: length + remaining,
                }));
            }
        }
        if length == 5 { Err(Malformed) } else { Ok(None) }
    }

    pub(crate) fn kind(self) -> u8 {
        self.first >> 4
    }
}

/// A PUBLISH, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Publish<'a> {
    pub(crate) head: Head,
    pub(crate) packet: &'a [u8],
    pub(crate) topic: &'a [u8],
    pub(crate) qos: u8,
    /// Where the topic ends, and with it what every subscriber's copy has in common with this one.
    pub(crate) topic_end: usize,
}

impl<'a> Publish<'a> {
    /// Looks at a whole packet.
    #[inline]
    pub(crate) fn read(head: Head, packet: &'a [u8]) -> Option<Self> {
        let (high_low, after) = packet.get(head.length..)?.split_first_chunk()?;
        let topic = after.get(..usize::from(u16::from_be_bytes(*high_low)))?;
        Some(Self {
            head,
            packet,
            topic,
            qos: (head.first >> 1) & 3,
            topic_end: head.length + 2 + topic.len(),
        })
    }

    /// The packet identifier, which only QoS 1 and 2 have.
    pub(crate) fn id(&self) -> Option<[u8; 2]> {
        self.packet.get(self.topic_end..)?.first_chunk().copied()
    }

    /// Where the payload begins.
    pub(crate) fn payload_start(&self) -> usize {
        self.topic_end + if self.qos > 0 { 2 } else { 0 }
    }
}

/// Puts a remaining length.
pub(crate) fn put_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7F).unwrap_or_default();
        length >>= 7;
        if length == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Takes a string with its length off the front.
pub(crate) fn take_string<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = bytes.split_first_chunk()?;
    let (string, rest) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *bytes = rest;
    Some(string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_whole_or_not_at_all() {
        assert_eq!(Head::read(&[0x30]), Ok(None));
        assert_eq!(Head::read(&[0x30, 0x80]), Ok(None));
        let head = Head {
            first: 0x30,
            length: 3,
            total: 131,
        };
        assert_eq!(Head::read(&[0x30, 0x80, 1]), Ok(Some(head)));
        assert_eq!(Head::read(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1]), Err(Malformed));
    }

    #[test]
    fn lengths_come_back_as_they_were_put() {
        for length in [0, 127, 128, 16_383, 16_384, 2_097_152] {
            let mut bytes = vec![0x30];
            put_length(&mut bytes, length);
            let head = Head::read(&bytes).unwrap().unwrap();
            assert_eq!(head.total - head.length, length);
        }
    }
}
