//! The bytes that clients send, made before anything is counted.
//!
//! What must hold: they are valid, so that no case counts the way of a refusal.

use burgee_codec::{Connect, Filters, Packet, PacketId, Properties, Publish, QoS, Subscribe, TopicFilter, TopicName};
use burgee_codec::{Version, Will};

/// Bytes of the payload of every message, unless a case says otherwise.
pub(crate) const PAYLOAD: usize = 64;
/// What messages without any other payload carry.
pub(crate) const FILLER: &[u8] = &[0x42; PAYLOAD];

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet
        .append_to(Version::V311, &mut bytes)
        .expect("what a case sends can be written");
    bytes
}

pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).expect("cases count from 1")
}

pub(crate) fn topic(name: &str) -> TopicName<'_> {
    TopicName::parse(name).expect("a valid topic name")
}

pub(crate) fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).expect("a valid filter")
}

pub(crate) fn connect(client_id: &str, clean_session: bool) -> Vec<u8> {
    encoded(&Packet::Connect(Connect {
        version: Version::V311,
        clean_session,
        keep_alive: 60,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::default(),
    }))
}

/// CONNECT with everything that 3.1.1 has.
pub(crate) fn connect_in_full() -> Vec<u8> {
    encoded(&Packet::Connect(Connect {
        version: Version::V311,
        clean_session: true,
        keep_alive: 60,
        client_id: "sensor-000123",
        will: Some(Will {
            topic: topic("site/7/sensor-000123/state"),
            payload: b"gone",
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: Properties::default(),
        }),
        user_name: Some("sensors"),
        password: Some(b"0123456789abcdef"),
        properties: Properties::default(),
    }))
}

pub(crate) fn subscribe(filters: &[&str], qos: QoS) -> Vec<u8> {
    let filters: Vec<_> = filters.iter().map(|text| (filter(text), qos.into())).collect();
    encoded(&Packet::Subscribe(Subscribe {
        packet_id: id(1),
        filters: Filters::from_slice(&filters),
        properties: Properties::default(),
    }))
}

/// PUBLISH; the identifier is for QoS 1 and 2.
pub(crate) fn publish(name: &str, qos: QoS, number: u16, payload: &[u8]) -> Vec<u8> {
    encoded(&Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: topic(name),
        packet_id: (qos > QoS::AtMostOnce).then(|| id(number)),
        payload,
        properties: Properties::default(),
    }))
}

/// So many PUBLISH packets behind one another, with identifiers from 1 on.
pub(crate) fn publishes(name: &str, qos: QoS, count: u16, payload: &[u8]) -> Vec<u8> {
    (1..=count).flat_map(|n| publish(name, qos, n, payload)).collect()
}

/// First bytes of acknowledgements.
pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBREL: u8 = 0x62;
pub(crate) const PUBCOMP: u8 = 0x70;
pub(crate) const PINGREQ: &[u8] = &[0xC0, 0];
pub(crate) const DISCONNECT: &[u8] = &[0xE0, 0];

/// One acknowledgement of four bytes.
pub(crate) const fn ack(first: u8, id: [u8; 2]) -> [u8; 4] {
    [first, 2, id[0], id[1]]
}

/// Acknowledgements for the identifiers from 1 on.
pub(crate) fn acks(first: u8, count: u16) -> Vec<u8> {
    (1..=count).flat_map(|n| ack(first, n.to_be_bytes())).collect()
}

/// Answers whatever stands in `sent`: packets that are all of one size and have their identifier at one place. So the
/// clients of a case need no decoder whose instructions would be counted.
pub(crate) fn answer(sent: &[u8], (size, id_at): (usize, usize), first: u8, answers: &mut Vec<u8>) {
    debug_assert_eq!(sent.len() % size, 0, "packets of one size");
    for packet in sent.chunks_exact(size) {
        if let Some([high, low]) = packet.get(id_at..id_at + 2) {
            answers.extend_from_slice(&ack(first, [*high, *low]));
        }
    }
}
