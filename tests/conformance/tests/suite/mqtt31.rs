//! MQTT 3.1 (`MQIsdp`, level 3) by its own rules, side by side with 3.1.1 (D1).

use burgee_conformance::{Connect, Next, PATIENCE, Server, Wire, ack, field, proofs, publish, subscribe, unsubscribe};

proofs![
    mqtt31_client_is_served,
    mqtt31_session_is_resumed,
    mqtt31_dup_on_pubrel_subscribe_and_unsubscribe,
    mqtt31_announced_credentials_may_be_absent,
    mqtt31_empty_client_id_is_refused,
    mqtt31_name_with_another_level_is_not_served,
    mqtt31_will_and_other_versions,
];

fn connect(id: &str) -> Connect {
    Connect::new(id).protocol("MQIsdp", 3)
}

fn open(s: &Server, name: &str) -> Wire {
    s.open(&connect(&s.id(name)))
}

fn mqtt31_client_is_served(s: &Server) {
    let t = s.topic("t");
    let mut wire = open(s, "a");
    wire.subscribe(&[(&t, 2)]);
    for first in [0x30, 0x32, 0x34] {
        wire.publish(first, &t, "x");
        wire.take(first, &t, "x");
    }
    wire.unsubscribe(&[&t]);
    wire.alive();
    wire.disconnect();
}

fn mqtt31_session_is_resumed(s: &Server) {
    let t = s.topic("t");
    let connect = connect(&s.id("a")).persistent();
    // Session present was a reserved byte in 3.1: 0.
    let mut wire = s.open(&connect);
    wire.subscribe(&[(&t, 1)]);
    wire.disconnect();
    s.publish(0x32, &t, "stored");
    let mut wire = s.open(&connect);
    let id = wire.delivered(0x32, &t, "stored");
    wire.cut();
    let mut wire = s.open(&connect);
    assert_eq!(wire.delivered(0x3A, &t, "stored"), id);
}

fn mqtt31_dup_on_pubrel_subscribe_and_unsubscribe(s: &Server) {
    let t = s.topic("t");
    let mut wire = open(s, "a");
    let dup = |mut packet: Vec<u8>| {
        packet[0] |= 0x08;
        packet
    };
    wire.send(dup(subscribe(1, &[(&t, 2)])));
    wire.expect([0x90, 3, 0, 1, 2]);
    wire.send(publish(0x34, &t, 2, "x"));
    wire.await_packet(ack(0x50, 2));
    wire.send(dup(ack(0x62, 2)));
    wire.await_packet(ack(0x70, 2));
    wire.take(0x34, &t, "x");
    wire.send(dup(unsubscribe(3, &[&t])));
    wire.expect(ack(0xB0, 3));
    wire.alive();
}

fn mqtt31_announced_credentials_may_be_absent(s: &Server) {
    // User name and password flags set, the payload ends before them or between them.
    s.open(&connect(&s.id("a")).flags(0x82)).alive();
    s.open(&connect(&s.id("b")).flags(0xC2)).alive();
    s.open(&connect(&s.id("c")).flags(0xC2).tail(field("user"))).alive();
    s.open(&connect(&s.id("d")).user("user").password("password")).alive();
}

fn mqtt31_empty_client_id_is_refused(s: &Server) {
    // 3.1 wants one to 23 characters.
    let mut wire = s.raw();
    wire.send(connect("").bytes());
    wire.expect([0x20, 2, 0, 2]);
    wire.closed();
}

fn mqtt31_name_with_another_level_is_not_served(s: &Server) {
    for level in [0, 2, 4, 5, 0x83] {
        let mut wire = s.raw();
        wire.send(connect(&s.id("a")).protocol("MQIsdp", level).bytes());
        // The name is known, the level is not: code 1 or nothing, then the end.
        match wire.next(PATIENCE) {
            Next::Closed => {}
            Next::Packet(packet) => {
                assert_eq!(packet, [0x20, 2, 0, 1]);
                wire.closed();
            }
            Next::Silent => panic!("neither answered nor closed"),
        }
    }
}

fn mqtt31_will_and_other_versions(s: &Server) {
    let w = s.topic("will");
    let mut new = s.watcher(&w, 2);
    let mut old = open(s, "watcher");
    old.subscribe(&[(&w, 1)]);
    s.open(&connect(&s.id("a")).will(0x34, &w, "gone")).cut();
    new.take(0x34, &w, "gone");
    old.take(0x32, &w, "gone");
    let mut late = open(s, "late");
    late.subscribe(&[(&w, 2)]);
    late.take(0x35, &w, "gone");
    // A client may come back with the other version.
    let mut wire = open(s, "both");
    let mut next = s.client("both");
    wire.closed();
    next.alive();
}
