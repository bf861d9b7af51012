//! Why a run could not be made, and whose fault that is.
//!
//! Must hold: whoever reads one line of it knows which client it was and what to do about it.

use std::fmt;
use std::io;

/// Why a run could not be made.
#[derive(Debug)]
pub enum Error {
    /// An option that makes no sense: the user's fault.
    Option(String),
    /// The system refused something: files, ports, memory.
    System(io::Error),
    /// Nobody answers at the address, or the network gave up.
    Unreachable {
        /// The client that tried.
        client: String,
        /// What the system says.
        error: io::Error,
    },
    /// The broker said no.
    Refused {
        /// The client that asked.
        client: String,
        /// What it said, in words.
        what: String,
    },
    /// The broker closed a connection while it was set up, or all of them later.
    Closed {
        /// The client that was cut off.
        client: String,
        /// What it was doing.
        during: &'static str,
    },
    /// The broker said nothing for too long.
    Silent {
        /// The client that waited.
        client: String,
        /// What it waited for.
        awaited: &'static str,
    },
    /// Somebody ended the run before anything was measured.
    Interrupted,
}

impl Error {
    /// What an input or output error on a connection means.
    #[must_use]
    pub fn on_connection(client: &str, during: &'static str, error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let (client, kind) = (client.to_owned(), error.kind());
        let closed = [
            Kind::UnexpectedEof,
            Kind::ConnectionReset,
            Kind::ConnectionAborted,
            Kind::BrokenPipe,
        ];
        if closed.contains(&kind) {
            Self::Closed { client, during }
        } else if matches!(kind, Kind::WouldBlock | Kind::TimedOut) {
            let awaited = during;
            Self::Silent { client, awaited }
        } else if kind == Kind::InvalidData {
            let what = error.to_string();
            Self::Refused { client, what }
        } else {
            Self::Unreachable { client, error }
        }
    }

    /// What the return code of a CONNACK means.
    #[must_use]
    pub fn refused(client: &str, code: u8) -> Self {
        let what = match code {
            1 => "CONNACK 1: it does not speak MQTT 3.1.1".to_owned(),
            2 => "CONNACK 2: it does not like the client identifier".to_owned(),
            3 => "CONNACK 3: it is not available".to_owned(),
            4 => "CONNACK 4: user name or password is wrong".to_owned(),
            5 => "CONNACK 5: not authorized (is a login needed?)".to_owned(),
            code => format!("CONNACK {code}, which the standard does not know"),
        };
        Self::Refused {
            client: client.to_owned(),
            what,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(what) => write!(f, "{what}"),
            Self::System(error) => {
                write!(f, "this system does not allow it: {error}")?;
                if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) {
                    write!(f, " (raise the limit: ulimit -n)")?;
                }
                Ok(())
            }
            Self::Unreachable { client, error } => write!(f, "{client} cannot connect: {error}"),
            Self::Refused { client, what } => write!(f, "the broker refused {client}: {what}"),
            Self::Closed { client, during } => {
                write!(f, "the broker closed the connection of {client} during {during}")
            }
            Self::Silent { client, awaited } => write!(f, "the broker fell silent: {client} waited for {awaited}"),
            Self::Interrupted => write!(f, "interrupted before anything was measured"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System(error) | Self::Unreachable { error, .. } => Some(error),
            Self::Option(_) | Self::Refused { .. } | Self::Closed { .. } | Self::Silent { .. } | Self::Interrupted => {
                None
            }
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
