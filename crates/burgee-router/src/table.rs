//! A hash table of numbers that grows and shrinks in pieces: no call moves more than [`PIECE`] of them, however many
//! there are.
//!
//! The middle bits of a hash choose a piece by way of a directory; a piece that is full is split by one more bit. What
//! the numbers stand for, and how that is hashed, is the caller's business.
//!
//! Must hold: all hashes in a piece agree in as many bits as the piece was split by, and all places of the directory
//! that end in these bits name it. Deliberately absent: pieces that grow together again; an empty table forgets all,
//! and what a piece leaves behind until then is less than a hundred bytes.

use hashbrown::HashTable;

#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Numbers of pieces, by the lowest `bits` of the middle of the hash. Empty as long as the table is.
    directory: Vec<u32>,
    bits: u32,
    pieces: Vec<Piece>,
    len: usize,
}

#[derive(Debug, Default)]
struct Piece {
    /// By so many bits it was split.
    bits: u32,
    numbers: HashTable<u32>,
}

/// The most numbers in a piece: what the hash table takes that has places for 4,096.
pub(crate) const PIECE: usize = 3584;
/// The lower bits of the hash place a number within its piece, the highest tell it from its neighbours.
const MIDDLE: u32 = 32;
/// Pieces are not split further: by so many bits, hashes differ.
const MOST_BITS: u32 = 22;

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The number with this hash that is the one wanted.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let piece = self.pieces.get(self.piece_of(hash)?)?;
        piece.numbers.find(hash, |&number| is_it(number)).copied()
    }

    /// Adds a number. Of others, `hash_of` is asked for their hashes.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        if self.directory.is_empty() {
            self.directory.push(0);
            self.pieces.push(Piece::default());
        }
        self.make_room(hash, &hash_of);
        let Some(piece) = self.piece_of(hash).and_then(|at| self.pieces.get_mut(at)) else {
            return;
        };
        piece.numbers.insert_unique(hash, number, |&number| hash_of(number));
        self.len += 1;
    }

    /// Puts another number in the place of one. What it stands for has the same hash.
    pub(crate) fn replace(&mut self, hash: u64, old: u32, new: u32) {
        let piece = self.piece_of(hash).and_then(|at| self.pieces.get_mut(at));
        if let Some(held) = piece.and_then(|piece| piece.numbers.find_mut(hash, |&number| number == old)) {
            *held = new;
        }
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        let Some(piece) = self.piece_of(hash).and_then(|at| self.pieces.get_mut(at)) else {
            return;
        };
        let Ok(entry) = piece.numbers.find_entry(hash, |&held| held == number) else {
            return;
        };
        entry.remove();
        self.len -= 1;
        if self.len == 0 {
            *self = Self::default();
        } else if piece.numbers.capacity() > 4 * piece.numbers.len() + 64 {
            // Every shrinking pays for at least as many removals before it.
            let to = 2 * piece.numbers.len();
            piece.numbers.shrink_to(to, |&number| hash_of(number));
        }
    }

    /// How many numbers there is room for.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.pieces.iter().map(|piece| piece.numbers.capacity()).sum()
    }

    fn piece_of(&self, hash: u64) -> Option<usize> {
        let place = middle(hash) & (self.directory.len().checked_sub(1)?);
        self.directory.get(place).map(|&number| number as usize)
    }

    /// Splits the piece of a hash as long as it is full. Once is enough unless chance plays a trick.
    fn make_room(&mut self, hash: u64, hash_of: &impl Fn(u32) -> u64) {
        while let Some(at) = self.piece_of(hash)
            && let Some(piece) = self.pieces.get_mut(at)
            && piece.numbers.len() >= PIECE
            && piece.bits < MOST_BITS
            && let Ok(number) = u32::try_from(self.pieces.len())
        {
            self.split(at, number, middle(hash), hash_of);
        }
    }

    /// `number` is the new piece's; `place` ends in the bits of the old one.
    fn split(&mut self, at: usize, number: u32, place: usize, hash_of: &impl Fn(u32) -> u64) {
        let Some(piece) = self.pieces.get_mut(at) else { return };
        let bit = 1_usize << piece.bits;
        piece.bits += 1;
        // Room for all that will come: so each number is moved once while the table doubles.
        let old = std::mem::replace(&mut piece.numbers, HashTable::with_capacity(PIECE));
        let mut other = Piece {
            bits: piece.bits,
            numbers: HashTable::with_capacity(PIECE),
        };
        for number in old {
            let hash = hash_of(number);
            let half = if middle(hash) & bit == 0 {
                &mut *piece
            } else {
                &mut other
            };
            half.numbers.insert_unique(hash, number, |&number| hash_of(number));
        }
        if other.bits > self.bits {
            self.bits = other.bits;
            self.directory.extend_from_within(..);
        }
        self.pieces.push(other);
        let first = place & (bit - 1) | bit;
        for named in self.directory.iter_mut().skip(first).step_by(2 * bit) {
            *named = number;
        }
    }
}

fn middle(hash: u64) -> usize {
    usize::try_from(hash >> MIDDLE).unwrap_or_default()
}

#[cfg(test)]
mod tests;
