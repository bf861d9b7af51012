//! Numbers of variable length, at and around every border of the table.

use alloc::vec::Vec;

use super::{Counter, Reader, Sink, Varint, Writer, varint_len};
use crate::rule;

const BORDERS: [(u32, &[u8]); 8] = [
    (0, &[0x00]),
    (127, &[0x7F]),
    (128, &[0x80, 0x01]),
    (16_383, &[0xFF, 0x7F]),
    (16_384, &[0x80, 0x80, 0x01]),
    (2_097_151, &[0xFF, 0xFF, 0x7F]),
    (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
    (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
];

#[test]
fn lengths_follow_the_table() {
    for (value, bytes) in BORDERS {
        let mut written = Vec::new();
        written.varint(value);
        assert_eq!(written, bytes, "{value}");
        assert_eq!(varint_len(value), bytes.len());
        assert_eq!(
            Varint::read(bytes).ok(),
            Some(Varint::Whole {
                value,
                len: bytes.len()
            })
        );
        for end in 0..bytes.len() {
            assert_eq!(Varint::read(&bytes[..end]).ok(), Some(Varint::Cut));
        }
        assert_eq!(Reader::new(bytes).varint(&rule::SHORT).ok(), Some(value));
    }
}

#[test]
fn a_fourth_byte_with_its_top_bit_set_is_malformed_at_once() {
    assert!(Varint::read(&[0xFF, 0xFF, 0xFF]).is_ok());
    assert!(Varint::read(&[0xFF, 0xFF, 0xFF, 0xFF]).is_err());
    assert!(Varint::read(&[0x80, 0x80, 0x80, 0x80, 0x01]).is_err());
}

#[test]
fn more_bytes_than_needed_are_read_but_not_in_properties() {
    for bytes in [&[0x80, 0x00][..], &[0x80, 0x80, 0x80, 0x00]] {
        assert_eq!(
            Varint::read(bytes).ok(),
            Some(Varint::Whole {
                value: 0,
                len: bytes.len()
            })
        );
        assert!(Reader::new(bytes).varint(&rule::SHORT).is_err());
    }
}

#[test]
fn all_sinks_are_given_the_same() {
    fn fill(out: &mut impl Sink) {
        out.u8(1);
        out.u16(0x0203);
        out.u32(0x0405_0607);
        out.varint(128);
        out.string("ä");
        out.binary(&[]);
    }
    let expected = [1, 2, 3, 4, 5, 6, 7, 0x80, 1, 0, 2, 0xC3, 0xA4, 0, 0];
    let mut counter = Counter::default();
    fill(&mut counter);
    assert_eq!(counter.0, expected.len());
    let mut vec = Vec::new();
    fill(&mut vec);
    assert_eq!(vec, expected);
    let mut array = [0xEE; 16];
    fill(&mut Writer::new(&mut array));
    assert_eq!(array[..15], expected);
    assert_eq!(array[15], 0xEE);
}
