//! Sections 4.3 and 4.4: the flows of QoS 0, 1 and 2, and what is sent again at a reconnect.

use burgee_conformance::{Server, ack, proofs, publish};

proofs![
    mqtt_4_3_1_1_qos0_sender,
    mqtt_4_3_2_1_qos1_sender,
    mqtt_4_3_2_2_qos1_receiver,
    mqtt_4_3_3_1_qos2_sender,
    mqtt_4_3_3_2_qos2_receiver,
    mqtt_4_4_0_1_resend_unacknowledged_on_reconnect,
];

fn mqtt_4_3_1_1_qos0_sender(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 0)]);
    for first in [0x30, 0x32, 0x34] {
        s.publish(first, &t, "once");
        wire.expect(publish(0x30, &t, 0, "once"));
        s.only_marker(&mut wire, &t);
    }
    // A reconnect brings nothing of it again.
    wire.cut();
    let mut wire = s.session("a", true);
    s.only_marker(&mut wire, &t);
}

fn mqtt_4_3_2_1_qos1_sender(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1)]);
    s.publish(0x32, &t, "one");
    s.publish(0x32, &t, "two");
    let one = wire.delivered(0x32, &t, "one");
    let two = wire.delivered(0x32, &t, "two");
    assert_ne!(one, two);
    wire.send(ack(0x40, one));
    wire.alive();
    wire.cut();
    let mut wire = s.session("a", true);
    assert_eq!(wire.delivered(0x3A, &t, "two"), two);
    wire.quiet();
    wire.send(ack(0x40, two));
    wire.alive();
    wire.cut();
    let mut wire = s.session("a", true);
    s.only_marker(&mut wire, &t);
}

fn mqtt_4_3_2_2_qos1_receiver(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 1);
    let mut wire = s.client("a");
    for (first, text) in [(0x32, "one"), (0x32, "two"), (0x3A, "two"), (0x3A, "three")] {
        wire.send(publish(first, &t, 40, text));
        wire.expect(ack(0x40, 40));
        watcher.take(0x32, &t, text);
    }
    s.only_marker(&mut watcher, &t);
}

fn mqtt_4_3_3_1_qos2_sender(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    s.publish(0x34, &t, "one");
    s.publish(0x34, &t, "two");
    let one = wire.delivered(0x34, &t, "one");
    let two = wire.delivered(0x34, &t, "two");
    assert_ne!(one, two);
    wire.send(ack(0x50, one));
    wire.expect(ack(0x62, one));
    // A second PUBREC is answered again.
    wire.send(ack(0x50, one));
    wire.expect(ack(0x62, one));
    wire.cut();

    let mut wire = s.session("a", true);
    wire.await_packet(ack(0x62, one));
    assert_eq!(wire.delivered(0x3C, &t, "two"), two);
    wire.quiet();
    wire.send(ack(0x70, one));
    wire.send(ack(0x50, two));
    wire.expect(ack(0x62, two));
    wire.send(ack(0x70, two));
    wire.alive();
    wire.cut();
    let mut wire = s.session("a", true);
    s.only_marker(&mut wire, &t);
}

fn mqtt_4_3_3_2_qos2_receiver(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 2);
    let mut wire = s.client("a");
    // The identifier alone decides: DUP or not, another payload or not.
    for (first, text) in [
        (0x34, "one"),
        (0x3C, "one"),
        (0x3C, "one"),
        (0x34, "one"),
        (0x3C, "other"),
    ] {
        wire.send(publish(first, &t, 7, text));
        wire.expect(ack(0x50, 7));
    }
    watcher.take(0x34, &t, "one");
    for id in [7, 7, 7, 4711, 1, 65_535] {
        wire.send(ack(0x62, id));
        wire.expect(ack(0x70, id));
    }
    s.only_marker(&mut watcher, &t);
    wire.send(publish(0x3C, &t, 7, "new"));
    wire.expect(ack(0x50, 7));
    watcher.take(0x34, &t, "new");
    wire.send(ack(0x62, 7));
    wire.expect(ack(0x70, 7));
    s.only_marker(&mut watcher, &t);
}

fn mqtt_4_4_0_1_resend_unacknowledged_on_reconnect(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    for (first, text) in [(0x32, "m0"), (0x34, "m1"), (0x32, "m2"), (0x34, "m3")] {
        s.publish(first, &t, text);
    }
    let m0 = wire.delivered(0x32, &t, "m0");
    let m1 = wire.delivered(0x34, &t, "m1");
    let m2 = wire.delivered(0x32, &t, "m2");
    let m3 = wire.delivered(0x34, &t, "m3");
    wire.send([ack(0x40, m0), ack(0x50, m1)].concat());
    wire.expect(ack(0x62, m1));
    for _ in 0..2 {
        wire.cut();
        wire = s.session("a", true);
        wire.await_packet(ack(0x62, m1));
        assert_eq!(wire.delivered(0x3A, &t, "m2"), m2);
        assert_eq!(wire.delivered(0x3C, &t, "m3"), m3);
        wire.quiet();
    }
    // New messages come behind them and are no re-delivery.
    wire.cut();
    s.publish(0x32, &t, "m4");
    let mut wire = s.session("a", true);
    wire.await_packet(ack(0x62, m1));
    wire.delivered(0x3A, &t, "m2");
    wire.delivered(0x3C, &t, "m3");
    wire.take(0x32, &t, "m4");
}
