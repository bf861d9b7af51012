//! The way to the server: TCP.
//!
//! What must hold: all addresses of a name are tried, one after the other, IPv6 and IPv4. Deliberately absent: TLS,
//! WebSocket, Unix sockets and proxies; each will be a dial of its own that gives a byte stream.

use std::io;

use tokio::net::{TcpStream, lookup_host};

use crate::error::ConnectError;

/// Connects to the first address of `host` that answers.
pub(crate) async fn dial(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let unknown = |source| ConnectError::Resolve {
        host: host.to_owned(),
        source,
    };
    // An IPv6 address may stand in brackets, as in URLs.
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let mut failure = unknown(io::Error::from(io::ErrorKind::NotFound));
    for address in lookup_host((bare, port)).await.map_err(unknown)? {
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
