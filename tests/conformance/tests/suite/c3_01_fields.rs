//! Section 3.1.2: connect flags and the fields they announce fit together, or the server closes without CONNACK.

use burgee_conformance::{Connect, Server, field, proofs};

proofs![
    mqtt_3_1_2_9_will_flag_needs_will_fields,
    mqtt_3_1_2_11_no_will_flag_no_will_fields,
    mqtt_3_1_2_13_will_qos_zero_without_will,
    mqtt_3_1_2_14_will_qos_three_closes,
    mqtt_3_1_2_15_will_retain_zero_without_will,
    mqtt_3_1_2_18_no_user_flag_no_user_name,
    mqtt_3_1_2_19_user_flag_needs_user_name,
    mqtt_3_1_2_20_no_password_flag_no_password,
    mqtt_3_1_2_21_password_flag_needs_password,
    mqtt_3_1_2_22_password_needs_user_name,
];

#[track_caller]
fn refused(s: &Server, connect: &Connect) {
    let mut wire = s.raw();
    wire.send(connect.bytes());
    wire.closed();
}

/// Every way to cut this tail short is refused.
#[track_caller]
fn cuts_refused(s: &Server, connect: &Connect, tail: &[u8]) {
    for length in 0..tail.len() {
        refused(s, &connect.clone().tail(&tail[..length]));
    }
}

fn mqtt_3_1_2_9_will_flag_needs_will_fields(s: &Server) {
    let id = s.id("a");
    let w = s.topic("w");
    // After the client id, within and after the topic, within the message.
    cuts_refused(
        s,
        &Connect::new(&id).flags(0x06),
        &[field(&w), field("message")].concat(),
    );

    // With the fields there, QoS and retain of the will are used.
    let mut watcher = s.watcher(&w, 2);
    for (bits, first) in [(0x04, 0x30), (0x0C, 0x32), (0x14, 0x34)] {
        s.open(&Connect::new(&id).will(bits, &w, "will")).cut();
        watcher.take(first, &w, "will");
        // An empty message is present.
        s.open(&Connect::new(&id).will(bits, &w, "")).cut();
        watcher.take(first, &w, "");
    }
    s.only_marker(&mut watcher, &w);
}

fn mqtt_3_1_2_11_no_will_flag_no_will_fields(s: &Server) {
    let id = s.id("a");
    let fields = [field(s.topic("w")), field("x")].concat();
    for flags in [0x0A, 0x12, 0x1A, 0x22, 0x2A] {
        refused(s, &Connect::new(&id).flags(flags));
        refused(s, &Connect::new(&id).flags(flags).tail(&fields));
    }
    refused(s, &Connect::new(&id).flags(0x02).tail(&fields));
    refused(s, &Connect::new(&id).flags(0x00).tail(&fields));
    refused(s, &Connect::new(&id).flags(0x02).tail(field("one")));
}

fn mqtt_3_1_2_13_will_qos_zero_without_will(s: &Server) {
    for flags in [0x0A, 0x12, 0x1A, 0x08, 0x10, 0x18] {
        refused(s, &Connect::new(s.id("a")).flags(flags));
    }
}

fn mqtt_3_1_2_14_will_qos_three_closes(s: &Server) {
    let will = Connect::new(s.id("a")).will(0x04, s.topic("w"), "x");
    let mut watcher = s.watcher(&s.topic("w"), 2);
    for flags in [0x1E, 0x3E, 0x1C] {
        refused(s, &will.clone().flags(flags));
    }
    s.only_marker(&mut watcher, &s.topic("w"));
}

fn mqtt_3_1_2_15_will_retain_zero_without_will(s: &Server) {
    for flags in [0x22, 0x20] {
        refused(s, &Connect::new(s.id("a")).flags(flags));
    }
}

fn mqtt_3_1_2_18_no_user_flag_no_user_name(s: &Server) {
    refused(s, &Connect::new(s.id("a")).flags(0x02).tail(field("user")));
    refused(s, &Connect::new(s.id("a")).flags(0x02).tail(field("")));
    let will = Connect::new(s.id("a")).will(0x04, s.topic("w"), "x");
    refused(s, &will.tail(field("user")));
}

fn mqtt_3_1_2_19_user_flag_needs_user_name(s: &Server) {
    // After the client id, within the length, within the name.
    cuts_refused(s, &Connect::new(s.id("a")).flags(0x82), &field("user"));
    // An empty user name is present.
    s.open(&Connect::new(s.id("a")).user("")).disconnect();
}

fn mqtt_3_1_2_20_no_password_flag_no_password(s: &Server) {
    refused(s, &Connect::new(s.id("a")).user("user").tail(field("password")));
    refused(s, &Connect::new(s.id("a")).user("user").tail(field("")));
}

fn mqtt_3_1_2_21_password_flag_needs_password(s: &Server) {
    let user = Connect::new(s.id("a")).user("user");
    let long = vec![0x61; 65_535];
    cuts_refused(s, &user.clone().flags(0xC2), &field("password"));
    for password in [&b""[..], b"\0", b"\xFF\xFE\x80", &long] {
        s.open(&user.clone().password(password)).disconnect();
    }
}

fn mqtt_3_1_2_22_password_needs_user_name(s: &Server) {
    refused(s, &Connect::new(s.id("a")).password("password"));
    refused(s, &Connect::new(s.id("a")).flags(0x42));
    refused(
        s,
        &Connect::new(s.id("a"))
            .flags(0x42)
            .tail([field("u"), field("p")].concat()),
    );
}
