//! A message on its way to any number of subscribers: its bytes are made once for each shape that somebody needs.
//!
//! What must hold: DUP of the publisher never travels [MQTT-3.3.1-3]; QoS 0 has neither DUP nor an identifier
//! [MQTT-3.3.1-2] [MQTT-2.3.1-5]. Deliberately absent: who gets it.

use burgee_codec::{Packet, PacketId, Properties, Publish, QoS, TopicName, Version};
use burgee_protocol::connection::{Outbox, SHARE_FROM};
use burgee_router::Topical;

use crate::message::Message;
use crate::sessions::Delivery;

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbound<'a> {
    topic: TopicName<'a>,
    payload: &'a [u8],
    qos: QoS,
    /// The packet as it came, if it can be forwarded as it is to a subscription of QoS 0.
    as_it_is: Option<&'a [u8]>,
    message: Option<Message>,
}

impl<'a> Outbound<'a> {
    /// From a PUBLISH in the scratch buffer; `packet` are its bytes.
    pub(crate) fn from_publish(publish: &Publish<'a>, packet: &'a [u8]) -> Self {
        // A QoS 0 PUBLISH without RETAIN is its own outgoing packet (DUP is never set on one).
        let small = publish.payload.len() < SHARE_FROM && publish.is_shortest(packet.len());
        let plain = publish.qos == QoS::AtMostOnce && !publish.retain && small;
        Self {
            topic: publish.topic,
            payload: publish.payload,
            qos: publish.qos,
            as_it_is: plain.then_some(packet),
            message: None,
        }
    }

    /// From a message that is shared already.
    pub(crate) fn from_message(message: &'a Message) -> Self {
        Self {
            topic: message.topic(),
            payload: message.payload(),
            qos: message.qos(),
            as_it_is: None,
            message: Some(message.clone()),
        }
    }

    /// The QoS with which it was published.
    pub(crate) const fn qos(&self) -> QoS {
        self.qos
    }

    /// The topic name.
    pub(crate) const fn topic(&self) -> TopicName<'a> {
        self.topic
    }

    /// Payload bytes.
    pub(crate) const fn payload_len(&self) -> usize {
        self.payload.len()
    }

    /// The message as one that outlives the turn; made at the first call.
    pub(crate) fn message(&mut self) -> &Message {
        self.message
            .get_or_insert_with(|| Message::new(self.topic, self.payload, self.qos))
    }

    /// Writes it as a QoS 0 PUBLISH.
    pub(crate) fn write_qos0(&mut self, retain: bool, version: Version, outbox: &mut Outbox) {
        if let Some(packet) = self.as_it_is
            && !retain
        {
            outbox.append(packet);
            return;
        }
        // [MQTT-3.3.1-3] the publisher's DUP never travels; [MQTT-4.3.1-1] QoS 0 goes out once, without DUP.
        let publish = Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain,
            topic: self.topic,
            packet_id: None,
            payload: self.payload,
            properties: Properties::default(),
        };
        if publish.payload.len() < SHARE_FROM {
            append(outbox, Packet::Publish(publish), version);
        } else {
            let message = self.message();
            append_shared(outbox, &publish, message, version);
        }
    }
}

/// Writes a PUBLISH of QoS 1 or 2.
pub(crate) fn write_delivery(delivery: &Delivery, id: PacketId, dup: bool, version: Version, outbox: &mut Outbox) {
    let publish = Publish {
        dup,
        qos: delivery.qos,
        // [MQTT-3.3.1-8] [MQTT-3.3.1-9] decided when it was owed: 1 for a new subscription, else 0.
        retain: delivery.retain,
        topic: delivery.message.topic(),
        packet_id: Some(id),
        payload: delivery.message.payload(),
        properties: Properties::default(),
    };
    if publish.payload.len() < SHARE_FROM {
        append(outbox, Packet::Publish(publish), version);
    } else {
        append_shared(outbox, &publish, &delivery.message, version);
    }
}

/// Writes a packet at the end of an outbox.
pub(crate) fn append(outbox: &mut Outbox, packet: Packet<'_>, version: Version) {
    // What was decoded within the format's limits, or made by us, can be encoded; else nothing is written.
    let _written = packet.append_to(version, outbox.tail());
}

fn append_shared(outbox: &mut Outbox, publish: &Publish<'_>, message: &Message, version: Version) {
    if publish.append_head_to(version, outbox.tail()).is_ok() {
        outbox.append_shared(message.body(), message.payload_at());
    }
}
