//! `burgee sub`.

use super::support::{Broker, PATIENCE, Scripted};
use std::time::Instant;

const CONNACK: &[u8] = &[0x20, 2, 0, 0];
const RESUMED: &[u8] = &[0x20, 2, 1, 0];

#[test]
fn payload_alone_topic_and_payload_and_no_newline() {
    let broker = Broker::start();
    for (options, expected) in [
        (&[][..], "x\n"),
        (&["-v"], "a/b x\n"),
        (&["-N"], "x"),
        (&["-F", "[%t]"], "[a/b]\n"),
    ] {
        let sub = broker.subscribe(&[&["-t", "a/+", "-C", "1"][..], options].concat());
        broker.publish(&["-t", "a/b", "-m", "x"]);
        assert_eq!(sub.end().text(), expected);
    }
}

#[test]
fn retained_messages_alone_or_not_at_all() {
    let broker = Broker::start();
    broker.publish(&["-t", "r/a", "-m", "kept", "-r", "-q", "1"]);
    let only = broker.subscribe(&["-t", "r/#", "--retained-only"]);
    let none = broker.subscribe(&["-t", "r/#", "-R", "-C", "1"]);
    broker.publish(&["-t", "r/b", "-m", "live"]);
    assert_eq!(only.end().text(), "kept\n");
    assert_eq!(none.end().text(), "live\n");
}

#[test]
fn filtered_out_topics_are_not_printed_and_not_counted() {
    let broker = Broker::start();
    let sub = broker.subscribe(&["-t", "a/#", "-T", "a/+/no", "-v", "-C", "2"]);
    for topic in ["a/x/no", "a/x", "a/y/no", "a/y"] {
        broker.publish(&["-t", topic, "-m", "1"]);
    }
    assert_eq!(sub.end().text(), "a/x 1\na/y 1\n");
}

#[test]
fn a_kept_session_gives_exactly_as_many_as_are_asked_for() {
    let broker = Broker::start();
    let session = ["-i", "worker", "-c", "-q", "2", "-t", "jobs"];
    let made = broker.run("sub", &[&session[..], &["-E"]].concat());
    assert_eq!((made.code, made.text()), (Some(0), ""));
    for job in ["1", "2", "3", "4", "5"] {
        broker.publish(&["-t", "jobs", "-m", job, "-q", "2"]);
    }
    for (count, jobs) in [("1", "1\n"), ("2", "2\n3\n"), ("2", "4\n5\n")] {
        assert_eq!(broker.run("sub", &[&session[..], &["-C", count]].concat()).text(), jobs);
    }
}

#[test]
fn unsubscribe_ends_a_subscription_of_a_kept_session() {
    let broker = Broker::start();
    let session = ["-i", "s", "-c", "-q", "1", "-E"];
    assert_eq!(
        broker
            .run("sub", &[&session[..], &["-t", "a", "-t", "b"]].concat())
            .code,
        Some(0)
    );
    assert_eq!(broker.run("sub", &[&session[..], &["-U", "a"]].concat()).code, Some(0));
    broker.publish(&["-t", "a", "-m", "gone", "-q", "1"]);
    broker.publish(&["-t", "b", "-m", "there", "-q", "1"]);
    assert_eq!(
        broker
            .run("sub", &["-i", "s", "-c", "-t", "b", "-q", "1", "-C", "1"])
            .text(),
        "there\n"
    );
}

#[test]
fn the_time_of_w_ends_it_with_27() {
    let broker = Broker::start();
    broker.publish(&["-t", "t", "-m", "kept", "-r"]);
    let ended = broker.run("sub", &["-t", "t", "-W", "1"]);
    assert_eq!((ended.code, ended.text()), (Some(27), "kept\n"));
    assert!(ended.err.contains("Timed out"));
    let quiet = broker.run("sub", &["-t", "u", "-W", "1", "--quiet"]);
    assert_eq!((quiet.code, &*quiet.err), (Some(27), ""));
}

#[test]
fn a_signal_ends_it_with_disconnect() {
    for name in ["TERM", "INT"] {
        let server = Scripted::start();
        let mut sub = server.command("sub", &["-t", "t", "-d"]);
        let mut peer = server.accept(CONNACK);
        peer.expect(b"\x82\x06\0\x01\0\x01t\0");
        peer.send(&[0x90, 3, 0, 1, 0]);
        sub.prints("Subscribed (mid: 1): 0");
        sub.signal(name);
        peer.expect(&[0xE0, 0]);
        drop(peer);
        assert_eq!(sub.end().code, Some(0));
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let broker = Broker::start();
    let mut sub = broker.subscribe(&["-t", "t"]);
    sub.stop_reading();
    // The first messages may still find the pipe open.
    let until = Instant::now() + PATIENCE;
    while !sub.has_ended() && Instant::now() < until {
        broker.publish(&["-t", "t", "-m", "x"]);
    }
    let ended = sub.end();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.err.contains("rror"), "{}", ended.err);
}

#[test]
fn a_lost_connection_is_made_again_and_subscribed_again() {
    let server = Scripted::start();
    let mut sub = server.command("sub", &["-t", "t", "-C", "2"]);
    for payload in [b"1", b"2"] {
        let mut peer = server.accept(CONNACK);
        peer.expect(b"\x82\x06\0\x01\0\x01t\0");
        peer.send(&[0x90, 3, 0, 1, 0]);
        peer.send(&[b"\x30\x04\0\x01t", &payload[..]].concat());
        sub.prints(std::str::from_utf8(payload).unwrap());
    }
    let ended = sub.end();
    assert_eq!((ended.code, ended.text()), (Some(0), "1\n2\n"));
    assert!(ended.err.contains("trying again in 1 s"), "{}", ended.err);
}

#[test]
fn a_kept_session_resumes_without_subscribing_and_without_repeating() {
    let server = Scripted::start();
    let mut sub = server.command("sub", &["-t", "t", "-i", "c", "-c", "-q", "2"]);
    let mut peer = server.accept(CONNACK);
    peer.expect(b"\x82\x06\0\x01\0\x01t\x02");
    peer.send(&[0x90, 3, 0, 1, 2]);
    peer.send(b"\x34\x06\0\x01t\0\x07a");
    peer.expect(&[0x50, 2, 0, 7]);
    sub.prints("a\n");
    drop(peer);
    let mut peer = server.accept(RESUMED);
    peer.send(b"\x3C\x06\0\x01t\0\x07a\x30\x04\0\x01tb");
    peer.expect(&[0x50, 2, 0, 7]);
    sub.prints("b\n");
    sub.signal("TERM");
    peer.expect(&[0xE0, 0]);
    drop(peer);
    assert_eq!(sub.end().text(), "a\nb\n");
}

#[test]
fn a_topic_has_colour_only_on_a_terminal() {
    let broker = Broker::start();
    broker.publish(&["-t", "t", "-m", "x", "-r"]);
    assert_eq!(broker.run("sub", &["-t", "t", "-v", "-C", "1"]).text(), "t x\n");
}
