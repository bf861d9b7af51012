//! What one session is owed of one source: numbers, ascending, 8 bytes each; and what it has settled among them.
//!
//! What must hold: everything up to `floor` is settled. Above it stand the messages that are owed, in order, and, where
//! some between them are settled, the first and the last of each such run at least: no message that is owed lies
//! between these two, nor ever will, because the numbers of a source ascend.
//! Deliberately absent: sizes; the lane has them.

use std::collections::VecDeque;

use burgee_codec::QoS;

use crate::seek::seek;

/// Number and QoS, or number and "settled".
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
struct Ref(u64);

const SETTLED: u64 = 3;

impl Ref {
    const fn owed(number: u64, qos: QoS) -> Self {
        Self(number << 2 | qos.bits() as u64)
    }

    const fn settled(number: u64) -> Self {
        Self(number << 2 | SETTLED)
    }

    const fn number(self) -> u64 {
        self.0 >> 2
    }

    /// `None`: settled.
    const fn qos(self) -> Option<QoS> {
        QoS::from_bits((self.0 & 3) as u8)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Refs {
    /// Index of the source's lane.
    pub(crate) lane: u16,
    /// Whether the table of cursors has a row of it.
    pub(crate) stored: bool,
    settled: u32,
    floor: u64,
    list: VecDeque<Ref>,
}

impl Refs {
    pub(crate) const fn new(lane: u16) -> Self {
        Self::loaded(lane, 0, false)
    }

    /// As a row of the table of cursors says.
    pub(crate) const fn loaded(lane: u16, floor: u64, stored: bool) -> Self {
        Self {
            lane,
            stored,
            settled: 0,
            floor,
            list: VecDeque::new(),
        }
    }

    pub(crate) const fn floor(&self) -> u64 {
        self.floor
    }

    /// Whether this is new to it; the last word about the QoS counts.
    pub(crate) fn owe(&mut self, number: u64, qos: QoS) -> bool {
        if let Some(last) = self.list.back_mut()
            && last.number() == number
        {
            *last = Ref::owed(number, qos);
            return false;
        }
        self.list.push_back(Ref::owed(number, qos));
        true
    }

    /// Takes note of a settled message whose row is still there.
    pub(crate) fn settled_before(&mut self, number: u64) {
        if self.list.back().is_none_or(|last| last.number() < number) {
            self.list.push_back(Ref::settled(number));
            self.settled += 1;
        }
    }

    fn find(&self, number: u64) -> Option<usize> {
        let at = seek(&self.list, number, |it| it.number()).ok()?;
        self.list.get(at).filter(|it| it.qos().is_some()).map(|_| at)
    }

    pub(crate) fn owes(&self, number: u64) -> bool {
        self.find(number).is_some()
    }

    /// Whether it was owed.
    pub(crate) fn settle(&mut self, number: u64) -> bool {
        let Some(at) = self.find(number) else {
            return false;
        };
        if let Some(it) = self.list.get_mut(at) {
            *it = Ref::settled(number);
            self.settled += 1;
        }
        while let Some(first) = self.list.front().filter(|first| first.qos().is_none()) {
            self.floor = first.number();
            self.settled -= 1;
            self.list.pop_front();
        }
        if self.settled > 64 && self.settled as usize > self.list.len() / 2 {
            self.join_runs();
        }
        let (room, used) = (self.list.capacity(), self.list.len());
        if room > 256 && room / 8 >= used {
            self.list.shrink_to(used * 2);
        }
        true
    }

    /// Of each run of settled messages only the first and the last are needed.
    fn join_runs(&mut self) {
        let mut kept: VecDeque<Ref> = VecDeque::with_capacity(self.list.len());
        let mut run = 0;
        for it in self.list.drain(..) {
            run = if it.qos().is_some() { 0 } else { run + 1 };
            if run > 2 {
                kept.pop_back();
            }
            kept.push_back(it);
        }
        let settled = kept.iter().filter(|it| it.qos().is_none()).count();
        self.settled = u32::try_from(settled).unwrap_or(u32::MAX);
        self.list = kept;
    }

    /// Runs of settled messages above the floor, as first and last number.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut rest = self.list.iter().peekable();
        let any = self.settled > 0;
        std::iter::from_fn(move || {
            if !any {
                return None;
            }
            let first = rest.find(|it| it.qos().is_none())?.number();
            let mut last = first;
            while let Some(next) = rest.next_if(|it| it.qos().is_none()) {
                last = next.number();
            }
            Some((first, last))
        })
    }

    /// What is owed behind a number.
    pub(crate) fn behind(&self, number: u64) -> impl Iterator<Item = (u64, QoS)> {
        let from = match seek(&self.list, number, |it| it.number()) {
            Ok(at) => at + 1,
            Err(at) => at,
        };
        let owed = |it: &Ref| it.qos().map(|qos| (it.number(), qos));
        self.list.range(from..).filter_map(owed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: QoS = QoS::AtLeastOnce;

    fn refs(numbers: impl IntoIterator<Item = u64>) -> Refs {
        let mut refs = Refs::new(0);
        for number in numbers {
            assert!(refs.owe(number, ONE));
        }
        refs
    }

    fn owed(refs: &Refs) -> Vec<u64> {
        refs.behind(0).map(|(number, _)| number).collect()
    }

    #[test]
    fn the_last_word_about_a_qos_counts() {
        let mut refs = refs([7]);
        assert!(!refs.owe(7, QoS::ExactlyOnce));
        assert_eq!(refs.behind(0).collect::<Vec<_>>(), [(7, QoS::ExactlyOnce)]);
        assert_eq!(refs.behind(7).count(), 0);
    }

    #[test]
    fn the_floor_rises_over_what_is_settled_in_order() {
        let mut refs = refs([3, 6, 9, 12]);
        assert!(refs.settle(6) && !refs.settle(6) && !refs.settle(7));
        assert_eq!((refs.floor(), refs.runs().collect::<Vec<_>>()), (0, vec![(6, 6)]));
        assert!(refs.settle(3));
        assert_eq!((refs.floor(), refs.runs().count()), (6, 0));
        assert!(refs.settle(12) && refs.settle(9));
        assert_eq!((refs.floor(), owed(&refs)), (12, vec![]));
    }

    #[test]
    fn runs_reach_from_the_first_to_the_last() {
        let mut refs = refs(1..=10);
        for number in [4, 3, 5, 8, 10] {
            refs.settle(number);
        }
        assert_eq!(refs.runs().collect::<Vec<_>>(), [(3, 5), (8, 8), (10, 10)]);
        assert_eq!(owed(&refs), [1, 2, 6, 7, 9]);
    }

    #[test]
    fn one_message_that_stays_keeps_little() {
        let mut refs = refs(1..=100_000);
        for number in 2..=99_999 {
            assert!(refs.settle(number));
        }
        assert!(
            refs.list.len() < 200 && refs.list.capacity() < 1000,
            "{}",
            refs.list.len()
        );
        assert_eq!(refs.runs().collect::<Vec<_>>(), [(2, 99_999)]);
        assert_eq!(owed(&refs), [1, 100_000]);
        assert!(refs.settle(1));
        assert_eq!((refs.floor(), refs.runs().count()), (99_999, 0));
    }

    #[test]
    fn what_was_settled_before_comes_back_as_runs() {
        let mut refs = Refs::loaded(0, 4, true);
        refs.owe(5, ONE);
        refs.settled_before(6);
        refs.settled_before(8);
        refs.owe(9, ONE);
        assert_eq!(refs.runs().collect::<Vec<_>>(), [(6, 8)]);
        assert!(refs.settle(5));
        assert_eq!(refs.floor(), 8);
    }
}
