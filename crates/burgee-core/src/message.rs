//! An application message that outlives its turn: shared by everybody who is owed it, never changed.
//!
//! What must hold: its topic field (two bytes of length, topic name) and its payload stand in its bytes as they stood in
//! the PUBLISH, so that it goes out without being put together again. A payload that is shared when it is written
//! stands at the end. A message that a store keeps can let go of its bytes and get them back. Deliberately absent: RETAIN
//! and DUP; they belong to a delivery, not to a message.

use std::sync::Arc;

use burgee_codec::{QoS, TopicName, UnreadPublish};
use burgee_router::Topical;
use burgee_store::{Body, shared};

/// See the module.
#[derive(Clone, Debug)]
pub struct Message {
    /// Of this message alone, or of several that came together; see `batch`. `None`: only the store has them.
    bytes: Option<Arc<[u8]>>,
    /// Its number in the store; 0: it is in none.
    number: u64,
    /// Bytes of the payload; without bytes, those of topic field and payload together.
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
            bytes: Some(Arc::from(body)),
            number: 0,
            payload_len: short(payload_len),
            topic_at: 0,
            gap,
            qos,
        }
    }

    /// A part of bytes that came together. `None` where it stands too far behind.
    pub(crate) fn in_batch(bytes: Arc<[u8]>, topic_at: usize, publish: &UnreadPublish<'_>) -> Option<Self> {
        Some(Self {
            bytes: Some(bytes),
            number: 0,
            payload_len: u32::try_from(publish.payload.len()).ok()?,
            topic_at: u16::try_from(topic_at).ok()?,
            gap: publish.packet_id.is_some(),
            qos: publish.qos,
        })
    }

    fn from_parts<const N: usize>(parts: [&[u8]; N], payload_len: usize, qos: QoS) -> Self {
        Self::of_bytes(shared(parts), payload_len, qos)
    }

    /// Topic field and payload, and nothing else.
    fn of_bytes(bytes: Arc<[u8]>, payload_len: usize, qos: QoS) -> Self {
        Self {
            bytes: Some(bytes),
            number: 0,
            payload_len: short(payload_len),
            topic_at: 0,
            gap: false,
            qos,
        }
    }

    /// The same bytes as the store's.
    pub(crate) fn from_store(body: &Body, qos: QoS) -> Self {
        Self::of_bytes(Arc::clone(body.bytes()), body.payload().len(), qos)
    }

    /// One that only the store has, under this number.
    pub(crate) const fn away(number: u64, weight: u32, qos: QoS) -> Self {
        Self {
            bytes: None,
            number,
            payload_len: weight,
            topic_at: 0,
            gap: false,
            qos,
        }
    }

    /// Its bytes for the store.
    pub(crate) fn to_body(&self) -> Body {
        Body::of(self.topic(), self.payload())
    }

    /// Its number in the store; 0: it is in none.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The store has it under this number.
    pub(crate) const fn set_number(&mut self, number: u64) {
        self.number = number;
    }

    /// Whether its bytes are in memory.
    pub(crate) const fn is_here(&self) -> bool {
        self.bytes.is_some()
    }

    /// Lets its bytes go if the store has them.
    pub(crate) fn let_go(&mut self) {
        if self.number != 0 && self.bytes.is_some() {
            *self = Self::away(self.number, short(self.weight()), self.qos);
        }
    }

    /// Gets its bytes back.
    pub(crate) fn come_back(&mut self, body: &Body) {
        let number = self.number;
        *self = Self::from_store(body, self.qos);
        self.number = number;
    }

    /// Gives up the company of others that came with it: it stays for longer than they do.
    pub(crate) fn settle(&mut self) {
        if self.held().len() > 2 * self.weight() + 64 {
            let (topic_field, payload) = self.split();
            let number = self.number;
            *self = Self::from_parts([topic_field, payload], payload.len(), self.qos);
            self.number = number;
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
    pub(crate) fn shared_payload(&self) -> Option<(&Arc<[u8]>, usize)> {
        Some((self.bytes.as_ref()?, self.payload_at()))
    }

    #[inline]
    fn held(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }

    fn topic_field_len(&self) -> usize {
        let length = self
            .held()
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
        let from_topic = self.held().get(usize::from(self.topic_at)..).unwrap_or_default();
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
        // Without bytes the topic field is empty, and the rest counts for all.
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
        self.held().len()
    }

    pub(crate) fn lives_with(&self, other: &Self) -> bool {
        core::ptr::eq(self.held(), other.held())
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
