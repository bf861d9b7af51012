//! Strategies for packets: everything that may be encoded, in every version.

use burgee_codec::{
    Ack, Auth, ConnAck, Connect, Disconnect, FilterList, Filters, Packet, PacketId, Properties, Property, Publish, QoS,
    RetainHandling, SharedFilter, SubAck, Subscribe, SubscribeOptions, TopicFilter, TopicName, UnsubAck, Unsubscribe,
    Version, Will,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// For all versions alike.
pub fn version() -> impl Strategy<Value = Version> {
    select(vec![Version::V31, Version::V311, Version::V5])
}

/// A version, and a packet that can be written in it.
pub fn packet() -> impl Strategy<Value = (Version, Packet<'static>)> {
    version().prop_flat_map(|version| (Just(version), packet_of(version)))
}

/// Packets that can be written in `version`.
pub fn packet_of(version: Version) -> BoxedStrategy<Packet<'static>> {
    let base = prop_oneof![
        4 => connect(version).prop_map(Packet::Connect),
        1 => conn_ack(version).prop_map(Packet::ConnAck),
        4 => publish(version).prop_map(Packet::Publish),
        1 => ack(version, &[0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]).prop_map(Packet::PubAck),
        1 => ack(version, &[0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]).prop_map(Packet::PubRec),
        1 => ack(version, &[0x92]).prop_map(Packet::PubRel),
        1 => ack(version, &[0x92]).prop_map(Packet::PubComp),
        2 => subscribe(version).prop_map(Packet::Subscribe),
        1 => sub_ack(version).prop_map(Packet::SubAck),
        2 => unsubscribe(version).prop_map(Packet::Unsubscribe),
        1 => unsub_ack(version).prop_map(Packet::UnsubAck),
        1 => Just(Packet::PingReq),
        1 => Just(Packet::PingResp),
        1 => disconnect(version).prop_map(Packet::Disconnect),
    ];
    if version == Version::V5 {
        prop_oneof![14 => base, 1 => auth().prop_map(Packet::Auth)].boxed()
    } else {
        base.boxed()
    }
}

fn leak<T: Clone>(items: Vec<T>) -> &'static [T] {
    Box::leak(items.into_boxed_slice())
}

fn bytes() -> impl Strategy<Value = &'static [u8]> {
    prop_oneof![9 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 100..400)].prop_map(leak)
}

fn text() -> impl Strategy<Value = &'static str> {
    // Any characters but U+0000.
    prop_oneof![4 => "[a-z]{0,8}", 4 => "[^\0]{0,12}", 1 => "[^\0]{80,200}"].prop_map(|text| &*text.leak())
}

fn topic() -> impl Strategy<Value = TopicName<'static>> {
    prop_oneof!["[a-z/$]{1,12}", "[^\0+#]{1,30}", "[^\0+#]{60,80}"]
        .prop_map(|text| TopicName::parse(text.leak()).unwrap())
}

fn filter() -> impl Strategy<Value = TopicFilter<'static>> {
    let level = prop_oneof![2 => Just("+".to_owned()), 3 => "[^\0+#/]{0,6}"];
    (vec(level, 1..5), any::<bool>()).prop_map(|(mut levels, open)| {
        if open {
            levels.push("#".to_owned());
        }
        let text = levels.join("/");
        let text = if text.is_empty() { "/".to_owned() } else { text };
        TopicFilter::parse(text.leak()).unwrap()
    })
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    prop_oneof![1..=3_u16, any::<u16>(), 0xFFFE..=0xFFFF_u16].prop_filter_map("0 is no identifier", PacketId::new)
}

fn qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

/// Reason 0 or, in 5.0, one of `others`.
fn reason(version: Version, others: &'static [u8]) -> BoxedStrategy<u8> {
    if version == Version::V5 {
        prop_oneof![Just(0), select(others)].boxed()
    } else {
        Just(0).boxed()
    }
}

/// Any property, some of them with the values at the ends of their ranges.
fn property() -> impl Strategy<Value = Property<'static>> {
    let id = (1..=268_435_455_u32).prop_map(|id| Property::SubscriptionIdentifier(id.try_into().unwrap()));
    let max_qos = select(vec![QoS::AtMostOnce, QoS::AtLeastOnce]);
    prop_oneof![
        any::<bool>().prop_map(Property::PayloadFormatIndicator),
        any::<u32>().prop_map(Property::MessageExpiryInterval),
        text().prop_map(Property::ContentType),
        topic().prop_map(Property::ResponseTopic),
        bytes().prop_map(Property::CorrelationData),
        prop_oneof![id, Just(Property::SubscriptionIdentifier(std::num::NonZeroU32::MIN))],
        any::<u32>().prop_map(Property::SessionExpiryInterval),
        text().prop_map(Property::AssignedClientIdentifier),
        any::<u16>().prop_map(Property::ServerKeepAlive),
        text().prop_map(Property::AuthenticationMethod),
        bytes().prop_map(Property::AuthenticationData),
        prop_oneof![
            any::<bool>().prop_map(Property::RequestProblemInformation),
            any::<bool>().prop_map(Property::RequestResponseInformation),
            any::<bool>().prop_map(Property::RetainAvailable),
            any::<bool>().prop_map(Property::WildcardSubscriptionAvailable),
            any::<bool>().prop_map(Property::SubscriptionIdentifiersAvailable),
            any::<bool>().prop_map(Property::SharedSubscriptionAvailable),
            max_qos.prop_map(Property::MaximumQos),
        ],
        any::<u32>().prop_map(Property::WillDelayInterval),
        text().prop_map(Property::ResponseInformation),
        text().prop_map(Property::ServerReference),
        text().prop_map(Property::ReasonString),
        prop_oneof![
            (1..=u16::MAX).prop_map(|n| Property::ReceiveMaximum(n.try_into().unwrap())),
            (1..=u16::MAX).prop_map(|n| Property::TopicAlias(n.try_into().unwrap())),
            any::<u16>().prop_map(Property::TopicAliasMaximum),
            (1..=u32::MAX).prop_map(|n| Property::MaximumPacketSize(n.try_into().unwrap())),
        ],
        (text(), text()).prop_map(|(name, value)| Property::UserProperty(name, value)),
    ]
}

/// The identifiers that each place may hold, from the table of the standard. The user property may stand everywhere.
pub mod allowed {
    pub const CONNECT: &[u8] = &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27];
    pub const WILL: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26];
    pub const CONNACK: &[u8] = &[
        0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A,
    ];
    pub const PUBLISH: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26];
    pub const ACK: &[u8] = &[0x1F, 0x26];
    pub const SUBSCRIBE: &[u8] = &[0x0B, 0x26];
    pub const UNSUBSCRIBE: &[u8] = &[0x26];
    pub const DISCONNECT: &[u8] = &[0x11, 0x1C, 0x1F, 0x26];
    pub const AUTH: &[u8] = &[0x15, 0x16, 0x1F, 0x26];
}

/// Properties that `place` may hold, each once but for those that may repeat.
fn properties(version: Version, place: &'static [u8]) -> BoxedStrategy<Properties<'static>> {
    if version != Version::V5 {
        return Just(Properties::default()).boxed();
    }
    let keep = move |items: Vec<Property<'static>>| {
        let mut kept: Vec<Property<'static>> = Vec::new();
        for item in items {
            let id = item.identifier();
            let repeats = id == 0x26 || id == 0x0B && place.len() > 2;
            if place.contains(&id) && (repeats || kept.iter().all(|other| other.identifier() != id)) {
                kept.push(item);
            }
        }
        // In CONNECT, data comes only with a method.
        if place == allowed::CONNECT && kept.iter().all(|item| item.identifier() != 0x15) {
            kept.retain(|item| item.identifier() != 0x16);
        }
        Properties::from_slice(leak(kept))
    };
    prop_oneof![1 => Just(Properties::default()), 3 => vec(property(), 0..40).prop_map(keep)].boxed()
}

fn will(version: Version) -> impl Strategy<Value = Will<'static>> {
    (
        topic(),
        bytes(),
        qos(),
        any::<bool>(),
        properties(version, allowed::WILL),
    )
        .prop_map(|(topic, payload, qos, retain, properties)| Will {
            topic,
            payload,
            qos,
            retain,
            properties,
        })
}

fn connect(version: Version) -> impl Strategy<Value = Connect<'static>> {
    let flags = (any::<bool>(), any::<u16>());
    let login = (option::of(text()), option::of(bytes()));
    (
        flags,
        text(),
        option::of(will(version)),
        login,
        properties(version, allowed::CONNECT),
    )
        .prop_map(
            move |((clean_session, keep_alive), client_id, will, (user_name, password), properties)| Connect {
                version,
                clean_session,
                keep_alive,
                client_id,
                will,
                user_name,
                password: password.filter(|_| user_name.is_some() || version == Version::V5),
                properties,
            },
        )
}

fn conn_ack(version: Version) -> impl Strategy<Value = ConnAck<'static>> {
    let v5 = [
        0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B,
        0x9C, 0x9D, 0x9F,
    ];
    let refusals = if version == Version::V5 {
        v5.to_vec()
    } else {
        vec![1, 2, 3, 4, 5]
    };
    let answer = prop_oneof![
        any::<bool>().prop_map(|present| (present, 0)),
        select(refusals).prop_map(|code| (false, code))
    ];
    (answer, properties(version, allowed::CONNACK)).prop_map(move |((present, code), properties)| ConnAck {
        session_present: present && version != Version::V31,
        code,
        properties,
    })
}

fn publish(version: Version) -> impl Strategy<Value = Publish<'static>> {
    let flags = (any::<bool>(), qos(), any::<bool>(), any::<bool>());
    (
        flags,
        topic(),
        packet_id(),
        bytes(),
        properties(version, allowed::PUBLISH),
    )
        .prop_map(|((dup, qos, retain, nameless), topic, id, payload, properties)| {
            let aliased = properties
                .iter()
                .any(|property| matches!(property, Property::TopicAlias(_)));
            Publish {
                dup: dup && qos != QoS::AtMostOnce,
                qos,
                retain,
                topic: if aliased && nameless { TopicName::EMPTY } else { topic },
                packet_id: (qos != QoS::AtMostOnce).then_some(id),
                payload,
                properties,
            }
        })
}

fn ack(version: Version, others: &'static [u8]) -> impl Strategy<Value = Ack<'static>> {
    (packet_id(), reason(version, others), properties(version, allowed::ACK)).prop_map(
        |(packet_id, reason, properties)| Ack {
            packet_id,
            reason,
            properties,
        },
    )
}

fn options(version: Version) -> impl Strategy<Value = SubscribeOptions> {
    let handling = select(vec![
        RetainHandling::Send,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ]);
    (qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        move |(qos, no_local, retain_as_published, retain_handling)| {
            if version == Version::V5 {
                SubscribeOptions {
                    qos,
                    no_local,
                    retain_as_published,
                    retain_handling,
                }
            } else {
                qos.into()
            }
        },
    )
}

fn subscribe(version: Version) -> impl Strategy<Value = Subscribe<'static>> {
    let item = (filter(), options(version)).prop_map(|(filter, mut options)| {
        options.no_local &= SharedFilter::parse(filter).is_none();
        (filter, options)
    });
    (packet_id(), vec(item, 1..6), properties(version, allowed::SUBSCRIBE)).prop_map(
        |(packet_id, items, properties)| Subscribe {
            packet_id,
            filters: Filters::from_slice(leak(items)),
            properties,
        },
    )
}

fn sub_ack(version: Version) -> impl Strategy<Value = SubAck<'static>> {
    let v5 = [0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];
    let codes = if version == Version::V5 {
        v5.to_vec()
    } else {
        vec![0, 1, 2, 0x80]
    };
    (packet_id(), vec(select(codes), 1..6), properties(version, allowed::ACK)).prop_map(
        |(packet_id, codes, properties)| SubAck {
            packet_id,
            codes: leak(codes),
            properties,
        },
    )
}

fn unsubscribe(version: Version) -> impl Strategy<Value = Unsubscribe<'static>> {
    (
        packet_id(),
        vec(filter(), 1..6),
        properties(version, allowed::UNSUBSCRIBE),
    )
        .prop_map(|(packet_id, items, properties)| Unsubscribe {
            packet_id,
            filters: FilterList::from_slice(leak(items)),
            properties,
        })
}

fn unsub_ack(version: Version) -> impl Strategy<Value = UnsubAck<'static>> {
    let codes = vec(select(vec![0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]), 1..6);
    (packet_id(), codes, properties(version, allowed::ACK)).prop_map(move |(packet_id, codes, properties)| UnsubAck {
        packet_id,
        codes: if version == Version::V5 { leak(codes) } else { &[] },
        properties,
    })
}

fn disconnect(version: Version) -> impl Strategy<Value = Disconnect<'static>> {
    let reasons = &[
        0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
        0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
    ];
    (reason(version, reasons), properties(version, allowed::DISCONNECT))
        .prop_map(|(reason, properties)| Disconnect { reason, properties })
}

fn auth() -> impl Strategy<Value = Auth<'static>> {
    (
        reason(Version::V5, &[0x18, 0x19]),
        properties(Version::V5, allowed::AUTH),
    )
        .prop_map(|(reason, properties)| Auth { reason, properties })
}
