//! A map for keys that mostly come in ascending order and go from the front: identifiers and serial numbers.
//!
//! What must hold: entries lie in the order of their keys, each key once. A steady stream allocates nothing; a drained one
//! gives its memory back. Deliberately absent: good times for keys in any order. An insertion moves what is on its shorter
//! side, and there are never more than identifiers.

use std::collections::VecDeque;

/// Room for so many is kept when none is left.
const KEPT: usize = 128;

/// See the module.
#[derive(Debug)]
pub(super) struct Sorted<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: Copy + Ord, V> Sorted<K, V> {
    /// Puts a value in; one that was there is replaced.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.0.back().is_none_or(|(last, _)| *last < key) {
            self.0.push_back((key, value));
            return;
        }
        match self.place(key) {
            Ok(at) => {
                if let Some((_, held)) = self.0.get_mut(at) {
                    *held = value;
                }
            }
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        let at = self.place(key).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let at = self.place(key).ok()?;
        let (_, value) = self.0.remove(at)?;
        if self.0.is_empty() && self.0.capacity() > KEPT {
            self.0 = VecDeque::new();
        }
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }

    fn place(&self, key: K) -> Result<usize, usize> {
        match self.0.front() {
            // It is mostly the first.
            Some((first, _)) if *first == key => Ok(0),
            _ => self.0.binary_search_by(|(held, _)| held.cmp(&key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map_whatever_the_order_of_keys() {
        let (mut sorted, mut model) = (Sorted::default(), std::collections::BTreeMap::new());
        // All residues of 101 come, neither ascending nor descending, and again.
        let keys = |from: u32| (0..300).map(move |step| (from + step * 37) % 101);
        for (step, key) in (0..).zip(keys(1)) {
            sorted.insert(key, step);
            model.insert(key, step);
            if step % 3 == 0 {
                let gone = (key * 7) % 101;
                assert_eq!(sorted.remove(gone), model.remove(&gone));
            }
            assert!(sorted.0.iter().map(|(key, value)| (key, value)).eq(&model));
        }
        for key in 0..102 {
            assert_eq!(sorted.get(key), model.get(&key));
            assert_eq!(sorted.remove(key), model.remove(&key));
        }
        assert!(sorted.0.is_empty());
    }

    #[test]
    fn a_steady_stream_takes_no_new_room_and_a_drained_one_keeps_little() {
        let mut sorted = Sorted::default();
        for key in 0..100_u32 {
            sorted.insert(key, ());
        }
        let room = sorted.0.capacity();
        for key in 100..10_000 {
            sorted.remove(key - 100);
            sorted.insert(key, ());
        }
        assert_eq!(sorted.0.capacity(), room);
        for key in 10_000..20_000 {
            sorted.insert(key, ());
        }
        for key in 9_900..20_000 {
            sorted.remove(key);
        }
        assert_eq!(sorted.0.capacity(), 0);
    }
}
