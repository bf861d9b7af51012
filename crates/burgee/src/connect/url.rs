//! `mqtt://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC]`.
//!
//! What must hold: every part is taken as written, so that a topic or a password may hold `%`; the last `@` before the
//! topic ends the password. Deliberately absent: other schemes, until their transports exist.

use std::str::FromStr;

/// A parsed URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Url {
    host: String,
    port: Option<u16>,
    user_name: Option<String>,
    password: Option<String>,
    topic: Option<String>,
}

impl Url {
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
        let rest = match text.split_once("://") {
            Some(("mqtt", rest)) => rest,
            Some(("mqtts", _)) => return Err("TLS is not spoken yet: use mqtt://".to_owned()),
            _ => return Err("a URL begins with mqtt://".to_owned()),
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
            host,
            port,
            user_name,
            password,
            topic,
        })
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
    let port = port.map(|port| match port.parse() {
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
            "mqtts://h",
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
