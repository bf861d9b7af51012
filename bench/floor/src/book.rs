//! Who wants which topic. Exact topics only: a filter is a name.
//!
//! What must hold: looking up the topic of the message before costs one comparison.

use ahash::RandomState;
use hashbrown::HashMap;

/// The number of a topic.
pub(crate) type TopicId = u32;
/// A number that no topic has.
pub(crate) const NONE: TopicId = u32::MAX;

/// Somebody who wants a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub(crate) slot: u32,
    /// Of the slot when this was written: another means that the subscriber is gone.
    pub(crate) generation: u32,
    pub(crate) qos: u8,
}

#[derive(Debug)]
struct Topic {
    name: Box<[u8]>,
    subscribers: Vec<Subscriber>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Book {
    ids: HashMap<Box<[u8]>, TopicId, RandomState>,
    topics: Vec<Topic>,
}

impl Book {
    pub(crate) fn new() -> Self {
        // Nobody attacks the floor, and runs repeat: constant seeds.
        Self {
            ids: HashMap::with_hasher(RandomState::with_seeds(1, 2, 3, 4)),
            topics: Vec::new(),
        }
    }

    /// The number of a topic, where `last` was that of the message before.
    #[inline]
    pub(crate) fn find(&self, name: &[u8], last: TopicId) -> TopicId {
        match self.topics.get(last as usize) {
            Some(topic) if *topic.name == *name => last,
            _ => self.ids.get(name).copied().unwrap_or(NONE),
        }
    }

    #[inline]
    pub(crate) fn subscribers(&self, topic: TopicId) -> &[Subscriber] {
        self.topics
            .get(topic as usize)
            .map_or(&[], |topic| topic.subscribers.as_slice())
    }

    pub(crate) fn subscribe(&mut self, name: &[u8], subscriber: Subscriber) {
        let id = *self.ids.entry_ref(name).or_insert_with(|| {
            let id = TopicId::try_from(self.topics.len()).unwrap_or(NONE);
            self.topics.push(Topic {
                name: name.into(),
                subscribers: Vec::with_capacity(1),
            });
            id
        });
        if let Some(topic) = self.topics.get_mut(id as usize) {
            topic.subscribers.push(subscriber);
        }
    }

    pub(crate) fn unsubscribe(&mut self, name: &[u8], slot: u32) {
        let id = self.ids.get(name).copied().unwrap_or(NONE);
        self.retain(id, |subscriber| subscriber.slot != slot);
    }

    /// Keeps those subscribers of a topic that a test likes.
    pub(crate) fn retain(&mut self, topic: TopicId, keep: impl FnMut(&Subscriber) -> bool) {
        if let Some(topic) = self.topics.get_mut(topic as usize) {
            topic.subscribers.retain(keep);
        }
    }
}
