//! Retained messages: set them, see what they take, and read them all.
//!
//! Must hold: each is confirmed before it counts as set; each reader gets each of them once, marked as retained, with
//! the bytes and under the topic it was set with; afterwards they are taken away again, also when the run ends early.
//! Deliberately absent: an order among them. None is promised.

use std::time::{Duration, Instant};

use super::bystander::{self, Bystander};
use super::idle::{grown, settled, with_memory};
use super::lull::Lull;
use super::outline::{Cost, Found, Meter, Outline, float, per};
use crate::check::{Faults, Stream};
use crate::crowd::{Crowd, News, Party};
use crate::error::Error;
use crate::feed::{self, Feed, acknowledge};
use crate::outcome::Outcome;
use crate::tag;
use crate::target::{Target, Ticker, Watch};
use crate::usage::Memory;
use crate::wire::{self, Filler, Frame, Mark, Payload};

/// What to do to a broker.
#[derive(Debug, Clone)]
pub struct Retained {
    /// How many messages, each with a topic of its own.
    pub count: usize,
    /// Bytes of one payload, 16 or more.
    pub payload: usize,
    /// QoS with which they are set and read.
    pub qos: u8,
    /// Messages not yet confirmed while they are set.
    pub window: u32,
    /// Clients that read them all, at the same time.
    pub readers: usize,
    /// Whether they stay at the broker when all is over.
    pub keep: bool,
}

impl Default for Retained {
    fn default() -> Self {
        Self {
            count: 10_000,
            payload: 64,
            qos: 1,
            window: 256,
            readers: 1,
            keep: false,
        }
    }
}

/// Without a message for so long, what is missing is lost.
const SILENCE: Duration = Duration::from_secs(3);

/// The bystanders exchange messages for so long before the reading, for comparison.
const CALM: Duration = Duration::from_millis(300);

impl Retained {
    /// Runs against a broker. Messages, rate and costs are those of the reading.
    ///
    /// # Errors
    /// They could not be set, or not be taken away again.
    pub fn run(&self, target: &Target, watch: Watch<'_>) -> Result<Outcome, Error> {
        feed::check(self.count, self.payload, self.qos)?;
        if self.readers == 0 {
            return Err(Error::Option("retained needs at least one reader".to_owned()));
        }
        let mut ticker = Ticker::new(watch);
        let tag = tag();
        let mut feed = Feed::join(target, format!("r{tag}-set"), (self.qos, self.window), &mut ticker)?;
        let topics = Topics(format!("bench/retained/{tag}"));
        let measured = self.measure(target, &topics, &mut feed, &mut ticker);
        // Without its publisher nothing can be taken away, and a broker that is gone has nothing left.
        let cleared = if self.keep || feed.failed() {
            Ok(())
        } else {
            self.clear(target, &topics, &mut feed, &mut ticker)
        };
        let outcome = measured?;
        cleared?;
        Ok(outcome)
    }

    fn measure(
        &self,
        target: &Target,
        topics: &Topics,
        feed: &mut Feed,
        ticker: &mut Ticker<'_>,
    ) -> Result<Outcome, Error> {
        let mut outline = Outline::new("retained");
        outline
            .set("count", self.count)
            .set("payload", self.payload)
            .set("qos", self.qos)
            .set("window", self.window)
            .set("readers", self.readers)
            .set("keep", self.keep);
        let filler = Filler::new(self.payload);
        ticker.phase("setting", Some(self.count as u64), 0);
        let before = settled(target)?;
        let meter = Meter::begin(target)?;
        let set = feed.pour((target, self.count as u64), ticker, |n, out, packet| {
            let mut payload = Vec::with_capacity(self.payload);
            filler.put(&mut payload, mark(n));
            put_retained(out, packet, &topics.of(n), &payload);
        })?;
        let cost = meter.end();
        if set < self.count as u64 {
            return Err(Error::Interrupted);
        }
        ticker.phase("settling", None, 0);
        let memory = (before, settled(target)?);
        self.tell_setting(&mut outline, topics, &cost, memory);
        let mut bystander = Bystander::join(target, tag(), ticker)?;
        bystander.exchange(CALM)?;
        let calm = bystander.latency();
        let reading = Reading::new(self, topics, &filler);
        let (reading, cost) = reading.run(target, &mut bystander, ticker)?;
        bystander.drain()?;
        bystander::tell(&mut outline, &mut bystander, calm, "the reading");
        reading.tell(&mut outline);
        let found = reading.found();
        Ok(outline.finish(&found, &with_memory(cost, memory.0, memory.1)))
    }

    fn tell_setting(
        &self,
        outline: &mut Outline,
        topics: &Topics,
        cost: &Cost,
        memory: (Option<Memory>, Option<Memory>),
    ) {
        let count = float(self.count as u64);
        outline.figure("set_per_second", per(count, cost.elapsed.as_secs_f64()));
        if let Some(process) = cost.process {
            outline.figure("cpu_us_per_set", process.cpu_seconds * 1e6 / count);
        }
        if let Some(each) = grown(outline, memory, self.count as u64) {
            let content = float((topics.of(0).len() + self.payload) as u64);
            outline
                .figure("bytes_per_message", each)
                .figure("topic_and_payload_bytes", content)
                .figure("overhead_bytes_per_message", each - content);
        }
    }

    /// Takes them away, whether or not the run is to be stopped: an empty payload retains nothing.
    fn clear(&self, target: &Target, topics: &Topics, feed: &mut Feed, ticker: &mut Ticker<'_>) -> Result<(), Error> {
        let count = feed.sent().min(self.count as u64);
        let target = Target::new(target.address);
        feed.hurry();
        ticker.phase("cleaning up", Some(count), 0);
        feed.pour((&target, count), ticker, |n, out, packet| {
            put_retained(out, packet, &topics.of(n), &[]);
        })?;
        Ok(())
    }
}

/// Topics by number; all have the same length.
struct Topics(String);

impl Topics {
    fn of(&self, n: u64) -> String {
        format!("{}/{n:08}", self.0)
    }

    fn all(&self) -> String {
        format!("{}/#", self.0)
    }

    fn number(&self, topic: &[u8]) -> Option<u64> {
        let rest = topic.strip_prefix(self.0.as_bytes())?.strip_prefix(b"/")?;
        std::str::from_utf8(rest).ok()?.parse().ok()
    }
}

fn mark(n: u64) -> Mark {
    Mark {
        source: 0,
        sequence: u32::try_from(n).unwrap_or(u32::MAX),
        sent_at: 0,
    }
}

fn put_retained(out: &mut Vec<u8>, packet: (u8, u16), topic: &str, payload: &[u8]) {
    let begin = out.len();
    wire::put_publish(out, packet, topic.as_bytes(), payload);
    if let Some(first) = out.get_mut(begin) {
        *first |= 1;
    }
}

/// The reading: who has got what.
struct Reading<'a> {
    plan: &'a Retained,
    topics: &'a Topics,
    filler: &'a Filler,
    streams: Vec<Stream>,
    delivered: u64,
    /// Messages without the mark of a retained one.
    unmarked: u64,
    corrupted: u64,
    stray: u64,
    /// From the subscription to the first message, and to the last one so far.
    first: Option<Duration>,
    last: Duration,
    cut_off: u64,
}

impl<'a> Reading<'a> {
    fn new(plan: &'a Retained, topics: &'a Topics, filler: &'a Filler) -> Self {
        Self {
            plan,
            topics,
            filler,
            streams: (0..plan.readers).map(|_| Stream::default()).collect(),
            delivered: 0,
            unmarked: 0,
            corrupted: 0,
            stray: 0,
            first: None,
            last: Duration::ZERO,
            cut_off: 0,
        }
    }

    fn run(
        mut self,
        target: &Target,
        bystander: &mut Bystander,
        ticker: &mut Ticker<'_>,
    ) -> Result<(Self, Cost), Error> {
        let readers = self.plan.readers;
        let mut crowd = Crowd::new()?;
        let run = tag();
        let party = Party {
            count: readers,
            name: &|n| format!("r{run}-{n}"),
            clean_session: true,
            greeting: &|_, _| {},
            answers: 0,
        };
        crowd.gather(target, &party, ticker, &mut |_, _, _| {})?;
        for n in 0..readers {
            if let Some(out) = crowd.say(n) {
                wire::put_subscribe(out, 1, [self.topics.all().as_str()].into_iter(), self.plan.qos);
            }
        }
        let wanted = (self.plan.count * readers) as u64;
        ticker.phase("reading", Some(wanted), 0);
        let meter = Meter::begin(target)?;
        let begun = Instant::now();
        let (mut worked, mut refused, mut seen) = (Duration::ZERO, None, Lull::new(&meter));
        while self.distinct() < wanted
            && crowd.alive() > 0
            && begun.elapsed() < self.last + SILENCE
            && !target.stopped()
        {
            let (turn, before) = (Instant::now(), self.delivered);
            crowd.turn(Duration::ZERO, |n, news, out| match news {
                News::Packet(Frame::SubAck { codes, .. }) if codes.iter().any(|code| *code > 2) => refused = Some(n),
                News::Packet(frame) => self.hear(n, frame, begun, out),
                News::Gone(_) => self.cut_off += 1,
                News::Established => {}
            })?;
            bystander.tick()?;
            if let Some(client) = refused {
                return Err(Error::Refused {
                    client: (party.name)(client),
                    what: "its subscription".to_owned(),
                });
            }
            let now = Instant::now();
            if self.delivered > before {
                // Up to its last message, as the time that it is a part of.
                worked += (begun + self.last).saturating_duration_since(turn);
            }
            seen.look(self.delivered);
            ticker.tick(now, self.delivered, || None);
        }
        if self.cut_off == readers as u64 && self.distinct() < wanted {
            return Err(Error::Closed {
                client: "every reader".to_owned(),
                during: "the reading",
            });
        }
        let cost = Cost {
            worked: Some(worked),
            elapsed: self.last,
            ..seen.cost()
        };
        crowd.leave()?;
        Ok((self, cost))
    }

    fn hear(&mut self, reader: usize, frame: Frame<'_>, begun: Instant, out: &mut Vec<u8>) {
        acknowledge(frame, out);
        let Frame::Publish {
            topic, payload, packet, ..
        } = frame
        else {
            return;
        };
        self.delivered += 1;
        self.last = begun.elapsed();
        self.first.get_or_insert(self.last);
        self.unmarked += u64::from(packet.first().is_none_or(|first| first & 1 == 0));
        let Payload::Sound(found) = self.filler.read(payload) else {
            self.corrupted += 1;
            return;
        };
        let number = u64::from(found.sequence);
        let stream = self.streams.get_mut(reader);
        match stream.filter(|_| self.topics.number(topic) == Some(number) && found == mark(number)) {
            Some(stream) => stream.note(number, self.plan.count as u64),
            None => self.stray += 1,
        }
    }

    fn distinct(&self) -> u64 {
        self.streams.iter().map(Stream::distinct).sum()
    }

    fn tell(&self, outline: &mut Outline) {
        if let Some(first) = self.first {
            outline.figure("first_ms", first.as_secs_f64() * 1e3);
            outline.figure("last_ms", self.last.as_secs_f64() * 1e3);
        }
        outline.figure("unmarked", float(self.unmarked));
        if self.unmarked > 0 {
            outline.warn(format!(
                "{} messages were not marked as retained, which counts as corrupted",
                self.unmarked
            ));
        }
        if self.cut_off > 0 {
            outline.warn(format!("{} readers were cut off", self.cut_off));
        }
    }

    fn found(&self) -> Found {
        let mut faults = Faults::default();
        for stream in &self.streams {
            faults += stream.faults(self.plan.count as u64);
        }
        // Nothing promises an order among retained messages of different topics.
        faults.reordered = 0;
        faults.lost = faults.lost.saturating_sub(self.corrupted);
        faults.corrupted = self.corrupted + self.unmarked;
        faults.stray += self.stray;
        Found {
            qos: self.plan.qos,
            payload: self.plan.payload,
            sent: self.plan.count as u64,
            delivered: self.delivered,
            measured: self.delivered,
            latency: None,
            faults,
        }
    }
}
