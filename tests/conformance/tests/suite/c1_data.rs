//! Section 1.5.3: strings are UTF-8, without surrogates and without U+0000, and are taken byte for byte.

use burgee_conformance::{Connect, Server, hex, proofs, publish, subscribe, unsubscribe};

proofs![
    mqtt_1_5_3_1_ill_formed_utf8_closes,
    mqtt_1_5_3_1_ill_formed_utf8_closes_but_not_in_binary_fields,
    mqtt_1_5_3_2_nul_in_string_closes,
    mqtt_1_5_3_2_nul_in_string_closes_but_not_in_binary_fields,
    mqtt_1_5_3_3_bom_is_kept,
];

/// Surrogates, overlong forms, a lone continuation, a truncated character, above 10FFFF, bytes that never occur.
pub(crate) const ILL_FORMED: [&str; 10] = [
    "EDA080", "EDBFBF", "C0AF", "E080AF", "F08080AF", "80", "E282", "F4908080", "FE", "FF",
];

/// CONNECTs with this string as client id, will topic and user name.
fn connects(s: &Server, bad: &[u8]) -> [Connect; 3] {
    let id = s.id("x");
    [
        Connect::new(bad),
        Connect::new(&id).will(0x04, bad, "m"),
        Connect::new(&id).user(bad).password("p"),
    ]
}

/// Packets of a connected client with this string as topic or filter, alone or behind a good one.
fn packets(s: &Server, bad: &[u8]) -> Vec<Vec<u8>> {
    let good = s.topic("good").into_bytes();
    vec![
        publish(0x30, bad, 0, "m"),
        publish(0x31, bad, 0, "m"),
        publish(0x32, bad, 1, "m"),
        publish(0x34, bad, 1, "m"),
        subscribe(1, &[(bad, 0)]),
        subscribe(1, &[(good.as_slice(), 0), (bad, 0)]),
        unsubscribe(1, &[bad]),
        unsubscribe(1, &[good.as_slice(), bad]),
    ]
}

/// The bad bytes alone, in front of, behind and between good ones.
fn variants(s: &Server, bad: &[u8]) -> Vec<Vec<u8>> {
    let good = s.topic("a");
    let good = good.as_bytes();
    vec![
        bad.to_vec(),
        [good, bad].concat(),
        [bad, good].concat(),
        [good, bad, b"/b"].concat(),
    ]
}

fn string_closes(s: &Server, bad: &[u8]) {
    for bad in variants(s, bad) {
        for connect in connects(s, &bad) {
            let mut wire = s.raw();
            wire.send(connect.bytes());
            wire.closed();
        }
    }
    // Which place in the string is bad is the same code for all fields: the middle is enough for the rest.
    for packet in packets(s, &[s.topic("a").as_bytes(), bad, b"b"].concat()) {
        let mut wire = s.client("y");
        wire.send(packet);
        wire.closed();
    }
}

fn binary_fields_pass(s: &Server, bytes: &[u8]) {
    let (t, w) = (s.topic("binary"), s.topic("will"));
    let mut watcher = s.watcher(&s.topic("#"), 2);
    let connect = Connect::new(s.id("b")).will(0x04, &w, bytes).user("u").password(bytes);
    let mut wire = s.open(&connect);
    wire.publish(0x32, &t, bytes);
    watcher.take(0x32, &t, bytes);
    wire.cut();
    watcher.take(0x30, &w, bytes);
}

fn mqtt_1_5_3_1_ill_formed_utf8_closes(s: &Server) {
    for bad in ILL_FORMED {
        string_closes(s, &hex(bad));
    }
}

fn mqtt_1_5_3_1_ill_formed_utf8_closes_but_not_in_binary_fields(s: &Server) {
    for bytes in ILL_FORMED {
        binary_fields_pass(s, &hex(bytes));
    }
}

fn mqtt_1_5_3_2_nul_in_string_closes(s: &Server) {
    string_closes(s, &[0]);
}

fn mqtt_1_5_3_2_nul_in_string_closes_but_not_in_binary_fields(s: &Server) {
    binary_fields_pass(s, b"a\0b");
    binary_fields_pass(s, b"\0");
}

fn mqtt_1_5_3_3_bom_is_kept(s: &Server) {
    let plain = s.topic("bom");
    let marked = format!("\u{FEFF}{plain}");
    assert_eq!(&marked.as_bytes()[..3], [0xEF, 0xBB, 0xBF]);
    let mut of_plain = s.watcher(&plain, 0);
    let mut of_marked = s.watcher(&marked, 0);
    s.publish(0x30, &marked, "with");
    s.publish(0x30, &plain, "without");
    of_marked.take(0x30, &marked, "with");
    of_plain.take(0x30, &plain, "without");
    s.only_marker(&mut of_marked, &marked);
    s.only_marker(&mut of_plain, &plain);

    // Inside and at the end of a string it is a character as well.
    let inside = format!("{plain}/\u{FEFF}x\u{FEFF}");
    let mut of_inside = s.watcher(&inside, 0);
    s.publish(0x30, &format!("{plain}/x"), "no");
    s.publish(0x30, &inside, "yes");
    of_inside.take(0x30, &inside, "yes");
}
