//! PUBLISH: the packet that matters for speed. Straight down, nothing twice.

use super::packet_id;
use crate::packet::Publish;
use crate::properties::Properties;
use crate::property::{Place, Property};
use crate::rule::{self, Broken, Checked};
use crate::topic::{InvalidTopic, TopicName};
use crate::types::{QoS, Version};
use crate::wire::Reader;

const DUP: u8 = 8;
const RETAIN: u8 = 1;

/// Judges the flags, which needs no more than the first byte.
#[inline]
pub(super) fn check_flags(flags: u8) -> Checked<()> {
    let qos = QoS::from_bits(flags >> 1 & 3).ok_or(rule::QOS.broken())?; // [MQTT-3.3.1-4]
    rule::DUP_QOS0.unless(qos != QoS::AtMostOnce || flags & DUP == 0) // [MQTT-3.3.1-2]
}

#[inline]
pub(super) fn publish(first: u8, body: &[u8], version: Version) -> Checked<Publish<'_>> {
    let qos = QoS::from_bits(first >> 1 & 3).ok_or(rule::QOS.broken())?;
    let mut reader = Reader::new(body);
    let raw_topic = reader.utf8(&rule::TOPIC_ABSENT)?; // [MQTT-3.3.2-1]
    let by_alias = version == Version::V5 && raw_topic.is_empty();
    let topic = if by_alias {
        TopicName::EMPTY
    } else {
        TopicName::parse(raw_topic).map_err(topic_fault)?
    };
    // [MQTT-2.3.1-5] with QoS 0 there is no identifier.
    let packet_id = if qos == QoS::AtMostOnce {
        None
    } else {
        Some(packet_id(&mut reader)?)
    };
    let mut properties = Properties::default();
    if version == Version::V5 {
        properties = Properties::read(&mut reader, Place::Publish)?;
        if by_alias {
            rule::NO_ALIAS.unless(has_alias(&properties))?;
        }
    }
    Ok(Publish {
        dup: first & DUP != 0,
        qos,
        retain: first & RETAIN != 0,
        topic,
        packet_id,
        payload: reader.take_rest(),
        properties,
    })
}

/// Whether something stands for an empty topic.
pub(crate) fn has_alias(properties: &Properties<'_>) -> bool {
    properties
        .iter()
        .any(|property| matches!(property, Property::TopicAlias(_)))
}

#[cold]
fn topic_fault(invalid: InvalidTopic) -> Broken {
    if invalid == InvalidTopic::WildcardInName {
        rule::TOPIC_WILDCARD.broken() // [MQTT-3.3.2-2]
    } else {
        invalid.into()
    }
}
