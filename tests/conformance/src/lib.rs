//! Harness of the conformance suite: starts a broker, speaks to it in bytes over TCP, and looks at bytes.
//!
//! What must hold: nothing here uses our codec, so that an error there cannot hide itself; every wait is bounded; a
//! broker that dies, panics or does not end cleanly fails the test that started it; no broker survives its test.
//! Deliberately absent: an MQTT client with opinions. A test writes what it sends and reads what comes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::cast_possible_truncation,
    reason = "a harness for tests: a panic is how it reports, and its inputs are the tests' own"
)]

use std::time::Duration;

mod folder;
pub mod packet;
pub mod process;
pub mod server;
pub mod statements;
pub mod websocket;
pub mod wire;

pub use packet::{Connect, Message, ack, field, frame, hex, publish, subscribe, unsubscribe};
pub use server::Server;
pub use websocket::Web;
pub use wire::{Next, Wire};

/// How long a test waits for something that has to come.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long a test listens for something that must not come, after a marker has come.
pub const QUIET: Duration = Duration::from_millis(50);

/// Runs one proof against a broker of its own with so many shards.
pub fn run(shards: u16, proof: fn(&Server)) {
    let server = Server::start(shards);
    proof(&server);
    server.finish();
}

/// Makes two tests of each named function, one for a broker with one shard and one for three, and lists the names.
#[macro_export]
macro_rules! proofs {
    ($($name:ident),* $(,)?) => {
        /// The names of this chapter's proofs.
        pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),*];
        mod shards_1 {
            $(#[test] fn $name() { $crate::run(1, super::$name); })*
        }
        mod shards_3 {
            $(#[test] fn $name() { $crate::run(3, super::$name); })*
        }
    };
}
