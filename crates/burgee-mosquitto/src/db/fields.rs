//! What is in a chunk: the fixed struct, and where the rest begins.
//!
//! What must hold: all lengths of a chunk add up to its length, exactly where Mosquitto writes nothing more.

use burgee_codec::QoS;

use super::chunk::{Chunk, File};
use super::error::DbError;
use std::io::{Read, Seek};

/// In which order the machine that wrote the file has the bytes of a number.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Order {
    Low,
    High,
}

/// The chunk about the file.
#[derive(Copy, Clone, Debug)]
pub(super) struct FileFields {
    pub(super) order: Order,
    pub(super) orderly_end: bool,
}

/// A message, without its texts.
#[derive(Copy, Clone, Debug)]
pub(super) struct MessageFields {
    pub(super) number: u64,
    pub(super) expiry_time: i64,
    pub(super) payload: u32,
    pub(super) publisher: u16,
    pub(super) user: u16,
    pub(super) topic: u16,
    pub(super) qos: QoS,
    pub(super) retain: bool,
}

/// Which way a message of a client goes.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Direction {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// A message of a client.
#[derive(Clone, Debug)]
pub(super) struct ClientMessageFields {
    pub(super) message: u64,
    pub(super) id: u16,
    pub(super) qos: QoS,
    pub(super) state: u8,
    pub(super) retain: bool,
    pub(super) direction: Direction,
    pub(super) client: Box<str>,
    /// It has MQTT 5 properties.
    pub(super) properties: bool,
}

/// A subscription. The filter is not checked yet.
#[derive(Clone, Debug)]
pub(super) struct SubscriptionFields {
    pub(super) identifier: u32,
    pub(super) qos: QoS,
    pub(super) options: u8,
    pub(super) client: Box<str>,
    pub(super) filter: Box<str>,
}

/// A client.
#[derive(Clone, Debug)]
pub(super) struct ClientFields {
    pub(super) expiry_time: i64,
    /// `u32::MAX`: never.
    pub(super) expiry_interval: u32,
    pub(super) client: Box<str>,
    pub(super) user: Option<Box<str>>,
}

/// The largest struct with the texts that may follow it: everything but messages has to fit.
const MOST: usize = 64 + 2 * 65_535 + (1 << 16);

/// Takes fields from the front.
struct Fields<'a> {
    chunk: &'a Chunk,
    rest: &'a [u8],
    order: Order,
}

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DbError> {
        let short = || self.chunk.damaged("it is too short for its kind");
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(short)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, DbError> {
        let [byte] = self.take()?;
        Ok(byte)
    }

    fn short(&mut self) -> Result<u16, DbError> {
        Ok(u16::from_be_bytes(self.take()?))
    }

    fn word(&mut self) -> Result<u32, DbError> {
        Ok(u32::from_be_bytes(self.take()?))
    }

    fn long(&mut self) -> Result<u64, DbError> {
        let bytes = self.take()?;
        Ok(match self.order {
            Order::Low => u64::from_le_bytes(bytes),
            Order::High => u64::from_be_bytes(bytes),
        })
    }

    fn time(&mut self) -> Result<i64, DbError> {
        Ok(self.long()?.cast_signed())
    }

    fn qos(&mut self) -> Result<QoS, DbError> {
        let bits = self.byte()?;
        QoS::from_bits(bits).ok_or_else(|| self.chunk.damaged(format!("there is no QoS {bits}")))
    }

    fn text(&mut self, length: u16, what: &str) -> Result<&'a str, DbError> {
        let Some((text, rest)) = self.rest.split_at_checked(usize::from(length)) else {
            return Err(self.chunk.damaged(format!("it is too short for its {what}")));
        };
        self.rest = rest;
        str::from_utf8(text).map_err(|_| self.chunk.damaged(format!("its {what} is no UTF-8")))
    }

    fn end(&self) -> Result<(), DbError> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(self.chunk.damaged(format!("it has {more} bytes too many"))),
        }
    }
}

/// Reads all of a small chunk.
pub(super) fn small<R: Read + Seek>(file: &mut File<R>, chunk: &Chunk, into: &mut Vec<u8>) -> Result<(), DbError> {
    let length = chunk.length as usize;
    if length > MOST {
        return Err(chunk.damaged(format!("it has {length} bytes, more than a {} can have", chunk.kind)));
    }
    into.resize(length, 0);
    file.read_at(chunk.begin(), into)
}

/// Where 8-byte numbers are in the order of another machine, a last number that is small becomes a huge one.
const PLAUSIBLE: u64 = 1 << 48;

pub(super) fn of_file(chunk: &Chunk, bytes: &[u8]) -> Result<FileFields, DbError> {
    let mut fields = Fields {
        chunk,
        rest: bytes,
        order: Order::Low,
    };
    let last: [u8; 8] = fields.take()?;
    let orderly_end = fields.byte()? != 0;
    let size = fields.byte()?;
    if size != 8 {
        return Err(chunk.damaged(format!("message numbers have {size} bytes instead of 8")));
    }
    let order = if u64::from_le_bytes(last) < PLAUSIBLE {
        Order::Low
    } else if u64::from_be_bytes(last) < PLAUSIBLE {
        Order::High
    } else {
        return Err(chunk.damaged("the last message number cannot be"));
    };
    Ok(FileFields { order, orderly_end })
}

/// The bytes of a message's struct.
pub(super) const MESSAGE: usize = 32;

pub(super) fn of_message(chunk: &Chunk, bytes: &[u8], order: Order) -> Result<MessageFields, DbError> {
    let mut fields = Fields {
        chunk,
        rest: bytes,
        order,
    };
    let (number, expiry_time, payload) = (fields.long()?, fields.time()?, fields.word()?);
    // The identifier that the publisher gave it says nothing any more.
    fields.short()?;
    let (publisher, user, topic) = (fields.short()?, fields.short()?, fields.short()?);
    // The port that it came by.
    fields.short()?;
    Ok(MessageFields {
        number,
        expiry_time,
        payload,
        publisher,
        user,
        topic,
        qos: fields.qos()?,
        retain: fields.byte()? != 0,
    })
}

pub(super) fn of_client_message(chunk: &Chunk, bytes: &[u8], order: Order) -> Result<ClientMessageFields, DbError> {
    let mut fields = Fields {
        chunk,
        rest: bytes,
        order,
    };
    let (message, id, client) = (fields.long()?, fields.short()?, fields.short()?);
    let (qos, state, retain, direction) = (fields.qos()?, fields.byte()?, fields.byte()? >> 4, fields.byte()?);
    let direction = match direction {
        0 => Direction::In,
        1 => Direction::Out,
        other => return Err(chunk.damaged(format!("there is no direction {other}"))),
    };
    let client = fields.text(client, "client identifier")?.into();
    Ok(ClientMessageFields {
        message,
        id,
        qos,
        state,
        retain: retain != 0,
        direction,
        client,
        properties: properties(chunk, fields.rest, fields.rest.len() as u64)?,
    })
}

pub(super) fn of_retained(chunk: &Chunk, bytes: &[u8], order: Order) -> Result<u64, DbError> {
    let mut fields = Fields {
        chunk,
        rest: bytes,
        order,
    };
    let number = fields.long()?;
    fields.end()?;
    Ok(number)
}

pub(super) fn of_subscription(chunk: &Chunk, bytes: &[u8], order: Order) -> Result<SubscriptionFields, DbError> {
    let mut fields = Fields {
        chunk,
        rest: bytes,
        order,
    };
    let (identifier, client, filter) = (fields.word()?, fields.short()?, fields.short()?);
    let (qos, options) = (fields.qos()?, fields.byte()?);
    fields.take::<2>()?;
    let client = fields.text(client, "client identifier")?.into();
    let filter = fields.text(filter, "filter")?.into();
    fields.end()?;
    Ok(SubscriptionFields {
        identifier,
        qos,
        options,
        client,
        filter,
    })
}

pub(super) fn of_client(chunk: &Chunk, bytes: &[u8], order: Order, version: u32) -> Result<ClientFields, DbError> {
    let mut fields = Fields {
        chunk,
        rest: bytes,
        order,
    };
    let (expiry_time, expiry_interval) = (fields.time()?, fields.word()?);
    // The identifier that was given last.
    fields.short()?;
    let client = fields.short()?;
    let mut user = 0;
    if version >= 6 {
        fields.short()?;
        user = fields.short()?;
        fields.take::<4>()?;
    }
    let client = fields.text(client, "client identifier")?.into();
    let user = match user {
        0 => None,
        length => Some(fields.text(length, "user name")?.into()),
    };
    fields.end()?;
    Ok(ClientFields {
        expiry_time,
        expiry_interval,
        client,
        user,
    })
}

/// Whether there are properties. What is there has to be as long as its first bytes say; of the rest none is needed.
pub(super) fn properties(chunk: &Chunk, first: &[u8], whole: u64) -> Result<bool, DbError> {
    if whole == 0 {
        return Ok(false);
    }
    let (mut length, mut taken) = (0_u64, 0_u64);
    for byte in first.iter().take(4) {
        length |= u64::from(byte & 0x7f) << (7 * taken);
        taken += 1;
        if byte & 0x80 == 0 && taken + length == whole {
            return Ok(length > 0);
        }
        if byte & 0x80 == 0 {
            break;
        }
    }
    Err(chunk.damaged("what follows its texts is no list of properties"))
}
