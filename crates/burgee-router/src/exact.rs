//! Filters without wildcards: each matches the one topic name that is spelt as it is.

use ahash::RandomState;

use crate::interest::Interest;
use crate::leaves::Leaves;
use crate::route::Route;
use crate::table::Table;

#[derive(Debug)]
pub(crate) struct Exact {
    leaves: Leaves,
    places: Table,
    hasher: RandomState,
}

impl Exact {
    pub(crate) fn new(hasher: RandomState) -> Self {
        Self {
            leaves: Leaves::new(),
            places: Table::default(),
            hasher,
        }
    }

    /// Changes who is interested in a filter, which is added if need be.
    pub(crate) fn upsert<R>(&mut self, filter: &str, change: impl FnOnce(&mut Interest) -> R) -> R {
        let hash = self.hash(filter);
        if let Some(id) = self.find(hash, filter) {
            return self.change(hash, id, change);
        }
        let mut interest = Interest::Nobody;
        let result = change(&mut interest);
        if !interest.is_nobody()
            && let Some(id) = self.leaves.insert((filter.as_bytes(), &[]), interest)
        {
            let (leaves, hasher) = (&self.leaves, &self.hasher);
            self.places.insert(hash, id, |id| hasher.hash_one(leaves.bytes(id)));
        }
        result
    }

    /// Changes who is interested in a filter that is stored; it goes if nobody is left.
    pub(crate) fn alter<R>(&mut self, filter: &str, change: impl FnOnce(&mut Interest) -> R) -> Option<R> {
        let hash = self.hash(filter);
        let id = self.find(hash, filter)?;
        Some(self.change(hash, id, change))
    }

    pub(crate) fn add_to(&self, topic: &str, route: &mut Route) {
        if self.places.len() > 0
            && let Some(id) = self.find(self.hash(topic), topic)
        {
            self.leaves.add_to(id, route);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    fn change<R>(&mut self, hash: u64, id: u32, change: impl FnOnce(&mut Interest) -> R) -> R {
        let (result, somebody) = self.leaves.change(id, change);
        if !somebody {
            self.remove(hash, id);
        }
        result
    }

    fn remove(&mut self, hash: u64, id: u32) {
        let (leaves, hasher) = (&self.leaves, &self.hasher);
        self.places.remove(hash, id, |id| hasher.hash_one(leaves.bytes(id)));
        if let (_, Some(moved)) = self.leaves.remove(id) {
            let hash = self.hasher.hash_one(self.leaves.bytes(moved.to));
            self.places.replace(hash, moved.from, moved.to);
        }
    }

    fn find(&self, hash: u64, text: &str) -> Option<u32> {
        self.places.find(hash, |id| self.leaves.bytes(id) == text.as_bytes())
    }

    fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text.as_bytes())
    }
}
