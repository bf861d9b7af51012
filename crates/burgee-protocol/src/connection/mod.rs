//! What lasts as long as a connection: the gate, keep alive, and bytes on their way out.
//!
//! Deliberately absent: sessions. A session outlives its connection and never sees it.

mod outbox;

pub use outbox::{Chunks, Outbox, SHARE_FROM};
