//! `burgee serve` with data on disk, and `burgee store`, as processes: ends of every kind, faults, and what is there
//! afterwards.
//!
//! What must hold: each test has a directory of its own; every wait is bounded; only our own processes are stopped.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: a panic is how they report"
)]

mod faults;
mod restart;
mod store;
mod support;
