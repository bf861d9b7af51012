//! The messages of one source that somebody is owed: number, size, and how many sessions owe an answer.
//!
//! What must hold: numbers ascend. An entry whose last session has settled stays in its place until the commit is
//! over, so that places do not move while it is made. Deliberately absent: bodies, and who is owed; the file has them.

use std::collections::VecDeque;

use crate::seek::seek;

/// A message: 16 bytes.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    /// Sessions that are owed it; 0: gone.
    owing: u32,
    /// Length of the body, with RETAIN in the highest bit.
    size: u32,
}

const RETAIN: u32 = 1 << 31;

impl Entry {
    pub(crate) const fn new(number: u64, bytes: u32, retain: bool) -> Self {
        let flag = if retain { RETAIN } else { 0 };
        Self {
            number,
            owing: 0,
            size: bytes & !RETAIN | flag,
        }
    }

    pub(crate) const fn owed_to(self, owing: u32) -> Self {
        Self { owing, ..self }
    }

    pub(crate) const fn bytes(self) -> u32 {
        self.size & !RETAIN
    }

    pub(crate) const fn retain(self) -> bool {
        self.size & RETAIN != 0
    }

    pub(crate) const fn lives(self) -> bool {
        self.owing > 0
    }
}

/// What is left of a message after one session has settled.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Left {
    /// Others are owed it.
    Owed,
    /// Nobody is, and its row has to go.
    Stored,
    /// Nobody is, and it was never written.
    Fresh,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) source: u16,
    entries: VecDeque<Entry>,
    /// Entries that are gone but keep their place.
    dead: usize,
    /// The first one that came with the commit that is being made.
    fresh: usize,
    /// Where the last one was released: of a message with many sessions the next is there, too.
    last: usize,
}

impl Lane {
    pub(crate) const fn new(source: u16) -> Self {
        Self {
            source,
            entries: VecDeque::new(),
            dead: 0,
            fresh: 0,
            last: 0,
        }
    }

    /// Puts it at the end; its place. `None`: its number is not above the last one.
    pub(crate) fn push(&mut self, entry: Entry) -> Option<usize> {
        if self.entries.back().is_some_and(|last| last.number >= entry.number) {
            return None;
        }
        self.entries.push_back(entry);
        Some(self.entries.len() - 1)
    }

    /// The message at a place that was given in the same commit.
    pub(crate) fn at(&self, place: usize) -> Option<Entry> {
        self.entries.get(place).copied().filter(|entry| entry.lives())
    }

    pub(crate) fn get(&self, number: u64) -> Option<Entry> {
        seek(&self.entries, number, |entry| entry.number)
            .ok()
            .and_then(|at| self.at(at))
    }

    /// Whether the number has an entry, gone or not.
    pub(crate) fn knows(&self, number: u64) -> bool {
        seek(&self.entries, number, |entry| entry.number).is_ok()
    }

    /// One session less is owed it: its place, itself, and what is left. `None`: nobody was.
    pub(crate) fn release(&mut self, number: u64) -> Option<(usize, Entry, Left)> {
        let same = self.entries.get(self.last).is_some_and(|entry| entry.number == number);
        if !same {
            self.last = seek(&self.entries, number, |entry| entry.number).ok()?;
        }
        let at = self.last;
        let entry = self.entries.get_mut(at).filter(|entry| entry.lives())?;
        entry.owing -= 1;
        let entry = *entry;
        if entry.lives() {
            return Some((at, entry, Left::Owed));
        }
        self.dead += 1;
        let left = if at < self.fresh { Left::Stored } else { Left::Fresh };
        Some((at, entry, left))
    }

    /// The first message behind a number.
    pub(crate) fn first_behind(&self, number: u64) -> Option<u64> {
        let from = match seek(&self.entries, number, |entry| entry.number) {
            Ok(at) => at + 1,
            Err(at) => at,
        };
        let mut behind = self.entries.range(from..);
        behind.find(|entry| entry.lives()).map(|entry| entry.number)
    }

    /// The commit is over: what is gone loses its place.
    pub(crate) fn clean(&mut self) {
        while self.entries.front().is_some_and(|entry| !entry.lives()) {
            self.entries.pop_front();
            self.dead -= 1;
        }
        if self.dead > 64 && self.dead > self.entries.len() / 2 {
            self.entries.retain(|entry| entry.lives());
            self.dead = 0;
        }
        if self.entries.capacity() > 4096 && self.entries.capacity() / 8 > self.entries.len() {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        self.fresh = self.entries.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(numbers: impl IntoIterator<Item = u64>) -> Lane {
        let mut lane = Lane::new(3);
        for number in numbers {
            lane.push(Entry::new(number, 10, number % 2 == 0).owed_to(2)).unwrap();
        }
        lane
    }

    #[test]
    fn an_entry_is_small_and_keeps_what_it_is_told() {
        assert_eq!(size_of::<Entry>(), 16);
        let entry = Entry::new(9, 268_435_457, true).owed_to(7);
        assert_eq!((entry.number, entry.bytes(), entry.retain()), (9, 268_435_457, true));
        assert!(entry.lives() && !Entry::new(9, 1, false).lives());
    }

    #[test]
    fn numbers_ascend() {
        let mut lane = lane([4, 8]);
        assert_eq!(lane.push(Entry::new(8, 1, false).owed_to(1)), None);
        assert_eq!(lane.push(Entry::new(7, 1, false).owed_to(1)), None);
        assert_eq!(lane.push(Entry::new(9, 1, false).owed_to(1)), Some(2));
    }

    #[test]
    fn a_message_is_gone_with_its_last_session_and_tells_whether_it_was_written() {
        let mut lane = lane([4, 8]);
        lane.clean();
        lane.push(Entry::new(9, 1, false).owed_to(1)).unwrap();
        assert_eq!(lane.release(4).map(|it| it.2), Some(Left::Owed));
        assert_eq!(lane.release(4).map(|it| it.2), Some(Left::Stored));
        assert_eq!(lane.release(4).map(|it| it.2), None);
        assert_eq!(lane.release(9).map(|it| it.2), Some(Left::Fresh));
        assert_eq!(lane.release(5).map(|it| it.2), None);
        assert!(lane.get(4).is_none() && lane.knows(4) && lane.get(8).is_some());
        assert_eq!(lane.first_behind(0), Some(8));
        assert_eq!(lane.first_behind(8), None);
        lane.clean();
        assert!(!lane.knows(4));
    }

    #[test]
    fn what_is_gone_in_the_middle_takes_no_room_for_long() {
        let mut lane = lane(1..=10_000);
        for number in 2..=10_000 {
            lane.release(number).unwrap();
            lane.release(number).unwrap();
        }
        lane.clean();
        assert!(
            lane.entries.len() < 200 && lane.entries.capacity() < 4096,
            "{}",
            lane.entries.len()
        );
        assert!(lane.get(1).is_some());
    }
}
