//! What holds for every packet of every version, and for every row of bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test speaks by panics")]

mod support;

use burgee_codec::{DecodeError, Decoded, EncodeError, Limits, Packet, Publish, QoS, TopicName, Version, decode};
use proptest::prelude::*;
use support::packets::{packet, version};
use support::{read, read_byte_by_byte, read_in_pieces, whole};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn encoded(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.append_to(version, &mut bytes).unwrap();
    bytes
}

/// The answer for bytes that may be a packet, or may end within one.
fn check_bytes(bytes: &[u8], version: Version) {
    match read(bytes, version) {
        Ok(Decoded::Packet { packet, len }) => {
            assert!(len <= bytes.len());
            let own = if let Packet::Connect(connect) = packet {
                connect.version
            } else {
                version
            };
            let again = encoded(&packet, own);
            assert_eq!(whole(&again, own), packet, "written again");
            assert!(again.len() <= len, "longer than it came");
        }
        Ok(Decoded::Incomplete { needed }) => assert!(needed > bytes.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_written_is_read_as_the_same((version, packet) in packet()) {
        let bytes = encoded(&packet, version);
        prop_assert_eq!(whole(&bytes, version), packet);
        prop_assert_eq!(packet.encoded_len(version), Ok(bytes.len()));
    }

    #[test]
    fn a_buffer_of_the_length_said_is_just_enough((version, packet) in packet(), more in 0..3_usize) {
        let bytes = encoded(&packet, version);
        let mut buffer = vec![0xEE; bytes.len() + more];
        prop_assert_eq!(packet.encode(version, &mut buffer), Ok(bytes.len()));
        prop_assert_eq!(&buffer[..bytes.len()], &bytes[..]);
        prop_assert!(buffer[bytes.len()..].iter().all(|byte| *byte == 0xEE));
        let mut short = vec![0xEE; bytes.len() - 1];
        let refusal = EncodeError::BufferTooSmall { needed: bytes.len() };
        prop_assert_eq!(packet.encode(version, &mut short), Err(refusal));
        prop_assert!(short.iter().all(|byte| *byte == 0xEE));
    }

    #[test]
    fn every_beginning_of_a_packet_is_incomplete((version, packet) in packet()) {
        let bytes = encoded(&packet, version);
        for have in 0..bytes.len() {
            match read(&bytes[..have], version) {
                Ok(Decoded::Incomplete { needed }) => prop_assert!(needed > have && needed <= bytes.len()),
                other => prop_assert!(false, "{have} of {} bytes are {other:?}", bytes.len()),
            }
        }
        prop_assert_eq!(read_in_pieces(&bytes, version), read(&bytes, version));
    }

    #[test]
    fn what_follows_a_packet_is_left_alone((version, packet) in packet(), behind in proptest::collection::vec(any::<u8>(), 0..9)) {
        let mut bytes = encoded(&packet, version);
        let len = bytes.len();
        bytes.extend(behind);
        prop_assert_eq!(read(&bytes, version), Ok(Decoded::Packet { packet, len }));
    }

    #[test]
    fn a_decoded_packet_is_written_as_it_came((version, packet) in packet()) {
        let bytes = encoded(&packet, version);
        prop_assert_eq!(encoded(&whole(&bytes, version), version), bytes);
    }

    #[test]
    fn one_changed_byte_is_judged_without_panic((version, packet) in packet(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = encoded(&packet, version);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        check_bytes(&bytes, version);
        prop_assert_eq!(read_in_pieces(&bytes, version), read(&bytes, version));
        prop_assert_eq!(read_byte_by_byte(&bytes, version), read(&bytes, version));
    }

    #[test]
    fn a_packet_cut_short_with_its_length_is_an_error_or_another((version, packet) in packet(), cut in 1..9_u8) {
        // The length byte says less than before: fields lose their ends.
        let mut bytes = encoded(&packet, version);
        bytes[1] = bytes[1].saturating_sub(cut);
        check_bytes(&bytes, version);
    }

    #[test]
    fn below_v5_no_packet_has_what_v5_brought((_, packet) in packet()) {
        // A 5.0 packet is either the same in 3.1.1 or refused, never silently less.
        if let Ok(len) = packet.encoded_len(Version::V311)
            && !matches!(packet, Packet::Connect(_))
        {
            let bytes = encoded(&packet, Version::V311);
            prop_assert_eq!(bytes.len(), len);
            prop_assert_eq!(whole(&bytes, Version::V311), packet);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(version in version(), bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        check_bytes(&bytes, version);
    }

    #[test]
    fn bytes_behind_a_good_header_never_panic(
        version in version(),
        first in proptest::sample::select(&[
            0x10_u8, 0x20, 0x30, 0x32, 0x3D, 0x40, 0x50, 0x62, 0x70, 0x82, 0x90, 0xA2, 0xB0, 0xE0, 0xF0,
        ][..]),
        body in proptest::collection::vec(prop_oneof![0..8_u8, any::<u8>()], 0..64),
    ) {
        let mut bytes = vec![first, u8::try_from(body.len()).unwrap()];
        bytes.extend(body);
        check_bytes(&bytes, version);
        prop_assert_eq!(read_in_pieces(&bytes, version), read(&bytes, version));
        prop_assert_eq!(read_byte_by_byte(&bytes, version), read(&bytes, version));
    }
}

#[test]
fn lengths_are_right_on_both_sides_of_every_border() {
    // 3 bytes of body are the topic.
    for (remaining, header) in [
        (127, 2),
        (128, 3),
        (16_383, 3),
        (16_384, 4),
        (2_097_151, 4),
        (2_097_152, 5),
        (268_435_455, 5),
    ] {
        let payload = vec![7; remaining - 3];
        let publish = Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: TopicName::parse("t").unwrap(),
            packet_id: None,
            payload: &payload,
            properties: burgee_codec::Properties::default(),
        };
        let bytes = encoded(&Packet::Publish(publish), Version::V311);
        assert_eq!(bytes.len(), header + remaining);
        assert_eq!(whole(&bytes, Version::V311), Packet::Publish(publish));
        assert_eq!(
            read(&bytes[..bytes.len() - 1], Version::V311),
            Ok(Decoded::Incomplete { needed: bytes.len() })
        );
        let limits = Limits {
            max_remaining_length: u32::try_from(remaining - 1).unwrap(),
            ..Limits::default()
        };
        let size = u32::try_from(remaining).unwrap();
        // Known as soon as the length is, before the body.
        assert_eq!(
            decode(&bytes[..header], Version::V311, &limits),
            Err(DecodeError::TooLarge { size, limit: size - 1 })
        );
    }
    let payload = vec![0; 268_435_455];
    let too_long = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: TopicName::parse("t").unwrap(),
        packet_id: None,
        payload: &payload,
        properties: burgee_codec::Properties::default(),
    };
    assert_eq!(
        Packet::Publish(too_long).encoded_len(Version::V311),
        Err(EncodeError::TooLarge)
    );
}
