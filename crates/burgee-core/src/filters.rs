//! The topic filters of one session, as its client sent them.
//!
//! What must hold: each filter once; finding one costs the logarithm of their number, and so does adding one, once
//! there are many; a session with a few pays for a few. Deliberately absent: QoS; the router has it.

use std::collections::BTreeSet;

use burgee_codec::{TopicFilter, TopicFilterBuf};

/// Up to so many filters a sorted list is the smallest.
const FEW: usize = 32;
/// A filter counts once, and once more for so many levels: each level of a wildcard filter is a node in the index.
const LEVELS: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) enum Filters {
    Few(Vec<TopicFilterBuf>),
    Many(BTreeSet<TopicFilterBuf>),
}

impl Default for Filters {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// What a filter counts for in the limit of a session.
pub(crate) fn weight(filter: TopicFilter<'_>) -> usize {
    1 + filter.levels().count() / LEVELS
}

impl Filters {
    pub(crate) fn insert(&mut self, filter: TopicFilterBuf) {
        match self {
            Self::Few(list) => {
                if let Err(place) = list.binary_search(&filter) {
                    list.insert(place, filter);
                }
                if list.len() > FEW {
                    *self = Self::Many(core::mem::take(list).into_iter().collect());
                }
            }
            Self::Many(set) => {
                set.insert(filter);
            }
        }
    }

    pub(crate) fn remove(&mut self, filter: &str) {
        match self {
            Self::Few(list) => {
                if let Ok(place) = list.binary_search_by(|have| have.as_ref().as_str().cmp(filter)) {
                    list.remove(place);
                }
            }
            Self::Many(set) => {
                set.remove(filter);
            }
        }
    }

    pub(crate) fn contains(&self, filter: &str) -> bool {
        match self {
            Self::Few(list) => list.binary_search_by(|have| have.as_ref().as_str().cmp(filter)).is_ok(),
            Self::Many(set) => set.contains(filter),
        }
    }

    /// In the order of their bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = TopicFilter<'_>> {
        let (few, many) = match self {
            Self::Few(list) => (Some(list.iter()), None),
            Self::Many(set) => (None, Some(set.iter())),
        };
        let all = few.into_iter().flatten().chain(many.into_iter().flatten());
        all.map(TopicFilterBuf::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_hold_the_same() {
        let mut filters = Filters::default();
        for round in 0..3 {
            for number in (0..100).rev() {
                filters.insert(TopicFilterBuf::parse(&format!("f/{number:03}")).unwrap());
            }
            assert_eq!(filters.iter().count(), 100, "round {round}");
        }
        assert!(matches!(filters, Filters::Many(_)) && filters.contains("f/042"));
        filters.remove("f/042");
        assert!(!filters.contains("f/042"));
        let names: Vec<_> = filters.iter().map(TopicFilter::as_str).collect();
        assert!(names.is_sorted() && names.len() == 99);
    }

    #[test]
    fn a_filter_of_many_levels_counts_for_many() {
        assert_eq!(weight(TopicFilter::parse("a/b").unwrap()), 1);
        assert_eq!(weight(TopicFilter::parse(&"/".repeat(65_535)).unwrap()), 4097);
    }
}
