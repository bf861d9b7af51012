//! Section 3.1.2.4 and 3.1.4: clean session, what is stored, and what a take-over leaves.

use burgee_conformance::{Connect, Server, ack, proofs, publish};

proofs![
    mqtt_3_1_2_4_clean0_resumes_or_creates_session,
    mqtt_3_1_2_5_offline_messages_are_stored,
    mqtt_3_1_2_6_clean1_discards_session,
    mqtt_3_1_2_6_clean1_discards_session_in_flight_too,
    mqtt_3_1_2_7_retained_survive_session_end,
    mqtt_3_1_4_3_clean_session_is_processed,
];

fn mqtt_3_1_2_4_clean0_resumes_or_creates_session(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1)]);
    wire.disconnect();
    // After DISCONNECT, after FIN, after a reset: the session is there.
    let mut wire = s.session("a", true);
    s.publish(0x32, &t, "one");
    wire.take(0x32, &t, "one");
    wire.cut();
    let mut wire = s.session("a", true);
    s.publish(0x32, &t, "two");
    wire.take(0x32, &t, "two");
    wire.reset();
    let mut wire = s.session("a", true);
    s.publish(0x32, &t, "three");
    wire.take(0x32, &t, "three");
    // After a violation too.
    wire.send([0x00, 0x00]);
    wire.closed();
    let mut wire = s.session("a", true);
    s.publish(0x32, &t, "four");
    wire.take(0x32, &t, "four");
    wire.disconnect();
    // An empty session is a session.
    s.session("empty", false).disconnect();
    s.session("empty", true).disconnect();
}

fn mqtt_3_1_2_5_offline_messages_are_stored(s: &Server) {
    let (t, u) = (s.topic("t"), s.topic("u"));
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1), (&u, 2)]);
    wire.disconnect();
    let mut publisher = s.client("p");
    for number in 0..10 {
        publisher.publish(0x32, &t, format!("t1 {number}"));
        publisher.publish(0x34, &t, format!("t2 {number}"));
        publisher.publish(0x32, &u, format!("u1 {number}"));
        publisher.publish(0x34, &u, format!("u2 {number}"));
    }
    let mut wire = s.session("a", true);
    let mut seen: [Vec<String>; 4] = Default::default();
    for _ in 0..40 {
        let message = wire.message();
        wire.settle(&message);
        let text = message.text();
        let (kind, number) = text.split_at(2);
        let (place, first) = match kind {
            "t1" => (0, 0x32),
            "t2" => (1, 0x32),
            "u1" => (2, 0x32),
            _ => (3, 0x34),
        };
        assert_eq!(message.first, first, "{text}");
        assert_eq!(message.topic(), if place < 2 { t.clone() } else { u.clone() });
        seen[place].push(number.trim().to_owned());
    }
    let order: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    assert_eq!(seen, [order.clone(), order.clone(), order.clone(), order]);
    wire.quiet();
    // What was acknowledged does not come again.
    wire.cut();
    let mut wire = s.session("a", true);
    s.only_marker(&mut wire, &u);
}

fn mqtt_3_1_2_6_clean1_discards_session(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1)]);
    wire.disconnect();
    s.publish(0x32, &t, "queued");
    // Clean 1 finds nothing and has no subscription: the next thing it gets is the answer to PINGREQ.
    let mut wire = s.client("a");
    s.publish(0x32, &t, "unsubscribed");
    wire.alive();
    wire.quiet();
    wire.subscribe(&[(&t, 1)]);
    s.only_marker(&mut wire, &t);
    wire.cut();
    s.publish(0x32, &t, "nobody");
    // Its own state ended with its connection.
    let mut wire = s.session("a", false);
    s.publish(0x32, &t, "unsubscribed");
    wire.alive();
    wire.subscribe(&[(&t, 1)]);
    s.only_marker(&mut wire, &t);
}

fn mqtt_3_1_2_6_clean1_discards_session_in_flight_too(s: &Server) {
    let (t, u) = (s.topic("t"), s.topic("u"));
    let mut other = s.watcher(&u, 2);
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    s.publish(0x32, &t, "one");
    s.publish(0x34, &t, "two");
    s.publish(0x34, &t, "three");
    wire.delivered(0x32, &t, "one");
    let two = wire.delivered(0x34, &t, "two");
    wire.delivered(0x34, &t, "three");
    wire.send(ack(0x50, two));
    wire.expect(ack(0x62, two));
    // Incoming: identifier 7 is received and not released.
    wire.send(publish(0x34, &u, 7, "first"));
    wire.expect(ack(0x50, 7));
    wire.cut();

    let mut wire = s.client("a");
    wire.alive();
    // Identifier 7 is free: this is a new message. (The first may or may not have been handed on before its PUBREL.)
    wire.send(publish(0x34, &u, 7, "second"));
    wire.expect(ack(0x50, 7));
    wire.send(ack(0x62, 7));
    wire.expect(ack(0x70, 7));
    let mut message = other.message();
    if message.text() == "first" {
        other.settle(&message);
        message = other.message();
    }
    assert_eq!((message.first, message.text()), (0x34, "second".to_owned()));
    other.settle(&message);
    s.only_marker(&mut other, &u);
    wire.cut();
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    s.only_marker(&mut wire, &t);
}

fn mqtt_3_1_2_7_retained_survive_session_end(s: &Server) {
    let (t, u) = (s.topic("t"), s.topic("u"));
    let mut wire = s.client("a");
    wire.publish(0x33, &t, "kept");
    wire.disconnect();
    let mut wire = s.client("a");
    wire.publish(0x35, &u, "kept too");
    wire.cut();
    s.client("a").disconnect();
    s.retained(&t, 1, 0x33, "kept");
    s.retained(&u, 2, 0x35, "kept too");
}

fn mqtt_3_1_4_3_clean_session_is_processed(s: &Server) {
    let t = s.topic("t");
    let mut old = s.session("a", false);
    old.subscribe(&[(&t, 1)]);
    // Take-over of a connected session with clean 0.
    let mut wire = s.session("a", true);
    old.closed();
    s.publish(0x32, &t, "one");
    wire.take(0x32, &t, "one");
    // Take-over with clean 1: nothing is left.
    let mut clean = s.client("a");
    wire.closed();
    s.publish(0x32, &t, "two");
    clean.alive();
    clean.subscribe(&[(&t, 1)]);
    s.only_marker(&mut clean, &t);
    // Take-over of a clean-1 connection with clean 0: its state is gone.
    let mut last = s.session("a", false);
    clean.closed();
    s.publish(0x32, &t, "three");
    last.alive();
    last.subscribe(&[(&t, 1)]);
    s.only_marker(&mut last, &t);
    last.disconnect();
    let mut wire = s.open(&Connect::new(s.id("a")));
    wire.alive();
}
