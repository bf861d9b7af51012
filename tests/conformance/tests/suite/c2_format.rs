//! Chapter 2: first bytes and packet identifiers.

use std::collections::BTreeMap;

use burgee_conformance::packet::{DISCONNECT, PINGREQ, PINGRESP};
use burgee_conformance::{Connect, Server, Wire, ack, hex, proofs, publish, subscribe, unsubscribe};

proofs![
    mqtt_2_2_2_1_reserved_flags_as_in_the_table,
    mqtt_2_2_2_2_invalid_flags_close,
    mqtt_2_2_2_2_invalid_flags_close_before_the_body,
    mqtt_2_3_1_1_packet_identifier_is_not_zero,
    mqtt_2_3_1_1_packet_identifier_is_not_zero_after_65535_messages,
    mqtt_2_3_1_4_server_identifiers_follow_the_same_rules,
    mqtt_2_3_1_5_qos0_publish_has_no_identifier,
    mqtt_2_3_1_6_publish_acks_carry_the_identifier,
    mqtt_2_3_1_7_suback_unsuback_carry_the_identifier,
];

fn mqtt_2_2_2_1_reserved_flags_as_in_the_table(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.raw();
    wire.send(Connect::new(s.id("a")).bytes());
    let mut first = Vec::new();
    let mut step = |wire: &mut Wire, packet: Vec<u8>| {
        wire.send(packet);
        first.push(wire.recv()[0]);
    };
    step(&mut wire, Vec::new());
    step(&mut wire, publish(0x32, &t, 1, "nobody"));
    step(&mut wire, publish(0x34, &t, 2, "nobody"));
    step(&mut wire, ack(0x62, 2));
    step(&mut wire, subscribe(3, &[(&t, 2)]));
    step(&mut wire, PINGREQ.to_vec());
    s.publish(0x34, &t, "x");
    let id = wire.delivered(0x34, &t, "x");
    step(&mut wire, ack(0x50, id));
    wire.send(ack(0x70, id));
    step(&mut wire, unsubscribe(4, &[&t]));
    assert_eq!(first, [0x20, 0x40, 0x50, 0x70, 0x90, 0xD0, 0x62, 0xB0]);
}

fn mqtt_2_2_2_2_invalid_flags_close(s: &Server) {
    let t = s.topic("t");
    let good = [
        ack(0x40, 1),
        ack(0x50, 1),
        ack(0x62, 1),
        ack(0x70, 1),
        subscribe(1, &[(&t, 0)]),
        unsubscribe(1, &[&t]),
        PINGREQ.to_vec(),
        DISCONNECT.to_vec(),
    ];
    for packet in &good {
        for flags in (0..16).filter(|flags| *flags != packet[0] & 0x0F) {
            let mut bad = packet.clone();
            bad[0] = packet[0] & 0xF0 | flags;
            let mut wire = s.client("a");
            wire.send(&bad);
            wire.closed();
        }
    }
    for flags in 1..16 {
        let mut bad = Connect::new(s.id("a")).bytes();
        bad[0] |= flags;
        let mut wire = s.raw();
        wire.send(bad);
        wire.closed();
    }
}

fn mqtt_2_2_2_2_invalid_flags_close_before_the_body(s: &Server) {
    // The first byte is wrong and 256 MiB are announced: nobody should wait for them.
    for first in [0x41, 0x60, 0x80, 0xA0, 0xC1, 0xE1] {
        let mut wire = s.client("a");
        wire.send([first, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1]);
        wire.closed();
    }
}

fn mqtt_2_3_1_1_packet_identifier_is_not_zero(s: &Server) {
    let t = s.topic("t");
    let bad = [
        subscribe(0, &[(&t, 0)]),
        unsubscribe(0, &[&t]),
        publish(0x32, &t, 0, "x"),
        publish(0x33, &t, 0, "x"),
        publish(0x34, &t, 0, "x"),
    ];
    let mut watcher = s.watcher(&t, 2);
    for packet in bad {
        let mut wire = s.client("a");
        wire.send(packet);
        wire.closed();
    }
    s.only_marker(&mut watcher, &t);
    s.nothing_retained(&t);
}

fn mqtt_2_3_1_1_packet_identifier_is_not_zero_after_65535_messages(s: &Server) {
    const BATCH: u16 = 16;
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 1);
    let mut publisher = s.client("p");
    // One stays open all the time: its identifier is passed over when the numbers begin anew.
    publisher.publish(0x32, &t, "open");
    let open = watcher.delivered(0x32, &t, "open");
    let mut seen = 0_u32;
    for round in 0..(65_700 / u32::from(BATCH)) {
        let batch: Vec<u8> = (1..=BATCH)
            .flat_map(|id| publish(0x32, &t, id, round.to_be_bytes()))
            .collect();
        publisher.send(batch);
        let mut acks = Vec::new();
        for _ in 0..BATCH {
            // `message` refuses identifier 0.
            let message = watcher.message();
            assert_eq!(
                (message.first, message.payload.as_slice()),
                (0x32, &round.to_be_bytes()[..])
            );
            assert_ne!(message.id, open, "this identifier is in use");
            acks.extend(ack(0x40, message.id));
            seen += 1;
        }
        watcher.send(acks);
        for id in 1..=BATCH {
            publisher.expect(ack(0x40, id));
        }
    }
    assert!(seen > 65_536);
}

fn mqtt_2_3_1_4_server_identifiers_follow_the_same_rules(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.session("w", false);
    watcher.subscribe(&[(&t, 1)]);
    let mut publisher = s.client("p");
    let mut open = BTreeMap::new();
    let more = |watcher: &mut Wire, publisher: &mut Wire, open: &mut BTreeMap<u16, String>, from: u32| {
        for number in from..from + 8 {
            publisher.publish(0x32, &t, number.to_string());
            let message = watcher.message();
            let taken = open.insert(message.id, message.text());
            assert_eq!(taken, None, "identifier {} is in use", message.id);
        }
    };
    more(&mut watcher, &mut publisher, &mut open, 0);
    // Some become free, not the first ones only; the next messages keep clear of those that are open.
    let free: Vec<u16> = open.keys().copied().step_by(3).collect();
    for id in free {
        watcher.send(ack(0x40, id));
        open.remove(&id);
    }
    watcher.alive();
    more(&mut watcher, &mut publisher, &mut open, 8);
    watcher.cut();

    let mut watcher = s.session("w", true);
    let mut again = BTreeMap::new();
    for _ in 0..open.len() {
        let message = watcher.message();
        assert_eq!(message.first, 0x3A);
        again.insert(message.id, message.text());
    }
    assert_eq!(again, open);
    more(&mut watcher, &mut publisher, &mut open, 16);

    // The other direction has numbers of its own.
    let taken = *open.keys().next().unwrap();
    watcher.send(publish(0x32, s.topic("other"), taken, "x"));
    watcher.expect(ack(0x40, taken));
    watcher.cut();
    let mut watcher = s.session("w", true);
    for _ in 0..open.len() {
        let message = watcher.message();
        assert_eq!(open.remove(&message.id), Some(message.text()));
    }
}

fn mqtt_2_3_1_5_qos0_publish_has_no_identifier(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 0);
    for first in [0x30, 0x32, 0x34] {
        s.publish(first, &t, "payload");
        watcher.expect(publish(0x30, &t, 0, "payload"));
    }
    let mut watcher = s.watcher(&t, 2);
    s.publish(0x30, &t, "payload");
    watcher.expect(publish(0x30, &t, 0, "payload"));
}

fn mqtt_2_3_1_6_publish_acks_carry_the_identifier(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.client("a");
    for id in [0x0001, 0x00FF, 0x0100, 0x1234, 0xFFFF] {
        let [high, low] = u16::to_be_bytes(id);
        wire.send(publish(0x32, &t, id, "x"));
        wire.expect([0x40, 2, high, low]);
        wire.send(publish(0x34, &t, id, "x"));
        wire.expect([0x50, 2, high, low]);
        wire.send([0x62, 2, high, low]);
        wire.expect([0x70, 2, high, low]);
    }
    // And for the server's own QoS 2 messages: PUBREL.
    let mut watcher = s.watcher(&t, 2);
    for _ in 0..3 {
        wire.publish(0x34, &t, "y");
        let [high, low] = watcher.delivered(0x34, &t, "y").to_be_bytes();
        watcher.send([0x50, 2, high, low]);
        watcher.expect([0x62, 2, high, low]);
        watcher.send([0x70, 2, high, low]);
    }
}

fn mqtt_2_3_1_7_suback_unsuback_carry_the_identifier(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.client("a");
    for id in [0x0001, 0x0100, 0x8001, 0xFFFF] {
        let [high, low] = u16::to_be_bytes(id);
        wire.send(subscribe(id, &[(&t, 1)]));
        wire.expect([0x90, 3, high, low, 1]);
        wire.send(unsubscribe(id, &[&t]));
        wire.expect([0xB0, 2, high, low]);
    }
    wire.send(hex("C000"));
    wire.expect(PINGRESP);
}
