//! A message on its way to any number of subscribers: its bytes are made once for each shape that somebody needs.
//!
//! What must hold: DUP of the publisher never travels [MQTT-3.3.1-3]; QoS 0 has neither DUP nor an identifier
//! [MQTT-3.3.1-2] [MQTT-2.3.1-5]. Deliberately absent: who gets it.

use burgee_codec::{
    Ack, AckKind, CopyKind, Packet, PacketId, Properties, Publish, PublishCopy, QoS, UnreadPublish, Version,
};
use burgee_protocol::connection::{Outbox, SHARE_FROM};
use burgee_router::Topical;
use burgee_store::Body;

use crate::batch::{Batch, Place};
use crate::message::Message;
use crate::sessions::Delivery;

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbound<'a> {
    /// The topic name with its two bytes of length in front.
    topic_field: &'a [u8],
    payload: &'a [u8],
    qos: QoS,
    /// The bytes of the packet that it came in, from the topic field on.
    body: &'a [u8],
    /// The packet as it came, if it can be forwarded as it is to a subscription of QoS 0.
    as_it_is: Option<&'a [u8]>,
    /// Where it stands in the bytes at hand, if it may live together with others that came with it.
    in_batch: Option<(UnreadPublish<'a>, Place<'a>)>,
    message: Option<Message>,
    body_for_store: Option<Body>,
    /// Only one gets it: what is made for that one need not be kept for others.
    for_one: bool,
}

impl<'a> Outbound<'a> {
    /// From a PUBLISH in the scratch buffer; `packet` are its bytes.
    pub(crate) fn from_publish(publish: &Publish<'a>, packet: &'a [u8]) -> Self {
        // A QoS 0 PUBLISH without RETAIN is its own outgoing packet (DUP is never set on one).
        let small = publish.payload.len() < SHARE_FROM && publish.is_shortest(packet.len());
        let plain = publish.qos == QoS::AtMostOnce && !publish.retain && small;
        let topic_field = publish.topic_field_in(packet);
        Self {
            body: body_of(packet, topic_field, publish.payload, publish.packet_id.is_some()),
            topic_field,
            payload: publish.payload,
            qos: publish.qos,
            as_it_is: plain.then_some(packet),
            in_batch: None,
            message: None,
            body_for_store: None,
            for_one: false,
        }
    }

    /// The same from one whose topic name is known.
    #[inline]
    pub(crate) fn from_unread(publish: &UnreadPublish<'a>, place: Place<'a>) -> Self {
        let small = publish.payload.len() < SHARE_FROM;
        let plain = publish.qos == QoS::AtMostOnce && !publish.retain && small && publish.shortest;
        let gap = publish.packet_id.is_some();
        Self {
            body: body_of(publish.packet, publish.topic_field, publish.payload, gap),
            topic_field: publish.topic_field,
            payload: publish.payload,
            qos: publish.qos,
            as_it_is: plain.then_some(publish.packet),
            in_batch: small.then_some((*publish, place)),
            message: None,
            body_for_store: None,
            for_one: false,
        }
    }

    /// From a message that is shared already.
    #[inline]
    pub(crate) fn from_message(message: &'a Message) -> Self {
        let (topic_field, payload) = message.split();
        Self {
            body: &[],
            topic_field,
            payload,
            qos: message.qos(),
            as_it_is: None,
            in_batch: None,
            message: Some(message.clone()),
            body_for_store: None,
            for_one: false,
        }
    }

    /// The QoS with which it was published.
    pub(crate) const fn qos(&self) -> QoS {
        self.qos
    }

    /// The topic name.
    pub(crate) fn topic(&self) -> &'a str {
        // It was a topic name when it came in.
        str::from_utf8(self.topic_field.get(2..).unwrap_or_default()).unwrap_or_default()
    }

    /// Payload bytes.
    pub(crate) const fn payload_len(&self) -> usize {
        self.payload.len()
    }

    /// The message as one that outlives the turn; made at the first call. It may live in the batch.
    #[inline]
    pub(crate) fn message(&mut self, batch: &mut Batch) -> &Message {
        self.message.get_or_insert_with(|| {
            let together = self
                .in_batch
                .and_then(|(publish, place)| batch.message(&publish, place));
            together.unwrap_or_else(|| copied(self.body, self.topic_field, self.payload, self.qos))
        })
    }

    /// Only one gets it.
    #[inline]
    pub(crate) const fn set_for_one(&mut self) {
        self.for_one = true;
    }

    /// The same for one of those who get it. Where there are no others, nothing is counted up and down for them.
    #[inline]
    pub(crate) fn copy(&mut self, batch: &mut Batch) -> Message {
        if !self.for_one || self.message.is_some() {
            return self.message(batch).clone();
        }
        let together = self
            .in_batch
            .and_then(|(publish, place)| batch.message(&publish, place));
        together.unwrap_or_else(|| copied(self.body, self.topic_field, self.payload, self.qos))
    }

    /// The same with its number in the store.
    pub(crate) fn numbered(&mut self, number: u64, batch: &mut Batch) -> Message {
        let mut message = self.copy(batch);
        message.set_number(number);
        message
    }

    /// The same as one that stays: it keeps no other message's bytes alive.
    pub(crate) fn settled(&mut self) -> &Message {
        let message = self
            .message
            .get_or_insert_with(|| copied(self.body, self.topic_field, self.payload, self.qos));
        message.settle();
        message
    }

    /// The message for the store: from now on all that is made of this one shares its bytes.
    pub(crate) fn body(&mut self) -> Body {
        if let Some(body) = &self.body_for_store {
            return body.clone();
        }
        let body = if let Some(message) = &self.message {
            message.to_body()
        } else {
            Body::trusted(self.topic_field, self.payload)
        };
        self.message = Some(Message::from_store(&body, self.qos));
        self.body_for_store = Some(body.clone());
        body
    }

    /// The packet as it came, if a subscription of QoS 0 can get it as it is.
    pub(crate) const fn as_it_is(&self) -> Option<&'a [u8]> {
        self.as_it_is
    }

    /// Writes it as a QoS 0 PUBLISH.
    #[inline]
    pub(crate) fn write_qos0(&mut self, retain: bool, version: Version, outbox: &mut Outbox) {
        if let Some(packet) = self.as_it_is
            && !retain
        {
            outbox.append(packet);
            return;
        }
        // [MQTT-3.3.1-3] the publisher's DUP never travels; [MQTT-4.3.1-1] QoS 0 goes out once, without DUP.
        let kind = CopyKind::Once;
        if self.payload.len() < SHARE_FROM && version < Version::V5 {
            let copy = PublishCopy {
                kind,
                retain,
                topic_field: self.topic_field,
            };
            // What came in as a packet can go out as one.
            let _written = copy.append_to(self.payload, outbox.tail());
        } else {
            write_copy(self.settled(), kind, retain, version, outbox);
        }
    }
}

fn body_of<'p>(packet: &'p [u8], topic_field: &[u8], payload: &[u8], gap: bool) -> &'p [u8] {
    let len = topic_field.len() + payload.len() + if gap { 2 } else { 0 };
    packet.get(packet.len().saturating_sub(len)..).unwrap_or_default()
}

/// The message in memory of its own.
fn copied(body: &[u8], topic_field: &[u8], payload: &[u8], qos: QoS) -> Message {
    let gap = body.len() > topic_field.len() + payload.len();
    Message::from_body(body, (payload.len(), gap), qos)
}

/// Writes a PUBLISH of QoS 1 or 2.
#[inline]
pub(crate) fn write_delivery(delivery: &Delivery, id: PacketId, dup: bool, version: Version, outbox: &mut Outbox) {
    let kind = CopyKind::Acknowledged {
        dup,
        qos: delivery.qos,
        packet_id: id,
    };
    // [MQTT-3.3.1-8] [MQTT-3.3.1-9] decided when it was owed: 1 for a new subscription, else 0.
    write_copy(&delivery.message, kind, delivery.retain, version, outbox);
}

/// An answer of four bytes.
#[inline]
pub(crate) fn packet<'a>(kind: AckKind, id: PacketId) -> Packet<'a> {
    let ack = Ack::new(id);
    match kind {
        AckKind::PubAck => Packet::PubAck(ack),
        AckKind::PubRec => Packet::PubRec(ack),
        AckKind::PubRel => Packet::PubRel(ack),
        AckKind::PubComp => Packet::PubComp(ack),
    }
}

/// Writes a packet at the end of an outbox.
#[inline]
pub(crate) fn append(outbox: &mut Outbox, packet: Packet<'_>, version: Version) {
    // What was decoded within the format's limits, or made by us, can be encoded; else nothing is written.
    let _written = packet.append_to(version, outbox.tail());
}

#[inline]
fn write_copy(message: &Message, kind: CopyKind, retain: bool, version: Version, outbox: &mut Outbox) {
    if version == Version::V5 {
        write_with_properties(message, kind, retain, outbox);
        return;
    }
    let (topic_field, payload) = message.split();
    let copy = PublishCopy {
        kind,
        retain,
        topic_field,
    };
    if payload.len() < SHARE_FROM {
        let _written = copy.append_to(payload, outbox.tail());
    } else if copy.append_head_to(payload.len(), outbox.tail()).is_ok()
        && let Some((bytes, from)) = message.shared_payload()
    {
        outbox.append_shared(bytes, from);
    }
}

fn write_with_properties(message: &Message, kind: CopyKind, retain: bool, outbox: &mut Outbox) {
    let (dup, qos, packet_id) = match kind {
        CopyKind::Once => (false, QoS::AtMostOnce, None),
        CopyKind::Acknowledged { dup, qos, packet_id } => (dup, qos, Some(packet_id)),
    };
    let publish = Publish {
        dup,
        qos,
        retain,
        topic: message.topic(),
        packet_id,
        payload: message.payload(),
        properties: Properties::default(),
    };
    if publish.append_head_to(Version::V5, outbox.tail()).is_ok() {
        outbox.append(message.payload());
    }
}
