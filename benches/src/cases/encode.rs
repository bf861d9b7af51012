//! From a packet to bytes, at the end of a buffer that has room.

use std::hint::black_box;

use burgee_codec::{Ack, ConnAck, CopyKind, Packet, Properties, Publish, PublishCopy, QoS, SubAck, Version, code};

use crate::packets::{FILLER, PAYLOAD, id, topic};
use crate::work::{Case, Step, Work};

const TOPIC: &str = "bench/pair/007";
/// The same with its length in front.
const TOPIC_FIELD: &[u8] = b"\0\x0ebench/pair/007";

const fn case(name: &'static str, make: fn() -> Box<dyn Work>) -> Case {
    Case {
        name,
        per: 1,
        steps: 1000,
        delivers: false,
        make,
    }
}

pub(super) const CASES: &[Case] = &[
    case("encode/publish/qos0", || publish(QoS::AtMostOnce)),
    case("encode/publish/qos1", || publish(QoS::AtLeastOnce)),
    case("encode/copy/qos0", || copy(CopyKind::Once)),
    case("encode/copy/qos1", || {
        copy(CopyKind::Acknowledged {
            dup: false,
            qos: QoS::AtLeastOnce,
            packet_id: id(7),
        })
    }),
    case("encode/head/qos0", head),
    case("encode/puback", || packet(Packet::PubAck(Ack::new(id(7))))),
    case("encode/connack", || {
        packet(Packet::ConnAck(ConnAck::new(false, code::ACCEPTED)))
    }),
    case("encode/suback", || {
        packet(Packet::SubAck(SubAck {
            packet_id: id(7),
            codes: &[1],
            properties: Properties::default(),
        }))
    }),
    case("encode/pingresp", || packet(Packet::PingResp)),
];

fn packet(packet: Packet<'static>) -> Box<dyn Work> {
    let mut out = Vec::with_capacity(1024);
    Box::new(Step(move || {
        out.clear();
        let written = black_box(&packet).append_to(Version::V311, &mut out);
        assert!(written.is_ok() && !black_box(&out).is_empty(), "it can be written");
    }))
}

fn publish(qos: QoS) -> Box<dyn Work> {
    packet(Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: topic(TOPIC),
        packet_id: (qos > QoS::AtMostOnce).then(|| id(7)),
        payload: FILLER,
        properties: Properties::default(),
    }))
}

/// One subscriber's copy of a message whose topic stands ready.
fn copy(kind: CopyKind) -> Box<dyn Work> {
    let mut out = Vec::with_capacity(1024);
    Box::new(Step(move || {
        out.clear();
        let written = black_box(&template(kind)).append_to(black_box(FILLER), &mut out);
        assert!(written.is_ok() && !black_box(&out).is_empty(), "it can be written");
    }))
}

/// The same without the payload, which is shared.
fn head() -> Box<dyn Work> {
    let mut out = Vec::with_capacity(1024);
    Box::new(Step(move || {
        out.clear();
        let written = black_box(&template(CopyKind::Once)).append_head_to(black_box(1024 * PAYLOAD), &mut out);
        assert!(written.is_ok() && !black_box(&out).is_empty(), "it can be written");
    }))
}

const fn template(kind: CopyKind) -> PublishCopy<'static> {
    PublishCopy {
        kind,
        retain: false,
        topic_field: TOPIC_FIELD,
    }
}
