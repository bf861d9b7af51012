//! How to connect: options as written, and the one function that checks them.
//!
//! What must hold: whatever the standard forbids is an error before a byte is sent. Deliberately absent: files and
//! environment variables, and MQTT 5.0, whose time has not come.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use burgee_codec::{
    Connect, Limits, MAX_REMAINING_LENGTH, Packet, Properties, QoS, TopicNameBuf, Version, Will as WireWill,
};

use crate::care::{Care, QueueLimit};
use crate::engine::{Settings, WhenLost, Window};
use crate::error::Invalid;
#[cfg(feature = "tls")]
use crate::transport::Tls;
use crate::transport::{Proxy, Target, Way};
use crate::url::{self, Authority};

/// A message that the server publishes if the connection ends without DISCONNECT.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Will {
    topic: String,
    payload: Vec<u8>,
    qos: QoS,
    retain: bool,
}

impl Will {
    /// A will with QoS 0 that is not retained.
    #[must_use]
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
        }
    }

    /// The QoS with which it is published.
    #[must_use]
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Whether it is published as a retained message.
    #[must_use]
    pub const fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }
}

/// How to connect. Start with [`Options::new`] or [`Options::from_url`]; everything else has a default.
///
/// ```
/// use burgee_client::{Options, QoS, Will};
///
/// let options = Options::new("localhost", 1883)
///     .client_id("sensor-7")
///     .clean_session(false)
///     .will(Will::new("sensors/7/state", "gone").qos(QoS::AtLeastOnce).retain(true));
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) way: Way,
    pub(crate) client_id: String,
    clean_session: bool,
    keep_alive: u16,
    user_name: Option<String>,
    password: Option<Vec<u8>>,
    will: Option<Will>,
    pub(crate) version: Version,
    max_packet_size: u32,
    pub(crate) window: Window,
    pub(crate) backlog: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) care: Care,
}

impl Options {
    /// A clean session with a server-made identifier, MQTT 3.1.1, keep alive 60 s, no user, no will.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            way: Way::to_host(host.into(), port),
            client_id: String::new(),
            clean_session: true,
            keep_alive: 60,
            user_name: None,
            password: None,
            will: None,
            version: Version::V311,
            max_packet_size: MAX_REMAINING_LENGTH,
            window: Window {
                all: 100,
                exactly_once: 20,
            },
            backlog: 100,
            connect_timeout: Duration::from_secs(10),
            care: Care::default(),
        }
    }

    /// Options from an address: `mqtt://`, `mqtts://`, `ws://`, `wss://`, each with `[user[:password]@]host[:port]` and, for
    /// WebSocket, a path (`/mqtt` if there is none), or `unix://` and the path of a socket. Ports are 1883, 8883, 80 and 443
    /// unless given. User name and password are percent-decoded.
    ///
    /// ```
    /// # use burgee_client::Options;
    /// let options = Options::from_url("mqtt://user:secret@broker.example")?.client_id("sensor-7");
    /// # Ok::<(), burgee_client::Invalid>(())
    /// ```
    ///
    /// # Errors
    /// It is no such address, or this build lacks the transport.
    pub fn from_url(address: &str) -> Result<Self, Invalid> {
        let (scheme, authority, path) = url::split(address)?;
        if scheme == url::Scheme::Unix {
            return Ok(Self::new("localhost", 0).unix(url::decode(path)?));
        }
        let at = Authority::parse(authority)?;
        let mut options = Self::new(at.host, at.port.unwrap_or(scheme.port()));
        options.user_name = at.user;
        options.password = at.password.map(String::into_bytes);
        #[cfg(feature = "tls")]
        if scheme.is_secure() {
            options = options.tls(Tls::new());
        }
        #[cfg(not(feature = "tls"))]
        if scheme.is_secure() {
            return Err(Invalid::NotBuilt("tls"));
        }
        #[cfg(feature = "websocket")]
        if scheme.is_web() {
            options = options.web_socket(if path.len() > 1 { path } else { "/mqtt" });
        }
        #[cfg(not(feature = "websocket"))]
        if scheme.is_web() {
            return Err(Invalid::NotBuilt("websocket"));
        }
        if !scheme.is_web() && path.len() > 1 {
            return Err(Invalid::Url("only a WebSocket address has a path"));
        }
        Ok(options)
    }

    /// Speaks TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.way.tls = Some(tls);
        self
    }

    /// Speaks MQTT in WebSocket frames; the server's part of the address begins with a slash, `/mqtt` for example.
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn web_socket(mut self, path: impl Into<String>) -> Self {
        self.way.web_socket.get_or_insert_default().path = path.into();
        self
    }

    /// Adds a header to the request for a WebSocket. Without [`Options::web_socket`] nothing happens.
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn web_socket_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Some(web_socket) = &mut self.way.web_socket {
            web_socket.headers.push((name.into(), value.into()));
        }
        self
    }

    /// Connects to a Unix socket instead of a host.
    #[must_use]
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.way.target = Target::Unix(path.into());
        self
    }

    /// Connects from this address of ours: an address, or a name that stands for one.
    #[must_use]
    pub fn bind(mut self, address: impl Into<String>) -> Self {
        self.way.from = Some(address.into());
        self
    }

    /// Connects through a proxy: `http://[user:password@]host:port` (HTTP CONNECT) or `socks5h://[user:password@]host:port`.
    /// The proxy resolves the server's name.
    ///
    /// # Errors
    /// It is no such address.
    pub fn proxy(mut self, address: &str) -> Result<Self, Invalid> {
        self.way.proxy = Some(Proxy::parse(address)?);
        Ok(self)
    }

    /// Who we are: the session belongs to this name. Empty, the default: the server makes one up for a clean session.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// `true`, the default: the session ends with the connection. `false`: server and client keep it.
    ///
    /// The client's half is lost with its process, unless it has an outbox. If the first connection then finds a session, what
    /// the server may still hold of it is cleared away: the first QoS 2 message under an identifier waits until the server has
    /// answered PUBREL for it, which it has to do for identifiers that it does not know as well. Otherwise the message could be
    /// taken for one of the life before and be lost although it is acknowledged.
    #[must_use]
    pub const fn clean_session(mut self, clean: bool) -> Self {
        self.clean_session = clean;
        self
    }

    /// Seconds between two signs of life; 0 switches it off.
    #[must_use]
    pub const fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// The user name.
    #[must_use]
    pub fn user_name(mut self, name: impl Into<String>) -> Self {
        self.user_name = Some(name.into());
        self
    }

    /// The password: any bytes. Needs a user name.
    #[must_use]
    pub fn password(mut self, password: impl Into<Vec<u8>>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// What the server publishes if we vanish.
    #[must_use]
    pub fn will(mut self, will: Will) -> Self {
        self.will = Some(will);
        self
    }

    /// MQTT 3.1.1 (the default) or 3.1.
    #[must_use]
    pub const fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// The longest packet that we take, counted as its remaining length. A longer one ends the connection.
    #[must_use]
    pub const fn max_packet_size(mut self, bytes: u32) -> Self {
        self.max_packet_size = bytes;
        self
    }

    /// How many messages and requests may be unacknowledged at once (at least 1); what comes on top waits in
    /// [`publish`](crate::connection::Connection::publish).
    ///
    /// The default is 100; with 20 messages of QoS 2 among them, whatever comes next waits: above that, Mosquitto 2.0 cuts the
    /// connection unless its `max_inflight_messages` allows more. A number that is set here counts for all, messages of QoS 2
    /// as well.
    #[must_use]
    pub const fn window(mut self, messages: u16) -> Self {
        let messages = if messages == 0 { 1 } else { messages };
        self.window = Window {
            all: messages,
            exactly_once: messages,
        };
        self
    }

    /// How many received messages may wait for [`Messages::next`](crate::connection::Messages::next) (at least 1, 100 by default).
    /// Policy beyond: we stop reading, and the server keeps the rest. Nothing is dropped; but acknowledgements are not read
    /// either, so whoever awaits a receipt has to see to it that somebody takes messages meanwhile.
    #[must_use]
    pub const fn backlog(mut self, messages: usize) -> Self {
        self.backlog = if messages == 0 { 1 } else { messages };
        self
    }

    /// Between two attempts to connect (only [`Client`](crate::Client) makes more than one): the first wait and the longest.
    /// Waits double, and a random part of up to a half is taken off, so that a thousand clients do not come at once. 1 s and
    /// 60 s by default.
    #[must_use]
    pub const fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.care.first_wait = first;
        self.care.longest_wait = longest;
        self
    }

    /// After so many failed attempts in a row [`Client`](crate::Client) gives up; 0: it does not reconnect at all. Without
    /// this it goes on for ever.
    #[must_use]
    pub const fn attempts(mut self, most: u32) -> Self {
        self.care.attempts = Some(most);
        self
    }

    /// How much [`Client`](crate::Client) takes while it has no connection, and what happens beyond: 1,000 messages and 16
    /// MiB by default, then [`publish`](crate::Client::publish) waits.
    #[must_use]
    pub const fn queue(mut self, limit: QueueLimit) -> Self {
        self.care.queue = limit;
        self
    }

    /// `true`: a message that [`Client`](crate::Client) receives is acknowledged when [`Received::ack`](crate::Received::ack)
    /// is called. `false`, the default: when the application asks its stream for the next one.
    #[must_use]
    pub const fn manual_ack(mut self, manual: bool) -> Self {
        self.care.manual_ack = manual;
        self
    }

    /// What [`Client`](crate::Client) does with unfinished messages when the server has lost the session, or never kept it:
    /// `true`, the default: it publishes them anew, so none is lost; one that the server had taken before may then arrive
    /// twice, whatever its QoS. `false`: it gives them up, with [`Error::SessionLost`](crate::Error::SessionLost).
    #[must_use]
    pub const fn republish(mut self, anew: bool) -> Self {
        self.care.republish = anew;
        self
    }

    /// Keeps unfinished messages of QoS 1 and 2 in this file until they are acknowledged: a [`Client`](crate::Client) that
    /// is started on it after a crash sends the rest. Needs a client identifier and `clean_session(false)`.
    #[cfg(feature = "outbox")]
    #[must_use]
    pub fn outbox(mut self, file: impl Into<PathBuf>) -> Self {
        self.care.outbox = Some(file.into());
        self
    }

    /// How long reaching the server and its answer to CONNECT may take together.
    #[must_use]
    pub const fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    pub(crate) const fn keeps_session(&self) -> bool {
        !self.clean_session
    }

    /// As [`Options::check`], for a client that reconnects.
    pub(crate) fn check_for_client(&self) -> Result<Settings, Invalid> {
        let settings = self.check()?;
        #[cfg(feature = "outbox")]
        if self.care.outbox.is_some() && (self.clean_session || self.client_id.is_empty()) {
            return Err(Invalid::Rule(
                "an outbox needs a session that is kept: give a client identifier and clean_session(false)",
            ));
        }
        Ok(Settings {
            when_lost: if self.care.republish {
                WhenLost::Anew
            } else {
                WhenLost::GiveUp
            },
            deferred: true,
            journal: self.care.has_outbox(),
            ..settings
        })
    }

    /// Everything that can be wrong without asking the server.
    pub(crate) fn check(&self) -> Result<Settings, Invalid> {
        if self.version == Version::V5 {
            return Err(Invalid::Version);
        }
        #[cfg(feature = "websocket")]
        self.way.check_web_socket()?;
        // [MQTT-3.1.3-7] an empty identifier needs a clean session; 3.1 has none.
        if self.client_id.is_empty() && (!self.clean_session || self.version == Version::V31) {
            return Err(Invalid::ClientIdEmpty);
        }
        // [MQTT-3.1.2-22]
        if self.password.is_some() && self.user_name.is_none() {
            return Err(Invalid::PasswordWithoutUserName);
        }
        let topic = self
            .will
            .as_ref()
            .map(|will| TopicNameBuf::parse(&will.topic))
            .transpose()?;
        let will = self.will.as_ref().zip(topic.as_ref()).map(|(will, topic)| WireWill {
            topic: topic.as_ref(),
            payload: &will.payload,
            qos: will.qos,
            retain: will.retain,
            properties: Properties::default(),
        });
        let packet = Packet::Connect(Connect {
            version: self.version,
            clean_session: self.clean_session,
            keep_alive: self.keep_alive,
            client_id: &self.client_id,
            will,
            user_name: self.user_name.as_deref(),
            password: self.password.as_deref(),
            properties: Properties::default(),
        });
        let mut connect = Vec::new();
        packet.append_to(self.version, &mut connect)?;
        Ok(Settings {
            connect,
            version: self.version,
            clean_session: self.clean_session,
            keep_alive: self.keep_alive,
            limits: Limits {
                max_remaining_length: self.max_packet_size,
                ..Limits::default()
            },
            when_lost: WhenLost::ByKind,
            deferred: false,
            journal: false,
            patience: u64::try_from(self.connect_timeout.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the password.
        f.debug_struct("Options")
            .field("target", &self.way.target)
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}
