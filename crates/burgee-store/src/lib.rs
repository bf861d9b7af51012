//! The port to whatever keeps durable state: operations, batches, the verbs of a store.
//!
//! What must hold: a batch is durable whole or not at all, and batches become durable in the order of their numbers.
//! Deliberately absent: engines with files; each is a crate of its own behind this port.

mod batch;

pub use batch::{Batch, MessageNo, Op, SessionNo, Stage};
