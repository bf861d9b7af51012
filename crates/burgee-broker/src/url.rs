//! Where to listen and what is spoken there, as a URL.
//!
//! What must hold: what parses can be bound as it stands, or the error says what to write instead; what is shown parses
//! to the same again. Deliberately absent: name resolution; that happens when the listener is made.

mod parse;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

pub use parse::InvalidUrl;

/// The host part of a URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// An address of IPv4 or IPv6.
    Address(IpAddr),
    /// A name, such as `localhost`.
    Name(Box<str>),
}

/// The place of a listener.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// A TCP port.
    Inet {
        /// The host.
        host: Host,
        /// The port; 0: any free one.
        port: u16,
    },
    /// A Unix socket in the file system.
    Unix(PathBuf),
    /// Sockets of this name that systemd holds and hands over.
    Systemd(Box<str>),
}

/// How MQTT is carried.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Carrier {
    /// Bytes as they are.
    Stream,
    /// WebSocket, on this path; without one, on any.
    WebSocket(Option<Box<str>>),
}

/// See the module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenUrl {
    endpoint: Endpoint,
    tls: bool,
    carrier: Carrier,
}

impl ListenUrl {
    /// `tcp://host:port`; port 0 lets the system choose.
    #[must_use]
    pub const fn tcp(host: Host, port: u16) -> Self {
        Self {
            endpoint: Endpoint::Inet { host, port },
            tls: false,
            carrier: Carrier::Stream,
        }
    }

    /// The place.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether the system chooses the port.
    #[must_use]
    pub const fn takes_any_port(&self) -> bool {
        matches!(self.endpoint, Endpoint::Inet { port: 0, .. })
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether WebSocket is spoken, and on which path; `Some(None)`: on any.
    #[must_use]
    pub fn websocket(&self) -> Option<Option<&str>> {
        match &self.carrier {
            Carrier::Stream => None,
            Carrier::WebSocket(path) => Some(path.as_deref()),
        }
    }

    /// The same, at the address that it got.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self {
            endpoint: Endpoint::Inet {
                host: Host::Address(address.ip()),
                port: address.port(),
            },
            ..self.clone()
        }
    }

    /// The same, at the path of a socket that was handed over.
    pub(crate) fn at_path(&self, path: &Path) -> Self {
        Self {
            endpoint: Endpoint::Unix(path.to_owned()),
            ..self.clone()
        }
    }

    const fn scheme(&self) -> &'static str {
        match (&self.carrier, self.tls) {
            (Carrier::Stream, false) => "tcp",
            (Carrier::Stream, true) => "mqtts",
            (Carrier::WebSocket(_), false) => "ws",
            (Carrier::WebSocket(_), true) => "wss",
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for ListenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme();
        match &self.endpoint {
            Endpoint::Inet { host, port } => write!(f, "{scheme}://{host}:{port}"),
            Endpoint::Unix(path) if scheme == "tcp" => write!(f, "unix://{}", path.display()),
            // Only systemd hands over a socket like this: its address cannot be written otherwise.
            Endpoint::Unix(path) => write!(f, "unix+{scheme}://{}", path.display()),
            Endpoint::Systemd(name) if scheme == "tcp" => write!(f, "systemd:{name}"),
            Endpoint::Systemd(name) => write!(f, "systemd+{scheme}:{name}"),
        }?;
        match (&self.endpoint, self.websocket()) {
            (Endpoint::Inet { .. } | Endpoint::Systemd(_), Some(Some(path))) => f.write_str(path),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
