//! Listening sockets: from a URL to sockets that accept.
//!
//! What must hold: an address of IPv6 takes IPv6 only, so that both families can have the same port; an error names
//! the address and the way out. Deliberately absent: accepting.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixListener;

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Listen;
use crate::start_error::StartError;
use crate::systemd::{Handed, HandedOver};
#[cfg(unix)]
use crate::unix_socket::{self, SocketFile};
use crate::url::{Endpoint, Host, ListenUrl};

/// Connections that the kernel keeps for us; it takes less where its own limit is lower.
const BACKLOG: i32 = 4096;

/// A socket that accepts.
#[derive(Debug)]
pub(crate) enum Listening {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        socket: UnixListener,
        /// Removes its file at the end; none if the file is not ours.
        file: Option<SocketFile>,
    },
}

impl From<Handed> for Listening {
    fn from(handed: Handed) -> Self {
        match handed {
            Handed::Tcp(socket) => Self::Tcp(socket),
            #[cfg(unix)]
            Handed::Unix(socket) => Self::Unix { socket, file: None },
        }
    }
}

impl Listening {
    /// The address, if it is of the internet.
    pub(crate) fn address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(socket) => socket.local_addr().map(Some),
            #[cfg(unix)]
            Self::Unix { .. } => Ok(None),
        }
    }

    /// The URL with what the system chose.
    fn shown(&self, url: &ListenUrl) -> io::Result<ListenUrl> {
        match self {
            Self::Tcp(socket) => Ok(url.at(socket.local_addr()?)),
            #[cfg(unix)]
            Self::Unix { socket, .. } => {
                let address = socket.local_addr()?;
                Ok(address
                    .as_pathname()
                    .map_or_else(|| url.clone(), |path| url.at_path(path)))
            }
        }
    }
}

/// A socket that accepts, and which listener it belongs to.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) socket: Listening,
    /// The listener's place in the list.
    pub(crate) number: u16,
    /// The URL with what the system chose.
    pub(crate) url: ListenUrl,
}

/// Listens on everything that is asked for.
pub(crate) fn open(listeners: &[Listen]) -> Result<Vec<Opened>, StartError> {
    let numbered: Vec<_> = (0..).zip(listeners).collect();
    let open = open_numbered(&numbered)?;
    if open.is_empty() {
        return Err(StartError::NoListener);
    }
    Ok(open)
}

/// The same for listeners with these numbers; there may be none.
pub(crate) fn open_numbered(listeners: &[(u16, &Listen)]) -> Result<Vec<Opened>, StartError> {
    let (mut open, mut handed_over) = (Vec::new(), HandedOver::find());
    for &(number, listen) in listeners {
        let found = open_one(listen, &mut handed_over).and_then(|sockets| {
            let opened = |socket: Listening| {
                Ok(Opened {
                    url: socket.shown(&listen.url)?,
                    number,
                    socket,
                })
            };
            sockets.into_iter().map(opened).collect::<io::Result<Vec<_>>>()
        });
        match found {
            Ok(sockets) => open.extend(sockets),
            Err(error) if listen.optional && !is_taken(&error) => {
                tracing::warn!(url = %listen.url, %error, "not listening here: the host does not have this address");
            }
            Err(source) => {
                return Err(StartError::Listen {
                    url: listen.url.clone(),
                    source,
                });
            }
        }
    }
    Ok(open)
}

fn open_one(listen: &Listen, handed_over: &mut HandedOver) -> io::Result<Vec<Listening>> {
    match listen.url.endpoint() {
        Endpoint::Inet { host, port } => open_inet(host, *port),
        Endpoint::Systemd(name) => Ok(handed_over.take(name)?.into_iter().map(Listening::from).collect()),
        #[cfg(unix)]
        Endpoint::Unix(path) => {
            let (socket, file) = unix_socket::listen(path, listen.mode, BACKLOG)?;
            Ok(vec![Listening::Unix {
                socket,
                file: Some(file),
            }])
        }
        #[cfg(not(unix))]
        Endpoint::Unix(_) => Err(ErrorKind::Unsupported.into()),
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

/// A name may stand for several addresses: all that the host has are listened on.
fn open_inet(host: &Host, port: u16) -> io::Result<Vec<Listening>> {
    let mut addresses: Vec<SocketAddr> = match host {
        Host::Address(address) => vec![(*address, port).into()],
        Host::Name(name) => (&**name, port).to_socket_addrs()?.collect(),
    };
    addresses.sort_unstable();
    addresses.dedup();
    let (mut open, mut missing) = (Vec::new(), None);
    for address in addresses {
        match bind(address) {
            Ok(socket) => open.push(Listening::Tcp(socket)),
            Err(error) if is_taken(&error) => return Err(error),
            Err(error) => missing = Some(error),
        }
    }
    match missing {
        Some(error) if open.is_empty() => Err(error),
        None if open.is_empty() => Err(io::Error::new(ErrorKind::AddrNotAvailable, "the name has no address")),
        _ => Ok(open),
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restarted broker must not wait for its old connections to be forgotten. On Windows this would mean sharing.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Says in the log where the broker listens.
pub(crate) fn announce(url: &ListenUrl) {
    tracing::info!("listening on {url}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;

    fn url(text: &str) -> Listen {
        Listen::new(text.parse().unwrap())
    }

    #[test]
    fn both_families_can_have_one_port() {
        let v4 = open(&[url("tcp://127.0.0.1:0")]).unwrap();
        let port = v4[0].socket.address().unwrap().unwrap().port();
        // Where the host has IPv6 the same port is free there, even with the unspecified address.
        let both = open(&[Listen {
            optional: true,
            ..url(&format!("tcp://[::]:{port}"))
        }]);
        assert!(matches!(both, Ok(_) | Err(StartError::NoListener)), "{both:?}");
    }

    #[test]
    fn an_address_in_use_is_named_with_the_way_out() {
        let taken = open(&[url("tcp://127.0.0.1:0")]).unwrap();
        let port = taken[0].socket.address().unwrap().unwrap().port();
        let error = open(&[url(&format!("tcp://127.0.0.1:{port}"))])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("tcp://127.0.0.1:{port}")) && error.contains("choose another port"),
            "{error}"
        );
        // An optional address that somebody else has is no missing address.
        let listen = Listen {
            optional: true,
            ..url(&format!("tcp://127.0.0.1:{port}"))
        };
        assert!(matches!(open(&[listen]), Err(StartError::Listen { .. })));
    }

    #[test]
    fn a_missing_address_is_skipped_only_where_it_is_optional() {
        // From a block for documentation: no host has it.
        let missing = url("tcp://192.0.2.1:0");
        assert!(matches!(
            open(std::slice::from_ref(&missing)),
            Err(StartError::Listen { .. })
        ));
        let skipped = open(&[
            url("tcp://127.0.0.1:0"),
            Listen {
                optional: true,
                ..missing
            },
        ])
        .unwrap();
        assert_eq!((skipped.len(), skipped[0].number), (1, 0));
    }

    #[test]
    fn localhost_and_the_default_can_be_listened_on() {
        assert!(!open(&[url("tcp://localhost:0")]).unwrap().is_empty());
        assert!(!open(&BrokerConfig::loopback(0)).unwrap().is_empty());
        assert!(matches!(open(&[]), Err(StartError::NoListener)));
    }
}
