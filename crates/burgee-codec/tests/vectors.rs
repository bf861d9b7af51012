//! Packets of 3.1 and 3.1.1 written by hand from the tables of the standard, and what they mean. They are written back to the
//! same bytes. Broken ones stand in `broken.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test speaks by panics")]

mod support;

use burgee_codec::{
    Ack, ConnAck, Connect, Disconnect, FilterList, Filters, Packet, PacketId, PacketType, Properties, Publish, QoS,
    SubAck, Subscribe, TopicFilter, TopicName, UnsubAck, Unsubscribe, Version, Will,
};
use support::{broken, hex, whole};

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn topic(raw: &str) -> TopicName<'_> {
    TopicName::parse(raw).unwrap()
}

fn filter(raw: &str) -> TopicFilter<'_> {
    TopicFilter::parse(raw).unwrap()
}

/// These bytes are this packet, and this packet is these bytes.
fn same(digits: &str, version: Version, packet: &Packet<'_>) {
    let bytes = hex(digits);
    assert_eq!(whole(&bytes, version), *packet, "{digits}");
    let mut written = Vec::new();
    assert_eq!(packet.append_to(version, &mut written), Ok(bytes.len()));
    assert_eq!(written, bytes, "{packet:?}");
}

/// The same in both old versions.
fn same_in_both(digits: &str, packet: &Packet<'_>) {
    same(digits, Version::V31, packet);
    same(digits, Version::V311, packet);
}

fn connect() -> Connect<'static> {
    Connect {
        version: Version::V311,
        clean_session: true,
        keep_alive: 60,
        client_id: "a",
        will: None,
        user_name: None,
        password: None,
        properties: Properties::default(),
    }
}

fn will() -> Will<'static> {
    Will {
        topic: topic("w"),
        payload: b"m",
        qos: QoS::AtMostOnce,
        retain: false,
        properties: Properties::default(),
    }
}

fn publish() -> Publish<'static> {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: topic("a/b"),
        packet_id: None,
        payload: b"hi",
        properties: Properties::default(),
    }
}

#[test]
fn connect_of_3_1_1() {
    same(
        "10 0D 0004'MQTT' 04 02 003C 0001'a'",
        Version::V311,
        &Packet::Connect(connect()),
    );
    let full = Connect {
        clean_session: false,
        keep_alive: 0xFFFF,
        client_id: "",
        will: Some(Will {
            qos: QoS::ExactlyOnce,
            retain: true,
            ..will()
        }),
        user_name: Some("u"),
        password: Some(&[0, 0xFF]),
        ..connect()
    };
    same(
        "10 19 0004'MQTT' 04 F4 FFFF 0000 0001'w' 0001'm' 0001'u' 000200FF",
        Version::V311,
        &Packet::Connect(full),
    );
    let bare_will = Connect {
        will: Some(Will { payload: b"", ..will() }),
        ..connect()
    };
    same(
        "10 12 0004'MQTT' 04 06 003C 0001'a' 0001'w' 0000",
        Version::V311,
        &Packet::Connect(bare_will),
    );
    let user = Connect {
        user_name: Some(""),
        ..connect()
    };
    same(
        "10 0F 0004'MQTT' 04 82 003C 0001'a' 0000",
        Version::V311,
        &Packet::Connect(user),
    );
    let login = Connect {
        user_name: Some("ü"),
        password: Some(b""),
        ..connect()
    };
    same(
        "10 13 0004'MQTT' 04 C2 003C 0001'a' 0002C3BC 0000",
        Version::V311,
        &Packet::Connect(login),
    );
}

#[test]
fn connect_of_3_1() {
    let plain = Connect {
        version: Version::V31,
        ..connect()
    };
    same(
        "10 0F 0006'MQIsdp' 03 02 003C 0001'a'",
        Version::V31,
        &Packet::Connect(plain),
    );
    let login = Connect {
        user_name: Some("u"),
        password: Some(b"p"),
        ..plain
    };
    same(
        "10 15 0006'MQIsdp' 03 C2 003C 0001'a' 0001'u' 0001'p'",
        Version::V31,
        &Packet::Connect(login),
    );
}

#[test]
fn in_3_1_a_login_that_does_not_come_is_absent() {
    let without = Connect {
        version: Version::V31,
        ..connect()
    };
    for digits in [
        "10 0F 0006'MQIsdp' 03 82 003C 0001'a'",
        "10 0F 0006'MQIsdp' 03 C2 003C 0001'a'",
    ] {
        assert_eq!(whole(&hex(digits), Version::V31), Packet::Connect(without), "{digits}");
    }
    let user = Connect {
        user_name: Some("u"),
        ..without
    };
    let half = hex("10 12 0006'MQIsdp' 03 C2 003C 0001'a' 0001'u'");
    assert_eq!(whole(&half, Version::V31), Packet::Connect(user));
    // A field that has begun has to end.
    assert_eq!(
        broken(&hex("10 10 0006'MQIsdp' 03 82 003C 0001'a' 00"), Version::V31),
        "MQTT-3.1.2-19"
    );
    assert_eq!(
        broken(&hex("10 14 0006'MQIsdp' 03 C2 003C 0001'a' 0001'u' 0001"), Version::V31),
        "MQTT-3.1.2-21"
    );
}

#[test]
fn in_3_1_flags_without_meaning_are_passed_over() {
    let plain = Packet::Connect(Connect {
        version: Version::V31,
        ..connect()
    });
    for flags in ["03", "22", "1A", "3B"] {
        let bytes = hex(&format!("10 0F 0006'MQIsdp' 03 {flags} 003C 0001'a'"));
        assert_eq!(whole(&bytes, Version::V31), plain, "{flags}");
    }
}

#[test]
fn the_version_of_a_connect_is_its_own() {
    let bytes = hex("10 0D 0004'MQTT' 04 02 003C 0001'a'");
    for version in [Version::V31, Version::V311, Version::V5] {
        assert_eq!(whole(&bytes, version), Packet::Connect(connect()));
        assert_eq!(Packet::Connect(connect()).encoded_len(version), Ok(bytes.len()));
    }
}

#[test]
fn connack() {
    same("20 02 01 00", Version::V311, &Packet::ConnAck(ConnAck::new(true, 0)));
    for code in 0..=5 {
        same_in_both(
            &format!("20 02 00 0{code}"),
            &Packet::ConnAck(ConnAck::new(false, code)),
        );
    }
    for digits in ["20 02 00 06", "20 02 00 FF"] {
        assert_eq!(broken(&hex(digits), Version::V311), "MQTT-3.2.2-6");
        assert_eq!(broken(&hex(digits), Version::V31), "MQTT-3.2.2-6");
    }
    for code in 1..=5 {
        assert_eq!(
            broken(&hex(&format!("20 02 01 0{code}")), Version::V311),
            "MQTT-3.2.2-4"
        );
    }
    for flags in ["02", "80", "FF", "03"] {
        assert_eq!(
            broken(&hex(&format!("20 02 {flags} 00")), Version::V311),
            "MQTT-4.8.0-1"
        );
        // 3.1 has no use for this byte.
        assert_eq!(
            whole(&hex(&format!("20 02 {flags} 00")), Version::V31),
            Packet::ConnAck(ConnAck::new(false, 0))
        );
    }
    let mut written = Vec::new();
    Packet::ConnAck(ConnAck::new(true, 0))
        .append_to(Version::V31, &mut written)
        .unwrap();
    assert_eq!(written, hex("20 02 00 00"));
}

#[test]
fn publish_in_all_its_forms() {
    same_in_both("30 07 0003'a/b' 'hi'", &Packet::Publish(publish()));
    same_in_both(
        "31 05 0003'a/b'",
        &Packet::Publish(Publish {
            retain: true,
            payload: b"",
            ..publish()
        }),
    );
    let qos1 = Publish {
        qos: QoS::AtLeastOnce,
        packet_id: Some(id(1)),
        ..publish()
    };
    same_in_both("32 09 0003'a/b' 0001 'hi'", &Packet::Publish(qos1));
    same_in_both(
        "3B 09 0003'a/b' 0001 'hi'",
        &Packet::Publish(Publish {
            dup: true,
            retain: true,
            ..qos1
        }),
    );
    let qos2 = Publish {
        qos: QoS::ExactlyOnce,
        packet_id: Some(id(0xFF01)),
        payload: &[0, 0xFF],
        ..publish()
    };
    same_in_both("34 09 0003'a/b' FF01 00FF", &Packet::Publish(qos2));
    same_in_both(
        "3D 09 0003'a/b' FF01 00FF",
        &Packet::Publish(Publish {
            dup: true,
            retain: true,
            ..qos2
        }),
    );
    // Every character of a topic stays where it is.
    let bom = Publish {
        topic: topic("\u{feff}a"),
        ..publish()
    };
    same_in_both("30 08 0004 EFBBBF'a' 'hi'", &Packet::Publish(bom));
    let control = Publish {
        topic: topic("\u{1}\u{7f}\u{ffff}"),
        payload: b"",
        ..publish()
    };
    same_in_both("30 07 0005 01 7F EFBFBF", &Packet::Publish(control));
}

#[test]
fn acknowledgements() {
    same_in_both("40 02 1234", &Packet::PubAck(Ack::new(id(0x1234))));
    same_in_both("50 02 0001", &Packet::PubRec(Ack::new(id(1))));
    same_in_both("62 02 FFFF", &Packet::PubRel(Ack::new(id(0xFFFF))));
    same_in_both("70 02 0100", &Packet::PubComp(Ack::new(id(0x100))));
}

#[test]
fn subscribe_and_suback() {
    let items = [
        (filter("a/b"), QoS::AtLeastOnce.into()),
        (filter("+/#"), QoS::ExactlyOnce.into()),
    ];
    let subscribe = Subscribe {
        packet_id: id(10),
        filters: Filters::from_slice(&items),
        properties: Properties::default(),
    };
    same_in_both("82 0E 000A 0003'a/b' 01 0003'+/#' 02", &Packet::Subscribe(subscribe));
    let ack = SubAck {
        packet_id: id(10),
        codes: &[0, 1, 2, 0x80],
        properties: Properties::default(),
    };
    same_in_both("90 06 000A 00010280", &Packet::SubAck(ack));
}

#[test]
fn unsubscribe_and_unsuback() {
    let items = [filter("a/b"), filter("#")];
    let unsubscribe = Unsubscribe {
        packet_id: id(11),
        filters: FilterList::from_slice(&items),
        properties: Properties::default(),
    };
    same_in_both("A2 0A 000B 0003'a/b' 0001'#'", &Packet::Unsubscribe(unsubscribe));
    let ack = UnsubAck {
        packet_id: id(11),
        codes: &[],
        properties: Properties::default(),
    };
    same_in_both("B0 02 000B", &Packet::UnsubAck(ack));
}

#[test]
fn packets_without_a_body() {
    same_in_both("C0 00", &Packet::PingReq);
    same_in_both("D0 00", &Packet::PingResp);
    same_in_both("E0 00", &Packet::Disconnect(Disconnect::default()));
}

#[test]
fn filters_are_walked_in_order_and_compared_by_item() {
    let bytes = hex("82 0E 000A 0003'a/b' 01 0003'+/#' 02");
    let Packet::Subscribe(subscribe) = whole(&bytes, Version::V311) else {
        panic!("SUBSCRIBE")
    };
    assert_eq!(subscribe.filters.len(), 2);
    let seen: Vec<_> = subscribe
        .filters
        .iter()
        .map(|(filter, options)| (filter.as_str(), options.qos))
        .collect();
    assert_eq!(seen, [("a/b", QoS::AtLeastOnce), ("+/#", QoS::ExactlyOnce)]);
    let same = [
        (filter("a/b"), QoS::AtLeastOnce.into()),
        (filter("+/#"), QoS::ExactlyOnce.into()),
    ];
    assert_eq!(subscribe.filters, Filters::from_slice(&same));
    for (other, qos) in [("a/c", QoS::AtLeastOnce), ("a/b", QoS::AtMostOnce)] {
        let other = [(filter(other), qos.into()), same[1]];
        assert_ne!(subscribe.filters, Filters::from_slice(&other));
    }
    assert_ne!(subscribe.filters, Filters::from_slice(&same[..1]));
    let bytes = hex("A2 0A 000B 0003'a/b' 0001'#'");
    let Packet::Unsubscribe(unsubscribe) = whole(&bytes, Version::V311) else {
        panic!("UNSUBSCRIBE")
    };
    assert_eq!(
        unsubscribe.filters.iter().map(TopicFilter::as_str).collect::<Vec<_>>(),
        ["a/b", "#"]
    );
    assert_eq!(unsubscribe.filters.len(), 2);
}

#[test]
fn in_3_1_repeated_requests_may_say_so() {
    let rel = Packet::PubRel(Ack::new(id(1)));
    assert_eq!(whole(&hex("6A 02 0001"), Version::V31), rel);
    assert_eq!(
        whole(&hex("8A 06 0001 0001'a' 00"), Version::V31).packet_type(),
        PacketType::Subscribe
    );
    assert_eq!(
        whole(&hex("AA 05 0001 0001'a'"), Version::V31).packet_type(),
        PacketType::Unsubscribe
    );
    assert_eq!(broken(&[0x6A], Version::V311), "MQTT-3.6.1-1");
    assert_eq!(broken(&[0x8A], Version::V311), "MQTT-3.8.1-1");
    assert_eq!(broken(&[0xAA], Version::V311), "MQTT-3.10.1-1");
}
