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
    /// An address is not written as it has to be, in words.
    Url(&'static str),
    /// The library was built without this feature.
    NotBuilt(&'static str),
    /// Any other rule of the format, in words.
    Rule(&'static str),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::NotBuilt(feature) = self {
            return write!(
                f,
                "this program was built without the feature {feature:?} of burgee-client"
            );
        }
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
            Self::NotBuilt(_) => "not built",
            Self::Url(what) | Self::Rule(what) => what,
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

/// Why TLS could not be begun, by what has to be mended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TlsFault {
    /// The server's certificate is out of date (or our clock is wrong).
    Expired,
    /// The server's certificate is not valid yet (or our clock is wrong).
    NotYetValid,
    /// Nobody whom we believe signed the server's certificate.
    UnknownAuthority,
    /// The server's certificate is for other names than this one.
    WrongName(String),
    /// The server's certificate was revoked.
    Revoked,
    /// Something else is wrong with the server's certificate.
    Certificate(String),
    /// The server does not accept our certificate, or wants one.
    OurCertificate(String),
    /// What answers there does not speak TLS.
    NoTls,
    /// Anything else.
    Other(String),
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the server's certificate has expired (or this computer's clock is wrong)"),
            Self::NotYetValid => {
                f.write_str("the server's certificate is not valid yet (or this computer's clock is wrong)")
            }
            Self::UnknownAuthority => f.write_str(
                "the server's certificate is signed by nobody whom we believe: give the authority that signed it",
            ),
            Self::WrongName(name) => write!(f, "the server's certificate is not for the name {name:?}"),
            Self::Revoked => f.write_str("the server's certificate was revoked"),
            Self::Certificate(what) => write!(f, "the server's certificate is not acceptable: {what}"),
            Self::OurCertificate(what) => write!(f, "the server wants a certificate from us that it accepts: {what}"),
            Self::NoTls => f.write_str("what answers at this port does not speak TLS"),
            Self::Other(what) => write!(f, "TLS failed: {what}"),
        }
    }
}

impl std::error::Error for TlsFault {}

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
    /// The proxy did not let us through.
    Proxy {
        /// The proxy's address.
        proxy: String,
        /// What it said.
        source: io::Error,
    },
    /// Our settings for TLS cannot be used: a file cannot be read, or holds something else. In words.
    TlsSettings(String),
    /// TLS could not be begun with this server.
    Tls(TlsFault),
    /// The server did not change over to WebSocket.
    Upgrade {
        /// The status of its answer, if there was one.
        status: Option<u16>,
        /// What it said, or what was wrong with it.
        reason: String,
    },
    /// No connection, or no CONNACK, within the time allowed.
    Timeout(Duration),
    /// The server refused us.
    Refused(Refused),
    /// The server broke the protocol.
    Violation(Fault),
    /// The connection broke before CONNACK.
    Lost(End),
    /// The outbox on disk cannot be used, so the server was not asked. In words.
    Outbox(Arc<str>),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Resolve { host, source } => write!(f, "the host name {host:?} has no address: {source}"),
            Self::Unreachable { address, source } => write!(f, "no connection to {address}: {source}"),
            Self::Proxy { proxy, source } => write!(f, "the proxy {proxy} gives no connection: {source}"),
            Self::TlsSettings(what) => write!(f, "the settings for TLS cannot be used: {what}"),
            Self::Tls(fault) => fault.fmt(f),
            Self::Upgrade {
                status: Some(101),
                reason,
            } => write!(f, "no WebSocket: {reason}"),
            Self::Upgrade {
                status: Some(status),
                reason,
            } => {
                write!(f, "the server refuses a WebSocket at this path: {status} {reason}")
            }
            Self::Upgrade { status: None, reason } => write!(f, "the server does not answer as a web server: {reason}"),
            Self::Timeout(time) => write!(f, "no answer within {} s", time.as_secs_f32()),
            Self::Refused(refused) => write!(f, "the server refused the connection: {refused}"),
            Self::Violation(fault) => write!(f, "the server broke the protocol: {fault}"),
            Self::Lost(end) => write!(f, "no answer to CONNECT: {end}"),
            Self::Outbox(what) => write!(f, "the outbox on disk cannot be used: {what}"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Invalid(invalid) => Some(invalid),
            Self::Resolve { source, .. } | Self::Unreachable { source, .. } | Self::Proxy { source, .. } => {
                Some(source)
            }
            Self::Violation(fault) => Some(fault),
            Self::Tls(fault) => Some(fault),
            Self::TlsSettings(_)
            | Self::Upgrade { .. }
            | Self::Timeout(_)
            | Self::Refused(_)
            | Self::Lost(_)
            | Self::Outbox(_) => None,
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
    /// The outbox on disk cannot be used any more, so nothing can be promised. In words.
    OutboxFailed(Arc<str>),
    /// So many attempts to connect failed as were allowed; this is the last one.
    GaveUp(Arc<ConnectError>),
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
            Self::OutboxFailed(what) => write!(f, "the outbox on disk cannot be used: {what}"),
            Self::GaveUp(error) => write!(f, "no connection in as many attempts as were allowed: {error}"),
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
    /// The server lost the session, and nobody can say what became of this message: it had taken the message over without
    /// finishing, or it was not to be published anew.
    SessionLost,
    /// The queue of a client without a connection is full, and its policy is not to wait.
    QueueFull,
    /// The server did not grant this subscription.
    NotGranted(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Ended(end) => end.fmt(f),
            Self::Unfinished(count) => write!(f, "{count} messages or requests were not acknowledged in time"),
            Self::SessionLost => f.write_str("the server lost the session before it finished with this message"),
            Self::QueueFull => f.write_str("there is no connection, and the queue of what waits for one is full"),
            Self::NotGranted(filter) => write!(f, "the server did not grant the subscription to {filter:?}"),
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
