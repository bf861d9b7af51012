//! A pair that goes on exchanging messages while the broker is busy with others: how well it is served meanwhile.
//!
//! Must hold: messages fall due by the clock, not by the broker's answers, and their age counts from then, so that a
//! broker that stalls cannot hide it. Whoever runs the busy part has to call [`Bystander::tick`] all the while, and not
//! to wait in between: each wait would be counted as the broker's.

use std::time::{Duration, Instant};

use super::outline::{Outline, float};
use crate::check::{Faults, Stream};
use crate::clock::{self, Clock};
use crate::crowd::{Crowd, News, Party};
use crate::error::Error;
use crate::histogram::{Latencies, Percentiles};
use crate::target::{Target, Ticker};
use crate::wire::{self, Frame, Mark, Payload, Template};

/// Time between two messages, in units of 100 ns: a thousand a second.
const EVERY: u64 = clock::SECOND / 1000;

/// Without a message for so long, what is still under way is lost.
const SILENCE: Duration = Duration::from_secs(2);

/// The publisher's number; the subscriber's is the other.
const PUBLISHER: usize = 0;

/// The pair.
#[derive(Debug)]
pub(crate) struct Bystander {
    crowd: Crowd,
    template: Template,
    clock: Clock,
    due: u64,
    sent: u64,
    account: Account,
}

#[derive(Debug, Default)]
struct Account {
    stream: Stream,
    latencies: Latencies,
    /// Part of the pair is gone.
    cut_off: bool,
}

impl Bystander {
    /// Connects the pair, named after the run.
    pub(crate) fn join(target: &Target, tag: &str, ticker: &mut Ticker<'_>) -> Result<Self, Error> {
        let topic = format!("bench/{tag}/bystander");
        let mut crowd = Crowd::new()?;
        let party = Party {
            count: 2,
            name: &|n| format!("b{tag}-{n}"),
            clean_session: true,
            greeting: &|n, out| match n {
                PUBLISHER => out.extend_from_slice(&wire::PINGREQ),
                _ => wire::put_subscribe(out, 1, [topic.as_str()].into_iter(), 0),
            },
            answers: 1,
        };
        crowd.gather(target, &party, ticker, &mut |_, _, _| {})?;
        Ok(Self {
            crowd,
            template: Template::new(&topic, 0, 64),
            clock: Clock::start(),
            due: 0,
            sent: 0,
            account: Account::default(),
        })
    }

    /// Sends what is due and receives what has come; never waits.
    pub(crate) fn tick(&mut self) -> Result<(), Error> {
        if !self.account.cut_off {
            self.send();
        }
        self.receive(Duration::ZERO)
    }

    /// The percentiles since the last call.
    pub(crate) fn latency(&mut self) -> Option<Percentiles> {
        let percentiles = self.account.latencies.percentiles();
        self.account.latencies.clear();
        percentiles
    }

    /// Exchanges messages for a while, with nothing else going on.
    pub(crate) fn exchange(&mut self, time: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.tick()?;
        }
        self.drain()
    }

    /// Waits for what is under way.
    pub(crate) fn drain(&mut self) -> Result<(), Error> {
        let mut last = (self.account.stream.distinct(), Instant::now());
        while self.account.stream.next() < self.sent && !self.account.cut_off && last.1.elapsed() < SILENCE {
            self.receive(Duration::from_millis(10))?;
            let now = self.account.stream.distinct();
            if now > last.0 {
                last = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// What went wrong with its messages. At QoS 0 a loss is allowed.
    pub(crate) fn faults(&self) -> Faults {
        self.account.stream.faults(self.sent)
    }

    /// Messages sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether the broker ended one of its connections.
    pub(crate) fn cut_off(&self) -> bool {
        self.account.cut_off
    }

    fn send(&mut self) {
        let now = self.clock.now();
        while self.due <= now {
            let mark = Mark {
                source: 0,
                sequence: u32::try_from(self.sent).unwrap_or(u32::MAX),
                sent_at: clock::stamp(self.due),
            };
            if let Some(out) = self.crowd.say(PUBLISHER) {
                self.template.put(out, 0, mark);
                self.sent += 1;
            }
            self.due += EVERY;
        }
    }

    fn receive(&mut self, patience: Duration) -> Result<(), Error> {
        let Self {
            crowd,
            clock,
            sent,
            account,
            ..
        } = self;
        crowd.turn(patience, |_, news, _| match news {
            News::Packet(Frame::Publish { payload, .. }) => account.note(payload, *sent, clock.now()),
            News::Gone(_) => account.cut_off = true,
            News::Established | News::Packet(_) => {}
        })
    }
}

/// Tells how the pair was served, before (`calm`) and during what everybody else did.
pub(crate) fn tell(outline: &mut Outline, bystander: &mut Bystander, calm: Option<Percentiles>, during: &str) {
    let meanwhile = bystander.latency();
    for (latency, p99, max) in [
        (calm, "bystander_calm_p99_us", "bystander_calm_max_us"),
        (meanwhile, "bystander_p99_us", "bystander_max_us"),
    ] {
        if let Some(latency) = latency {
            outline.figure(p99, latency.p99).figure(max, latency.max);
        }
    }
    let lost = bystander.faults().lost;
    outline.figure("bystander_lost", float(lost));
    if bystander.cut_off() {
        outline.warn(format!("the bystanders' connection was cut off during {during}"));
    } else if lost > 0 {
        outline.warn(format!("{lost} messages of the bystanders were lost during {during}"));
    }
}

impl Account {
    fn note(&mut self, payload: &[u8], sent: u64, now: u64) {
        match Payload::read(payload) {
            Payload::Sound(mark) if mark.source == 0 => {
                self.stream.note(u64::from(mark.sequence), sent);
                self.latencies.note(clock::sent(now, mark.sent_at).1);
            }
            Payload::Sound(_) => self.stream.note_stray(),
            Payload::Corrupt => self.stream.note_corrupted(),
        }
    }
}
