//! An application message that outlives its turn: shared by everybody who is owed it, never changed.
//!
//! What must hold: its topic field (two bytes of length, topic name) and its payload stand in its bytes as they stood in
//! the PUBLISH, so that it goes out without being put together again. A payload that is shared when it is written
//! stands at the end. Deliberately absent: RETAIN and DUP; they belong to a delivery, not to a message.

use std::sync::Arc;

use burgee_codec::{QoS, TopicName, UnreadPublish};
use burgee_router::Topical;

/// See the module.
#[derive(Clone, Debug)]
pub struct Message {
    /// Of this message alone, or of several that came together; see `batch`.
    bytes: Arc<[u8]>,
    payload_len: u32,
    /// Where the topic field begins.
    topic_at: u16,
    /// A packet identifier stands between topic and payload: two bytes that are nobody's any more.
    gap: bool,
    qos: QoS,
}

impl Message {
    /// Copies topic name and payload.
    #[must_use]
    pub fn new(topic: TopicName<'_>, payload: &[u8], qos: QoS) -> Self {
        let name = topic.as_str().as_bytes();
        // A topic name has at most 65,535 bytes [MQTT-4.7.3-3].
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
        Self::from_parts([&length[..], name, payload], payload.len(), qos)
    }

    /// Copies the body of a valid PUBLISH below 5.0, from its topic field on to the end, in one piece.
    pub(crate) fn from_body(body: &[u8], (payload_len, gap): (usize, bool), qos: QoS) -> Self {
        Self {
            bytes: Arc::from(body),
            payload_len: short(payload_len),
            topic_at: 0,
            gap,
            qos,
        }
    }

    /// A part of bytes that came together. `None` where it stands too far behind.
    pub(crate) fn in_batch(bytes: Arc<[u8]>, topic_at: usize, publish: &UnreadPublish<'_>) -> Option<Self> {
        Some(Self {
            bytes,
            payload_len: u32::try_from(publish.payload.len()).ok()?,
            topic_at: u16::try_from(topic_at).ok()?,
            gap: publish.packet_id.is_some(),
            qos: publish.qos,
        })
    }

    fn from_parts<const N: usize>(parts: [&[u8]; N], payload_len: usize, qos: QoS) -> Self {
        // One allocation of the exact size, filled in place: nobody else can hold it yet.
        let mut bytes: Arc<[u8]> = core::iter::repeat_n(0, parts.iter().map(|part| part.len()).sum()).collect();
        if let Some(mut rest) = Arc::get_mut(&mut bytes) {
            for part in parts {
                let Some((here, behind)) = rest.split_at_mut_checked(part.len()) else {
                    break;
                };
                here.copy_from_slice(part);
                rest = behind;
            }
        }
        Self {
            bytes,
            payload_len: short(payload_len),
            topic_at: 0,
            gap: false,
            qos,
        }
    }

    /// Gives up the company of others that came with it: it stays for longer than they do.
    pub(crate) fn settle(&mut self) {
        if self.bytes.len() > 2 * self.weight() + 64 {
            let (topic_field, payload) = self.split();
            *self = Self::from_parts([topic_field, payload], payload.len(), self.qos);
        }
    }

    /// The QoS with which it was published.
    #[must_use]
    pub const fn qos(&self) -> QoS {
        self.qos
    }

    /// What holds the payload, and where in it the payload begins. It goes on to the end if it has [`SHARE_FROM`] bytes
    /// or more.
    ///
    /// [`SHARE_FROM`]: burgee_protocol::connection::SHARE_FROM
    pub(crate) fn shared_payload(&self) -> (&Arc<[u8]>, usize) {
        (&self.bytes, self.payload_at())
    }

    fn topic_field_len(&self) -> usize {
        let length = self
            .bytes
            .get(usize::from(self.topic_at)..)
            .and_then(<[u8]>::first_chunk);
        length.map_or(0, |length| 2 + usize::from(u16::from_be_bytes(*length)))
    }

    fn payload_at(&self) -> usize {
        usize::from(self.topic_at) + self.topic_field_len() + if self.gap { 2 } else { 0 }
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.split().1
    }

    /// The topic name with its length in front, and the payload.
    #[inline]
    pub(crate) fn split(&self) -> (&[u8], &[u8]) {
        let from_topic = self.bytes.get(usize::from(self.topic_at)..).unwrap_or_default();
        let (topic_field, behind) = from_topic.split_at_checked(self.topic_field_len()).unwrap_or_default();
        let payload = behind.get(if self.gap { 2 } else { 0 }..).unwrap_or_default();
        (
            topic_field,
            payload.get(..self.payload_len as usize).unwrap_or_default(),
        )
    }

    /// Bytes that it counts for in limits.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.topic_field_len() + self.payload_len as usize
    }
}

/// A payload is shorter than a packet, whose length fits into 28 bits.
fn short(payload_len: usize) -> u32 {
    u32::try_from(payload_len).unwrap_or(u32::MAX)
}

#[cfg(test)]
impl Message {
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn lives_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes)
    }
}

impl Topical for Message {
    fn topic(&self) -> TopicName<'_> {
        let name = self.split().0.get(2..).unwrap_or_default();
        TopicName::trusted(str::from_utf8(name).unwrap_or_default())
    }
}

/// `$SYS` and what is below it is the broker's own.
#[inline]
pub(crate) fn is_ours(topic: TopicName<'_>) -> bool {
    topic.is_dollar() && topic.levels().next() == Some("$SYS")
}
