//! Who is at the other end of a connection, as far as the transport knows: for whoever decides about users.
//!
//! What must hold: a name from a certificate is there only if the certificate was verified. Deliberately absent: what
//! the client says of itself in MQTT.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::tls::TlsIdentity;

/// See the module.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address, the real one behind a trusted proxy; none behind a Unix socket.
    pub address: Option<SocketAddr>,
    /// The number of the listener that it came through.
    pub listener: u16,
    /// Whether it speaks TLS with us.
    pub secure: bool,
    /// Who it is by its certificate, if it has shown one.
    pub identity: Option<Arc<TlsIdentity>>,
}
