//! Through a proxy: HTTP CONNECT, and SOCKS 5 with the name resolved by the proxy.
//!
//! What must hold: an error says that it is the proxy's, and what it answered. Deliberately absent: TLS to the proxy
//! itself, and the environment's variables.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::{Head, invalid};
use super::tcp;
use crate::error::{ConnectError, Invalid};
use crate::url::Authority;

/// How to speak to it.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Kind {
    Http,
    Socks5,
}

/// A proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    kind: Kind,
    at: Authority,
    port: u16,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the password.
        write!(f, "{:?} {}:{}", self.kind, self.at.host, self.port)
    }
}

impl Proxy {
    /// `http://`, `socks5h://` or `socks5://`, each with `[user[:password]@]host[:port]`.
    pub(crate) fn parse(url: &str) -> Result<Self, Invalid> {
        let (scheme, rest) = url.split_once("://").ok_or(Invalid::Url(
            "a proxy is given as http://host:port or socks5h://host:port",
        ))?;
        let (kind, port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, 8080),
            "socks5h" | "socks5" => (Kind::Socks5, 1080),
            _ => return Err(Invalid::Url("a proxy is one of http:// and socks5h://")),
        };
        let at = Authority::parse(rest.split('/').next().unwrap_or_default())?;
        let port = at.port.unwrap_or(port);
        Ok(Self { kind, at, port })
    }

    /// A stream to `host` and `port`.
    pub(super) async fn connect(&self, host: &str, port: u16, from: Option<&str>) -> Result<TcpStream, ConnectError> {
        let mut stream = tcp::connect(&self.at.host, self.port, from).await?;
        let opened = match self.kind {
            Kind::Http => self.http(&mut stream, host, port).await,
            Kind::Socks5 => self.socks(&mut stream, host, port).await,
        };
        match opened {
            Ok(()) => Ok(stream),
            Err(source) => Err(ConnectError::Proxy {
                proxy: format!("{}:{}", self.at.host, self.port),
                source,
            }),
        }
    }

    async fn http(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        // An IPv6 address stands in brackets.
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(user) = &self.at.user {
            let password = self.at.password.as_deref().unwrap_or_default();
            let secret = STANDARD.encode(format!("{user}:{password}"));
            request.extend(["Proxy-Authorization: Basic ", &secret, "\r\n"]);
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let head = Head::read(stream).await?;
        match head.status {
            200..=299 if head.rest.is_empty() => Ok(()),
            200..=299 => Err(invalid("it sent something before we did")),
            407 => Err(refused("it wants a user name and a password (407)")),
            status => Err(refused(format!("it answers {status} {}", head.reason))),
        }
    }

    /// RFC 1928, with the user name and password of RFC 1929.
    async fn socks(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        let with_password = self.at.user.is_some();
        stream
            .write_all(if with_password { &[5, 2, 0, 2] } else { &[5, 1, 0] })
            .await?;
        let mut choice = [0; 2];
        stream.read_exact(&mut choice).await?;
        match choice {
            [5, 0] => {}
            [5, 2] if with_password => self.socks_password(stream).await?,
            [5, _] => return Err(refused("it accepts no way of logging in that we have")),
            _ => return Err(invalid("it does not speak SOCKS 5")),
        }
        let mut request = vec![5, 1, 0, 3];
        push_short(&mut request, host)?;
        request.extend(port.to_be_bytes());
        stream.write_all(&request).await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        let [version, code, _, kind] = answer;
        if version != 5 {
            return Err(invalid("it does not speak SOCKS 5"));
        }
        if code != 0 {
            return Err(refused(socks_words(code)));
        }
        // The address that it uses, which nobody needs.
        let len = match kind {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await?),
            _ => return Err(invalid("it answers with an unknown kind of address")),
        };
        let mut address = vec![0; len + 2];
        stream.read_exact(&mut address).await?;
        Ok(())
    }

    async fn socks_password(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut request = vec![1];
        push_short(&mut request, self.at.user.as_deref().unwrap_or_default())?;
        push_short(&mut request, self.at.password.as_deref().unwrap_or_default())?;
        stream.write_all(&request).await?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await?;
        let [_, code] = answer;
        if code == 0 {
            Ok(())
        } else {
            Err(refused("it does not accept user name and password"))
        }
    }
}

/// A string behind its length in one byte.
fn push_short(bytes: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let len = u8::try_from(text.len()).map_err(|_| invalid("a name for SOCKS has more than 255 bytes"))?;
    bytes.push(len);
    bytes.extend_from_slice(text.as_bytes());
    Ok(())
}

fn refused(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, what.into())
}

const fn socks_words(code: u8) -> &'static str {
    match code {
        2 => "its rules do not allow it",
        3 => "the network cannot be reached from there",
        4 => "the host cannot be reached from there, or its name is unknown",
        5 => "the host refuses the connection",
        6 => "it took too long to get there",
        _ => "it cannot connect",
    }
}
