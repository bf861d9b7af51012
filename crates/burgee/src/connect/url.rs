//! `mqtt://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC]`, and the same with `mqtts`, `ws`, `wss`; `unix:///PATH`.
//!
//! What must hold: every part is taken as written, so that a topic or a password may hold `%`; the last `@` before the
//! topic ends the password. Deliberately absent: what is done with a scheme.

use std::str::FromStr;

use burgee_client::Scheme;

/// A parsed URL. Behind `ws` and `wss` stands the path of the request where others have the topic; behind `unix`, the host
/// is the path of the socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Url {
    scheme: Scheme,
    host: String,
    port: Option<u16>,
    user_name: Option<String>,
    password: Option<String>,
    topic: Option<String>,
}

impl Url {
    pub(crate) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
    }

    pub(crate) fn user_name(&self) -> Option<&str> {
        self.user_name.as_deref()
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub(crate) fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => Scheme::Mqtt,
            "mqtts" => Scheme::Mqtts,
            "ws" => Scheme::Ws,
            "wss" => Scheme::Wss,
            "unix" if rest.starts_with('/') => return Ok(Self::unix(rest)),
            _ => return Err("a URL begins with mqtt://, mqtts://, ws://, wss:// or unix:///".to_owned()),
        };
        let (authority, topic) = match rest.split_once('/') {
            Some((authority, topic)) => (authority, (!topic.is_empty()).then(|| topic.to_owned())),
            None => (rest, None),
        };
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        let (user_name, password) = match user.map(|user| user.split_once(':').ok_or(user)) {
            Some(Ok((name, password))) => (Some(name.to_owned()), Some(password.to_owned())),
            Some(Err(name)) => (Some(name.to_owned()), None),
            None => (None, None),
        };
        let (host, port) = address_parts(address)?;
        Ok(Self {
            scheme,
            host,
            port,
            user_name,
            password,
            topic,
        })
    }
}

impl Url {
    fn unix(path: &str) -> Self {
        Self {
            scheme: Scheme::Unix,
            host: path.to_owned(),
            port: None,
            user_name: None,
            password: None,
            topic: None,
        }
    }
}

fn address_parts(address: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match address.strip_prefix('[') {
        // An IPv6 address has colons of its own.
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or("the host has no closing `]`")?;
            match behind.strip_prefix(':') {
                None if !behind.is_empty() => return Err("behind `]` comes only a port".to_owned()),
                port => (host, port),
            }
        }
        None => address
            .split_once(':')
            .map_or((address, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("the URL names no host".to_owned());
    }
    // A colon without a port is none.
    let port = port.filter(|port| !port.is_empty()).map(|port| match port.parse() {
        Ok(0) | Err(_) => Err(format!("{port:?} is no port")),
        Ok(number) => Ok(number),
    });
    Ok((host.to_owned(), port.transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> [String; 5] {
        let url: Url = text.parse().expect(text);
        let or_dash = |part: Option<&str>| part.unwrap_or("-").to_owned();
        let port = url.port().map_or("-".to_owned(), |port| port.to_string());
        [
            url.host().to_owned(),
            port,
            or_dash(url.user_name()),
            or_dash(url.password()),
            or_dash(url.topic()),
        ]
    }

    #[test]
    fn every_part_is_found_and_taken_as_written() {
        assert_eq!(parts("mqtt://h"), ["h", "-", "-", "-", "-"]);
        assert_eq!(parts("MQTT://h:/t"), ["h", "-", "-", "-", "t"]);
        assert_eq!(parts("mqtt://h:1/a/b//%41"), ["h", "1", "-", "-", "a/b//%41"]);
        assert_eq!(parts("mqtt://u:p:@q@h/"), ["h", "-", "u", "p:@q", "-"]);
        assert_eq!(
            parts("mqtt://u@[::1]:18830/$SYS/#"),
            ["::1", "18830", "u", "-", "$SYS/#"]
        );
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in [
            "h",
            "http://h",
            "unix://h",
            "mqtt://",
            "mqtt://:1",
            "mqtt://h:0",
            "mqtt://h:x",
            "mqtt://[::1",
            "mqtt://[::1]x",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }
}
