//! The scenarios: each is a plan with sensible defaults and a `run` that turns a broker into an outcome.
//!
//! Must hold: a scenario is bounded in time, messages and connections whatever the broker does.

mod idle;
pub(crate) mod outline;

pub use idle::Idle;

/// What tells this generator's clients and topics from those of another one at the same broker.
fn tag() -> String {
    format!("{:x}", std::process::id())
}
