//! Decisions about acknowledgements and re-sending: D29 to D33.

use std::time::Duration;

use burgee_conformance::{Server, ack, proofs, publish};

proofs![
    d30_qos2_is_handed_on_at_publish,
    d30_identifiers_of_qos_1_and_2_do_not_mix,
    d32_no_resend_while_connected,
    d32_order_of_resend,
    d32_resent_ones_come_before_queued_ones,
    d33_dup_of_the_publisher_is_not_copied,
];

fn d30_qos2_is_handed_on_at_publish(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 2);
    let mut wire = s.client("a");
    wire.send(publish(0x34, &t, 9, "early"));
    wire.expect(ack(0x50, 9));
    // PUBREL has not been sent.
    watcher.take(0x34, &t, "early");
    wire.send(ack(0x62, 9));
    wire.expect(ack(0x70, 9));
    s.only_marker(&mut watcher, &t);
}

fn d30_identifiers_of_qos_1_and_2_do_not_mix(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 2);
    let mut wire = s.client("a");
    wire.send(publish(0x34, &t, 5, "two"));
    wire.expect(ack(0x50, 5));
    wire.send(publish(0x32, &t, 6, "one"));
    wire.expect(ack(0x40, 6));
    wire.send([publish(0x3C, &t, 5, "two"), ack(0x62, 5)].concat());
    wire.expect(ack(0x50, 5));
    wire.expect(ack(0x70, 5));
    let mut texts = [watcher.message(), watcher.message()].map(|message| {
        watcher.settle(&message);
        message.text()
    });
    texts.sort();
    assert_eq!(texts, ["one", "two"]);
    s.only_marker(&mut watcher, &t);
}

fn d32_no_resend_while_connected(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    s.publish(0x32, &t, "one");
    s.publish(0x34, &t, "two");
    wire.delivered(0x32, &t, "one");
    let two = wire.delivered(0x34, &t, "two");
    wire.quiet_for(Duration::from_millis(2500));
    wire.send(ack(0x50, two));
    wire.expect(ack(0x62, two));
    wire.quiet_for(Duration::from_secs(1));
    wire.alive();
}

fn d32_order_of_resend(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    let mut publisher = s.client("p");
    let mut ids = Vec::new();
    for number in 0..8 {
        let first = if number % 4 == 1 { 0x32 } else { 0x34 };
        publisher.publish(first, &t, number.to_string());
        ids.push(wire.delivered(first, &t, number.to_string()));
    }
    // PUBREC for some, not in their order: the list stays in the order of first sending.
    for place in [6, 0, 3] {
        wire.send(ack(0x50, ids[place]));
        wire.expect(ack(0x62, ids[place]));
    }
    for _ in 0..2 {
        wire.cut();
        wire = s.session("a", true);
        for (number, id) in ids.iter().enumerate() {
            match number {
                0 | 3 | 6 => wire.expect(ack(0x62, *id)),
                1 | 5 => assert_eq!(wire.delivered(0x3A, &t, number.to_string()), *id),
                _ => assert_eq!(wire.delivered(0x3C, &t, number.to_string()), *id),
            }
        }
        wire.quiet();
    }
}

fn d32_resent_ones_come_before_queued_ones(s: &Server) {
    const COUNT: usize = 250;
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1)]);
    let mut publisher = s.client("p");
    for number in 0..COUNT {
        publisher.publish(0x32, &t, number.to_string());
    }
    // Only a window full was written; the rest was not and is no re-delivery.
    let mut written = 0;
    while let burgee_conformance::Next::Packet(_) = wire.next(Duration::from_millis(200)) {
        written += 1;
    }
    assert!(
        (1..COUNT).contains(&written),
        "{written} messages without acknowledgement"
    );
    wire.cut();
    for number in COUNT..COUNT + 10 {
        publisher.publish(0x32, &t, number.to_string());
    }
    let mut wire = s.session("a", true);
    for number in 0..COUNT + 10 {
        wire.take(if number < written { 0x3A } else { 0x32 }, &t, number.to_string());
    }
    wire.quiet();
}

fn d33_dup_of_the_publisher_is_not_copied(s: &Server) {
    let t = s.topic("t");
    for qos in 0..3 {
        let mut watcher = s.watcher(&t, qos);
        let mut wire = s.client("a");
        wire.publish(0x3A, &t, "x");
        watcher.take(0x30 | qos.min(1) << 1, &t, "x");
        wire.publish(0x3C, &t, "x");
        watcher.take(0x30 | qos << 1, &t, "x");
        watcher.disconnect();
    }
}
