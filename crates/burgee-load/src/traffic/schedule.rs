//! When each message of an open loop is due, and how late the generator itself was.
//!
//! Must hold: a message that could not be sent in time keeps its time. Whoever stalls, the stall is in the latencies.

use crate::clock::{self, SECOND};
use crate::histogram::{Latencies, Percentiles};

/// Messages at even distances, publishers taking turns.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Units between two messages.
    every: f64,
    begun: u64,
    next: u64,
    /// Lateness that is the generator's own, of messages sent in the measured time.
    late: Latencies,
    from: u64,
    /// The broker did not take what was due; until all is caught up with, being late is its fault.
    held: bool,
}

impl Schedule {
    pub(super) fn new(rate: f64) -> Self {
        Self {
            every: float(SECOND) / rate,
            begun: 0,
            next: 0,
            late: Latencies::default(),
            from: u64::MAX,
            held: false,
        }
    }

    /// Begins the schedule, if it has not begun.
    pub(super) fn begin(&mut self, now: u64) {
        if self.begun == 0 {
            self.begun = now.max(1);
        }
    }

    /// The number of the next message, and when it is due.
    pub(super) fn next(&self) -> (u64, u64) {
        (self.next, self.begun + self.offset(self.next))
    }

    /// The next message has been sent, at this time.
    pub(super) fn sent(&mut self, now: u64) {
        let (_, due) = self.next();
        if !self.held && now >= self.from {
            self.late.note(clock::stamp(now.saturating_sub(due)));
        }
        self.next += 1;
        if self.next().1 > now {
            self.held = false;
        }
    }

    /// The next message has nobody to send it.
    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    /// The broker does not take the next message.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Whether it is the broker that does not take what is due.
    pub(super) fn held(&self) -> bool {
        self.held
    }

    /// Messages due before `end` that have not been sent.
    pub(super) fn behind(&self, end: u64) -> u64 {
        let (_, due) = self.next();
        let units = end.saturating_sub(due);
        if units == 0 {
            return 0;
        }
        whole(float(units) / self.every).max(1)
    }

    /// Notes lateness from now on.
    pub(super) fn measure_from(&mut self, from: u64) {
        self.from = from;
        self.late.clear();
    }

    /// How late the generator was.
    pub(super) fn late(&self) -> Option<Percentiles> {
        self.late.percentiles()
    }

    fn offset(&self, number: u64) -> u64 {
        whole(float(number) * self.every)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a run has less than 2^53 units")]
fn float(n: u64) -> f64 {
    n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative; what is too large saturates"
)]
fn whole(n: f64) -> u64 {
    n as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_late_keeps_its_time() {
        let mut schedule = Schedule::new(1000.0);
        schedule.begin(500);
        schedule.measure_from(0);
        let now = 500 + 5 * SECOND;
        let mut sent = 0;
        while schedule.next().1 <= now {
            let (number, due) = schedule.next();
            assert_eq!(due, 500 + number * 10_000);
            schedule.sent(now);
            sent += 1;
        }
        assert_eq!(sent, 5001);
        let late = schedule.late().unwrap();
        assert!((late.max / 5e6 - 1.0).abs() < 0.001 && late.count == 5001, "{late:?}");
    }

    #[test]
    fn being_held_up_is_not_being_late() {
        let mut schedule = Schedule::new(1000.0);
        schedule.begin(1);
        schedule.measure_from(0);
        schedule.hold();
        (0..100).for_each(|_| schedule.sent(SECOND));
        assert_eq!(schedule.late(), None);
        assert_eq!(schedule.behind(SECOND + 1), 900);
        (0..901).for_each(|_| schedule.sent(SECOND + 1));
        schedule.sent(SECOND + 10_001);
        assert_eq!(schedule.late().unwrap().count, 1);
    }
}
