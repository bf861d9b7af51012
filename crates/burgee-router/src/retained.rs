//! The retained messages, sorted by the bytes of their topic names.
//!
//! A message is sorted by its own topic, which is stored nowhere else. Must hold: one message
//! for each topic; of two changes the later one has the greater stamp. Deliberately absent: what
//! a message is, and that an empty one removes.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
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
    inner: Locked<Inner<M>>,
}

#[derive(Debug)]
struct Inner<M> {
    messages: BTreeSet<ByTopic<M>>,
    /// Of the last change.
    stamp: u64,
    /// The oldest change of each writer that it has not handed on.
    unheard: BTreeMap<u16, u64>,
}

/// A change, for whoever keeps a copy of the index and hears of changes in another order than that in which they were
/// made.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Word {
    /// Greater than that of all changes before.
    pub stamp: u64,
    /// All changes with lesser stamps than this one were handed on before: [`RetainedIndex::handed_on`].
    pub oldest: u64,
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
        self.inner.write(|inner| inner.set(message))
    }

    /// Takes the message of a topic out.
    pub fn remove(&self, topic: TopicName<'_>) -> Option<M> {
        self.inner.write(|inner| inner.remove(topic))
    }

    /// As [`set`](Self::set), for a writer who hands on what it changes.
    pub fn set_by(&self, writer: u16, message: M) -> (Option<M>, Word) {
        self.inner.write(|inner| (inner.set(message), inner.word_of(writer)))
    }

    /// As [`remove`](Self::remove), for a writer who hands on what it changes.
    pub fn remove_by(&self, writer: u16, topic: TopicName<'_>) -> (Option<M>, Word) {
        self.inner.write(|inner| (inner.remove(topic), inner.word_of(writer)))
    }

    /// A writer has handed on all that it changed so far.
    pub fn handed_on(&self, writer: u16) {
        self.inner.write(|inner| inner.unheard.remove(&writer));
    }

    /// Stamps go on above this one.
    pub fn stamps_are_above(&self, stamp: u64) {
        self.inner.write(|inner| inner.stamp = inner.stamp.max(stamp));
    }

    /// The message of a topic.
    #[must_use]
    pub fn get(&self, topic: TopicName<'_>) -> Option<M> {
        self.inner
            .read(|inner| inner.messages.get(topic.as_str()).map(|held| held.0.clone()))
    }

    /// How many messages are stored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.read(|inner| inner.messages.len())
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
        self.inner.read(|Inner { messages, .. }| {
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
            inner: Locked::new(Inner {
                messages: BTreeSet::new(),
                stamp: 0,
                unheard: BTreeMap::new(),
            }),
        }
    }
}

impl<M: Topical> Inner<M> {
    fn set(&mut self, message: M) -> Option<M> {
        self.stamp += 1;
        self.messages.replace(ByTopic(message)).map(|old| old.0)
    }

    fn remove(&mut self, topic: TopicName<'_>) -> Option<M> {
        self.stamp += 1;
        self.messages.take(topic.as_str()).map(|old| old.0)
    }

    /// The last change, which was this writer's.
    fn word_of(&mut self, writer: u16) -> Word {
        let stamp = self.stamp;
        self.unheard.entry(writer).or_insert(stamp);
        let oldest = self.unheard.values().copied().min().unwrap_or(stamp);
        Word { stamp, oldest }
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
