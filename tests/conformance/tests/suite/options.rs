//! Limits and policies that an option of the command line sets: each does what it says over the socket.

use burgee_conformance::{Connect, Server, Wire, ack, field, proofs, publish};

proofs![
    option_max_packet_bytes_closes_before_the_body,
    option_max_connections_refuses_with_code_3,
    option_no_mqtt31_closes_without_connack,
    option_window_bounds_what_is_in_flight,
    option_queue_messages_drops_the_newest,
    option_queue_policy_drops_the_oldest,
];

/// A broker with these arguments, unless the tests run against a foreign server, which does not know them.
fn with(s: &Server, arguments: &[&str], proof: impl FnOnce(&Server)) {
    if s.process().is_some() {
        let server = s.sibling("", &[&["--sys-interval", "0"], arguments].concat());
        proof(&server);
        server.finish();
    }
}

fn option_max_packet_bytes_closes_before_the_body(s: &Server) {
    with(s, &["--max-packet-bytes", "1000"], |s| {
        let t = s.topic("t");
        let mut watcher = s.watcher(&t, 1);
        let room = 1000 - field(&t).len() - 2;
        let mut wire = s.client("a");
        wire.publish(0x32, &t, vec![b'x'; room]);
        watcher.take(0x32, &t, vec![b'x'; room]);
        // One byte more: closed when the length is known.
        wire.send(&publish(0x32, &t, 1, vec![b'x'; room + 1])[..3]);
        wire.closed();
        s.only_marker(&mut watcher, &t);
    });
}

fn option_max_connections_refuses_with_code_3(s: &Server) {
    with(s, &["--max-connections", "3"], |s| {
        let mut accepted: Vec<(usize, Wire)> = Vec::new();
        for number in 0..30 {
            let mut wire = s.raw();
            wire.send(Connect::new(s.id(&number.to_string())).bytes());
            let answer = wire.recv();
            if answer[3] == 0 {
                accepted.push((number, wire));
            } else {
                assert_eq!(answer, [0x20, 2, 0, 3]);
                wire.closed();
            }
        }
        assert_eq!(accepted.len(), 3);
        for (_, wire) in &mut accepted {
            wire.alive();
        }
        // A connected client may come back; who leaves makes room.
        let (number, mut old) = accepted.remove(1);
        let mut newcomer = s.client(&number.to_string());
        old.closed();
        newcomer.alive();
        newcomer.disconnect();
        s.client(&number.to_string()).alive();
    });
}

fn option_no_mqtt31_closes_without_connack(s: &Server) {
    with(s, &["--no-mqtt31"], |s| {
        let mut wire = s.raw();
        wire.send(Connect::new(s.id("a")).protocol("MQIsdp", 3).bytes());
        wire.closed();
        s.client("a").alive();
    });
}

fn option_window_bounds_what_is_in_flight(s: &Server) {
    with(s, &["--window", "3"], |s| {
        let t = s.topic("t");
        let mut wire = s.watcher(&t, 2);
        let mut publisher = s.client("p");
        for number in 0..10 {
            publisher.publish(if number % 2 == 0 { 0x32 } else { 0x34 }, &t, number.to_string());
        }
        let zero = wire.delivered(0x32, &t, "0");
        let one = wire.delivered(0x34, &t, "1");
        wire.delivered(0x32, &t, "2");
        wire.alive();
        wire.quiet();
        // PUBREC does not free a place, PUBCOMP does.
        wire.send(ack(0x50, one));
        wire.expect(ack(0x62, one));
        wire.quiet();
        wire.send(ack(0x70, one));
        wire.delivered(0x34, &t, "3");
        wire.quiet();
        wire.send(ack(0x40, zero));
        wire.delivered(0x32, &t, "4");
        wire.quiet();
    });
}

/// Ten messages for a session that is away and may keep four: which ones come.
fn kept(s: &Server) -> Vec<String> {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1)]);
    wire.disconnect();
    let mut publisher = s.client("p");
    for number in 0..10 {
        publisher.publish(0x32, &t, number.to_string());
    }
    let mut wire = s.session("a", true);
    let mut texts = Vec::new();
    for _ in 0..4 {
        let message = wire.message();
        wire.settle(&message);
        texts.push(message.text());
    }
    s.only_marker(&mut wire, &t);
    texts
}

fn option_queue_messages_drops_the_newest(s: &Server) {
    with(s, &["--queue-messages", "4"], |s| {
        assert_eq!(kept(s), ["0", "1", "2", "3"]);
    });
}

fn option_queue_policy_drops_the_oldest(s: &Server) {
    with(s, &["--queue-messages", "4", "--queue-policy", "drop-oldest"], |s| {
        assert_eq!(kept(s), ["6", "7", "8", "9"]);
    });
}
