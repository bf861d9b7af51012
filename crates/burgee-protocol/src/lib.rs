//! The sans-IO halves of both ends of an MQTT connection: what a connection checks and what a session remembers.
//!
//! What must hold: inputs are packets and time, outputs are packets and facts; the same code serves server and client.
//! `connection` and `session` do not see each other, because a session outlives its connection.
//! Deliberately absent: sockets, clocks, threads, topics' subscribers.

pub mod connection;
mod fault;
pub mod session;
mod time;

pub use fault::Fault;
pub use time::Time;
