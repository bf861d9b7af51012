//! Section 4.6: order.

use burgee_conformance::{Server, ack, proofs, publish};

proofs![
    mqtt_4_6_0_1_resend_in_original_order,
    mqtt_4_6_0_2_pubacks_in_order,
    mqtt_4_6_0_3_pubrecs_in_order,
    mqtt_4_6_0_4_pubrels_in_order,
    mqtt_4_6_0_5_topics_are_ordered_by_default,
    mqtt_4_6_0_6_order_per_publisher_topic_qos,
];

/// Identifiers in no order, each once.
fn shuffled(count: u16) -> Vec<u16> {
    (1..=count)
        .map(|number| (u32::from(number) * 7919 % 65_521) as u16)
        .collect()
}

fn mqtt_4_6_0_1_resend_in_original_order(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    let mut publisher = s.client("p");
    // Some identifiers are used and freed first, so that their order is not the order of their numbers everywhere.
    for _ in 0..3 {
        publisher.publish(0x32, &t, "warm up");
        wire.take(0x32, &t, "warm up");
    }
    let mut ids = Vec::new();
    for number in 0..10 {
        let first = if number % 2 == 0 { 0x34 } else { 0x32 };
        publisher.publish(first, &t, number.to_string());
        ids.push(wire.delivered(first, &t, number.to_string()));
    }
    for _ in 0..2 {
        wire.cut();
        wire = s.session("a", true);
        for (number, id) in ids.iter().enumerate() {
            let first = if number % 2 == 0 { 0x3C } else { 0x3A };
            assert_eq!(wire.delivered(first, &t, number.to_string()), *id);
        }
    }
    wire.quiet();
}

fn mqtt_4_6_0_2_pubacks_in_order(s: &Server) {
    let mut wire = s.client("a");
    let ids = shuffled(40);
    let topics = [s.topic("a"), s.topic("b"), s.topic("c")];
    let mut watcher = s.watcher(&s.topic("b"), 1);
    let segment: Vec<u8> = ids
        .iter()
        .zip(topics.iter().cycle())
        .flat_map(|(id, topic)| publish(0x32, topic, *id, "x"))
        .collect();
    wire.send(segment);
    for id in &ids {
        wire.expect(ack(0x40, *id));
    }
    for _ in 0..13 {
        watcher.take(0x32, &topics[1], "x");
    }
}

fn mqtt_4_6_0_3_pubrecs_in_order(s: &Server) {
    let mut wire = s.client("a");
    let ids = shuffled(20);
    wire.send(
        ids.iter()
            .flat_map(|id| publish(0x34, s.topic("t"), *id, "x"))
            .collect::<Vec<u8>>(),
    );
    for id in &ids {
        wire.expect(ack(0x50, *id));
    }
    wire.send(ids.iter().rev().flat_map(|id| ack(0x62, *id)).collect::<Vec<u8>>());
    for id in ids.iter().rev() {
        wire.expect(ack(0x70, *id));
    }
}

fn mqtt_4_6_0_4_pubrels_in_order(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.watcher(&t, 2);
    let mut publisher = s.client("p");
    let mut ids = Vec::new();
    for number in 0..8 {
        publisher.publish(0x34, &t, number.to_string());
        ids.push(wire.delivered(0x34, &t, number.to_string()));
    }
    ids.reverse();
    wire.send(ids.iter().flat_map(|id| ack(0x50, *id)).collect::<Vec<u8>>());
    for id in &ids {
        wire.expect(ack(0x62, *id));
    }
    wire.send(ids.iter().flat_map(|id| ack(0x70, *id)).collect::<Vec<u8>>());
    wire.alive();
}

fn mqtt_4_6_0_5_topics_are_ordered_by_default(s: &Server) {
    let topics = [s.topic("a"), s.topic("b")];
    let mut watchers = [
        s.watcher(&topics[0], 0),
        s.watcher(&topics[1], 0),
        s.watcher(&s.topic("+"), 0),
    ];
    let mut publisher = s.client("p");
    let all = (0..200).flat_map(|number: usize| publish(0x30, &topics[number % 2], 0, number.to_string()));
    publisher.send(all.collect::<Vec<u8>>());
    for number in 0..200_usize {
        watchers[number % 2].take(0x30, &topics[number % 2], number.to_string());
    }
    // Per topic for the one that has both.
    let mut next = [0, 1];
    for _ in 0..200 {
        let message = watchers[2].message();
        let place = usize::from(message.topic() == topics[1]);
        assert_eq!(message.text(), next[place].to_string());
        next[place] += 2;
    }
}

fn mqtt_4_6_0_6_order_per_publisher_topic_qos(s: &Server) {
    const COUNT: u16 = 60;
    for (first, topic) in [(0x30, "zero"), (0x32, "one"), (0x34, "two")] {
        let t = s.topic(topic);
        let mut live = s.watcher(&t, 2);
        let mut stored = s.session(topic, false);
        stored.subscribe(&[(&t, 2)]);
        stored.disconnect();
        let mut publisher = s.client("p");
        let all = (1..=COUNT).flat_map(|number| publish(first, &t, number, number.to_string()));
        publisher.send(all.collect::<Vec<u8>>());
        if first == 0x34 {
            // Whether a server hands on at PUBLISH or at PUBREL is its choice.
            (1..=COUNT).for_each(|id| publisher.expect(ack(0x50, id)));
            publisher.send((1..=COUNT).flat_map(|id| ack(0x62, id)).collect::<Vec<u8>>());
        }
        for number in 1..=COUNT {
            live.take(first, &t, number.to_string());
        }
        if first == 0x30 {
            continue;
        }
        let mut stored = s.session(topic, true);
        for number in 1..=COUNT {
            stored.take(first, &t, number.to_string());
        }
        stored.quiet();
    }
}
