//! Clients that connect: one after the other, or all at once.
//!
//! Must hold: a time is taken from the call of `connect()` to the CONNACK, in a storm for each client by itself. Who is
//! not let in is counted and does not end the run. Sessions that were left at the broker are taken away again.

use std::io;
use std::time::{Duration, Instant};

use super::bystander::{self, Bystander};
use super::outline::{Cost, Found, Meter, Outline, float, own_cpu, per};
use crate::check::Faults;
use crate::clock;
use crate::crowd::{Crowd, News, PATIENCE, Party, forget};
use crate::error::Error;
use crate::histogram::{Latencies, Percentiles};
use crate::outcome::Outcome;
use crate::tag;
use crate::target::{Target, Ticker, Watch};
use crate::wire::{self, Frame};

/// What to do to a broker.
#[derive(Debug, Clone)]
pub struct Connect {
    /// How many clients.
    pub count: usize,
    /// Whether they come all at once. If so, another pair exchanges messages all the while.
    pub storm: bool,
    /// Whether the broker keeps their sessions. In a storm they come back to sessions they left before.
    pub persistent: bool,
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            count: 1000,
            storm: false,
            persistent: false,
        }
    }
}

/// Connections begun between two looks at what has happened.
const LAUNCHES: usize = 16;

/// A connection that stands only after so long was tried again by the kernel: that is when it sends SYN once more.
const RETRIED: Duration = Duration::from_millis(950);

/// The bystanders exchange messages for so long before the storm, for comparison.
const CALM: Duration = Duration::from_millis(500);

impl Connect {
    /// Runs against a broker.
    ///
    /// # Errors
    /// One after the other: a client was not let in. In a storm: the storm could not be made.
    pub fn run(&self, target: &Target, watch: Watch<'_>) -> Result<Outcome, Error> {
        if self.count == 0 {
            return Err(Error::Option("connect needs at least one client".to_owned()));
        }
        let mut ticker = Ticker::new(watch);
        let mut outline = Outline::new("connect");
        outline
            .set("count", self.count)
            .set("storm", self.storm)
            .set("persistent", self.persistent);
        let tag = tag();
        let outcome = if self.storm {
            self.storm(target, tag, &mut ticker, outline)
        } else {
            self.one_by_one(target, tag, &mut ticker, outline)
        };
        // Also after a failure: whatever sessions there are by now are not to stay.
        let cleaned = if self.persistent {
            forget(target, self.count, &|n| name(tag, n), &mut ticker)
        } else {
            Ok(())
        };
        let outcome = outcome?;
        cleaned?;
        Ok(outcome)
    }

    fn one_by_one(
        &self,
        target: &Target,
        tag: &str,
        ticker: &mut Ticker<'_>,
        mut outline: Outline,
    ) -> Result<Outcome, Error> {
        let mut times = Latencies::default();
        let mut crowd = Crowd::new()?;
        // One client first: what a broker does once, whoever comes, is no cost of a connection.
        one(&mut crowd, target, &format!("c{tag}-first"), true)?;
        ticker.phase("connecting", Some(self.count as u64), 0);
        let meter = Meter::begin(target)?;
        let mut done = 0;
        while done < self.count && !target.stopped() {
            let took = one(&mut crowd, target, &name(tag, done), !self.persistent)?;
            times.note(u32::try_from(clock::units(took)).unwrap_or(u32::MAX));
            done += 1;
            ticker.tick(Instant::now(), done as u64, || times.percentiles());
        }
        let cost = meter.end();
        tell(&mut outline, done, &cost, cost.elapsed);
        Ok(outline.finish(&found(times.percentiles(), 0, Faults::default()), &cost))
    }

    fn storm(
        &self,
        target: &Target,
        tag: &str,
        ticker: &mut Ticker<'_>,
        mut outline: Outline,
    ) -> Result<Outcome, Error> {
        if self.persistent {
            self.prepare(target, tag, ticker)?;
        }
        let mut bystander = Bystander::join(target, tag, ticker)?;
        ticker.phase("calm", None, 0);
        bystander.exchange(CALM)?;
        let calm = bystander.latency();
        let mut storm = Storm::new(self, tag)?;
        ticker.phase("storm", Some(self.count as u64), 0);
        let meter = Meter::begin(target)?;
        storm.blow(target, &mut bystander, ticker)?;
        let mut cost = meter.end();
        cost.worked = Some(storm.worked);
        bystander.drain()?;
        storm.crowd.leave()?;
        // Not until the meter's end: the last CONNACK tells how long the storm was.
        tell(&mut outline, storm.count.accepted, &cost, storm.last);
        storm.count.tell(&mut outline);
        outline.figure("launch_seconds", storm.launched.as_secs_f64());
        bystander::tell(&mut outline, &mut bystander, calm, "the storm");
        Ok(outline.finish(
            &found(storm.times.percentiles(), bystander.sent(), bystander.faults()),
            &cost,
        ))
    }

    /// Leaves the sessions at the broker that the storm comes back to, each with a subscription.
    fn prepare(&self, target: &Target, tag: &str, ticker: &mut Ticker<'_>) -> Result<(), Error> {
        ticker.phase("preparing sessions", Some(self.count as u64), 0);
        let party = Party {
            count: self.count,
            name: &|n| name(tag, n),
            clean_session: false,
            greeting: &|n, out| {
                let filter = format!("bench/{tag}/{n:05}");
                wire::put_subscribe(out, 1, [filter.as_str()].into_iter(), 1);
            },
            answers: 1,
        };
        let mut crowd = Crowd::new()?;
        crowd.gather(target, &party, ticker, &mut |_, _, _| {})?;
        crowd.leave()
    }
}

/// Connects one client, takes the time, and says goodbye.
fn one(crowd: &mut Crowd, target: &Target, name: &str, clean_session: bool) -> Result<Duration, Error> {
    let begun = Instant::now();
    let number = crowd.dial(target, name, clean_session)?;
    let mut answer = None;
    while answer.is_none() {
        crowd.turn(Duration::from_millis(100), |_, news, _| match news {
            News::Packet(Frame::ConnAck { code: 0, .. }) => answer = Some(Ok(begun.elapsed())),
            News::Packet(Frame::ConnAck { code, .. }) => answer = Some(Err(Error::refused(name, code))),
            News::Gone(error) => answer = Some(Err(Error::on_connection(name, "connecting", error))),
            News::Established | News::Packet(_) => {}
        })?;
        if begun.elapsed() > PATIENCE {
            return Err(Error::Silent {
                client: name.to_owned(),
                awaited: "CONNACK",
            });
        }
    }
    crowd.part(number);
    answer.unwrap_or(Err(Error::Interrupted))
}

/// All clients at once.
struct Storm<'a> {
    plan: &'a Connect,
    tag: &'a str,
    crowd: Crowd,
    /// When each called `connect()`; none once it is known what became of it.
    begun: Vec<Option<Instant>>,
    times: Latencies,
    count: Count,
    /// From the first `connect()` to the last CONNACK so far.
    last: Duration,
    /// From the first `connect()` to the last one.
    launched: Duration,
    worked: Duration,
}

/// What became of them.
#[derive(Debug, Default)]
struct Count {
    accepted: usize,
    refused: usize,
    reset: usize,
    retried: usize,
    without_session: usize,
    unanswered: usize,
}

impl<'a> Storm<'a> {
    fn new(plan: &'a Connect, tag: &'a str) -> Result<Self, Error> {
        Ok(Self {
            plan,
            tag,
            crowd: Crowd::new()?,
            begun: Vec::with_capacity(plan.count),
            times: Latencies::default(),
            count: Count::default(),
            last: Duration::ZERO,
            launched: Duration::ZERO,
            worked: Duration::ZERO,
        })
    }

    /// Begins all connections and waits for the last answer.
    fn blow(&mut self, target: &Target, bystander: &mut Bystander, ticker: &mut Ticker<'_>) -> Result<(), Error> {
        let begun = Instant::now();
        let mut progress = (0, begun);
        while self.count.settled() < self.plan.count && !target.stopped() && progress.1.elapsed() < PATIENCE {
            let spent = own_cpu();
            let launched = self.launch(target)?;
            let settled = self.count.settled();
            self.listen(begun)?;
            bystander.tick()?;
            let now = Instant::now();
            if launched > 0 {
                self.launched = now - begun;
            } else if self.count.settled() > settled {
                // It never sleeps, for the bystanders' sake: only turns in which something happened were work. To begin
                // the connections as fast as it can is the storm itself, and says nothing of who is the slower one.
                self.worked += own_cpu().saturating_sub(spent);
            }
            if self.count.settled() + self.begun.len() > progress.0 {
                progress = (self.count.settled() + self.begun.len(), now);
            }
            ticker.tick(now, self.count.accepted as u64, || self.times.percentiles());
        }
        self.count.unanswered = self.plan.count - self.count.settled();
        Ok(())
    }

    fn launch(&mut self, target: &Target) -> Result<usize, Error> {
        let from = self.begun.len();
        let to = self.plan.count.min(from + LAUNCHES);
        for n in from..to {
            self.begun.push(Some(Instant::now()));
            self.crowd.dial(target, &name(self.tag, n), !self.plan.persistent)?;
        }
        Ok(to - from)
    }

    fn listen(&mut self, storm_begun: Instant) -> Result<(), Error> {
        let Self {
            plan,
            crowd,
            begun,
            times,
            count,
            last,
            ..
        } = self;
        crowd.turn(Duration::ZERO, |number, news, _| {
            let Some(place) = begun.get_mut(number) else {
                return;
            };
            let Some(since) = place.map(|begun| begun.elapsed()) else {
                return;
            };
            match news {
                News::Established => {
                    count.retried += usize::from(since >= RETRIED);
                    return;
                }
                News::Packet(Frame::ConnAck {
                    code: 0,
                    session_present,
                }) => {
                    count.accepted += 1;
                    count.without_session += usize::from(plan.persistent && !session_present);
                    times.note(u32::try_from(clock::units(since)).unwrap_or(u32::MAX));
                    *last = storm_begun.elapsed();
                }
                News::Packet(_) => count.refused += 1,
                News::Gone(error) if error.kind() == io::ErrorKind::ConnectionRefused => count.refused += 1,
                News::Gone(_) => count.reset += 1,
            }
            *place = None;
        })
    }
}

impl Count {
    /// Those of whom is known what became of them.
    fn settled(&self) -> usize {
        self.accepted + self.refused + self.reset
    }

    fn tell(&self, outline: &mut Outline) {
        for (name, count, what) in [
            ("refused", self.refused, "clients were refused"),
            (
                "reset",
                self.reset,
                "connections were reset or closed before the CONNACK",
            ),
            ("unanswered", self.unanswered, "clients got no answer"),
            (
                "retried_by_kernel",
                self.retried,
                "connections stood only after a second or more: the broker's queue of new connections was full, and \
                 the kernel tried again",
            ),
            (
                "sessions_missing",
                self.without_session,
                "clients found their session gone",
            ),
        ] {
            outline.figure(name, float(count as u64));
            if count > 0 {
                outline.warn(format!("{count} {what}"));
            }
        }
    }
}

fn tell(outline: &mut Outline, count: usize, cost: &Cost, time: Duration) {
    let count = float(count as u64);
    outline
        .figure("connected", count)
        .figure("seconds", time.as_secs_f64())
        .figure("connects_per_second", per(count, time.as_secs_f64()));
    if let Some(process) = cost.process {
        outline.figure("cpu_us_per_connect", per(process.cpu_seconds * 1e6, count));
    }
}

fn name(tag: &str, n: usize) -> String {
    format!("c{tag}-{n:05}")
}

fn found(latency: Option<Percentiles>, sent: u64, faults: Faults) -> Found {
    Found {
        qos: 0,
        payload: 0,
        sent,
        delivered: sent - faults.lost.min(sent),
        measured: 0,
        latency,
        faults,
    }
}
