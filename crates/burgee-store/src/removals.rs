//! Retained messages that were removed, for as long as an older word about them may come.
//!
//! What must hold: it holds no removal that no older word can contradict any more, so it is as small as what is on its
//! way between those who speak and the store. Deliberately absent: what is there; each engine has its own way to keep that.

use std::collections::{BTreeMap, BTreeSet};

use burgee_codec::TopicNameBuf;

/// See the module, and [`Op::Unretained`](crate::Op::Unretained).
#[derive(Clone, Debug, Default)]
pub struct Removals {
    by_topic: BTreeMap<TopicNameBuf, u64>,
    /// The same by stamp; of two removals with one stamp, by topic.
    by_stamp: BTreeSet<(u64, TopicNameBuf)>,
}

impl Removals {
    /// No word with a lesser stamp than this comes any more.
    pub fn oldest_is(&mut self, oldest: u64) {
        while self.by_stamp.first().is_some_and(|(stamp, _)| *stamp <= oldest) {
            if let Some((_, topic)) = self.by_stamp.pop_first() {
                self.by_topic.remove(&topic);
            }
        }
    }

    /// A topic's retained message was removed. The stamp is greater than the one of the last removal, if there was one.
    pub fn removed(&mut self, topic: TopicNameBuf, stamp: u64) {
        self.is_back(&topic);
        self.by_topic.insert(topic.clone(), stamp);
        self.by_stamp.insert((stamp, topic));
    }

    /// A topic has a retained message again.
    pub fn is_back(&mut self, topic: &TopicNameBuf) {
        if let Some(stamp) = self.by_topic.remove(topic) {
            self.by_stamp.remove(&(stamp, topic.clone()));
        }
    }

    /// The stamp of the last removal that is remembered of a topic.
    #[must_use]
    pub fn stamp(&self, topic: &TopicNameBuf) -> Option<u64> {
        self.by_topic.get(topic).copied()
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_topic.len()
    }

    /// Nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    /// The store is opened anew: whatever was on its way is lost.
    pub fn clear(&mut self) {
        self.by_topic.clear();
        self.by_stamp.clear();
    }
}

#[cfg(test)]
mod tests {
    use burgee_codec::TopicName;

    use super::*;

    fn topic(number: u64) -> TopicNameBuf {
        TopicName::trusted(&format!("t/{number}")).into()
    }

    #[test]
    fn of_a_hundred_thousand_removals_only_those_are_left_that_may_be_contradicted() {
        let mut removals = Removals::default();
        for stamp in 1..=100_000_u64 {
            removals.oldest_is(stamp.saturating_sub(3));
            removals.removed(topic(stamp % 50_000), stamp);
            assert!(removals.len() <= 4 && removals.by_topic.len() == removals.by_stamp.len());
        }
        assert_eq!(removals.stamp(&topic(49_999)), Some(99_999));
        assert_eq!(removals.stamp(&topic(49_990)), None);
        removals.is_back(&topic(49_999));
        assert_eq!(removals.stamp(&topic(49_999)), None);
        removals.oldest_is(100_000);
        assert!(removals.is_empty() && removals.by_stamp.is_empty());
    }
}
