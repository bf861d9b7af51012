//! Packets against bytes written by hand.

use super::*;

#[test]
fn a_message_put_is_the_message_read() {
    let mark = Mark {
        source: 7,
        sequence: 1_000_001,
        sent_at: u32::MAX,
    };
    for qos in 0..=2 {
        let mut out = Vec::new();
        Template::new("bench/7", qos, 200).put(&mut out, 513, mark);
        let (frame, rest) = next(&out).unwrap().unwrap();
        assert!(rest.is_empty());
        let Frame::Publish {
            qos: got,
            id,
            topic,
            payload,
            packet,
        } = frame
        else {
            panic!("{frame:?}")
        };
        assert_eq!((got, topic, packet), (qos, &b"bench/7"[..], out.as_slice()));
        assert_eq!(id, if qos == 0 { 0 } else { 513 });
        assert_eq!((payload.len(), Payload::read(payload)), (200, Payload::Sound(mark)));
        for cut in 0..out.len() {
            assert_eq!(next(&out[..cut]).unwrap(), None, "cut at {cut}");
        }
    }
}

#[test]
fn packets_are_the_bytes_of_the_standard() {
    let hello = Hello {
        client: "ab",
        clean_session: true,
        keep_alive: 60,
        user: None,
        password: Some(b"ignored without a user"),
    };
    assert_eq!(connect(&hello), b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02ab");
    let hello = Hello {
        clean_session: false,
        user: Some("u"),
        password: Some(b"pw"),
        ..hello
    };
    assert_eq!(
        connect(&hello),
        b"\x10\x15\0\x04MQTT\x04\xc0\0\x3c\0\x02ab\0\x01u\0\x02pw"
    );
    assert_eq!(subscribe(10, "a/b", 1), b"\x82\x08\0\x0a\0\x03a/b\x01");
    let mut out = Vec::new();
    put_subscribe(&mut out, 258, ["a/b", "#"].into_iter(), 2);
    assert_eq!(out, b"\x82\x0c\x01\x02\0\x03a/b\x02\0\x01#\x02");
    let mut out = Vec::new();
    put_ack(&mut out, PUBREL, 258);
    assert_eq!(out, [0x62, 2, 1, 2]);
    assert_eq!(next(&out).unwrap(), Some((Frame::PubRel(258), &[][..])));
}

#[test]
fn nonsense_is_an_error() {
    assert!(next(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF]).is_err());
    assert!(next(&[0x40, 1, 0]).is_err());
    assert!(next(&[0x30, 3, 0, 9, b'a']).is_err());
}

#[test]
fn a_changed_byte_is_seen_wherever_it_is() {
    let mark = Mark {
        source: 1,
        sequence: 2,
        sent_at: 3,
    };
    let mut out = Vec::new();
    Template::new("t", 0, 40).put(&mut out, 0, mark);
    let payload = out.split_off(out.len() - 40);
    for n in 0..payload.len() {
        let mut bent = payload.clone();
        bent[n] ^= 0x10;
        assert_eq!(Payload::read(&bent), Payload::Corrupt, "byte {n}");
    }
    assert_eq!(Payload::read(&payload[..39]), Payload::Corrupt, "cut short");
    assert_eq!(Payload::read(&payload[..15]), Payload::Corrupt, "no mark");
    assert_eq!(Payload::read(&payload), Payload::Sound(mark));
}

#[test]
fn the_check_value_is_the_crc_that_everybody_knows() {
    let mark: [u8; 12] = *b"a mark, say!";
    for filler in [&b""[..], b".", b"some filler of any length"] {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(filler);
        hasher.update(&mark);
        assert_eq!(check_value(&mark, crc32fast::hash(filler)), hasher.finalize());
    }
}

#[test]
fn what_was_filled_in_is_read_back_and_nothing_else() {
    let mark = Mark {
        source: 1,
        sequence: 2,
        sent_at: 3,
    };
    let filler = Filler::new(40);
    let mut out = Vec::new();
    Template::new("t", 1, 40).put(&mut out, 7, mark);
    let payload = out.split_off(out.len() - 40);
    assert_eq!(filler.read(&payload), Payload::Sound(mark));
    for n in 0..payload.len() {
        let mut bent = payload.clone();
        bent[n] ^= 1;
        assert_eq!(filler.read(&bent), Payload::Corrupt, "byte {n}");
    }
    assert_eq!(filler.read(&payload[..39]), Payload::Corrupt);
}

#[test]
fn a_length_is_known_before_the_packet_is_whole() {
    assert_eq!(announced(&[]).unwrap(), None);
    assert_eq!(announced(&[0x30, 0x80]).unwrap(), None);
    assert_eq!(announced(&[0x30, 0x80, 0x01, 9]).unwrap(), Some(131));
    assert_eq!(announced(&[0x40, 2]).unwrap(), Some(4));
}
