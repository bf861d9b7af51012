//! Pairs of one publisher and one subscriber, each with a topic of its own.

use crate::error::Error;
use crate::load::Load;
use crate::outcome::Outcome;
use crate::scenario::outline::Outline;
use crate::scenario::steady;
use crate::target::{Target, Watch};
use crate::traffic::Shape;

/// Pairs of one publisher and one subscriber, each with a topic of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairToPair {
    /// How many pairs.
    pub pairs: usize,
    /// How hard to press.
    pub load: Load,
}

impl Default for PairToPair {
    fn default() -> Self {
        Self {
            pairs: 50,
            load: Load::default(),
        }
    }
}

impl PairToPair {
    /// Runs it.
    ///
    /// # Errors
    /// It could not be run, and whose fault that is.
    pub fn run(&self, target: &Target, watch: Watch<'_>) -> Result<Outcome, Error> {
        let mut outline = Outline::new("p2p");
        outline.set("pairs", self.pairs);
        steady::run(outline, (Shape::Pairs(self.pairs), &self.load), target, watch)
    }
}
