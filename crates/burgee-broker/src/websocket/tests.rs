//! Requests and frames, good and bad, in one piece and byte by byte.

#![allow(
    clippy::cast_possible_truncation,
    clippy::decimal_bitwise_operands,
    clippy::too_many_lines,
    reason = "tests build bytes by hand"
)]

use super::*;

const LIMIT: u64 = 100_000;

fn rules(path: Option<&str>, origins: &[&str]) -> Arc<UpgradeRules> {
    let origins: Vec<_> = origins.iter().map(|&origin| origin.to_owned()).collect();
    Arc::new(UpgradeRules {
        path: path.map(Into::into),
        origins: Origins::new(&origins, false),
        frame_limit: LIMIT,
    })
}

const GOOD: &str = "GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Protocol: mqtt\r\n\r\n";

/// The answer to a request.
fn answer(rules: &Arc<UpgradeRules>, request: &str) -> String {
    let (mut socket, mut out) = (WebSocket::new(Arc::clone(rules)), Vec::new());
    socket.receive(&mut request.as_bytes().to_vec(), &mut out);
    String::from_utf8(out).unwrap()
}

fn status(rules: &Arc<UpgradeRules>, request: &str) -> u16 {
    let answer = answer(rules, request);
    if answer.is_empty() {
        return 0;
    }
    assert_eq!(
        answer.contains("\r\nConnection: close"),
        !answer.starts_with("HTTP/1.1 101"),
        "{answer}"
    );
    answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

#[test]
fn a_good_request_is_accepted_with_the_key_of_the_standard() {
    let answer = answer(&rules(Some("/mqtt"), &[]), GOOD);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    // RFC 6455 1.3.
    assert!(
        answer.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{answer}"
    );
    // [MQTT-6.0.0-4]
    assert!(answer.contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"));
}

#[test]
fn requests_get_the_answer_that_they_deserve() {
    let with = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replace(from, to)
    };
    let proto = "Sec-WebSocket-Protocol: mqtt\r\n";
    for (request, expected) in [
        // D39: in any position, in any number of lines, and nothing else will do.
        (with("mqtt\r\n\r\n", "foo, mqtt\r\n\r\n"), 101),
        (with("mqtt\r\n\r\n", "mqtt , mqttv3.1\r\n\r\n"), 101),
        (
            with(proto, "Sec-WebSocket-Protocol: foo\r\nSec-WebSocket-Protocol: mqtt\r\n"),
            101,
        ),
        (with(proto, ""), 400),
        (with("mqtt\r\n\r\n", "mqttv3.1\r\n\r\n"), 400),
        (with("mqtt\r\n\r\n", "MQTT\r\n\r\n"), 400),
        (with("mqtt\r\n\r\n", "xmqtt, mqttx\r\n\r\n"), 400),
        // What compares without case, and lists of words.
        (with("Upgrade: websocket", "UPGRADE: WebSocket"), 101),
        (with("Connection: Upgrade", "Connection: keep-alive, upgrade"), 101),
        (with("GET /mqtt HTTP", "GET /mqtt?user=x HTTP"), 101),
        (
            with(
                "Host: h\r\n",
                "Host: h\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
            ),
            101,
        ),
        (with("Host: h\r\n", "Host: h\r\nOrigin: https://evil.example\r\n"), 403),
        (with("/mqtt", "/"), 404),
        (with("/mqtt", "/mqtt/"), 404),
        (with("GET", "POST"), 405),
        (with("GET", "OPTIONS"), 405),
        (with("HTTP/1.1", "HTTP/1.0"), 505),
        (with("HTTP/1.1", "HTTP/2.0"), 505),
        (with("Host: h\r\n", ""), 400),
        (with("Host: h\r\n", "Host: h\r\nHost: i\r\n"), 400),
        (with("Upgrade: websocket\r\n", ""), 426),
        (with("Upgrade: websocket", "Upgrade: h2c"), 426),
        (with("Connection: Upgrade", "Connection: keep-alive"), 426),
        (with("Version: 13", "Version: 8"), 426),
        (with("Sec-WebSocket-Version: 13\r\n", ""), 426),
        (with("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="), 400),
        (with("dGhlIHNhbXBsZSBub25jZQ==", "???"), 400),
        (with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400),
        (with("Host: h\r\n", "Host h\r\n"), 400),
        (with("Host: h\r\n", "Host: h\0\r\n"), 400),
        ("\u{10}\u{e}\0\u{4}MQTT\u{4}\u{2}\0<\0\0".to_owned(), 400),
        ("\u{16}\u{3}\u{1}\u{2}\0".to_owned(), 400),
        (
            with("Host: h\r\n", &format!("Host: h\r\nX: {}\r\n", "x".repeat(9000))),
            431,
        ),
        (
            with("Host: h\r\n", &format!("Host: h\r\n{}", "X: y\r\n".repeat(70))),
            431,
        ),
        (format!("GET /{} ", "x".repeat(9000)), 431),
        // Not whole yet.
        (GOOD.trim_end().to_owned(), 0),
        ("GET /mq".to_owned(), 0),
    ] {
        let answer = status(&rules(Some("/mqtt"), &[]), &request);
        assert_eq!(answer, expected, "{request:?}");
    }
    assert_eq!(status(&rules(None, &[]), &with("/mqtt", "/whatever")), 101);
}

#[test]
fn origins_may_be_limited_and_who_is_no_browser_has_none() {
    let rules = rules(None, &["https://good.example", "http://localhost:8080"]);
    for (line, expected) in [
        ("", 101),
        ("Origin: https://good.example\r\n", 101),
        ("Origin: HTTP://LOCALHOST:8080\r\n", 101),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: https://good.example.evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Origin: https://good.example\r\nOrigin: https://evil.example\r\n", 403),
    ] {
        let request = GOOD.replace("Host: h\r\n", &format!("Host: h\r\n{line}"));
        assert_eq!(status(&rules, &request), expected, "{line}");
    }
}

#[test]
fn without_a_word_only_pages_of_the_same_host_connect() {
    let of = |origins: &[String], local| {
        Arc::new(UpgradeRules {
            path: None,
            origins: Origins::new(origins, local),
            frame_limit: LIMIT,
        })
    };
    let ask = |rules: &Arc<UpgradeRules>, host: &str, origin: &str| {
        let lines = format!("Host: {host}\r\nOrigin: {origin}\r\n");
        status(rules, &GOOD.replace("Host: h\r\n", &lines))
    };
    for (host, origin, anywhere, local) in [
        ("127.0.0.1:8080", "http://127.0.0.1", 101, 101),
        ("localhost:8080", "https://LOCALHOST:8443", 101, 101),
        ("[::1]:8080", "http://[::1]:3000", 101, 101),
        ("127.0.0.1:8080", "https://evil.example", 403, 403),
        ("127.0.0.1:8080", "null", 403, 403),
        ("127.0.0.1:8080", "file://", 403, 403),
        ("127.0.0.1:8080", "127.0.0.1", 403, 403),
        ("127.0.0.1:8080", "https://127.0.0.1.evil.example", 403, 403),
        ("broker.example:8080", "https://broker.example", 101, 403),
        ("192.0.2.7:8080", "http://192.0.2.7", 101, 403),
        // A name that a stranger lets lead to this machine.
        ("evil.example:8080", "http://evil.example:8080", 101, 403),
        (":8080", "http://:8080", 403, 403),
    ] {
        assert_eq!(ask(&of(&[], false), host, origin), anywhere, "{host} {origin}");
        assert_eq!(ask(&of(&[], true), host, origin), local, "{host} {origin}, local");
        assert_eq!(ask(&of(&["*".to_owned()], true), host, origin), 101, "{host} {origin}");
    }
    // Programs name no origin.
    assert_eq!(status(&of(&[], true), GOOD), 101);
}

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        0..126 => bytes.push(0x80 | payload.len() as u8),
        126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

#[derive(Debug, Default, Eq, PartialEq)]
struct Outcome {
    data: Vec<u8>,
    out: Vec<u8>,
    closed: bool,
    violation: Option<u16>,
}

/// What becomes of these frames, which come in pieces of this size.
fn fed(frames: &[u8], piece: usize) -> Outcome {
    let mut socket = WebSocket::new(rules(None, &[]));
    let (mut outcome, mut upgrade) = (Outcome::default(), Vec::new());
    // Frames may come right behind the request.
    let all = [GOOD.as_bytes(), frames].concat();
    for part in all.chunks(piece) {
        let before = socket.is_open();
        let mut bytes = part.to_vec();
        let out = if before { &mut outcome.out } else { &mut upgrade };
        let read = socket.receive(&mut bytes, out);
        outcome.data.extend_from_slice(&bytes);
        outcome.closed |= read.closed;
        if let Some(Violation::Frame(code, _)) = read.violation {
            outcome.violation = Some(code);
        }
        if let Some(pong) = socket.take_pong() {
            put_frame(PONG, &pong, &mut outcome.out);
        }
    }
    // The answer to the request is not of interest here, but what stands behind it is.
    if let Some(at) = upgrade.windows(4).position(|end| end == b"\r\n\r\n") {
        outcome.out.splice(..0, upgrade.drain(..).skip(at + 4));
    }
    outcome
}

/// The same outcome, however the frames come.
fn outcome(frames: &[u8]) -> Outcome {
    let whole = fed(frames, usize::MAX >> 1);
    for piece in [1, 2, 3, 7, 100] {
        assert_eq!(fed(frames, piece), whole, "in pieces of {piece}");
    }
    whole
}

#[test]
fn the_payloads_of_binary_frames_are_one_stream_whatever_their_borders() {
    let large: Vec<u8> = (0..=250).cycle().take(70_000).collect();
    let frames = [
        frame(0x82, b"one"),
        frame(0x82, b""),
        // In fragments, with a ping in between.
        frame(0x02, b"t"),
        frame(0x89, b"are you there"),
        frame(0x00, b""),
        frame(0x00, b"w"),
        frame(0x80, b"o"),
        frame(0x8A, b"unasked for"),
        frame(0x82, &large[..125]),
        frame(0x82, &large[..126]),
        frame(0x82, &large),
    ];
    let expected = [b"onetwo", &large[..125], &large[..126], &large].concat();
    let outcome = outcome(&frames.concat());
    assert!(outcome.data == expected);
    assert_eq!(outcome.out, [&[0x8A, 13][..], b"are you there"].concat());
    assert_eq!((outcome.closed, outcome.violation), (false, None));
}

#[test]
fn a_close_is_answered_with_its_code_and_what_follows_is_not_read() {
    for (payload, answer) in [
        (&b""[..], &[0x88, 0][..]),
        (&[3, 0xE8], &[0x88, 2, 3, 0xE8]),
        (b"\x03\xE9going away", &[0x88, 2, 3, 0xE9]),
        (&[0x0F, 0xA0], &[0x88, 2, 0x0F, 0xA0]),
    ] {
        let frames = [frame(0x82, b"last"), frame(0x88, payload), frame(0x82, b"late")].concat();
        let outcome = outcome(&frames);
        assert_eq!(outcome.data, b"last");
        assert_eq!(
            (&outcome.out[..], outcome.closed, outcome.violation),
            (answer, true, None)
        );
    }
}

#[test]
fn frames_that_break_a_rule_are_answered_with_the_code_for_it() {
    let mut unmasked = frame(0x82, b"x");
    unmasked[1] &= 0x7F;
    let long_ping = frame(0x89, &[0; 126]);
    let non_minimal = [0x82, 0xFE, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4, 5];
    let non_minimal_64 = [&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 1, 0][..], &[0; 4]].concat();
    let negative = [&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0][..], &[0; 4]].concat();
    let huge = [&[0x82, 0xFF, 0, 0, 0, 0, 0x7F, 0, 0, 0][..], &[0; 4]].concat();
    for (bad, code) in [
        // D40, [MQTT-6.0.0-1].
        (frame(0x81, b"text"), 1003),
        (frame(0x01, b"text"), 1003),
        (unmasked, 1002),
        (frame(0xC2, b"compressed"), 1002),
        (frame(0xA2, b"x"), 1002),
        (frame(0x92, b"x"), 1002),
        (frame(0x83, b"x"), 1002),
        (frame(0x8B, b"x"), 1002),
        (frame(0x80, b"nothing to go on with"), 1002),
        ([frame(0x02, b"a"), frame(0x82, b"b")].concat(), 1002),
        (long_ping, 1002),
        (frame(0x09, b"ping in fragments"), 1002),
        (frame(0x88, &[3]), 1002),
        (frame(0x88, &[3, 0xED]), 1002),
        (frame(0x88, &[0, 5]), 1002),
        (frame(0x88, b"\x03\xE8\xFF"), 1002),
        (non_minimal.to_vec(), 1002),
        (non_minimal_64, 1002),
        (negative, 1002),
        (huge, 1009),
        (frame(0x82, &vec![0; LIMIT as usize + 1]), 1009),
    ] {
        let outcome = outcome(&[frame(0x82, b"before"), bad.clone()].concat());
        assert_eq!(outcome.violation, Some(code), "{:02x?}", &bad[..bad.len().min(20)]);
        let answer = [&[0x88, 2][..], &u16::to_be_bytes(code)].concat();
        assert_eq!(outcome.out, answer, "{:02x?}", &bad[..bad.len().min(20)]);
        assert!(outcome.data.starts_with(b"before"));
    }
}

#[test]
fn of_many_pings_only_the_newest_is_answered() {
    let mut socket = WebSocket::new(rules(None, &[]));
    let pings: Vec<u8> = (0..10_000_u16).flat_map(|at| frame(0x89, &at.to_be_bytes())).collect();
    let mut bytes = [GOOD.as_bytes(), &pings].concat();
    socket.receive(&mut bytes, &mut Vec::new());
    assert!(bytes.is_empty());
    assert_eq!(socket.take_pong().as_deref(), Some(&9_999_u16.to_be_bytes()[..]));
    assert_eq!(socket.take_pong(), None);
}

#[test]
fn a_frame_that_only_says_that_it_is_large_costs_nothing() {
    let (mut socket, mut out) = (WebSocket::new(rules(None, &[])), Vec::new());
    let head = frame(0x82, &vec![0; LIMIT as usize]);
    let mut bytes = [GOOD.as_bytes(), &head[..20]].concat();
    socket.receive(&mut bytes, &mut out);
    let Phase::Open(frames) = &socket.phase else {
        panic!("not open")
    };
    assert_eq!(bytes.len(), 20 - 14);
    assert!(size_of_val(frames) <= 96, "{}", size_of_val(frames));
}

/// The payloads of frames of a server.
fn payloads(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let [first, short, behind @ ..] = bytes {
        assert_eq!(*first, 0x82);
        let (length, behind) = match (short, behind) {
            (126, [high, low, behind @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), behind),
            (127, _) => {
                let (length, behind) = behind.split_first_chunk().unwrap();
                (u64::from_be_bytes(*length) as usize, behind)
            }
            _ => (usize::from(*short), behind),
        };
        found.push(behind[..length].to_vec());
        bytes = &behind[length..];
    }
    found
}

#[test]
fn each_packet_begins_a_frame_and_is_whole_in_it_if_it_fits() {
    let publish = |length: usize| {
        let mut packet = vec![0x30];
        let mut left = length;
        while left >= 0x80 {
            packet.push((left & 0x7F) as u8 | 0x80);
            left >>= 7;
        }
        packet.push(left as u8);
        packet.resize(packet.len() + length, 0xFF);
        packet
    };
    let ack = vec![0x40, 2, 0, 7];
    let packets = [
        ack.clone(),
        publish(127),
        vec![0xD0, 0],
        publish(128),
        publish(16_384),
        ack.clone(),
        publish(40),
        publish(1000),
        ack,
    ];
    let all = packets.concat();
    for most in [200, 333, 1003, 20_000, all.len()] {
        let mut socket = WebSocket::new(rules(None, &[]));
        let (mut at, mut frames) = (0, Vec::new());
        while at < all.len() {
            let mut out = Vec::new();
            let taken = socket.wrap(&all[at..all.len().min(at + most)], &mut out);
            assert!(taken > 0, "{most}");
            let of_piece = payloads(&out);
            assert_eq!(of_piece.concat(), all[at..at + taken], "{most}");
            frames.extend(of_piece);
            at += taken;
        }
        let mut frames = frames.into_iter();
        for packet in &packets {
            let mut whole = frames.next().unwrap();
            assert!(packet.len() > most || whole == *packet, "{most}");
            while whole.len() < packet.len() {
                whole.extend(frames.next().unwrap());
            }
            assert_eq!(whole, *packet, "{most}");
        }
        assert_eq!(frames.next(), None, "{most}");
    }
}
