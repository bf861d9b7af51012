//! Section 3.2: CONNACK comes first, tells of the stored session truly, and with an error is the last thing.

use burgee_conformance::packet::PINGREQ;
use burgee_conformance::{Connect, Server, hex, proofs, subscribe};

proofs![
    mqtt_3_2_0_1_connack_is_first,
    mqtt_3_2_2_1_clean1_session_present_0,
    mqtt_3_2_2_2_stored_session_present_1,
    mqtt_3_2_2_3_no_stored_session_present_0,
    mqtt_3_2_2_4_error_connack_session_present_0,
    mqtt_3_2_2_5_error_connack_then_close,
    mqtt_3_2_2_6_no_fitting_code_close_without_connack,
];

fn mqtt_3_2_0_1_connack_is_first(s: &Server) {
    let (t, u) = (s.topic("t"), s.topic("u"));
    let mut wire = s.session("a", false);
    wire.subscribe(&[(&t, 1)]);
    wire.disconnect();
    for _ in 0..5 {
        s.publish(0x32, &t, "stored");
    }
    s.publish(0x31, &u, "retained");
    let connect = Connect::new(s.id("a")).persistent().bytes();
    let mut wire = s.raw();
    wire.send([&connect, &subscribe(1, &[(&u, 0)])[..], &PINGREQ].concat());
    wire.expect([0x20, 2, 1, 0]);
    let mut rest: Vec<u8> = (0..8).map(|_| wire.recv()[0]).collect();
    rest.sort_unstable();
    assert_eq!(rest, [0x31, 0x32, 0x32, 0x32, 0x32, 0x32, 0x90, 0xD0]);
    wire.quiet();
    wire.cut();

    // A publisher that writes all the time reaches the session the moment it is taken over.
    let mut publisher = s.client("p");
    for round in 0..30 {
        publisher.send(burgee_conformance::publish(0x30, &t, 0, "racing"));
        let mut wire = s.raw();
        wire.send(&connect);
        publisher.send(burgee_conformance::publish(0x32, &t, round + 1, "racing"));
        wire.expect([0x20, 2, 1, 0]);
    }
}

fn mqtt_3_2_2_1_clean1_session_present_0(s: &Server) {
    s.session("a", false).disconnect();
    s.client("a").disconnect();
    let old = s.session("b", false);
    s.client("b").alive();
    drop(old);
}

fn mqtt_3_2_2_2_stored_session_present_1(s: &Server) {
    s.session("a", false).disconnect();
    s.session("a", true).cut();
    s.session("a", true).reset();
    let mut old = s.session("a", true);
    let mut new = s.session("a", true);
    old.closed();
    new.subscribe(&[(s.topic("t"), 0)]);
    new.disconnect();
    s.session("a", true).disconnect();
}

fn mqtt_3_2_2_3_no_stored_session_present_0(s: &Server) {
    s.session("new", false).disconnect();
    s.client("clean").disconnect();
    s.session("clean", false).disconnect();
    // Clean 1 deletes the older session.
    s.session("clean", true).disconnect();
    s.client("clean").disconnect();
    s.session("clean", false).disconnect();
}

fn mqtt_3_2_2_4_error_connack_session_present_0(s: &Server) {
    // A wrong password cannot be tried while every anonymous client is welcome.
    s.session("a", false).disconnect();
    let mut wire = s.raw();
    wire.send(Connect::new(s.id("a")).persistent().protocol("MQTT", 9).bytes());
    wire.expect([0x20, 2, 0, 1]);
    let mut connected = s.session("a", true);
    let mut wire = s.raw();
    wire.send(Connect::new(s.id("a")).persistent().protocol("MQTT", 9).bytes());
    wire.expect([0x20, 2, 0, 1]);
    connected.alive();
}

fn mqtt_3_2_2_5_error_connack_then_close(s: &Server) {
    let refused = [
        (Connect::new(s.id("a")).protocol("MQTT", 9), 1),
        (Connect::new("").persistent().keep_alive(0), 2),
    ];
    for (connect, code) in refused {
        let mut wire = s.raw();
        wire.send(connect.bytes());
        wire.expect([0x20, 2, 0, code]);
        wire.closed();
    }
}

fn mqtt_3_2_2_6_no_fitting_code_close_without_connack(s: &Server) {
    let hello = hex("16 0301 0041 01 00003D 0303 000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F 00");
    let strangers = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        hello,
        b"\r\n\r\n".to_vec(),
        vec![0xFF; 64],
        vec![0x10, 0x00],
        Connect::new(s.id("a")).flags(0x01).bytes(),
    ];
    for bytes in strangers {
        let mut wire = s.raw();
        wire.send(bytes);
        wire.closed();
    }
}
