//! The broker as a state machine: all connections and sessions of one shard, without sockets, clocks or threads.
//!
//! Read `shard.rs` first. What must hold: inputs come through [`io::Inputs`], wishes go through [`io::Effects`], and
//! the same inputs make the same wishes. Deliberately absent: everything that waits.

mod config;
mod counters;
pub mod io;
mod message;

pub use config::Config;
pub use counters::Counters;
pub use message::Message;
