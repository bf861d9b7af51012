//! Very many subscriptions: what each costs while there are ever more, and what a message costs that has to find its
//! way among them.
//!
//! Must hold: which client gets which message is computed here, by a matcher of our own, before anything is published;
//! a copy too few, too many or for somebody else is a fault. Filters that the broker refused are counted and owed
//! nothing.

mod filters;
mod matcher;
mod publish;
mod subscribe;

use std::time::Duration;

use self::filters::Filters;
pub use self::filters::Mix;
use self::publish::Publishing;
use self::subscribe::Subscribing;
use super::idle::{grown, settled, with_memory};
use super::outline::{Meter, Outline, float};
use crate::crowd::{Crowd, Party};
use crate::error::Error;
use crate::feed::{self, Feed};
use crate::outcome::Outcome;
use crate::tag;
use crate::target::{Target, Ticker, Watch};

/// What to do to a broker.
#[derive(Debug, Clone)]
pub struct Subscriptions {
    /// How many filters, all different.
    pub filters: usize,
    /// How many clients share them.
    pub clients: usize,
    /// Of which kinds.
    pub mix: Mix,
    /// Filters in one SUBSCRIBE; fewer where they would make more than 64 KiB.
    pub per_packet: usize,
    /// Messages published when all is subscribed.
    pub messages: usize,
    /// QoS of subscriptions and messages.
    pub qos: u8,
    /// Bytes of one payload, 16 or more.
    pub payload: usize,
    /// Messages under way while they are published.
    pub window: u32,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            filters: 100_000,
            clients: 100,
            mix: Mix::default(),
            per_packet: 100,
            messages: 100_000,
            qos: 0,
            payload: 64,
            window: 64,
        }
    }
}

impl Subscriptions {
    /// Runs against a broker. Messages, rate, latencies and costs are those of the publishing; memory is that of the
    /// subscriptions.
    ///
    /// # Errors
    /// The clients could not connect, or were cut off while they subscribed.
    pub fn run(&self, target: &Target, watch: Watch<'_>) -> Result<Outcome, Error> {
        feed::check(self.messages, self.payload, self.qos)?;
        let filters = self.check()?;
        let mut ticker = Ticker::new(watch);
        let mut outline = self.outline();
        let mut crowd = self.gather(target, &mut ticker)?;
        let before = settled(target)?;
        let meter = Meter::begin(target)?;
        let mut subscribing = Subscribing::new(&filters, self);
        subscribing.run(&mut crowd, target, &mut ticker)?;
        let cost = meter.end();
        ticker.phase("settling", None, 0);
        let memory = (before, settled(target)?);
        subscribing.tell(&mut outline);
        if let Some(process) = cost.process {
            outline.figure(
                "cpu_us_per_subscription",
                process.cpu_seconds * 1e6 / float(self.filters as u64),
            );
        }
        if let Some(each) = grown(&mut outline, memory, self.filters as u64) {
            outline.figure("bytes_per_subscription", each);
        }
        let mut publishing = Publishing::new(&filters, self, &subscribing.refused)?;
        let name = format!("s{}-pub", tag());
        let mut feed = Feed::join(target, name, (self.qos, self.window), &mut ticker)?;
        let cost = publishing.run(target, (&mut feed, &mut crowd), &mut ticker)?;
        publishing.tell(&mut outline, &cost);
        ticker.phase("leaving", None, 0);
        crowd.leave()?;
        Ok(outline.finish(&publishing.found(), &with_memory(cost, memory.0, memory.1)))
    }

    fn check(&self) -> Result<Filters, Error> {
        let refuse = |what: &str| Err(Error::Option(what.to_owned()));
        if !(1..=20_000_000).contains(&self.filters) {
            return refuse("there are 1 to 20 million filters");
        }
        if self.clients == 0 || self.clients > self.filters {
            return refuse("there is at least one client, and a filter for each");
        }
        if self.per_packet == 0 {
            return refuse("a SUBSCRIBE has at least one filter");
        }
        Filters::new(tag().to_owned(), self.filters, self.mix)
            .ok_or_else(|| Error::Option("a mix is three percentages that make 100".to_owned()))
    }

    fn outline(&self) -> Outline {
        let mut outline = Outline::new("subscriptions");
        let Mix { exact, plus, hash } = self.mix;
        outline
            .set("filters", self.filters)
            .set("clients", self.clients)
            .set("mix", format!("{exact},{plus},{hash}"))
            .set("per_packet", self.per_packet)
            .set("messages", self.messages)
            .set("qos", self.qos)
            .set("payload", self.payload)
            .set("window", self.window);
        outline
    }

    fn gather(&self, target: &Target, ticker: &mut Ticker<'_>) -> Result<Crowd, Error> {
        let tag = tag();
        ticker.phase("connecting", Some(self.clients as u64), 0);
        let party = Party {
            count: self.clients,
            name: &|n| format!("s{tag}-{n:05}"),
            clean_session: true,
            greeting: &|_, _| {},
            answers: 0,
        };
        let mut crowd = Crowd::new()?;
        crowd.gather(target, &party, ticker, &mut |_, _, _| {})?;
        Ok(crowd)
    }
}

/// Without news for so long, what is missing is lost.
const SILENCE: Duration = Duration::from_secs(2);
