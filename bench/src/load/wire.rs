//! The few MQTT 3.1.1 packets that a load needs, as bytes, and a reader for those that come back.
//!
//! Must hold: reading never panics and never runs past what has arrived.
//! Deliberately absent: `burgee-codec`. A generator that shared the broker's codec would share its mistakes and its
//! cost; this one is a stranger to the broker. It checks no more than the load needs.

use std::io;

/// One packet out of the stream, borrowed from the receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A CONNECT, seen only by the relay.
    Connect,
    /// A PUBLISH; `packet` is the whole of it.
    Publish {
        qos: u8,
        id: u16,
        topic: &'a [u8],
        payload: &'a [u8],
        packet: &'a [u8],
    },
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    /// A SUBSCRIBE, seen only by the relay; the first filter is enough for it.
    Subscribe {
        id: u16,
        filter: &'a [u8],
    },
    PingReq,
    /// A packet that no load has a use for.
    Other(u8),
}

const PUBLISH: u8 = 3;

/// The first packet in `input` and what follows it; `None` while it has not arrived whole.
pub(crate) fn next(input: &[u8]) -> io::Result<Option<(Frame<'_>, &[u8])>> {
    let Some((&first, after_first)) = input.split_first() else {
        return Ok(None);
    };
    let Some((length, after_length)) = remaining_length(after_first)? else {
        return Ok(None);
    };
    let Some((body, rest)) = after_length.split_at_checked(length) else {
        return Ok(None);
    };
    let whole = input.len() - rest.len();
    let packet = input.get(..whole).unwrap_or_default();
    Ok(Some((frame(first, body, packet)?, rest)))
}

fn remaining_length(input: &[u8]) -> io::Result<Option<(usize, &[u8])>> {
    let mut value = 0_usize;
    let mut rest = input;
    for shift in [0, 7, 14, 21] {
        let Some((&byte, tail)) = rest.split_first() else {
            return Ok(None);
        };
        rest = tail;
        value |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(Some((value, rest)));
        }
    }
    Err(broken("a remaining length of more than four bytes"))
}

fn frame<'a>(first: u8, body: &'a [u8], packet: &'a [u8]) -> io::Result<Frame<'a>> {
    Ok(match first >> 4 {
        1 => Frame::Connect,
        PUBLISH => publish(first, body, packet)?,
        4 => Frame::PubAck(word(body)?.0),
        5 => Frame::PubRec(word(body)?.0),
        6 => Frame::PubRel(word(body)?.0),
        7 => Frame::PubComp(word(body)?.0),
        8 => {
            let (id, rest) = word(body)?;
            Frame::Subscribe {
                id,
                filter: text(rest)?.0,
            }
        }
        12 => Frame::PingReq,
        kind => Frame::Other(kind),
    })
}

fn publish<'a>(first: u8, body: &'a [u8], packet: &'a [u8]) -> io::Result<Frame<'a>> {
    let qos = (first >> 1) & 3;
    let (topic, rest) = text(body)?;
    let (id, payload) = if qos == 0 { (0, rest) } else { word(rest)? };
    Ok(Frame::Publish {
        qos,
        id,
        topic,
        payload,
        packet,
    })
}

fn word(input: &[u8]) -> io::Result<(u16, &[u8])> {
    let (bytes, rest) = input
        .split_first_chunk::<2>()
        .ok_or_else(|| broken("a packet that ends too early"))?;
    Ok((u16::from_be_bytes(*bytes), rest))
}

fn text(input: &[u8]) -> io::Result<(&[u8], &[u8])> {
    let (length, rest) = word(input)?;
    rest.split_at_checked(usize::from(length))
        .ok_or_else(|| broken("a string that ends too early"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the broker sent {what}"))
}

/// CONNECT with a clean session.
pub(crate) fn connect(client: &str, keep_alive: u16) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0x02];
    body.extend(keep_alive.to_be_bytes());
    put_text(&mut body, client);
    packet(0x10, &body)
}

/// SUBSCRIBE to one filter.
pub(crate) fn subscribe(id: u16, filter: &str, qos: u8) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    put_text(&mut body, filter);
    body.push(qos);
    packet(0x82, &body)
}

/// An acknowledgement: four bytes, first byte and identifier.
pub(crate) fn put_ack(out: &mut Vec<u8>, first: u8, id: u16) {
    let [high, low] = id.to_be_bytes();
    out.extend_from_slice(&[first, 2, high, low]);
}

pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBREL: u8 = 0x62;
pub(crate) const PUBCOMP: u8 = 0x70;
pub(crate) const CONNACK_ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
pub(crate) const PINGREQ: [u8; 2] = [0xC0, 0];
pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0];

/// The SUBACK that grants `qos` to the subscription with `id`.
pub(crate) fn suback(id: u16, qos: u8) -> [u8; 5] {
    let [high, low] = id.to_be_bytes();
    [0x90, 3, high, low, qos]
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    put_length(&mut out, body.len());
    out.extend_from_slice(body);
    out
}

fn put_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7F).unwrap_or(0x7F);
        length >>= 7;
        out.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            return;
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// A PUBLISH made beforehand; only its identifier and its mark are put in for each message.
#[derive(Debug)]
pub(crate) struct Template {
    head: Vec<u8>,
    padding: Vec<u8>,
    qos: u8,
}

/// Who sent a message and as which one of theirs: the first bytes of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) source: u32,
    pub(crate) sequence: u64,
}

impl Mark {
    /// Bytes that a mark takes: the smallest payload a load can have.
    pub(crate) const LEN: usize = 12;

    /// Reads the mark back out of a payload.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let (source, rest) = payload.split_first_chunk::<4>()?;
        let (sequence, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            source: u32::from_be_bytes(*source),
            sequence: u64::from_be_bytes(*sequence),
        })
    }
}

impl Template {
    /// A PUBLISH with `payload` bytes, at least [`Mark::LEN`].
    pub(crate) fn new(topic: &str, qos: u8, payload: usize) -> Self {
        let payload = payload.max(Mark::LEN);
        let mut head = vec![0x30 | (qos << 1)];
        put_length(&mut head, 2 + topic.len() + if qos == 0 { 0 } else { 2 } + payload);
        put_text(&mut head, topic);
        Self {
            head,
            padding: vec![b'.'; payload - Mark::LEN],
            qos,
        }
    }

    /// Appends one message. `id` is not used at QoS 0.
    pub(crate) fn put(&self, out: &mut Vec<u8>, id: u16, mark: Mark) {
        out.extend_from_slice(&self.head);
        if self.qos > 0 {
            out.extend_from_slice(&id.to_be_bytes());
        }
        out.extend_from_slice(&mark.source.to_be_bytes());
        out.extend_from_slice(&mark.sequence.to_be_bytes());
        out.extend_from_slice(&self.padding);
    }
}

#[cfg(test)]
mod tests;
