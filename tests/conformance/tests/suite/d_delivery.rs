//! Decisions about subscribing and delivery: D17 to D26.

use std::collections::BTreeSet;
use std::thread;

use burgee_conformance::{Connect, Server, ack, proofs, publish, subscribe};

proofs![
    d17_overlap_is_one_copy,
    d17_overlap_is_one_copy_offline_too,
    d18_reduction_while_offline,
    d19_suback_before_retained_messages,
    d20_same_filter_twice_in_one_subscribe,
    d21_each_new_filter_gets_retained_messages,
    d21_resuming_sends_no_retained_messages,
    d23_window_bounds_what_is_in_flight,
    d23_all_received_identifiers_are_remembered,
    d24_offline_queue_keeps_thousands,
    d24_qos0_is_not_stored_offline,
    d26_publishers_get_their_own_messages,
    d34_order_at_the_switch_from_stored_to_live,
    d34_order_through_take_overs,
];

fn d17_overlap_is_one_copy(s: &Server) {
    let t = s.topic("a/b/c");
    let filters = ["a/b/c", "a/b/+", "a/+/c", "+/b/c", "a/#", "#", "+/+/+", "a/b/c/#"];
    let mut wire = s.client("a");
    let all: Vec<(String, u8)> = filters
        .iter()
        .zip([0, 1, 0, 2, 1, 0, 1, 0])
        .map(|(f, q)| (s.topic(f), q))
        .collect();
    wire.subscribe(&all);
    let mut publisher = s.client("p");
    for first in [0x30, 0x32, 0x34] {
        publisher.publish(first, &t, "x");
        wire.take(first, &t, "x");
        s.only_marker(&mut wire, &t);
    }
    // As one goes, the next greatest decides; the last one still works.
    wire.unsubscribe(&[s.topic("+/b/c")]);
    publisher.publish(0x34, &t, "x");
    wire.take(0x32, &t, "x");
    wire.unsubscribe(&["a/b/+", "a/#", "+/+/+"].map(|filter| s.topic(filter)));
    publisher.publish(0x34, &t, "x");
    wire.take(0x30, &t, "x");
    s.only_marker(&mut wire, &t);
}

fn d17_overlap_is_one_copy_offline_too(s: &Server) {
    let t = s.topic("a/b");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(s.topic("a/+"), 1), (s.topic("#"), 2), (s.topic("a/b"), 0)]);
    wire.disconnect();
    s.publish(0x34, &t, "two");
    s.publish(0x32, &t, "one");
    let mut wire = s.session("a", true);
    wire.take(0x34, &t, "two");
    wire.take(0x32, &t, "one");
    s.only_marker(&mut wire, &t);
}

fn d18_reduction_while_offline(s: &Server) {
    let (t, u) = (s.topic("t"), s.topic("u"));
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1), (&u, 0)]);
    wire.disconnect();
    s.publish(0x34, &t, "reduced");
    s.publish(0x34, &u, "dropped");
    let mut wire = s.session("a", true);
    wire.take(0x32, &t, "reduced");
    s.only_marker(&mut wire, &u);
}

fn d19_suback_before_retained_messages(s: &Server) {
    let mut publisher = s.client("p");
    for number in 0..30 {
        publisher.publish(0x33, s.topic(&number.to_string()), "kept");
    }
    for qos in 0..3 {
        let mut wire = s.client("a");
        wire.send(subscribe(1, &[(s.topic("#"), qos)]));
        wire.expect([0x90, 3, 0, 1, qos]);
        for _ in 0..30 {
            let message = wire.message();
            assert_eq!(message.first & 1, 1);
            wire.settle(&message);
        }
        wire.alive();
    }
}

fn d20_same_filter_twice_in_one_subscribe(s: &Server) {
    let t = s.topic("t");
    s.publish(0x35, &t, "kept");
    let mut wire = s.client("a");
    wire.send(subscribe(1, &[(&t, 2), (&t, 1)]));
    wire.expect([0x90, 4, 0, 1, 2, 1]);
    // Retained for each occurrence: once with each QoS.
    let mut firsts: Vec<u8> = (0..2)
        .map(|_| {
            let message = wire.message();
            wire.settle(&message);
            assert_eq!(message.text(), "kept");
            message.first
        })
        .collect();
    firsts.sort_unstable();
    assert_eq!(firsts, [0x33, 0x35]);
    // The second replaced the first.
    s.publish(0x34, &t, "new");
    wire.take(0x32, &t, "new");
    s.only_marker(&mut wire, &t);
}

fn d21_each_new_filter_gets_retained_messages(s: &Server) {
    let t = s.topic("a/b");
    s.publish(0x35, &t, "kept");
    let mut wire = s.client("a");
    wire.subscribe(&[(s.topic("a/+"), 1), (s.topic("a/#"), 2)]);
    let mut firsts = BTreeSet::new();
    for _ in 0..2 {
        let message = wire.message();
        wire.settle(&message);
        firsts.insert(message.first);
    }
    assert_eq!(firsts, BTreeSet::from([0x33, 0x35]));
    // A new filter that overlaps the old ones, and an old one again.
    wire.subscribe(&[(s.topic("+/b"), 0)]);
    wire.take(0x31, &t, "kept");
    wire.subscribe(&[(s.topic("a/+"), 1)]);
    wire.take(0x33, &t, "kept");
    // Live there is one copy.
    s.only_marker(&mut wire, &t);
}

fn d21_resuming_sends_no_retained_messages(s: &Server) {
    let t = s.topic("t");
    s.publish(0x33, &t, "kept");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1)]);
    wire.take(0x33, &t, "kept");
    wire.disconnect();
    let mut wire = s.session("a", true);
    s.only_marker(&mut wire, &t);
    // Subscribing again does, in a resumed session too.
    wire.subscribe(&[(&t, 1)]);
    wire.take(0x33, &t, "kept");
    s.only_marker(&mut wire, &t);
}

fn d23_window_bounds_what_is_in_flight(s: &Server) {
    const COUNT: usize = 300;
    let t = s.topic("t");
    let mut wire = s.watcher(&t, 1);
    let mut publisher = s.client("p");
    for number in 0..COUNT {
        publisher.publish(0x32, &t, number.to_string());
    }
    // As many as the window holds come without an acknowledgement, 100 by default.
    let mut open = Vec::new();
    for number in 0..100 {
        open.push(wire.delivered(0x32, &t, number.to_string()));
    }
    wire.alive();
    wire.quiet();
    for number in 100..COUNT {
        wire.send(ack(0x40, open.remove(0)));
        open.push(wire.delivered(0x32, &t, number.to_string()));
    }
    for id in open {
        wire.send(ack(0x40, id));
    }
    s.only_marker(&mut wire, &t);
}

fn d23_all_received_identifiers_are_remembered(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    for start in (1..=65_535_u32).step_by(1000) {
        let ids = (start..start + 1000).filter_map(|id| u16::try_from(id).ok());
        wire.send(
            ids.clone()
                .flat_map(|id| publish(0x34, &t, id, ""))
                .collect::<Vec<u8>>(),
        );
        ids.for_each(|id| wire.expect(ack(0x50, id)));
    }
    let mut watcher = s.watcher(&t, 2);
    wire.cut();
    let mut wire = s.session("a", true);
    for id in [1, 2, 30_000, 65_534, 65_535] {
        wire.send(publish(0x3C, &t, id, ""));
        wire.expect(ack(0x50, id));
    }
    s.only_marker(&mut watcher, &t);
    wire.send(ack(0x62, 30_000));
    wire.expect(ack(0x70, 30_000));
    wire.send(publish(0x34, &t, 30_000, "new"));
    wire.expect(ack(0x50, 30_000));
    watcher.take(0x34, &t, "new");
}

fn d24_offline_queue_keeps_thousands(s: &Server) {
    const COUNT: u16 = 3000;
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1)]);
    wire.disconnect();
    let mut publisher = s.client("p");
    for start in (1..=COUNT).step_by(100) {
        let batch = (start..start + 100).flat_map(|id| publish(0x32, &t, id, id.to_string()));
        publisher.send(batch.collect::<Vec<u8>>());
        (start..start + 100).for_each(|id| publisher.expect(ack(0x40, id)));
    }
    let mut wire = s.session("a", true);
    for number in 1..=COUNT {
        wire.take(0x32, &t, number.to_string());
    }
    s.only_marker(&mut wire, &t);
}

fn d24_qos0_is_not_stored_offline(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    wire.disconnect();
    s.publish(0x30, &t, "zero");
    s.publish(0x31, &t, "zero, retained");
    s.publish(0x32, &t, "one");
    let mut wire = s.session("a", true);
    wire.take(0x32, &t, "one");
    s.only_marker(&mut wire, &t);
}

fn d26_publishers_get_their_own_messages(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.client("a");
    wire.subscribe(&[(s.topic("+"), 2)]);
    for first in [0x30, 0x32, 0x34] {
        wire.publish(first, &t, "own");
        wire.take(first, &t, "own");
    }
    // Its own will too, if its session outlives the connection.
    let connect = Connect::new(s.id("b")).persistent().will(0x0C, &t, "own will");
    let mut wire = s.open(&connect);
    wire.subscribe(&[(&t, 1)]);
    wire.cut();
    s.session("b", true).take(0x32, &t, "own will");
}

/// A publisher writes numbers with QoS 1 as fast as they are acknowledged, while `reconnect` says what happens to the
/// subscriber after every few messages: afterwards all have come, in order, and again only with DUP.
fn order(s: &Server, reconnect: fn(burgee_conformance::Wire)) {
    const COUNT: usize = 600;
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1)]);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut publisher = s.client("p");
            for number in 0..COUNT {
                publisher.publish(0x32, &t, number.to_string());
            }
        });
        let mut next = 0;
        let mut since = 0;
        while next < COUNT {
            let message = wire.message();
            let number: usize = message.text().parse().unwrap();
            assert!(
                number == next || number < next && message.first == 0x3A,
                "{number} came, {next} was next"
            );
            next = next.max(number + 1);
            since += 1;
            wire.settle(&message);
            if since == 23 {
                since = 0;
                reconnect(wire);
                wire = s.session("a", true);
            }
        }
    });
}

fn d34_order_at_the_switch_from_stored_to_live(s: &Server) {
    order(s, burgee_conformance::Wire::cut);
}

fn d34_order_through_take_overs(s: &Server) {
    // The old connection stays open until the newcomer throws it out.
    order(s, std::mem::forget);
}
