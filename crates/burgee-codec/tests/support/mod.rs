//! What the tests of the codec share: hexadecimal by hand, and packets of all kinds for property tests.
//!
//! The byte vectors never come from the encoder. Packets borrow; those made here borrow from memory that is given up, which
//! costs a test nothing and keeps the strategies plain.
#![allow(dead_code, unreachable_pub, reason = "every test uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test speaks by panics"
)]

pub mod packets;

use burgee_codec::{DecodeError, Decoded, Limits, Packet, Version, decode};

/// Bytes from hexadecimal digits; blanks are for the eye, and `'text'` stands for its bytes.
pub fn hex(digits: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, part) in digits.split('\'').enumerate() {
        if at % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part.bytes().filter(u8::is_ascii_hexdigit).collect();
        assert_eq!(digits.len() % 2, 0, "odd digits in {part}");
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        bytes.extend(digits.chunks(2).map(byte));
    }
    bytes
}

/// The answer for everything the format allows.
pub fn read(bytes: &[u8], version: Version) -> Result<Decoded<'_>, DecodeError> {
    decode(bytes, version, &Limits::default())
}

/// The packet that these bytes are, no byte more or less.
pub fn whole(bytes: &[u8], version: Version) -> Packet<'_> {
    match read(bytes, version) {
        Ok(Decoded::Packet { packet, len }) => {
            assert_eq!(len, bytes.len(), "the length of {bytes:02X?}");
            packet
        }
        other => panic!("{bytes:02X?} in {version} is {other:?}"),
    }
}

/// The statement that these bytes break.
pub fn broken(bytes: &[u8], version: Version) -> &'static str {
    match read(bytes, version) {
        Err(DecodeError::Malformed(violation)) => {
            assert!(!violation.what.is_empty());
            violation.statement
        }
        other => panic!("{bytes:02X?} in {version} is {other:?}"),
    }
}

/// What an event loop does: ask again when there is as much as was asked for and no byte more, or at the end of the bytes.
pub fn read_in_pieces(bytes: &[u8], version: Version) -> Result<Decoded<'_>, DecodeError> {
    let mut have = 0;
    loop {
        match read(&bytes[..have], version) {
            Ok(Decoded::Incomplete { needed }) if have < bytes.len() => {
                assert!(needed > have, "no progress at {have}");
                have = needed.min(bytes.len());
            }
            other => return other,
        }
    }
}

/// The same, byte by byte: the first answer other than `Incomplete`, which no further byte may change.
pub fn read_byte_by_byte(bytes: &[u8], version: Version) -> Result<Decoded<'_>, DecodeError> {
    let mut answer = read(&[], version);
    for have in 1..=bytes.len() {
        let now = read(&bytes[..have], version);
        match answer {
            Ok(Decoded::Incomplete { .. }) => answer = now,
            first => assert_eq!(first, now, "another answer at {have}"),
        }
    }
    answer
}
