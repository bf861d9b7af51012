//! What a shard remembers of who will expire. See `expiry`.
//!
//! What must hold: sessions stand in the order in which they are due. Deliberately absent: what is done then.

use std::collections::BTreeSet;

use burgee_protocol::Time;

use crate::sessions::SessionKey;

/// When what is to be given up.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// Sessions whose clients left, each once, by when to look at it.
    pub(crate) leaving: BTreeSet<(Time, SessionKey)>,
    /// When the first turn was.
    pub(crate) began: Option<Time>,
    /// The next sweep for old messages, and the session slot at which it begins.
    pub(crate) sweep: Option<Time>,
    pub(crate) at: usize,
}
