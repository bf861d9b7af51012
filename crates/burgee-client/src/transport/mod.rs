//! The way to the server: a byte stream over TCP or a Unix socket, through a proxy, with TLS, in WebSocket frames.
//!
//! What must hold: each layer stands on a stream and gives a stream, so that all of them combine; an error names the layer
//! that failed and whose fault it is. Deliberately absent: MQTT, and time limits, which are the caller's.

mod http;
mod proxy;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod verify;
#[cfg(feature = "websocket")]
mod websocket;

use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::ConnectError;
#[cfg(feature = "tls")]
use crate::error::End;
#[cfg(feature = "websocket")]
use crate::error::Invalid;
pub(crate) use proxy::Proxy;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsVersion};

/// A byte stream, whatever it is made of.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One half of a stream.
pub(crate) type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// The other half.
pub(crate) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Both halves of a connected stream.
pub(crate) struct Wire {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    /// It may hold written bytes back until it is flushed.
    pub(crate) holds_back: bool,
}

/// Where the server is.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Host { host: String, port: u16 },
    Unix(PathBuf),
}

impl Target {
    /// The name that a certificate or an HTTP request is about.
    #[cfg(feature = "tls")]
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Host { host, .. } => bare(host),
            Self::Unix(_) => "localhost",
        }
    }
}

/// MQTT in WebSocket frames.
#[cfg(feature = "websocket")]
#[derive(Clone, Debug, Default)]
pub(crate) struct WebSocket {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// Where the server is and how it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) target: Target,
    pub(crate) proxy: Option<Proxy>,
    /// The address of ours that is used.
    pub(crate) from: Option<String>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
    #[cfg(feature = "websocket")]
    pub(crate) web_socket: Option<WebSocket>,
}

impl Way {
    /// Over TCP.
    pub(crate) const fn to_host(host: String, port: u16) -> Self {
        Self {
            target: Target::Host { host, port },
            proxy: None,
            from: None,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "websocket")]
            web_socket: None,
        }
    }

    /// Whether more than bytes on a socket is wanted.
    #[cfg_attr(
        not(any(feature = "tls", feature = "websocket")),
        expect(clippy::unused_self, reason = "without these features there is nothing to look at")
    )]
    const fn is_layered(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return true;
        }
        #[cfg(feature = "websocket")]
        if self.web_socket.is_some() {
            return true;
        }
        false
    }

    /// The port that a WebSocket address need not name.
    #[cfg(feature = "websocket")]
    #[cfg_attr(
        not(feature = "tls"),
        allow(clippy::unused_self, reason = "without TLS there is one port")
    )]
    const fn default_web_port(&self) -> u16 {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return 443;
        }
        80
    }

    /// Whether the request for a WebSocket can be written.
    #[cfg(feature = "websocket")]
    pub(crate) fn check_web_socket(&self) -> Result<(), Invalid> {
        let Some(asked) = &self.web_socket else {
            return Ok(());
        };
        // What ends a line would begin a header.
        let plain = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte >= 128);
        let headers_plain = asked.headers.iter().all(|(name, value)| {
            plain(value) && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
        if !asked.path.starts_with('/') || asked.path.contains(' ') || !plain(&asked.path) || !headers_plain {
            return Err(Invalid::Url(
                "the path of a WebSocket begins with a slash and has no blanks, a header is one line",
            ));
        }
        Ok(())
    }
}

/// A host without the brackets in which an IPv6 address may stand.
pub(crate) fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
}

/// Connects as the options say.
pub(crate) async fn dial(way: &Way) -> Result<Wire, ConnectError> {
    let (host, port) = match (&way.target, &way.proxy) {
        (Target::Unix(path), _) => return layered(way, Box::new(tcp::unix(path).await?)).await,
        (Target::Host { host, port }, None) => (host, *port),
        (Target::Host { host, port }, Some(proxy)) => {
            return layered(
                way,
                Box::new(proxy.connect(bare(host), *port, way.from.as_deref()).await?),
            )
            .await;
        }
    };
    let stream = tcp::connect(host, port, way.from.as_deref()).await?;
    if way.is_layered() {
        return layered(way, Box::new(stream)).await;
    }
    let (reader, writer) = stream.into_split();
    Ok(Wire {
        reader: Box::new(reader),
        writer: Box::new(writer),
        holds_back: false,
    })
}

/// Puts TLS and WebSocket on a stream, if they are asked for.
#[cfg_attr(
    not(any(feature = "tls", feature = "websocket")),
    allow(clippy::unused_async, unused_mut, reason = "there is no layer to put on it")
)]
async fn layered(way: &Way, mut stream: Box<dyn Stream>) -> Result<Wire, ConnectError> {
    #[cfg(feature = "tls")]
    if let Some(tls) = &way.tls {
        stream = Box::new(tls.connect(stream, way.target.name()).await?);
    }
    #[cfg(feature = "websocket")]
    if let Some(request) = &way.web_socket {
        stream = Box::new(websocket::upgrade(stream, way, request).await?);
    }
    let (reader, writer) = tokio::io::split(stream);
    Ok(Wire {
        reader: Box::new(reader),
        writer: Box::new(writer),
        holds_back: way.is_layered(),
    })
}

/// The same error, in words of TLS if it is one: a server that does not accept our certificate says so behind the handshake.
pub(crate) fn in_words(error: ConnectError, way: &Way) -> ConnectError {
    #[cfg(feature = "tls")]
    if let ConnectError::Lost(End::Network(lost)) = &error
        && let Some(fault) = verify::fault(lost, way.target.name())
    {
        return ConnectError::Tls(fault);
    }
    #[cfg(not(feature = "tls"))]
    let _ = way;
    error
}
