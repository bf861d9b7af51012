//! What whoever has the broker wants a shard to do between two turns, and the answer.
//!
//! What must hold: every order is answered once, or its shard has ended. Deliberately absent: why; see `reload.rs`.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use burgee_core::io::Reload;

use crate::listener::Opened;

/// Somebody whom a reload disconnected.
#[derive(Clone, Debug)]
pub struct Farewell {
    /// The client, as it calls itself; `None`: it had not been let in yet.
    pub client_id: Option<Box<str>>,
    /// Where it was.
    pub peer: Option<String>,
    /// Why.
    pub why: &'static str,
}

/// What one shard is to do between two turns.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// Stop to listen there; for the shard that accepts.
    pub(crate) close: Vec<u16>,
    /// Listen there; for the shard that accepts.
    pub(crate) open: Vec<Opened>,
    /// Obey this.
    pub(crate) reload: Option<Arc<Reload>>,
    /// Who wants to know when that is done.
    pub(crate) done: Option<Sender<Done>>,
}

/// The answer to an order.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) dismissed: Vec<Farewell>,
    /// What could not be listened on after all.
    pub(crate) failed: Option<io::Error>,
}
