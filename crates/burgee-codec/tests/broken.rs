//! Packets of 3.1 and 3.1.1 that are none, written by hand: which statement each breaks, and how early that is seen.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test speaks by panics")]

mod support;

use burgee_codec::{Ack, Connect, DecodeError, Decoded, Limits, Packet, PacketId, Version, Versions, decode};
use support::{broken, hex, read, whole};

/// Each of these breaks this statement in 3.1 and in 3.1.1.
fn all_break(statement: &str, vectors: &[&str]) {
    for digits in vectors {
        assert_eq!(broken(&hex(digits), Version::V31), statement, "{digits} in 3.1");
        assert_eq!(broken(&hex(digits), Version::V311), statement, "{digits} in 3.1.1");
    }
}

#[test]
fn wrong_flags_are_seen_in_the_first_byte() {
    let allowed = |first: u8, version: Version| match first >> 4 {
        0 | 15 => false,
        3 => matches!(first & 0xF, 0 | 1 | 2 | 3 | 4 | 5 | 0xA | 0xB | 0xC | 0xD),
        6 | 8 | 10 => first & 0xF == 2 || first & 0xF == 0xA && version == Version::V31,
        _ => first.is_multiple_of(16),
    };
    for first in 0..=0xFF_u8 {
        for version in [Version::V31, Version::V311] {
            if allowed(first, version) {
                assert_eq!(
                    read(&[first], version),
                    Ok(Decoded::Incomplete { needed: 2 }),
                    "{first:02X}"
                );
                continue;
            }
            let statement = match first >> 4 {
                0 | 15 => "MQTT-4.8.0-1",
                3 if first >> 1 & 3 == 3 => "MQTT-3.3.1-4",
                3 => "MQTT-3.3.1-2",
                6 => "MQTT-3.6.1-1",
                8 => "MQTT-3.8.1-1",
                10 => "MQTT-3.10.1-1",
                14 => "MQTT-3.14.1-1",
                _ => "MQTT-2.2.2-2",
            };
            assert_eq!(broken(&[first], version), statement, "{first:02X}");
        }
    }
}

#[test]
fn a_packet_of_fixed_length_is_judged_when_its_length_is_known() {
    for first in [0x20, 0x40, 0x50, 0x62, 0x70, 0xB0] {
        for length in [0, 1, 3, 4, 0x7F] {
            assert_eq!(
                broken(&[first, length], Version::V311),
                "MQTT-4.8.0-1",
                "{first:02X} {length}"
            );
        }
        assert_eq!(read(&[first, 2], Version::V311), Ok(Decoded::Incomplete { needed: 4 }));
    }
    for first in [0xC0, 0xD0, 0xE0] {
        assert_eq!(broken(&[first, 1], Version::V31), "MQTT-4.8.0-1");
        assert_eq!(broken(&[first, 0x80, 1], Version::V311), "MQTT-4.8.0-1");
    }
}

#[test]
fn longer_lengths_than_needed_are_read() {
    assert_eq!(whole(&hex("C0 80 00"), Version::V311), Packet::PingReq);
    assert_eq!(whole(&hex("C0 80 80 80 00"), Version::V31), Packet::PingReq);
    assert_eq!(
        whole(&hex("40 82 80 00 0001"), Version::V311),
        Packet::PubAck(Ack::new(PacketId::MIN))
    );
    let bytes = hex("10 8D 00 0004'MQTT' 04 02 003C 0001'a'");
    let connect = whole(&bytes, Version::V311);
    assert!(matches!(connect, Packet::Connect(Connect { client_id: "a", .. })));
    all_break(
        "MQTT-4.8.0-1",
        &[
            "30 FF FF FF FF",
            "30 80 80 80 80 01",
            "C0 80 80 80 80",
            "10 FF FF FF 80",
        ],
    );
    assert_eq!(
        read(&hex("30 FF FF FF"), Version::V311),
        Ok(Decoded::Incomplete { needed: 5 })
    );
    assert_eq!(
        read(&hex("30 FF FF FF 7F"), Version::V311),
        Ok(Decoded::Incomplete { needed: 268_435_460 })
    );
}

#[test]
fn identifier_0_is_broken_everywhere() {
    all_break(
        "MQTT-2.3.1-1",
        &[
            "32 05 0001'a' 0000",
            "3C 05 0001'a' 0000",
            "40 02 0000",
            "50 02 0000",
            "62 02 0000",
            "70 02 0000",
            "82 06 0000 0001'a' 00",
            "90 03 0000 00",
            "A2 05 0000 0001'a'",
            "B0 02 0000",
        ],
    );
}

#[test]
fn broken_publish() {
    all_break(
        "MQTT-3.3.2-1",
        &["30 00", "30 01 00", "30 02 0001", "30 03 0002'a'", "30 04 FFFF'aa'"],
    );
    all_break(
        "MQTT-3.3.2-2",
        &["30 03 0001'+'", "30 03 0001'#'", "30 05 0003'a/#'", "30 05 0003'a+b' "],
    );
    all_break("MQTT-4.7.3-1", &["30 02 0000", "30 04 0000'hi'", "32 04 0000 0001"]);
    all_break("MQTT-1.5.3-2", &["30 03 0001 00", "30 05 0003'a'00'b'"]);
    all_break("MQTT-4.8.0-1", &["32 03 0001'a'", "32 04 0001'a' 00", "34 03 0001'a'"]);
}

/// Rows of bytes that are no UTF-8: surrogates, too long forms, single parts, cut forms, beyond U+10FFFF.
const ILL_FORMED: [&str; 10] = [
    "EDA080", "EDBFBF", "C0AF", "E080AF", "F08080AF", "80", "E282", "F4908080", "FE", "FF",
];

/// `head`, the length of `text` and what `head` leaves for it, `tail`; all under a fixed header.
fn around(first: &str, head: &str, text: &str, tail: &str) -> Vec<u8> {
    let (head, text, tail) = (hex(head), hex(text), hex(tail));
    let body = head.len() + 2 + text.len() + tail.len();
    let mut bytes = hex(first);
    bytes.push(u8::try_from(body).unwrap());
    bytes.extend(head);
    bytes.extend([0, u8::try_from(text.len()).unwrap()]);
    bytes.extend(text);
    bytes.extend(tail);
    bytes
}

#[test]
fn ill_formed_strings_and_nul_are_seen_in_every_field() {
    let fields = [
        ("10", "0004'MQTT' 04 02 003C", ""),                // client identifier
        ("10", "0004'MQTT' 04 06 003C 0001'a'", "0001'm'"), // will topic
        ("10", "0004'MQTT' 04 82 003C 0001'a'", ""),        // user name
        ("10", "0004'MQTT' 04 C6 003C 0001'a' 0001'w' 0001'm'", "0001'p'"), // user name between others
        ("10", "0006'MQIsdp' 03 02 003C", ""),
        ("30", "", "'payload'"),
        ("34", "", "0001"),
        ("82", "0001", "00"),
        ("82", "0001 0001'a' 01", "02"), // second filter
        ("A2", "0001", ""),
        ("A2", "0001 0001'a'", "0001'b'"),
    ];
    for (first, head, tail) in fields {
        for text in ILL_FORMED {
            assert_eq!(
                broken(&around(first, head, text, tail), Version::V311),
                "MQTT-1.5.3-1",
                "{first} {head} {text}"
            );
        }
        for text in ["00", "'a'00", "00'a'", "'a'00'b'"] {
            assert_eq!(
                broken(&around(first, head, text, tail), Version::V311),
                "MQTT-1.5.3-2",
                "{first} {head} {text}"
            );
        }
        assert!(matches!(
            read(&around(first, head, "'ok'", tail), Version::V311),
            Ok(Decoded::Packet { .. })
        ));
    }
}

#[test]
fn binary_fields_may_hold_anything() {
    let fields = [
        ("10", "0004'MQTT' 04 06 003C 0001'a' 0001'w'", ""), // will message
        ("10", "0004'MQTT' 04 C2 003C 0001'a' 0001'u'", ""), // password
    ];
    for (first, head, tail) in fields {
        for text in ILL_FORMED.iter().chain(&["00", ""]) {
            whole(&around(first, head, text, tail), Version::V311);
        }
    }
    for payload in ILL_FORMED {
        let mut bytes = hex("30 00 0001'a'");
        bytes.extend(hex(payload));
        bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
        whole(&bytes, Version::V311);
    }
}

#[test]
fn broken_subscribe() {
    all_break("MQTT-3.8.3-3", &["82 02 0001"]);
    all_break(
        "MQTT-4.8.0-1",
        &[
            "82 00",
            "82 01 00",
            "82 03 0001 00",
            "82 05 0001 0001'a'",
            "82 06 0001 0003'a' 00",
        ],
    );
    // A second filter that is not whole.
    all_break(
        "MQTT-4.8.0-1",
        &["82 07 0001 0001'a' 00 00", "82 09 0001 0001'a' 00 0001'b'"],
    );
    for options in 3..=0xFF_u8 {
        all_break("MQTT-3.8.3-4", &[&format!("82 06 0001 0001'a' {options:02X}")]);
    }
    all_break("MQTT-3.8.3-4", &["82 0A 0001 0001'a' 00 0001'b' 03"]);
    all_break("MQTT-4.7.3-1", &["82 05 0001 0000 00", "82 09 0001 0001'a' 00 0000 00"]);
    all_break(
        "MQTT-4.7.1-2",
        &[
            "82 0A 0001 0005'a/#/b' 00",
            "82 07 0001 0002'a#' 00",
            "82 07 0001 0002'##' 00",
        ],
    );
    all_break(
        "MQTT-4.7.1-3",
        &[
            "82 07 0001 0002'a+' 00",
            "82 07 0001 0002'++' 00",
            "82 09 0001 0004'a/+b' 00",
        ],
    );
}

#[test]
fn broken_unsubscribe() {
    all_break("MQTT-3.10.3-2", &["A2 02 0001"]);
    all_break(
        "MQTT-4.8.0-1",
        &[
            "A2 00",
            "A2 01 00",
            "A2 03 0001 00",
            "A2 05 0001 0002'a'",
            "A2 06 0001 0001'a' 00",
        ],
    );
    all_break("MQTT-4.7.3-1", &["A2 04 0001 0000", "A2 07 0001 0001'a' 0000"]);
    all_break("MQTT-4.7.1-2", &["A2 07 0001 0003'#/a'"]);
    all_break("MQTT-4.7.1-3", &["A2 06 0001 0002'+a'"]);
}

#[test]
fn broken_suback() {
    all_break("MQTT-3.8.4-5", &["90 02 0001"]);
    all_break("MQTT-4.8.0-1", &["90 00", "90 01 00"]);
    for code in (3..=0xFF_u8).filter(|code| *code != 0x80) {
        all_break("MQTT-3.9.3-2", &[&format!("90 04 0001 00{code:02X}")]);
    }
}

#[test]
fn broken_connect_flags() {
    for (statement, flags, tail) in [
        ("MQTT-3.1.2-3", "01", ""),
        ("MQTT-3.1.2-3", "03", ""),
        ("MQTT-3.1.2-22", "42", "0001'p'"),
        ("MQTT-3.1.2-13", "0A", ""),
        ("MQTT-3.1.2-13", "12", ""),
        ("MQTT-3.1.2-13", "1A", ""),
        ("MQTT-3.1.2-15", "22", ""),
        ("MQTT-3.1.2-14", "1E", "0001'w' 0001'm'"),
        ("MQTT-3.1.2-9", "06", ""),
        ("MQTT-3.1.2-9", "06", "0001'w'"),
        ("MQTT-3.1.2-9", "06", "0001'w' 00"),
        ("MQTT-3.1.2-9", "06", "0001'w' 0002'm'"),
        ("MQTT-3.1.2-19", "82", ""),
        ("MQTT-3.1.2-19", "82", "0002'u'"),
        ("MQTT-3.1.2-21", "C2", "0001'u'"),
        ("MQTT-3.1.2-21", "C2", "0001'u' 0001"),
        ("MQTT-3.1.4-1", "02", "00"),
        ("MQTT-3.1.4-1", "C2", "0001'u' 0001'p' 00"),
        ("MQTT-4.7.3-1", "06", "0000 0001'm'"),
        ("MQTT-4.7.1-1", "06", "0001'+' 0001'm'"),
        ("MQTT-4.7.1-1", "06", "0003'a/#' 0001'm'"),
    ] {
        let bytes = around("10", &format!("0004'MQTT' 04 {flags} 003C"), "'a'", tail);
        assert_eq!(broken(&bytes, Version::V311), statement, "{flags} {tail}");
    }
}

#[test]
fn a_connect_cut_short_is_malformed() {
    let whole = hex("10 0D 0004'MQTT' 04 02 003C 0001'a'");
    for body in 0..13_u8 {
        let mut cut = whole[..usize::from(body) + 2].to_vec();
        cut[1] = body;
        let statement = if body < 10 { "MQTT-3.1.4-1" } else { "MQTT-3.1.3-3" };
        assert_eq!(broken(&cut, Version::V311), statement, "{body}");
    }
    // A name that reaches beyond the packet.
    assert_eq!(broken(&hex("10 06 FFFF'MQTT'"), Version::V311), "MQTT-3.1.4-1");
    assert_eq!(broken(&hex("10 06 0004'MQTT'"), Version::V311), "MQTT-3.1.4-1");
}

#[test]
fn a_level_not_spoken_is_told_before_anything_behind_it_is_read() {
    for level in (0..=0xFF_u8).filter(|level| !matches!(level, 4 | 5)) {
        let bytes = hex(&format!("10 0D 0004'MQTT' {level:02X} FF FFFF FFFF00"));
        assert_eq!(
            read(&bytes, Version::V311),
            Err(DecodeError::UnsupportedLevel { level })
        );
        // The rest need not have come.
        assert_eq!(
            read(&bytes[..9], Version::V311),
            Err(DecodeError::UnsupportedLevel { level })
        );
        assert_eq!(read(&bytes[..8], Version::V311), Ok(Decoded::Incomplete { needed: 15 }));
    }
    for level in (0..=0xFF_u8).filter(|level| *level != 3) {
        let bytes = hex(&format!("10 09 0006'MQIsdp' {level:02X}"));
        assert_eq!(
            read(&bytes, Version::V311),
            Err(DecodeError::UnsupportedLevel { level })
        );
    }
}

#[test]
fn other_protocol_names_are_unknown() {
    for name in [
        "0004'MQTX'",
        "0004'mqtt'",
        "0003'MQT'",
        "0005'MQTTT'",
        "0000",
        "0006'mqisdp'",
        "0004 FFFFFFFF",
    ] {
        let name = hex(name);
        let mut bytes = vec![0x10, u8::try_from(name.len() + 7).unwrap()];
        bytes.extend(&name);
        bytes.extend(hex("04 02 003C 0001'a'"));
        assert_eq!(
            read(&bytes, Version::V311),
            Err(DecodeError::UnknownProtocol),
            "{name:02X?}"
        );
    }
}

#[test]
fn versions_can_be_switched_off() {
    let v31 = hex("10 0F 0006'MQIsdp' 03 02 003C 0001'a'");
    let v311 = hex("10 0D 0004'MQTT' 04 02 003C 0001'a'");
    let v5 = hex("10 0E 0004'MQTT' 05 02 003C 00 0001'a'");
    let answer = |bytes: &[u8], versions| {
        decode(
            bytes,
            Version::V311,
            &Limits {
                versions,
                ..Limits::default()
            },
        )
        .map(|_| ())
        .err()
    };
    for (bytes, version, refusal) in [
        (&v31, Version::V31, DecodeError::UnknownProtocol),
        (&v311, Version::V311, DecodeError::UnsupportedLevel { level: 4 }),
        (&v5, Version::V5, DecodeError::UnsupportedLevel { level: 5 }),
    ] {
        assert_eq!(answer(bytes, Versions::ALL), None);
        assert_eq!(answer(bytes, Versions::NONE.with(version)), None);
        assert_eq!(answer(bytes, Versions::ALL.without(version)), Some(refusal));
    }
    assert_eq!(format!("{:?}", Versions::ALL.without(Version::V31)), "{V311, V5}");
}

#[test]
fn a_length_above_the_limit_is_refused_before_the_body() {
    let limits = Limits {
        max_remaining_length: 127,
        ..Limits::default()
    };
    let answer = |bytes: &[u8]| decode(bytes, Version::V311, &limits).map(|_| ());
    assert_eq!(
        answer(&hex("30 80 01")),
        Err(DecodeError::TooLarge { size: 128, limit: 127 })
    );
    assert_eq!(
        answer(&hex("10 FF FF FF 7F")),
        Err(DecodeError::TooLarge {
            size: 268_435_455,
            limit: 127
        })
    );
    assert_eq!(answer(&hex("30 7F")), Ok(()));
}
