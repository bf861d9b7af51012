//! What the encoder does not write: packets that a version does not have, and packets that nobody could read.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test speaks by panics")]

mod support;

use std::num::NonZeroU32;

use burgee_codec::{
    Ack, Auth, ConnAck, Connect, Disconnect, EncodeError, FilterList, Filters, Packet, PacketId, Properties, Property,
    Publish, QoS, SubAck, Subscribe, SubscribeOptions, TopicFilter, TopicName, UnsubAck, Unsubscribe, Version, Will,
};
use support::{hex, read, whole};

const NO: Properties<'static> = Properties::from_slice(&[]);
const ID: PacketId = PacketId::MIN;

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
        topic: TopicName::parse("a").unwrap(),
        packet_id: None,
        payload: b"hi",
        properties: NO,
    }
}

fn no_local(filter: &str) -> (TopicFilter<'_>, SubscribeOptions) {
    (
        TopicFilter::parse(filter).unwrap(),
        SubscribeOptions {
            no_local: true,
            ..SubscribeOptions::default()
        },
    )
}

fn is_invalid(packet: &Packet<'_>) {
    let mut out = Vec::new();
    let refusal = packet.append_to(Version::V5, &mut out);
    assert!(
        matches!(refusal, Err(EncodeError::Invalid(_))),
        "{packet:?} {refusal:?}"
    );
    assert!(out.is_empty());
}

#[test]
fn what_5_0_brought_cannot_be_written_before_it() {
    let user = [Property::UserProperty("k", "v")];
    let user = Properties::from_slice(&user);
    let options = [no_local("a")];
    let filters = Filters::from_slice(&options);
    for packet in [
        Packet::Auth(Auth::default()),
        Packet::Disconnect(Disconnect {
            reason: 4,
            properties: NO,
        }),
        Packet::PubAck(Ack {
            reason: 0x10,
            ..Ack::new(ID)
        }),
        Packet::PubAck(Ack {
            properties: user,
            ..Ack::new(ID)
        }),
        Packet::Publish(Publish {
            properties: user,
            ..publish()
        }),
        Packet::UnsubAck(UnsubAck {
            packet_id: ID,
            codes: &[0],
            properties: NO,
        }),
        Packet::Subscribe(Subscribe {
            packet_id: ID,
            filters,
            properties: NO,
        }),
        Packet::Connect(Connect {
            version: Version::V311,
            properties: user,
            ..connect()
        }),
    ] {
        for version in [Version::V31, Version::V311] {
            assert!(
                matches!(packet.encoded_len(version), Err(EncodeError::NotInVersion(_))),
                "{packet:?}"
            );
        }
    }
    assert!(read(&[0xF0, 0x00], Version::V311).is_err());
}

#[test]
fn identifier_dup_and_topic_of_a_publish_fit_its_qos() {
    for publish in [
        Publish {
            topic: TopicName::EMPTY,
            ..publish()
        },
        Publish { dup: true, ..publish() },
        Publish {
            qos: QoS::AtLeastOnce,
            ..publish()
        },
        Publish {
            packet_id: Some(ID),
            ..publish()
        },
    ] {
        is_invalid(&Packet::Publish(publish));
    }
}

#[test]
fn properties_have_their_place_and_their_range() {
    let big = NonZeroU32::new(268_435_456).unwrap();
    for items in [
        &[Property::SubscriptionIdentifier(big)][..],
        &[Property::WillDelayInterval(1)],
        &[Property::ResponseTopic(TopicName::EMPTY)],
        &[Property::ContentType("a"), Property::ContentType("a")],
        &[Property::UserProperty("", "\0")],
    ] {
        is_invalid(&Packet::Publish(Publish {
            properties: Properties::from_slice(items),
            ..publish()
        }));
    }
    for items in [
        &[Property::MaximumQos(QoS::ExactlyOnce)][..],
        &[Property::ReasonString("\0")],
        &[Property::TopicAliasMaximum(1), Property::TopicAliasMaximum(1)],
    ] {
        let properties = Properties::from_slice(items);
        is_invalid(&Packet::ConnAck(ConnAck {
            properties,
            ..ConnAck::new(false, 0)
        }));
    }
    let data = [Property::AuthenticationData(b"d")];
    is_invalid(&Packet::Connect(Connect {
        properties: Properties::from_slice(&data),
        ..connect()
    }));
}

#[test]
fn codes_are_known_and_lists_are_not_empty() {
    let shared = [no_local("$share/g/c")];
    for packet in [
        Packet::ConnAck(ConnAck::new(true, 0x87)),
        Packet::ConnAck(ConnAck::new(false, 1)),
        Packet::PubRel(Ack {
            reason: 0x10,
            ..Ack::new(ID)
        }),
        Packet::Disconnect(Disconnect {
            reason: 0x84,
            properties: NO,
        }),
        Packet::Subscribe(Subscribe {
            packet_id: ID,
            filters: Filters::from_slice(&[]),
            properties: NO,
        }),
        Packet::Subscribe(Subscribe {
            packet_id: ID,
            filters: Filters::from_slice(&shared),
            properties: NO,
        }),
        Packet::Unsubscribe(Unsubscribe {
            packet_id: ID,
            filters: FilterList::from_slice(&[]),
            properties: NO,
        }),
        Packet::SubAck(SubAck {
            packet_id: ID,
            codes: &[],
            properties: NO,
        }),
        Packet::SubAck(SubAck {
            packet_id: ID,
            codes: &[3],
            properties: NO,
        }),
        Packet::UnsubAck(UnsubAck {
            packet_id: ID,
            codes: &[],
            properties: NO,
        }),
        Packet::UnsubAck(UnsubAck {
            packet_id: ID,
            codes: &[1],
            properties: NO,
        }),
    ] {
        is_invalid(&packet);
    }
}

#[test]
fn fields_of_a_connect_can_be_read() {
    is_invalid(&Packet::Connect(Connect {
        client_id: "\0",
        ..connect()
    }));
    is_invalid(&Packet::Connect(Connect {
        user_name: Some("a\0"),
        ..connect()
    }));
    is_invalid(&Packet::Connect(Connect {
        version: Version::V311,
        password: Some(b"p"),
        ..connect()
    }));
    let long = "x".repeat(65_536);
    for connect in [
        Connect {
            client_id: &long,
            ..connect()
        },
        Connect {
            user_name: Some(&long),
            ..connect()
        },
        Connect {
            password: Some(long.as_bytes()),
            ..connect()
        },
    ] {
        assert_eq!(
            Packet::Connect(connect).encoded_len(Version::V5),
            Err(EncodeError::FieldTooLong)
        );
    }
}

#[test]
fn properties_of_one_packet_are_judged_anew_in_another() {
    let bytes = hex("30 09 0001'a' 03 230001 'hi'");
    let Packet::Publish(came) = whole(&bytes, Version::V5) else {
        panic!("PUBLISH")
    };
    let goes = Packet::Publish(Publish { retain: true, ..came });
    assert_eq!(goes.encoded_len(Version::V5), Ok(bytes.len()));
    let will = Will {
        topic: TopicName::parse("w").unwrap(),
        payload: b"",
        qos: QoS::AtMostOnce,
        retain: false,
        properties: came.properties,
    };
    let connect = Packet::Connect(Connect {
        will: Some(will),
        ..connect()
    });
    assert!(matches!(connect.encoded_len(Version::V5), Err(EncodeError::Invalid(_))));
}
