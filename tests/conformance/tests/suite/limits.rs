//! Decisions about limits: large packets, announced lengths, full queues, clients that do not read (D22, D24, D25).

use std::thread;
use std::time::{Duration, Instant};

use burgee_conformance::{Next, PATIENCE, Server, Wire, ack, proofs, publish};

proofs![
    d22_announced_length_takes_no_memory,
    d22_large_payloads_pass,
    d24_full_offline_queue_drops_the_newest,
    d25_unread_subscriber_harms_nobody,
    d25_unread_subscriber_loses_no_qos_1,
    d25_unread_acknowledgements_harm_nobody,
];

const MIB: usize = 1 << 20;

#[track_caller]
fn uses_less_than(s: &Server, mib: u64) {
    if let Some(kib) = s.resident() {
        assert!(kib < mib * 1024, "the broker holds {} MiB", kib / 1024);
    }
}

fn d22_announced_length_takes_no_memory(s: &Server) {
    // 64 clients announce 256 MiB each and send a little of it.
    let mut all: Vec<Wire> = (0..64).map(|number| s.client(&number.to_string())).collect();
    for wire in &mut all {
        wire.send([0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
        wire.send(vec![0; 2000]);
    }
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 1);
    s.publish(0x32, &t, "works");
    watcher.take(0x32, &t, "works");
    uses_less_than(s, 64);
}

fn d22_large_payloads_pass(s: &Server) {
    let t = s.topic("t");
    let mut publisher = s.client("p");
    for (first, size) in [(0x30, MIB), (0x32, 5 * MIB), (0x34, 16 * MIB)] {
        let payload: Vec<u8> = (0..size).map(|at| ((at * 7) >> 2) as u8).collect();
        let mut watcher = s.watcher(&t, 2);
        publisher.publish(first, &t, &payload);
        watcher.take(first, &t, &payload);
        s.only_marker(&mut watcher, &t);
        watcher.disconnect();
    }
}

fn d24_full_offline_queue_drops_the_newest(s: &Server) {
    // The default limit is 64 MiB for each session.
    const COUNT: usize = 80;
    let t = s.topic("t");
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1)]);
    wire.disconnect();
    let mut other = s.watcher(&t, 1);
    let mut publisher = s.client("p");
    let mut payload = vec![b'x'; MIB];
    for number in 0..COUNT {
        payload[0] = number as u8;
        // Acknowledged although one subscriber's queue is full.
        publisher.publish(0x32, &t, &payload);
        other.take(0x32, &t, &payload);
    }
    let mut wire = s.session("a", true);
    let mut next = 0;
    while let Next::Packet(packet) = wire.next(Duration::from_millis(500)) {
        let message = burgee_conformance::Message::parse(&packet);
        assert_eq!(
            (usize::from(message.payload[0]), message.first),
            (next, 0x32),
            "what remains keeps its order"
        );
        wire.settle(&message);
        next += 1;
    }
    assert!(
        (32..COUNT).contains(&next),
        "{next} of {COUNT} messages of 1 MiB were kept"
    );
    // There is room again.
    s.publish(0x32, &t, "after");
    wire.take(0x32, &t, "after");
}

/// `count` QoS 0 messages for a subscriber that does not read; others are served meanwhile, and memory stays below.
#[track_caller]
fn deaf_subscriber(s: &Server, size: usize, count: usize, mib: u64) {
    let (t, u) = (s.topic("t"), s.topic("u"));
    let mut deaf = s.watcher(&t, 0);
    let mut other = s.watcher(&u, 1);
    let mut publisher = s.client("p");
    let payload = vec![b'x'; size];
    let batch = publish(0x30, &t, 0, &payload).repeat(20);
    let start = Instant::now();
    for number in 0..count / 20 {
        publisher.send(&batch);
        if number % 10 == 0 {
            publisher.publish(0x32, &u, number.to_string());
            other.take(0x32, &u, number.to_string());
        }
    }
    publisher.alive();
    assert!(start.elapsed() < PATIENCE * 6, "the publisher was held up");
    uses_less_than(s, mib);
    // When it reads again it gets what was kept, whole, and what comes now.
    let mut got = 0;
    while let Next::Packet(packet) = deaf.next(Duration::from_millis(300)) {
        assert_eq!(packet, publish(0x30, &t, 0, &payload));
        got += 1;
    }
    assert!(got < count, "nothing was dropped for a subscriber that does not read");
    s.only_marker(&mut deaf, &t);
    deaf.disconnect();
    other.disconnect();
}

fn d25_unread_subscriber_harms_nobody(s: &Server) {
    deaf_subscriber(s, 600, 60_000, 32);
    // Large payloads have a limit of their own, 64 MiB for one connection.
    deaf_subscriber(s, 16_000, 8_000, 128);
}

fn d25_unread_subscriber_loses_no_qos_1(s: &Server) {
    const COUNT: u16 = 800;
    let t = s.topic("t");
    let mut deaf = s.watcher(&t, 1);
    let mut publisher = s.client("p");
    let payload = vec![b'x'; 16_000];
    for id in 1..=COUNT {
        publisher.send(publish(0x32, &t, id, [&id.to_be_bytes(), &payload[..]].concat()));
        publisher.expect(ack(0x40, id));
    }
    // It wakes up, pings first, and reads everything.
    deaf.send([0xC0, 0]);
    deaf.await_packet([0xD0, 0]);
    for id in 1..=COUNT {
        let message = deaf.message();
        assert_eq!((message.first, &message.payload[..2]), (0x32, &id.to_be_bytes()[..]));
        deaf.settle(&message);
    }
    s.only_marker(&mut deaf, &t);
}

fn d25_unread_acknowledgements_harm_nobody(s: &Server) {
    // A client asks for answers and never reads them: its outgoing bytes are bounded, by not reading it or by closing.
    let wire = s.client("a");
    let mut writer = wire.writer();
    writer.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let pings = [0xC0, 0].repeat(32_768);
    let flood = thread::spawn(move || {
        for _ in 0..1000 {
            if std::io::Write::write_all(&mut writer, &pings).is_err() {
                break;
            }
        }
    });
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 1);
    for number in 0..50 {
        s.publish(0x32, &t, number.to_string());
        watcher.take(0x32, &t, number.to_string());
    }
    flood.join().unwrap();
    s.only_marker(&mut watcher, &t);
    uses_less_than(s, 64);
}
