//! How a message becomes bytes: payload alone, topic and payload, a format of the caller, or a line of JSON.
//!
//! What must hold: unless the caller asks for something else, payloads come out as they are; nothing is escaped.
//! Deliberately absent: which messages are printed.

mod clock;
mod fill;
mod format;
mod json;
mod output;

use std::time::SystemTime;

use burgee_client::Message;
use clap::{Args, ValueEnum};

use crate::traffic;
use clock::Clock;
use format::Format;
pub(crate) use output::{Reader, print, wants_colour};

/// The options that say how to print.
#[derive(Args, Debug)]
#[group(id = "print")]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Options {
    /// Print the topic before the payload
    #[arg(short, long)]
    verbose: bool,

    /// How to print: %t topic, %p payload, %x and %X payload in hexadecimal, %l its length, %q QoS, %r retained (0 or 1), %m
    /// packet identifier, %j JSON, %J JSON with the payload as it is, %I and %U time, @ and a letter of strftime, %% @@ and
    /// \n \r \t \0 \a \e \v \\; goes before -v
    #[arg(short = 'F', long, value_name = "FORMAT", allow_hyphen_values = true)]
    format: Option<Format>,

    /// No end of line behind a message
    #[arg(short = 'N', long)]
    no_newline: bool,

    /// Spread the JSON of %j and %J over several lines
    #[arg(long)]
    pretty: bool,

    /// Print each message as a line of JSON; a payload that is no text stands in Base64
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// Print payloads as they are, as text without control characters, in hexadecimal, or as spread-out JSON
    #[arg(long, value_name = "HOW", default_value = "raw")]
    payload_as: Shown,
}

/// How payloads are printed where no format says it.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Shown {
    /// Byte for byte
    #[default]
    Raw,
    /// Control characters and what is no UTF-8 are written as \xNN
    Text,
    /// Two digits for each byte
    Hex,
    /// JSON with a line for each member; what is no JSON as text
    Json,
}

/// A message and when it came.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) message: &'a Message,
    pub(crate) time: SystemTime,
}

impl Received<'_> {
    /// 0 for messages of QoS 0, which have none.
    pub(crate) fn packet_id(&self) -> u16 {
        self.message.packet_id.unwrap_or(0)
    }
}

/// `%J` met a payload that is no JSON.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct NotJson;

/// How messages are printed.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Style {
    format: Option<Format>,
    /// The topic before the payload.
    verbose: bool,
    newline: bool,
    pretty: bool,
    json: bool,
    shown: Shown,
    /// The topic in colour: for a terminal.
    colour: bool,
    clock: Clock,
}

impl Options {
    /// How payloads are to be shown.
    pub(crate) const fn shown(&self) -> Shown {
        self.payload_as
    }

    /// What the options ask for.
    pub(crate) fn style(&self) -> Style {
        Style {
            format: self.format.clone(),
            verbose: self.verbose,
            newline: !self.no_newline,
            pretty: self.pretty,
            json: self.json,
            shown: self.payload_as,
            colour: wants_colour(),
            clock: Clock::system(),
        }
    }
}

impl Style {
    /// Adds a message to what is to be printed. As Mosquitto has it, an empty payload is no line at all, or `(null)`
    /// behind the topic.
    pub(crate) fn write(&self, received: &Received<'_>, out: &mut Vec<u8>) -> Result<(), NotJson> {
        let message = received.message;
        let mut done = Ok(());
        if let Some(format) = &self.format {
            done = format.fill(received, &self.clock.date(received.time), self.pretty, out);
        } else if self.json {
            traffic::write(message, &[("time", &self.stamp(received.time))], out);
        } else if self.verbose {
            let (before, behind) = if self.colour { ("\x1b[36m", "\x1b[0m") } else { ("", "") };
            for part in [before, message.topic.as_str(), behind, " "] {
                out.extend_from_slice(part.as_bytes());
            }
            if message.payload.is_empty() {
                out.extend_from_slice(b"(null)");
            } else {
                self.shown.write(&message.payload, out);
            }
        } else if message.payload.is_empty() {
            return Ok(());
        } else {
            self.shown.write(&message.payload, out);
        }
        if self.newline {
            out.push(b'\n');
        }
        done
    }

    fn stamp(&self, time: SystemTime) -> serde_json::Value {
        let mut stamp = Vec::new();
        self.clock.date(time).iso_micros(&mut stamp);
        String::from_utf8_lossy(&stamp).into()
    }
}

impl Shown {
    /// Adds a payload.
    pub(crate) fn write(self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Raw => out.extend_from_slice(payload),
            Self::Hex => fill::hex(payload, b"0123456789abcdef", out),
            Self::Json if json::is_json(payload) => json::pretty(payload, 0, out),
            Self::Text | Self::Json => harmless(payload, out),
        }
    }
}

/// Text that does nothing to a terminal.
fn harmless(payload: &[u8], out: &mut Vec<u8>) {
    for chunk in payload.utf8_chunks() {
        for sign in chunk.valid().chars() {
            if sign.is_control() {
                escape(sign.encode_utf8(&mut [0; 4]).as_bytes(), out);
            } else {
                out.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        escape(chunk.invalid(), out);
    }
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.extend_from_slice(b"\\x");
        fill::hex(&[*byte], b"0123456789abcdef", out);
    }
}

#[cfg(test)]
mod tests;
