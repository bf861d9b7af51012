//! TCP and Unix sockets.
//!
//! What must hold: all addresses of a name are tried, one after the other, IPv6 and IPv4. Deliberately absent: racing them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use tokio::net::{TcpSocket, TcpStream, lookup_host};

use super::bare;
use crate::error::ConnectError;

/// Connects to the first address of `host` that answers, from `from` if it is given.
pub(super) async fn connect(host: &str, port: u16, from: Option<&str>) -> Result<TcpStream, ConnectError> {
    let from = match from {
        None => Vec::new(),
        Some(from) => addresses(from, 0).await?.iter().map(SocketAddr::ip).collect(),
    };
    let mut failure = unknown(host, io::ErrorKind::NotFound.into());
    for address in addresses(host, port).await? {
        match reach(address, &from).await {
            Ok(stream) => {
                // Packets are small and somebody waits for each; without this the system would hold them back.
                stream.set_nodelay(true).ok();
                return Ok(stream);
            }
            Err(source) => {
                failure = ConnectError::Unreachable {
                    address: address.to_string(),
                    source,
                }
            }
        }
    }
    Err(failure)
}

async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let found = lookup_host((bare(host), port)).await;
    found.map(Iterator::collect).map_err(|source| unknown(host, source))
}

fn unknown(host: &str, source: io::Error) -> ConnectError {
    ConnectError::Resolve {
        host: host.to_owned(),
        source,
    }
}

async fn reach(address: SocketAddr, from: &[IpAddr]) -> io::Result<TcpStream> {
    if from.is_empty() {
        return TcpStream::connect(address).await;
    }
    // Both ends are of one kind.
    let Some(from) = from.iter().find(|from| from.is_ipv4() == address.is_ipv4()) else {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    };
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.bind(SocketAddr::new(*from, 0))?;
    socket.connect(address).await
}

/// Connects to a Unix socket.
#[cfg(unix)]
pub(super) async fn unix(path: &Path) -> Result<tokio::net::UnixStream, ConnectError> {
    let connected = tokio::net::UnixStream::connect(path).await;
    connected.map_err(|source| ConnectError::Unreachable {
        address: path.display().to_string(),
        source,
    })
}

/// There are none on this system.
#[cfg(not(unix))]
#[allow(clippy::unused_async, reason = "the same as where there are some")]
pub(super) async fn unix(path: &Path) -> Result<TcpStream, ConnectError> {
    Err(ConnectError::Unreachable {
        address: path.display().to_string(),
        source: io::Error::from(io::ErrorKind::Unsupported),
    })
}
