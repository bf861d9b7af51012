//! `burgee pub`.

use super::support::{Broker, Scripted, run};

#[test]
fn every_source_of_a_message_arrives_byte_for_byte() {
    let broker = Broker::start();
    let sub = broker.subscribe(&["-t", "t", "-q", "2", "-C", "4", "-F", "%q %r %l %x"]);
    broker.publish(&["-t", "t", "-m", "-5", "-q", "2"]);
    broker.publish(&["-t", "t", "-n", "-q", "1"]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    broker.publish(&["-t", "t", "-f", file]);
    let mut whole = broker.start_command("pub", &["-t", "t", "-s"]);
    whole.feed(b"a\nb\0");
    assert_eq!(whole.end().code, Some(0));
    let content = std::fs::read(file).unwrap();
    let hex = content
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat();
    let ended = sub.end();
    assert_eq!(
        ended.text(),
        format!("2 0 2 2d35\n1 0 0 \n0 0 {} {hex}\n0 0 4 610a6200\n", content.len())
    );
    assert_eq!(ended.code, Some(0));
}

#[test]
fn each_line_is_a_message_as_soon_as_it_is_there() {
    let broker = Broker::start();
    let mut sub = broker.subscribe(&["-t", "t", "-v", "-q", "1", "-C", "3"]);
    let mut lines = broker.start_command("pub", &["-t", "t", "-l", "-q", "1"]);
    lines.feed(b"one\n");
    sub.prints("t one\n");
    lines.feed(b"\ntwo");
    assert_eq!(lines.end().code, Some(0));
    assert_eq!(sub.end().text(), "t one\nt (null)\nt two\n");
}

#[test]
fn many_lines_arrive_all_and_in_order() {
    let broker = Broker::start();
    let sub = broker.subscribe(&["-t", "t", "-q", "2", "-C", "5000"]);
    let all = (0..5000)
        .map(|number| format!("{number}\n"))
        .collect::<Vec<_>>()
        .concat();
    let mut lines = broker.start_command("pub", &["-t", "t", "-l", "-q", "2"]);
    lines.feed(all.as_bytes());
    assert_eq!(lines.end().code, Some(0));
    assert!(sub.end().text() == all);
}

#[test]
fn the_last_of_a_repeated_option_wins() {
    let broker = Broker::start();
    let sub = broker.subscribe(&["-t", "a", "-t", "b", "-q", "0", "-q", "1", "-C", "2", "-F", "%t %q %p"]);
    for topic in ["a", "b"] {
        broker.publish(&["-t", "wrong", "-t", topic, "-q", "2", "-q", "1", "-m", "x"]);
    }
    assert_eq!(sub.end().text(), "a 1 x\nb 1 x\n");
}

#[test]
fn a_url_stands_for_host_port_user_and_topic() {
    let server = Scripted::start();
    let url = format!("mqtt://u:p@{}/a/b", server.address());
    let running = super::support::Running::start(&["pub", "-L", &url, "-i", "c", "-m", "x"]);
    let mut peer = server.accept_with(|connect| assert!(connect.ends_with(b"\xC2\0\x3C\0\x01c\0\x01u\0\x01p")));
    peer.expect(b"\x30\x06\0\x03a/bx");
    peer.expect(&[0xE0, 0]);
    drop(peer);
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_will_is_sent_as_the_options_say() {
    let server = Scripted::start();
    let will = [
        "--will-topic",
        "w",
        "--will-payload",
        "bye",
        "--will-qos",
        "1",
        "--will-retain",
    ];
    let running = server.command(
        "pub",
        &[&["-V", "31", "-k", "7", "-i", "c", "-t", "t", "-n"][..], &will].concat(),
    );
    let mut peer = server.accept_with(|connect| {
        assert!(connect.ends_with(b"\0\x06MQIsdp\x03\x2E\0\x07\0\x01c\0\x01w\0\x03bye"));
    });
    peer.expect(b"\x30\x03\0\x01t");
    peer.expect(&[0xE0, 0]);
    drop(peer);
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn exactly_one_source_is_needed() {
    for sources in [&[][..], &["-m", "x", "-n"], &["-l", "-s"]] {
        let ended = run(&[&["pub", "-t", "t"][..], sources].concat());
        assert_eq!(ended.code, Some(1));
        assert!(ended.err.contains("--message"), "{}", ended.err);
    }
}

#[test]
fn what_is_wrong_with_the_command_line_is_said_before_anything_is_sent() {
    let cases: [(&[&str], &str); 6] = [
        (&["-t", "a/#", "-n"], "wildcard"),
        (&["-t", "", "-n"], "empty"),
        (&["-t", "t", "-n", "-c"], "-i"),
        (&["-t", "t", "-f", "/no/such/file"], "/no/such/file"),
        (&["-t", "t", "-n", "-P", "secret"], "--username"),
        (&["-t", "t", "-n", "-q", "3"], "0, 1 or 2"),
    ];
    for (args, way_out) in cases {
        // Nobody listens at port 1: trying to connect would say so.
        let ended = run(&[&["pub", "-h", "127.0.0.1", "-p", "1"][..], args].concat());
        assert_eq!(ended.code, Some(1), "{args:?}: {}", ended.err);
        assert!(ended.err.contains(way_out), "{args:?}: {}", ended.err);
    }
}
