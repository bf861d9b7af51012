//! Topic names and topic filters, and which name a filter matches.
//!
//! Must hold: a value is well-formed (never empty but [`TopicName::EMPTY`], no U+0000, at most 65535 bytes, wildcards only where
//! they may stand). Names are compared byte for byte: no folding, no normalisation, nothing is stripped.
//! Deliberately absent: an index of many filters (the router's) and what `$SYS` means.

use alloc::boxed::Box;
use core::borrow::Borrow;
use core::fmt;
use core::str::Split;

use crate::types::Version;

const MAX_BYTES: usize = 65_535;

/// Why a string is no topic name or no topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InvalidTopic {
    /// It has no character.
    Empty,
    /// It has more than 65535 bytes.
    TooLong,
    /// It holds U+0000.
    Nul,
    /// A name holds `+` or `#`.
    WildcardInName,
    /// `#` is not the whole last level.
    MultiLevelWildcard,
    /// `+` is not a whole level.
    SingleLevelWildcard,
    /// The group of a shared filter is empty or holds a wildcard, or no filter follows it.
    ShareName,
}

impl InvalidTopic {
    /// The broken statement, as numbered in the standard of `version`.
    #[must_use]
    pub const fn statement(self, version: Version) -> &'static str {
        match (self, version) {
            (Self::Empty, Version::V5) => "MQTT5-4.7.3-1",
            (Self::TooLong, Version::V5) => "MQTT5-4.7.3-3",
            (Self::Nul, Version::V5) => "MQTT5-1.5.4-2",
            (Self::WildcardInName, Version::V5) => "MQTT5-4.7.0-1",
            (Self::MultiLevelWildcard, Version::V5) => "MQTT5-4.7.1-1",
            (Self::SingleLevelWildcard, Version::V5) => "MQTT5-4.7.1-2",
            (Self::ShareName, Version::V5) => "MQTT5-4.8.2-2",
            (Self::Empty, _) => "MQTT-4.7.3-1",
            (Self::TooLong, _) => "MQTT-4.7.3-3",
            (Self::Nul, _) => "MQTT-1.5.3-2",
            (Self::WildcardInName, _) => "MQTT-4.7.1-1",
            (Self::MultiLevelWildcard, _) => "MQTT-4.7.1-2",
            (Self::SingleLevelWildcard, _) => "MQTT-4.7.1-3",
            // Shared subscriptions came with 5.0: no statement of 3.1.1 speaks of them.
            (Self::ShareName, _) => "",
        }
    }

    /// What is wrong, as the end of a sentence.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Empty => "a topic is empty",
            Self::TooLong => "a topic has more than 65535 bytes",
            Self::Nul => "a topic holds U+0000",
            Self::WildcardInName => "a topic name holds a wildcard",
            Self::MultiLevelWildcard => "`#` is not the whole last level of a filter",
            Self::SingleLevelWildcard => "`+` is not a whole level of a filter",
            Self::ShareName => "a shared filter is not `$share/GROUP/FILTER`",
        }
    }
}

impl fmt::Display for InvalidTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

impl core::error::Error for InvalidTopic {}

/// The topic of a message, without wildcards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// The empty name of a 5.0 PUBLISH whose topic alias stands for the name. Matches no filter.
    pub const EMPTY: TopicName<'static> = TopicName("");

    /// Checks a name.
    ///
    /// # Errors
    /// Says what is wrong with it.
    #[inline]
    pub fn parse(raw: &'a str) -> Result<Self, InvalidTopic> {
        check_length(raw)?;
        // All bytes without leaving early: the compiler makes vector code of it, and nearly every name is good.
        let special = |byte: u8| matches!(byte, 0 | b'+' | b'#');
        if raw.bytes().fold(false, |seen, byte| seen | special(byte)) {
            return Err(first_fault_of_name(raw));
        }
        Ok(Self(raw))
    }

    /// A name that was parsed before and has been kept as text since. Whoever calls this vouches for it.
    #[must_use]
    #[inline]
    pub const fn trusted(raw: &'a str) -> Self {
        Self(raw)
    }

    /// The name as written.
    #[must_use]
    #[inline]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The parts between the slashes, at least one.
    #[must_use]
    #[inline]
    pub fn levels(self) -> Split<'a, char> {
        self.0.split('/')
    }

    /// Whether it begins with `$`, so that a filter with a leading wildcard does not match it.
    #[must_use]
    #[inline]
    pub fn is_dollar(self) -> bool {
        self.0.starts_with('$')
    }

    /// Whether this is [`TopicName::EMPTY`].
    #[must_use]
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

#[cold]
fn first_fault_of_name(raw: &str) -> InvalidTopic {
    if raw.bytes().any(|byte| byte == 0) {
        InvalidTopic::Nul // [MQTT-4.7.3-2]
    } else {
        InvalidTopic::WildcardInName // [MQTT-4.7.1-1]
    }
}

fn check_length(raw: &str) -> Result<(), InvalidTopic> {
    if raw.is_empty() {
        return Err(InvalidTopic::Empty); // [MQTT-4.7.3-1]
    }
    if raw.len() > MAX_BYTES {
        return Err(InvalidTopic::TooLong); // [MQTT-4.7.3-3]
    }
    Ok(())
}

/// What a client subscribes to: a name in which levels may be wildcards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a>(&'a str);

impl<'a> TopicFilter<'a> {
    /// Checks a filter. `$share/...` is taken as any other filter; see [`SharedFilter::parse`].
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(raw: &'a str) -> Result<Self, InvalidTopic> {
        check_length(raw)?;
        let mut before = b'/';
        let mut bytes = raw.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let level_begins = before == b'/';
            match byte {
                0 => return Err(InvalidTopic::Nul), // [MQTT-4.7.3-2]
                // [MQTT-4.7.1-2] alone in its level, and that level is the last.
                b'#' if !level_begins || bytes.peek().is_some() => return Err(InvalidTopic::MultiLevelWildcard),
                // [MQTT-4.7.1-3] alone in its level.
                b'+' if !level_begins || bytes.peek().is_some_and(|next| *next != b'/') => {
                    return Err(InvalidTopic::SingleLevelWildcard);
                }
                _ => before = byte,
            }
        }
        Ok(Self(raw))
    }

    /// For bytes that were checked when their packet was decoded.
    pub(crate) const fn already_checked(raw: &'a str) -> Self {
        Self(raw)
    }

    /// The filter as written.
    #[must_use]
    #[inline]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The parts between the slashes, at least one.
    #[must_use]
    #[inline]
    pub fn levels(self) -> Split<'a, char> {
        self.0.split('/')
    }

    /// Whether a level is `+` or `#`; if not, the filter matches the one name that is spelt as it is.
    #[must_use]
    pub fn has_wildcards(self) -> bool {
        self.0.bytes().any(|byte| matches!(byte, b'+' | b'#'))
    }

    /// Whether a message with this topic is one that the filter asks for. Time grows with the length and nothing else.
    #[must_use]
    pub fn matches(self, topic: TopicName<'_>) -> bool {
        // [MQTT-4.7.2-1] topics that begin with `$` are out of reach for a leading wildcard.
        if topic.is_empty() || topic.is_dollar() && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut names = topic.levels();
        for level in self.levels() {
            // [MQTT-4.7.1-2] `#` stands for its parent level too, so it does not ask whether a level is left.
            if level == "#" {
                return true;
            }
            // [MQTT-4.7.3-4] compared as they are.
            match names.next() {
                Some(name) if level == "+" || level == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }
}

/// A filter `$share/GROUP/FILTER`: each message goes to one member of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedFilter<'a> {
    /// The name of the group.
    pub group: &'a str,
    /// What the group subscribes to.
    pub filter: TopicFilter<'a>,
}

impl<'a> SharedFilter<'a> {
    /// Takes a shared filter apart. `None`: it is an ordinary filter, as it does not begin with `$share/`.
    ///
    /// # Errors
    /// The group is empty or holds a wildcard, or nothing follows it.
    #[must_use]
    pub fn parse(filter: TopicFilter<'a>) -> Option<Result<Self, InvalidTopic>> {
        let rest = filter.0.strip_prefix("$share/")?;
        Some(match rest.split_once('/') {
            Some((group, inner)) if !group.is_empty() && !group.contains(['+', '#']) => TopicFilter::parse(inner)
                .map(|filter| Self { group, filter })
                .map_err(|_| InvalidTopic::ShareName),
            _ => Err(InvalidTopic::ShareName),
        })
    }
}

macro_rules! owned {
    ($(#[$doc:meta])* $owned:ident, $borrowed:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $owned(Box<str>);

        impl $owned {
            /// Checks and copies.
            ///
            /// # Errors
            /// Says what is wrong with the string.
            pub fn parse(raw: &str) -> Result<Self, InvalidTopic> {
                $borrowed::parse(raw).map(Self::from)
            }

            /// The borrowed form, which has the methods.
            #[must_use]
            #[inline]
            pub fn as_ref(&self) -> $borrowed<'_> {
                $borrowed(&self.0)
            }

            /// As written.
            #[must_use]
            #[inline]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$borrowed<'_>> for $owned {
            fn from(borrowed: $borrowed<'_>) -> Self {
                Self(borrowed.0.into())
            }
        }

        /// Equal strings are equal topics, so a map of topics may be asked with a string.
        impl Borrow<str> for $owned {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $owned {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $owned {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $borrowed<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }

        impl fmt::Debug for $borrowed<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.0, f)
            }
        }
    };
}

owned! {
    /// A topic name that owns its string.
    TopicNameBuf, TopicName
}

owned! {
    /// A topic filter that owns its string.
    TopicFilterBuf, TopicFilter
}

#[cfg(test)]
mod tests;
