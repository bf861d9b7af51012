//! Sections 3.8 and 3.9: SUBSCRIBE and SUBACK.

use std::collections::BTreeMap;
use std::thread;

use burgee_conformance::{Server, ack, field, frame, hex, proofs, subscribe};

use crate::c1_data::ILL_FORMED;

proofs![
    mqtt_3_8_1_1_subscribe_flags,
    mqtt_3_8_3_1_subscribe_filter_is_utf8,
    mqtt_3_8_3_2_wildcards_supported_or_rejected,
    mqtt_3_8_3_3_subscribe_needs_a_filter,
    mqtt_3_8_3_4_requested_qos_byte_is_0_1_2,
    mqtt_3_8_4_1_subscribe_gets_suback,
    mqtt_3_8_4_2_suback_has_identifier_of_subscribe,
    mqtt_3_8_4_3_identical_filter_replaces_subscription,
    mqtt_3_8_4_3_identical_filter_replaces_subscription_without_a_gap,
    mqtt_3_8_4_4_many_filters_act_like_many_subscribes,
    mqtt_3_8_4_5_one_return_code_for_each_filter,
    mqtt_3_8_4_6_delivered_qos_is_minimum,
    mqtt_3_9_3_1_return_codes_in_order,
    mqtt_3_9_3_2_return_codes_are_0_1_2_80,
];

fn mqtt_3_8_1_1_subscribe_flags(s: &Server) {
    let packet = subscribe(1, &[(s.topic("t"), 0)]);
    for first in (0x80..0x90).filter(|first| *first != 0x82) {
        let mut wire = s.client("a");
        wire.send([&[first], &packet[1..]].concat());
        wire.closed();
    }
}

fn mqtt_3_8_3_1_subscribe_filter_is_utf8(s: &Server) {
    let good = s.topic("good").into_bytes();
    for bad in ILL_FORMED.map(hex) {
        let bad = [s.topic("t").as_bytes(), &bad].concat();
        let lists = [
            vec![(bad.clone(), 0)],
            vec![(good.clone(), 0), (bad.clone(), 0)],
            vec![(bad.clone(), 1), (good.clone(), 1)],
        ];
        for filters in lists {
            let mut wire = s.client("a");
            wire.send(subscribe(1, &filters));
            wire.closed();
        }
    }
    // No filter of such a packet takes effect.
    let mut wire = s.session("b", false);
    wire.send(subscribe(1, &[(&good, 1), (&[0xFF].to_vec(), 1)]));
    wire.closed();
    s.publish(0x32, &s.topic("good"), "x");
    let mut wire = s.session("b", true);
    wire.alive();
    wire.subscribe(&[(s.topic("marker"), 0)]);
    s.only_marker(&mut wire, &s.topic("marker"));
}

fn mqtt_3_8_3_2_wildcards_supported_or_rejected(s: &Server) {
    let filters = ["w/#", "w/+/b", "+/b"];
    let cases: [(&str, [bool; 3]); 5] = [
        ("w", [true, false, false]),
        ("w/a/b", [true, true, false]),
        ("w/b", [true, false, true]),
        ("x/b", [false, false, true]),
        ("x/a/b", [false, false, false]),
    ];
    let mut watchers = filters.map(|filter| s.watcher(&s.topic(filter), 0));
    for watcher in &mut watchers {
        watcher.subscribe(&[(s.topic("marker"), 0)]);
    }
    let mut publisher = s.client("p");
    for (name, _) in cases {
        publisher.publish(0x32, s.topic(name), name);
    }
    for (place, watcher) in watchers.iter_mut().enumerate() {
        for (name, _) in cases.iter().filter(|(_, matches)| matches[place]) {
            watcher.take(0x30, s.topic(name), name);
        }
        s.only_marker(watcher, &s.topic("marker"));
    }
}

fn mqtt_3_8_3_3_subscribe_needs_a_filter(s: &Server) {
    let t = field(s.topic("t"));
    let whole = subscribe(1, &[(s.topic("t"), 0)]);
    let bad = [
        hex("82 02 00 01"),
        hex("82 00"),
        hex("82 01 00"),
        hex("82 03 00 01 00"),
        frame(0x82, [&[0, 1], &t[..]].concat()),
        frame(0x82, [&[0, 1], &t[..], &[0], &t[..]].concat()),
        frame(0x82, [&whole[2..], &[0]].concat()),
        frame(0x82, [&whole[2..], &[0, 5]].concat()),
        frame(0x82, &whole[2..whole.len() - 2]),
    ];
    for packet in bad {
        let mut wire = s.client("a");
        wire.send(packet);
        wire.closed();
    }
}

fn mqtt_3_8_3_4_requested_qos_byte_is_0_1_2(s: &Server) {
    let (t, u) = (s.topic("t"), s.topic("u"));
    for qos in [0x03, 0x04, 0x05, 0x08, 0x10, 0x20, 0x2C, 0x40, 0x80, 0x81, 0xFF] {
        for filters in [vec![(&t, qos)], vec![(&t, 0), (&u, qos)], vec![(&u, qos), (&t, 1)]] {
            let mut wire = s.client("a");
            wire.send(subscribe(1, &filters));
            wire.closed();
        }
    }
    for qos in [0, 1, 2] {
        s.watcher(&t, qos).alive();
    }
}

fn mqtt_3_8_4_1_subscribe_gets_suback(s: &Server) {
    let mut wire = s.client("a");
    for number in 1..=5 {
        wire.send(subscribe(number, &[(s.topic(&number.to_string()), 1)]));
        wire.expect([0x90, 3, 0, number as u8, 1]);
        wire.quiet();
    }
    wire.send(subscribe(6, &[(s.topic("1"), 1)]));
    wire.expect([0x90, 3, 0, 6, 1]);
    wire.alive();
}

fn mqtt_3_8_4_2_suback_has_identifier_of_subscribe(s: &Server) {
    let ids = [5, 65_535, 1, 300, 7];
    let mut wire = s.client("a");
    wire.send(ids.map(|id| subscribe(id, &[(s.topic(&id.to_string()), 2)])).concat());
    let mut got = Vec::new();
    for _ in ids {
        let suback = wire.recv();
        assert_eq!((suback.len(), suback[0], suback[4]), (5, 0x90, 2));
        got.push(u16::from_be_bytes([suback[2], suback[3]]));
    }
    got.sort_unstable();
    assert_eq!(got, [1, 5, 7, 300, 65_535]);
    wire.quiet();
}

fn mqtt_3_8_4_3_identical_filter_replaces_subscription(s: &Server) {
    let t = s.topic("t");
    s.publish(0x33, &t, "kept");
    for filter in [t.clone(), s.topic("+")] {
        let mut wire = s.client("a");
        for qos in [0, 1, 0, 2, 2] {
            wire.subscribe(&[(&filter, qos)]);
            // Again with RETAIN 1, and a new message once, with the new QoS.
            wire.take(0x31 | qos.min(1) << 1, &t, "kept");
            s.publish(0x34, &t, "new");
            wire.take(0x30 | qos << 1, &t, "new");
            s.only_marker(&mut wire, &t);
        }
        // One UNSUBSCRIBE ends it.
        wire.unsubscribe(&[&filter]);
        s.publish(0x32, &t, "over");
        wire.subscribe(&[(s.topic("x/marker"), 0)]);
        s.only_marker(&mut wire, &s.topic("x/marker"));
    }
}

fn mqtt_3_8_4_3_identical_filter_replaces_subscription_without_a_gap(s: &Server) {
    const COUNT: usize = 150;
    let t = s.topic("t");
    let mut wire = s.watcher(&t, 1);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut publisher = s.client("p");
            for number in 0..COUNT {
                publisher.publish(0x32, &t, number.to_string());
            }
        });
        for number in 0..COUNT {
            if number % 3 == 0 {
                wire.subscribe(&[(&t, if number % 2 == 0 { 1 } else { 2 })]);
            }
            wire.take(0x32, &t, number.to_string());
        }
    });
    wire.quiet();
}

fn mqtt_3_8_4_4_many_filters_act_like_many_subscribes(s: &Server) {
    let names: Vec<String> = (0..50).map(|number| s.topic(&format!("{number}"))).collect();
    let filters: Vec<(&String, u8)> = names.iter().zip([0, 1, 2, 1, 0, 2, 2].into_iter().cycle()).collect();
    let mut publisher = s.client("p");
    for name in &names {
        publisher.publish(0x35, name, "kept");
    }
    let mut wire = s.client("a");
    let id = wire.fresh_id();
    wire.send(subscribe(id, &filters));
    let codes: Vec<u8> = filters.iter().map(|(_, qos)| *qos).collect();
    wire.await_packet(frame(0x90, [&id.to_be_bytes(), &codes[..]].concat()));
    let expected: BTreeMap<String, u8> = filters.iter().map(|(name, qos)| ((*name).clone(), *qos)).collect();
    for bit in [1, 0] {
        let mut seen = BTreeMap::new();
        for _ in &names {
            let message = wire.message();
            assert_eq!(message.first & 1, bit);
            wire.settle(&message);
            seen.insert(message.topic(), message.qos());
        }
        assert_eq!(seen, expected);
        if bit == 1 {
            for name in &names {
                publisher.publish(0x34, name, "live");
            }
        }
    }
    wire.quiet();
}

fn mqtt_3_8_4_5_one_return_code_for_each_filter(s: &Server) {
    let mut wire = s.client("a");
    for count in [1, 2, 7, 130] {
        let filters: Vec<(String, u8)> = (0..count).map(|n| (s.topic(&format!("{count}/{n}")), n % 3)).collect();
        wire.send(subscribe(9, &filters));
        let codes: Vec<u8> = filters.iter().map(|(_, qos)| *qos).collect();
        wire.expect(frame(0x90, [&[0, 9], &codes[..]].concat()));
    }
}

fn mqtt_3_8_4_6_delivered_qos_is_minimum(s: &Server) {
    for granted in 0..3 {
        let t = s.topic(&granted.to_string());
        let mut watcher = s.watcher(&t, granted);
        let mut wild = s.watcher(&s.topic("+"), granted);
        for published in 0..3 {
            s.publish(0x30 | published << 1, &t, "x");
            watcher.take(0x30 | published.min(granted) << 1, &t, "x");
            wild.take(0x30 | published.min(granted) << 1, &t, "x");
        }
        watcher.quiet();
        s.only_marker(&mut wild, &t);
    }
}

fn mqtt_3_9_3_1_return_codes_in_order(s: &Server) {
    let mut wire = s.client("a");
    let filters = [("a", 2), ("#", 0), ("+/b", 1), ("d", 0), ("e/#", 2)].map(|(name, qos)| (s.topic(name), qos));
    wire.send(subscribe(0x0102, &filters));
    wire.expect(hex("90 07 01 02 02 00 01 00 02"));
    wire.send(subscribe(3, &filters.into_iter().rev().collect::<Vec<_>>()));
    wire.expect(hex("90 07 00 03 02 00 01 00 02"));
}

fn mqtt_3_9_3_2_return_codes_are_0_1_2_80(s: &Server) {
    let usual = [
        "a",
        "a/b",
        "#",
        "+",
        "+/+",
        "/",
        "//",
        " ",
        "a b",
        "ä/€/😀",
        "$SYS/#",
        "$SYS/broker/version",
        "$x/y",
    ];
    let unusual = [
        "$share/g/a",
        "$share/g/#",
        "$queue/a",
        "$",
        "$/+",
        "+/$SYS/#",
        "\u{FEFF}",
        "a//b",
    ];
    let long = "x/".repeat(100) + "x";
    let mut wire = s.client("a");
    for filter in usual.into_iter().chain(unusual).chain([long.as_str()]) {
        for qos in 0..3 {
            let id = wire.fresh_id();
            wire.send(subscribe(id, &[(filter, qos)]));
            loop {
                let packet = wire.recv();
                // Retained messages of others may come between, on a foreign server.
                if packet[0] == 0x90 {
                    let [high, low] = id.to_be_bytes();
                    assert_eq!(packet[..4], [0x90, 3, high, low], "{filter}");
                    assert!(packet[4] <= qos || packet[4] == 0x80, "{filter}: {packet:?}");
                    break;
                }
            }
        }
        // Otherwise a foreign server's other tests would fill this connection.
        let id = wire.fresh_id();
        wire.send(burgee_conformance::unsubscribe(id, &[filter]));
        wire.await_packet(ack(0xB0, id));
    }
}
