//! Many filters of one session: their bytes one behind the other, and a hash table of where they begin.
//!
//! The bytes lie in pages that are filled and never grow into each other, so that many sessions that grow side by side
//! leave no holes in the heap. A filter stands as its length (two bytes) and its bytes; one that is gone has a zero as
//! its first byte, which no filter has [MQTT-4.7.3-2].
//!
//! What must hold: at most half of the bytes belong to filters that are gone (a page may be empty beside them); no
//! entry begins beyond the first 4 KiB of its page. Deliberately absent: an order of bytes.

use ahash::RandomState;
use burgee_codec::TopicFilter;
use hashbrown::HashTable;

/// A page takes entries up to here, or one longer one.
const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 12;
/// The first page begins smaller.
const FIRST_PAGE: usize = 1024;
/// Bytes before each filter: its length.
const HEAD: usize = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Arena {
    pages: Vec<Vec<u8>>,
    /// Where filters begin: the page, and in the lowest twelve bits the place in it.
    places: HashTable<u32>,
    hasher: RandomState,
    /// Bytes in all pages.
    used: usize,
    /// Those of filters that are gone.
    gone: usize,
}

impl Arena {
    /// An empty one, with a table for so many.
    pub(crate) fn new(hasher: RandomState, expected: usize) -> Self {
        Self {
            pages: Vec::new(),
            places: HashTable::with_capacity(expected),
            hasher,
            used: 0,
            gone: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn contains(&self, filter: &str) -> bool {
        let hash = self.hasher.hash_one(filter.as_bytes());
        let is_it = |&place: &u32| text_at(&self.pages, place) == filter.as_bytes();
        self.places.find(hash, is_it).is_some()
    }

    pub(crate) fn insert(&mut self, filter: &str) {
        if !self.contains(filter) {
            self.add(filter.as_bytes());
        }
    }

    pub(crate) fn remove(&mut self, filter: &str) {
        let hash = self.hasher.hash_one(filter.as_bytes());
        let pages = &self.pages;
        let is_it = |&place: &u32| text_at(pages, place) == filter.as_bytes();
        let Ok(entry) = self.places.find_entry(hash, is_it) else {
            return;
        };
        let (page, at) = parts(entry.remove().0);
        if let Some(first) = self.pages.get_mut(page).and_then(|page| page.get_mut(at + HEAD)) {
            *first = 0;
        }
        self.gone += HEAD + filter.len();
        if self.gone * 2 > self.used {
            self.rebuild();
        }
    }

    /// In the order in which they stand.
    pub(crate) fn iter(&self) -> impl Iterator<Item = TopicFilter<'_>> {
        self.texts()
            .filter_map(|text| TopicFilter::parse(core::str::from_utf8(text).ok()?).ok())
    }

    /// The bytes of all filters that are not gone.
    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let entries = self.pages.iter().flat_map(|page| {
            let mut at = 0;
            core::iter::from_fn(move || {
                let text = entry(page, at)?;
                at += HEAD + text.len();
                Some(text)
            })
        });
        entries.filter(|text| text.first() != Some(&0))
    }

    fn add(&mut self, text: &[u8]) {
        let Some(place) = self.append(text) else { return };
        let (pages, hasher) = (&self.pages, &self.hasher);
        self.places.insert_unique(hasher.hash_one(text), place, |&place| {
            hasher.hash_one(text_at(pages, place))
        });
    }

    fn append(&mut self, text: &[u8]) -> Option<u32> {
        let length = u16::try_from(text.len()).ok()?;
        let need = HEAD + text.len();
        if self.pages.last().is_none_or(|page| page.len() + need > PAGE) {
            let usual = if self.pages.is_empty() { FIRST_PAGE } else { PAGE };
            self.pages.push(Vec::with_capacity(usual.max(need)));
        }
        let number = u32::try_from(self.pages.len() - 1).ok()?;
        let page = self.pages.last_mut()?;
        let at = u32::try_from(page.len()).ok()?;
        page.extend_from_slice(&length.to_le_bytes());
        page.extend_from_slice(text);
        self.used += need;
        (number <= u32::MAX >> PAGE_BITS).then_some(number << PAGE_BITS | at)
    }

    /// Leaves out what is gone. At least as many bytes were removed before as are moved now.
    fn rebuild(&mut self) {
        let mut fresh = Self::new(self.hasher.clone(), self.len());
        for text in self.texts() {
            fresh.add(text);
        }
        *self = fresh;
    }

    /// Bytes that are held, and those of filters that are gone.
    #[cfg(test)]
    pub(crate) const fn bytes(&self) -> (usize, usize) {
        (self.used, self.gone)
    }
}

const fn parts(place: u32) -> (usize, usize) {
    ((place >> PAGE_BITS) as usize, (place & ((1 << PAGE_BITS) - 1)) as usize)
}

fn text_at(pages: &[Vec<u8>], place: u32) -> &[u8] {
    let (page, at) = parts(place);
    pages.get(page).and_then(|page| entry(page, at)).unwrap_or_default()
}

fn entry(page: &[u8], at: usize) -> Option<&[u8]> {
    let (length, rest) = page.get(at..)?.split_first_chunk::<HEAD>()?;
    rest.get(..usize::from(u16::from_le_bytes(*length)))
}
