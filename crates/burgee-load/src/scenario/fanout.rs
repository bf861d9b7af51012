//! One publisher, many subscribers, one topic.

use crate::error::Error;
use crate::load::Load;
use crate::outcome::Outcome;
use crate::scenario::outline::Outline;
use crate::scenario::steady;
use crate::target::{Target, Watch};
use crate::traffic::Shape;

/// One publisher, many subscribers, one topic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FanOut {
    /// How many subscribers.
    pub subscribers: usize,
    /// How hard to press.
    pub load: Load,
}

impl Default for FanOut {
    fn default() -> Self {
        Self {
            subscribers: 1000,
            load: Load {
                window: 4,
                ..Load::default()
            },
        }
    }
}

impl FanOut {
    /// Runs it.
    ///
    /// # Errors
    /// It could not be run, and whose fault that is.
    pub fn run(&self, target: &Target, watch: Watch<'_>) -> Result<Outcome, Error> {
        let mut outline = Outline::new("fanout");
        outline.set("subscribers", self.subscribers);
        steady::run(outline, (Shape::FanOut(self.subscribers), &self.load), target, watch)
    }
}
