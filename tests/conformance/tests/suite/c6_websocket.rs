//! Chapter 6, and our decisions about sub protocols (D39) and frames (D40).

use std::net::SocketAddr;

use burgee_conformance::websocket::{BINARY, CLOSE, PING, PONG, TEXT, Web};
use burgee_conformance::{Connect, Server, proofs, publish, subscribe};

proofs![
    mqtt_6_0_0_1_websocket_binary_frames_only,
    mqtt_6_0_0_2_websocket_frames_need_not_align,
    mqtt_6_0_0_4_websocket_server_selects_mqtt,
    d39_mqtt_is_selected_in_any_position_and_without_it_nobody_comes_in,
    d40_frames_that_are_not_masked_close_with_1002,
    d40_fragments_are_accepted_and_pings_are_answered,
    d40_a_close_is_answered_and_is_the_end_without_disconnect,
];

/// A broker with a WebSocket beside TCP, if it can be started.
fn with_web(s: &Server, proof: impl FnOnce(&Server, SocketAddr)) {
    let listen = ["--listen", "tcp://127.0.0.1:0", "--listen", "ws://127.0.0.1:0/mqtt"];
    let server = s.sibling("", &[&listen[..], &["--sys-interval", "0"]].concat());
    // Of somebody else's broker it is not known where its WebSocket is.
    if let Some(process) = server.process() {
        let address = process.listening_as("ws");
        proof(&server, address);
    }
    server.finish();
}

/// A client with a will that is connected over WebSocket.
fn connected(server: &Server, address: SocketAddr, name: &str, will: &str) -> Web {
    let mut web = Web::open(address);
    web.send(BINARY, Connect::new(server.id(name)).will(0, will, "gone").bytes());
    web.expect([0x20, 2, 0, 0]);
    web
}

fn mqtt_6_0_0_1_websocket_binary_frames_only(s: &Server) {
    with_web(s, |server, address| {
        let will = server.topic("will");
        let mut watcher = server.watcher(&will, 0);
        // Before and after CONNECT, whole and as the beginning of fragments.
        let mut early = Web::open(address);
        early.send(TEXT, Connect::new(server.id("early")).bytes());
        early.closed(1003);
        for first in [TEXT, 0x01] {
            let mut web = connected(server, address, "a", &will);
            web.send(first, publish(0x30, server.topic("t"), 0, "text"));
            web.closed(1003);
            watcher.take(0x30, &will, "gone");
        }
        // What the server sends is binary: `expect` looks.
        let mut web = connected(server, address, "b", &will);
        web.send(BINARY, [0xC0, 0]);
        web.expect([0xD0, 0]);
    });
}

fn mqtt_6_0_0_2_websocket_frames_need_not_align(s: &Server) {
    with_web(s, |server, address| {
        let topic = server.topic("t");
        let mut watcher = server.watcher(&topic, 0);
        let packets = [
            Connect::new(server.id("a")).bytes(),
            subscribe(1, &[(&topic, 0)]),
            publish(0x30, &topic, 0, "one"),
            publish(0x30, &topic, 0, "x".repeat(70_000)),
            publish(0x30, &topic, 0, "three"),
            vec![0xC0, 0],
        ]
        .concat();
        for piece in [1, 5, 100, 66_000, packets.len()] {
            // A byte in each frame is enough for the small ones; the large one would be nothing but headers.
            let piece = |at: usize| if piece == 1 && at > 150 { 1000 } else { piece };
            let (mut web, mut at) = (Web::open(address), 0);
            while at < packets.len() {
                let end = (at + piece(at)).min(packets.len());
                web.send(BINARY, &packets[at..end]);
                at = end;
            }
            web.expect([0x20, 2, 0, 0, 0x90, 3, 0, 1, 0]);
            web.expect(publish(0x30, &topic, 0, "one"));
            web.expect(publish(0x30, &topic, 0, "x".repeat(70_000)));
            web.expect(publish(0x30, &topic, 0, "three"));
            web.expect([0xD0, 0]);
            for text in ["one", &"x".repeat(70_000), "three"] {
                watcher.take(0x30, &topic, text);
            }
            web.send(BINARY, [0xE0, 0]);
            web.closed(1000);
        }
    });
}

fn mqtt_6_0_0_4_websocket_server_selects_mqtt(s: &Server) {
    with_web(s, |_, address| {
        let (_, answer) = Web::ask(address, Some("mqtt"));
        let selected: Vec<_> = answer
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Protocol"))
            .map(|(_, value)| value.trim())
            .collect();
        assert_eq!(selected, ["mqtt"], "{answer}");
    });
}

fn d39_mqtt_is_selected_in_any_position_and_without_it_nobody_comes_in(s: &Server) {
    with_web(s, |_, address| {
        for offered in ["foo, mqtt", "mqtt,foo", "mqttv3.1, mqtt", "foo,mqtt , bar"] {
            let (_, answer) = Web::ask(address, Some(offered));
            assert!(answer.starts_with("HTTP/1.1 101 "), "{offered}: {answer}");
            assert!(
                answer.contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"),
                "{offered}: {answer}"
            );
        }
        for offered in [None, Some("mqttv3.1"), Some("foo"), Some("MQTT"), Some("")] {
            let (_, answer) = Web::ask(address, offered);
            assert!(answer.starts_with("HTTP/1.1 400 "), "{offered:?}: {answer}");
        }
    });
}

fn d40_frames_that_are_not_masked_close_with_1002(s: &Server) {
    with_web(s, |server, address| {
        let will = server.topic("will");
        let mut watcher = server.watcher(&will, 0);
        let mut web = connected(server, address, "a", &will);
        web.raw(&[BINARY, 2, 0xC0, 0]);
        web.closed(1002);
        watcher.take(0x30, &will, "gone");
    });
}

fn d40_fragments_are_accepted_and_pings_are_answered(s: &Server) {
    with_web(s, |server, address| {
        let mut web = Web::open(address);
        let connect = Connect::new(server.id("a")).bytes();
        let (begin, end) = connect.split_at(7);
        web.send(0x02, begin);
        web.send(PING, "between");
        assert_eq!(web.frame(), (PONG, b"between".to_vec()));
        web.send(0x00, "");
        web.send(0x80, end);
        web.expect([0x20, 2, 0, 0]);
        web.send(PING, "");
        assert_eq!(web.frame(), (PONG, Vec::new()));
    });
}

fn d40_a_close_is_answered_and_is_the_end_without_disconnect(s: &Server) {
    with_web(s, |server, address| {
        let will = server.topic("will");
        let mut watcher = server.watcher(&will, 0);
        let mut web = connected(server, address, "a", &will);
        web.send(CLOSE, 1001_u16.to_be_bytes());
        web.closed(1001);
        watcher.take(0x30, &will, "gone");
        // Behind a DISCONNECT it is no surprise: the will stays unpublished.
        let mut web = connected(server, address, "a", &will);
        web.send(BINARY, [0xE0, 0]);
        web.send(CLOSE, 1000_u16.to_be_bytes());
        web.closed(1000);
        server.only_marker(&mut watcher, &will);
    });
}
