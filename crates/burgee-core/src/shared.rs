//! What all shards of a broker share: the subscription index, the retained messages, which users are here, and who owns which
//! identifier.
//!
//! What must hold: everything in here may be used by several threads at once. Deliberately absent: sessions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use ahash::RandomState;
use burgee_codec::TopicName;
use burgee_protocol::Time;
use burgee_router::{RetainedIndex, Router, Word};
use burgee_store::RetainedMessage;

use crate::io::ShardId;
use crate::message::Message;
use crate::meter::Common;
use crate::policy::Rate;
use crate::present::Present;

/// See the module.
#[derive(Debug)]
pub struct Shared {
    pub(crate) router: Router,
    pub(crate) retained: RetainedIndex<Message>,
    retained_bytes: AtomicUsize,
    homes: RandomState,
    present: RwLock<Present>,
}

impl Shared {
    /// Nothing is subscribed or retained yet. The seeds are for hash tables; nobody outside may be able to guess them.
    #[must_use]
    pub fn new(seeds: [u64; 4]) -> Self {
        let [a, b, c, d] = seeds;
        Self {
            router: Router::new(seeds),
            retained: RetainedIndex::new(),
            retained_bytes: AtomicUsize::new(0),
            homes: RandomState::with_seeds(d, c, b, a),
            present: RwLock::default(),
        }
    }

    /// Puts a retained message back that the store has kept.
    pub fn restore_retained(&self, kept: &RetainedMessage) {
        let message = Message::from_store(&kept.body, kept.qos);
        self.retained_bytes.fetch_add(message.weight(), Ordering::Relaxed);
        self.subtract(self.retained.set(message));
        self.retained.stamps_are_above(kept.stamp);
    }

    /// `by` hands it on to the store.
    pub(crate) fn set_retained(&self, by: ShardId, message: Message) -> Word {
        self.retained_bytes.fetch_add(message.weight(), Ordering::Relaxed);
        let (old, word) = self.retained.set_by(by, message);
        self.subtract(old);
        word
    }

    /// `by` hands it on to the store.
    pub(crate) fn remove_retained(&self, by: ShardId, topic: TopicName<'_>) -> Word {
        let (old, word) = self.retained.remove_by(by, topic);
        self.subtract(old);
        word
    }

    fn subtract(&self, old: Option<Message>) {
        if let Some(old) = old {
            self.retained_bytes.fetch_sub(old.weight(), Ordering::Relaxed);
        }
    }

    /// Bytes of topics and payloads of retained messages.
    #[must_use]
    pub fn retained_bytes(&self) -> usize {
        self.retained_bytes.load(Ordering::Relaxed)
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

    /// One more connection of a user, if there are fewer than `most`. Says whether there were.
    pub(crate) fn enter(&self, user: &str, most: u32) -> bool {
        self.present().enter(user, most)
    }

    /// One less.
    pub(crate) fn leave(&self, user: &str, now: Time) {
        self.present().leave(user, now);
    }

    /// What the connections of a user that is here have used of this rate in common.
    pub(crate) fn common(&self, user: &str, rate: Rate, now: Time) -> Option<Common> {
        self.present().common(user, rate, now)
    }

    fn present(&self) -> RwLockWriteGuard<'_, Present> {
        // A thread that panicked has not left a number half changed.
        self.present.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shard that owns a client identifier.
    #[must_use]
    pub fn home(&self, client_id: &str, shards: ShardId) -> ShardId {
        let hash = self.homes.hash_one(client_id) % u64::from(shards.max(1));
        ShardId::try_from(hash).unwrap_or_default()
    }
}
