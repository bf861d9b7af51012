//! Sections 4.1 and 4.5: session state, and who gets a message.

use std::time::{Duration, Instant};

use burgee_conformance::{Connect, Server, ack, proofs, publish};

proofs![
    mqtt_4_1_0_1_session_state_is_kept,
    mqtt_4_1_0_2_session_lasts_as_long_as_connection,
    mqtt_4_5_0_1_message_goes_to_all_matching_sessions,
];

fn mqtt_4_1_0_1_session_state_is_kept(s: &Server) {
    let (t, u) = (s.topic("t"), s.topic("u"));
    let mut other = s.watcher(&u, 2);
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    let mut publisher = s.client("p");
    publisher.publish(0x32, &t, "one");
    publisher.publish(0x34, &t, "two");
    publisher.publish(0x34, &t, "three");
    let ids = [
        wire.delivered(0x32, &t, "one"),
        wire.delivered(0x34, &t, "two"),
        wire.delivered(0x34, &t, "three"),
    ];
    wire.send(ack(0x50, ids[2]));
    wire.expect(ack(0x62, ids[2]));
    wire.send(publish(0x34, &u, 99, "incoming"));
    wire.expect(ack(0x50, 99));
    wire.cut();
    publisher.publish(0x32, &t, "queued");

    for round in 0..3 {
        let mut wire = s.session("a", true);
        assert_eq!(wire.delivered(0x3A, &t, "one"), ids[0]);
        assert_eq!(wire.delivered(0x3C, &t, "two"), ids[1]);
        wire.expect(ack(0x62, ids[2]));
        wire.delivered(if round == 0 { 0x32 } else { 0x3A }, &t, "queued");
        // The received identifier is still known: no second delivery.
        wire.send(publish(0x3C, &u, 99, "incoming"));
        wire.expect(ack(0x50, 99));
        wire.cut();
    }
    // Released, it stands for a new message.
    let mut wire = s.session("a", true);
    (0..4).for_each(|_| drop(wire.recv()));
    wire.send(ack(0x62, 99));
    wire.expect(ack(0x70, 99));
    other.take(0x34, &u, "incoming");
    s.only_marker(&mut other, &u);
    wire.send([publish(0x34, &u, 99, "new"), ack(0x62, 99)].concat());
    wire.expect(ack(0x50, 99));
    wire.expect(ack(0x70, 99));
    other.take(0x34, &u, "new");
}

fn mqtt_4_1_0_2_session_lasts_as_long_as_connection(s: &Server) {
    let (t, u) = (s.topic("t"), s.topic("u"));
    let mut other = s.watcher(&u, 2);
    let mut wire = s.client("a");
    wire.subscribe(&[(&t, 2)]);
    s.publish(0x34, &t, "out");
    s.publish(0x34, &t, "half");
    let out = wire.delivered(0x34, &t, "out");
    let half = wire.delivered(0x34, &t, "half");
    wire.send(ack(0x50, half));
    wire.expect(ack(0x62, half));
    wire.send(publish(0x34, &u, 3, "in"));
    wire.expect(ack(0x50, 3));
    // Others come and go for seconds.
    let start = Instant::now();
    let mut number = 0;
    while start.elapsed() < Duration::from_secs(2) {
        number += 1;
        let mut guest = s.open(&Connect::new(s.id(&format!("guest{}", number % 7))));
        guest.subscribe(&[(&t, 1)]);
        drop(guest);
    }
    wire.send(publish(0x3C, &u, 3, "in"));
    wire.expect(ack(0x50, 3));
    wire.send(ack(0x62, 3));
    wire.expect(ack(0x70, 3));
    other.take(0x34, &u, "in");
    s.only_marker(&mut other, &u);
    wire.send(ack(0x50, out));
    wire.expect(ack(0x62, out));
    wire.send([ack(0x70, out), ack(0x70, half)].concat());
    s.publish(0x34, &t, "later");
    wire.take(0x34, &t, "later");
}

fn mqtt_4_5_0_1_message_goes_to_all_matching_sessions(s: &Server) {
    let t = s.topic("a/b");
    let filters = ["a/b", "a/+", "a/#", "+/b", "#"];
    let mut connected: Vec<_> = filters.iter().map(|filter| s.watcher(&s.topic(filter), 2)).collect();
    for (place, filter) in filters.iter().enumerate() {
        let mut wire = s.session(&place.to_string(), false);
        wire.subscribe(&[(s.topic(filter), 1)]);
        wire.disconnect();
    }
    let mut stranger = s.watcher(&s.topic("a/c"), 2);
    // The publisher itself is among them.
    let mut publisher = s.client("p");
    publisher.subscribe(&[(&t, 2)]);
    publisher.publish(0x34, &t, "to all");
    publisher.take(0x34, &t, "to all");
    for wire in &mut connected {
        wire.take(0x34, &t, "to all");
    }
    for place in 0..filters.len() {
        let mut wire = s.session(&place.to_string(), true);
        wire.take(0x32, &t, "to all");
        s.only_marker(&mut wire, &t);
    }
    s.only_marker(&mut stranger, &s.topic("a/c"));
}
