//! One property of MQTT 5.0: its value, its form on the wire, the packets that may carry it.
//!
//! Must hold: what was read is in range. Deliberately absent: what a property means, and lists of them (`properties`).

use core::num::{NonZeroU16, NonZeroU32};

use crate::error::EncodeError;
use crate::rule::{self, Checked, Rule};
use crate::topic::{InvalidTopic, TopicName};
use crate::types::QoS;
use crate::wire::{MAX_REMAINING_LENGTH, Reader, Sink, check_binary, check_string, invalid_unless};

/// One property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property<'a> {
    /// The payload is UTF-8.
    PayloadFormatIndicator(bool),
    /// Seconds after which the message is worth nothing.
    MessageExpiryInterval(u32),
    /// What the payload is, in words that sender and receiver have agreed on.
    ContentType(&'a str),
    /// Where an answer is expected.
    ResponseTopic(TopicName<'a>),
    /// Tells the asker which request an answer belongs to.
    CorrelationData(&'a [u8]),
    /// Names the subscription, at most 268,435,455. The only one but the user property that a PUBLISH may carry more than once.
    SubscriptionIdentifier(NonZeroU32),
    /// Seconds for which the session outlives the connection.
    SessionExpiryInterval(u32),
    /// The client identifier that the server made up.
    AssignedClientIdentifier(&'a str),
    /// The keep alive that the server wants instead, in seconds.
    ServerKeepAlive(u16),
    /// The name of an extended authentication.
    AuthenticationMethod(&'a str),
    /// The data of one of its steps.
    AuthenticationData(&'a [u8]),
    /// Whether reason strings and user properties may come with answers.
    RequestProblemInformation(bool),
    /// Seconds between the end of the connection and the will.
    WillDelayInterval(u32),
    /// Whether the CONNACK should bring response information.
    RequestResponseInformation(bool),
    /// From which to build response topics.
    ResponseInformation(&'a str),
    /// Another server to use.
    ServerReference(&'a str),
    /// For people who look for the cause.
    ReasonString(&'a str),
    /// How many QoS 1 and 2 messages the sender of this property takes at once.
    ReceiveMaximum(NonZeroU16),
    /// The greatest topic alias that the sender of this property takes.
    TopicAliasMaximum(u16),
    /// Stands for the topic.
    TopicAlias(NonZeroU16),
    /// The greatest QoS of the server: 0 or 1.
    MaximumQos(QoS),
    /// Whether the server keeps retained messages.
    RetainAvailable(bool),
    /// A name and a value, meant for the application.
    UserProperty(&'a str, &'a str),
    /// The largest packet that the sender of this property takes.
    MaximumPacketSize(NonZeroU32),
    /// Whether the server has wildcard subscriptions.
    WildcardSubscriptionAvailable(bool),
    /// Whether the server has subscription identifiers.
    SubscriptionIdentifiersAvailable(bool),
    /// Whether the server has shared subscriptions.
    SharedSubscriptionAvailable(bool),
}

/// Where a list of properties stands: each place has its own set of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Connect = 1 << 0,
    Will = 1 << 1,
    ConnAck = 1 << 2,
    Publish = 1 << 3,
    PublishAck = 1 << 4,
    Subscribe = 1 << 5,
    SubAck = 1 << 6,
    Unsubscribe = 1 << 7,
    UnsubAck = 1 << 8,
    Disconnect = 1 << 9,
    Auth = 1 << 10,
}

const CONNECT: u16 = Place::Connect as u16;
const WILL: u16 = Place::Will as u16;
const CONNACK: u16 = Place::ConnAck as u16;
const PUBLISH: u16 = Place::Publish as u16;
const SUBSCRIBE: u16 = Place::Subscribe as u16;
const DISCONNECT: u16 = Place::Disconnect as u16;
const AUTH: u16 = Place::Auth as u16;
const ANSWERS: u16 =
    CONNACK | Place::PublishAck as u16 | Place::SubAck as u16 | Place::UnsubAck as u16 | DISCONNECT | AUTH;
const EVERYWHERE: u16 = 0x7FF;

impl<'a> Property<'a> {
    /// The number on the wire.
    #[must_use]
    pub const fn identifier(&self) -> u8 {
        match self {
            Self::PayloadFormatIndicator(_) => 0x01,
            Self::MessageExpiryInterval(_) => 0x02,
            Self::ContentType(_) => 0x03,
            Self::ResponseTopic(_) => 0x08,
            Self::CorrelationData(_) => 0x09,
            Self::SubscriptionIdentifier(_) => 0x0B,
            Self::SessionExpiryInterval(_) => 0x11,
            Self::AssignedClientIdentifier(_) => 0x12,
            Self::ServerKeepAlive(_) => 0x13,
            Self::AuthenticationMethod(_) => 0x15,
            Self::AuthenticationData(_) => 0x16,
            Self::RequestProblemInformation(_) => 0x17,
            Self::WillDelayInterval(_) => 0x18,
            Self::RequestResponseInformation(_) => 0x19,
            Self::ResponseInformation(_) => 0x1A,
            Self::ServerReference(_) => 0x1C,
            Self::ReasonString(_) => 0x1F,
            Self::ReceiveMaximum(_) => 0x21,
            Self::TopicAliasMaximum(_) => 0x22,
            Self::TopicAlias(_) => 0x23,
            Self::MaximumQos(_) => 0x24,
            Self::RetainAvailable(_) => 0x25,
            Self::UserProperty(..) => 0x26,
            Self::MaximumPacketSize(_) => 0x27,
            Self::WildcardSubscriptionAvailable(_) => 0x28,
            Self::SubscriptionIdentifiersAvailable(_) => 0x29,
            Self::SharedSubscriptionAvailable(_) => 0x2A,
        }
    }

    /// The set of places that may carry it.
    pub(crate) const fn places(&self) -> u16 {
        match self {
            Self::PayloadFormatIndicator(_)
            | Self::MessageExpiryInterval(_)
            | Self::ContentType(_)
            | Self::ResponseTopic(_)
            | Self::CorrelationData(_) => PUBLISH | WILL,
            Self::SubscriptionIdentifier(_) => PUBLISH | SUBSCRIBE,
            Self::SessionExpiryInterval(_) => CONNECT | CONNACK | DISCONNECT,
            Self::AuthenticationMethod(_) | Self::AuthenticationData(_) => CONNECT | CONNACK | AUTH,
            Self::RequestProblemInformation(_) | Self::RequestResponseInformation(_) => CONNECT,
            Self::WillDelayInterval(_) => WILL,
            Self::ServerReference(_) => CONNACK | DISCONNECT,
            Self::ReasonString(_) => ANSWERS,
            Self::ReceiveMaximum(_) | Self::TopicAliasMaximum(_) | Self::MaximumPacketSize(_) => CONNECT | CONNACK,
            Self::TopicAlias(_) => PUBLISH,
            Self::UserProperty(..) => EVERYWHERE,
            Self::AssignedClientIdentifier(_)
            | Self::ServerKeepAlive(_)
            | Self::ResponseInformation(_)
            | Self::MaximumQos(_)
            | Self::RetainAvailable(_)
            | Self::WildcardSubscriptionAvailable(_)
            | Self::SubscriptionIdentifiersAvailable(_)
            | Self::SharedSubscriptionAvailable(_) => CONNACK,
        }
    }

    /// Whether `place` may hold more than one of it.
    pub(crate) const fn may_repeat(&self, place: Place) -> bool {
        matches!(
            (self, place),
            (Self::UserProperty(..), _) | (Self::SubscriptionIdentifier(_), Place::Publish)
        )
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Checked<Self> {
        let cut = &rule::PROPERTY_CUT;
        Ok(match reader.varint(cut)? {
            0x01 => Self::PayloadFormatIndicator(flag(reader)?),
            0x02 => Self::MessageExpiryInterval(reader.u32(cut)?),
            0x03 => Self::ContentType(reader.string(cut)?),
            0x08 => Self::ResponseTopic(response_topic(reader)?),
            0x09 => Self::CorrelationData(reader.binary(cut)?),
            0x0B => {
                let id = NonZeroU32::new(reader.varint(cut)?);
                Self::SubscriptionIdentifier(id.ok_or(rule::SUBSCRIPTION_ID.broken())?)
            }
            0x11 => Self::SessionExpiryInterval(reader.u32(cut)?),
            0x12 => Self::AssignedClientIdentifier(reader.string(cut)?),
            0x13 => Self::ServerKeepAlive(reader.u16(cut)?),
            0x15 => Self::AuthenticationMethod(reader.string(cut)?),
            0x16 => Self::AuthenticationData(reader.binary(cut)?),
            0x17 => Self::RequestProblemInformation(flag(reader)?),
            0x18 => Self::WillDelayInterval(reader.u32(cut)?),
            0x19 => Self::RequestResponseInformation(flag(reader)?),
            0x1A => Self::ResponseInformation(reader.string(cut)?),
            0x1C => Self::ServerReference(reader.string(cut)?),
            0x1F => Self::ReasonString(reader.string(cut)?),
            0x21 => Self::ReceiveMaximum(not_zero(reader, &rule::PROPERTY_VALUE)?),
            0x22 => Self::TopicAliasMaximum(reader.u16(cut)?),
            0x23 => Self::TopicAlias(not_zero(reader, &rule::TOPIC_ALIAS)?), // [MQTT5-3.3.2-8]
            0x24 => Self::MaximumQos(if flag(reader)? {
                QoS::AtLeastOnce
            } else {
                QoS::AtMostOnce
            }),
            0x25 => Self::RetainAvailable(flag(reader)?),
            0x26 => Self::UserProperty(reader.string(cut)?, reader.string(cut)?),
            0x27 => {
                let size = NonZeroU32::new(reader.u32(cut)?);
                Self::MaximumPacketSize(size.ok_or(rule::PROPERTY_VALUE.broken())?)
            }
            0x28 => Self::WildcardSubscriptionAvailable(flag(reader)?),
            0x29 => Self::SubscriptionIdentifiersAvailable(flag(reader)?),
            0x2A => Self::SharedSubscriptionAvailable(flag(reader)?),
            _ => return Err(rule::PROPERTY_UNKNOWN.broken()),
        })
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        out.u8(self.identifier());
        match *self {
            Self::PayloadFormatIndicator(value)
            | Self::RequestProblemInformation(value)
            | Self::RequestResponseInformation(value)
            | Self::RetainAvailable(value)
            | Self::WildcardSubscriptionAvailable(value)
            | Self::SubscriptionIdentifiersAvailable(value)
            | Self::SharedSubscriptionAvailable(value) => out.u8(u8::from(value)),
            Self::MaximumQos(qos) => out.u8(qos.bits()),
            Self::ServerKeepAlive(value) | Self::TopicAliasMaximum(value) => out.u16(value),
            Self::ReceiveMaximum(value) | Self::TopicAlias(value) => out.u16(value.get()),
            Self::MessageExpiryInterval(value)
            | Self::SessionExpiryInterval(value)
            | Self::WillDelayInterval(value) => out.u32(value),
            Self::MaximumPacketSize(value) => out.u32(value.get()),
            Self::SubscriptionIdentifier(value) => out.varint(value.get()),
            Self::ContentType(value)
            | Self::AssignedClientIdentifier(value)
            | Self::AuthenticationMethod(value)
            | Self::ResponseInformation(value)
            | Self::ServerReference(value)
            | Self::ReasonString(value) => out.string(value),
            Self::ResponseTopic(value) => out.string(value.as_str()),
            Self::CorrelationData(value) | Self::AuthenticationData(value) => out.binary(value),
            Self::UserProperty(name, value) => {
                out.string(name);
                out.string(value);
            }
        }
    }

    /// What an outgoing property could still get wrong, in spite of its types.
    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        match *self {
            Self::ContentType(value)
            | Self::AssignedClientIdentifier(value)
            | Self::AuthenticationMethod(value)
            | Self::ResponseInformation(value)
            | Self::ServerReference(value)
            | Self::ReasonString(value) => check_string(value),
            Self::UserProperty(name, value) => check_string(name).and_then(|()| check_string(value)),
            Self::CorrelationData(value) | Self::AuthenticationData(value) => check_binary(value),
            Self::ResponseTopic(topic) => invalid_unless(!topic.is_empty(), "a response topic is empty"),
            Self::MaximumQos(qos) => invalid_unless(qos < QoS::ExactlyOnce, "a maximum QoS is 2"),
            Self::SubscriptionIdentifier(id) => invalid_unless(
                id.get() <= MAX_REMAINING_LENGTH,
                "a subscription identifier is above 268,435,455",
            ),
            Self::PayloadFormatIndicator(_)
            | Self::MessageExpiryInterval(_)
            | Self::SessionExpiryInterval(_)
            | Self::ServerKeepAlive(_)
            | Self::RequestProblemInformation(_)
            | Self::WillDelayInterval(_)
            | Self::RequestResponseInformation(_)
            | Self::ReceiveMaximum(_)
            | Self::TopicAliasMaximum(_)
            | Self::TopicAlias(_)
            | Self::RetainAvailable(_)
            | Self::MaximumPacketSize(_)
            | Self::WildcardSubscriptionAvailable(_)
            | Self::SubscriptionIdentifiersAvailable(_)
            | Self::SharedSubscriptionAvailable(_) => Ok(()),
        }
    }
}

fn flag(reader: &mut Reader<'_>) -> Checked<bool> {
    match reader.u8(&rule::PROPERTY_CUT)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(rule::PROPERTY_VALUE.broken()),
    }
}

fn not_zero(reader: &mut Reader<'_>, zero: &'static Rule) -> Checked<NonZeroU16> {
    NonZeroU16::new(reader.u16(&rule::PROPERTY_CUT)?).ok_or(zero.broken())
}

fn response_topic<'a>(reader: &mut Reader<'a>) -> Checked<TopicName<'a>> {
    TopicName::parse(reader.utf8(&rule::PROPERTY_CUT)?).map_err(|invalid| {
        if invalid == InvalidTopic::WildcardInName {
            rule::RESPONSE_TOPIC.broken() // [MQTT5-3.3.2-14]
        } else {
            invalid.into()
        }
    })
}
