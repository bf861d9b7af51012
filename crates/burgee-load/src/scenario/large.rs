//! Large payloads from one publisher to a few subscribers: bytes, not messages, are what counts.

use super::outline::Outline;
use super::steady;
use crate::error::Error;
use crate::load::Load;
use crate::outcome::Outcome;
use crate::target::{Target, Watch};
use crate::traffic::Shape;

/// Large payloads for every subscriber.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Large {
    /// How many subscribers.
    pub subscribers: usize,
    /// How hard to press.
    pub load: Load,
}

impl Default for Large {
    fn default() -> Self {
        Self {
            subscribers: 10,
            load: Load {
                payload: 1 << 20,
                window: 2,
                ..Load::default()
            },
        }
    }
}

impl Large {
    /// Runs it.
    ///
    /// # Errors
    /// It could not be run, and whose fault that is.
    pub fn run(&self, target: &Target, watch: Watch<'_>) -> Result<Outcome, Error> {
        let mut outline = Outline::new("large");
        outline.set("subscribers", self.subscribers);
        let shape = Shape::FanOut(self.subscribers);
        let mut outcome = steady::run(outline, (shape, &self.load), target, watch)?;
        let megabytes = outcome.messages.bytes_per_second / 1e6;
        outcome.figures.insert("megabytes_per_second", megabytes);
        Ok(outcome)
    }
}
