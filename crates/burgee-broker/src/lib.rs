//! The shell around the core: event loops, shard threads, mail between them, listeners. Start with [`Broker`].
//!
//! Read `shard_loop.rs` first, then `keeper.rs`. What must hold: everything that waits, locks or makes a system call on
//! the way of a message is in this crate or in the store's engine, and nothing that knows MQTT is. Deliberately absent:
//! command line and signals (the binary's), users and rules, and what lies in the data directory (the engine's).
//!
//! ```no_run
//! use std::time::Duration;
//! use burgee_broker::{Broker, BrokerConfig};
//!
//! let broker = Broker::start(BrokerConfig { listeners: BrokerConfig::loopback(0), ..BrokerConfig::default() })?;
//! println!("listening on {:?}", broker.addresses());
//! let in_order = broker.shutdown(Duration::from_secs(5));
//! # Ok::<(), burgee_broker::StartError>(())
//! ```

mod acceptor;
mod addresses;
mod broker;
mod clock;
mod closing;
mod config;
mod conn_table;
mod connections;
mod control;
mod counted;
mod door;
#[cfg(fuzzing)]
pub mod fuzzing;
mod keeper;
mod layers;
mod limiter;
mod listener;
mod log;
mod login_desk;
mod logins;
mod mail;
mod newcomers;
mod order;
mod peer;
mod proxy;
mod pulse;
mod reading;
mod reload;
mod restore;
mod rights;
mod shard_loop;
mod socket;
mod start_error;
mod systemd;
mod tail;
mod tls;
#[cfg(unix)]
mod unix_socket;
mod url;
mod websocket;
mod writing;

pub use broker::Broker;
pub use burgee_store_sqlite::SyncPolicy;
pub use config::{AcceptLimits, Anonymous, AuthSettings, BrokerConfig, Durability, Listen, Shards};
pub use control::{Asked, ask_for_backup, ask_whether_alive};
#[cfg(unix)]
pub use control::{ReloadWish, ask_for_reload};
pub use door::TransportCounters;
pub use ipnet::IpNet;
pub use logins::check_logins;
pub use order::Farewell;
pub use peer::Peer;
pub use pulse::Pulse;
pub use reload::{ReloadError, ReloadReport};
pub use start_error::StartError;
pub use tls::{
    CertificateFiles, ClientCertificates, IdentityField, TlsContext, TlsError, TlsIdentity, TlsSettings, TlsVersion,
};
pub use url::{Endpoint, Host, InvalidUrl, ListenUrl};
