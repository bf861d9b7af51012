//! Short byte strings, each with a few bytes that are held for it, packed side by side in cells of a few sizes.
//!
//! Cells of one size fill pages of their own, one page after the other. When a record goes, the last one of its size
//! takes its place: there are never holes. So the bytes are those of the records, up to an eighth for the cell's size
//! and a part of one page for each size, whatever came and went; and no call moves more than one record.
//!
//! Must hold: of each size, only the last page is not full. Deliberately absent: how a record is found; whoever keeps
//! numbers of records has to follow the moves.

/// What is held for a record.
pub(crate) type Held = [u8; HELD];

pub(crate) const HELD: usize = 19;
/// Before the bytes of a record stand the number of those that are unused behind it, and what is held.
const HEAD: usize = 2 + HELD;

#[derive(Debug, Default)]
pub(crate) struct Records {
    pages: Vec<Page>,
    /// Pages that are not in use.
    free: Vec<u32>,
    /// By size class: its pages, all but the last one full.
    classes: Vec<Vec<u32>>,
    len: usize,
}

#[derive(Debug, Default)]
struct Page {
    cells: Vec<u8>,
    /// The bytes of a cell.
    size: u32,
    class: u32,
}

/// A record has another number now.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Moved {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// A record's number is that of its page and, in so many bits, that of its cell.
const CELL_BITS: u32 = 8;
/// The bytes of a page, unless one cell has more.
const PAGE: usize = 16 * 1024;
/// Numbers are below this; the bit is free for others.
pub(crate) const NUMBERS: u32 = crate::slab::NUMBERS;

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Stores the bytes of both parts, which may be some more than 65,535 in all, one behind the other. Returns the
    /// record's number; `None`, and nothing is stored, once there are two billion.
    pub(crate) fn insert(&mut self, (front, back): (&[u8], &[u8]), held: &Held) -> Option<u32> {
        let bytes = HEAD + front.len() + back.len();
        let class = class_of(bytes);
        let unused = u16::try_from(size_of_class(class) - bytes).ok()?;
        if self.classes.len() <= class {
            self.classes.resize_with(class + 1, Vec::new);
        }
        let number = self.page_with_room(class)?;
        let page = self.pages.get_mut(number as usize)?;
        let (start, size) = (page.cells.len(), page.size as usize);
        if page.cells.capacity() < start + size {
            // A first page doubles up to its end.
            page.cells.reserve_exact(start.max(size));
        }
        page.cells.extend_from_slice(&unused.to_le_bytes());
        page.cells.extend_from_slice(held);
        page.cells.extend_from_slice(front);
        page.cells.extend_from_slice(back);
        page.cells.resize(start + size, 0);
        self.len += 1;
        Some(number << CELL_BITS | u32::try_from(start / size.max(1)).ok()?)
    }

    /// Takes a record out. Another one may have its number now.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Moved> {
        let class = self.pages.get(page_of(id))?.class as usize;
        let last = *self.classes.get(class)?.last()?;
        let page = self.pages.get_mut(last as usize)?;
        let size = page.size as usize;
        let left = page.cells.len().checked_sub(size)?;
        let from = last << CELL_BITS | u32::try_from(left / size.max(1)).ok()?;
        let moved = (from != id).then_some(Moved { from, to: id });
        if let Some(moved) = moved {
            self.copy(moved);
        }
        self.len -= 1;
        self.pages.get_mut(last as usize)?.cells.truncate(left);
        if self.len == 0 {
            *self = Self::default();
        } else if left == 0 {
            self.classes.get_mut(class)?.pop();
            *self.pages.get_mut(last as usize)? = Page::default();
            self.free.push(last);
        }
        moved
    }

    /// The bytes of a record.
    pub(crate) fn bytes(&self, id: u32) -> &[u8] {
        self.record(id).map(|(bytes, _)| bytes).unwrap_or_default()
    }

    /// What is held for a record.
    pub(crate) fn held(&self, id: u32) -> Option<&Held> {
        self.record(id).map(|(_, held)| held)
    }

    pub(crate) fn held_mut(&mut self, id: u32) -> Option<&mut Held> {
        let page = self.pages.get_mut(page_of(id))?;
        let start = cell_of(id) * page.size as usize;
        page.cells.get_mut(start..)?.get_mut(2..)?.first_chunk_mut()
    }

    /// Bytes in all pages.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.pages.iter().map(|page| page.cells.capacity()).sum()
    }

    #[inline]
    fn record(&self, id: u32) -> Option<(&[u8], &Held)> {
        let page = self.pages.get(page_of(id))?;
        let (size, start) = (page.size as usize, cell_of(id) * page.size as usize);
        let (unused, rest) = page.cells.get(start..start + size)?.split_first_chunk()?;
        let (held, rest) = rest.split_first_chunk()?;
        let length = rest.len().checked_sub(usize::from(u16::from_le_bytes(*unused)))?;
        Some((rest.get(..length)?, held))
    }

    /// The last page of a class, or a new one if it is full.
    fn page_with_room(&mut self, class: usize) -> Option<u32> {
        let size = size_of_class(class);
        let full = size * cells_of(size);
        let list = self.classes.get_mut(class)?;
        if let Some(&last) = list.last()
            && self.pages.get(last as usize)?.cells.len() < full
        {
            return Some(last);
        }
        let page = Page {
            // Whoever fills one page fills another.
            cells: Vec::with_capacity(if list.is_empty() { size } else { full }),
            size: u32::try_from(size).ok()?,
            class: u32::try_from(class).ok()?,
        };
        let number = match self.free.pop() {
            Some(number) => number,
            None => u32::try_from(self.pages.len())
                .ok()
                .filter(|number| *number < (NUMBERS >> CELL_BITS) - 1)?,
        };
        list.push(number);
        match self.pages.get_mut(number as usize) {
            Some(place) => *place = page,
            None => self.pages.push(page),
        }
        Some(number)
    }

    /// Copies one cell over another of the same size.
    fn copy(&mut self, moved: Moved) {
        let (from, to) = (page_of(moved.from), page_of(moved.to));
        if from == to {
            if let Some(page) = self.pages.get_mut(to) {
                let (size, start) = (page.size as usize, cell_of(moved.from) * page.size as usize);
                page.cells.copy_within(start..start + size, cell_of(moved.to) * size);
            }
        } else if let Ok([from, to]) = self.pages.get_disjoint_mut([from, to]) {
            let size = from.size as usize;
            let (at, onto) = (cell_of(moved.from) * size, cell_of(moved.to) * size);
            if let (Some(cell), Some(place)) = (from.cells.get(at..at + size), to.cells.get_mut(onto..onto + size)) {
                place.copy_from_slice(cell);
            }
        }
    }
}

const fn page_of(id: u32) -> usize {
    (id >> CELL_BITS) as usize
}

const fn cell_of(id: u32) -> usize {
    (id & ((1 << CELL_BITS) - 1)) as usize
}

/// Sizes: in steps of four bytes up to 64, then in eight steps for each doubling.
const FINE: usize = 64;
const STEPS: usize = 8;

/// The smallest class that has room for so many bytes.
const fn class_of(bytes: usize) -> usize {
    if bytes <= FINE {
        return bytes.div_ceil(4);
    }
    // The doubling begins behind this power of two.
    let power = (bytes - 1).ilog2();
    let step = (1 << power) / STEPS;
    FINE / 4 + (power as usize - 6) * STEPS + (bytes - (1 << power)).div_ceil(step)
}

const fn size_of_class(class: usize) -> usize {
    if class <= FINE / 4 {
        return 4 * class;
    }
    let beyond = class - FINE / 4 - 1;
    let base = FINE << (beyond / STEPS);
    base + (beyond % STEPS + 1) * (base / STEPS)
}

/// How many cells of this size a page has: a power of two, so that doubling ends exactly there.
const fn cells_of(size: usize) -> usize {
    let most = 1 << CELL_BITS;
    match (PAGE / size).checked_ilog2() {
        None => 1,
        Some(power) if 1 << power > most => most,
        Some(power) => 1 << power,
    }
}

#[cfg(test)]
mod tests;
