//! Decoding takes no memory at all, whatever the bytes are: neither for good packets nor for bad ones, and walking through
//! filters and properties takes none either.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test speaks by panics")]

mod support;

use std::hint::black_box;

use burgee_codec::{Decoded, Limits, Packet, Version, decode};
use proptest::prelude::*;
use support::packets::{packet, version};

/// Decodes, walks through every list, and counts what that took from the heap.
fn allocations(bytes: &[u8], version: Version) -> u64 {
    let limits = Limits::default();
    let info = allocation_counter::measure(|| {
        if let Ok(Decoded::Packet { packet, .. }) = decode(black_box(bytes), version, &limits) {
            walk(&packet);
        }
    });
    info.count_total
}

fn walk(packet: &Packet<'_>) {
    if let Packet::Subscribe(subscribe) = packet {
        black_box(subscribe.filters.iter().count());
        black_box(subscribe.properties.iter().count());
    } else if let Packet::Unsubscribe(unsubscribe) = packet {
        black_box(unsubscribe.filters.iter().count());
    } else if let Packet::Publish(publish) = packet {
        black_box(publish.properties.iter().count());
    } else {
        black_box(packet);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_a_packet_allocates_nothing((version, packet) in packet()) {
        let mut bytes = Vec::new();
        packet.append_to(version, &mut bytes).unwrap();
        prop_assert_eq!(allocations(&bytes, version), 0);
        prop_assert_eq!(allocations(&bytes[..bytes.len() / 2], version), 0);
    }

    #[test]
    fn decoding_garbage_allocates_nothing(version in version(), bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(allocations(&bytes, version), 0);
    }

    #[test]
    fn encoding_into_a_buffer_allocates_nothing((version, packet) in packet()) {
        let mut buffer = vec![0; packet.encoded_len(version).unwrap()];
        let info = allocation_counter::measure(|| {
            black_box(packet.encode(version, &mut buffer)).unwrap();
        });
        prop_assert_eq!(info.count_total, 0);
    }
}

#[test]
fn an_announced_length_takes_no_memory() {
    for version in [Version::V31, Version::V311, Version::V5] {
        assert_eq!(allocations(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0x00, 0x01], version), 0);
        assert_eq!(allocations(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F, 0x00, 0x04], version), 0);
    }
}

#[test]
fn the_counter_counts() {
    let info = allocation_counter::measure(|| {
        black_box(vec![0_u8; 10]);
    });
    assert_eq!(info.count_total, 1);
}
