//! The list of properties of a 5.0 packet: the packet's own bytes, or a caller's slice.
//!
//! Must hold: bytes get in here only after every property in them was checked (its value, that this packet may carry it, that
//! it does not stand twice), so walking them cannot fail; a walk that met a fault all the same would end.
//! Two lists are equal if their items are, in the same order.

use core::fmt;
use core::slice;

use crate::error::EncodeError;
use crate::property::{Place, Property};
use crate::rule::{self, Checked, Rule};
use crate::wire::{Counter, Reader, Sink, invalid_unless};

/// The properties of a packet; by default none.
#[derive(Clone, Copy)]
pub struct Properties<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    Wire { bytes: &'a [u8], place: Place },
    Items(&'a [Property<'a>]),
}

impl Default for Properties<'_> {
    fn default() -> Self {
        Self(Source::Items(&[]))
    }
}

impl<'a> Properties<'a> {
    /// A list for a packet that is to be sent.
    #[must_use]
    pub const fn from_slice(items: &'a [Property<'a>]) -> Self {
        Self(Source::Items(items))
    }

    /// Takes the length and as many bytes of properties.
    pub(crate) fn read(reader: &mut Reader<'a>, place: Place) -> Checked<Self> {
        let len = reader.varint(&rule::PROPERTY_LENGTH)?; // [MQTT5-2.2.2-1]
        let bytes = reader.take(usize::try_from(len).unwrap_or(usize::MAX), &rule::PROPERTY_SHORT)?;
        let mut rest = Reader::new(bytes);
        let mut seen = Seen::default();
        while !rest.is_empty() {
            let property = Property::read(&mut rest)?;
            seen.note(&property, place).map_err(Rule::broken)?;
        }
        seen.end(place).map_err(Rule::broken)?;
        Ok(Self(Source::Wire { bytes, place }))
    }

    /// Whether there is none.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Source::Wire { bytes, .. } => bytes.is_empty(),
            Source::Items(items) => items.is_empty(),
        }
    }

    /// The properties in the order of the packet.
    #[must_use]
    pub fn iter(&self) -> PropertiesIter<'a> {
        PropertiesIter(match self.0 {
            Source::Wire { bytes, .. } => Walk::Wire(Reader::new(bytes)),
            Source::Items(items) => Walk::Items(items.iter()),
        })
    }

    /// Whether they can be written into `place`.
    pub(crate) fn check(&self, place: Place) -> Result<(), EncodeError> {
        if let Source::Wire { place: origin, .. } = self.0
            && origin == place
        {
            return Ok(());
        }
        let mut seen = Seen::default();
        for property in self {
            property.check()?;
            seen.note(&property, place)
                .map_err(|rule| EncodeError::Invalid(rule.what()))?;
        }
        seen.end(place).map_err(|rule| EncodeError::Invalid(rule.what()))?;
        invalid_unless(
            u32::try_from(self.body_len()).is_ok(),
            "the properties are longer than a packet can be",
        )
    }

    /// Length and properties.
    pub(crate) fn write(&self, out: &mut impl Sink) {
        out.varint(u32::try_from(self.body_len()).unwrap_or(u32::MAX));
        self.write_body(out);
    }

    fn body_len(&self) -> usize {
        let mut counter = Counter::default();
        self.write_body(&mut counter);
        counter.0
    }

    fn write_body(&self, out: &mut impl Sink) {
        match self.0 {
            Source::Wire { bytes, .. } => out.put(bytes),
            Source::Items(items) => items.iter().for_each(|property| property.write(out)),
        }
    }
}

/// Which properties a list has had so far, one bit each: every identifier is below 64.
#[derive(Default)]
struct Seen(u64);

impl Seen {
    fn note(&mut self, property: &Property<'_>, place: Place) -> Result<(), &'static Rule> {
        if property.places() & place as u16 == 0 {
            return Err(&rule::PROPERTY_MISPLACED);
        }
        let bit = 1 << property.identifier();
        if self.0 & bit != 0 && !property.may_repeat(place) {
            return Err(&rule::PROPERTY_TWICE);
        }
        self.0 |= bit;
        Ok(())
    }

    fn end(&self, place: Place) -> Result<(), &'static Rule> {
        const METHOD: u64 = 1 << 0x15;
        const DATA: u64 = 1 << 0x16;
        if place == Place::Connect && self.0 & (METHOD | DATA) == DATA {
            return Err(&rule::AUTH_DATA_ALONE);
        }
        Ok(())
    }
}

/// The properties of a packet, one after the other.
#[derive(Clone)]
pub struct PropertiesIter<'a>(Walk<'a>);

#[derive(Clone)]
enum Walk<'a> {
    Wire(Reader<'a>),
    Items(slice::Iter<'a, Property<'a>>),
}

impl<'a> Iterator for PropertiesIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        match &mut self.0 {
            Walk::Wire(reader) => Property::read(reader).ok(),
            Walk::Items(items) => items.next().copied(),
        }
    }
}

impl<'a> IntoIterator for &Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertiesIter<'a>;

    fn into_iter(self) -> PropertiesIter<'a> {
        self.iter()
    }
}

impl PartialEq for Properties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Properties<'_> {}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for PropertiesIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
