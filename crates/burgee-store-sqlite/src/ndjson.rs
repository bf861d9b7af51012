//! The lines of an export: one JSON object each. `docs/store.md` describes them.
//!
//! What must hold: what is written is read back as it was. Unknown fields are refused, because leaving them out would
//! lose what they say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use burgee_codec::{QoS, TopicName};
use burgee_store::{Body, Stage};
use serde::{Deserialize, Serialize};

/// The version of the lines. Those of version 1 are read as well: they have neither users nor replays.
pub(crate) const FORMAT: u32 = 2;

/// A line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Line {
    /// The first.
    Burgee(StartLine),
    Session(SessionLine),
    Message(MessageLine),
    Retained(RetainedLine),
    /// The last.
    End(EndLine),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartLine {
    pub(crate) format: u32,
    pub(crate) next_session: u64,
    pub(crate) next_message: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionLine {
    pub(crate) number: u64,
    pub(crate) client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    pub(crate) subscriptions: Vec<SubscriptionField>,
    /// Identifiers.
    pub(crate) received: Vec<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) will: Option<WillField>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriptionField {
    pub(crate) filter: String,
    pub(crate) qos: u8,
    /// Retained messages whose topics lie behind this one are still to be handed over; empty: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replay: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WillField {
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) body: BodyField,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageLine {
    pub(crate) number: u64,
    pub(crate) retain: bool,
    pub(crate) body: BodyField,
    pub(crate) owed_to: Vec<OwedField>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwedField {
    pub(crate) session: u64,
    pub(crate) qos: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<DeliveryField>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryField {
    pub(crate) id: u16,
    pub(crate) stage: StageField,
}

#[derive(Copy, Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StageField {
    Published,
    Released,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetainedLine {
    pub(crate) qos: u8,
    pub(crate) body: BodyField,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndLine {
    pub(crate) sessions: u64,
    pub(crate) messages: u64,
    pub(crate) retained: u64,
}

/// Topic and payload: the payload as text where it is UTF-8, in base64 else.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodyField {
    topic: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl BodyField {
    pub(crate) fn of(body: &Body) -> Self {
        let text = str::from_utf8(body.payload()).ok().map(str::to_owned);
        let base64 = text.is_none().then(|| STANDARD.encode(body.payload()));
        Self {
            topic: body.topic().as_str().to_owned(),
            text,
            base64,
        }
    }

    pub(crate) fn body(&self) -> Result<Body, String> {
        let topic = TopicName::parse(&self.topic).map_err(|error| format!("topic {:?}: {error}", self.topic))?;
        match (&self.text, &self.base64) {
            (Some(text), None) => Ok(Body::of(topic, text.as_bytes())),
            (None, Some(base64)) => {
                let payload = STANDARD.decode(base64).map_err(|error| format!("`base64`: {error}"))?;
                Ok(Body::of(topic, &payload))
            }
            (None, None) | (Some(_), Some(_)) => Err("a body has either `text` or `base64`".to_owned()),
        }
    }
}

impl StageField {
    pub(crate) const fn of(stage: Stage) -> Self {
        match stage {
            Stage::Published => Self::Published,
            Stage::Released => Self::Released,
        }
    }

    pub(crate) const fn stage(self) -> Stage {
        match self {
            Self::Published => Stage::Published,
            Self::Released => Stage::Released,
        }
    }
}

pub(crate) fn qos(bits: u8) -> Result<QoS, String> {
    QoS::from_bits(bits).ok_or_else(|| format!("there is no QoS {bits}"))
}
