//! Sections 3.6, 3.12 and 3.14: PUBREL, PINGREQ, DISCONNECT.

use burgee_conformance::packet::{DISCONNECT, PINGREQ, PINGRESP};
use burgee_conformance::{Connect, Server, ack, frame, proofs, publish};

proofs![
    mqtt_3_6_1_1_pubrel_flags,
    mqtt_3_12_4_1_pingreq_gets_pingresp,
    mqtt_3_12_4_1_pingreq_gets_pingresp_behind_a_full_window,
    mqtt_3_14_1_1_disconnect_flags,
    mqtt_3_14_4_1_client_closes_after_disconnect,
    mqtt_3_14_4_2_nothing_after_disconnect,
    mqtt_3_14_4_3_disconnect_discards_will,
    mqtt_3_14_4_3_disconnect_discards_will_with_reset_behind,
    d35_everything_before_disconnect_is_processed,
    d38_half_close_is_the_end,
];

fn mqtt_3_6_1_1_pubrel_flags(s: &Server) {
    let t = s.topic("t");
    for first in (0x60..0x70).filter(|first| *first != 0x62) {
        let mut wire = s.client("a");
        wire.send(publish(0x34, &t, 5, "x"));
        wire.expect(ack(0x50, 5));
        wire.send(ack(first, 5));
        wire.closed();
    }
}

fn mqtt_3_12_4_1_pingreq_gets_pingresp(s: &Server) {
    let mut wire = s.client("a");
    wire.send(PINGREQ);
    wire.expect(PINGRESP);
    wire.quiet();
    // One for each.
    wire.send(PINGREQ.repeat(500));
    for _ in 0..500 {
        wire.expect(PINGRESP);
    }
    wire.quiet();
    // Under load: between publications in one segment.
    let t = s.topic("t");
    wire.subscribe(&[(&t, 0)]);
    let pair = [publish(0x30, &t, 0, "x"), PINGREQ.to_vec()].concat();
    wire.send(pair.repeat(300));
    let all: Vec<Vec<u8>> = (0..600).map(|_| wire.recv()).collect();
    assert_eq!(all.iter().filter(|packet| packet[..] == PINGRESP).count(), 300);
    wire.quiet();
}

fn mqtt_3_12_4_1_pingreq_gets_pingresp_behind_a_full_window(s: &Server) {
    let t = s.topic("t");
    let mut wire = s.watcher(&t, 1);
    let mut publisher = s.client("p");
    for _ in 0..300 {
        publisher.publish(0x32, &t, "x");
    }
    // Nothing is acknowledged: the rest waits in the queue, PINGRESP does not.
    wire.send(PINGREQ);
    wire.await_packet(PINGRESP);
}

fn mqtt_3_14_1_1_disconnect_flags(s: &Server) {
    let w = s.topic("will");
    let mut watcher = s.watcher(&w, 1);
    let connect = Connect::new(s.id("a")).will(0x0C, &w, "gone");
    let mut bad: Vec<Vec<u8>> = (0xE1..=0xEF).map(|first| vec![first, 0]).collect();
    bad.extend([
        frame(0xE0, [0]),
        frame(0xE0, [4]),
        frame(0xE0, [0, 0]),
        vec![0xE0, 0xFF, 0xFF, 0xFF, 0x7F],
    ]);
    for packet in bad {
        let mut wire = s.open(&connect);
        wire.send(&packet);
        wire.closed();
        watcher.take(0x32, &w, "gone");
    }
    s.only_marker(&mut watcher, &w);
}

fn mqtt_3_14_4_1_client_closes_after_disconnect(s: &Server) {
    // The client keeps its socket open: the server closes.
    for mut wire in [s.client("a"), s.session("b", false)] {
        wire.send(DISCONNECT);
        wire.closed();
    }
}

fn mqtt_3_14_4_2_nothing_after_disconnect(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 2);
    let mut wire = s.client("a");
    let segment = [
        publish(0x30, &t, 0, "one"),
        DISCONNECT.to_vec(),
        publish(0x30, &t, 0, "two"),
        publish(0x33, &t, 1, "three"),
        PINGREQ.to_vec(),
    ];
    wire.send(segment.concat());
    wire.closed();
    watcher.take(0x30, &t, "one");
    s.only_marker(&mut watcher, &t);
    s.nothing_retained(&t);
    // Not even a violation: the will is gone by then.
    let mut wire = s.open(&Connect::new(s.id("b")).will(0x0C, &t, "will"));
    wire.send([&DISCONNECT[..], &[0, 0], &DISCONNECT].concat());
    wire.closed();
    s.only_marker(&mut watcher, &t);
}

fn mqtt_3_14_4_3_disconnect_discards_will(s: &Server) {
    let w = s.topic("will");
    let mut watcher = s.watcher(&w, 1);
    let connect = Connect::new(s.id("a")).will(0x2C, &w, "gone");
    // The socket closed by the server.
    s.open(&connect).disconnect();
    s.only_marker(&mut watcher, &w);
    // By the client at once.
    for _ in 0..10 {
        let mut wire = s.open(&connect);
        wire.send(DISCONNECT);
        drop(wire);
    }
    s.only_marker(&mut watcher, &w);
    // CONNECT and DISCONNECT and the end in one go.
    for _ in 0..10 {
        let mut wire = s.raw();
        wire.send([&connect.bytes(), &DISCONNECT[..]].concat());
        wire.finish_sending();
        wire.expect([0x20, 2, 0, 0]);
        wire.closed();
    }
    s.only_marker(&mut watcher, &w);
    s.nothing_retained(&w);
}

fn mqtt_3_14_4_3_disconnect_discards_will_with_reset_behind(s: &Server) {
    let w = s.topic("will");
    let mut watcher = s.watcher(&w, 1);
    let connect = Connect::new(s.id("a")).will(0x0C, &w, "gone");
    for _ in 0..10 {
        let mut wire = s.open(&connect);
        wire.arm_reset();
        wire.send(DISCONNECT);
        drop(wire);
        // The take-over by the next one must find no will either.
        let mut wire = s.open(&connect);
        wire.send(DISCONNECT);
        wire.closed();
    }
    s.only_marker(&mut watcher, &w);
}

fn d35_everything_before_disconnect_is_processed(s: &Server) {
    let t = s.topic("t");
    let mut watcher = s.watcher(&t, 1);
    for round in 0..20 {
        // CONNECT, PUBLISH, DISCONNECT and FIN in one segment: what `mosquitto_pub` does on a bad day.
        let text = round.to_string();
        let mut wire = s.raw();
        let connect = Connect::new(s.id("a")).bytes();
        wire.send([connect, publish(0x30, &t, 0, &text), DISCONNECT.to_vec()].concat());
        if round % 2 == 0 {
            drop(wire);
        } else {
            wire.finish_sending();
            wire.expect([0x20, 2, 0, 0]);
            wire.closed();
        }
        watcher.take(0x30, &t, &text);
    }
    // Without DISCONNECT too: what came before the end of the stream counts.
    let mut wire = s.client("b");
    wire.send(publish(0x32, &t, 1, "last words"));
    drop(wire);
    watcher.take(0x32, &t, "last words");
    s.only_marker(&mut watcher, &t);
}

fn d38_half_close_is_the_end(s: &Server) {
    let w = s.topic("will");
    let mut watcher = s.watcher(&w, 1);
    let mut wire = s.open(&Connect::new(s.id("a")).will(0x0C, &w, "gone"));
    wire.finish_sending();
    wire.closed();
    watcher.take(0x32, &w, "gone");
    // Before CONNECT as well.
    let mut wire = s.raw();
    wire.finish_sending();
    wire.closed();
    let mut wire = s.raw();
    wire.send([0x10]);
    wire.finish_sending();
    wire.closed();
}
