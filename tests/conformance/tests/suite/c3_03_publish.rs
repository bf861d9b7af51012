//! Section 3.3: PUBLISH. Flags, topic, answers, and what overlapping subscriptions get.

use burgee_conformance::{Server, ack, frame, hex, proofs, publish};

use crate::c1_data::ILL_FORMED;

proofs![
    mqtt_3_3_1_1_redelivery_has_dup_1,
    mqtt_3_3_1_2_qos0_has_dup_0,
    mqtt_3_3_1_3_dup_is_not_propagated,
    mqtt_3_3_1_4_qos3_closes,
    mqtt_3_3_2_1_topic_is_first_and_utf8,
    mqtt_3_3_2_2_publish_topic_has_no_wildcards,
    mqtt_3_3_2_3_delivered_topic_matches_filter,
    mqtt_3_3_4_1_publish_answer_by_qos,
    mqtt_3_3_5_1_overlapping_subscriptions_use_greatest_qos,
    mqtt_3_3_5_2_unauthorised_publish_is_acked_or_closed,
];

fn mqtt_3_3_1_1_redelivery_has_dup_1(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    s.publish(0x32, &t, "one");
    s.publish(0x34, &t, "two");
    let one = wire.delivered(0x32, &t, "one");
    let two = wire.delivered(0x34, &t, "two");
    // Every time again, and each end of a connection is good enough.
    for round in 0..3 {
        if round == 1 {
            wire.reset();
        } else {
            wire.cut();
        }
        wire = s.session("a", true);
        assert_eq!(wire.delivered(0x3A, &t, "one"), one);
        assert_eq!(wire.delivered(0x3C, &t, "two"), two);
    }
    // What was never written is no re-delivery.
    wire.cut();
    s.publish(0x32, &t, "three");
    let mut wire = s.session("a", true);
    wire.take(0x3A, &t, "one");
    wire.take(0x3C, &t, "two");
    wire.take(0x32, &t, "three");
    wire.quiet();
}

fn mqtt_3_3_1_2_qos0_has_dup_0(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 0);
    let mut wire = s.client("a");
    wire.send(publish(0x3A, &t, 1, "dup"));
    wire.expect(ack(0x40, 1));
    watcher.take(0x30, &t, "dup");
    wire.publish(0x3C, &t, "dup");
    watcher.take(0x30, &t, "dup");
    // DUP with QoS 0 is a violation.
    for first in [0x38, 0x39] {
        let mut wire = s.client("a");
        wire.send(publish(first, &t, 0, "bad"));
        wire.closed();
    }
    s.only_marker(&mut watcher, &t);
    s.nothing_retained(&t);
}

fn mqtt_3_3_1_3_dup_is_not_propagated(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 2);
    let mut offline = s.session("off", false);
    offline.subscribe(&[(&t, 2)]);
    offline.disconnect();
    let mut wire = s.client("a");
    wire.publish(0x3A, &t, "one");
    wire.publish(0x3C, &t, "two");
    wire.publish(0x3B, &t, "three");
    let mut offline = s.session("off", true);
    for subscriber in [&mut watcher, &mut offline] {
        subscriber.take(0x32, &t, "one");
        subscriber.take(0x34, &t, "two");
        subscriber.take(0x32, &t, "three");
        subscriber.quiet();
    }
    s.retained(&t, 2, 0x33, "three");
}

fn mqtt_3_3_1_4_qos3_closes(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 2);
    for first in [0x36, 0x37, 0x3E, 0x3F] {
        let mut wire = s.client("a");
        wire.send(publish(first, &t, 1, "bad"));
        wire.closed();
    }
    s.only_marker(&mut watcher, &t);
    s.nothing_retained(&t);
}

fn mqtt_3_3_2_1_topic_is_first_and_utf8(s: &Server) {
    let mut bad = vec![
        hex("30 00"),
        hex("30 01 00"),
        hex("30 02 00 01"),
        hex("30 03 00 02 61"),
        hex("30 04 FF FF 61 61"),
        hex("32 03 00 01 61"),
        hex("32 04 00 01 61 00"),
        hex("34 04 00 01 61 01"),
    ];
    bad.extend(ILL_FORMED.map(|bytes| publish(0x32, [s.topic("t").as_bytes(), &hex(bytes)].concat(), 1, "x")));
    for packet in bad {
        let mut wire = s.client("a");
        wire.send(packet);
        wire.closed();
    }
}

fn mqtt_3_3_2_2_publish_topic_has_no_wildcards(s: &Server) {
    let mut watcher = s.watcher(&s.topic("#"), 2);
    let own = |topic: &str| s.topic(topic);
    let topics = [
        "#".into(),
        "+".into(),
        own("#"),
        own("+"),
        own("+/b"),
        own("a#"),
        own("a+b"),
        own("#a"),
        own("a/b+"),
    ];
    for topic in &topics {
        for first in [0x30, 0x31, 0x32, 0x33, 0x34, 0x35] {
            let mut wire = s.client("a");
            wire.send(publish(first, topic, 1, "bad"));
            wire.closed();
        }
    }
    s.only_marker(&mut watcher, &s.topic("marker"));
}

fn mqtt_3_3_2_3_delivered_topic_matches_filter(s: &Server) {
    let mut watcher = s.watcher(&s.topic("a/+/c/#"), 1);
    let mut publisher = s.client("p");
    let names = [
        "a/b/c",
        "a/b/c/d",
        "a/b/c/d/e",
        "a//c/",
        "a/c",
        "a/b/d/c",
        "b/a/b/c",
        "a/b/c1",
        "A/b/c",
        "a/b/b/c",
    ];
    for name in names {
        publisher.publish(0x32, s.topic(name), name);
    }
    for name in &names[..4] {
        watcher.take(0x32, s.topic(name), name);
    }
    s.only_marker(&mut watcher, &s.topic("a/marker/c/x"));
}

fn mqtt_3_3_4_1_publish_answer_by_qos(s: &Server) {
    let (t, nobody) = (s.topic("t"), s.topic("nobody"));
    let mut watcher = s.watcher(&t, 2);
    let mut wire = s.client("a");
    for topic in [&nobody, &t] {
        wire.send(publish(0x30, topic, 0, "x"));
        wire.alive();
        wire.send(publish(0x32, topic, 0x1234, "x"));
        wire.expect(hex("40 02 12 34"));
        wire.send(publish(0x34, topic, 0x1235, "x"));
        wire.expect(hex("50 02 12 35"));
        wire.send(hex("62 02 12 35"));
        wire.expect(hex("70 02 12 35"));
        wire.quiet();
    }
    // The receiver's side is ours as well: nothing is asked for QoS 0.
    watcher.take(0x30, &t, "x");
    watcher.take(0x32, &t, "x");
    watcher.take(0x34, &t, "x");
    watcher.quiet();
}

fn mqtt_3_3_5_1_overlapping_subscriptions_use_greatest_qos(s: &Server) {
    let filters = [("o/+", 2), ("o/#", 0), ("o/x", 1)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut watcher = s.client("w");
        for place in order {
            let (filter, qos) = filters[place];
            watcher.subscribe(&[(s.topic(filter), qos)]);
        }
        let t = s.topic("o/x");
        for first in [0x30, 0x32, 0x34] {
            s.publish(first, &t, "x");
            // The statement allows further copies; decision D17 is one.
            watcher.take(first, &t, "x");
            s.only_marker(&mut watcher, &t);
        }
        // Without the greatest one the next greatest counts.
        watcher.unsubscribe(&[s.topic("o/+")]);
        s.publish(0x34, &t, "x");
        watcher.take(0x32, &t, "x");
        s.only_marker(&mut watcher, &t);
        watcher.disconnect();
    }
}

fn mqtt_3_3_5_2_unauthorised_publish_is_acked_or_closed(s: &Server) {
    let t = format!("$SYS/{}", s.level());
    let mut watcher = s.client("w");
    watcher.subscribe(&[(format!("{t}/#"), 2), (s.topic("marker"), 2)]);
    let mut wire = s.client("a");
    for name in ["x", "y/z"] {
        let topic = format!("{t}/{name}");
        // Whole handshakes: acknowledged and dropped is our choice (D14, D27).
        for first in [0x30, 0x31, 0x32, 0x33, 0x34, 0x35] {
            wire.publish(first, &topic, "forbidden");
        }
    }
    wire.alive();
    s.only_marker(&mut watcher, &s.topic("marker"));
    let mut later = s.client("later");
    later.subscribe(&[(format!("{t}/#"), 2), (s.topic("marker"), 2)]);
    s.only_marker(&mut later, &s.topic("marker"));
    wire.send(frame(0xC0, []));
    wire.expect(frame(0xD0, []));
}
