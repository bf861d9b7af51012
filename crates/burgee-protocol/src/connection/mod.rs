//! What lasts as long as a connection: the gate, keep alive, and bytes on their way out.
//!
//! Deliberately absent: sessions. A session outlives its connection and never sees it.

mod gate;
mod keep_alive;
mod outbox;

pub use gate::{
    FromClient, FromServer, check_client_id, check_first_byte, first_from_client, first_from_server, from_client,
    from_server,
};
pub use keep_alive::KeepAlive;
pub use outbox::{Chunks, Outbox, SHARE_FROM};
