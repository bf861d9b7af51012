//! Section 3.3.1.3: RETAIN, in both directions.

use std::collections::BTreeSet;

use burgee_conformance::{Server, proofs};

proofs![
    mqtt_3_3_1_5_retained_is_stored_with_qos,
    mqtt_3_3_1_6_new_subscription_gets_last_retained,
    mqtt_3_3_1_6_new_subscription_gets_last_retained_of_thousands_of_topics,
    mqtt_3_3_1_7_retained_qos0_replaces,
    mqtt_3_3_1_8_retain_1_for_new_subscription,
    mqtt_3_3_1_9_retain_0_for_established_subscription,
    mqtt_3_3_1_10_empty_retained_removes_and_is_delivered,
    mqtt_3_3_1_11_empty_retained_is_not_stored,
    mqtt_3_3_1_12_retain_0_does_not_touch_the_store,
];

fn mqtt_3_3_1_5_retained_is_stored_with_qos(s: &Server) {
    for stored in 0..3 {
        let t = s.topic(&stored.to_string());
        let mut present = s.watcher(&t, 2);
        s.publish(0x31 | stored << 1, &t, "kept");
        present.take(0x30 | stored << 1, &t, "kept");
        for granted in 0..3 {
            s.retained(&t, granted, 0x31 | stored.min(granted) << 1, "kept");
        }
    }
}

fn mqtt_3_3_1_6_new_subscription_gets_last_retained(s: &Server) {
    let mut publisher = s.client("p");
    let names = ["k/a", "k/b", "k/c/d"];
    for round in ["old", "new"] {
        for name in names {
            publisher.publish(0x33, s.topic(name), format!("{round} {name}"));
        }
    }
    let cases: [(&str, &[&str]); 6] = [
        ("k/#", &names),
        ("k/+", &names[..2]),
        ("+/+", &names[..2]),
        ("+/c/#", &names[2..]),
        ("k/+/d", &names[2..]),
        ("k/b", &names[1..2]),
    ];
    for (filter, expected) in cases {
        let mut watcher = s.watcher(&s.topic(filter), 1);
        let mut got = BTreeSet::new();
        for _ in expected {
            let message = watcher.message();
            assert_eq!(message.first, 0x33, "{filter}");
            watcher.settle(&message);
            assert!(got.insert((message.topic(), message.text())), "{filter}: twice");
        }
        let wanted = expected
            .iter()
            .map(|name| (s.topic(name), format!("new {name}")))
            .collect();
        assert_eq!(got, wanted, "{filter}");
        watcher.subscribe(&[(s.topic("marker"), 1)]);
        s.only_marker(&mut watcher, &s.topic("marker"));
        watcher.disconnect();
    }
}

fn mqtt_3_3_1_6_new_subscription_gets_last_retained_of_thousands_of_topics(s: &Server) {
    let mut publisher = s.client("p");
    for number in 0..3000 {
        publisher.publish(
            if number % 2 == 0 { 0x31 } else { 0x33 },
            s.topic(&format!("{number}/x")),
            "kept",
        );
    }
    let mut watcher = s.watcher(&s.topic("+/x"), 1);
    let mut got = BTreeSet::new();
    for _ in 0..3000 {
        let message = watcher.message();
        assert_eq!(message.first & 0xF9, 0x31);
        watcher.settle(&message);
        got.insert(message.topic());
    }
    assert_eq!(got.len(), 3000);
    watcher.alive();
    publisher.alive();
}

fn mqtt_3_3_1_7_retained_qos0_replaces(s: &Server) {
    let t = s.topic("t");
    s.publish(0x33, &t, "first");
    s.retained(&t, 2, 0x33, "first");
    s.publish(0x31, &t, "second");
    // The statement allows that none is sent; we store it like any other (D21).
    s.retained(&t, 2, 0x31, "second");
    s.publish(0x35, &t, "third");
    s.retained(&t, 2, 0x35, "third");
}

fn mqtt_3_3_1_8_retain_1_for_new_subscription(s: &Server) {
    for (stored, first) in [(0x31, 0x31), (0x33, 0x33), (0x35, 0x35)] {
        let t = s.topic(&format!("{stored}"));
        s.publish(stored, &t, "kept");
        s.retained(&t, 2, first, "kept");
    }
    // It keeps the flag when it is sent again.
    let t = s.topic("again");
    s.publish(0x33, &t, "kept");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1)]);
    let id = wire.delivered(0x33, &t, "kept");
    wire.cut();
    let mut wire = s.session("a", true);
    assert_eq!(wire.delivered(0x3B, &t, "kept"), id);
}

fn mqtt_3_3_1_9_retain_0_for_established_subscription(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 2);
    let mut wild = s.watcher(&s.topic("#"), 2);
    let mut offline = s.session("off", false);
    offline.subscribe(&[(&t, 2)]);
    offline.disconnect();
    s.publish(0x31, &t, "zero");
    s.publish(0x33, &t, "one");
    s.publish(0x35, &t, "two");
    for subscriber in [&mut watcher, &mut wild] {
        subscriber.take(0x30, &t, "zero");
        subscriber.take(0x32, &t, "one");
        subscriber.take(0x34, &t, "two");
    }
    let mut offline = s.session("off", true);
    offline.take(0x32, &t, "one");
    offline.take(0x34, &t, "two");
    offline.quiet();
}

fn mqtt_3_3_1_10_empty_retained_removes_and_is_delivered(s: &Server) {
    for (number, first) in [0x31, 0x33, 0x35].into_iter().enumerate() {
        let t = s.topic(&number.to_string());
        s.publish(0x33, &t, "kept");
        let mut watcher = s.watcher(&t, 2);
        watcher.take(0x33, &t, "kept");
        s.publish(first, &t, "");
        watcher.take(first & !1, &t, "");
        s.nothing_retained(&t);
        // Nothing is stored on it any more: delivered all the same.
        s.only_marker(&mut watcher, &t);
        s.publish(first, &t, "");
        watcher.take(first & !1, &t, "");
    }
}

fn mqtt_3_3_1_11_empty_retained_is_not_stored(s: &Server) {
    for first in [0x31, 0x33, 0x35] {
        let t = s.topic(&first.to_string());
        s.publish(first, &t, "");
        s.nothing_retained(&t);
    }
}

fn mqtt_3_3_1_12_retain_0_does_not_touch_the_store(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 2);
    s.publish(0x33, &t, "A");
    for first in [0x30, 0x32, 0x34] {
        s.publish(first, &t, "B");
        s.publish(first, &t, "");
    }
    watcher.take(0x32, &t, "A");
    for first in [0x30, 0x32, 0x34] {
        watcher.take(first, &t, "B");
        watcher.take(first, &t, "");
    }
    s.retained(&t, 2, 0x33, "A");
    let other = s.topic("other");
    s.publish(0x32, &other, "B");
    s.nothing_retained(&other);
}
