//! A bounded queue with a lane for each origin; lanes take turns.
//!
//! What must hold: one origin with a thousand logins makes another wait for one of them, not for a thousand; neither the
//! queue nor one lane grows beyond its bound, and what finds no room is given back.

use std::collections::{HashMap, VecDeque};

use crate::origin::Origin;

/// See the module.
#[derive(Debug)]
pub(super) struct Lanes<J> {
    by_origin: HashMap<Origin, VecDeque<J>>,
    /// Each lane that has something, once.
    turns: VecDeque<Origin>,
    len: usize,
    most: usize,
    most_of_one: usize,
}

impl<J> Lanes<J> {
    /// One lane may take up half of the queue.
    pub(super) fn new(most: usize) -> Self {
        Self {
            by_origin: HashMap::new(),
            turns: VecDeque::new(),
            len: 0,
            most,
            most_of_one: most.div_ceil(2),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// # Errors
    /// No room: the job itself.
    pub(super) fn push(&mut self, origin: Origin, job: J) -> Result<(), J> {
        if self.len >= self.most {
            return Err(job);
        }
        let lane = self.by_origin.entry(origin).or_default();
        if lane.len() >= self.most_of_one {
            return Err(job);
        }
        if lane.is_empty() {
            self.turns.push_back(origin);
        }
        lane.push_back(job);
        self.len += 1;
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<J> {
        let origin = self.turns.pop_front()?;
        let lane = self.by_origin.get_mut(&origin)?;
        let job = lane.pop_front()?;
        self.len -= 1;
        if lane.is_empty() {
            self.by_origin.remove(&origin);
        } else {
            self.turns.push_back(origin);
        }
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn origin(number: u32) -> Origin {
        Origin::V4(Ipv4Addr::from_bits(number))
    }

    #[test]
    fn lanes_take_turns() {
        let mut lanes = Lanes::new(100);
        for number in 0..5 {
            lanes.push(origin(1), (1, number)).unwrap();
        }
        lanes.push(origin(2), (2, 0)).unwrap();
        lanes.push(origin(2), (2, 1)).unwrap();
        lanes.push(origin(3), (3, 0)).unwrap();
        let order: Vec<_> = std::iter::from_fn(|| lanes.pop()).collect();
        let expected = [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2), (1, 3), (1, 4)];
        assert_eq!(order, expected);
        assert!(lanes.by_origin.is_empty() && lanes.turns.is_empty() && lanes.len() == 0);
    }

    #[test]
    fn neither_one_lane_nor_all_grow_beyond_their_bound() {
        let mut lanes = Lanes::new(4);
        assert_eq!(lanes.push(origin(1), 1), Ok(()));
        assert_eq!(lanes.push(origin(1), 2), Ok(()));
        assert_eq!(lanes.push(origin(1), 3), Err(3), "half of the queue is for others");
        assert_eq!(lanes.push(origin(2), 4), Ok(()));
        assert_eq!(lanes.push(origin(3), 5), Ok(()));
        assert_eq!(lanes.push(origin(4), 6), Err(6));
        assert_eq!(lanes.pop(), Some(1));
        assert_eq!(lanes.push(origin(4), 6), Ok(()));
        assert_eq!(lanes.len(), 4);
    }
}
