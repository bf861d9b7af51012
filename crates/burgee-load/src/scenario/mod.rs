//! The scenarios: each is a plan with sensible defaults and a `run` that turns a broker into an outcome.
//!
//! Must hold: a scenario is bounded in time, messages and connections whatever the broker does.

pub(crate) mod outline;
