//! An application message that outlives its turn: one allocation, shared by everybody who is owed it, never changed.
//!
//! What must hold: `body` is the length of the topic name (two bytes), the topic name, the payload: what a PUBLISH of
//! QoS 0 carries behind its fixed header, so that it goes out without being put together again.
//! Deliberately absent: RETAIN and DUP; they belong to a delivery, not to a message.

use std::sync::Arc;

use burgee_codec::{QoS, TopicName};
use burgee_router::Topical;

/// See the module.
#[derive(Clone, Debug)]
pub struct Message {
    body: Arc<[u8]>,
    qos: QoS,
}

impl Message {
    /// Copies topic name and payload into one shared body.
    #[must_use]
    pub fn new(topic: TopicName<'_>, payload: &[u8], qos: QoS) -> Self {
        let name = topic.as_str().as_bytes();
        // A topic name has at most 65,535 bytes [MQTT-4.7.3-3].
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
        Self::from_parts([&length[..], name, payload], qos)
    }

    /// The same from a topic name with its length in front, as a valid PUBLISH carries it.
    #[must_use]
    pub(crate) fn from_field(topic_field: &[u8], payload: &[u8], qos: QoS) -> Self {
        Self::from_parts([topic_field, payload], qos)
    }

    fn from_parts<const N: usize>(parts: [&[u8]; N], qos: QoS) -> Self {
        // One allocation of the exact size, filled in place: nobody else can hold it yet.
        let mut body: Arc<[u8]> = core::iter::repeat_n(0, parts.iter().map(|part| part.len()).sum()).collect();
        if let Some(mut rest) = Arc::get_mut(&mut body) {
            for part in parts {
                let Some((here, behind)) = rest.split_at_mut_checked(part.len()) else {
                    break;
                };
                here.copy_from_slice(part);
                rest = behind;
            }
        }
        Self { body, qos }
    }

    /// The QoS with which it was published.
    #[must_use]
    pub const fn qos(&self) -> QoS {
        self.qos
    }

    /// Topic length, topic name, payload.
    #[must_use]
    pub const fn body(&self) -> &Arc<[u8]> {
        &self.body
    }

    /// Where in the body the payload begins.
    #[must_use]
    pub fn payload_at(&self) -> usize {
        self.body
            .first_chunk()
            .map_or(0, |length| 2 + usize::from(u16::from_be_bytes(*length)))
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.split().1
    }

    /// The topic name with its length in front, and the payload.
    #[inline]
    pub(crate) fn split(&self) -> (&[u8], &[u8]) {
        self.body.split_at_checked(self.payload_at()).unwrap_or_default()
    }

    /// Bytes that it counts for in limits.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.body.len()
    }
}

impl Topical for Message {
    fn topic(&self) -> TopicName<'_> {
        let name = self.body.get(2..self.payload_at()).unwrap_or_default();
        TopicName::trusted(str::from_utf8(name).unwrap_or_default())
    }
}

/// `$SYS` and what is below it is the broker's own.
#[inline]
pub(crate) fn is_ours(topic: TopicName<'_>) -> bool {
    topic.is_dollar() && topic.levels().next() == Some("$SYS")
}
