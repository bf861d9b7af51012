//! Any bytes, in any version: no panic, what is a packet can be written and read again as the same,
//! and what is found at a glance is what decoding finds.
//!
//! The first byte of the input chooses the version.
#![no_main]

use burgee_codec::{
    Ack, AckKind, Auth, BareAck, ConnAck, Connect, DecodeError, Decoded, Disconnect, EncodeError, FilterList, Filters,
    Limits, MAX_REMAINING_LENGTH, Packet, Properties, Publish, Subscribe, TopicName, UnreadPublish, Unsubscribe,
    Version, Will, decode,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    let version = [Version::V31, Version::V311, Version::V5][usize::from(choice % 3)];
    let decoded = decode(bytes, version, &Limits::default());
    glance(bytes, version, &decoded);
    match decoded {
        Ok(Decoded::Packet { packet, len }) => write_and_read(&packet, len, bytes, version),
        Ok(Decoded::Incomplete { needed }) => assert!(needed > bytes.len()),
        Err(DecodeError::TooLarge { size, limit }) => unreachable!("{size} is above {limit}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

/// What is found without decoding is what decoding would find.
fn glance(bytes: &[u8], version: Version, decoded: &Result<Decoded<'_>, DecodeError>) {
    let packet = match decoded {
        Ok(Decoded::Packet { packet, len }) => Some((packet, *len)),
        Ok(Decoded::Incomplete { .. }) | Err(_) => None,
    };
    if let Some(ack) = BareAck::find(bytes) {
        let packet_id = ack.packet_id;
        let same = |ack: &Ack<'_>| *ack == Ack::new(packet_id);
        let agreed = match (ack.kind, packet) {
            (AckKind::PubAck, Some((Packet::PubAck(ack), BareAck::LEN)))
            | (AckKind::PubRec, Some((Packet::PubRec(ack), BareAck::LEN)))
            | (AckKind::PubRel, Some((Packet::PubRel(ack), BareAck::LEN)))
            | (AckKind::PubComp, Some((Packet::PubComp(ack), BareAck::LEN))) => same(ack),
            _ => false,
        };
        assert!(agreed, "{ack:?} {decoded:?}");
    }
    if version == Version::V5 {
        return;
    }
    match (UnreadPublish::find(bytes, MAX_REMAINING_LENGTH), packet) {
        (Some(found), Some((Packet::Publish(publish), len))) => {
            assert!(found.packet.len() == len && found.topic_bytes() == publish.topic.as_str().as_bytes());
            assert!(found.qos == publish.qos && found.dup == publish.dup && found.retain == publish.retain);
            assert!(found.packet_id == publish.packet_id && found.payload == publish.payload);
        }
        (Some(found), _) => {
            let topic = std::str::from_utf8(found.topic_bytes()).ok();
            assert!(decoded.is_err() && topic.and_then(|topic| TopicName::parse(topic).ok()).is_none());
        }
        (None, packet) => assert!(!matches!(packet, Some((Packet::Publish(_), _)))),
    }
}

fn write_and_read(packet: &Packet<'_>, len: usize, bytes: &[u8], version: Version) {
    assert!(len <= bytes.len());
    let version = if let Packet::Connect(connect) = packet {
        connect.version
    } else {
        version
    };
    let said = packet.encoded_len(version).expect("what was read can be written");
    assert!(said <= len, "written longer than it came");
    let mut exact = vec![0; said];
    assert_eq!(packet.encode(version, &mut exact), Ok(said));
    let mut appended = vec![0xEE];
    assert_eq!(packet.append_to(version, &mut appended), Ok(said));
    assert_eq!(appended[1..], exact);
    assert!(packet.encode(version, &mut exact[..said - 1]).is_err());
    match decode(&exact, version, &Limits::default()) {
        Ok(Decoded::Packet { packet: again, len }) => assert!(len == said && again == *packet, "{packet:?} {again:?}"),
        other => panic!("{packet:?} was written as {other:?}"),
    }
    let mut from_items = Vec::new();
    append_from_items(packet, version, &mut from_items);
    assert_eq!(from_items, exact, "{packet:?}");
}

/// Writes the packet anew from what its lists say. Else a decoded list would go out as it came, read rightly or not.
fn append_from_items(packet: &Packet<'_>, version: Version, out: &mut Vec<u8>) {
    let written = match packet {
        Packet::Connect(connect) => {
            let own: Vec<_> = connect.properties.iter().collect();
            let wills: Vec<_> = connect.will.iter().flat_map(|will| will.properties.iter()).collect();
            let will = connect.will.map(|will| Will {
                properties: Properties::from_slice(&wills),
                ..will
            });
            Packet::Connect(Connect {
                properties: Properties::from_slice(&own),
                will,
                ..*connect
            })
            .append_to(version, out)
        }
        Packet::ConnAck(ack) => {
            let items: Vec<_> = ack.properties.iter().collect();
            Packet::ConnAck(ConnAck {
                properties: Properties::from_slice(&items),
                ..*ack
            })
            .append_to(version, out)
        }
        Packet::Publish(publish) => {
            let items: Vec<_> = publish.properties.iter().collect();
            Packet::Publish(Publish {
                properties: Properties::from_slice(&items),
                ..*publish
            })
            .append_to(version, out)
        }
        Packet::Subscribe(subscribe) => append_subscribe(subscribe, version, out),
        Packet::Unsubscribe(unsubscribe) => append_unsubscribe(unsubscribe, version, out),
        Packet::Disconnect(disconnect) => {
            let items: Vec<_> = disconnect.properties.iter().collect();
            let properties = Properties::from_slice(&items);
            Packet::Disconnect(Disconnect {
                properties,
                ..*disconnect
            })
            .append_to(version, out)
        }
        Packet::Auth(auth) => {
            let items: Vec<_> = auth.properties.iter().collect();
            Packet::Auth(Auth {
                properties: Properties::from_slice(&items),
                ..*auth
            })
            .append_to(version, out)
        }
        // Their properties are those of all answers: reason string and user properties.
        other => other.append_to(version, out),
    };
    written.expect("what was read can be written from its items");
}

fn append_subscribe(subscribe: &Subscribe<'_>, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
    let items: Vec<_> = subscribe.properties.iter().collect();
    let filters: Vec<_> = subscribe.filters.iter().collect();
    assert_eq!(filters.len(), subscribe.filters.len());
    let (properties, filters) = (Properties::from_slice(&items), Filters::from_slice(&filters));
    Packet::Subscribe(Subscribe {
        properties,
        filters,
        ..*subscribe
    })
    .append_to(version, out)
}

fn append_unsubscribe(request: &Unsubscribe<'_>, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
    let items: Vec<_> = request.properties.iter().collect();
    let filters: Vec<_> = request.filters.iter().collect();
    assert_eq!(filters.len(), request.filters.len());
    let (properties, filters) = (Properties::from_slice(&items), FilterList::from_slice(&filters));
    Packet::Unsubscribe(Unsubscribe {
        properties,
        filters,
        ..*request
    })
    .append_to(version, out)
}
