//! Subscribers that stop reading: what they cost the others, and what they cost the broker.
//!
//! Must hold: everybody reads first, and that rate is what the other is compared with. When all is over the slow ones
//! read again, and what they were owed is accounted for.

use std::time::Duration;

use super::outline::{Outline, float, per};
use super::steady;
use crate::error::Error;
use crate::load::Load;
use crate::outcome::Outcome;
use crate::target::{Target, Ticker, Watch};
use crate::traffic::{Plan, Shape, Traffic};

/// One publisher, and subscribers of which some stop reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slow {
    /// How many subscribers.
    pub subscribers: usize,
    /// How many of them stop reading, for the second half of the run.
    pub stalled: usize,
    /// How hard to press. The duration is that of each half.
    pub load: Load,
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            subscribers: 100,
            stalled: 1,
            load: Load {
                // The kernel's buffers hold megabytes: small messages would not reach the broker's queue in time.
                payload: 1024,
                window: 4,
                ..Load::default()
            },
        }
    }
}

impl Slow {
    /// Runs it. Messages, latencies and costs are those of the half in which some do not read; latencies are those of
    /// the others.
    ///
    /// # Errors
    /// It could not be run, and whose fault that is.
    pub fn run(&self, target: &Target, watch: Watch<'_>) -> Result<Outcome, Error> {
        if self.stalled == 0 || self.stalled >= self.subscribers {
            return Err(Error::Option(
                "some subscribers stop reading, and some go on: at least one of each".to_owned(),
            ));
        }
        let mut ticker = Ticker::new(watch);
        let outcome = self.go(target, &mut ticker);
        let shape = Shape::FanOut(self.subscribers);
        steady::without_traces(outcome, (shape, &self.load), target, &mut ticker)
    }

    fn go(&self, target: &Target, ticker: &mut Ticker<'_>) -> Result<Outcome, Error> {
        let plan = Plan {
            shape: Shape::FanOut(self.subscribers),
            load: self.load,
            sleepers: self.stalled,
        };
        let mut traffic = Traffic::connect(target, &plan, ticker)?;
        traffic.go("warm-up", self.load.warm_up, ticker)?;
        let phase = (self.load.duration, &mut *ticker);
        let (before, _, _) = self.phase(&mut traffic, "all read", target, phase)?;
        traffic.fall_asleep(self.stalled);
        let phase = (self.load.duration, &mut *ticker);
        let (stalled, cost, measured) = self.phase(&mut traffic, "some stall", target, phase)?;
        traffic.wake_up();
        traffic.drain(ticker)?;
        let owed = traffic.sent();
        let late = traffic.delivered_to(0..self.stalled);
        let mut outline = Outline::new("slow");
        outline
            .set("subscribers", self.subscribers)
            .set("stalled", self.stalled)
            .figure("rate_before", before)
            .figure("rate_while_stalled", stalled)
            .figure("ratio", per(stalled, before))
            .figure("stalled_delivered", float(late))
            .figure("stalled_owed", float(owed) * float(self.stalled as u64));
        if let Some(process) = cost.process {
            let growth = float(process.private_after) - float(process.private_before);
            outline.figure("memory_growth", growth);
        }
        steady::finish(outline, &self.load, traffic, (&cost, measured))
    }

    /// The rate of those who always read, the cost, and the copies delivered.
    fn phase(
        &self,
        traffic: &mut Traffic<'_>,
        name: &'static str,
        target: &Target,
        phase: (Duration, &mut Ticker<'_>),
    ) -> Result<(f64, super::outline::Cost, u64), Error> {
        let others = self.stalled..self.subscribers;
        let before = traffic.delivered_to(others.clone());
        let (cost, measured) = steady::measure(traffic, name, target, phase)?;
        let delivered = traffic.delivered_to(others) - before;
        Ok((per(float(delivered), cost.elapsed.as_secs_f64()), cost, measured))
    }
}
