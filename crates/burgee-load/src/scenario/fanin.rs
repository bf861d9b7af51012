//! Many publishers, one subscriber, one topic.

use crate::error::Error;
use crate::load::Load;
use crate::outcome::Outcome;
use crate::scenario::outline::Outline;
use crate::scenario::steady;
use crate::target::{Target, Watch};
use crate::traffic::Shape;

/// Many publishers, one subscriber, one topic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FanIn {
    /// How many publishers.
    pub publishers: usize,
    /// How hard to press.
    pub load: Load,
}

impl Default for FanIn {
    fn default() -> Self {
        Self {
            publishers: 100,
            load: Load::default(),
        }
    }
}

impl FanIn {
    /// Runs it.
    ///
    /// # Errors
    /// It could not be run, and whose fault that is.
    pub fn run(&self, target: &Target, watch: Watch<'_>) -> Result<Outcome, Error> {
        let mut outline = Outline::new("fanin");
        outline.set("publishers", self.publishers);
        steady::run(outline, (Shape::FanIn(self.publishers), &self.load), target, watch)
    }
}
