//! Packets of 5.0 that are none, written by hand: which statement each breaks. Every property is tried in every place.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test speaks by panics")]

mod support;

use burgee_codec::{Decoded, Version};
use support::packets::allowed;
use support::{broken, hex, read};

fn all_break(statement: &str, vectors: &[&str]) {
    for digits in vectors {
        assert_eq!(broken(&hex(digits), Version::V5), statement, "{digits}");
    }
}

/// A valid property of each identifier, by hand.
const EACH: [&str; 27] = [
    "0101",
    "0200000001",
    "030000",
    "080001'r'",
    "090000",
    "0B01",
    "1100000000",
    "120000",
    "130000",
    "150000",
    "160000",
    "1700",
    "1800000000",
    "1901",
    "1A0000",
    "1C0000",
    "1F0000",
    "210001",
    "220000",
    "230001",
    "2400",
    "2501",
    "260000 0000",
    "2700000001",
    "2801",
    "2900",
    "2A01",
];

/// Every place of properties: which may stand there, the first byte, what comes before and behind.
const PLACES: [(&[u8], &str, &str, &str); 15] = [
    (allowed::CONNECT, "10", "0004'MQTT' 05 02 003C", "0001'a'"),
    (
        allowed::WILL,
        "10",
        "0004'MQTT' 05 06 003C 00 0001'a'",
        "0001'w' 0001'm'",
    ),
    (allowed::CONNACK, "20", "00 00", ""),
    (allowed::PUBLISH, "30", "0001'a'", "'hi'"),
    (allowed::PUBLISH, "32", "0001'a' 0001", ""),
    (allowed::ACK, "40", "0001 00", ""),
    (allowed::ACK, "50", "0001 00", ""),
    (allowed::ACK, "62", "0001 00", ""),
    (allowed::ACK, "70", "0001 00", ""),
    (allowed::SUBSCRIBE, "82", "0001", "0001'a' 00"),
    (allowed::ACK, "90", "0001", "00"),
    (allowed::UNSUBSCRIBE, "A2", "0001", "0001'a'"),
    (allowed::ACK, "B0", "0001", "00"),
    (allowed::DISCONNECT, "E0", "00", ""),
    (allowed::AUTH, "F0", "00", ""),
];

fn with(place: (&[u8], &str, &str, &str), properties: &[u8]) -> Vec<u8> {
    let (_, first, before, behind) = place;
    let (before, behind) = (hex(before), hex(behind));
    let mut bytes = hex(first);
    bytes.push(u8::try_from(before.len() + 1 + properties.len() + behind.len()).unwrap());
    bytes.extend(before);
    bytes.push(u8::try_from(properties.len()).unwrap());
    bytes.extend(properties);
    bytes.extend(behind);
    bytes
}

fn what(bytes: &[u8]) -> String {
    match read(bytes, Version::V5) {
        Err(error) => error.to_string(),
        Ok(good) => panic!("{good:?}"),
    }
}

#[test]
fn each_place_has_its_own_properties() {
    for place in PLACES {
        for property in EACH.map(hex) {
            let id = property[0];
            // Authentication data may not come alone into a CONNECT.
            let companion = if id == 0x16 { hex("150000") } else { Vec::new() };
            let bytes = with(place, &[companion, property].concat());
            if place.0.contains(&id) {
                assert!(
                    matches!(read(&bytes, Version::V5), Ok(Decoded::Packet { .. })),
                    "{bytes:02X?}"
                );
            } else {
                assert_eq!(
                    what(&bytes),
                    "a property that this packet may not carry",
                    "{bytes:02X?}"
                );
            }
        }
    }
}

#[test]
fn a_property_stands_once_unless_it_may_repeat() {
    for place in PLACES {
        for property in EACH.map(hex) {
            let id = property[0];
            if !place.0.contains(&id) {
                continue;
            }
            let companion = if id == 0x16 { hex("150000") } else { Vec::new() };
            let bytes = with(place, &[companion, property.clone(), property].concat());
            let may_repeat = id == 0x26 || id == 0x0B && place.0 == allowed::PUBLISH;
            if may_repeat {
                assert!(
                    matches!(read(&bytes, Version::V5), Ok(Decoded::Packet { .. })),
                    "{bytes:02X?}"
                );
            } else {
                assert_eq!(what(&bytes), "a property stands twice", "{bytes:02X?}");
            }
        }
    }
}

#[test]
fn properties_cut_short_or_unknown_or_out_of_range() {
    for place in PLACES {
        for property in EACH.map(hex) {
            for end in 1..property.len() {
                if place.0.contains(&property[0]) {
                    assert_eq!(
                        what(&with(place, &property[..end])),
                        "a property is cut short",
                        "{property:02X?}"
                    );
                }
            }
        }
        for id in [0x00, 0x04, 0x0A, 0x14, 0x1B, 0x20, 0x2B, 0x7F] {
            assert_eq!(what(&with(place, &[id, 0, 0, 0, 0])), "an unknown property");
        }
        assert_eq!(
            broken(&with(place, &[0xA6, 0x00, 0, 0, 0, 0]), Version::V5),
            "MQTT5-1.5.5-1"
        );
    }
    for (place, property) in [
        (3, "0102"),
        (0, "1702"),
        (0, "1902"),
        (2, "2402"),
        (2, "2502"),
        (2, "2802"),
        (2, "29FF"),
    ] {
        assert_eq!(
            what(&with(PLACES[place], &hex(property))),
            "a property has a value outside its range",
            "{property}"
        );
    }
    for (place, property) in [(0, "210000"), (0, "2700000000")] {
        assert_eq!(
            what(&with(PLACES[place], &hex(property))),
            "a property has a value outside its range",
            "{property}"
        );
    }
    assert_eq!(what(&with(PLACES[9], &hex("0B00"))), "a subscription identifier is 0");
    assert_eq!(broken(&with(PLACES[3], &hex("230000")), Version::V5), "MQTT5-3.3.2-8");
    assert_eq!(
        broken(&with(PLACES[3], &hex("080001'#'")), Version::V5),
        "MQTT5-3.3.2-14"
    );
    assert_eq!(broken(&with(PLACES[3], &hex("080000")), Version::V5), "MQTT5-4.7.3-1");
    assert_eq!(
        broken(&with(PLACES[3], &hex("030001 FF")), Version::V5),
        "MQTT5-1.5.4-1"
    );
    assert_eq!(
        broken(&with(PLACES[3], &hex("260001'k' 0001 00")), Version::V5),
        "MQTT5-1.5.4-2"
    );
    assert_eq!(broken(&with(PLACES[9], &hex("0B8000")), Version::V5), "MQTT5-1.5.5-1");
    assert_eq!(
        what(&with(PLACES[0], &hex("160000"))),
        "authentication data without an authentication method"
    );
}

#[test]
fn the_property_length_is_there_and_within_the_packet() {
    all_break(
        "MQTT5-2.2.2-1",
        &[
            "10 0A 0004'MQTT' 05 02 003C",
            "20 02 00 00",
            "30 03 0001'a'",
            "82 02 0001",
            "90 02 0001",
            "A2 02 0001",
            "B0 02 0001",
            "F0 01 18",
        ],
    );
    all_break("MQTT5-1.5.5-1", &["30 05 0001'a' 80 00", "E0 03 00 80 00"]);
    for digits in [
        "30 04 0001'a' 01",
        "E0 02 00 01",
        "40 04 0001 00 05",
        "20 03 00 00 7F",
        "30 05 0001'a' FF 7F",
    ] {
        assert_eq!(what(&hex(digits)), "the properties reach beyond the end of the packet");
    }
    assert_eq!(
        what(&hex("30 04 0001'a' 80")),
        "the property length is not there [MQTT5-2.2.2-1]"
    );
}

#[test]
fn lengths_are_minimal() {
    all_break(
        "MQTT5-1.5.5-1",
        &[
            "C0 80 00",
            "E0 80 00",
            "30 86 00 0001'a' 00 'hi'",
            "10 8E 00 0004'MQTT' 05 02 003C 00 0001'a'",
        ],
    );
    all_break("MQTT5-4.13.1-1", &["30 FF FF FF FF", "C0 01"]);
}

#[test]
fn topics_and_aliases() {
    assert_eq!(
        what(&hex("30 05 0000 00 'hi'")),
        "a PUBLISH has neither topic nor alias"
    );
    all_break("MQTT5-3.3.2-2", &["30 04 0001'+' 00"]);
    all_break("MQTT5-3.3.2-1", &["30 00", "30 02 0001"]);
    all_break(
        "MQTT5-2.2.1-3",
        &["32 06 0001'a' 0000 00", "40 02 0000", "82 07 0000 00 0001'a' 00"],
    );
}

#[test]
fn broken_options_and_codes() {
    for options in ["03", "30", "40", "80", "C0", "3F"] {
        all_break("MQTT5-3.8.3-5", &[&format!("82 07 0001 00 0001'a' {options}")]);
    }
    all_break("MQTT5-3.8.3-4", &["82 10 0001 00 000A'$share/g/c' 04"]);
    all_break(
        "MQTT5-4.8.2-2",
        &["82 0F 0001 00 0009'$share//c' 00", "82 0D 0001 00 0007'$share/' 00"],
    );
    all_break("MQTT5-3.8.3-2", &["82 03 0001 00"]);
    all_break("MQTT5-3.10.3-2", &["A2 03 0001 00"]);
    all_break("MQTT5-3.8.4-6", &["90 03 0001 00"]);
    all_break("MQTT5-3.9.3-2", &["90 04 0001 00 03", "90 05 0001 00 00 9A"]);
    all_break("MQTT5-3.11.3-2", &["B0 04 0001 00 01"]);
    all_break("MQTT5-3.2.2-8", &["20 03 00 01 00", "20 03 00 8B 00"]);
    all_break("MQTT5-3.2.2-6", &["20 03 01 87 00"]);
    all_break("MQTT5-3.2.2-1", &["20 03 02 00 00"]);
    all_break("MQTT5-3.4.2-1", &["40 03 0001 92"]);
    all_break("MQTT5-3.5.2-1", &["50 03 0001 01"]);
    all_break("MQTT5-3.6.2-1", &["62 03 0001 80"]);
    all_break("MQTT5-3.7.2-1", &["70 03 0001 10"]);
    all_break("MQTT5-3.14.2-1", &["E0 01 01", "E0 01 84"]);
    all_break("MQTT5-3.15.2-1", &["F0 02 80 00"]);
}

#[test]
fn flags_of_the_first_byte_and_of_connect() {
    all_break("MQTT5-3.15.1-1", &["F1"]);
    all_break("MQTT5-2.1.3-1", &["C1", "11", "41"]);
    all_break("MQTT5-3.6.1-1", &["60", "6A"]);
    all_break("MQTT5-3.3.1-4", &["36"]);
    all_break("MQTT5-3.3.1-2", &["38"]);
    for (statement, flags) in [
        ("MQTT5-3.1.2-3", "03"),
        ("MQTT5-3.1.2-11", "0A"),
        ("MQTT5-3.1.2-13", "22"),
        ("MQTT5-3.1.2-12", "1E"),
    ] {
        all_break(statement, &[&format!("10 0E 0004'MQTT' 05 {flags} 003C 00 0001'a'")]);
    }
    all_break("MQTT5-3.1.4-1", &["10 0F 0004'MQTT' 05 02 003C 00 0001'a' 00"]);
    all_break("MQTT5-3.1.3-3", &["10 0B 0004'MQTT' 05 02 003C 00"]);
}

#[test]
fn bytes_behind_the_last_field_are_broken() {
    all_break(
        "MQTT5-4.13.1-1",
        &[
            "20 04 00 00 00 00",
            "40 05 0001 00 00 00",
            "50 05 0001 00 00 00",
            "62 05 0001 00 00 00",
            "70 05 0001 00 00 00",
            "E0 03 00 00 00",
            "F0 03 00 00 00",
        ],
    );
}

/// The reason codes of each packet, from the tables of the standard, and the packet around one.
const CODES: [(&[u8], &str, &str); 9] = [
    (
        &[
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A,
            0x9B, 0x9C, 0x9D, 0x9F,
        ],
        "20 03 00",
        "00",
    ),
    (
        &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        "40 03 0001",
        "",
    ),
    (
        &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        "50 03 0001",
        "",
    ),
    (&[0x00, 0x92], "62 03 0001", ""),
    (&[0x00, 0x92], "70 03 0001", ""),
    (
        &[0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2],
        "90 04 0001 00",
        "",
    ),
    (&[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91], "B0 04 0001 00", ""),
    (
        &[
            0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97,
            0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
        ],
        "E0 01",
        "",
    ),
    (&[0x00, 0x18, 0x19], "F0 02", "00"),
];

#[test]
fn each_packet_has_its_own_reason_codes() {
    for (codes, before, behind) in CODES {
        for code in 0..=0xFF_u8 {
            let bytes = hex(&format!("{before}{code:02X}{behind}"));
            assert_eq!(read(&bytes, Version::V5).is_ok(), codes.contains(&code), "{bytes:02X?}");
        }
    }
}
