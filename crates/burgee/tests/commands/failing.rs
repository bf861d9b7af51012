//! Exit codes and last words when something goes wrong.

use super::support::{Scripted, run};

const CONNACK: &[u8] = &[0x20, 2, 0, 0];

#[test]
fn no_server_is_1_and_says_how_to_get_one() {
    for args in [
        &["pub", "-t", "t", "-n"][..],
        &["sub", "-t", "t"],
        &["rr", "-t", "t", "-e", "u", "-n"],
    ] {
        let ended = run(&[args, &["-h", "127.0.0.1", "-p", "1"]].concat());
        assert_eq!(ended.code, Some(1));
        assert!(ended.err.contains("burgee serve"), "{}", ended.err);
    }
    let ended = run(&["pub", "-h", "no.such.host.invalid", "-t", "t", "-n", "--quiet"]);
    assert_eq!((ended.code, &*ended.err), (Some(1), ""));
}

#[test]
fn a_refusal_is_its_code_and_says_why() {
    for (code, reason) in [
        (1, "mqttv31"),
        (2, "-i"),
        (3, "available"),
        (4, "-u and -P"),
        (5, "authorised"),
    ] {
        let server = Scripted::start();
        let running = server.command("sub", &["-t", "t"]);
        drop(server.accept(&[0x20, 2, 0, code]));
        let ended = running.end();
        assert_eq!(ended.code, Some(i32::from(code)));
        assert!(ended.err.contains(reason), "{}", ended.err);
    }
}

#[test]
fn a_refused_subscription_is_1_if_all_are() {
    let server = Scripted::start();
    let running = server.command("sub", &["-t", "a", "-t", "b"]);
    let mut peer = server.accept(CONNACK);
    assert_eq!(peer.packet()[0], 0x82);
    peer.send(&[0x90, 4, 0, 1, 0x80, 0x80]);
    let ended = running.end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("a, b"), "{}", ended.err);
}

#[test]
fn a_message_that_is_not_acknowledged_is_7() {
    for answers in [&[][..], &[&[0x50_u8, 2, 0, 1][..]]] {
        let server = Scripted::start();
        let running = server.command("pub", &["-t", "t", "-m", "x", "-q", "2"]);
        let mut peer = server.accept(CONNACK);
        peer.expect(b"\x34\x06\0\x01t\0\x01x");
        for answer in answers {
            peer.send(answer);
            peer.expect(&[0x62, 2, 0, 1]);
        }
        drop(peer);
        let ended = running.end();
        assert_eq!(ended.code, Some(7));
        assert!(ended.err.contains("closed"), "{}", ended.err);
    }
}

#[test]
fn a_server_that_breaks_the_protocol_is_named() {
    let server = Scripted::start();
    let running = server.command("pub", &["-t", "t", "-m", "x", "-q", "1"]);
    let mut peer = server.accept(CONNACK);
    peer.packet();
    peer.send(&[0x40, 2, 0, 0]);
    let ended = running.end();
    assert_eq!(ended.code, Some(7));
    assert!(ended.err.contains("MQTT-2.3.1-1"), "{}", ended.err);
}

#[test]
fn a_feed_of_lines_outlives_its_connection() {
    let server = Scripted::start();
    let mut running = server.command("pub", &["-t", "t", "-l", "-q", "1"]);
    let mut peer = server.accept(CONNACK);
    running.feed(b"1\n2\n");
    peer.expect(b"\x32\x06\0\x01t\0\x011");
    peer.expect(b"\x32\x06\0\x01t\0\x022");
    peer.send(&[0x40, 2, 0, 1]);
    // Not before the acknowledgement has come: it is answered behind it.
    running.feed(b"3\n");
    peer.expect(b"\x32\x06\0\x01t\0\x033");
    drop(peer);
    running.says("trying again in 1 s");
    let mut peer = server.accept(CONNACK);
    let mut seen = Vec::new();
    for id in 1..=3 {
        let packet = peer.packet();
        peer.send(&[0x40, 2, 0, id]);
        seen.push(*packet.last().unwrap());
        if seen.ends_with(b"23") {
            break;
        }
    }
    // The first one may have been told of as acknowledged, or not; the others are published again, in order.
    assert!(seen == b"23" || seen == b"123", "{seen:?}");
    running.feed(b"4\n");
    let packet = peer.packet();
    assert_eq!(packet.last(), Some(&b'4'));
    peer.send(&[0x40, 2, 0, packet[packet.len() - 2]]);
    running.close_input();
    peer.expect(&[0xE0, 0]);
    drop(peer);
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_feed_with_a_kept_session_goes_on_where_it_was() {
    go_on(true);
}

#[test]
fn a_feed_whose_session_is_lost_with_what_was_taken_over_is_7() {
    go_on(false);
}

/// `complete`: PUBCOMP comes before the session is lost.
fn go_on(complete: bool) {
    let server = Scripted::start();
    let mut running = server.command("pub", &["-t", "t", "-l", "-q", "2", "-c", "-i", "c"]);
    let mut peer = server.accept(CONNACK);
    running.feed(b"1\n2\n");
    peer.expect(b"\x34\x06\0\x01t\0\x011");
    peer.expect(b"\x34\x06\0\x01t\0\x022");
    peer.send(&[0x50, 2, 0, 1]);
    peer.expect(&[0x62, 2, 0, 1]);
    drop(peer);
    running.says("trying again in 1 s");
    // What an old subscription brings is taken, and holds nothing up.
    let mut peer = server.accept(&[0x20, 2, 1, 0]);
    peer.expect(&[0x62, 2, 0, 1]);
    peer.expect(b"\x3C\x06\0\x01t\0\x022");
    for _ in 0..200 {
        peer.send(b"\x32\x06\0\x01o\0\x09x");
        peer.expect(&[0x40, 2, 0, 9]);
    }
    peer.send(&[0x70, 2, 0, 1, 0x50, 2, 0, 2]);
    peer.expect(&[0x62, 2, 0, 2]);
    running.feed(b"3\n");
    peer.expect(b"\x34\x06\0\x01t\0\x033");
    if complete {
        peer.send(&[0x70, 2, 0, 2]);
    }
    // All lines are read, and it is cut once more: what it waits for comes on the next connection, which lost the session.
    running.close_input();
    drop(peer);
    running.says("trying again in 2 s");
    let mut peer = server.accept(CONNACK);
    peer.expect(b"\x34\x06\0\x01t\0\x013");
    peer.send(&[0x50, 2, 0, 1]);
    peer.expect(&[0x62, 2, 0, 1]);
    peer.send(&[0x70, 2, 0, 1]);
    peer.expect(&[0xE0, 0]);
    drop(peer);
    assert_eq!(running.end().code, Some(if complete { 0 } else { 7 }));
}

#[test]
fn help_is_long_only_because_h_is_the_host() {
    for command in ["pub", "sub", "rr"] {
        let ended = run(&[command, "--help"]);
        assert_eq!(ended.code, Some(0));
        assert!(
            ended.text().contains("Exit codes: 0 done; 1 the command line"),
            "{}",
            ended.text()
        );
        assert_eq!(run(&[command, "-h"]).code, Some(1));
    }
}
