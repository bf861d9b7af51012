//! Messages for persistent sessions whose clients are away: kept for them, and delivered when they come back.
//!
//! Must hold: every message is confirmed by the broker before the clients come back, so that it owes each of them. The
//! sessions are taken away at the end, also when the run ends early.

use std::time::{Duration, Instant};

use super::idle::{grown, settled};
use super::lull::Lull;
use super::outline::{Cost, Found, Meter, Outline, float, per};
use crate::check::{Faults, Stream};
use crate::crowd::{Crowd, News, Party, forget};
use crate::error::Error;
use crate::feed::{self, Feed, acknowledge};
use crate::outcome::Outcome;
use crate::tag;
use crate::target::{Target, Ticker, Watch};
use crate::usage::Memory;
use crate::wire::{self, Filler, Frame, Mark, Payload};

/// What to do to a broker.
#[derive(Debug, Clone)]
pub struct Offline {
    /// How many clients are away, each with a subscription of its own.
    pub sessions: usize,
    /// How many messages wait for each of them.
    pub messages: usize,
    /// QoS of messages and subscriptions, 1 or 2: at 0 nothing has to be kept.
    pub qos: u8,
    /// Bytes of one payload, 16 or more.
    pub payload: usize,
    /// Messages not yet confirmed while they are published.
    pub window: u32,
}

impl Default for Offline {
    fn default() -> Self {
        Self {
            sessions: 10,
            messages: 1000,
            qos: 1,
            payload: 64,
            window: 64,
        }
    }
}

/// Without a message for so long, what is missing is lost.
const SILENCE: Duration = Duration::from_secs(3);

impl Offline {
    /// Runs against a broker. Messages, rate and costs are those of the delivery to the clients that have come back.
    ///
    /// # Errors
    /// The messages could not be published, or the clients could not come back.
    pub fn run(&self, target: &Target, watch: Watch<'_>) -> Result<Outcome, Error> {
        feed::check(self.sessions.saturating_mul(self.messages), self.payload, self.qos)?;
        if self.qos == 0 {
            return Err(Error::Option(
                "offline needs QoS 1 or 2: at QoS 0 a broker need not keep anything".to_owned(),
            ));
        }
        let mut ticker = Ticker::new(watch);
        let tag = tag();
        let measured = self.measure(target, tag, &mut ticker);
        let cleaned = forget(target, self.sessions, &|n| name(tag, n), &mut ticker);
        let outcome = measured?;
        cleaned?;
        Ok(outcome)
    }

    fn measure(&self, target: &Target, tag: &str, ticker: &mut Ticker<'_>) -> Result<Outcome, Error> {
        let mut outline = Outline::new("offline");
        outline
            .set("sessions", self.sessions)
            .set("messages", self.messages)
            .set("qos", self.qos)
            .set("payload", self.payload)
            .set("window", self.window);
        self.leave_sessions(target, tag, ticker)?;
        let filler = Filler::new(self.payload);
        let mut feed = Feed::join(target, format!("o{tag}-pub"), (self.qos, self.window), ticker)?;
        let total = (self.sessions * self.messages) as u64;
        ticker.phase("storing", Some(total), 0);
        let before = settled(target)?;
        let meter = Meter::begin(target)?;
        let stored = feed.pour((target, total), ticker, |n, out, packet| {
            let (session, sequence) = (n % self.sessions as u64, n / self.sessions as u64);
            let mut payload = Vec::with_capacity(self.payload);
            filler.put(&mut payload, mark(session, sequence));
            wire::put_publish(out, packet, topic(tag, session).as_bytes(), &payload);
        })?;
        let cost = meter.end();
        if stored < total {
            return Err(Error::Interrupted);
        }
        ticker.phase("settling", None, 0);
        self.tell_storing(&mut outline, &cost, (before, settled(target)?));
        let (drain, cost) = Drain::new(self, &filler).run(target, tag, ticker)?;
        drain.tell(&mut outline);
        Ok(outline.finish(&drain.found(), &cost))
    }

    /// Clients subscribe and go away; the broker keeps their sessions.
    fn leave_sessions(&self, target: &Target, tag: &str, ticker: &mut Ticker<'_>) -> Result<(), Error> {
        ticker.phase("preparing sessions", Some(self.sessions as u64), 0);
        let party = Party {
            count: self.sessions,
            name: &|n| name(tag, n),
            clean_session: false,
            greeting: &|n, out| {
                let topic = topic(tag, n as u64);
                wire::put_subscribe(out, 1, [topic.as_str()].into_iter(), self.qos);
            },
            answers: 1,
        };
        let mut crowd = Crowd::new()?;
        crowd.gather(target, &party, ticker, &mut |_, _, _| {})?;
        crowd.leave()
    }

    fn tell_storing(&self, outline: &mut Outline, cost: &Cost, memory: (Option<Memory>, Option<Memory>)) {
        let total = float((self.sessions * self.messages) as u64);
        outline.figure("stored_per_second", per(total, cost.elapsed.as_secs_f64()));
        if let Some(process) = cost.process {
            outline.figure("cpu_us_per_stored", process.cpu_seconds * 1e6 / total);
        }
        if let Some(each) = grown(outline, memory, (self.sessions * self.messages) as u64) {
            outline.figure("bytes_per_stored_message", each);
        }
    }
}

fn name(tag: &str, n: usize) -> String {
    format!("o{tag}-{n:05}")
}

fn topic(tag: &str, session: u64) -> String {
    format!("bench/{tag}/offline/{session:05}")
}

fn mark(session: u64, sequence: u64) -> Mark {
    Mark {
        source: u32::try_from(session).unwrap_or(u32::MAX),
        sequence: u32::try_from(sequence).unwrap_or(u32::MAX),
        sent_at: 0,
    }
}

/// The clients are back.
struct Drain<'a> {
    plan: &'a Offline,
    filler: &'a Filler,
    streams: Vec<Stream>,
    delivered: u64,
    /// Handshakes of QoS 2 that the broker has not finished.
    open: u64,
    /// Clients whose session was gone, and clients that were cut off.
    without_session: u64,
    cut_off: u64,
    others: Faults,
    /// From the first `connect()` to the last message so far.
    last: Duration,
}

impl<'a> Drain<'a> {
    fn new(plan: &'a Offline, filler: &'a Filler) -> Self {
        Self {
            plan,
            filler,
            streams: (0..plan.sessions).map(|_| Stream::default()).collect(),
            delivered: 0,
            open: 0,
            without_session: 0,
            cut_off: 0,
            others: Faults::default(),
            last: Duration::ZERO,
        }
    }

    fn run(mut self, target: &Target, tag: &str, ticker: &mut Ticker<'_>) -> Result<(Self, Cost), Error> {
        let total = (self.plan.sessions * self.plan.messages) as u64;
        let party = Party {
            count: self.plan.sessions,
            name: &|n| name(tag, n),
            clean_session: false,
            greeting: &|_, _| {},
            answers: 0,
        };
        let mut crowd = Crowd::new()?;
        ticker.phase("coming back", Some(self.plan.sessions as u64), 0);
        let meter = Meter::begin(target)?;
        let begun = meter.begun();
        crowd.gather(target, &party, ticker, &mut |n, frame, out| {
            self.hear(n, frame, begun, out);
        })?;
        let back = begun.elapsed();
        ticker.phase("draining", Some(total), self.delivered);
        let mut seen = Lull::new(&meter);
        while (self.distinct() < total || self.open > 0)
            && crowd.alive() > 0
            && begun.elapsed() < self.last.max(back) + SILENCE
            && !target.stopped()
        {
            crowd.turn(Duration::from_millis(100), |n, news, out| match news {
                News::Packet(frame) => self.hear(n, frame, begun, out),
                News::Gone(_) => self.cut_off += 1,
                News::Established => {}
            })?;
            seen.look(self.delivered);
            ticker.tick(Instant::now(), self.delivered, || None);
        }
        if self.cut_off == self.plan.sessions as u64 && self.distinct() < total {
            return Err(Error::Closed {
                client: "every client".to_owned(),
                during: "the delivery",
            });
        }
        let cost = Cost {
            elapsed: self.last,
            ..seen.cost()
        };
        crowd.leave()?;
        Ok((self, cost))
    }

    fn hear(&mut self, client: usize, frame: Frame<'_>, begun: Instant, out: &mut Vec<u8>) {
        acknowledge(frame, out);
        if let Frame::ConnAck { session_present, .. } = frame {
            self.without_session += u64::from(!session_present);
        }
        if let Frame::PubRel(_) = frame {
            self.open = self.open.saturating_sub(1);
        }
        let Frame::Publish { qos, payload, .. } = frame else {
            return;
        };
        self.open += u64::from(qos == 2);
        self.delivered += 1;
        self.last = begun.elapsed();
        match self.filler.read(payload) {
            Payload::Sound(mark) => {
                let stream = self.streams.get_mut(client);
                match stream.filter(|_| u64::from(mark.source) == client as u64) {
                    Some(stream) => stream.note(u64::from(mark.sequence), self.plan.messages as u64),
                    None => self.others.stray += 1,
                }
            }
            Payload::Corrupt => self.others.corrupted += 1,
        }
    }

    fn distinct(&self) -> u64 {
        self.streams.iter().map(Stream::distinct).sum()
    }

    fn faults(&self) -> Faults {
        let mut faults = self.others;
        for stream in &self.streams {
            faults += stream.faults(self.plan.messages as u64);
        }
        faults.lost = faults.lost.saturating_sub(self.others.corrupted);
        faults
    }

    fn tell(&self, outline: &mut Outline) {
        outline.figure("sessions_missing", float(self.without_session));
        if self.without_session > 0 {
            outline.warn(format!("{} clients found their session gone", self.without_session));
        }
        if self.cut_off > 0 {
            outline.warn(format!("{} clients were cut off while they drained", self.cut_off));
        }
        if self.open > 0 {
            outline.warn(format!("{} handshakes of QoS 2 were not finished", self.open));
        }
    }

    fn found(&self) -> Found {
        Found {
            qos: self.plan.qos,
            payload: self.plan.payload,
            sent: (self.plan.sessions * self.plan.messages) as u64,
            delivered: self.delivered,
            measured: self.delivered,
            latency: None,
            faults: self.faults(),
        }
    }
}
