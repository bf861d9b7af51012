//! What goes wrong, and whose fault it is: the caller's ([`Invalid`]), the server's will ([`Refused`]), the server's error
//! (a [`Fault`]), or the network's.
//!
//! What must hold: each error says what happened in words for a person, and which statement of the standard was broken
//! where there is one. Deliberately absent: advice for one program only; the command line adds its own.

use core::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use burgee_codec::{EncodeError, InvalidTopic, code};
use burgee_protocol::Fault;

/// The caller asked for something that MQTT cannot say. Nothing was sent.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Invalid {
    /// A topic name or filter is not well-formed.
    Topic(InvalidTopic),
    /// SUBSCRIBE and UNSUBSCRIBE need at least one filter.
    NoFilter,
    /// The packet would be longer than the format allows (268,435,455 bytes).
    TooLong,
    /// A string or the password has more than 65,535 bytes.
    FieldTooLong,
    /// A password needs a user name in MQTT 3.1.1.
    PasswordWithoutUserName,
    /// An empty client identifier needs a clean session; MQTT 3.1 has no empty ones at all.
    ClientIdEmpty,
    /// MQTT 5.0 is not spoken yet.
    Version,
    /// The session that is to be resumed belongs to another client identifier.
    OtherClientId,
    /// Any other rule of the format, in words.
    Rule(&'static str),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Topic(topic) => topic.what(),
            Self::NoFilter => "no topic filter is given",
            Self::TooLong => "the packet would be longer than the 268,435,455 bytes that MQTT allows",
            Self::FieldTooLong => "a string or the password has more than 65,535 bytes",
            Self::PasswordWithoutUserName => "a password needs a user name",
            Self::ClientIdEmpty => {
                "without a client identifier the session cannot be kept: give one, or use a clean session"
            }
            Self::Version => "MQTT 5.0 is not spoken yet: use 3.1.1",
            Self::OtherClientId => "the session belongs to another client identifier",
            Self::Rule(what) => what,
        })
    }
}

impl std::error::Error for Invalid {}

impl From<InvalidTopic> for Invalid {
    fn from(error: InvalidTopic) -> Self {
        Self::Topic(error)
    }
}

impl From<EncodeError> for Invalid {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooLarge | EncodeError::BufferTooSmall { .. } => Self::TooLong,
            EncodeError::FieldTooLong => Self::FieldTooLong,
            EncodeError::NotInVersion(what) | EncodeError::Invalid(what) => Self::Rule(what),
        }
    }
}

/// Why the server did not let us in: the return code of its CONNACK.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Refused(pub u8);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            code::UNACCEPTABLE_PROTOCOL_VERSION => f.write_str("it does not speak this version of MQTT"),
            code::IDENTIFIER_REJECTED => f.write_str("it does not accept this client identifier"),
            code::SERVER_UNAVAILABLE => f.write_str("it is not available"),
            code::BAD_USER_NAME_OR_PASSWORD => f.write_str("user name or password is wrong"),
            code::NOT_AUTHORIZED => f.write_str("this client is not authorised"),
            other => write!(f, "for an unknown reason (code {other})"),
        }
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// The options contradict each other or the standard.
    Invalid(Invalid),
    /// The host name has no address.
    Resolve {
        /// The name.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// No address of the host answers.
    Unreachable {
        /// The last address that was tried.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// No connection, or no CONNACK, within the time allowed.
    Timeout(Duration),
    /// The server refused us.
    Refused(Refused),
    /// The server broke the protocol.
    Violation(Fault),
    /// The connection broke before CONNACK.
    Lost(End),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Resolve { host, source } => write!(f, "the host name {host:?} has no address: {source}"),
            Self::Unreachable { address, source } => write!(f, "no connection to {address}: {source}"),
            Self::Timeout(time) => write!(f, "no answer within {} s", time.as_secs_f32()),
            Self::Refused(refused) => write!(f, "the server refused the connection: {refused}"),
            Self::Violation(fault) => write!(f, "the server broke the protocol: {fault}"),
            Self::Lost(end) => write!(f, "no answer to CONNECT: {end}"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Invalid(invalid) => Some(invalid),
            Self::Resolve { source, .. } | Self::Unreachable { source, .. } => Some(source),
            Self::Violation(fault) => Some(fault),
            Self::Timeout(_) | Self::Refused(_) | Self::Lost(_) => None,
        }
    }
}

impl From<Invalid> for ConnectError {
    fn from(error: Invalid) -> Self {
        Self::Invalid(error)
    }
}

/// Why a connection ended.
#[derive(Clone, Debug)]
pub enum End {
    /// We said DISCONNECT, as asked.
    Disconnected,
    /// Every handle was dropped without DISCONNECT: the server publishes the will.
    Abandoned,
    /// The server closed the connection.
    ClosedByServer,
    /// The network failed.
    Network(Arc<io::Error>),
    /// The server did not answer PINGREQ within a keep alive.
    Silent,
    /// The server broke the protocol, so we closed.
    Violation(Fault),
}

impl End {
    /// Whether we ended it on purpose.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        matches!(self, Self::Disconnected | Self::Abandoned)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("the connection is closed"),
            Self::Abandoned => f.write_str("the connection is given up"),
            Self::ClosedByServer => f.write_str("the server closed the connection"),
            Self::Network(error) => write!(f, "the connection is lost: {error}"),
            Self::Silent => f.write_str("the server does not answer any more"),
            Self::Violation(fault) => write!(f, "the server broke the protocol: {fault}"),
        }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Network(Arc::new(error))
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Violation(fault)
    }
}

/// Why something that was asked of a client did not happen.
#[derive(Clone, Debug)]
pub enum Error {
    /// The caller's fault. Nothing was sent.
    Invalid(Invalid),
    /// The connection ended before the answer came.
    Ended(End),
    /// The time for a clean end was over with so many messages or requests unanswered.
    Unfinished(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Ended(end) => end.fmt(f),
            Self::Unfinished(count) => write!(f, "{count} messages or requests were not acknowledged in time"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Invalid> for Error {
    fn from(error: Invalid) -> Self {
        Self::Invalid(error)
    }
}

impl From<InvalidTopic> for Error {
    fn from(error: InvalidTopic) -> Self {
        Self::Invalid(error.into())
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Invalid(error.into())
    }
}
