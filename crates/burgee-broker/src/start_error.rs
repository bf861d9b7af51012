//! Why a broker cannot start, and the way out.
//!
//! What must hold: an error names what it is about, an address or a directory, and what can be done.
//! Deliberately absent: what goes wrong later; that is in the log.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use burgee_auth::InvalidMethod;
use burgee_store::Failure;
use burgee_store_sqlite::OpenError;

use crate::tls::TlsError;
use crate::url::ListenUrl;

/// See the module.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on.
    Listen {
        /// Which.
        url: ListenUrl,
        /// Why.
        source: io::Error,
    },
    /// What a listener needs to speak TLS cannot be used.
    Tls {
        /// The listener.
        url: ListenUrl,
        /// Which file, and what is wrong.
        source: TlsError,
    },
    /// There is nothing to listen on.
    NoListener,
    /// A listener that others can reach, and nothing says who may come in there.
    Open {
        /// Which.
        url: ListenUrl,
    },
    /// How it is found out who somebody is cannot be used: everything that is wrong.
    Authentication(Vec<InvalidMethod>),
    /// A thread, a selector or random numbers could not be had.
    System {
        /// What was wanted.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The data directory cannot be used.
    Store(OpenError),
    /// What lies in the data directory cannot be read.
    Recover {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        source: Failure,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { url, source } => {
                write!(f, "cannot listen on {url}: {source}")?;
                f.write_str(way_out(source))
            }
            Self::Tls { url, source } => write!(f, "cannot speak TLS on {url}: {source}"),
            Self::NoListener => f.write_str("nothing to listen on: give at least one listener"),
            Self::Open { url } => write!(
                f,
                "{url} can be reached by others, and nothing says who may come in there. Either name the users: \
                 `burgee passwd -c FILE NAME` makes a file of them, `--users FILE` (auth.passwords_file) uses it; or let \
                 everybody in: `--allow-anonymous` (allow_anonymous = true)"
            ),
            Self::Authentication(wrong) => {
                f.write_str("it cannot be found out who somebody is, so nothing was started")?;
                wrong.iter().try_for_each(|invalid| write!(f, "\n{invalid}"))
            }
            Self::System { what, source } => write!(f, "cannot have {what}: {source}"),
            Self::Store(source) => source.fmt(f),
            Self::Recover { directory, source } => write!(f, "cannot read {}: {source}", directory.display()),
        }
    }
}

fn way_out(error: &io::Error) -> &'static str {
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        "; another program has it (perhaps another broker): stop that one or choose another port"
    } else if kind == io::ErrorKind::AddrNotAvailable {
        "; this host does not have the address"
    } else if kind == io::ErrorKind::PermissionDenied {
        "; ports below 1024 need a privilege, and a Unix socket a directory that may be written"
    } else {
        ""
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::System { source, .. } => Some(source),
            Self::Tls { source, .. } => Some(source),
            Self::Store(source) => Some(source),
            Self::Recover { source, .. } => Some(source),
            Self::Authentication(wrong) => wrong.first().map(|invalid| invalid as _),
            Self::NoListener | Self::Open { .. } => None,
        }
    }
}
