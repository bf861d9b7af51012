//! Pairs at a fixed rate, sent when they are due: how long a message takes when the broker is not full.

use super::outline::Outline;
use super::steady;
use crate::error::Error;
use crate::load::Load;
use crate::outcome::Outcome;
use crate::target::{Target, Watch};
use crate::traffic::Shape;

/// Messages a second, if nobody says otherwise.
const RATE: f64 = 20_000.0;

/// Pairs that exchange messages at even distances in time; each counts from when it was due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// How many pairs.
    pub pairs: usize,
    /// How hard to press. The window is not used: the rate is (20,000 a second, if there is none).
    pub load: Load,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            pairs: 50,
            load: Load {
                rate: Some(RATE),
                ..Load::default()
            },
        }
    }
}

impl Latency {
    /// Runs it.
    ///
    /// # Errors
    /// It could not be run, and whose fault that is.
    pub fn run(&self, target: &Target, watch: Watch<'_>) -> Result<Outcome, Error> {
        let mut outline = Outline::new("latency");
        outline.set("pairs", self.pairs);
        let load = Load {
            rate: self.load.rate.or(Some(RATE)),
            ..self.load
        };
        steady::run(outline, (Shape::Pairs(self.pairs), &load), target, watch)
    }
}
