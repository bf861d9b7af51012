//! Formats filled in with messages.
//!
//! What must hold: byte for byte what Mosquitto's programs print, their oddities of width included: a payload is never
//! longer than its width, and in hexadecimal the width counts digits, two for a byte, after the payload has been cut to so
//! many bytes; to the left without a width, as many blanks follow as it has bytes. Deliberately absent: the reading of formats.

use std::io::Write as _;

use super::clock::Date;
use super::format::{Field, Format, Piece, Width};
use super::{NotJson, Received, json};

impl Format {
    /// Adds a message. Fails when `%J` meets a payload that is no JSON; what stands around it is written.
    pub(super) fn fill(
        &self,
        received: &Received<'_>,
        date: &Date,
        spread: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), NotJson> {
        let mut all = Ok(());
        for piece in &self.0 {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Time(letter) => date.letter(*letter, out),
                Piece::Field(field, width) => all = fill_field(*field, *width, (received, date), spread, out).and(all),
            }
        }
        all
    }
}

fn fill_field(
    field: Field,
    width: Width,
    (received, date): (&Received<'_>, &Date),
    spread: bool,
    out: &mut Vec<u8>,
) -> Result<(), NotJson> {
    let message = received.message;
    match field {
        Field::Topic => text(message.topic.as_str(), width, out),
        Field::Payload => payload(&message.payload, width, out),
        Field::LowerHex => hex_field(&message.payload, width, b"0123456789abcdef", out),
        Field::UpperHex => hex_field(&message.payload, width, b"0123456789ABCDEF", out),
        Field::Length => number(message.payload.len(), width, out),
        Field::PacketId => number(usize::from(received.packet_id()), width, out),
        Field::QoS => number(usize::from(message.qos.bits()), Width::default(), out),
        Field::Retain => number(usize::from(message.retain), Width::default(), out),
        Field::Json => object(received, date, Quoted::Yes, spread, out),
        Field::JsonPayload if !json::is_json(&message.payload) => return Err(NotJson),
        Field::JsonPayload => object(received, date, Quoted::No, spread, out),
        Field::Iso => {
            let mut stamp = Vec::new();
            date.iso(&mut stamp);
            text(&String::from_utf8_lossy(&stamp), width, out);
        }
        Field::Unix => date.unix(out),
        Field::NumberProperty => pad(width.least, if width.zeros { b'0' } else { b' ' }, out),
        Field::TextProperty => pad(width.least, b' ', out),
        Field::BareProperty => {}
    }
    Ok(())
}

fn pad(count: usize, with: u8, out: &mut Vec<u8>) {
    out.resize(out.len() + count, with);
}

fn padded(bytes: &[u8], shown: usize, width: Width, zero: u8, out: &mut Vec<u8>) {
    let missing = width.least.saturating_sub(shown);
    if width.left {
        out.extend_from_slice(bytes);
        pad(missing, b' ', out);
    } else {
        pad(missing, zero, out);
        out.extend_from_slice(bytes);
    }
}

/// Cut to the greatest width, filled to the least with blanks. Both count bytes, but no character is cut in two.
fn text(text: &str, width: Width, out: &mut Vec<u8>) {
    let most = width.most.unwrap_or(usize::MAX).min(text.len());
    let cut = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let bytes = text.as_bytes().get(..cut).unwrap_or_default();
    padded(bytes, bytes.len(), width, b' ', out);
}

fn number(value: usize, width: Width, out: &mut Vec<u8>) {
    let digits = value.to_string();
    padded(digits.as_bytes(), digits.len(), width, zero(width), out);
}

fn payload(bytes: &[u8], width: Width, out: &mut Vec<u8>) {
    let shown = cut(bytes, width, 1);
    padded(shown, shown.len(), width, zero(width), out);
    follow_up(bytes, width, out);
}

fn follow_up(bytes: &[u8], width: Width, out: &mut Vec<u8>) {
    if width.left && width.least == 0 {
        pad(bytes.len(), b' ', out);
    }
}

fn hex_field(bytes: &[u8], width: Width, digits: &[u8; 16], out: &mut Vec<u8>) {
    let shown = cut(bytes, width, 2);
    let mut written = Vec::with_capacity(shown.len() * 2);
    hex(shown, digits, &mut written);
    padded(&written, written.len(), width, zero(width), out);
    follow_up(bytes, width, out);
}

const fn zero(width: Width) -> u8 {
    if width.zeros && !width.left { b'0' } else { b' ' }
}

/// A width is a greatest one, too.
fn cut(bytes: &[u8], width: Width, digits: usize) -> &[u8] {
    if width.least == 0 {
        return bytes;
    }
    let most = bytes.len().min(width.least) / digits;
    bytes.get(..most).unwrap_or(bytes)
}

/// Two digits for each byte.
pub(super) fn hex(bytes: &[u8], digits: &[u8; 16], out: &mut Vec<u8>) {
    let digit = |value: u8| digits.get(usize::from(value)).copied();
    out.extend(
        bytes
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .flatten(),
    );
}

/// Whether a payload is a JSON string or stands as it is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Quoted {
    Yes,
    No,
}

/// The message as a JSON object. Bytes that are no UTF-8 come out as U+FFFD: what JSON cannot say is not said.
fn object(received: &Received<'_>, date: &Date, quoted: Quoted, spread: bool, out: &mut Vec<u8>) {
    let message = received.message;
    let mut object = b"{\"tst\":\"".to_vec();
    date.iso_micros(&mut object);
    object.extend_from_slice(b"\",\"topic\":");
    json::string(message.topic.as_str(), &mut object);
    let (qos, retain, length) = (message.qos.bits(), u8::from(message.retain), message.payload.len());
    // Writing into memory cannot fail.
    write!(object, ",\"qos\":{qos},\"retain\":{retain},\"payloadlen\":{length}").ok();
    if qos > 0 {
        write!(object, ",\"mid\":{}", received.packet_id()).ok();
    }
    object.extend_from_slice(b",\"payload\":");
    if quoted == Quoted::Yes {
        json::string(&String::from_utf8_lossy(&message.payload), &mut object);
    } else {
        json::compact(&message.payload, &mut object);
    }
    object.push(b'}');
    if spread {
        json::pretty(&object, 0, out);
    } else {
        out.extend_from_slice(&object);
    }
}
