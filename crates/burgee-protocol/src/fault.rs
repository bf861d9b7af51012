//! Whose fault it is that a connection has to end.
//!
//! What must hold: a fault names the statement that was broken where there is one, because the person who reads the
//! log line has a device to mend. Deliberately absent: errors of sockets and disks; they belong to the shell.

use core::fmt;

use burgee_codec::{DecodeError, Violation};

/// Why a connection cannot go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The bytes are no packet [MQTT-4.8.0-1].
    Malformed(Violation),
    /// The packet is well-formed, but the other side must not send it now.
    Peer(Violation),
    /// The other side asked for more than a limit allows; `what` names the limit.
    Limit(&'static str),
    /// We could not keep our side (a full store, a lost disk) [MQTT-4.8.0-2].
    Ours(&'static str),
}

impl Fault {
    /// A breach of the statement `statement` by the other side.
    #[must_use]
    pub const fn peer(statement: &'static str, what: &'static str) -> Self {
        Self::Peer(Violation { statement, what })
    }

    /// The statement that was broken; empty where none fits.
    #[must_use]
    pub const fn statement(&self) -> &'static str {
        match self {
            Self::Malformed(violation) | Self::Peer(violation) => violation.statement,
            Self::Limit(_) => "",
            Self::Ours(_) => "MQTT-4.8.0-2",
        }
    }

    /// What happened, for a person.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Malformed(violation) | Self::Peer(violation) => violation.what,
            Self::Limit(what) | Self::Ours(what) => what,
        }
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(violation) => Self::Malformed(violation),
            DecodeError::UnsupportedLevel { .. } => Self::peer("MQTT-3.1.2-2", "protocol level is not supported"),
            DecodeError::UnknownProtocol => Self::peer("MQTT-3.1.2-1", "protocol name is not MQTT"),
            DecodeError::TooLarge { .. } => Self::Limit("packet is above the maximum packet size of this end"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())?;
        match self.statement() {
            "" => Ok(()),
            statement => write!(f, " [{statement}]"),
        }
    }
}

impl std::error::Error for Fault {}
