//! What a rule is about: publishing, subscribing, receiving.
//!
//! What must hold: the word `subscribe` means the filter and what comes by it, so that a rule that forbids it leaks nothing
//! to a wider filter. Deliberately absent: unsubscribing; everybody may.

use core::fmt;
use core::ops::BitOr;
use core::str::FromStr;

/// One thing that a client does, or has done to it.
#[derive(Copy, Clone, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// It publishes a message, or names one as its will.
    Publish,
    /// It subscribes to a filter.
    Subscribe,
    /// It is sent a message.
    Receive,
}

/// A set of actions.
#[derive(Copy, Clone, Debug, Eq, Hash, PartialEq)]
pub struct Actions(u8);

impl Actions {
    /// Publishing, wills included.
    pub const PUBLISH: Self = Self(1);
    /// Subscribing to a filter. What comes by it is another question.
    pub const SUBSCRIBE: Self = Self(2);
    /// Being sent a message, whatever subscription it comes by, retained or not.
    pub const RECEIVE: Self = Self(4);
    /// Everything.
    pub const ALL: Self = Self(7);

    /// Whether `action` is in the set.
    #[must_use]
    pub const fn has(self, action: Action) -> bool {
        let bit = match action {
            Action::Publish => Self::PUBLISH,
            Action::Subscribe => Self::SUBSCRIBE,
            Action::Receive => Self::RECEIVE,
        };
        self.0 & bit.0 != 0
    }

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Actions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}

/// No word for an action.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct InvalidAction;

impl fmt::Display for InvalidAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an action is \"publish\", \"subscribe\", \"receive\" or \"all\"")
    }
}

impl core::error::Error for InvalidAction {}

impl FromStr for Actions {
    type Err = InvalidAction;

    /// The words of a configuration.
    fn from_str(word: &str) -> Result<Self, InvalidAction> {
        match word {
            "publish" => Ok(Self::PUBLISH),
            "subscribe" => Ok(Self::SUBSCRIBE | Self::RECEIVE),
            "receive" => Ok(Self::RECEIVE),
            "all" => Ok(Self::ALL),
            _ => Err(InvalidAction),
        }
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: &[(Self, &str)] = if *self == Self::ALL {
            &[(Self::ALL, "all")]
        } else if self.has(Action::Subscribe) && self.has(Action::Receive) {
            &[(Self::PUBLISH, "publish"), (Self::SUBSCRIBE, "subscribe")]
        } else {
            &[
                (Self::PUBLISH, "publish"),
                (Self::SUBSCRIBE, "subscribe (the filter alone)"),
                (Self::RECEIVE, "receive"),
            ]
        };
        let mut before = "";
        for (bits, word) in words {
            if self.0 & bits.0 != 0 {
                write!(f, "{before}{word}")?;
                before = ", ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_they_say() {
        let subscribe: Actions = "subscribe".parse().unwrap();
        assert!(subscribe.has(Action::Subscribe) && subscribe.has(Action::Receive) && !subscribe.has(Action::Publish));
        for (word, shown) in [("publish", "publish"), ("receive", "receive"), ("all", "all")] {
            assert_eq!(word.parse::<Actions>().unwrap().to_string(), shown);
        }
        assert_eq!((Actions::PUBLISH | subscribe).to_string(), "all");
        assert_eq!((subscribe).to_string(), "subscribe");
        assert_eq!("read".parse::<Actions>(), Err(InvalidAction));
    }
}
