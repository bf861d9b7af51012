//! The lists of filters in SUBSCRIBE and UNSUBSCRIBE: the packet's own bytes, or a caller's slice.
//!
//! Must hold: bytes get in here only after every item in them was checked, so walking them cannot fail; a walk that met
//! a fault all the same would end. Two lists are equal if their items are, wherever they stand.

use core::fmt;
use core::slice;

use crate::rule::{self, Checked};
use crate::topic::{SharedFilter, TopicFilter};
use crate::types::{SubscribeOptions, Version};
use crate::wire::{Reader, Sink};

/// The filters of a SUBSCRIBE with their options.
#[derive(Clone, Copy)]
pub struct Filters<'a>(Source<'a, (TopicFilter<'a>, SubscribeOptions)>);

/// The filters of an UNSUBSCRIBE.
#[derive(Clone, Copy)]
pub struct FilterList<'a>(Source<'a, TopicFilter<'a>>);

#[derive(Clone, Copy)]
enum Source<'a, T> {
    Wire { bytes: &'a [u8], count: usize },
    Items(&'a [T]),
}

impl<T> Source<'_, T> {
    fn len(&self) -> usize {
        match self {
            Self::Wire { count, .. } => *count,
            Self::Items(items) => items.len(),
        }
    }
}

impl<'a> Filters<'a> {
    /// A list for a SUBSCRIBE that is to be sent.
    #[must_use]
    pub const fn from_slice(items: &'a [(TopicFilter<'a>, SubscribeOptions)]) -> Self {
        Self(Source::Items(items))
    }

    /// Takes all that is left in the packet.
    pub(crate) fn read(reader: &mut Reader<'a>, version: Version) -> Checked<Self> {
        let bytes = reader.rest();
        let mut count = 0;
        while !reader.is_empty() {
            let filter = TopicFilter::parse(reader.string(&rule::SHORT)?)?; // [MQTT-3.8.3-1] and 4.7.1-2, 4.7.1-3
            check_options(filter, reader.u8(&rule::SHORT)?, version)?;
            count += 1;
        }
        rule::SUBSCRIBE_EMPTY.unless(count > 0)?; // [MQTT-3.8.3-3]
        Ok(Self(Source::Wire { bytes, count }))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none, which no packet may say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The filters in the order of the packet.
    #[must_use]
    pub fn iter(&self) -> FiltersIter<'a> {
        FiltersIter(match self.0 {
            Source::Wire { bytes, .. } => Walk::Wire(Reader::new(bytes)),
            Source::Items(items) => Walk::Items(items.iter()),
        })
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        match self.0 {
            Source::Wire { bytes, .. } => out.put(bytes),
            Source::Items(items) => {
                for (filter, options) in items {
                    out.string(filter.as_str());
                    out.u8(options.bits());
                }
            }
        }
    }
}

/// What the byte behind a filter must not say, in a packet that comes or goes.
pub(crate) fn check_options(filter: TopicFilter<'_>, bits: u8, version: Version) -> Checked<()> {
    // [MQTT-3.8.3-4] no reserved bit, no QoS 3; below 5.0 all bits but the QoS are reserved.
    let options = SubscribeOptions::from_bits(bits).ok_or(rule::SUBSCRIBE_OPTIONS.broken())?;
    if version < Version::V5 {
        return rule::SUBSCRIBE_OPTIONS.unless(bits <= 2);
    }
    // [MQTT5-3.8.3-4] a message is not one's own or another's in a group.
    let shared = match SharedFilter::parse(filter) {
        None => false,
        Some(parts) => {
            parts?; // [MQTT5-4.8.2-1] [MQTT5-4.8.2-2]
            true
        }
    };
    rule::SHARED_NO_LOCAL.unless(!(shared && options.no_local))
}

impl<'a> FilterList<'a> {
    /// A list for an UNSUBSCRIBE that is to be sent.
    #[must_use]
    pub const fn from_slice(items: &'a [TopicFilter<'a>]) -> Self {
        Self(Source::Items(items))
    }

    /// Takes all that is left in the packet.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Checked<Self> {
        let bytes = reader.rest();
        let mut count = 0;
        while !reader.is_empty() {
            TopicFilter::parse(reader.string(&rule::SHORT)?)?; // [MQTT-3.10.3-1]
            count += 1;
        }
        rule::UNSUBSCRIBE_EMPTY.unless(count > 0)?; // [MQTT-3.10.3-2]
        Ok(Self(Source::Wire { bytes, count }))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none, which no packet may say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The filters in the order of the packet.
    #[must_use]
    pub fn iter(&self) -> FilterListIter<'a> {
        FilterListIter(match self.0 {
            Source::Wire { bytes, .. } => Walk::Wire(Reader::new(bytes)),
            Source::Items(items) => Walk::Items(items.iter()),
        })
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        match self.0 {
            Source::Wire { bytes, .. } => out.put(bytes),
            Source::Items(items) => items.iter().for_each(|filter| out.string(filter.as_str())),
        }
    }
}

#[derive(Clone)]
enum Walk<'a, T> {
    Wire(Reader<'a>),
    Items(slice::Iter<'a, T>),
}

/// The filters of a SUBSCRIBE, one after the other.
#[derive(Clone)]
pub struct FiltersIter<'a>(Walk<'a, (TopicFilter<'a>, SubscribeOptions)>);

impl<'a> Iterator for FiltersIter<'a> {
    type Item = (TopicFilter<'a>, SubscribeOptions);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Wire(reader) => {
                let filter = TopicFilter::already_checked(reader.string(&rule::SHORT).ok()?);
                Some((filter, SubscribeOptions::from_bits(reader.u8(&rule::SHORT).ok()?)?))
            }
            Walk::Items(items) => items.next().copied(),
        }
    }
}

/// The filters of an UNSUBSCRIBE, one after the other.
#[derive(Clone)]
pub struct FilterListIter<'a>(Walk<'a, TopicFilter<'a>>);

impl<'a> Iterator for FilterListIter<'a> {
    type Item = TopicFilter<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Wire(reader) => Some(TopicFilter::already_checked(reader.string(&rule::SHORT).ok()?)),
            Walk::Items(items) => items.next().copied(),
        }
    }
}

macro_rules! list {
    ($list:ident, $iter:ident, $item:ty) => {
        impl<'a> IntoIterator for &$list<'a> {
            type Item = $item;
            type IntoIter = $iter<'a>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }

        impl PartialEq for $list<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.len() == other.len() && self.iter().eq(other.iter())
            }
        }

        impl Eq for $list<'_> {}

        impl fmt::Debug for $list<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.iter()).finish()
            }
        }

        impl fmt::Debug for $iter<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.clone()).finish()
            }
        }
    };
}

list!(Filters, FiltersIter, (TopicFilter<'a>, SubscribeOptions));
list!(FilterList, FilterListIter, TopicFilter<'a>);
