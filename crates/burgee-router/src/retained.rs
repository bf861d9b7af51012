//! The retained messages, sorted by the bytes of their topic names.
//!
//! A message is sorted by its own topic, which is stored nowhere else. Must hold: one message
//! for each topic. Deliberately absent: what a message is, and that an empty one removes.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use burgee_codec::{TopicFilter, TopicName};

use crate::scan::{Move, RetainedCursor};
use crate::shared::Locked;

/// What has a topic name that stays the same for as long as it is stored.
pub trait Topical {
    /// The topic name.
    fn topic(&self) -> TopicName<'_>;
}

impl<T: Topical + ?Sized> Topical for Arc<T> {
    fn topic(&self) -> TopicName<'_> {
        T::topic(self)
    }
}

/// The retained messages. Clones of `M` are handed out, so let it be an `Arc`.
#[derive(Debug)]
pub struct RetainedIndex<M> {
    messages: Locked<BTreeSet<ByTopic<M>>>,
}

impl<M: Topical + Clone> RetainedIndex<M> {
    /// An index without messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores a message in the place of the one on the same topic, which is returned.
    pub fn set(&self, message: M) -> Option<M> {
        // [MQTT-3.3.1-7] whatever was there before goes.
        self.messages
            .write(|messages| messages.replace(ByTopic(message)))
            .map(|old| old.0)
    }

    /// Takes the message of a topic out.
    pub fn remove(&self, topic: TopicName<'_>) -> Option<M> {
        self.messages
            .write(|messages| messages.take(topic.as_str()))
            .map(|old| old.0)
    }

    /// The message of a topic.
    #[must_use]
    pub fn get(&self, topic: TopicName<'_>) -> Option<M> {
        self.messages
            .read(|messages| messages.get(topic.as_str()).map(|held| held.0.clone()))
    }

    /// How many messages are stored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.read(BTreeSet::len)
    }

    /// Whether none is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the next messages that match, in the order of their topics' bytes. Looks at no
    /// more than `budget` messages (but at one at least), and returns whether nothing is left.
    ///
    /// Messages may come and go between two pages: what was there all the time is seen exactly
    /// once, what changed behind the cursor is not seen again.
    pub fn page(&self, filter: TopicFilter<'_>, cursor: &mut RetainedCursor, budget: usize, out: &mut Vec<M>) -> bool {
        if cursor.has_ended() {
            return true;
        }
        cursor.start(filter);
        self.messages.read(|messages| {
            let mut seen = None;
            let mut ahead = messages.range::<str, _>((cursor.bound(), Bound::Unbounded));
            for _ in 0..budget.max(1) {
                let Some(held) = ahead.next() else { return cursor.end() };
                let topic: &str = held.borrow();
                seen = Some(topic);
                match cursor.judge(filter, topic) {
                    Move::Take => out.push(held.0.clone()),
                    Move::Pass => {}
                    Move::Seek => {
                        seen = None;
                        // Often the next one is the target: then no search from the top.
                        if ahead
                            .clone()
                            .next()
                            .is_some_and(|next| cursor.jumps_over(next.borrow()))
                        {
                            ahead = messages.range::<str, _>((cursor.bound(), Bound::Unbounded));
                        }
                    }
                    Move::End => return cursor.end(),
                }
            }
            if let Some(topic) = seen {
                cursor.pass(topic);
            }
            false
        })
    }
}

impl<M> Default for RetainedIndex<M> {
    fn default() -> Self {
        Self {
            messages: Locked::new(BTreeSet::new()),
        }
    }
}

/// Sorts a message by its topic.
#[derive(Debug)]
struct ByTopic<M>(M);

impl<M: Topical> Borrow<str> for ByTopic<M> {
    fn borrow(&self) -> &str {
        self.0.topic().as_str()
    }
}

impl<M: Topical> Ord for ByTopic<M> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.topic().as_str().cmp(other.0.topic().as_str())
    }
}

impl<M: Topical> PartialOrd for ByTopic<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<M: Topical> PartialEq for ByTopic<M> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<M: Topical> Eq for ByTopic<M> {}

#[cfg(test)]
mod tests;
