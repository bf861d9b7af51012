//! Section 3.1: the gate. First packet, protocol name and level, client identifiers, what a valid CONNECT is.

use std::sync::Barrier;
use std::thread;

use burgee_conformance::packet::{DISCONNECT, PINGREQ, PINGRESP};
use burgee_conformance::{
    Connect, Next, PATIENCE, Server, Wire, ack, frame, hex, proofs, publish, subscribe, unsubscribe,
};

use crate::c1_data::ILL_FORMED;

proofs![
    mqtt_3_1_0_1_first_packet_is_connect,
    mqtt_3_1_0_2_second_connect_closes,
    mqtt_3_1_0_2_second_connect_closes_and_touches_no_session,
    mqtt_3_1_2_1_wrong_protocol_name_is_not_served,
    mqtt_3_1_2_2_unsupported_level_gets_connack_01,
    mqtt_3_1_2_2_unsupported_level_gets_connack_01_for_level_5,
    mqtt_3_1_2_3_reserved_connect_flag_closes,
    mqtt_3_1_3_1_connect_payload_order,
    mqtt_3_1_3_2_client_id_names_the_session,
    mqtt_3_1_3_3_client_id_is_present_and_first,
    mqtt_3_1_3_4_client_id_is_utf8,
    mqtt_3_1_3_5_client_ids_of_1_to_23_alphanumerics_accepted,
    mqtt_3_1_3_6_empty_client_id_gets_a_unique_id,
    mqtt_3_1_3_8_empty_client_id_with_clean0_gets_connack_02,
    mqtt_3_1_3_9_rejected_client_id_gets_connack_02,
    mqtt_3_1_3_10_will_topic_is_utf8,
    mqtt_3_1_3_11_user_name_is_utf8,
    mqtt_3_1_4_1_malformed_connect_closes_without_connack,
    mqtt_3_1_4_2_same_client_id_disconnects_the_old,
    mqtt_3_1_4_2_same_client_id_disconnects_the_old_exactly_one_of_two_at_once,
    mqtt_3_1_4_4_valid_connect_gets_connack_00,
    mqtt_3_1_4_5_nothing_after_rejected_connect_is_processed,
];

/// Sends a CONNECT on a fresh connection; the server closes without a byte.
#[track_caller]
fn refused(s: &Server, connect: impl AsRef<[u8]>) {
    let mut wire = s.raw();
    wire.send(connect);
    wire.closed();
}

fn mqtt_3_1_0_1_first_packet_is_connect(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 2);
    let first = [
        publish(0x30, &t, 0, "x"),
        publish(0x31, &t, 0, "x"),
        publish(0x33, &t, 1, "x"),
        publish(0x34, &t, 1, "x"),
        subscribe(1, &[(&t, 0)]),
        unsubscribe(1, &[&t]),
        PINGREQ.to_vec(),
        DISCONNECT.to_vec(),
        ack(0x40, 1),
        ack(0x50, 1),
        ack(0x62, 1),
        ack(0x70, 1),
        hex("20020000"),
        hex("9003000100"),
        ack(0xB0, 1),
        PINGRESP.to_vec(),
    ];
    for packet in first {
        refused(s, &packet);
        // A CONNECT behind it in the same segment does not heal it.
        refused(s, [packet, Connect::new(s.id("a")).bytes()].concat());
    }
    s.only_marker(&mut watcher, &t);
    s.nothing_retained(&t);
}

fn mqtt_3_1_0_2_second_connect_closes(s: &Server) {
    let w = s.topic("will");
    let mut watcher = s.watcher(&w, 1);
    let first = Connect::new(s.id("a")).will(0x04, &w, "gone");
    let seconds = [
        Connect::new(s.id("a")),
        Connect::new(s.id("b")),
        first.clone(),
        Connect::new(s.id("a")).persistent(),
        Connect::new(s.id("a")).protocol("MQTT", 9),
    ];
    for second in seconds {
        let mut wire = s.open(&first);
        wire.send(second.bytes());
        wire.closed();
        watcher.take(0x30, &w, "gone");
        // Both in one segment: one CONNACK, then the end.
        let mut wire = s.raw();
        wire.send([first.bytes(), second.bytes()].concat());
        wire.expect([0x20, 2, 0, 0]);
        wire.closed();
        watcher.take(0x30, &w, "gone");
    }
    s.only_marker(&mut watcher, &w);
}

fn mqtt_3_1_0_2_second_connect_closes_and_touches_no_session(s: &Server) {
    let t = s.topic("t");
    let mut stored = s.session("stored", false);
    stored.subscribe(&[(&t, 1)]);
    stored.disconnect();
    let mut other = s.client("other");
    for victim in ["stored", "other"] {
        let mut wire = s.client("a");
        wire.send(Connect::new(s.id(victim)).bytes());
        wire.closed();
    }
    other.alive();
    s.publish(0x32, &t, "kept");
    let mut stored = s.session("stored", true);
    stored.take(0x32, &t, "kept");
}

fn mqtt_3_1_2_1_wrong_protocol_name_is_not_served(s: &Server) {
    for name in ["MQTX", "mqtt", "MQT", "MQTTT", "", "MQIsdP", "Mqtt", "MQTT\u{FEFF}"] {
        for level in [3, 4] {
            refused(s, Connect::new(s.id("a")).protocol(name, level).bytes());
        }
    }
}

fn mqtt_3_1_2_2_unsupported_level_gets_connack_01(s: &Server) {
    for level in [0, 1, 2, 3, 6, 9, 0x7F] {
        let mut wire = s.raw();
        wire.send(Connect::new(s.id("a")).protocol("MQTT", level).bytes());
        wire.expect([0x20, 2, 0, 1]);
        wire.closed();
        // Name and level decide, whatever form the rest may have at that level.
        let mut wire = s.raw();
        let rest = [&hex("0004 4D515454")[..], &[level], &hex("FFFFFF 10 22 00 01 FF")].concat();
        wire.send(frame(0x10, rest));
        wire.expect([0x20, 2, 0, 1]);
        wire.closed();
    }
}

fn mqtt_3_1_2_2_unsupported_level_gets_connack_01_for_level_5(s: &Server) {
    // A CONNECT of MQTT 5 with a property (session expiry) before the client identifier; and the bridge bit.
    let five = hex("0004 4D515454 05 02 003C 05 11 0000000A 0001 61");
    let mut wire = s.raw();
    wire.send(frame(0x10, five));
    wire.expect([0x20, 2, 0, 1]);
    wire.closed();
    for level in [5, 0x80, 0x83, 0x84, 0xFF] {
        let mut wire = s.raw();
        wire.send(Connect::new(s.id("a")).protocol("MQTT", level).bytes());
        wire.expect([0x20, 2, 0, 1]);
        wire.closed();
    }
}

fn mqtt_3_1_2_3_reserved_connect_flag_closes(s: &Server) {
    for flags in [0x03, 0x01] {
        refused(s, Connect::new(s.id("a")).flags(flags).bytes());
    }
    refused(
        s,
        Connect::new(s.id("a"))
            .will(0x04, s.topic("w"), "x")
            .flags(0x07)
            .bytes(),
    );
    refused(s, Connect::new(s.id("a")).user("u").password("p").flags(0xC3).bytes());
}

fn mqtt_3_1_3_1_connect_payload_order(s: &Server) {
    let w = s.topic("will");
    let mut watcher = s.watcher(&w, 2);
    let connect = Connect::new(s.id("a"))
        .will(0x0C, &w, "the will")
        .user("the user")
        .password("the password");
    s.open(&connect).cut();
    watcher.take(0x32, &w, "the will");
    s.only_marker(&mut watcher, &w);
}

fn mqtt_3_1_3_2_client_id_names_the_session(s: &Server) {
    for name in ["case", "CASE", "case "] {
        let mut wire = s.session(name, false);
        wire.subscribe(&[(s.topic(name), 1)]);
        wire.disconnect();
    }
    for name in ["CASE", "case ", "case"] {
        s.publish(0x32, &s.topic(name), name);
    }
    for name in ["case", "CASE", "case "] {
        let mut wire = s.session(name, true);
        wire.take(0x32, s.topic(name), name);
        s.only_marker(&mut wire, &s.topic(name));
        wire.disconnect();
    }
    for name in ["cas", "case  ", " case", "caſe", "Case"] {
        s.session(name, false).disconnect();
    }
}

fn mqtt_3_1_3_3_client_id_is_present_and_first(s: &Server) {
    let header = hex("0004 4D515454 04 02 003C");
    for payload in ["", "00", "01", "0002 61", "FFFF 61", "0001"] {
        refused(s, frame(0x10, [header.clone(), hex(payload)].concat()));
    }
}

fn mqtt_3_1_3_4_client_id_is_utf8(s: &Server) {
    for bad in ILL_FORMED {
        refused(s, Connect::new([s.id("a").as_bytes(), &hex(bad)].concat()).bytes());
        refused(s, Connect::new(hex(bad)).persistent().bytes());
    }
}

fn mqtt_3_1_3_5_client_ids_of_1_to_23_alphanumerics_accepted(s: &Server) {
    let all = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut ids: Vec<&str> = (0..all.len()).map(|at| &all[at..=at]).collect();
    ids.extend([&all[..22], &all[..23], &all[22..44], &all[39..]]);
    for id in ids {
        s.open(&Connect::new(id)).disconnect();
    }
    // Each length once.
    for length in 1..=23 {
        s.open(&Connect::new(&all[length..length * 2])).disconnect();
    }
}

fn mqtt_3_1_3_6_empty_client_id_gets_a_unique_id(s: &Server) {
    let mut all: Vec<Wire> = (0..8).map(|_| s.open(&Connect::new(""))).collect();
    for (number, wire) in all.iter_mut().enumerate() {
        wire.subscribe(&[(s.topic(&number.to_string()), 0)]);
    }
    for number in 0..all.len() {
        s.publish(0x30, &s.topic(&number.to_string()), "x");
    }
    for (number, wire) in all.iter_mut().enumerate() {
        wire.take(0x30, s.topic(&number.to_string()), "x");
        wire.alive();
    }
}

fn mqtt_3_1_3_8_empty_client_id_with_clean0_gets_connack_02(s: &Server) {
    let mut wire = s.raw();
    wire.send(hex("10 0C 00 04 4D 51 54 54 04 00 00 1E 00 00"));
    wire.expect(hex("20 02 00 02"));
    wire.closed();
}

fn mqtt_3_1_3_9_rejected_client_id_gets_connack_02(s: &Server) {
    let mut wire = s.raw();
    wire.send(
        Connect::new("")
            .persistent()
            .will(0x04, s.topic("w"), "x")
            .user("u")
            .bytes(),
    );
    wire.expect([0x20, 2, 0, 2]);
    wire.closed();
    let tag = s.id("");
    let long = tag.clone() + &"x".repeat(65_535 - tag.len());
    let odd = [" ", "a b", "/", "+", "#", "$SYS", "a/b/+/#", "ä€😀", "'\";--", "%s%n"];
    let ids = odd
        .iter()
        .map(|odd| format!("{tag}{odd}"))
        .chain(["abcdefghijklmnopqrstuvwx".into(), long]);
    for id in ids {
        let mut wire = s.raw();
        wire.send(Connect::new(&id).bytes());
        // The statement allows 20 02 00 00 or a refusal with code 2; our decision D4 is to accept them all.
        wire.expect([0x20, 2, 0, 0]);
        wire.alive();
    }
}

fn mqtt_3_1_3_10_will_topic_is_utf8(s: &Server) {
    for bad in ILL_FORMED {
        let topic = [s.topic("w").as_bytes(), &hex(bad)].concat();
        refused(s, Connect::new(s.id("a")).will(0x04, topic, "x").bytes());
    }
}

fn mqtt_3_1_3_11_user_name_is_utf8(s: &Server) {
    for bad in ILL_FORMED {
        refused(s, Connect::new(s.id("a")).user(hex(bad)).bytes());
        refused(
            s,
            Connect::new(s.id("a"))
                .user([b"u", &hex(bad)[..]].concat())
                .password("p")
                .bytes(),
        );
    }
}

fn mqtt_3_1_4_1_malformed_connect_closes_without_connack(s: &Server) {
    let id = s.id("a");
    let w = s.topic("w");
    let whole = Connect::new(&id).will(0x04, &w, "x").user("u").password("p");
    let body = whole.body();
    // Cut at every place: 10 00, within the name, the flags, the keep alive, each field. Name and level decide about
    // level 4 only when all is well, so no cut may be answered.
    for length in 0..body.len() {
        refused(s, frame(0x10, &body[..length]));
    }
    let malformed = [
        Connect::new(&id).tail([0]),
        whole.clone().tail([0]),
        whole.tail("tail"),
        Connect::new(&id).will(0x04, "", "x"),
        Connect::new(&id).will(0x04, format!("{w}/#"), "x"),
        Connect::new(&id).will(0x04, format!("{w}/+/b"), "x"),
        Connect::new(&id).will(0x04, format!("{w}\0"), "x"),
        Connect::new(&id).flags(0x03),
        Connect::new(&id).flags(0x22),
    ];
    for connect in malformed {
        refused(s, connect.bytes());
    }
    // The length of the name reaches beyond the packet; a longer name swallows the rest.
    for name in ["0005", "0100", "FFFF", "0003", "0000"] {
        let mut body = Connect::new(&id).body();
        body.splice(..2, hex(name));
        refused(s, frame(0x10, body));
    }
}

fn mqtt_3_1_4_2_same_client_id_disconnects_the_old(s: &Server) {
    let t = s.topic("t");
    let mut wires = vec![s.client("a")];
    for round in 0..4 {
        let connect = Connect::new(s.id("a"));
        let mut next = s.open(&if round % 2 == 0 { connect.persistent() } else { connect });
        wires.last_mut().unwrap().closed();
        next.subscribe(&[(&t, 0)]);
        s.publish(0x30, &t, "works");
        next.take(0x30, &t, "works");
        wires.push(next);
    }
    // A CONNECT that is refused or malformed throws nobody out.
    let id = s.id("a");
    refused(s, Connect::new(&id).flags(0x03).bytes());
    refused(s, Connect::new(&id).tail([0]).bytes());
    let mut wire = s.raw();
    wire.send(Connect::new(&id).protocol("MQTT", 9).bytes());
    wire.expect([0x20, 2, 0, 1]);
    wires.last_mut().unwrap().alive();
}

fn mqtt_3_1_4_2_same_client_id_disconnects_the_old_exactly_one_of_two_at_once(s: &Server) {
    for round in 0..20 {
        let connect = Connect::new(s.id(&round.to_string())).bytes();
        let barrier = Barrier::new(4);
        let mut wires: Vec<Wire> = thread::scope(|scope| {
            let one = || {
                let mut wire = s.raw();
                barrier.wait();
                wire.send(&connect);
                wire
            };
            let all: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        for wire in &mut wires {
            // Whoever is thrown out before its CONNACK was written may see the end alone.
            if let Next::Packet(packet) = wire.next(PATIENCE) {
                assert_eq!(packet, [0x20, 2, 0, 0]);
            }
        }
        let living = wires.iter_mut().filter_map(|wire| {
            wire.send(PINGREQ);
            (wire.next(PATIENCE) == Next::Packet(PINGRESP.to_vec())).then_some(())
        });
        assert_eq!(living.count(), 1);
    }
}

fn mqtt_3_1_4_4_valid_connect_gets_connack_00(s: &Server) {
    let id = s.id("a");
    let w = s.topic("w");
    let valid = [
        Connect::new(&id),
        Connect::new(&id).persistent(),
        Connect::new(&id).keep_alive(0xFFFF),
        Connect::new(&id).keep_alive(0),
        Connect::new(&id).user("u"),
        Connect::new(&id).user("").password(""),
        Connect::new(&id).user("u").password(""),
        Connect::new(&id).user("u").password([0, 0xFF, 0]),
        Connect::new(&id).will(0x04, &w, ""),
        Connect::new(&id).will(0x34, &w, "x").user("u").password("p"),
        Connect::new("").keep_alive(10),
    ];
    for connect in valid {
        let mut wire = s.raw();
        wire.send(connect.bytes());
        let answer = wire.recv();
        assert_eq!(
            (answer.len(), answer[0], answer[1], answer[3]),
            (4, 0x20, 2, 0),
            "for {connect:?}"
        );
        wire.alive();
        wire.disconnect();
    }
    // A remaining length written longer than necessary is not forbidden in 3.1.1.
    let body = Connect::new(&id).body();
    let mut wire = s.raw();
    wire.send([&[0x10, body.len() as u8 | 0x80, 0x80, 0x00], &body[..]].concat());
    assert_eq!(wire.recv()[3], 0);
}

fn mqtt_3_1_4_5_nothing_after_rejected_connect_is_processed(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 2);
    let behind = [
        publish(0x31, &t, 0, "x"),
        publish(0x33, &t, 1, "x"),
        publish(0x35, &t, 2, "x"),
        DISCONNECT.to_vec(),
    ]
    .concat();
    let id = s.id("a");
    // A wrong password joins them when there are passwords.
    let rejected = [
        (Connect::new("").persistent(), Some(2)),
        (Connect::new(&id).protocol("MQTT", 9), Some(1)),
        (Connect::new(&id).flags(0x03), None),
        (Connect::new(&id).tail([0]), None),
        (Connect::new(&id).protocol("MQTX", 4), None),
    ];
    for (connect, code) in rejected {
        let mut wire = s.raw();
        wire.send([&connect.bytes(), &behind[..]].concat());
        if let Some(code) = code {
            wire.expect([0x20, 2, 0, code]);
        }
        wire.closed();
    }
    s.only_marker(&mut watcher, &t);
    s.nothing_retained(&t);
}
