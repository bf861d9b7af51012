//! From the text of a URL to where to listen.
//!
//! What must hold: an error says what to write instead. Deliberately absent: what a URL means; see the module above.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Carrier, Endpoint, Host, ListenUrl};

/// A text that is no URL to listen on. Says what to write instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidUrl(String);

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidUrl {}

fn wrong<T>(what: impl Into<String>) -> Result<T, InvalidUrl> {
    Err(InvalidUrl(what.into()))
}

/// What a scheme says, and the port that is usual for it.
#[derive(Copy, Clone)]
struct Scheme {
    tls: bool,
    websocket: bool,
    port: u16,
}

impl Scheme {
    fn find(name: &str) -> Option<Self> {
        let (tls, websocket, port) = match name {
            "tcp" | "mqtt" => (false, false, 1883),
            "mqtts" | "tls" | "ssl" => (true, false, 8883),
            "ws" => (false, true, 80),
            "wss" => (true, true, 443),
            _ => return None,
        };
        Some(Self { tls, websocket, port })
    }
}

const SCHEMES: &str = "use tcp://, mqtts://, ws://, wss://, unix:// or systemd:";

impl FromStr for ListenUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        if let Some((scheme, name)) = text.split_once(':')
            && let Some(spoken) = scheme.strip_prefix("systemd")
        {
            return systemd(spoken, name);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return wrong(format!(
                "a listener is a URL: write tcp://{}",
                text.trim_start_matches('/')
            ));
        };
        let name = scheme.to_ascii_lowercase();
        if name == "unix" {
            return unix(rest);
        }
        let Some(scheme) = Scheme::find(&name) else {
            return wrong(format!("unknown scheme {name}://; {SCHEMES}"));
        };
        let (authority, carrier) = carried(scheme, &name, rest)?;
        let (host, port) = split_port(authority)?;
        let port = port.map_or(Ok(scheme.port), |port| {
            port.parse()
                .map_err(|_| InvalidUrl(format!("the port must be a number from 0 to 65535, as in {DEFAULT}")))
        })?;
        let host = parse_host(host)?;
        Ok(Self {
            endpoint: Endpoint::Inet { host, port },
            tls: scheme.tls,
            carrier,
        })
    }
}

const DEFAULT: &str = "tcp://127.0.0.1:1883";

/// Splits off what follows host and port: a path for WebSocket, nothing otherwise.
fn carried<'a>(scheme: Scheme, name: &str, rest: &'a str) -> Result<(&'a str, Carrier), InvalidUrl> {
    if !scheme.websocket {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return wrong(format!("only host and port may follow {name}://, as in {DEFAULT}"));
        }
        return Ok((rest, Carrier::Stream));
    }
    let (authority, path) = split_path(rest);
    if authority.contains(['?', '#', '@']) {
        return wrong(format!(
            "only host, port and path may follow {name}://, as in {name}://127.0.0.1:8083/mqtt"
        ));
    }
    Ok((authority, Carrier::WebSocket(path.map(parse_path).transpose()?)))
}

/// What stands before the first slash, and from there on.
fn split_path(text: &str) -> (&str, Option<&str>) {
    match text.find('/') {
        Some(at) => {
            let (before, path) = text.split_at(at);
            (before, Some(path))
        }
        None => (text, None),
    }
}

fn parse_path(path: &str) -> Result<Box<str>, InvalidUrl> {
    if path.contains(['?', '#']) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong(format!(
            "{path:?} is no path of a listener: write printable ASCII without ? and #, as in /mqtt"
        ));
    }
    Ok(path.into())
}

fn unix(path: &str) -> Result<ListenUrl, InvalidUrl> {
    if cfg!(not(unix)) {
        return wrong("this system has no Unix sockets; use tcp://");
    }
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        return wrong(format!(
            "{path:?} is no path of a socket: it is absolute and names a file, as in unix:///run/burgee/mqtt.sock"
        ));
    }
    if path.len() > LONGEST_PATH {
        return wrong(format!(
            "the path of a Unix socket has at most {LONGEST_PATH} bytes, this one has {}: choose a shorter one",
            path.len()
        ));
    }
    Ok(ListenUrl {
        endpoint: Endpoint::Unix(PathBuf::from(path)),
        tls: false,
        carrier: Carrier::Stream,
    })
}

/// What an address structure holds besides the byte that ends it, on the system with the smallest one.
const LONGEST_PATH: usize = 103;

fn systemd(spoken: &str, name: &str) -> Result<ListenUrl, InvalidUrl> {
    let spoken = if spoken.is_empty() {
        Some("tcp")
    } else {
        spoken.strip_prefix('+')
    };
    let Some(scheme) = spoken.and_then(Scheme::find) else {
        return wrong("write systemd:NAME, systemd+mqtts:NAME, systemd+ws:NAME/path or systemd+wss:NAME/path");
    };
    let (name, carrier) = if scheme.websocket {
        let (name, path) = split_path(name);
        (name, Carrier::WebSocket(path.map(parse_path).transpose()?))
    } else {
        (name, Carrier::Stream)
    };
    // What systemd itself allows in FileDescriptorName=.
    if name.is_empty() || name.len() > 255 || !name.bytes().all(|c| c.is_ascii_graphic() && c != b':' && c != b'/') {
        return wrong(format!(
            "{name:?} is no name of a socket: write the FileDescriptorName= of its socket unit, as in systemd:mqtt"
        ));
    }
    Ok(ListenUrl {
        endpoint: Endpoint::Systemd(name.into()),
        tls: scheme.tls,
        carrier,
    })
}

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
