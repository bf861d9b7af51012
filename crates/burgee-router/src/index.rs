//! The subscriptions of one part of the topic space: filters without wildcards in a hash table, the others in a trie.

use ahash::RandomState;
use burgee_codec::{TopicFilter, TopicName};

use crate::exact::Exact;
use crate::interest::Interest;
use crate::route::Route;
use crate::trie::Trie;

#[derive(Debug)]
pub(crate) struct Index {
    exact: Exact,
    wild: Trie,
}

impl Index {
    pub(crate) fn new(hasher: &RandomState) -> Self {
        Self {
            exact: Exact::new(hasher.clone()),
            wild: Trie::new(hasher.clone()),
        }
    }

    /// Changes who is interested in a filter, which is added if need be.
    pub(crate) fn upsert<R>(&mut self, filter: TopicFilter<'_>, change: impl FnOnce(&mut Interest) -> R) -> R {
        if filter.has_wildcards() {
            self.wild.upsert(filter, change)
        } else {
            self.exact.upsert(filter.as_str(), change)
        }
    }

    /// Changes who is interested in a filter that is stored; it goes if nobody is left.
    pub(crate) fn alter<R>(&mut self, filter: TopicFilter<'_>, change: impl FnOnce(&mut Interest) -> R) -> Option<R> {
        if filter.has_wildcards() {
            self.wild.alter(filter, change)
        } else {
            self.exact.alter(filter.as_str(), change)
        }
    }

    pub(crate) fn add_to(&self, topic: TopicName<'_>, route: &mut Route) {
        // The empty name of a 5.0 topic alias is no name, and `#` does not match it.
        if !topic.is_empty() {
            self.exact.add_to(topic.as_str(), route);
            self.wild.add_to(topic, route);
        }
    }

    /// Filters and trie nodes that are stored.
    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.exact.len() + self.wild.nodes() + self.wild.filters()
    }
}
