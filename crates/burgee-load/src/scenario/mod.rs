//! The scenarios: each is a plan with sensible defaults and a `run` that turns a broker into an outcome.
//!
//! Must hold: a scenario is bounded in time, messages and connections whatever the broker does.

mod bystander;
mod connect;
mod fanin;
mod fanout;
mod idle;
mod large;
mod latency;
mod lull;
mod offline;
pub(crate) mod outline;
mod p2p;
mod retained;
mod slow;
mod steady;
mod subscriptions;

pub use connect::Connect;
pub use fanin::FanIn;
pub use fanout::FanOut;
pub use idle::Idle;
pub use large::Large;
pub use latency::Latency;
pub use offline::Offline;
pub use p2p::PairToPair;
pub use retained::Retained;
pub use slow::Slow;
pub use subscriptions::{Mix, Subscriptions};

#[cfg(test)]
mod traffic_tests;
