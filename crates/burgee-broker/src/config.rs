//! The settings of a broker, checked: every value is usable as it stands.
//!
//! What must hold: nothing here can be out of range. Deliberately absent: how settings are written; whoever reads a
//! command line or a file makes one of these.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use burgee_auth::{Chain, InvalidMethod, Limits, MethodSettings, Remember};
use burgee_core::Config;
use burgee_core::io::ShardId;
use burgee_store_sqlite::SyncPolicy;
use ipnet::IpNet;

use crate::tls::TlsSettings;
use crate::url::{Endpoint, Host, ListenUrl};

/// How many shards, 1 to [`Shards::MAX`].
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Shards(ShardId);

impl Shards {
    /// The most that a broker can have: who has mail for a shard is one word of bits.
    pub const MAX: ShardId = 64;

    /// None where the number is out of range.
    #[must_use]
    pub const fn new(count: ShardId) -> Option<Self> {
        if count >= 1 && count <= Self::MAX {
            Some(Self(count))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> ShardId {
        self.0
    }
}

impl Default for Shards {
    /// One: a complete broker without mail.
    fn default() -> Self {
        Self(1)
    }
}

/// Something to listen on. Its number is its place in [`BrokerConfig::listeners`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listen {
    /// Where, and what is spoken there.
    pub url: ListenUrl,
    /// Skipped with a line in the log where the host does not have the address.
    pub optional: bool,
    /// What it needs to speak TLS, if the URL says that it does.
    pub tls: Option<TlsSettings>,
    /// WebSocket: pages of these origins may connect, as in `https://example.org`, and of all with `*`; empty: of the host that
    /// they connect to.
    pub origins: Vec<String>,
    /// Proxies in these networks say by the PROXY protocol whom they speak for, and have to; others are no proxies. On a
    /// Unix socket any network stands for all who connect. Empty: there are no proxies.
    pub proxy: Vec<IpNet>,
    /// Connections of this listener; those beyond are closed as they come.
    pub max_connections: usize,
    /// Permissions of the file, if it is a Unix socket.
    pub mode: u32,
    /// Whether somebody comes in here who does not say who it is.
    pub anonymous: Anonymous,
}

/// Whether somebody comes in who gives neither user name nor password.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub enum Anonymous {
    /// Only where nobody but this machine can come, and nothing is set to find out who somebody is.
    #[default]
    Local,
    /// Yes.
    Allowed,
    /// No.
    Refused,
}

/// How it is found out who somebody is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AuthSettings {
    /// The ways, in order; none: everybody is nobody.
    pub methods: Vec<MethodSettings>,
    /// How long a password that was found right is known again.
    pub remember: Remember,
    /// Threads, queues, failed logins.
    pub limits: Limits,
}

impl AuthSettings {
    /// Reads all files that it needs. Nothing changes yet.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(&self) -> Result<Chain, Vec<InvalidMethod>> {
        Chain::new(
            &self.methods,
            self.remember,
            usize::from(self.limits.http_workers.get()),
        )
    }
}

impl Listen {
    /// Whether nobody but this machine can come. Who is behind a proxy need not be here, wherever the proxy is; of a socket
    /// that was handed over it is not known.
    pub(crate) fn is_local(&self) -> bool {
        let here = match self.url.endpoint() {
            Endpoint::Inet {
                host: Host::Address(address),
                ..
            } => address.to_canonical().is_loopback(),
            Endpoint::Inet {
                host: Host::Name(name), ..
            } => name.eq_ignore_ascii_case("localhost"),
            Endpoint::Unix(_) => true,
            Endpoint::Systemd(_) => false,
        };
        here && self.proxy.is_empty()
    }

    /// Without limits of its own; a Unix socket for the owner and the group.
    #[must_use]
    pub const fn new(url: ListenUrl) -> Self {
        Self {
            url,
            optional: false,
            tls: None,
            origins: Vec::new(),
            proxy: Vec::new(),
            max_connections: usize::MAX,
            mode: 0o660,
            anonymous: Anonymous::Local,
        }
    }
}

/// What is let in, over all listeners.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AcceptLimits {
    /// Connections from one address; `u32::MAX`: no limit. Of IPv6 the first 64 bits count. Unix sockets are exempt.
    pub max_per_address: u32,
    /// New connections a second from one address; 0: no limit.
    pub rate_per_address: u32,
    /// So many may come at once before the rate counts; at least 1.
    pub burst_per_address: u32,
    /// Connections that have not come to MQTT yet: TLS, WebSocket or PROXY header still under way.
    pub max_handshakes: usize,
    /// So many of them from one address once more than half of these places are taken: nobody shall take them all.
    pub handshakes_per_address: usize,
    /// Time until they have to have come there, in milliseconds. The time for CONNECT counts from the start, too.
    pub handshake_timeout_ms: u64,
    /// Bytes that all connections together hold of handshakes and of CONNECTs that are not done with. Beyond, who holds the
    /// most is closed.
    pub unfinished_bytes: usize,
    /// Milliseconds between two looks at the files of TLS; 0: they are looked at only when told to.
    pub tls_watch_ms: u64,
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self {
            max_per_address: u32::MAX,
            rate_per_address: 0,
            burst_per_address: 100,
            max_handshakes: 1024,
            handshakes_per_address: 128,
            handshake_timeout_ms: 10_000,
            unfinished_bytes: 64 * 1024 * 1024,
            tls_watch_ms: 5_000,
        }
    }
}

/// What is kept over a restart, and how well.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Durability {
    /// Nothing. Persistent sessions and retained messages end with the broker.
    #[default]
    Memory,
    /// Persistent sessions with all that they are owed, and retained messages: on disk before they are acknowledged.
    Kept {
        /// Where. It is made if it is not there; one broker at a time can have it.
        directory: PathBuf,
        /// Whether an acknowledgement waits for the device, or for the system only.
        sync: SyncPolicy,
    },
}

/// See the module.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// What to listen on.
    pub listeners: Vec<Listen>,
    /// How many shards; goes before the number in `core`.
    pub shards: Shards,
    /// Connections held in all, with or without CONNECT; those beyond are closed as they come.
    pub max_open: usize,
    /// Limits for what comes in from outside.
    pub accept: AcceptLimits,
    /// How it is found out who somebody is.
    pub authentication: AuthSettings,
    /// What is kept over a restart; goes before `durable` in `core`.
    pub durability: Durability,
    /// What the shards themselves obey.
    pub core: Config,
}

impl BrokerConfig {
    /// Loopback only: nobody else can reach a broker that has no users and rules yet.
    #[must_use]
    pub fn loopback(port: u16) -> Vec<Listen> {
        let v4 = ListenUrl::tcp(Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)), port);
        let v6 = ListenUrl::tcp(Host::Address(IpAddr::V6(Ipv6Addr::LOCALHOST)), port);
        vec![
            Listen::new(v4),
            Listen {
                optional: true,
                ..Listen::new(v6)
            },
        ]
    }
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            listeners: Self::loopback(1883),
            shards: Shards::default(),
            max_open: usize::MAX,
            accept: AcceptLimits::default(),
            authentication: AuthSettings::default(),
            durability: Durability::default(),
            core: Config::default(),
        }
    }
}

/// A frame of WebSocket may be so much larger than two packets are.
const FRAME_ROOM: u64 = 64 * 1024;

/// Bytes of a frame of WebSocket, at most.
pub(crate) fn frame_limit(core: &Config) -> u64 {
    FRAME_ROOM + 2 * u64::from(core.max_packet_bytes)
}
