//! Section 4.8: violations close the connection on which they came, and no other.

use burgee_conformance::{Connect, Server, ack, hex, proofs, publish};

proofs![
    mqtt_4_8_0_1_protocol_violation_closes,
    d29_identifier_zero_in_acknowledgements_closes,
    d29_unknown_identifiers,
    d29_wrong_kind_of_acknowledgement_closes,
];

fn mqtt_4_8_0_1_protocol_violation_closes(s: &Server) {
    let (t, w) = (s.topic("t"), s.topic("will"));
    let mut watcher = s.watcher(&w, 1);
    let mut bystander = s.client("bystander");
    bystander.subscribe(&[(&t, 1)]);
    let violations = [
        // Types 0 and 15, with and without a body.
        "0000",
        "00 02 0001",
        "0F00",
        "F000",
        "F0 02 0001",
        "FF00", // Packets that only a server sends.
        "20 02 0000",
        "90 03 0001 00",
        "B0 02 0001",
        "D000", // A fifth length byte, or a fourth that asks for one.
        "30 FFFFFFFF 01",
        "30 80808080 00",
        "C0 80808080 00",
        "40 82808080 00 0001",
        // Fixed sizes.
        "40 00",
        "40 01 00",
        "40 03 000100",
        "40 04 00010000",
        "50 00",
        "50 01 00",
        "50 03 000100",
        "62 00",
        "62 01 00",
        "62 03 000100",
        "70 00",
        "70 01 00",
        "70 03 000100",
        "C0 01 00",
        "C0 02 0000",
        "E0 01 00",
        "E0 02 0000", // MQTT 5's AUTH.
        "F0 00",
    ];
    for digits in violations {
        let mut wire = s.open(&Connect::new(s.id("a")).will(0x0C, &w, digits));
        wire.send(hex(digits));
        wire.closed();
        // Every close here publishes the will.
        watcher.take(0x32, &w, digits);
    }
    bystander.alive();
    s.publish(0x32, &t, "still there");
    bystander.take(0x32, &t, "still there");
    // A remaining length written longer than necessary is none of these.
    bystander.send(hex("C0 80 00"));
    bystander.expect(hex("D0 00"));
    bystander.send(hex("C0 80 80 80 00"));
    bystander.expect(hex("D0 00"));
}

fn d29_identifier_zero_in_acknowledgements_closes(s: &Server) {
    for first in [0x40, 0x50, 0x62, 0x70] {
        let mut wire = s.client("a");
        wire.send(ack(first, 0));
        wire.closed();
    }
}

fn d29_unknown_identifiers(s: &Server) {
    let mut wire = s.client("a");
    for id in [1, 255, 65_535] {
        wire.send(ack(0x62, id));
        wire.expect(ack(0x70, id));
        wire.send(ack(0x50, id));
        wire.expect(ack(0x62, id));
        wire.send(ack(0x70, id));
        wire.send(ack(0x40, id));
        wire.alive();
    }
    wire.quiet();
}

fn d29_wrong_kind_of_acknowledgement_closes(s: &Server) {
    let t = s.topic("t");
    for (first, wrong) in [(0x34, 0x40), (0x32, 0x50), (0x32, 0x70)] {
        let mut wire = s.watcher(&t, 2);
        s.publish(first, &t, "x");
        let id = wire.delivered(first, &t, "x");
        wire.send(ack(wrong, id));
        wire.closed();
    }
    // PUBACK behind PUBREC is as wrong.
    let mut wire = s.watcher(&t, 2);
    s.publish(0x34, &t, "x");
    let id = wire.delivered(0x34, &t, "x");
    wire.send(ack(0x50, id));
    wire.expect(ack(0x62, id));
    wire.send(ack(0x40, id));
    wire.closed();
    // The two directions do not mix: PUBREL for the server's own message is for an unknown one of the client's.
    let mut wire = s.watcher(&t, 1);
    s.publish(0x32, &t, "x");
    let id = wire.delivered(0x32, &t, "x");
    wire.send(ack(0x62, id));
    wire.expect(ack(0x70, id));
    wire.send(publish(0x32, &t, id, "own"));
    wire.await_packet(ack(0x40, id));
    wire.take(0x32, &t, "own");
}
