//! The publishing: messages with topics that match known subscribers.
//!
//! Must hold: each copy is accounted for by topic and client. A topic that two filters of one client match is not used:
//! a broker may deliver it once or twice, and both would be right.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::super::outline::{Cost, Found, Meter, Outline, float, per};
use super::filters::{Filters, owner};
use super::matcher::Matcher;
use super::{SILENCE, Subscriptions};
use crate::check::{Faults, Stream};
use crate::clock::{self, Clock};
use crate::crowd::{Crowd, News};
use crate::error::Error;
use crate::feed::{Feed, acknowledge};
use crate::histogram::Latencies;
use crate::target::{Target, Ticker};
use crate::wire::{self, Filler, Frame, Mark, Payload};

/// Topics used at most.
const TOPICS: usize = 1000;

/// Topics and their receivers, and what has become of the messages.
#[derive(Debug)]
pub(super) struct Publishing<'a> {
    plan: &'a Subscriptions,
    topics: Vec<Topic>,
    filler: Filler,
    clock: Clock,
    sent: u64,
    /// Copies owed for what has been sent, and given up for lost for the window's sake.
    owed: u64,
    written_off: u64,
    delivered: u64,
    distinct: u64,
    latencies: Latencies,
    others: Faults,
    cut_off: u64,
    worked: Duration,
}

#[derive(Debug)]
struct Topic {
    name: String,
    sent: u32,
    receivers: Vec<(usize, Stream)>,
}

impl<'a> Publishing<'a> {
    /// # Errors
    /// No topic has receivers that can be told apart.
    pub(super) fn new(filters: &Filters, plan: &'a Subscriptions, refused: &BTreeSet<usize>) -> Result<Self, Error> {
        let matcher = Matcher::new(filters);
        // Only devices with exact filters, where there are any: all topics shall have about as many receivers.
        let devices = (filters.devices() - 1).max(1);
        let count = TOPICS.min(devices);
        let topics = (0..count).filter_map(|n| {
            let device = n * devices / count;
            let name = filters.topic(device, device);
            let matching = matcher.matching(&name).into_iter();
            let clients: Vec<usize> = matching
                .filter(|number| !refused.contains(number))
                .map(|number| owner(number, plan.clients))
                .collect();
            let different: BTreeSet<usize> = clients.iter().copied().collect();
            let usable = !clients.is_empty() && different.len() == clients.len();
            usable.then(|| Topic {
                name,
                sent: 0,
                receivers: different
                    .into_iter()
                    .map(|client| (client, Stream::default()))
                    .collect(),
            })
        });
        let topics: Vec<Topic> = topics.collect();
        if topics.is_empty() {
            return Err(Error::Option(
                "so few clients hold so many filters that no topic has receivers which can be told apart: take more \
                 clients"
                    .to_owned(),
            ));
        }
        Ok(Self {
            plan,
            topics,
            filler: Filler::new(plan.payload),
            clock: Clock::start(),
            sent: 0,
            owed: 0,
            written_off: 0,
            delivered: 0,
            distinct: 0,
            latencies: Latencies::default(),
            others: Faults::default(),
            cut_off: 0,
            worked: Duration::ZERO,
        })
    }

    pub(super) fn run(
        &mut self,
        target: &Target,
        (feed, crowd): (&mut Feed, &mut Crowd),
        ticker: &mut Ticker<'_>,
    ) -> Result<Cost, Error> {
        let total = self.plan.messages as u64;
        ticker.phase("publishing", Some(total), 0);
        let meter = Meter::begin(target)?;
        let mut last = (0, Instant::now());
        let mut ended = meter.begun();
        loop {
            let turn = Instant::now();
            let before = (self.sent, self.delivered);
            if self.sent < total && !target.stopped() {
                self.fill(feed, total);
            } else if feed.all_confirmed() && self.distinct + self.written_off >= self.owed {
                break;
            }
            feed.turn(Duration::ZERO)?;
            crowd.turn(Duration::ZERO, |client, news, out| match news {
                News::Packet(frame) => self.hear(client, frame, out),
                News::Gone(_) => self.cut_off += 1,
                News::Established => {}
            })?;
            let now = Instant::now();
            if (self.sent, self.delivered) != before {
                // It never sleeps, since it waits for two things at once: only turns in which something happened count.
                (self.worked, ended) = (self.worked + (now - turn), now);
            }
            if self.delivered > last.0 || (self.distinct == self.owed && self.sent < total) {
                last = (self.delivered, now);
            } else if now - last.1 > SILENCE {
                self.written_off = self.owed - self.distinct.min(self.owed);
                last.1 = now;
            }
            ticker.tick(now, self.sent, || None);
        }
        let elapsed = ended - meter.begun();
        Ok(Cost {
            worked: Some(self.worked),
            elapsed,
            ..meter.end()
        })
    }

    /// Publishes as much as the window allows: of messages not confirmed, and of copies not arrived.
    fn fill(&mut self, feed: &mut Feed, total: u64) {
        let window = u64::from(self.plan.window);
        let mut room = feed.room().min(total - self.sent);
        while room > 0 && self.owed.saturating_sub(self.distinct + self.written_off) < 4 * window {
            room -= 1;
            let number = usize::try_from(self.sent).unwrap_or(usize::MAX) % self.topics.len();
            let Some(topic) = self.topics.get_mut(number) else {
                return;
            };
            let mark = Mark {
                source: u32::try_from(number).unwrap_or(u32::MAX),
                sequence: topic.sent,
                sent_at: clock::stamp(self.clock.now()),
            };
            let mut payload = Vec::with_capacity(self.plan.payload);
            self.filler.put(&mut payload, mark);
            feed.put(|out, packet| wire::put_publish(out, packet, topic.name.as_bytes(), &payload));
            topic.sent += 1;
            self.sent += 1;
            self.owed += topic.receivers.len() as u64;
        }
    }

    fn hear(&mut self, client: usize, frame: Frame<'_>, out: &mut Vec<u8>) {
        acknowledge(frame, out);
        let Frame::Publish { topic, payload, .. } = frame else {
            return;
        };
        self.delivered += 1;
        let Payload::Sound(mark) = self.filler.read(payload) else {
            self.others.corrupted += 1;
            return;
        };
        let found = usize::try_from(mark.source).ok().and_then(|n| self.topics.get_mut(n));
        let found = found.filter(|found| found.name.as_bytes() == topic);
        let Some(Topic { sent, receivers, .. }) = found else {
            self.others.stray += 1;
            return;
        };
        let Some((_, stream)) = receivers.iter_mut().find(|(receiver, _)| *receiver == client) else {
            self.others.stray += 1;
            return;
        };
        let before = stream.distinct();
        stream.note(u64::from(mark.sequence), u64::from(*sent));
        self.distinct += stream.distinct() - before;
        self.latencies.note(clock::sent(self.clock.now(), mark.sent_at).1);
    }

    pub(super) fn tell(&self, outline: &mut Outline, cost: &Cost) {
        let (sent, seconds) = (float(self.sent), cost.elapsed.as_secs_f64());
        outline
            .figure("topics", float(self.topics.len() as u64))
            .figure("receivers_per_message", per(float(self.owed), sent))
            .figure("published_per_second", per(sent, seconds));
        if let Some(process) = cost.process {
            outline.figure("cpu_us_per_published", per(process.cpu_seconds * 1e6, sent));
        }
        if self.cut_off > 0 {
            outline.warn(format!("{} clients were cut off", self.cut_off));
        }
    }

    pub(super) fn found(&self) -> Found {
        let mut faults = self.others;
        for topic in &self.topics {
            for (_, stream) in &topic.receivers {
                faults += stream.faults(u64::from(topic.sent));
            }
        }
        faults.lost = faults.lost.saturating_sub(self.others.corrupted);
        Found {
            qos: self.plan.qos,
            payload: self.plan.payload,
            sent: self.sent,
            delivered: self.delivered,
            measured: self.delivered,
            latency: self.latencies.percentiles(),
            faults,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mix;
    use super::*;

    #[test]
    fn messages_go_to_clients_of_every_number() {
        let plan = Subscriptions::default();
        let filters = Filters::new("x".to_owned(), plan.filters, Mix::default()).unwrap();
        let publishing = Publishing::new(&filters, &plan, &BTreeSet::new()).unwrap();
        let receivers = publishing.topics.iter().flat_map(|topic| &topic.receivers);
        let mut copies = vec![0; plan.clients];
        for (client, _) in receivers {
            copies[*client] += 1;
        }
        let (least, most) = (copies.iter().min().unwrap(), copies.iter().max().unwrap());
        assert!(*least > 0 && *most < 10 * least, "{copies:?}");
    }
}
