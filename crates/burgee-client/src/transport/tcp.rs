//! TCP and Unix sockets.
//!
//! What must hold: all addresses of a name are tried, one after the other, IPv6 and IPv4. Deliberately absent: racing them.

use std::io;
use std::path::Path;

use tokio::net::{TcpStream, lookup_host};

use super::bare;
use crate::error::ConnectError;

/// Connects to the first address of `host` that answers.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let unknown = |source| ConnectError::Resolve {
        host: host.to_owned(),
        source,
    };
    let mut failure = unknown(io::Error::from(io::ErrorKind::NotFound));
    for address in lookup_host((bare(host), port)).await.map_err(unknown)? {
        match TcpStream::connect(address).await {
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
