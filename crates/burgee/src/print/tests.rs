//! What is printed of a message.

use std::time::{Duration, UNIX_EPOCH};

use burgee_client::{QoS, TopicNameBuf};

use super::*;

fn message(payload: &[u8]) -> Message {
    Message {
        topic: TopicNameBuf::parse("a/b").expect("valid"),
        payload: payload.into(),
        qos: QoS::ExactlyOnce,
        retain: true,
        dup: false,
        packet_id: None,
    }
}

fn style(format: Option<&str>, verbose: bool) -> Style {
    Style {
        format: format.map(|text| text.parse().expect(text)),
        verbose,
        newline: true,
        pretty: false,
        json: false,
        shown: Shown::Raw,
        colour: false,
        clock: Clock::utc(),
    }
}

fn printed(style: &Style, payload: &[u8]) -> String {
    let message = message(payload);
    let received = Received {
        message: &message,
        time: UNIX_EPOCH + Duration::new(1_470_818_943, 786_368_637),
    };
    let mut out = Vec::new();
    if style.write(&received, &mut out).is_err() {
        out.extend_from_slice(b"not JSON");
    }
    String::from_utf8(out).expect("text")
}

#[test]
fn every_placeholder_stands_for_its_part() {
    let all = style(Some(r"%t|%p|%x|%X|%l|%q|%r|%%\t\\|%I|%U|@Y@@"), false);
    assert_eq!(
        printed(&all, b"\nZ"),
        "a/b|\nZ|0a5a|0A5A|2|2|1|%\t\\|2016-08-10T08:49:03+0000|1470818943.786368637|2016@\n"
    );
}

#[test]
fn widths_are_those_of_mosquitto() {
    for (format, expected) in [
        (
            "%6t|%-6t|%06t|%.2t|%5.1t|%-5.1t|",
            "   a/b|a/b   |   a/b|a/|    a|a    |",
        ),
        ("%3l|%-3l|%03l|%-03l|%3.1l|", "  5|5  |005|5  |  5|"),
        (
            "%7p|%-7p|%07p|%2p|%.2p|%4.1p|",
            "  hello|hello  |00hello|he|hello|hell|",
        ),
        (
            "%20x|%020X|%-20x|%5x|%2x|%x|",
            "                6865|00000000000000006865|6865                | 6865|68|68656c6c6f|",
        ),
        ("%5q|%05r|", "2|1|"),
        ("%4A|%4C|%4D|%4E|%4F|%4P|%4R|%4S|", "    |    ||    |    |||    |"),
        ("%-04A|%04C|%-p|%-x|", "0000|    |hello     |68656c6c6f     |"),
        ("%26I|%.10I|", "  2016-08-10T08:49:03+0000|2016-08-10|"),
    ] {
        assert_eq!(
            printed(&style(Some(format), false), b"hello"),
            format!("{expected}\n"),
            "{format}"
        );
    }
}

#[test]
fn json_with_a_quoted_payload_and_with_one_as_it_is() {
    let head = r#"{"tst":"2016-08-10T08:49:03.786368+0000","topic":"a/b","qos":2,"retain":1,"payloadlen":"#;
    let quoted = printed(&style(Some("%j"), false), b"\"x\n\xFF");
    assert_eq!(
        quoted,
        format!("{head}4,\"mid\":0,\"payload\":\"\\\"x\\n\u{FFFD}\"}}\n")
    );
    let plain = printed(&style(Some("%J"), false), b" { \"a\" : 1.50 } ");
    assert_eq!(plain, format!("{head}16,\"mid\":0,\"payload\":{{\"a\":1.50}}}}\n"));
    assert_eq!(printed(&style(Some("[%J]"), false), b"nope"), "[]\nnot JSON");
    let spread = Style {
        pretty: true,
        ..style(Some("%J"), false)
    };
    assert!(printed(&spread, b"[1,2]").ends_with(",\n\t\"mid\":\t0,\n\t\"payload\":\t[1, 2]\n}\n"));
}

#[test]
fn payload_alone_or_behind_its_topic() {
    assert_eq!(printed(&style(None, false), b"x"), "x\n");
    assert_eq!(printed(&style(None, false), b""), "");
    assert_eq!(printed(&style(None, true), b"x"), "a/b x\n");
    assert_eq!(printed(&style(None, true), b""), "a/b (null)\n");
    let bare = Style {
        newline: false,
        colour: true,
        ..style(None, true)
    };
    assert_eq!(printed(&bare, b"x"), "\x1b[36ma/b\x1b[0m x");
}

#[test]
fn payloads_can_be_made_harmless() {
    for (shown, payload, expected) in [
        (
            Shown::Text,
            &b"a\x1b[2J\xC3\xA9\xFF\n"[..],
            "a\\x1b[2J\u{e9}\\xff\\x0a\n",
        ),
        (Shown::Hex, b"a\n", "610a\n"),
        (Shown::Json, b"{\"a\":[1]}", "{\n\t\"a\":\t[1]\n}\n"),
        (Shown::Json, b"{\x07", "{\\x07\n"),
    ] {
        let style = Style {
            shown,
            ..style(None, false)
        };
        assert_eq!(printed(&style, payload), expected);
    }
}
