//! Any bytes, in any version: no panic, and what is a packet can be written and read again as the same.
//!
//! The first byte of the input chooses the version.
#![no_main]

use burgee_codec::{DecodeError, Decoded, Limits, Packet, Version, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let version = [Version::V31, Version::V311, Version::V5][usize::from(choice % 3)];
    match decode(bytes, version, &Limits::default()) {
        Ok(Decoded::Packet { packet, len }) => write_and_read(&packet, len, bytes, version),
        Ok(Decoded::Incomplete { needed }) => assert!(needed > bytes.len()),
        Err(DecodeError::TooLarge { size, limit }) => unreachable!("{size} is above {limit}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

fn write_and_read(packet: &Packet<'_>, len: usize, bytes: &[u8], version: Version) {
    assert!(len <= bytes.len());
    let version = if let Packet::Connect(connect) = packet { connect.version } else { version };
    let said = packet.encoded_len(version).expect("what was read can be written");
    assert!(said <= len, "written longer than it came");
    let mut exact = vec![0; said];
    assert_eq!(packet.encode(version, &mut exact), Ok(said));
    let mut appended = vec![0xEE];
    assert_eq!(packet.append_to(version, &mut appended), Ok(said));
    assert_eq!(appended[1..], exact);
    assert!(packet.encode(version, &mut exact[..said - 1]).is_err());
    match decode(&exact, version, &Limits::default()) {
        Ok(Decoded::Packet { packet: again, len }) => assert!(len == said && again == *packet, "{packet:?} {again:?}"),
        other => panic!("{packet:?} was written as {other:?}"),
    }
}
