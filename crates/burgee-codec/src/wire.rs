//! The bytes: a reader and a writer of the protocol's few kinds of field.
//!
//! Must hold: this is the only file that may take bytes by position. A reader hands out parts of the packet and never goes beyond
//! it; a sink that counts and a sink that writes are given the same fields, so a length said beforehand is true.

use alloc::vec::Vec;

use crate::error::EncodeError;
use crate::rule::{self, Checked, Rule};

/// The greatest remaining length that four bytes can say.
pub const MAX_REMAINING_LENGTH: u32 = 268_435_455;

/// What is left of a packet, or of a part of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left, without taking it.
    #[inline]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Takes all that is left.
    #[inline]
    pub(crate) const fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.0;
        self.0 = &[];
        rest
    }

    /// `short` is the rule that is broken if the packet ends before the field does; likewise below.
    #[inline]
    pub(crate) fn take(&mut self, len: usize, short: &'static Rule) -> Checked<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(short.broken())?;
        self.0 = tail;
        Ok(head)
    }

    #[inline]
    fn array<const N: usize>(&mut self, short: &'static Rule) -> Checked<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk().ok_or(short.broken())?;
        self.0 = tail;
        Ok(*head)
    }

    #[inline]
    pub(crate) fn u8(&mut self, short: &'static Rule) -> Checked<u8> {
        self.array(short).map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self, short: &'static Rule) -> Checked<u16> {
        self.array(short).map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self, short: &'static Rule) -> Checked<u32> {
        self.array(short).map(u32::from_be_bytes)
    }

    /// A length of 16 bits and as many bytes.
    #[inline]
    pub(crate) fn binary(&mut self, short: &'static Rule) -> Checked<&'a [u8]> {
        let len = self.u16(short)?;
        self.take(usize::from(len), short)
    }

    /// A string that may hold U+0000: for fields whose type looks for it itself.
    #[inline]
    pub(crate) fn utf8(&mut self, short: &'static Rule) -> Checked<&'a str> {
        // [MQTT-1.5.3-1] [MQTT-1.5.3-3] well-formed, and every character is kept.
        core::str::from_utf8(self.binary(short)?).map_err(|_| rule::UTF8.broken())
    }

    #[inline]
    pub(crate) fn string(&mut self, short: &'static Rule) -> Checked<&'a str> {
        let string = self.utf8(short)?;
        rule::NUL.unless(!string.as_bytes().contains(&0))?; // [MQTT-1.5.3-2]
        Ok(string)
    }

    /// A number of variable length as 5.0 has it: at most four bytes, and no more than needed.
    pub(crate) fn varint(&mut self, short: &'static Rule) -> Checked<u32> {
        match Varint::read(self.0)? {
            Varint::Cut => Err(short.broken()),
            Varint::Whole { value, len } => {
                rule::NOT_MINIMAL.unless(len == varint_len(value))?; // [MQTT5-1.5.5-1]
                self.take(len, short)?;
                Ok(value)
            }
        }
    }
}

/// A number of variable length at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Varint {
    /// The bytes end before it does.
    Cut,
    /// The number and how many bytes say it, which may be more than needed.
    Whole { value: u32, len: usize },
}

impl Varint {
    #[inline]
    pub(crate) fn read(bytes: &[u8]) -> Checked<Self> {
        match bytes {
            [short @ ..=0x7F, ..] => Ok(Self::Whole {
                value: u32::from(*short),
                len: 1,
            }),
            _ => Self::read_long(bytes),
        }
    }

    fn read_long(bytes: &[u8]) -> Checked<Self> {
        let mut value = 0;
        for (at, byte) in bytes.iter().take(4).enumerate() {
            value |= u32::from(byte & 0x7F) << (7 * at);
            if byte & 0x80 == 0 {
                return Ok(Self::Whole { value, len: at + 1 });
            }
        }
        // A fourth byte that announces a fifth is wrong before the fifth arrives.
        rule::REMAINING_LENGTH.unless(bytes.len() < 4)?;
        Ok(Self::Cut)
    }
}

/// How many bytes say `value`.
#[inline]
pub(crate) const fn varint_len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Where a packet goes: into a count or into memory. Lengths were checked before: a sink cannot refuse.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    #[inline]
    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    #[inline]
    fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    #[inline]
    fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    #[inline]
    fn binary(&mut self, bytes: &[u8]) {
        self.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
        self.put(bytes);
    }

    #[inline]
    fn string(&mut self, string: &str) {
        self.binary(string.as_bytes());
    }

    #[inline]
    fn varint(&mut self, mut value: u32) {
        while value > 0x7F {
            self.u8(low_byte(value) | 0x80);
            value >>= 7;
        }
        self.u8(low_byte(value));
    }
}

#[inline]
const fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

/// Whether a caller's string can be a field.
pub(crate) fn check_string(string: &str) -> Result<(), EncodeError> {
    invalid_unless(!string.as_bytes().contains(&0), "a string holds U+0000")?;
    check_binary(string.as_bytes())
}

/// Whether a caller's bytes can be a field.
pub(crate) const fn check_binary(bytes: &[u8]) -> Result<(), EncodeError> {
    if bytes.len() > 65_535 {
        Err(EncodeError::FieldTooLong)
    } else {
        Ok(())
    }
}

pub(crate) const fn invalid_unless(holds: bool, what: &'static str) -> Result<(), EncodeError> {
    if holds { Ok(()) } else { Err(EncodeError::Invalid(what)) }
}

/// Counts what would be written.
#[derive(Debug, Default)]
pub(crate) struct Counter(pub(crate) usize);

impl Sink for Counter {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Writes into a buffer that was found to be long enough.
#[derive(Debug)]
pub(crate) struct Writer<'a>(&'a mut [u8]);

impl<'a> Writer<'a> {
    pub(crate) const fn new(out: &'a mut [u8]) -> Self {
        Self(out)
    }
}

impl Sink for Writer<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let Some((head, tail)) = core::mem::take(&mut self.0).split_at_mut_checked(bytes.len()) else {
            debug_assert!(false, "the buffer was measured before");
            return;
        };
        head.copy_from_slice(bytes);
        self.0 = tail;
    }
}

#[cfg(test)]
mod tests;
