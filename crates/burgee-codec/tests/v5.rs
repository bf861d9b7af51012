//! Packets of 5.0 written by hand from the tables of the standard, and what they mean. They are written
//! back to the same bytes. Broken ones stand in `v5_broken.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test speaks by panics")]

mod support;

use std::num::{NonZeroU16, NonZeroU32};

use burgee_codec::{
    Ack, Auth, ConnAck, Connect, Disconnect, FilterList, Filters, Packet, PacketId, Properties, Property, Publish, QoS,
    RetainHandling, SubAck, Subscribe, SubscribeOptions, TopicFilter, TopicName, UnsubAck, Unsubscribe, Version, Will,
};
use support::{hex, whole};

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
fn same(digits: &str, packet: &Packet<'_>) {
    let bytes = hex(digits);
    assert_eq!(whole(&bytes, Version::V5), *packet, "{digits}");
    let mut written = Vec::new();
    assert_eq!(packet.append_to(Version::V5, &mut written), Ok(bytes.len()));
    assert_eq!(written, bytes, "{packet:?}");
}

const NO: Properties<'static> = Properties::from_slice(&[]);

fn connect() -> Connect<'static> {
    Connect {
        version: Version::V5,
        clean_session: true,
        keep_alive: 60,
        client_id: "a",
        will: None,
        user_name: None,
        password: None,
        properties: NO,
    }
}

fn publish() -> Publish<'static> {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: topic("a"),
        packet_id: None,
        payload: b"hi",
        properties: NO,
    }
}

#[test]
fn connect_and_its_properties() {
    same("10 0E 0004'MQTT' 05 02 003C 00 0001'a'", &Packet::Connect(connect()));
    let properties = [
        Property::SessionExpiryInterval(0xFFFF_FFFF),
        Property::ReceiveMaximum(NonZeroU16::new(20).unwrap()),
        Property::MaximumPacketSize(NonZeroU32::new(0x10000).unwrap()),
        Property::TopicAliasMaximum(0),
        Property::RequestResponseInformation(true),
        Property::RequestProblemInformation(false),
        Property::UserProperty("k", "v"),
        Property::UserProperty("k", "v"),
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(&[0]),
    ];
    let connect = Connect {
        properties: Properties::from_slice(&properties),
        ..connect()
    };
    same(
        "10 38 0004'MQTT' 05 02 003C
         2A 11FFFFFFFF 210014 2700010000 220000 1901 1700 260001'k'0001'v' 260001'k'0001'v' 150001'm' 16000100
         0001'a'",
        &Packet::Connect(connect),
    );
}

#[test]
fn connect_with_a_will_and_a_password_alone() {
    let properties = [
        Property::WillDelayInterval(1),
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(2),
        Property::ContentType("t"),
        Property::ResponseTopic(topic("r")),
        Property::CorrelationData(b"c"),
    ];
    let will = Will {
        topic: topic("w"),
        payload: b"m",
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: Properties::from_slice(&properties),
    };
    same(
        "10 2D 0004'MQTT' 05 2C 003C 00 0001'a'
         18 1800000001 0101 0200000002 030001't' 080001'r' 090001'c' 0001'w' 0001'm'",
        &Packet::Connect(Connect {
            clean_session: false,
            will: Some(will),
            ..connect()
        }),
    );
    same(
        "10 11 0004'MQTT' 05 42 003C 00 0001'a' 0001'p'",
        &Packet::Connect(Connect {
            password: Some(b"p"),
            ..connect()
        }),
    );
}

#[test]
fn connack_and_its_properties() {
    same("20 03 01 00 00", &Packet::ConnAck(ConnAck::new(true, 0)));
    same("20 03 00 87 00", &Packet::ConnAck(ConnAck::new(false, 0x87)));
    let properties = [
        Property::SessionExpiryInterval(1),
        Property::ReceiveMaximum(NonZeroU16::new(1).unwrap()),
        Property::MaximumQos(QoS::AtLeastOnce),
        Property::RetainAvailable(true),
        Property::MaximumPacketSize(NonZeroU32::MIN),
        Property::AssignedClientIdentifier("c"),
        Property::TopicAliasMaximum(9),
        Property::ReasonString("r"),
        Property::WildcardSubscriptionAvailable(false),
        Property::SubscriptionIdentifiersAvailable(true),
        Property::SharedSubscriptionAvailable(false),
        Property::ServerKeepAlive(60),
        Property::ResponseInformation("i"),
        Property::ServerReference("s"),
    ];
    same(
        "20 30 00 00
         2D 1100000001 210001 2401 2501 2700000001 120001'c' 220009 1F0001'r' 2800 2901 2A00 13003C
         1A0001'i' 1C0001's'",
        &Packet::ConnAck(ConnAck {
            properties: Properties::from_slice(&properties),
            ..ConnAck::new(false, 0)
        }),
    );
}

#[test]
fn publish_and_its_properties() {
    same("30 06 0001'a' 00 'hi'", &Packet::Publish(publish()));
    let properties = [
        Property::PayloadFormatIndicator(false),
        Property::SubscriptionIdentifier(NonZeroU32::new(1).unwrap()),
        Property::SubscriptionIdentifier(NonZeroU32::new(268_435_455).unwrap()),
    ];
    let full = Publish {
        dup: true,
        qos: QoS::ExactlyOnce,
        packet_id: Some(id(7)),
        properties: Properties::from_slice(&properties),
        ..publish()
    };
    same(
        "3C 11 0001'a' 0007 09 0100 0B01 0BFFFFFF7F 'hi'",
        &Packet::Publish(full),
    );
    let alias = [Property::TopicAlias(NonZeroU16::MAX)];
    let aliased = Publish {
        topic: TopicName::EMPTY,
        properties: Properties::from_slice(&alias),
        ..publish()
    };
    same("30 08 0000 03 23FFFF 'hi'", &Packet::Publish(aliased));
}

#[test]
fn acknowledgements_in_their_three_lengths() {
    let properties = [Property::ReasonString("r")];
    let properties = Properties::from_slice(&properties);
    let plain = Ack::new(id(1));
    same("40 02 0001", &Packet::PubAck(plain));
    same("40 03 0001 10", &Packet::PubAck(Ack { reason: 0x10, ..plain }));
    same(
        "50 08 0001 00 04 1F0001'r'",
        &Packet::PubRec(Ack { properties, ..plain }),
    );
    same("62 03 0001 92", &Packet::PubRel(Ack { reason: 0x92, ..plain }));
    same(
        "70 08 0001 92 04 1F0001'r'",
        &Packet::PubComp(Ack {
            reason: 0x92,
            properties,
            ..plain
        }),
    );
    // What may be left out need not be.
    assert_eq!(whole(&hex("40 03 0001 00"), Version::V5), Packet::PubAck(plain));
    assert_eq!(whole(&hex("40 04 0001 00 00"), Version::V5), Packet::PubAck(plain));
}

#[test]
fn subscribe_options() {
    let items = [
        (filter("a"), SubscribeOptions::from(QoS::AtLeastOnce)),
        (
            filter("b"),
            SubscribeOptions {
                qos: QoS::ExactlyOnce,
                no_local: true,
                retain_as_published: true,
                retain_handling: RetainHandling::DoNotSend,
            },
        ),
        (
            filter("$share/g/c"),
            SubscribeOptions {
                retain_handling: RetainHandling::SendIfNew,
                ..SubscribeOptions::default()
            },
        ),
    ];
    let properties = [Property::SubscriptionIdentifier(NonZeroU32::new(128).unwrap())];
    let subscribe = Subscribe {
        packet_id: id(10),
        filters: Filters::from_slice(&items),
        properties: Properties::from_slice(&properties),
    };
    same(
        "82 1B 000A 03 0B8001 0001'a' 01 0001'b' 2E 000A'$share/g/c' 10",
        &Packet::Subscribe(subscribe),
    );
}

#[test]
fn answers_to_requests() {
    let ack = SubAck {
        packet_id: id(10),
        codes: &[0, 1, 2, 0x80, 0x97, 0xA2],
        properties: NO,
    };
    same("90 09 000A 00 0001028097A2", &Packet::SubAck(ack));
    let items = [filter("a/b"), filter("#")];
    let unsubscribe = Unsubscribe {
        packet_id: id(11),
        filters: FilterList::from_slice(&items),
        properties: NO,
    };
    same("A2 0B 000B 00 0003'a/b' 0001'#'", &Packet::Unsubscribe(unsubscribe));
    let ack = UnsubAck {
        packet_id: id(11),
        codes: &[0, 0x11],
        properties: NO,
    };
    same("B0 05 000B 00 0011", &Packet::UnsubAck(ack));
}

#[test]
fn disconnect_and_auth() {
    same("E0 00", &Packet::Disconnect(Disconnect::default()));
    same(
        "E0 01 04",
        &Packet::Disconnect(Disconnect {
            reason: 4,
            properties: NO,
        }),
    );
    let expiry = [Property::SessionExpiryInterval(0)];
    let properties = Properties::from_slice(&expiry);
    same(
        "E0 07 00 05 1100000000",
        &Packet::Disconnect(Disconnect { reason: 0, properties }),
    );
    assert_eq!(
        whole(&hex("E0 02 00 00"), Version::V5),
        Packet::Disconnect(Disconnect::default())
    );
    same("F0 00", &Packet::Auth(Auth::default()));
    let method = [Property::AuthenticationMethod("m"), Property::AuthenticationData(b"d")];
    let properties = Properties::from_slice(&method);
    same(
        "F0 0A 18 08 150001'm' 160001'd'",
        &Packet::Auth(Auth {
            reason: 0x18,
            properties,
        }),
    );
    same(
        "F0 02 19 00",
        &Packet::Auth(Auth {
            reason: 0x19,
            properties: NO,
        }),
    );
    same("C0 00", &Packet::PingReq);
    same("D0 00", &Packet::PingResp);
}

#[test]
fn properties_are_compared_by_item_and_in_order() {
    let bytes = hex("30 0C 0001'a' 07 0101 0200000001 'h'");
    let Packet::Publish(publish) = whole(&bytes, Version::V5) else {
        panic!("PUBLISH")
    };
    let items = [
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(1),
    ];
    assert_eq!(publish.properties, Properties::from_slice(&items));
    assert_eq!(publish.properties.iter().collect::<Vec<_>>(), items);
    assert!(!publish.properties.is_empty());
    assert_ne!(publish.properties, Properties::from_slice(&items[..1]));
    assert_ne!(publish.properties, Properties::from_slice(&[items[1], items[0]]));
    assert_ne!(
        publish.properties,
        Properties::from_slice(&[items[0], Property::MessageExpiryInterval(2)])
    );
    assert_ne!(publish.properties, NO);
}
