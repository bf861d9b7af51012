//! Options of one listener, and its URL.
//!
//! What must hold: a listener that would let in more than before, or show other topics, is left out.

use std::path::PathBuf;

use super::remark::At;
use super::units::{boolean, limit, quoted};

/// One listener as Mosquitto has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Listener {
    /// Where it is said; none: only by settings before the first `listener`, or it cannot be read.
    pub(super) at: Option<At>,
    pub(super) port: Option<u16>,
    /// An address, a name, or the path of a Unix socket.
    pub(super) address: Option<String>,
    websocket: bool,
    /// `Some(4)` or `Some(6)`: this version of IP alone.
    domain: Option<u8>,
    /// Said for it alone.
    pub(super) anonymous: Option<bool>,
    /// Its own files, where listeners have such.
    pub(super) passwords: Option<PathBuf>,
    pub(super) rules: Option<PathBuf>,
    pub(super) max_connections: Option<u64>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    pub(super) ca: Option<String>,
    pub(super) crl: Option<String>,
    pub(super) certificate_required: bool,
    pub(super) identity_is_user: bool,
    pub(super) min_version: Option<&'static str>,
    pub(super) origins: Vec<String>,
    /// It cannot be the same here; the option that stands in the way.
    pub(super) barred: Option<&'static str>,
}

pub(super) fn port(value: &str) -> Result<u16, String> {
    value.parse().map_err(|_| format!("{value:?} is no port"))
}

/// `PORT [ADDRESS]`
pub(super) fn opened(value: &str, at: &At) -> Result<Listener, String> {
    let (number, address) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    let address = Some(address.trim()).filter(|address| !address.is_empty());
    let port = port(number)?;
    if port == 0 && !address.is_some_and(|path| path.starts_with('/')) {
        return Err(
            "port 0 is for the path of a Unix socket, from its first / on: this listener is left out".to_owned(),
        );
    }
    Ok(Listener {
        at: Some(at.clone()),
        port: Some(port),
        address: address.map(str::to_owned),
        ..Listener::default()
    })
}

impl Listener {
    /// Takes one option. Says whether it is one of these.
    ///
    /// # Errors
    /// The value cannot be.
    pub(super) fn take(&mut self, option: &str, value: &str) -> Result<bool, String> {
        match option {
            "protocol" => {
                self.websocket = match value {
                    "mqtt" => false,
                    "websockets" => true,
                    _ => {
                        self.barred = Some("protocol");
                        return Err(format!("{value:?} is not spoken: mqtt and websockets are"));
                    }
                }
            }
            "socket_domain" => {
                self.domain = match value {
                    "ipv4" => Some(4),
                    "ipv6" => Some(6),
                    _ => return Err(format!("{value:?} is neither ipv4 nor ipv6")),
                }
            }
            "listener_allow_anonymous" => self.anonymous = Some(boolean(value)?),
            "max_connections" => self.max_connections = limit(value, "-1")?.filter(|count| *count > 0),
            "websockets_origin" => self.origins.push(value.to_owned()),
            "bind_interface" => self.barred = Some("bind_interface"),
            "mount_point" => self.barred = Some("mount_point"),
            "use_username_as_clientid" => self.bar_if("use_username_as_clientid", value)?,
            "use_subject_as_username" => self.bar_if("use_subject_as_username", value)?,
            "use_psk" | "psk_hint" => self.barred = Some("psk_hint"),
            "capath" => self.barred = Some("capath"),
            _ => return self.take_tls(option, value),
        }
        // What bars a listener has no counterpart: its line is told about, too.
        Ok(self.barred != Some(option) && !matches!(option, "use_psk" | "psk_hint"))
    }

    fn take_tls(&mut self, option: &str, value: &str) -> Result<bool, String> {
        match option {
            "certfile" => self.certificate = Some(value.to_owned()),
            "keyfile" => self.key = Some(value.to_owned()),
            "cafile" => self.ca = Some(value.to_owned()),
            "crlfile" => self.crl = Some(value.to_owned()),
            "require_certificate" => self.certificate_required = boolean(value)?,
            "use_identity_as_username" => self.identity_is_user = boolean(value)?,
            "tls_version" => {
                self.min_version = Some(match value {
                    "tlsv1.3" => "1.3",
                    "tlsv1.2" => "1.2",
                    _ => {
                        self.min_version = Some("1.2");
                        return Err(format!(
                            "{value} is not spoken, its weaknesses are known: 1.2 and 1.3 are"
                        ));
                    }
                });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn bar_if(&mut self, option: &'static str, value: &str) -> Result<(), String> {
        if boolean(value)? {
            self.barred = Some(option);
        }
        Ok(())
    }

    /// Whether TLS is spoken: Mosquitto does with both files.
    pub(super) const fn is_tls(&self) -> bool {
        self.certificate.is_some() && self.key.is_some()
    }

    /// The URLs that make the same listener, and whether each may be missing on this host.
    pub(super) fn urls(&self) -> Vec<(String, bool)> {
        let scheme = match (self.is_tls(), self.websocket) {
            (false, false) => "tcp",
            (true, false) => "mqtts",
            (false, true) => "ws",
            (true, true) => "wss",
        };
        let port = self.port.unwrap_or(1883);
        match self.address.as_deref() {
            Some(path) if path.starts_with('/') => vec![(format!("unix://{path}"), false)],
            Some(address) if address.contains(':') => {
                let bare = address.trim_start_matches('[').trim_end_matches(']');
                vec![(format!("{scheme}://[{bare}]:{port}"), false)]
            }
            Some(address) => vec![(format!("{scheme}://{address}:{port}"), false)],
            None => match self.domain {
                Some(4) => vec![(format!("{scheme}://0.0.0.0:{port}"), false)],
                Some(_) => vec![(format!("{scheme}://[::]:{port}"), false)],
                None => vec![
                    (format!("{scheme}://0.0.0.0:{port}"), false),
                    (format!("{scheme}://[::]:{port}"), true),
                ],
            },
        }
    }

    /// Lines of the table, each with its key.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(count) = self.max_connections {
            lines.push(format!("max_connections = {count}"));
        }
        if self.websocket && self.origins.is_empty() {
            lines.push("origins = [\"*\"]".to_owned());
        } else if self.websocket {
            let origins: Vec<_> = self.origins.iter().map(|origin| quoted(origin)).collect();
            lines.push(format!("origins = [{}]", origins.join(", ")));
        }
        lines
    }

    /// Lines of the table about TLS.
    pub(super) fn tls_lines(&self) -> Vec<String> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else {
            return Vec::new();
        };
        let mut lines = vec![
            format!("certificate = {}", quoted(certificate)),
            format!("key = {}", quoted(key)),
        ];
        if self.certificate_required {
            lines.push("clients = \"required\"".to_owned());
            lines.extend(self.ca.iter().map(|ca| format!("ca = {}", quoted(ca))));
            lines.extend(self.crl.iter().map(|crl| format!("crl = {}", quoted(crl))));
            if self.identity_is_user {
                lines.push("user_from = \"common-name\"".to_owned());
            }
        }
        lines.extend(
            self.min_version
                .map(|version| format!("min_version = {}", quoted(version))),
        );
        lines
    }
}
