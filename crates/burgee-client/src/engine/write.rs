//! Packets with lists and payloads on their way into the outbox.
//!
//! What must hold: a long payload is referred to, not copied. Deliberately absent: which packet, and when.

use burgee_codec::{
    FilterList, Filters, Packet, PacketId, Properties, Publish, QoS, Subscribe, SubscribeOptions, TopicFilter,
    TopicFilterBuf, Unsubscribe, Version,
};
use burgee_protocol::Fault;
use burgee_protocol::connection::{Outbox, SHARE_FROM};

use crate::message::Message;

pub(super) const fn unwritable() -> Fault {
    Fault::Ours("a packet could not be written")
}

pub(super) fn write_message(
    outbox: &mut Outbox,
    version: Version,
    message: &Message,
    id: Option<(PacketId, bool)>,
) -> Result<(), Fault> {
    let publish = Publish {
        dup: id.is_some_and(|(_, dup)| dup),
        qos: message.qos,
        retain: message.retain,
        topic: message.topic.as_ref(),
        packet_id: id.map(|(id, _)| id),
        payload: &message.payload,
        properties: Properties::default(),
    };
    let written = if message.payload.len() < SHARE_FROM {
        Packet::Publish(publish).append_to(version, outbox.tail())
    } else {
        publish.append_head_to(version, outbox.tail())
    };
    written.map_err(|_| unwritable())?;
    if message.payload.len() >= SHARE_FROM {
        outbox.append_shared(&message.payload, 0);
    }
    Ok(())
}

pub(super) fn write_subscribe(
    outbox: &mut Outbox,
    version: Version,
    filters: &[(TopicFilterBuf, QoS)],
    id: PacketId,
) -> Result<(), Fault> {
    let items: Vec<_> = filters
        .iter()
        .map(|(filter, qos)| (filter.as_ref(), SubscribeOptions::from(*qos)))
        .collect();
    let filters = Filters::from_slice(&items);
    let packet = Packet::Subscribe(Subscribe {
        packet_id: id,
        filters,
        properties: Properties::default(),
    });
    packet
        .append_to(version, outbox.tail())
        .map(drop)
        .map_err(|_| unwritable())
}

pub(super) fn write_unsubscribe(
    outbox: &mut Outbox,
    version: Version,
    filters: &[TopicFilterBuf],
    id: PacketId,
) -> Result<(), Fault> {
    let items: Vec<TopicFilter<'_>> = filters.iter().map(TopicFilterBuf::as_ref).collect();
    let filters = FilterList::from_slice(&items);
    let packet = Packet::Unsubscribe(Unsubscribe {
        packet_id: id,
        filters,
        properties: Properties::default(),
    });
    packet
        .append_to(version, outbox.tail())
        .map(drop)
        .map_err(|_| unwritable())
}
