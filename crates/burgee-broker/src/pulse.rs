//! Whether the shards still go round: for whoever watches over the process.
//!
//! What must hold: a beat needs a whole round of every shard since the last question. A shard that waits for nothing else is
//! woken to make one; one that is stuck in a turn makes none. Deliberately absent: time; whoever asks says when.

use std::sync::Arc;

use crate::mail::Hub;

/// See the module.
pub struct Pulse {
    hub: Arc<Hub>,
    /// Rounds of each shard when it was asked last.
    seen: Vec<Option<u64>>,
}

impl Pulse {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        let seen = hub.rounds().collect();
        hub.nudge();
        Self { hub, seen }
    }

    /// Whether every shard has gone round since the last question, or has ended in order.
    pub fn beats(&mut self) -> bool {
        let now: Vec<_> = self.hub.rounds().collect();
        let beats = now
            .iter()
            .zip(&self.seen)
            .all(|(now, seen)| now.is_none() || now != seen);
        self.seen = now;
        self.hub.nudge();
        beats
    }

    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.hub.doors().counters().open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AcceptLimits;
    use crate::door::Doors;

    fn hub(shards: usize) -> (Vec<mio::Poll>, Arc<Hub>) {
        let polls: Vec<_> = (0..shards).map(|_| mio::Poll::new().unwrap()).collect();
        let waker = |poll: &mio::Poll| mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let wakers = polls.iter().map(waker).collect();
        let doors = Doors::new(Vec::new(), usize::MAX, AcceptLimits::default());
        (polls, Arc::new(Hub::new(wakers, 1024, doors)))
    }

    #[test]
    fn a_beat_needs_a_round_of_every_shard() {
        let (_polls, hub) = hub(2);
        let mut pulse = Pulse::new(Arc::clone(&hub));
        assert!(!pulse.beats(), "nobody went round");
        hub.went_round(0);
        assert!(!pulse.beats(), "one of two did not");
        hub.went_round(0);
        hub.went_round(1);
        assert!(pulse.beats());
        assert!(!pulse.beats(), "what counted once counts no more");
        hub.ended(1);
        hub.went_round(0);
        assert!(pulse.beats(), "who has ended in order is not missed");
    }

    #[test]
    fn a_shard_that_sleeps_is_woken_to_go_round() {
        let (_polls, hub) = hub(1);
        let mut pulse = Pulse::new(Arc::clone(&hub));
        assert!(!hub.may_sleep(0, false), "it was nudged at the beginning");
        assert!(!pulse.beats(), "nobody went round");
        assert!(!hub.may_sleep(0, false), "and is at each question");
    }
}
