//! Things in one piece of memory, named by small numbers that are used again.
//!
//! Dropping a slab is flat, however deep the structure that its numbers describe: a trie of
//! 65,535 levels must not overflow the stack when it goes.

/// The number of nothing: no lookup finds it.
pub(crate) const NONE: u32 = u32::MAX;
/// Numbers are below this; the bit is free for others.
pub(crate) const NUMBERS: u32 = 1 << 31;

#[derive(Debug)]
pub(crate) struct Slab<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T: Default> Slab<T> {
    pub(crate) fn new() -> Self {
        Self {
            items: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Stores an item and returns its number. Once two billion are stored, it is [`NONE`] and
    /// the item is gone: that many do not fit into memory anyway.
    pub(crate) fn insert(&mut self, item: T) -> u32 {
        if let Some(id) = self.free.pop() {
            if let Some(place) = self.get_mut(id) {
                *place = item;
            }
            return id;
        }
        match u32::try_from(self.items.len()) {
            Ok(id) if id < NUMBERS => {
                self.items.push(item);
                id
            }
            Ok(_) | Err(_) => NONE,
        }
    }

    /// Takes an item out. Its number may be given to another one from now on.
    pub(crate) fn remove(&mut self, id: u32) -> T {
        let Some(place) = self.get_mut(id) else {
            return T::default();
        };
        let item = std::mem::take(place);
        self.free.push(id);
        item
    }

    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.items.get(usize::try_from(id).ok()?)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.items.get_mut(usize::try_from(id).ok()?)
    }

    /// How many items are stored.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.items.len() - self.free.len()
    }
}
