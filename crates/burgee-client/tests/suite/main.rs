//! The client against a server that says exactly what its script says, over loopback: what can be seen of each statement
//! that obliges a client. A test is called after its statement; others after what they show.
//! Deliberately absent: time. What keep alive does in which second is told by the engine's own tests.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests: a panic is how they report"
)]

#[cfg(feature = "blocking")]
mod blocking;
mod cancel;
mod client;
mod client_cuts;
mod client_limits;
mod connect;
mod data;
#[cfg(feature = "outbox")]
mod outbox;
#[cfg(feature = "outbox")]
mod outbox_disk;
mod publish;
mod requests;
mod session;
mod support;
#[cfg(all(feature = "tls", feature = "websocket"))]
mod transports;
