//! The kinds of chunks.

use std::fmt;

/// What a chunk is about.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The file itself.
    File,
    /// A message.
    Message,
    /// A message that a client is owed, or sends.
    ClientMessage,
    /// A retained message.
    Retained,
    /// A subscription.
    Subscription,
    /// A client.
    Client,
}

impl Kind {
    pub(super) const fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::File),
            2 => Some(Self::Message),
            3 => Some(Self::ClientMessage),
            4 => Some(Self::Retained),
            5 => Some(Self::Subscription),
            6 => Some(Self::Client),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "the file's own",
            Self::Message => "message",
            Self::ClientMessage => "client message",
            Self::Retained => "retained message",
            Self::Subscription => "subscription",
            Self::Client => "client",
        })
    }
}
