//! Topic filters of rules: filters in which `%u` stands for the client's user name and `%c` for its identifier.
//!
//! What must hold: whatever a client calls itself, no name gives it more than one name's worth of topics: a name that is
//! more than a level, or a wildcard, is not put in. Deliberately absent: matching; that is the index's.

use core::fmt;
use core::str::FromStr;

use burgee_codec::{InvalidTopic, TopicFilter};

use crate::who::Who;

/// Levels that a filter of a rule may have.
pub(crate) const LEVELS: usize = 128;

/// See the module.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct TopicPattern {
    text: Box<str>,
    has_names: bool,
}

/// Why a text is no filter for a rule.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum InvalidPattern {
    /// It is no topic filter.
    Filter(InvalidTopic),
    /// It has more than 128 levels.
    Levels,
}

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(why) => f.write_str(why.what()),
            Self::Levels => write!(f, "a rule's topic has at most {LEVELS} levels"),
        }
    }
}

impl core::error::Error for InvalidPattern {}

impl TopicPattern {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names the client that it is asked about.
    pub(crate) fn has_names(&self) -> bool {
        self.has_names
    }

    /// The same with nothing put in.
    pub(crate) fn literally(self) -> Self {
        Self {
            has_names: false,
            ..self
        }
    }

    /// Whether it asks for a user name.
    pub(crate) fn has_user(&self) -> bool {
        self.has_names && self.text.contains("%u")
    }

    /// Whether it asks for a client identifier.
    pub(crate) fn has_client(&self) -> bool {
        self.has_names && self.text.contains("%c")
    }
}

impl FromStr for TopicPattern {
    type Err = InvalidPattern;

    fn from_str(raw: &str) -> Result<Self, InvalidPattern> {
        let filter = TopicFilter::parse(raw).map_err(InvalidPattern::Filter)?;
        if filter.levels().count() > LEVELS {
            return Err(InvalidPattern::Levels);
        }
        Ok(Self {
            text: raw.into(),
            has_names: has_names(raw),
        })
    }
}

/// Whether a client's name is to be put into this text.
pub(crate) fn has_names(text: &str) -> bool {
    text.contains("%u") || text.contains("%c")
}

/// What is left of `text` behind a level of a pattern with the client's names in it. `None` if it begins otherwise.
pub(crate) fn behind<'t>(level: &str, who: &Who<'_>, text: &'t str) -> Option<&'t str> {
    let (mut level, mut text) = (level, text);
    while let Some(at) = level.find('%') {
        let (plain, from) = level.split_at(at);
        text = text.strip_prefix(plain)?;
        let name = match from.as_bytes().get(1) {
            Some(b'u') => Some(who.user?),
            Some(b'c') => Some(who.client_id),
            Some(_) | None => None,
        };
        if let Some(name) = name {
            text = text.strip_prefix(name)?;
            level = from.get(2..).unwrap_or_default();
        } else {
            text = text.strip_prefix('%')?;
            level = from.get(1..).unwrap_or_default();
        }
    }
    text.strip_prefix(level)
}
