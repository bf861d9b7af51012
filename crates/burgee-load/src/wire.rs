//! The few MQTT 3.1.1 packets that a load needs, as bytes, and a reader for those that come back.
//!
//! Must hold: reading never panics and never runs past what has arrived.
//! Deliberately absent: `burgee-codec`. A generator that shared the broker's codec would share its mistakes and its
//! cost; this one is a stranger to the broker. It checks no more than the load needs.

use std::io;

/// One packet out of the stream, borrowed from the receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A CONNECT, seen only by the self-test's relay.
    Connect {
        clean_session: bool,
    },
    /// A CONNACK with its two bytes: flags and return code.
    ConnAck {
        session_present: bool,
        code: u8,
    },
    /// A SUBACK with its identifier and return codes.
    SubAck {
        id: u16,
        codes: &'a [u8],
    },
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
        qos: u8,
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

/// The length of the packet that begins here, as far as it can be told by now.
pub(crate) fn announced(input: &[u8]) -> io::Result<Option<usize>> {
    let Some((_, after_first)) = input.split_first() else {
        return Ok(None);
    };
    let length = remaining_length(after_first)?;
    Ok(length.map(|(length, rest)| input.len() - rest.len() + length))
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
        1 => Frame::Connect {
            clean_session: body.get(7).is_some_and(|flags| flags & 2 == 2),
        },
        2 => {
            let (bytes, _) = word(body)?;
            let [flags, code] = bytes.to_be_bytes();
            Frame::ConnAck {
                session_present: flags & 1 == 1,
                code,
            }
        }
        9 => {
            let (id, codes) = word(body)?;
            Frame::SubAck { id, codes }
        }
        PUBLISH => publish(first, body, packet)?,
        4 => Frame::PubAck(word(body)?.0),
        5 => Frame::PubRec(word(body)?.0),
        6 => Frame::PubRel(word(body)?.0),
        7 => Frame::PubComp(word(body)?.0),
        8 => {
            let (id, rest) = word(body)?;
            let (filter, options) = text(rest)?;
            let qos = options.first().map_or(0, |options| options & 3);
            Frame::Subscribe { id, filter, qos }
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

/// What a client says of itself when it connects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hello<'a> {
    /// The client identifier.
    pub(crate) client: &'a str,
    /// Whether the session ends with the connection.
    pub(crate) clean_session: bool,
    /// Keep-alive in seconds.
    pub(crate) keep_alive: u16,
    /// User name, if any.
    pub(crate) user: Option<&'a str>,
    /// Password, if any; needs a user name.
    pub(crate) password: Option<&'a [u8]>,
}

/// CONNECT.
#[must_use]
pub(crate) fn connect(hello: &Hello<'_>) -> Vec<u8> {
    let password = hello.user.and(hello.password);
    let flags = (u8::from(hello.user.is_some()) << 7)
        | (u8::from(password.is_some()) << 6)
        | (u8::from(hello.clean_session) << 1);
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags];
    body.extend(hello.keep_alive.to_be_bytes());
    put_text(&mut body, hello.client);
    if let Some(user) = hello.user {
        put_text(&mut body, user);
    }
    if let Some(password) = password {
        body.extend(u16::try_from(password.len()).unwrap_or(u16::MAX).to_be_bytes());
        body.extend_from_slice(password);
    }
    packet(0x10, &body)
}

/// SUBSCRIBE to one filter.
pub(crate) fn subscribe(id: u16, filter: &str, qos: u8) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    put_text(&mut body, filter);
    body.push(qos);
    packet(0x82, &body)
}

/// SUBSCRIBE to many filters, all at one QoS.
pub(crate) fn put_subscribe<'a>(out: &mut Vec<u8>, id: u16, filters: impl Iterator<Item = &'a str>, qos: u8) {
    let mut body = id.to_be_bytes().to_vec();
    for filter in filters {
        put_text(&mut body, filter);
        body.push(qos);
    }
    out.push(0x82);
    put_length(out, body.len());
    out.extend_from_slice(&body);
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
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];

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

/// PUBLISH of any payload.
pub(crate) fn put_publish(out: &mut Vec<u8>, (qos, id): (u8, u16), topic: &[u8], payload: &[u8]) {
    out.push(0x30 | (qos << 1));
    put_length(out, 2 + topic.len() + if qos == 0 { 0 } else { 2 } + payload.len());
    out.extend(u16::try_from(topic.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(topic);
    if qos > 0 {
        out.extend_from_slice(&id.to_be_bytes());
    }
    out.extend_from_slice(payload);
}

/// Who sent a message, as which one of theirs, and when: the first bytes of every payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The publisher, counted from zero.
    pub(crate) source: u32,
    /// Its messages, counted from zero.
    pub(crate) sequence: u32,
    /// When it was sent or should have been, in units of 100 ns since the run began; wraps.
    pub(crate) sent_at: u32,
}

/// What a payload turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// As it was sent.
    Sound(Mark),
    /// Its check value does not fit: some byte is not what it was.
    Corrupt,
}

impl Mark {
    /// Bytes that a mark and its check value take: the smallest payload a load can have.
    pub(crate) const LEN: usize = 16;
}

impl Payload {
    /// Reads a payload, every byte of it.
    #[must_use]
    pub(crate) fn read(payload: &[u8]) -> Self {
        let parts = payload.split_first_chunk::<12>().and_then(|(mark, rest)| {
            let (check, filler) = rest.split_first_chunk::<4>()?;
            Some((mark, u32::from_be_bytes(*check), filler))
        });
        match parts {
            Some((mark, check, filler)) if check == check_value(mark, crc32fast::hash(filler)) => {
                Self::Sound(mark_of(mark))
            }
            _ => Self::Corrupt,
        }
    }
}

/// What stands behind the mark in every payload of a run: bytes that differ by place, so that a shift is seen.
#[derive(Debug, Clone)]
pub(crate) struct Filler {
    bytes: Vec<u8>,
    check: u32,
}

impl Filler {
    /// The filler of a payload of so many bytes.
    #[must_use]
    pub(crate) fn new(payload: usize) -> Self {
        let mut state = 0x9E37_79B9_u32;
        let bytes = (Mark::LEN..payload).map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let [byte, ..] = state.to_be_bytes();
            byte
        });
        let bytes: Vec<u8> = bytes.collect();
        let check = crc32fast::hash(&bytes);
        Self { bytes, check }
    }

    /// Writes a payload with this filler.
    pub(crate) fn put(&self, out: &mut Vec<u8>, mark: Mark) {
        let mark = bytes_of(mark);
        out.extend_from_slice(&mark);
        out.extend_from_slice(&check_value(&mark, self.check).to_be_bytes());
        out.extend_from_slice(&self.bytes);
    }

    /// Reads a payload with this filler. Comparing the filler is cheaper than its check value, and stricter.
    pub(crate) fn read(&self, payload: &[u8]) -> Payload {
        let parts = payload.split_first_chunk::<12>().and_then(|(mark, rest)| {
            let (check, filler) = rest.split_first_chunk::<4>()?;
            Some((mark, u32::from_be_bytes(*check), filler))
        });
        match parts {
            Some((mark, check, filler)) if check == check_value(mark, self.check) && filler == self.bytes => {
                Payload::Sound(mark_of(mark))
            }
            _ => Payload::Corrupt,
        }
    }
}

fn bytes_of(mark: Mark) -> [u8; 12] {
    let mut bytes = [0; 12];
    let words = [mark.source, mark.sequence, mark.sent_at];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

fn mark_of(bytes: &[u8; 12]) -> Mark {
    let mut words = bytes.chunks_exact(4);
    let mut word = || {
        let bytes = words.next().and_then(|word| word.first_chunk::<4>());
        bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
    };
    Mark {
        source: word(),
        sequence: word(),
        sent_at: word(),
    }
}

/// The check value: CRC-32 of the mark, started from the filler's, so that the filler's is computed once a template.
/// All twelve bytes are looked up at once: one after the other would cost more than all else that is done to a message.
#[expect(clippy::indexing_slicing, reason = "a byte is an index into 256 words")]
fn check_value(mark: &[u8; 12], filler: u32) -> u32 {
    let mut bytes = *mark;
    for (byte, state) in bytes.iter_mut().zip((!filler).to_le_bytes()) {
        *byte ^= state;
    }
    let tables = TABLES.iter().rev().zip(bytes);
    !tables.fold(0, |sum, (table, byte)| sum ^ table[usize::from(byte)])
}

/// For each place of a byte, counted from the end, what it adds to the check value.
static TABLES: [[u32; 256]; 12] = tables();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "computed by the compiler, which would not compile a mistake; below 256"
)]
const fn tables() -> [[u32; 256]; 12] {
    let mut tables = [[0; 256]; 12];
    let mut byte = 0;
    while byte < 256 {
        let mut state = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            state = (state >> 1) ^ (0xEDB8_8320 & (state & 1).wrapping_neg());
            bit += 1;
        }
        tables[0][byte] = state;
        byte += 1;
    }
    let mut place = 1;
    while place < 12 {
        byte = 0;
        while byte < 256 {
            let before = tables[place - 1][byte];
            tables[place][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        place += 1;
    }
    tables
}

/// A PUBLISH made beforehand; only its identifier, its mark and its check value are put in for each message.
#[derive(Debug)]
pub(crate) struct Template {
    packet: Vec<u8>,
    /// Bytes before the identifier, if there is one.
    head: usize,
    filler_check: u32,
    qos: u8,
}

impl Template {
    /// A PUBLISH with `payload` bytes, at least [`Mark::LEN`].
    #[must_use]
    pub(crate) fn new(topic: &str, qos: u8, payload: usize) -> Self {
        let filler = Filler::new(payload);
        let id = if qos == 0 { 0 } else { 2 };
        let mut packet = vec![0x30 | (qos << 1)];
        put_length(&mut packet, 2 + topic.len() + id + Mark::LEN + filler.bytes.len());
        put_text(&mut packet, topic);
        let head = packet.len();
        packet.resize(head + id + Mark::LEN, 0);
        packet.extend_from_slice(&filler.bytes);
        Self {
            packet,
            head,
            filler_check: filler.check,
            qos,
        }
    }

    /// Appends one message. `id` is not used at QoS 0.
    pub(crate) fn put(&self, out: &mut Vec<u8>, id: u16, mark: Mark) {
        let bytes = bytes_of(mark);
        let check = check_value(&bytes, self.filler_check).to_be_bytes();
        let place = out.len() + self.head;
        out.extend_from_slice(&self.packet);
        let Some(mut place) = out.get_mut(place..) else { return };
        if self.qos > 0 {
            place = fill(place, &id.to_be_bytes());
        }
        fill(fill(place, &bytes), &check);
    }
}

/// Writes to the front of a place; gives what is behind it.
fn fill<'a>(place: &'a mut [u8], bytes: &[u8]) -> &'a mut [u8] {
    let Some((front, behind)) = place.split_at_mut_checked(bytes.len()) else {
        return &mut [];
    };
    front.copy_from_slice(bytes);
    behind
}

#[cfg(test)]
mod tests;
