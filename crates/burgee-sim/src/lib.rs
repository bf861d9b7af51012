//! The whole broker in a deterministic simulator: several cores, router and mail, virtual clients on a virtual
//! network, a virtual disk, and an oracle that judges every turn. One seed is one story.
//!
//! What must hold: one thread, one clock, one source of chance; the same seed gives the same story. Deliberately
//! absent: sockets, threads, real time. `main.rs` has threads, one for each core of the machine, over seeds.

pub mod actor;
pub mod disk;
pub mod house;
pub mod law;
pub mod net;
pub mod oracle;
pub mod rng;
pub mod scenario;
pub mod shell;
pub mod trace;
pub mod world;

pub use world::{Crash, Story, run, run_small};
