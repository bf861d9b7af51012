//! Why a connection ended before or below MQTT, for the log.
//!
//! What must hold: what a client sent is not repeated. Deliberately absent: what it means for anything else.

use std::fmt;

use crate::websocket::Violation;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// TLS.
    Tls(rustls::Error),
    /// The certificate that was shown is not good, or not any more.
    Certificate(String),
    /// Nothing more can be encrypted on it.
    Exhausted,
    /// More came than a handshake may take.
    TooMuch,
    /// WebSocket.
    WebSocket(Violation),
    /// The PROXY header.
    Proxy(&'static str),
    /// It did not come to MQTT in time.
    TooSlow,
    /// What is unfinished takes too much memory, and most of it is held here.
    Crowded,
    /// The address behind a proxy may not come in.
    Refused(&'static str),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => write!(f, "TLS: {error}"),
            Self::Certificate(why) => write!(f, "TLS: the client's certificate is not good: {why}"),
            Self::Exhausted => f.write_str("TLS: the keys are used up"),
            Self::TooMuch => f.write_str("TLS: the handshake is larger than 32 KiB"),
            Self::WebSocket(Violation::Http(status, why)) => write!(f, "WebSocket: HTTP status {status}: {why}"),
            Self::WebSocket(Violation::Frame(code, why)) => write!(f, "WebSocket: closed with code {code}: {why}"),
            Self::Proxy(why) => write!(f, "PROXY protocol: {why}"),
            Self::TooSlow => f.write_str("the handshake was not complete in time"),
            Self::Crowded => f.write_str(
                "handshakes and CONNECTs that are not complete take more memory than limits.unfinished_bytes, and it held \
                 the most of it",
            ),
            Self::Refused(why) => f.write_str(why),
        }
    }
}
