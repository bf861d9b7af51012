//! Where to listen, as a URL, so that further transports can join under their own schemes.
//!
//! What must hold: what parses can be bound as it stands, or the error says what to write instead.
//! Deliberately absent: name resolution; that happens when the listener is made.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The port of MQTT over TCP.
const PORT: u16 = 1883;

/// The host part of a URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// An address of IPv4 or IPv6.
    Address(IpAddr),
    /// A name, such as `localhost`.
    Name(Box<str>),
}

/// See the module. The one transport of this version is TCP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenUrl {
    host: Host,
    port: u16,
}

impl ListenUrl {
    /// `tcp://host:port`; port 0 lets the system choose.
    #[must_use]
    pub const fn tcp(host: Host, port: u16) -> Self {
        Self { host, port }
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port; 0: any free one.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// A text that is no URL to listen on. Says what to write instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidUrl(String);

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidUrl {}

impl FromStr for ListenUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(InvalidUrl(format!(
                "a listener is a URL: write tcp://{}",
                text.trim_start_matches('/')
            )));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "tcp" => {}
            "tls" | "ws" | "wss" | "unix" => {
                return Err(InvalidUrl(format!(
                    "{scheme}:// is not yet spoken by this version; use tcp://"
                )));
            }
            "mqtt" => return Err(InvalidUrl(format!("write tcp://{rest} instead of mqtt://{rest}"))),
            _ => return Err(InvalidUrl(format!("unknown scheme {scheme}://; use tcp://"))),
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(InvalidUrl(format!(
                "only host and port may follow tcp://, as in {DEFAULT}"
            )));
        }
        let (host, port) = split_port(rest)?;
        let port = port.map_or(Ok(PORT), |port| {
            port.parse()
                .map_err(|_| InvalidUrl(format!("the port must be a number from 0 to 65535, as in {DEFAULT}")))
        })?;
        Ok(Self {
            host: parse_host(host)?,
            port,
        })
    }
}

const DEFAULT: &str = "tcp://127.0.0.1:1883";

/// Splits at the last colon that is not inside brackets.
fn split_port(text: &str) -> Result<(&str, Option<&str>), InvalidUrl> {
    if let Some(inner) = text.strip_prefix('[') {
        let Some((_, behind)) = inner.split_once(']') else {
            return Err(InvalidUrl(
                "the bracket of the IPv6 address is not closed, as in tcp://[::1]:1883".into(),
            ));
        };
        let host = text.strip_suffix(behind).unwrap_or(text);
        return match behind.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if behind.is_empty() => Ok((host, None)),
            None => Err(InvalidUrl(
                "a port must follow the IPv6 address, as in tcp://[::1]:1883".into(),
            )),
        };
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => Err(InvalidUrl(
            "an IPv6 address stands in brackets, as in tcp://[::1]:1883".into(),
        )),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn parse_host(text: &str) -> Result<Host, InvalidUrl> {
    if let Some(inner) = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        return match inner.parse() {
            Ok(address) => Ok(Host::Address(IpAddr::V6(address))),
            Err(_) => Err(InvalidUrl(format!(
                "{inner} is no IPv6 address; write for example tcp://[::1]:1883"
            ))),
        };
    }
    if let Ok(address) = text.parse() {
        return Ok(Host::Address(address));
    }
    let usual = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    // Names in which every letter is a digit are mistyped addresses.
    if text.is_empty() || !text.chars().all(usual) || text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(InvalidUrl(format!(
            "{text:?} is neither an address nor a host name; write for example {DEFAULT}"
        )));
    }
    Ok(Host::Name(text.into()))
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
        write!(f, "tcp://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match text.parse::<ListenUrl>() {
            Ok(url) => url.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn addresses_and_names_parse() {
        assert_eq!(shown("tcp://127.0.0.1:1883"), "tcp://127.0.0.1:1883");
        assert_eq!(shown("TCP://0.0.0.0:0"), "tcp://0.0.0.0:0");
        assert_eq!(shown("tcp://[::1]:1884/"), "tcp://[::1]:1884");
        assert_eq!(shown("tcp://[::]"), "tcp://[::]:1883");
        assert_eq!(shown("tcp://localhost"), "tcp://localhost:1883");
        assert_eq!(
            shown("tcp://broker-1.example.org:65535"),
            "tcp://broker-1.example.org:65535"
        );
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, hint) in [
            ("127.0.0.1:1883", "write tcp://127.0.0.1:1883"),
            (
                "tls://127.0.0.1:8883",
                "tls:// is not yet spoken by this version; use tcp://",
            ),
            (
                "unix:///run/burgee",
                "unix:// is not yet spoken by this version; use tcp://",
            ),
            ("mqtt://host", "write tcp://host"),
            ("http://host", "unknown scheme http://; use tcp://"),
            ("tcp://::1:1883", "in brackets"),
            ("tcp://[::1:1883", "not closed"),
            ("tcp://[::1]1883", "a port must follow"),
            ("tcp://[1.2.3.4]:1", "no IPv6 address"),
            ("tcp://host:99999", "from 0 to 65535"),
            ("tcp://host:", "from 0 to 65535"),
            ("tcp://1.2.3:1883", "neither an address nor a host name"),
            ("tcp://:1883", "neither an address nor a host name"),
            ("tcp://user@host:1", "only host and port"),
            ("tcp://host:1/path", "only host and port"),
        ] {
            assert!(
                shown(text).contains(hint) && shown(text).starts_with("error"),
                "{text}: {}",
                shown(text)
            );
        }
    }
}
