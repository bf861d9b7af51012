//! Listening sockets: from a URL to sockets that accept.
//!
//! What must hold: an address of IPv6 takes IPv6 only, so that both families can have the same port; an error names
//! the address and the way out. Deliberately absent: accepting.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Listen;
use crate::start_error::StartError;
use crate::url::{Host, ListenUrl};

/// Connections that the kernel keeps for us; it takes less where its own limit is lower.
const BACKLOG: i32 = 4096;

/// Listens on everything that is asked for.
pub(crate) fn open(listeners: &[Listen]) -> Result<Vec<TcpListener>, StartError> {
    let mut open = Vec::new();
    for listen in listeners {
        match open_one(&listen.url) {
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
    if open.is_empty() {
        return Err(StartError::NoListener);
    }
    Ok(open)
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

/// A name may stand for several addresses: all that the host has are listened on.
fn open_one(url: &ListenUrl) -> io::Result<Vec<TcpListener>> {
    let mut addresses: Vec<SocketAddr> = match url.host() {
        Host::Address(address) => vec![(*address, url.port()).into()],
        Host::Name(name) => (&**name, url.port()).to_socket_addrs()?.collect(),
    };
    addresses.sort_unstable();
    addresses.dedup();
    let (mut open, mut missing) = (Vec::new(), None);
    for address in addresses {
        match bind(address) {
            Ok(socket) => open.push(socket),
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

/// Says in the log where the broker listens, and loudly what that means.
pub(crate) fn announce(address: SocketAddr) {
    tracing::info!("listening on tcp://{address}");
    if !address.ip().to_canonical().is_loopback() {
        tracing::warn!(
            "tcp://{address} can be reached from other hosts, and this version knows no users: \
             ANYBODY WHO REACHES IT CAN PUBLISH AND SUBSCRIBE; protect it with a firewall or listen on loopback"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;

    fn url(text: &str) -> Listen {
        Listen {
            url: text.parse().unwrap(),
            optional: false,
        }
    }

    #[test]
    fn both_families_can_have_one_port() {
        let v4 = open(&[url("tcp://127.0.0.1:0")]).unwrap();
        let port = v4[0].local_addr().unwrap().port();
        // Where the host has IPv6 the same port is free there, even with the unspecified address.
        let both = open(&[Listen {
            url: format!("tcp://[::]:{port}").parse().unwrap(),
            optional: true,
        }]);
        assert!(matches!(both, Ok(_) | Err(StartError::NoListener)), "{both:?}");
    }

    #[test]
    fn an_address_in_use_is_named_with_the_way_out() {
        let taken = open(&[url("tcp://127.0.0.1:0")]).unwrap();
        let port = taken[0].local_addr().unwrap().port();
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
        assert_eq!(skipped.len(), 1);
    }

    #[test]
    fn localhost_and_the_default_can_be_listened_on() {
        assert!(!open(&[url("tcp://localhost:0")]).unwrap().is_empty());
        assert!(!open(&BrokerConfig::loopback(0)).unwrap().is_empty());
        assert!(matches!(open(&[]), Err(StartError::NoListener)));
    }
}
