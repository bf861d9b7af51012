//! What may go wrong, whose fault it is, and the way out.
//!
//! What must hold: a failure of the store is final until it is opened again; a breach of the caller takes nothing.
//! Deliberately absent: what may go wrong while opening; that is the engine's, which knows directories and versions.

use std::error::Error;
use std::fmt;

use crate::batch::{MessageNo, SessionNo, Source};

/// Whose fault a failure is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// No room is left.
    Full,
    /// The device or the system refused to read or to write.
    Device,
    /// What lies there is not what was written.
    Corrupt,
    /// The broker's own: it claimed what is taken.
    Ours,
}

impl Fault {
    /// What somebody can do about it, as a sentence.
    #[must_use]
    pub const fn way_out(self) -> &'static str {
        match self {
            Self::Full => "make room, then start the broker again: nothing that was acknowledged is lost",
            Self::Device => "look at the device and its permissions, then start the broker again",
            Self::Corrupt => "keep a copy of the data, then check it or restore a backup",
            Self::Ours => {
                "this is a defect of the broker: please report it; starting it again goes on from the last commit"
            }
        }
    }
}

/// The store cannot do it. After a failed commit: not this time and not later.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// Whose fault.
    pub fault: Fault,
    /// What went wrong.
    pub what: Box<str>,
}

impl Failure {
    /// With these words.
    #[must_use]
    pub fn new(fault: Fault, what: impl Into<Box<str>>) -> Self {
        Self {
            fault,
            what: what.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store failed: {}; {}", self.what, self.fault.way_out())
    }
}

impl Error for Failure {}

/// The caller broke the port's rules. Nothing of the batch was taken, the store goes on.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Breach {
    /// A batch is missing, or came twice.
    Batch {
        /// Whose.
        source: Source,
        /// The number that it should have.
        expected: u64,
        /// The number that it has.
        found: u64,
    },
    /// A session number that this source may not give any more.
    Session {
        /// It.
        found: SessionNo,
        /// The least that it may give.
        least: SessionNo,
    },
    /// A message number that this source may not give any more.
    Message {
        /// It.
        found: MessageNo,
        /// The least that it may give.
        least: MessageNo,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch {
                source,
                expected,
                found,
            } => write!(
                f,
                "source {} submitted batch {found} where {expected} was due",
                source.0
            ),
            Self::Session { found, least } => write!(f, "session number {} is used up: {} is due", found.0, least.0),
            Self::Message { found, least } => write!(f, "message number {} is used up: {} is due", found.0, least.0),
        }
    }
}

impl Error for Breach {}

/// Why a batch was not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SubmitError {
    /// The caller's fault.
    Breach(Breach),
    /// An earlier commit failed: nothing becomes durable any more.
    Failed(Failure),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breach(breach) => breach.fmt(f),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl Error for SubmitError {}

impl From<Breach> for SubmitError {
    fn from(breach: Breach) -> Self {
        Self::Breach(breach)
    }
}
