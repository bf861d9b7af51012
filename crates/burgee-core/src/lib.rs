//! The broker as a state machine: all connections and sessions of one shard, without sockets, clocks or threads.
//!
//! Read `shard.rs` first. What must hold: inputs come through [`io::Inputs`], wishes go through [`io::Effects`], and
//! the same inputs make the same wishes. Deliberately absent: everything that waits.

mod access;
mod acks;
mod admit;
mod ahead;
mod batch;
mod close;
mod config;
mod connect;
mod conns;
mod counters;
mod deliver;
mod denied;
mod durable;
mod ending;
mod ending_state;
mod expire;
mod expiry;
mod expiry_state;
mod farewell;
mod fighting;
mod filters;
pub mod io;
mod job;
mod journal;
mod keep;
mod limits;
mod lingering;
mod load;
mod memory;
mod message;
mod meter;
mod outbound;
mod policy;
mod present;
mod pressure;
mod publish;
mod quick;
mod reload;
mod replay;
mod restore;
mod sessions;
mod shard;
mod shared;
mod state;
mod suback;
mod subscribe;
mod sys;
mod sys_state;
mod wheel;

pub use config::Config;
pub use counters::Counters;
pub use message::Message;
pub use policy::{Fights, ListenerPolicy, Policy, Rate, UserLimits};
pub use shared::Shared;
pub use state::Shard;
