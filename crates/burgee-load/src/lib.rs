//! A load generator for any MQTT 3.1.1 broker: scenarios, exact accounts of every message, percentiles, costs.
//!
//! Must hold: it knows a broker only by its address, and shares no code with burgee's own broker or client: a generator
//! that shared the codec would share its mistakes. One thread, one readiness loop. Every run is bounded in time,
//! messages and connections. What it counts it proves: each payload carries a sequence number and a check value.
//! Deliberately absent: command line and printing; MQTT 5; TLS.

pub mod check;
mod clock;
mod crowd;
pub mod error;
mod feed;
pub mod histogram;
mod link;
pub mod load;
pub mod outcome;
mod relay;
pub mod scenario;
pub mod self_test;
mod tag;
pub mod target;
mod traffic;
pub mod usage;
mod wire;

pub use error::Error;
pub use load::Load;
pub use outcome::Outcome;
use tag::tag;
pub use target::{Live, Target, Watch};
