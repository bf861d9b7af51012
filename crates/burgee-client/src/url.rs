//! Server addresses as URLs: `mqtt://`, `mqtts://`, `ws://`, `wss://`, `unix://`.
//!
//! What must hold: user name and password are percent-decoded; what is not understood is an error and not a guess.
//! Deliberately absent: topics and queries in the URL.

use crate::error::Invalid;

/// `[user[:password]@]host[:port]`.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Authority {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl Authority {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let (login, place) = match text.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, text),
        };
        let (user, password) = match login.map(|login| (login, login.split_once(':'))) {
            None => (None, None),
            Some((user, None)) => (Some(decode(user)?), None),
            Some((_, Some((user, password)))) => (Some(decode(user)?), Some(decode(password)?)),
        };
        // The colon of the port stands behind the bracket of an IPv6 address.
        let after_bracket = place.rfind(']').map_or(0, |at| at + 1);
        let colon = place.get(after_bracket..).and_then(|rest| rest.find(':'));
        let (host, port) = match colon.and_then(|at| place.split_at_checked(after_bracket + at)) {
            Some((host, port)) => (host, Some(port.trim_start_matches(':'))),
            None => (place, None),
        };
        let port = match port {
            None | Some("") => None,
            Some(port) => Some(
                port.parse()
                    .map_err(|_| Invalid::Url("the port is no number from 1 to 65535"))?,
            ),
        };
        if host.is_empty() || port == Some(0) {
            return Err(Invalid::Url("the URL names no host, or port 0"));
        }
        Ok(Self {
            user,
            password,
            host: host.to_owned(),
            port,
        })
    }
}

/// How the server is reached: what stands before `://`.
///
/// ```
/// use burgee_client::Scheme;
///
/// assert_eq!((Scheme::Wss.port(), Scheme::Wss.is_secure()), (443, true));
/// ```
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// TCP.
    Mqtt,
    /// TLS.
    Mqtts,
    /// WebSocket.
    Ws,
    /// WebSocket in TLS.
    Wss,
    /// A Unix socket.
    Unix,
}

impl Scheme {
    /// Whether it is in TLS.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    /// Whether it is a WebSocket.
    #[must_use]
    pub const fn is_web(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// The port where none is named; a Unix socket has none, and gets that of TCP.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Mqtt | Self::Unix => 1883,
            Self::Mqtts => 8883,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// Scheme, what stands between `://` and the path, and the path with its slash (all of it for `unix://`).
pub(crate) fn split(url: &str) -> Result<(Scheme, &str, &str), Invalid> {
    let (scheme, rest) = url.split_once("://").ok_or(Invalid::Url(
        "a URL begins with mqtt://, mqtts://, ws://, wss:// or unix://",
    ))?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "mqtt" | "tcp" => Scheme::Mqtt,
        "mqtts" | "ssl" | "tls" => Scheme::Mqtts,
        "ws" => Scheme::Ws,
        "wss" => Scheme::Wss,
        "unix" => return Ok((Scheme::Unix, "", rest)),
        _ => return Err(Invalid::Url("the scheme is none of mqtt, mqtts, ws, wss and unix")),
    };
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(at).unwrap_or((rest, ""));
    Ok((scheme, authority, path))
}

/// Without its percent signs.
pub(crate) fn decode(text: &str) -> Result<String, Invalid> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push(u8::try_from(high * 16 + low).unwrap_or_default()),
            _ => return Err(Invalid::Url("a percent sign in the URL is not followed by two digits")),
        }
    }
    String::from_utf8(bytes).map_err(|_| Invalid::Url("the URL is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_url_are_found() {
        assert_eq!(split("mqtts://h:1/x"), Ok((Scheme::Mqtts, "h:1", "/x")));
        assert_eq!(split("unix:///run/x"), Ok((Scheme::Unix, "", "/run/x")));
        assert!(split("ftp://h").is_err() && split("host").is_err());
        let at = Authority::parse("us%40er:p%3Aw:2@[::1]:7").unwrap();
        assert_eq!(
            (at.user.as_deref(), at.password.as_deref(), at.host.as_str(), at.port),
            (Some("us@er"), Some("p:w:2"), "[::1]", Some(7))
        );
        let at = Authority::parse("u@h").unwrap();
        assert_eq!((at.user.as_deref(), at.password, at.port), (Some("u"), None, None));
        for wrong in ["", "h:x", "h:0", "h:65536", "%zz@h", "%ff@h", ":1"] {
            assert!(Authority::parse(wrong).is_err(), "{wrong}");
        }
    }
}
