//! The commands of messages and `burgee bench` as processes, against `burgee serve` and against servers that follow a script.
//!
//! What must hold: every wait is bounded, every port is the system's choice, only our own processes are stopped.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: a panic is how they report"
)]

mod bench;
mod beyond;
mod failing;
mod publish;
mod subscribe;
mod support;
