//! The costs of something that ends with a message, known to have been the last one only when a silence has followed.
//!
//! Must hold: what the broker does in that silence is not counted as the cost of the messages before it.

use std::time::{Duration, Instant};

use super::outline::{Cost, Meter};

/// So long without a message may be the end.
const LULL: Duration = Duration::from_millis(50);

/// Reads the meter when messages cease to come, and forgets it when they come again.
#[derive(Debug)]
pub(super) struct Lull<'a> {
    meter: &'a Meter,
    last: (u64, Instant),
    cost: Option<Cost>,
}

impl<'a> Lull<'a> {
    pub(super) fn new(meter: &'a Meter) -> Self {
        Self {
            meter,
            last: (0, Instant::now()),
            cost: None,
        }
    }

    /// So many messages have come by now.
    pub(super) fn look(&mut self, delivered: u64) {
        if delivered != self.last.0 {
            self.last = (delivered, Instant::now());
            self.cost = None;
        } else if self.cost.is_none() && self.last.1.elapsed() >= LULL {
            self.cost = Some(self.meter.end());
        }
    }

    /// The costs up to the last message, or shortly after it.
    pub(super) fn cost(&self) -> Cost {
        self.cost.unwrap_or_else(|| self.meter.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    #[test]
    fn a_silence_at_the_end_costs_nothing() {
        let meter = Meter::begin(&Target::new(([127, 0, 0, 1], 1).into())).unwrap();
        let mut lull = Lull::new(&meter);
        lull.look(1);
        let silence = Instant::now();
        while silence.elapsed() < 2 * LULL {
            lull.look(1);
        }
        let cost = lull.cost();
        assert!(cost.elapsed < meter.end().elapsed);
        lull.look(2);
        assert!(
            lull.cost().elapsed > cost.elapsed,
            "a message after it ends the silence"
        );
    }
}
