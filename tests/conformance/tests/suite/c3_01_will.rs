//! Section 3.1.2.5 to 3.1.2.7: the will. It is published at every end but a valid DISCONNECT, once.

use std::time::Duration;

use burgee_conformance::packet::DISCONNECT;
use burgee_conformance::{Connect, Server, Wire, frame, proofs};

proofs![
    mqtt_3_1_2_8_will_is_stored_and_published,
    mqtt_3_1_2_10_will_is_removed_after_use,
    mqtt_3_1_2_12_no_will_flag_no_will_published,
    mqtt_3_1_2_16_will_not_retained,
    mqtt_3_1_2_17_will_retained,
    mqtt_3_1_2_17_will_retained_and_empty_removes,
];

/// A way in which a connection ends. (Being thrown out by an administrator will be one more, when there is one.)
type End<'a> = (&'static str, Box<dyn Fn(Wire) + 'a>);

fn mqtt_3_1_2_8_will_is_stored_and_published(s: &Server) {
    let w = s.topic("will");
    let mut watcher = s.watcher(&w, 2);
    let connect = Connect::new(s.id("a")).will(0x14, &w, "gone");
    let ends: Vec<End> = vec![
        ("FIN", Box::new(drop)),
        ("RST", Box::new(Wire::reset)),
        ("half close", Box::new(Wire::cut)),
        (
            "malformed packet",
            Box::new(|mut wire| {
                wire.send([0x36, 4, 0, 1, 97, 0]);
                wire.closed();
            }),
        ),
        (
            "half a packet",
            Box::new(|mut wire| {
                wire.send([0x32, 10, 0]);
                wire.cut();
            }),
        ),
        (
            "take-over",
            Box::new(|mut wire| {
                let newcomer = s.client("a");
                wire.closed();
                newcomer.disconnect();
            }),
        ),
        (
            "DISCONNECT with a body",
            Box::new(|mut wire| {
                wire.send(frame(0xE0, [0]));
                wire.closed();
            }),
        ),
    ];
    for (end, how) in ends {
        let wire = s.open(&connect);
        // Not before.
        s.only_marker(&mut watcher, &w);
        eprintln!("end by {end}");
        how(wire);
        watcher.take(0x34, &w, "gone");
        // Once.
        s.only_marker(&mut watcher, &w);
    }
    eprintln!("end by keep alive");
    let mut wire = s.open(&connect.clone().keep_alive(1));
    wire.closed_within(Duration::from_secs(12));
    watcher.take(0x34, &w, "gone");
    s.only_marker(&mut watcher, &w);
    eprintln!("end by second CONNECT");
    let mut wire = s.open(&connect);
    wire.send(connect.bytes());
    wire.closed();
    watcher.take(0x34, &w, "gone");
    s.only_marker(&mut watcher, &w);
}

fn mqtt_3_1_2_10_will_is_removed_after_use(s: &Server) {
    let w = s.topic("will");
    let mut watcher = s.watcher(&w, 1);
    let plain = Connect::new(s.id("a")).persistent();
    let with = plain.clone().will(0x0C, &w, "once");
    let connect = |connect: &Connect, present| {
        let mut wire = s.raw();
        wire.send(connect.bytes());
        wire.expect([0x20, 2, present, 0]);
        wire
    };
    connect(&with, 0).cut();
    watcher.take(0x32, &w, "once");
    connect(&plain, 1).cut();
    s.only_marker(&mut watcher, &w);
    connect(&with, 1).disconnect();
    connect(&plain, 1).cut();
    s.only_marker(&mut watcher, &w);
    // Each CONNECT sets it anew.
    connect(&with, 1).disconnect();
    connect(&plain.will(0x04, &w, "other"), 1).cut();
    watcher.take(0x30, &w, "other");
    s.only_marker(&mut watcher, &w);
}

fn mqtt_3_1_2_12_no_will_flag_no_will_published(s: &Server) {
    let w = s.topic("will");
    let mut watcher = s.watcher(&w, 1);
    s.open(&Connect::new(s.id("a")).will(0x0C, &w, "earlier")).disconnect();
    s.client("a").cut();
    s.only_marker(&mut watcher, &w);
    s.open(&Connect::new(s.id("a")).will(0x0C, &w, "earlier")).cut();
    watcher.take(0x32, &w, "earlier");
    s.client("a").reset();
    s.session("a", false).cut();
    s.only_marker(&mut watcher, &w);
}

fn mqtt_3_1_2_16_will_not_retained(s: &Server) {
    let (w, v) = (s.topic("will"), s.topic("kept"));
    s.publish(0x33, &v, "before");
    for (bits, first) in [(0x04, 0x30), (0x0C, 0x32), (0x14, 0x34)] {
        for topic in [&w, &v] {
            let mut watcher = s.watcher(&s.topic("+"), 2);
            watcher.delivered(0x33, &v, "before");
            s.open(&Connect::new(s.id("a")).will(bits, topic, "will")).cut();
            watcher.take(first, topic, "will");
        }
    }
    s.nothing_retained(&w);
    s.retained(&v, 2, 0x33, "before");
    // An empty will without retain does not remove it either.
    s.open(&Connect::new(s.id("a")).will(0x04, &v, "")).cut();
    s.retained(&v, 2, 0x33, "before");
}

fn mqtt_3_1_2_17_will_retained(s: &Server) {
    for (bits, first) in [(0x24, 0x30), (0x2C, 0x32), (0x34, 0x34)] {
        let w = s.topic(&format!("will{bits}"));
        let mut watcher = s.watcher(&w, 2);
        s.open(&Connect::new(s.id("a")).will(bits, &w, "will")).cut();
        watcher.take(first, &w, "will");
        s.retained(&w, 2, first | 1, "will");
    }
}

fn mqtt_3_1_2_17_will_retained_and_empty_removes(s: &Server) {
    let w = s.topic("will");
    s.publish(0x33, &w, "stored");
    s.retained(&w, 1, 0x33, "stored");
    let mut watcher = s.watcher(&w, 1);
    watcher.take(0x33, &w, "stored");
    let mut wire = s.open(&Connect::new(s.id("a")).will(0x2C, &w, ""));
    wire.send([&[0xE1, 0], &DISCONNECT[..]].concat());
    wire.closed();
    watcher.take(0x32, &w, "");
    s.nothing_retained(&w);
}
