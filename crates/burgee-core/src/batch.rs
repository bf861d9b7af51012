//! The small messages of one read, kept together: one allocation and one copy for all of them.
//!
//! A publisher that has much to say says it in one piece. Its messages of QoS 1 and 2 must outlive the turn, and mostly
//! they are acknowledged together as well. What must hold: a message keeps at most seven times its own bytes of others
//! alive, and only while it is in flight: whoever keeps one for longer calls [`Message::settle`].
//! Deliberately absent: payloads that are shared when they are written; they live alone.

use std::sync::Arc;

use burgee_codec::UnreadPublish;

use crate::message::Message;

/// Packets as long as the first one that are kept in one piece. More would save little, and let a client that never
/// acknowledges hold that much more memory than is counted.
const TOGETHER: usize = 8;

/// Where a packet stands in the bytes at hand.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Place<'a> {
    /// The bytes at hand from this packet on.
    pub(crate) rest: &'a [u8],
    /// How many were before it.
    pub(crate) at: usize,
}

/// See the module. Empty between two inputs.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Option<Arc<[u8]>>,
    /// How many of the bytes at hand come before it.
    from: usize,
}

impl Batch {
    /// Lets go of it: other bytes are at hand now.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.bytes = None;
    }

    /// The message of a small PUBLISH. `None` if it has no place in a batch.
    pub(crate) fn message(&mut self, publish: &UnreadPublish<'_>, place: Place<'_>) -> Option<Message> {
        let len = publish.packet.len();
        let covers = |bytes: &Arc<[u8]>| place.at >= self.from && place.at + len <= self.from + bytes.len();
        if !self.bytes.as_ref().is_some_and(covers) {
            let room = place.rest.len().min(TOGETHER * len);
            self.bytes = place.rest.get(..room).map(Arc::from);
            self.from = place.at;
        }
        let bytes = self.bytes.as_ref()?;
        let behind_topic = publish.payload.len() + if publish.packet_id.is_some() { 2 } else { 0 };
        let topic_at = place.at - self.from + len.checked_sub(behind_topic + publish.topic_field.len())?;
        Message::in_batch(Arc::clone(bytes), topic_at, publish)
    }
}

#[cfg(test)]
mod tests {
    use burgee_codec::{PacketId, QoS};
    use burgee_router::Topical;

    use super::*;

    fn packets(count: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        for n in 0..count {
            let payload = vec![n.to_be_bytes()[1]; usize::from(n % 50)];
            let qos = if n % 3 == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let publish = burgee_codec::Publish {
                dup: false,
                qos,
                retain: false,
                topic: burgee_codec::TopicName::parse("a/b").unwrap(),
                packet_id: PacketId::new(n + 1).filter(|_| qos > QoS::AtMostOnce),
                payload: &payload,
                properties: burgee_codec::Properties::default(),
            };
            burgee_codec::Packet::Publish(publish)
                .append_to(burgee_codec::Version::V311, &mut bytes)
                .unwrap();
        }
        bytes
    }

    #[test]
    fn messages_are_what_the_packets_were() {
        let bytes = packets(1000);
        let (mut batch, mut at, mut kept) = (Batch::default(), 0, Vec::new());
        while let Some(publish) = UnreadPublish::find(&bytes[at..], 1 << 20) {
            let place = Place { rest: &bytes[at..], at };
            let mut message = batch.message(&publish, place).unwrap();
            assert_eq!((message.topic().as_str(), message.payload()), ("a/b", publish.payload));
            assert_eq!(
                (message.qos(), message.weight()),
                (publish.qos, 5 + publish.payload.len())
            );
            if kept.len() % 7 == 0 {
                message.settle();
                assert_eq!(message.payload(), publish.payload);
            }
            kept.push((message, publish.payload));
            at += publish.packet.len();
        }
        batch.clear();
        assert!(kept.len() == 1000 && kept.iter().all(|(message, payload)| message.payload() == *payload));
        let first = kept[1].0.clone();
        let together = kept.iter().filter(|(message, _)| message.lives_with(&first)).count();
        assert!((2..20).contains(&together), "{together}");
    }

    #[test]
    fn a_settled_message_keeps_nobody_else_alive() {
        let bytes = packets(300);
        let (mut at, mut batch) = (0, Batch::default());
        let publish = loop {
            let publish = UnreadPublish::find(&bytes[at..], 1 << 20).unwrap();
            if publish.payload.len() == 49 {
                break publish;
            }
            at += publish.packet.len();
        };
        let mut message = batch.message(&publish, Place { rest: &bytes[at..], at }).unwrap();
        let before = message.clone();
        assert_eq!(message.held_bytes(), TOGETHER * publish.packet.len());
        message.settle();
        assert!(message.held_bytes() <= publish.packet.len() && message.payload() == before.payload());
        let alone = message.clone();
        message.settle();
        assert!(message.lives_with(&alone), "settled once is settled");
    }
}
