//! The shell around the core: event loops, shard threads, mail between them, listeners. Start with [`Broker`].
//!
//! Read `shard_loop.rs` first. What must hold: everything that waits, locks or makes a system call on the way of a
//! message is in this crate, and nothing that knows MQTT is. Deliberately absent: command line and signals (the
//! binary's), users and rules, the durable store.
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
mod broker;
mod clock;
mod closing;
mod config;
mod conn_table;
mod connections;
mod listener;
mod log;
mod mail;
mod reading;
mod shard_loop;
mod tail;
mod url;
mod writing;

pub use broker::Broker;
pub use config::{BrokerConfig, Listen, Shards};
pub use listener::StartError;
pub use url::{Host, InvalidUrl, ListenUrl};
