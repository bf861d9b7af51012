//! The subscriptions of one part of the topic space: filters without wildcards in a hash map,
//! the others in a trie.

use ahash::RandomState;
use burgee_codec::{TopicFilter, TopicName};
use hashbrown::HashMap;

use crate::interest::Interest;
use crate::route::Route;
use crate::trie::Trie;

#[derive(Debug)]
pub(crate) struct Index {
    exact: HashMap<Box<str>, Interest, RandomState>,
    wild: Trie,
}

impl Index {
    pub(crate) fn new(hasher: &RandomState) -> Self {
        Self {
            exact: HashMap::with_hasher(hasher.clone()),
            wild: Trie::new(hasher.clone()),
        }
    }

    /// Changes who is interested in a filter, which is added if need be.
    pub(crate) fn upsert<R>(&mut self, filter: TopicFilter<'_>, change: impl FnOnce(&mut Interest) -> R) -> R {
        if filter.has_wildcards() {
            return self.wild.upsert(filter, change);
        }
        if let Some(interest) = self.exact.get_mut(filter.as_str()) {
            return change(interest);
        }
        let mut interest = Interest::Nobody;
        let result = change(&mut interest);
        if !interest.is_nobody() {
            self.exact.insert(filter.as_str().into(), interest);
        }
        result
    }

    /// Changes who is interested in a filter that is stored; it goes if nobody is left.
    pub(crate) fn alter<R>(&mut self, filter: TopicFilter<'_>, change: impl FnOnce(&mut Interest) -> R) -> Option<R> {
        if filter.has_wildcards() {
            return self.wild.alter(filter, change);
        }
        let interest = self.exact.get_mut(filter.as_str())?;
        let result = change(interest);
        if interest.is_nobody() {
            self.exact.remove(filter.as_str());
            // Every shrinking pays for at least as many removals before it.
            if self.exact.capacity() > 4 * self.exact.len() + 64 {
                self.exact.shrink_to(2 * self.exact.len());
            }
        }
        Some(result)
    }

    pub(crate) fn add_to(&self, topic: TopicName<'_>, route: &mut Route) {
        // The empty name of a 5.0 topic alias is no name, and `#` does not match it.
        if topic.is_empty() {
            return;
        }
        if let Some(interest) = self.exact.get(topic.as_str()) {
            interest.add_to(route);
        }
        self.wild.matching(topic, |interest| interest.add_to(route));
    }

    /// Filters and trie nodes that are stored.
    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.exact.len() + self.wild.nodes() + usize::from(!self.wild.is_empty())
    }
}
