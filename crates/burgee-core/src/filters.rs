//! The topic filters of one session, as its client sent them.
//!
//! What must hold: each filter once; a session with a few pays for a few, and one with many hardly more than for their
//! bytes; finding one among many costs the same however many there are; the order is that of the calls, not of a hash
//! table. Deliberately absent: QoS; the router has it.

mod arena;
#[cfg(test)]
mod tests;

use ahash::RandomState;
use burgee_codec::{TopicFilter, TopicFilterBuf};

use arena::Arena;

/// Up to so many filters a sorted list is the smallest.
const FEW: usize = 32;
/// A filter counts once, and once more for so many levels: each level of a wildcard filter can be a node in the index.
const LEVELS: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) enum Filters {
    Few(Vec<TopicFilterBuf>),
    Many(Box<Arena>),
}

impl Default for Filters {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// What a filter counts for in the limit of a session.
pub(crate) fn weight(filter: TopicFilter<'_>) -> u32 {
    // No filter has more levels than a string has bytes: 65,535.
    1 + u32::try_from(filter.levels().count() / LEVELS).unwrap_or(u32::MAX - 1)
}

impl Filters {
    /// Adds a filter unless it is there. The hasher counts when the filters become many; it has seeds that nobody
    /// outside can guess.
    pub(crate) fn insert(&mut self, filter: TopicFilter<'_>, hasher: &RandomState) {
        match self {
            Self::Few(list) => {
                let Err(place) = find(list, filter.as_str()) else {
                    return;
                };
                if list.len() < FEW {
                    list.insert(place, TopicFilterBuf::from(filter));
                    return;
                }
                let mut arena = Arena::new(hasher.clone(), 2 * FEW);
                for held in list.iter() {
                    arena.insert(held.as_str());
                }
                arena.insert(filter.as_str());
                *self = Self::Many(Box::new(arena));
            }
            Self::Many(arena) => arena.insert(filter.as_str()),
        }
    }

    pub(crate) fn remove(&mut self, filter: &str) {
        match self {
            Self::Few(list) => {
                if let Ok(place) = find(list, filter) {
                    list.remove(place);
                }
            }
            Self::Many(arena) => {
                arena.remove(filter);
                // Half of the way up: no flapping between the two forms at the border.
                if arena.len() <= FEW / 2 {
                    let mut list: Vec<_> = arena.iter().map(TopicFilterBuf::from).collect();
                    list.sort_unstable();
                    *self = Self::Few(list);
                }
            }
        }
    }

    pub(crate) fn contains(&self, filter: &str) -> bool {
        match self {
            Self::Few(list) => find(list, filter).is_ok(),
            Self::Many(arena) => arena.contains(filter),
        }
    }

    /// All of them, in an order that depends on the calls so far alone.
    pub(crate) fn iter(&self) -> impl Iterator<Item = TopicFilter<'_>> {
        let (few, many) = match self {
            Self::Few(list) => (Some(list.iter()), None),
            Self::Many(arena) => (None, Some(arena.iter())),
        };
        let few = few.into_iter().flatten().map(TopicFilterBuf::as_ref);
        few.chain(many.into_iter().flatten())
    }
}

fn find(list: &[TopicFilterBuf], filter: &str) -> Result<usize, usize> {
    list.binary_search_by(|held| held.as_str().cmp(filter))
}
