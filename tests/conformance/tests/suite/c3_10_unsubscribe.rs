//! Sections 3.10 and 3.11: UNSUBSCRIBE and UNSUBACK.

use burgee_conformance::{Server, ack, field, frame, hex, proofs, unsubscribe};

use crate::c1_data::ILL_FORMED;

proofs![
    mqtt_3_10_1_1_unsubscribe_flags,
    mqtt_3_10_3_1_unsubscribe_filter_is_utf8,
    mqtt_3_10_3_2_unsubscribe_needs_a_filter,
    mqtt_3_10_4_1_unsubscribe_compares_filters_exactly,
    mqtt_3_10_4_2_unsubscribed_gets_no_new_messages,
    mqtt_3_10_4_3_started_deliveries_are_completed,
    mqtt_3_10_4_4_unsubscribe_gets_unsuback,
    mqtt_3_10_4_5_unsuback_even_if_nothing_deleted,
    mqtt_3_10_4_6_many_filters_act_like_many_unsubscribes,
    d28_queued_messages_survive_unsubscribe,
];

fn mqtt_3_10_1_1_unsubscribe_flags(s: &Server) {
    let packet = unsubscribe(1, &[s.topic("t")]);
    for first in (0xA0..0xB0).filter(|first| *first != 0xA2) {
        let mut wire = s.client("a");
        wire.subscribe(&[(s.topic("t"), 0)]);
        wire.send([&[first], &packet[1..]].concat());
        wire.closed();
    }
}

fn mqtt_3_10_3_1_unsubscribe_filter_is_utf8(s: &Server) {
    let (t, u) = (s.topic("t"), s.topic("u"));
    for bad in ILL_FORMED.map(hex) {
        for filters in [vec![bad.clone()], vec![t.clone().into_bytes(), bad.clone()]] {
            let mut wire = s.client("a");
            wire.send(unsubscribe(1, &filters));
            wire.closed();
        }
    }
    // Two good filters, one directly behind the other: both removed.
    let mut wire = s.client("a");
    wire.subscribe(&[(&t, 0), (&u, 0), (&s.topic("marker"), 0)]);
    wire.send(frame(0xA2, [&hex("0009")[..], &field(&t), &field(&u)].concat()));
    wire.expect(hex("B0 02 00 09"));
    s.publish(0x30, &t, "x");
    s.publish(0x30, &u, "x");
    s.only_marker(&mut wire, &s.topic("marker"));
}

fn mqtt_3_10_3_2_unsubscribe_needs_a_filter(s: &Server) {
    let t = field(s.topic("t"));
    let bad = [
        hex("A2 02 00 01"),
        hex("A2 00"),
        hex("A2 01 00"),
        hex("A2 03 00 01 00"),
        frame(0xA2, [&[0, 1], &t[..], &[0]].concat()),
        frame(0xA2, [&[0, 1], &t[..t.len() - 1]].concat()),
    ];
    for packet in bad {
        let mut wire = s.client("a");
        wire.send(packet);
        wire.closed();
    }
}

fn mqtt_3_10_4_1_unsubscribe_compares_filters_exactly(s: &Server) {
    let names = ["a/b", "a/+", "A/b"];
    // The subscriber of a/+ sees what is published to a/b too, so it has its turn first.
    let mut wires = ["a/+", "a/b", "A/b"].map(|name| {
        let mut wire = s.client(name);
        wire.subscribe(&[(s.topic(name), 1)]);
        wire.unsubscribe(&["a/#", "a/B", "a/b/", "+/b", "a/b ", "/a/b", "+/+"].map(|filter| s.topic(filter)));
        wire
    });
    for (wire, topic) in wires.iter_mut().zip(["a/c", "a/b", "A/b"]) {
        s.publish(0x32, &s.topic(topic), "works");
        wire.take(0x32, s.topic(topic), "works");
        s.only_marker(wire, &s.topic(topic));
    }
    // All three at one client: UNSUBSCRIBE a/+ takes that one away.
    let mut wire = s.client("all");
    wire.subscribe(&names.map(|name| (s.topic(name), 1)));
    wire.unsubscribe(&[s.topic("a/+")]);
    s.publish(0x32, &s.topic("a/c"), "gone");
    s.publish(0x32, &s.topic("a/b"), "works");
    wire.take(0x32, s.topic("a/b"), "works");
    s.only_marker(&mut wire, &s.topic("A/b"));
}

fn mqtt_3_10_4_2_unsubscribed_gets_no_new_messages(s: &Server) {
    let (t, marker) = (s.topic("t"), s.topic("marker"));
    for qos in 0..3 {
        let mut wire = s.client("a");
        wire.subscribe(&[(&t, qos), (&marker, 1)]);
        s.publish(0x34, &t, "before");
        wire.take(0x30 | qos << 1, &t, "before");
        wire.unsubscribe(&[&t]);
        for first in [0x30, 0x32, 0x34] {
            s.publish(first, &t, "after");
        }
        s.only_marker(&mut wire, &marker);
    }
    // Nor while the session is offline.
    let mut wire = s.session("b", false);
    wire.subscribe(&[(&t, 1), (&marker, 1)]);
    wire.unsubscribe(&[&t]);
    wire.disconnect();
    s.publish(0x32, &t, "after");
    let mut wire = s.session("b", true);
    s.only_marker(&mut wire, &marker);
}

fn mqtt_3_10_4_3_started_deliveries_are_completed(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    for (first, text) in [(0x32, "one"), (0x34, "two"), (0x34, "three")] {
        s.publish(first, &t, text);
    }
    let one = wire.delivered(0x32, &t, "one");
    let two = wire.delivered(0x34, &t, "two");
    let three = wire.delivered(0x34, &t, "three");
    wire.unsubscribe(&[&t]);
    wire.send(ack(0x50, two));
    wire.expect(ack(0x62, two));
    wire.send(ack(0x50, three));
    wire.expect(ack(0x62, three));
    wire.send(ack(0x70, three));
    wire.cut();

    let mut wire = s.session("a", true);
    assert_eq!(wire.delivered(0x3A, &t, "one"), one);
    wire.expect(ack(0x62, two));
    wire.send([ack(0x40, one), ack(0x70, two)].concat());
    wire.alive();
    wire.cut();
    let mut wire = s.session("a", true);
    wire.subscribe(&[(s.topic("marker"), 0)]);
    s.only_marker(&mut wire, &s.topic("marker"));
}

fn mqtt_3_10_4_4_unsubscribe_gets_unsuback(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.client("a");
    for id in [1, 0x0203, 0xFFFF] {
        wire.subscribe(&[(&t, 0)]);
        wire.send(unsubscribe(id, &[&t]));
        let [high, low] = u16::to_be_bytes(id);
        wire.expect([0xB0, 2, high, low]);
        wire.quiet();
    }
}

fn mqtt_3_10_4_5_unsuback_even_if_nothing_deleted(s: &Server) {
    let mut wire = s.client("a");
    for (id, filter) in [(1, "never"), (2, "never/#"), (3, "+")] {
        wire.send(unsubscribe(id, &[s.topic(filter)]));
        wire.expect(ack(0xB0, id));
    }
    wire.subscribe(&[(s.topic("t"), 0)]);
    wire.unsubscribe(&[s.topic("t")]);
    wire.unsubscribe(&[s.topic("t")]);
    wire.alive();
}

fn mqtt_3_10_4_6_many_filters_act_like_many_unsubscribes(s: &Server) {
    let names: Vec<String> = (0..20).map(|number| s.topic(&number.to_string())).collect();
    let mut wire = s.client("a");
    wire.subscribe(&names.iter().map(|name| (name, 1)).collect::<Vec<_>>());
    // One of the filters twice, one unknown: as in many packets.
    let mut gone: Vec<&String> = names[..19].iter().collect();
    gone.push(&names[3]);
    let unknown = s.topic("unknown");
    gone.push(&unknown);
    wire.send(unsubscribe(77, &gone));
    wire.expect(ack(0xB0, 77));
    for name in &names[..19] {
        s.publish(0x32, name, "gone");
    }
    s.only_marker(&mut wire, &names[19]);
}

fn d28_queued_messages_survive_unsubscribe(s: &Server) {
    const COUNT: usize = 150;
    let t = s.topic("t");
    let mut wire = s.watcher(&t, 1);
    let mut publisher = s.client("p");
    for number in 0..COUNT {
        publisher.publish(0x32, &t, number.to_string());
    }
    wire.unsubscribe(&[&t]);
    // More than the window holds: the rest was queued when the subscription ended.
    for number in 0..COUNT {
        wire.take(0x32, &t, number.to_string());
    }
    wire.alive();
}
