//! What goes wrong in decoding and in encoding.
//!
//! Must hold: an error of decoding names the broken statement where the standard has numbered one, and lives for ever: it
//! borrows nothing from the input. Deliberately absent: what to answer. That depends on the state of the connection.

use core::fmt;

/// A rule of the format that a packet broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Violation {
    /// The statement as numbered in 3.1.1 (`MQTT-3.3.1-4`) or 5.0 (`MQTT5-3.3.1-4`); empty where none fits.
    pub statement: &'static str,
    /// What is wrong, in words.
    pub what: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.statement.is_empty() {
            f.write_str(self.what)
        } else {
            write!(f, "{} [{}]", self.what, self.statement)
        }
    }
}

/// Why bytes are no packet that this receiver takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecodeError {
    /// They break a rule of the format.
    Malformed(Violation),
    /// A CONNECT with a known protocol name and a level that is not accepted here: to be answered before closing.
    UnsupportedLevel {
        /// The level byte of the CONNECT.
        level: u8,
    },
    /// A CONNECT with a protocol name that is not accepted here.
    UnknownProtocol,
    /// The packet announces more than [`Limits::max_remaining_length`](crate::Limits::max_remaining_length).
    TooLarge {
        /// The announced remaining length.
        size: u32,
        /// The limit.
        limit: u32,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(violation) => violation.fmt(f),
            Self::UnsupportedLevel { level } => write!(f, "protocol level {level} is not supported"),
            Self::UnknownProtocol => f.write_str("unknown protocol name"),
            Self::TooLarge { size, limit } => write!(f, "a packet of {size} bytes is above the limit of {limit}"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Why a packet cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EncodeError {
    /// The caller's buffer is shorter than the packet. Nothing was written.
    BufferTooSmall {
        /// The length that would do.
        needed: usize,
    },
    /// The packet is longer than a remaining length can say.
    TooLarge,
    /// A string or a binary field has more than 65535 bytes.
    FieldTooLong,
    /// The version has no such packet or field.
    NotInVersion(&'static str),
    /// The fields contradict each other or a rule of the format.
    Invalid(&'static str),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => write!(f, "the buffer is too small: the packet has {needed} bytes"),
            Self::TooLarge => f.write_str("the packet is longer than the format allows"),
            Self::FieldTooLong => f.write_str("a field has more than 65535 bytes"),
            Self::NotInVersion(what) => write!(f, "this version has no {what}"),
            Self::Invalid(what) => f.write_str(what),
        }
    }
}

impl core::error::Error for EncodeError {}
