//! Keeps account of what became of every message of one stream: lost, twice, out of order, never sent.
//!
//! Must hold: counts are exact, not sampled. One bit a message is all the memory this takes.

use std::ops::AddAssign;

use serde::Serialize;

/// What went wrong, in messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Sent and never received.
    pub lost: u64,
    /// Received again.
    pub duplicated: u64,
    /// First received after a later one had been.
    pub reordered: u64,
    /// Received with a check value that does not fit.
    pub corrupted: u64,
    /// Received but never sent to this subscriber.
    pub stray: u64,
}

impl Faults {
    /// Whether anything went wrong.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    /// Whether these break what a delivery at this QoS promises: at 1 nothing is lost, at 2 nothing is doubled either;
    /// at any QoS the order holds and bytes stay what they were. At QoS 0 a loss is allowed and nothing
    /// else; at QoS 1 a duplicate is.
    #[must_use]
    pub fn break_promise(&self, qos: u8) -> bool {
        self.corrupted > 0
            || self.stray > 0
            || self.reordered > 0
            || (qos >= 1 && self.lost > 0)
            || (qos != 1 && self.duplicated > 0)
    }
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.stray += other.stray;
    }
}

/// The messages of one publisher as one subscriber sees them.
#[derive(Debug, Default)]
pub struct Stream {
    seen: Vec<u64>,
    next: u64,
    distinct: u64,
    faults: Faults,
}

impl Stream {
    /// Notes the message with this sequence number, `sent` messages having been sent so far.
    pub fn note(&mut self, sequence: u64, sent: u64) {
        if sequence >= sent {
            self.faults.stray += 1;
        } else if self.first_time(sequence) {
            self.distinct += 1;
            if sequence < self.next {
                self.faults.reordered += 1;
            } else {
                self.next = sequence + 1;
            }
        } else {
            self.faults.duplicated += 1;
        }
    }

    /// Notes a message whose check value does not fit.
    pub fn note_corrupted(&mut self) {
        self.faults.corrupted += 1;
    }

    /// Notes a message that is not of this stream.
    pub fn note_stray(&mut self) {
        self.faults.stray += 1;
    }

    /// One more than the highest sequence number received. What is missing below it no longer holds the window, so
    /// that a loss is counted and does not stop the run.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Messages received, each counted once.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        self.distinct
    }

    /// The account when all is over and `sent` messages had been sent.
    #[must_use]
    pub fn faults(&self, sent: u64) -> Faults {
        Faults {
            lost: sent.saturating_sub(self.distinct),
            ..self.faults
        }
    }

    fn first_time(&mut self, sequence: u64) -> bool {
        let (word, bit) = (
            usize::try_from(sequence / 64).unwrap_or(usize::MAX),
            1_u64 << (sequence % 64),
        );
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let Some(bits) = self.seen.get_mut(word) else {
            return false;
        };
        let first = *bits & bit == 0;
        *bits |= bit;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(received: &[u64], sent: u64) -> Faults {
        let mut stream = Stream::default();
        for &sequence in received {
            stream.note(sequence, sent);
        }
        stream.faults(sent)
    }

    #[test]
    fn all_in_order_is_no_fault() {
        assert!(!after(&(0..1000).collect::<Vec<_>>(), 1000).any());
    }

    #[test]
    fn a_lost_message_is_counted() {
        assert_eq!(
            after(&[0, 1, 3, 4], 5),
            Faults {
                lost: 1,
                ..Faults::default()
            }
        );
        assert_eq!(
            after(&[0, 1, 2, 3], 5),
            Faults {
                lost: 1,
                ..Faults::default()
            },
            "the last one"
        );
        assert_eq!(
            after(&[], 5),
            Faults {
                lost: 5,
                ..Faults::default()
            },
            "all of them"
        );
    }

    #[test]
    fn a_duplicate_is_counted_each_time() {
        assert_eq!(
            after(&[0, 1, 1, 2, 0, 1], 3),
            Faults {
                duplicated: 3,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn a_swap_is_counted_and_is_no_loss() {
        assert_eq!(
            after(&[0, 2, 1, 3], 4),
            Faults {
                reordered: 1,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn a_message_never_sent_is_a_stray() {
        assert_eq!(
            after(&[0, 1, u64::MAX], 2),
            Faults {
                stray: 1,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn all_at_once() {
        let seen = after(&[0, 3, 1, 1, 64, 63, 65, 70], 70);
        assert_eq!(
            seen,
            Faults {
                lost: 64,
                duplicated: 1,
                reordered: 2,
                stray: 1,
                ..Faults::default()
            }
        );
    }
}
