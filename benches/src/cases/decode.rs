//! From bytes to a packet, with a walk through the filters of a SUBSCRIBE.

use std::hint::black_box;

use burgee_codec::{Decoded, Limits, Packet, QoS, Version};

use crate::packets::{FILLER, PINGREQ, PUBACK, acks, connect, connect_in_full, publish, subscribe};
use crate::work::{Case, Step, Work};

const TOPIC: &str = "bench/pair/007";

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
    case("decode/connect", || decode(connect("client-007", true))),
    case("decode/connect/full", || decode(connect_in_full())),
    case("decode/publish/qos0", || {
        decode(publish(TOPIC, QoS::AtMostOnce, 0, FILLER))
    }),
    case("decode/publish/qos1", || {
        decode(publish(TOPIC, QoS::AtLeastOnce, 7, FILLER))
    }),
    case("decode/publish/qos2", || {
        decode(publish(TOPIC, QoS::ExactlyOnce, 7, FILLER))
    }),
    case("decode/puback", || decode(acks(PUBACK, 1))),
    case("decode/subscribe/1", || {
        decode(subscribe(&["bench/pair/007"], QoS::AtLeastOnce))
    }),
    case("decode/subscribe/3", || {
        decode(subscribe(
            &["bench/pair/007", "site/+/state", "news/#"],
            QoS::AtLeastOnce,
        ))
    }),
    case("decode/pingreq", || decode(PINGREQ.to_vec())),
];

fn decode(bytes: Vec<u8>) -> Box<dyn Work> {
    let limits = Limits::default();
    Box::new(Step(move || {
        let decoded = burgee_codec::decode(black_box(&bytes), Version::V311, &limits);
        if let Ok(Decoded::Packet {
            packet: Packet::Subscribe(subscribe),
            ..
        }) = &decoded
        {
            for filter in &subscribe.filters {
                black_box(filter);
            }
        }
        assert!(
            matches!(black_box(&decoded), Ok(Decoded::Packet { .. })),
            "a whole packet"
        );
    }))
}
