//! Chapter 7: nothing but the standard is needed, and packets are a stream of bytes.

use std::thread;
use std::time::Duration;

use burgee_conformance::packet::{DISCONNECT, PINGREQ, PINGRESP};
use burgee_conformance::{Connect, Server, Wire, ack, proofs, publish, subscribe, unsubscribe};

proofs![
    mqtt_7_0_0_2_no_extension_is_required,
    mqtt_7_1_1_1_server_transport_is_an_ordered_stream,
    mqtt_7_1_1_1_server_transport_is_an_ordered_stream_for_large_packets,
    remaining_length_goes_out_in_its_shortest_form,
];

fn mqtt_7_0_0_2_no_extension_is_required(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.raw();
    wire.send([&[0x10, 12 + s.id("a").len() as u8], &Connect::new(s.id("a")).body()[..]].concat());
    wire.expect([0x20, 2, 0, 0]);
    wire.send(subscribe(1, &[(&t, 2)]));
    wire.expect([0x90, 3, 0, 1, 2]);
    for first in [0x30, 0x32, 0x34] {
        wire.publish(first, &t, "self");
        wire.take(first, &t, "self");
    }
    wire.send(unsubscribe(2, &[&t]));
    wire.expect([0xB0, 2, 0, 2]);
    wire.alive();
    wire.disconnect();
}

/// A whole conversation of a client that talks to itself.
fn script(s: &Server, id: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let t = s.topic(id);
    let sent = [
        Connect::new(s.id(id)).bytes(),
        subscribe(0x0101, &[(&t, 0)]),
        publish(0x30, &t, 0, "zero"),
        publish(0x32, &t, 0x0202, "one"),
        publish(0x34, &t, 0x0303, "x".repeat(200)),
        ack(0x62, 0x0303),
        PINGREQ.to_vec(),
        unsubscribe(0x0404, &[&t]),
        DISCONNECT.to_vec(),
    ]
    .concat();
    let mut got = vec![
        vec![0x20, 2, 0, 0],
        vec![0x90, 3, 1, 1, 0],
        publish(0x30, &t, 0, "zero"),
        publish(0x30, &t, 0, "one"),
        publish(0x30, &t, 0, "x".repeat(200)),
        ack(0x40, 0x0202),
        ack(0x50, 0x0303),
        ack(0x70, 0x0303),
        PINGRESP.to_vec(),
        ack(0xB0, 0x0404),
    ];
    got.sort();
    (sent, got)
}

/// The same packets come back however the bytes were cut: which ones, not in which order.
#[track_caller]
fn answers(mut wire: Wire, expected: &[Vec<u8>]) {
    let mut got: Vec<Vec<u8>> = expected.iter().map(|_| wire.recv()).collect();
    got.sort();
    assert_eq!(got, expected);
    wire.closed();
}

fn mqtt_7_1_1_1_server_transport_is_an_ordered_stream(s: &Server) {
    let (sent, expected) = script(s, "stream");
    // Joined.
    let mut wire = s.raw();
    wire.send(&sent);
    answers(wire, &expected);
    // Byte by byte; a pause now and then, or the kernel joins them.
    let mut wire = s.raw();
    for byte in &sent {
        wire.send([*byte]);
        thread::sleep(Duration::from_micros(300));
    }
    answers(wire, &expected);
    // Cut in two at every place, and into pieces of each small size.
    for place in 1..sent.len() - 1 {
        let mut wire = s.raw();
        wire.send(&sent[..place]);
        thread::sleep(Duration::from_micros(500));
        wire.send(&sent[place..]);
        answers(wire, &expected);
    }
    for size in 2..12 {
        let mut wire = s.raw();
        for piece in sent.chunks(size) {
            wire.send(piece);
            thread::sleep(Duration::from_micros(300));
        }
        answers(wire, &expected);
    }
}

fn mqtt_7_1_1_1_server_transport_is_an_ordered_stream_for_large_packets(s: &Server) {
    let t = s.topic("t");
    // Sizes around every border of the remaining length and of usual buffers.
    let header = 2 + t.len() + 2;
    let mut watcher = s.watcher(&t, 1);
    let mut publisher = s.client("p");
    for remaining in [
        127, 128, 4095, 4096, 4097, 16_383, 16_384, 65_535, 65_536, 65_537, 2_097_151, 2_097_152,
    ] {
        let payload: Vec<u8> = (0..remaining - header).map(|at| ((at * 31) >> 3) as u8).collect();
        publisher.publish(0x32, &t, &payload);
        watcher.take(0x32, &t, &payload);
    }
}

fn remaining_length_goes_out_in_its_shortest_form(s: &Server) {
    // Longer forms are accepted in 3.1.1, but not every client reads them: they end here.
    let t = s.topic("t");
    // Enough of them that every shard has some: the publisher's own may take another way than the others.
    let mut watchers: Vec<Wire> = (0..16).map(|number| s.watcher(&t, number % 3)).collect();
    let mut wire = s.client("a");
    for first in [0x30, 0x31, 0x32, 0x34] {
        let short = publish(first, &t, 7, "x");
        for zeros in [&[0x80, 0x00][..], &[0x80, 0x80, 0x00]] {
            let mut long = vec![first, short[1] | 0x80];
            long.extend(&zeros[1..]);
            long.extend(&short[2..]);
            wire.send(&long);
            if first == 0x34 {
                wire.expect(ack(0x50, 7));
                wire.send(ack(0x62, 7));
                wire.expect(ack(0x70, 7));
            } else if first == 0x32 {
                wire.expect(ack(0x40, 7));
            }
            for watcher in &mut watchers {
                let packet = watcher.recv();
                let message = burgee_conformance::Message::parse(&packet);
                assert_eq!(packet, publish(message.first, &t, message.id, "x"));
                watcher.settle(&message);
            }
        }
    }
}
