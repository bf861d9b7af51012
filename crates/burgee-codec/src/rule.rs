//! The rules of the format that a decoder can find broken, each with its number in both standards.
//!
//! Must hold: 3.1 is judged by the numbers of 3.1.1, as its own text has none. Where the standard has not numbered a rule,
//! the number of the general one stands in: a violation closes the connection.
//! Deliberately absent: rules about the order of packets.

use crate::error::{DecodeError, Violation};
use crate::topic::InvalidTopic;
use crate::types::Version;

/// What the parts of the decoder answer: a value or the broken rule.
pub(crate) type Checked<T> = Result<T, Broken>;

/// A broken rule, not yet told in the terms of a version.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Broken {
    Rule(&'static Rule),
    Topic(InvalidTopic),
}

impl Broken {
    #[cold]
    pub(crate) fn tell(self, version: Version) -> DecodeError {
        DecodeError::Malformed(match self {
            Self::Rule(rule) => Violation {
                statement: rule.statement(version),
                what: rule.what,
            },
            Self::Topic(topic) => Violation {
                statement: topic.statement(version),
                what: topic.what(),
            },
        })
    }
}

impl From<InvalidTopic> for Broken {
    fn from(invalid: InvalidTopic) -> Self {
        Self::Topic(invalid)
    }
}

#[derive(Debug)]
pub(crate) struct Rule {
    v3: &'static str,
    v5: &'static str,
    what: &'static str,
}

impl Rule {
    const fn statement(&self, version: Version) -> &'static str {
        match version {
            Version::V31 | Version::V311 => self.v3,
            Version::V5 => self.v5,
        }
    }

    pub(crate) const fn what(&self) -> &'static str {
        self.what
    }

    pub(crate) const fn broken(&'static self) -> Broken {
        Broken::Rule(self)
    }

    pub(crate) const fn unless(&'static self, holds: bool) -> Checked<()> {
        if holds { Ok(()) } else { Err(Broken::Rule(self)) }
    }
}

macro_rules! rules {
    ($($name:ident: $v3:literal, $v5:literal, $what:literal;)*) => {
        $(pub(crate) static $name: Rule = Rule { v3: $v3, v5: $v5, what: $what };)*
    };
}

rules! {
    // Strings
    UTF8: "MQTT-1.5.3-1", "MQTT5-1.5.4-1", "a string is not well-formed UTF-8";
    NUL: "MQTT-1.5.3-2", "MQTT5-1.5.4-2", "a string holds U+0000";

    // Fixed header
    TYPE: "MQTT-4.8.0-1", "MQTT5-4.13.1-1", "this packet type does not exist";
    FLAGS: "MQTT-2.2.2-2", "MQTT5-2.1.3-1", "wrong flags in the first byte";
    FLAGS_PUBREL: "MQTT-3.6.1-1", "MQTT5-3.6.1-1", "wrong flags in the first byte of PUBREL";
    FLAGS_SUBSCRIBE: "MQTT-3.8.1-1", "MQTT5-3.8.1-1", "wrong flags in the first byte of SUBSCRIBE";
    FLAGS_UNSUBSCRIBE: "MQTT-3.10.1-1", "MQTT5-3.10.1-1", "wrong flags in the first byte of UNSUBSCRIBE";
    FLAGS_DISCONNECT: "MQTT-3.14.1-1", "MQTT5-3.14.1-1", "wrong flags in the first byte of DISCONNECT";
    FLAGS_AUTH: "MQTT-4.8.0-1", "MQTT5-3.15.1-1", "wrong flags in the first byte of AUTH";
    REMAINING_LENGTH: "MQTT-4.8.0-1", "MQTT5-4.13.1-1", "a remaining length has more than four bytes";
    NOT_MINIMAL: "", "MQTT5-1.5.5-1", "a length is written with more bytes than it needs";
    FIXED_LENGTH: "MQTT-4.8.0-1", "MQTT5-4.13.1-1", "the remaining length does not fit the packet type";
    SHORT: "MQTT-4.8.0-1", "MQTT5-4.13.1-1", "a field reaches beyond the end of the packet";
    TRAILING: "MQTT-4.8.0-1", "MQTT5-4.13.1-1", "bytes are left at the end of the packet";
    PACKET_ID: "MQTT-2.3.1-1", "MQTT5-2.2.1-3", "a packet identifier is 0";

    // CONNECT
    CONNECT: "MQTT-3.1.4-1", "MQTT5-3.1.4-1", "a CONNECT is cut short";
    CONNECT_TRAILING: "MQTT-3.1.4-1", "MQTT5-3.1.4-1", "bytes are left at the end of a CONNECT";
    CONNECT_RESERVED: "MQTT-3.1.2-3", "MQTT5-3.1.2-3", "the reserved flag of CONNECT is set";
    NO_WILL_QOS: "MQTT-3.1.2-13", "MQTT5-3.1.2-11", "will QoS is set without a will";
    NO_WILL_RETAIN: "MQTT-3.1.2-15", "MQTT5-3.1.2-13", "will retain is set without a will";
    WILL_QOS: "MQTT-3.1.2-14", "MQTT5-3.1.2-12", "will QoS is 3";
    WILL_ABSENT: "MQTT-3.1.2-9", "MQTT5-3.1.2-9", "the will flag is set, but the will is not there";
    PASSWORD_ALONE: "MQTT-3.1.2-22", "", "a password without a user name";
    CLIENT_ID: "MQTT-3.1.3-3", "MQTT5-3.1.3-3", "the client identifier is not there";
    USER_NAME_ABSENT: "MQTT-3.1.2-19", "MQTT5-3.1.2-17", "the user name flag is set, but the user name is not there";
    PASSWORD_ABSENT: "MQTT-3.1.2-21", "MQTT5-3.1.2-19", "the password flag is set, but the password is not there";

    // CONNACK
    CONNACK_FLAGS: "MQTT-4.8.0-1", "MQTT5-3.2.2-1", "a reserved flag of CONNACK is set";
    SESSION_PRESENT: "MQTT-3.2.2-4", "MQTT5-3.2.2-6", "a refusal says that a session is present";
    CONNACK_CODE: "MQTT-3.2.2-6", "MQTT5-3.2.2-8", "CONNACK has an unknown code";

    // PUBLISH and its answers
    DUP_QOS0: "MQTT-3.3.1-2", "MQTT5-3.3.1-2", "DUP is set with QoS 0";
    QOS: "MQTT-3.3.1-4", "MQTT5-3.3.1-4", "QoS is 3";
    TOPIC_ABSENT: "MQTT-3.3.2-1", "MQTT5-3.3.2-1", "the topic name is not there";
    TOPIC_WILDCARD: "MQTT-3.3.2-2", "MQTT5-3.3.2-2", "the topic name holds a wildcard";
    PUBACK_CODE: "", "MQTT5-3.4.2-1", "PUBACK has an unknown reason code";
    PUBREC_CODE: "", "MQTT5-3.5.2-1", "PUBREC has an unknown reason code";
    PUBREL_CODE: "", "MQTT5-3.6.2-1", "PUBREL has an unknown reason code";
    PUBCOMP_CODE: "", "MQTT5-3.7.2-1", "PUBCOMP has an unknown reason code";

    // SUBSCRIBE, UNSUBSCRIBE and their answers
    SUBSCRIBE_EMPTY: "MQTT-3.8.3-3", "MQTT5-3.8.3-2", "SUBSCRIBE has no filter";
    SUBSCRIBE_OPTIONS: "MQTT-3.8.3-4", "MQTT5-3.8.3-5", "the byte behind a filter has QoS 3 or a reserved bit";
    SHARED_NO_LOCAL: "", "MQTT5-3.8.3-4", "no local is set for a shared subscription";
    SUBACK_CODE: "MQTT-3.9.3-2", "MQTT5-3.9.3-2", "SUBACK has an unknown code";
    SUBACK_EMPTY: "MQTT-3.8.4-5", "MQTT5-3.8.4-6", "SUBACK has no code";
    UNSUBSCRIBE_EMPTY: "MQTT-3.10.3-2", "MQTT5-3.10.3-2", "UNSUBSCRIBE has no filter";
    UNSUBACK_CODE: "", "MQTT5-3.11.3-2", "UNSUBACK has an unknown reason code";
    UNSUBACK_EMPTY: "", "", "UNSUBACK has no reason code";

    // DISCONNECT and AUTH
    DISCONNECT_CODE: "", "MQTT5-3.14.2-1", "DISCONNECT has an unknown reason code";
    AUTH_CODE: "", "MQTT5-3.15.2-1", "AUTH has an unknown reason code";

    // Properties
    PROPERTY_LENGTH: "", "MQTT5-2.2.2-1", "the property length is not there";
    PROPERTY_SHORT: "", "", "the properties reach beyond the end of the packet";
    PROPERTY_CUT: "", "", "a property is cut short";
    PROPERTY_UNKNOWN: "", "", "an unknown property";
    PROPERTY_MISPLACED: "", "", "a property that this packet may not carry";
    PROPERTY_TWICE: "", "", "a property stands twice";
    PROPERTY_VALUE: "", "", "a property has a value outside its range";
    SUBSCRIPTION_ID: "", "", "a subscription identifier is 0";
    TOPIC_ALIAS: "", "MQTT5-3.3.2-8", "a topic alias is 0";
    RESPONSE_TOPIC: "", "MQTT5-3.3.2-14", "a response topic holds a wildcard";
    NO_ALIAS: "", "", "a PUBLISH has neither topic nor alias";
    AUTH_DATA_ALONE: "", "", "authentication data without an authentication method";
}
