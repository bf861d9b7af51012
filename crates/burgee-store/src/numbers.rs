//! Numbers for sessions and messages that no two shards give and no restart gives again.
//!
//! What must hold: with the same `first` and `lanes` for all, the numbers of different lanes are disjoint, ascend in
//! each, and none is below `first`. Deliberately absent: memory of what was given; [`Recovered`](crate::Recovered) has it.

/// One shard's numbers: every `lanes`-th.
#[derive(Clone, Debug)]
pub struct Numbers {
    next: u64,
    step: u64,
}

impl Numbers {
    /// Those of `lane` (counted from 0) of `lanes`, from `first` on.
    #[must_use]
    pub fn new(first: u64, lane: u16, lanes: u16) -> Self {
        let step = u64::from(lanes.max(1));
        // 0 is no number: it stands for "before all others".
        let first = first.max(1);
        let ahead = (u64::from(lane) % step + step - first % step) % step;
        Self {
            next: first + ahead,
            step,
        }
    }

    /// The next one. Never the same again: at a million a second and 64 lanes they last 4,000 years.
    #[must_use = "a number that nobody uses is lost"]
    pub fn give(&mut self) -> u64 {
        let given = self.next;
        self.next = self.next.saturating_add(self.step);
        given
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn lanes_share_no_number_and_leave_none_out() {
        for first in 0..12 {
            for lanes in 1..6_u16 {
                let mut all = BTreeSet::new();
                for lane in 0..lanes {
                    let mut numbers = Numbers::new(first, lane, lanes);
                    let mut last = 0;
                    for _ in 0..10 {
                        let number = numbers.give();
                        assert!(number > last && number >= first, "{number} from {first}");
                        assert!(all.insert(number), "{number} twice");
                        last = number;
                    }
                }
                let first = first.max(1);
                assert!(all.into_iter().eq(first..first + 10 * u64::from(lanes)));
            }
        }
    }
}
