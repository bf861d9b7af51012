//! Packets as clients write and read them, and as a person reads them in a trace.
//!
//! What must hold: whatever a client sends through here is what the standard allows. Deliberately absent: garbage;
//! hooligans make their own.

use burgee_codec::{
    Ack, Connect, Decoded, Filters, Limits, Packet, PacketId, Properties, Publish, QoS, Subscribe, SubscribeOptions,
    TopicFilter, TopicName, Unsubscribe, Version, Will, decode,
};

/// A message that a client wants to send, or has in hand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Note {
    /// Where.
    pub(crate) topic: String,
    /// What.
    pub(crate) payload: Vec<u8>,
    /// How surely.
    pub(crate) qos: QoS,
    /// Whether it is to be kept.
    pub(crate) retain: bool,
}

/// What CONNECT says.
#[derive(Clone, Debug)]
pub(crate) struct Hello<'a> {
    /// 3.1 or 3.1.1.
    pub(crate) version: Version,
    /// The client identifier.
    pub(crate) client: &'a str,
    /// Clean session.
    pub(crate) clean: bool,
    /// In seconds.
    pub(crate) keep_alive: u16,
    /// The will.
    pub(crate) will: Option<Note>,
    /// User name and password.
    pub(crate) login: Option<(&'a str, &'a [u8])>,
}

fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    packet.append_to(version, &mut out).expect("clients send valid packets");
    out
}

/// CONNECT.
#[must_use]
pub(crate) fn connect(hello: &Hello<'_>) -> Vec<u8> {
    let will = hello.will.as_ref().map(|will| Will {
        topic: topic(&will.topic),
        payload: &will.payload,
        qos: will.qos,
        retain: will.retain,
        properties: Properties::default(),
    });
    let packet = Packet::Connect(Connect {
        version: hello.version,
        clean_session: hello.clean,
        keep_alive: hello.keep_alive,
        client_id: hello.client,
        will,
        user_name: hello.login.map(|(user, _)| user),
        password: hello.login.map(|(_, password)| password),
        properties: Properties::default(),
    });
    encode(&packet, hello.version)
}

/// PUBLISH; without an identifier for QoS 0.
#[must_use]
pub(crate) fn publish(note: &Note, id: Option<u16>, dup: bool) -> Vec<u8> {
    let packet = Packet::Publish(Publish {
        dup,
        qos: note.qos,
        retain: note.retain,
        topic: topic(&note.topic),
        packet_id: id.and_then(PacketId::new),
        payload: &note.payload,
        properties: Properties::default(),
    });
    encode(&packet, Version::V311)
}

/// SUBSCRIBE.
#[must_use]
pub(crate) fn subscribe(id: u16, filters: &[(&str, QoS)]) -> Vec<u8> {
    let parsed: Vec<(TopicFilter<'_>, SubscribeOptions)> = filters
        .iter()
        .map(|(raw, qos)| (filter(raw), SubscribeOptions::from(*qos)))
        .collect();
    let packet = Packet::Subscribe(Subscribe {
        packet_id: identifier(id),
        filters: Filters::from_slice(&parsed),
        properties: Properties::default(),
    });
    encode(&packet, Version::V311)
}

/// UNSUBSCRIBE.
#[must_use]
pub(crate) fn unsubscribe(id: u16, filters: &[&str]) -> Vec<u8> {
    let parsed: Vec<TopicFilter<'_>> = filters.iter().map(|raw| filter(raw)).collect();
    let packet = Packet::Unsubscribe(Unsubscribe {
        packet_id: identifier(id),
        filters: burgee_codec::FilterList::from_slice(&parsed),
        properties: Properties::default(),
    });
    encode(&packet, Version::V311)
}

/// PUBACK.
#[must_use]
pub(crate) fn puback(id: u16) -> Vec<u8> {
    encode(&Packet::PubAck(Ack::new(identifier(id))), Version::V311)
}

/// PUBREC.
#[must_use]
pub(crate) fn pubrec(id: u16) -> Vec<u8> {
    encode(&Packet::PubRec(Ack::new(identifier(id))), Version::V311)
}

/// PUBREL.
#[must_use]
pub(crate) fn pubrel(id: u16) -> Vec<u8> {
    encode(&Packet::PubRel(Ack::new(identifier(id))), Version::V311)
}

/// PUBCOMP.
#[must_use]
pub(crate) fn pubcomp(id: u16) -> Vec<u8> {
    encode(&Packet::PubComp(Ack::new(identifier(id))), Version::V311)
}

/// PINGREQ.
#[must_use]
pub(crate) fn ping() -> Vec<u8> {
    encode(&Packet::PingReq, Version::V311)
}

/// DISCONNECT.
#[must_use]
pub(crate) fn disconnect() -> Vec<u8> {
    encode(&Packet::Disconnect(burgee_codec::Disconnect::default()), Version::V311)
}

fn topic(raw: &str) -> TopicName<'_> {
    TopicName::parse(raw).expect("clients use valid topics")
}

fn filter(raw: &str) -> TopicFilter<'_> {
    TopicFilter::parse(raw).expect("clients use valid filters")
}

fn identifier(id: u16) -> PacketId {
    PacketId::new(id).expect("clients do not use identifier 0")
}

/// All packets of a piece of a stream, for a person.
#[must_use]
pub(crate) fn describe(mut bytes: &[u8]) -> String {
    let mut words = Vec::new();
    while !bytes.is_empty() {
        match decode(bytes, Version::V311, &Limits::default()) {
            Ok(Decoded::Packet { packet, len }) => {
                words.push(describe_one(&packet));
                bytes = bytes.get(len..).unwrap_or_default();
            }
            Ok(Decoded::Incomplete { .. }) => {
                words.push(format!("({} bytes of a packet)", bytes.len()));
                break;
            }
            Err(error) => {
                words.push(format!("({} bytes: {error:?})", bytes.len()));
                break;
            }
        }
    }
    words.join(", ")
}

fn describe_one(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Publish(publish) => {
            let text: String = String::from_utf8_lossy(publish.payload).chars().take(24).collect();
            let id = publish.packet_id.map_or(0, PacketId::get);
            let flags = [(publish.dup, " dup"), (publish.retain, " retain")];
            let flags: String = flags
                .into_iter()
                .filter(|(set, _)| *set)
                .map(|(_, name)| name)
                .collect();
            format!(
                "PUBLISH {id} q{}{flags} {:?} {text:?}",
                publish.qos.bits(),
                publish.topic.as_str()
            )
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            format!("{} {}", packet.packet_type(), ack.packet_id)
        }
        Packet::Connect(connect) => {
            let will = connect.will.map_or_else(String::new, |will| {
                let text: String = String::from_utf8_lossy(will.payload).chars().take(24).collect();
                let retain = if will.retain { " retain" } else { "" };
                format!(" will q{}{retain} {:?} {text:?}", will.qos.bits(), will.topic.as_str())
            });
            format!("CONNECT {:?} clean {}{will}", connect.client_id, connect.clean_session)
        }
        Packet::ConnAck(connack) => format!("CONNACK {} present {}", connack.code, connack.session_present),
        Packet::Subscribe(subscribe) => {
            let filters = subscribe
                .filters
                .iter()
                .map(|(filter, options)| (filter, options.qos.bits()));
            format!("SUBSCRIBE {} {:?}", subscribe.packet_id, filters.collect::<Vec<_>>())
        }
        Packet::SubAck(suback) => format!("SUBACK {} {:?}", suback.packet_id, suback.codes),
        Packet::Unsubscribe(packet) => format!("UNSUBSCRIBE {} {:?}", packet.packet_id, packet.filters),
        Packet::UnsubAck(unsuback) => format!("UNSUBACK {}", unsuback.packet_id),
        Packet::PingReq | Packet::PingResp | Packet::Disconnect(_) | Packet::Auth(_) => {
            packet.packet_type().to_string()
        }
    }
}
