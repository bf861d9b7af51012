//! What all shards of a broker share: the subscription index, the retained messages, and who owns which identifier.
//!
//! What must hold: everything in here may be used by several threads at once. Deliberately absent: sessions.

use ahash::RandomState;
use burgee_router::{RetainedIndex, Router};

use crate::io::ShardId;
use crate::message::Message;

/// See the module.
#[derive(Debug)]
pub struct Shared {
    pub(crate) router: Router,
    pub(crate) retained: RetainedIndex<Message>,
    homes: RandomState,
}

impl Shared {
    /// Nothing is subscribed or retained yet. The seeds are for hash tables; nobody outside may be able to guess them.
    #[must_use]
    pub fn new(seeds: [u64; 4]) -> Self {
        let [a, b, c, d] = seeds;
        Self {
            router: Router::new(seeds),
            retained: RetainedIndex::new(),
            homes: RandomState::with_seeds(d, c, b, a),
        }
    }

    /// Subscriptions of all clients.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.router.subscriptions()
    }

    /// Retained messages.
    #[must_use]
    pub fn retained(&self) -> usize {
        self.retained.len()
    }

    /// The shard that owns a client identifier.
    pub(crate) fn home(&self, client_id: &str, shards: ShardId) -> ShardId {
        let hash = self.homes.hash_one(client_id) % u64::from(shards.max(1));
        ShardId::try_from(hash).unwrap_or_default()
    }
}
