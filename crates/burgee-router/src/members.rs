//! A sorted map from subscribers to a small value: a vector while it is short, a tree when it
//! is long, so that ten thousand subscribers of one filter can come and go without moving
//! each other about.
//!
//! Must hold: the vector is sorted by key and never longer than [`FEW`].

use std::collections::BTreeMap;

use crate::subscriber::SubscriberKey;

/// The longest vector. Shifting that many entries is still cheaper than a tree.
pub(crate) const FEW: usize = 64;

#[derive(Debug)]
pub(crate) enum Members<V> {
    Few(Vec<(SubscriberKey, V)>),
    Lots(BTreeMap<SubscriberKey, V>),
}

impl<V: Copy> Members<V> {
    /// Adds a subscriber or replaces its value; returns the value before.
    pub(crate) fn put(&mut self, key: SubscriberKey, value: V) -> Option<V> {
        match self {
            Self::Few(list) => match list.binary_search_by_key(&key, |(held, _)| *held) {
                Ok(at) => list.get_mut(at).map(|(_, held)| std::mem::replace(held, value)),
                Err(at) => {
                    list.insert(at, (key, value));
                    if list.len() > FEW {
                        *self = Self::Lots(list.drain(..).collect());
                    }
                    None
                }
            },
            Self::Lots(tree) => tree.insert(key, value),
        }
    }

    /// Takes a subscriber out; returns the value that it had.
    pub(crate) fn remove(&mut self, key: SubscriberKey) -> Option<V> {
        match self {
            Self::Few(list) => {
                let at = list.binary_search_by_key(&key, |(held, _)| *held).ok()?;
                Some(list.remove(at).1)
            }
            Self::Lots(tree) => {
                let value = tree.remove(&key)?;
                // Half of the way up: no flapping between the two forms at the border.
                if tree.len() <= FEW / 2 {
                    *self = Self::Few(std::mem::take(tree).into_iter().collect());
                }
                Some(value)
            }
        }
    }

    /// The value of a subscriber, to be changed in place.
    pub(crate) fn get_mut(&mut self, key: SubscriberKey) -> Option<&mut V> {
        match self {
            Self::Few(list) => {
                let at = list.binary_search_by_key(&key, |(held, _)| *held).ok()?;
                list.get_mut(at).map(|(_, value)| value)
            }
            Self::Lots(tree) => tree.get_mut(&key),
        }
    }

    /// Shows all members, sorted by key.
    pub(crate) fn each(&self, mut visit: impl FnMut(SubscriberKey, V)) {
        match self {
            Self::Few(list) => list.iter().for_each(|(key, value)| visit(*key, *value)),
            Self::Lots(tree) => tree.iter().for_each(|(key, value)| visit(*key, *value)),
        }
    }

    /// The only member, if there is exactly one.
    pub(crate) fn only(&self) -> Option<(SubscriberKey, V)> {
        match self {
            Self::Few(list) => match list.as_slice() {
                [one] => Some(*one),
                _ => None,
            },
            Self::Lots(_) => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(list) => list.len(),
            Self::Lots(tree) => tree.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<V> Default for Members<V> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slot: u32) -> SubscriberKey {
        SubscriberKey {
            shard: 0,
            slot,
            generation: 0,
            kept: crate::Kept::NOT,
        }
    }

    fn keys(members: &Members<u8>) -> Vec<u32> {
        let mut all = Vec::new();
        members.each(|key, _| all.push(key.slot));
        all
    }

    #[test]
    fn no_vector_grows_long_and_both_forms_keep_the_same_members() {
        let mut members = Members::default();
        // 7,919 is prime to 10,007: every slot once, in no order.
        for step in 0..10_007_u32 {
            assert_eq!(members.put(key(step * 7_919 % 10_007), 1), None);
            assert!(!matches!(&members, Members::Few(list) if list.len() > FEW));
        }
        assert_eq!(keys(&members), (0..10_007).collect::<Vec<_>>());
        assert_eq!(members.put(key(5), 2), Some(1));
        assert_eq!(members.get_mut(key(5)), Some(&mut 2));
        for step in 0..10_005_u32 {
            let slot = step * 7_919 % 10_007;
            assert_eq!(members.remove(key(slot)), Some(if slot == 5 { 2 } else { 1 }));
            assert_eq!(members.remove(key(slot)), None);
        }
        assert_eq!(members.len(), 2);
        assert_eq!(members.only(), None);
        assert!(matches!(members, Members::Few(_)));
    }
}
