//! Decisions about connecting: D1 to D10, and what a take-over does with wills and messages in flight.

use std::time::{Duration, Instant};

use burgee_conformance::packet::PINGREQ;
use burgee_conformance::{Connect, Next, Server, ack, frame, proofs, publish, subscribe};

proofs![
    d03_generated_ids_are_no_ones_else,
    d05_packets_behind_connect_wait_for_it,
    d07_take_over_publishes_will,
    d07_take_over_resends_in_flight,
    d09_no_connect_in_time_closes,
    d09_first_packet_has_a_size_limit,
    d10_a_refusal_reaches_the_client,
    d27_will_on_a_forbidden_topic_is_refused_with_5,
];

fn d03_generated_ids_are_no_ones_else(s: &Server) {
    let mut anonymous = s.open(&Connect::new(""));
    // Names that a broker may make up: a client that sends them takes nobody over.
    for guess in [
        "auto",
        "1",
        "0",
        "anonymous",
        "auto-1",
        "client-1",
        "burgee-1",
        "mqtt-1",
    ] {
        s.open(&Connect::new(guess)).alive();
    }
    anonymous.alive();
    // Its end leaves no session behind that the next one finds.
    anonymous.subscribe(&[(s.topic("t"), 1)]);
    anonymous.cut();
    let mut next = s.open(&Connect::new(""));
    s.publish(0x32, &s.topic("t"), "nobody");
    next.alive();
}

fn d05_packets_behind_connect_wait_for_it(s: &Server) {
    const COUNT: u16 = 500;
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 1);
    let mut all = Connect::new(s.id("a")).bytes();
    all.extend((1..=COUNT).flat_map(|id| publish(0x32, &t, id, id.to_string())));
    all.extend(PINGREQ);
    let mut wire = s.raw();
    wire.send(all);
    wire.expect([0x20, 2, 0, 0]);
    for id in 1..=COUNT {
        watcher.take(0x32, &t, id.to_string());
        wire.expect(ack(0x40, id));
    }
    wire.expect([0xD0, 0]);
}

fn d07_take_over_publishes_will(s: &Server) {
    let w = s.topic("will");
    let mut watcher = s.watcher(&w, 1);
    let old = Connect::new(s.id("a")).will(0x0C, &w, "old");
    let new = Connect::new(s.id("a")).will(0x0C, &w, "new");
    for persistent in [false, true] {
        let (old, new) = if persistent {
            (old.clone().persistent(), new.clone().persistent())
        } else {
            (old.clone(), new.clone())
        };
        let mut first = s.open(&old);
        let mut second = s.raw();
        second.send(new.bytes());
        second.expect([0x20, 2, u8::from(persistent), 0]);
        first.closed();
        watcher.take(0x32, &w, "old");
        s.only_marker(&mut watcher, &w);
        // The newcomer's will is its own.
        second.cut();
        watcher.take(0x32, &w, "new");
        s.only_marker(&mut watcher, &w);
    }
    s.client("a").disconnect();
    // The will that is published at the take-over may be for the newcomer's own subscription: not before CONNACK.
    let mut first = s.raw();
    first.send(old.clone().persistent().bytes());
    first.expect([0x20, 2, 0, 0]);
    first.subscribe(&[(&w, 1)]);
    let mut second = s.session("a", true);
    first.closed();
    second.take(0x32, &w, "old");
}

fn d07_take_over_resends_in_flight(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 2)]);
    let mut publisher = s.client("p");
    publisher.publish(0x32, &t, "one");
    publisher.publish(0x34, &t, "two");
    let one = wire.delivered(0x32, &t, "one");
    let two = wire.delivered(0x34, &t, "two");
    for _ in 0..5 {
        let mut next = s.session("a", true);
        wire.closed();
        assert_eq!(next.delivered(0x3A, &t, "one"), one);
        assert_eq!(next.delivered(0x3C, &t, "two"), two);
        next.quiet();
        wire = next;
    }
    wire.send(ack(0x40, one));
    wire.send(ack(0x50, two));
    wire.expect(ack(0x62, two));
    wire.send(ack(0x70, two));
    s.only_marker(&mut wire, &t);
}

fn d09_no_connect_in_time_closes(s: &Server) {
    // The default of ten seconds is only a number; a shorter one saves everybody's time.
    let hasty = s.sibling("", &["--sys-interval", "0", "--connect-timeout", "2"]);
    let start = Instant::now();
    let mut silent = hasty.raw();
    let mut half = hasty.raw();
    half.send(&Connect::new(s.id("half")).bytes()[..9]);
    // A slow trickle does not help.
    let mut trickle = hasty.raw();
    trickle.send(&Connect::new("x".repeat(400)).bytes()[..20]);
    while start.elapsed() < Duration::from_secs(8) {
        trickle.send("x");
        match trickle.next(Duration::from_millis(100)) {
            Next::Silent => {}
            Next::Closed => break,
            Next::Packet(packet) => panic!("no answer was due, got {packet:?}"),
        }
    }
    let after = start.elapsed();
    assert!(
        after > Duration::from_millis(1900) && after < Duration::from_secs(6),
        "closed after {after:?}"
    );
    silent.closed();
    half.closed();
    // Whoever sends the last byte in time stays.
    let connect = Connect::new(s.id("a")).bytes();
    let mut wire = hasty.raw();
    let (head, tail) = connect.split_at(connect.len() - 1);
    wire.send(head);
    wire.quiet_for(Duration::from_millis(300));
    wire.send(tail);
    wire.expect([0x20, 2, 0, 0]);
    wire.quiet_for(Duration::from_millis(2500));
    wire.disconnect();
    hasty.finish();
}

fn d09_first_packet_has_a_size_limit(s: &Server) {
    for header in [
        &[0x10, 0xFF, 0xFF, 0xFF, 0x7F][..],
        &[0x10, 0x80, 0x80, 0x80, 0x01],
        &[0x30, 0xFF, 0xFF, 0xFF, 0x7F],
    ] {
        let mut wire = s.raw();
        wire.send(header);
        wire.closed();
    }
    // The largest CONNECT that means something passes: five fields of 65535 bytes, but for topic and id a bit shorter.
    let long = vec![b'x'; 65_535];
    let id = s.id(&"x".repeat(60_000));
    let connect = Connect::new(id)
        .will(0x04, s.topic(&"x".repeat(60_000)), &long)
        .user(&long)
        .password(&long);
    s.open(&connect).disconnect();
}

fn d10_a_refusal_reaches_the_client(s: &Server) {
    // Unread input at the moment of closing would become a reset that destroys the CONNACK.
    let tail = publish(0x30, s.topic("t"), 0, vec![0; 20_000]).repeat(5);
    for _ in 0..20 {
        for (connect, code) in [
            (Connect::new("").persistent(), 2),
            (Connect::new("a").protocol("MQTT", 9), 1),
        ] {
            let mut wire = s.raw();
            wire.send([&connect.bytes(), &tail[..]].concat());
            wire.expect([0x20, 2, 0, code]);
            wire.closed();
        }
    }
    let mut wire = s.client("a");
    wire.send(subscribe(1, &[(s.topic("t"), 0)]));
    wire.expect(frame(0x90, [0, 1, 0]));
}

fn d27_will_on_a_forbidden_topic_is_refused_with_5(s: &Server) {
    let mut wire = s.raw();
    let topic = format!("$SYS/{}", s.level());
    wire.send(Connect::new(s.id("a")).will(0x04, topic, "x").bytes());
    wire.expect([0x20, 2, 0, 5]);
    wire.closed();
}
