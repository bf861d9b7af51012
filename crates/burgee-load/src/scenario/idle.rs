//! Clients that connect, subscribe to a topic of their own, ping once, and then say nothing: what they cost.
//!
//! Must hold: memory is read when it has settled, before and after; what a broker allocates once, whoever comes, is no
//! cost of a connection, so one client comes first. At the end every client is pinged: one that was dropped is counted.

use std::time::{Duration, Instant};

use super::outline::{Cost, Found, Meter, Outline, float, per};
use crate::check::Faults;
use crate::crowd::{Crowd, News, PATIENCE, Party};
use crate::error::Error;
use crate::feed::PINGRESP;
use crate::outcome::Outcome;
use crate::tag;
use crate::target::{Target, Ticker, Watch};
use crate::usage::{self, Memory};
use crate::wire::{self, Frame};

/// What to do to a broker.
#[derive(Debug, Clone)]
pub struct Idle {
    /// How many clients stay connected.
    pub connections: usize,
    /// QoS of the one subscription of each.
    pub qos: u8,
    /// How long nobody says anything, while the broker's CPU time is measured.
    pub quiet: Duration,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            connections: 1000,
            qos: 0,
            quiet: Duration::from_secs(5),
        }
    }
}

impl Idle {
    /// Runs against a broker.
    ///
    /// # Errors
    /// Not all clients could be connected, or the run was interrupted before they were.
    pub fn run(&self, target: &Target, watch: Watch<'_>) -> Result<Outcome, Error> {
        if self.connections == 0 {
            return Err(Error::Option("idle needs at least one connection".to_owned()));
        }
        let mut ticker = Ticker::new(watch);
        let mut outline = Outline::new("idle");
        outline
            .set("connections", self.connections)
            .set("qos", self.qos)
            .set("quiet_seconds", self.quiet.as_secs_f64());
        let (mut first, mut crowd) = (Crowd::new()?, Crowd::new()?);
        self.gather(&mut first, target, ('f', 1), &mut ticker)?;
        first.leave()?;
        let before = settled(target)?;
        ticker.phase("connecting", Some(self.connections as u64), 0);
        let meter = Meter::begin(target)?;
        self.gather(&mut crowd, target, ('i', self.connections), &mut ticker)?;
        let cost = meter.end();
        ticker.phase("settling", None, 0);
        let after = settled(target)?;
        let quiet = self.rest(&mut crowd, target, &mut ticker)?;
        ticker.phase("pinging", Some(self.connections as u64), 0);
        let answered = ping(&mut crowd, self.connections, &mut ticker)?;
        if crowd.alive() == 0 {
            return Err(all_gone("the last ping"));
        }
        if let Some(each) = grown(&mut outline, (before, after), self.connections as u64) {
            outline.figure("bytes_per_connection", each);
        }
        let cost = with_memory(cost, before, after);
        self.tell(&mut outline, &cost, &quiet);
        let dropped = self.connections as u64 - answered;
        outline.figure("dropped", float(dropped));
        if dropped > 0 {
            outline.warn(format!(
                "{dropped} of {} clients had been dropped, or got no answer to their ping: not a broken promise of a \
                 QoS, but their figures are not to be trusted",
                self.connections
            ));
        }
        // Dropping clients that send their pings in time breaks no promise of a QoS, but is told.
        Ok(outline.finish(&found(self.qos), &cost))
    }

    fn gather(
        &self,
        crowd: &mut Crowd,
        target: &Target,
        (kind, count): (char, usize),
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Error> {
        let party = Party {
            count,
            name: &|n| name(kind, n),
            clean_session: true,
            greeting: &|n, out| {
                wire::put_subscribe(out, 1, [topic(kind, n).as_str()].into_iter(), self.qos);
                out.extend_from_slice(&wire::PINGREQ);
            },
            answers: 2,
        };
        crowd.gather(target, &party, ticker, &mut |_, _, _| {})
    }

    /// Nobody says anything; what the broker does meanwhile, it does for itself.
    fn rest(&self, crowd: &mut Crowd, target: &Target, ticker: &mut Ticker<'_>) -> Result<Cost, Error> {
        ticker.phase("quiet", None, 0);
        let meter = Meter::begin(target)?;
        while meter.begun().elapsed() < self.quiet && !target.stopped() {
            let left = self.quiet.saturating_sub(meter.begun().elapsed());
            crowd.turn(left.min(Duration::from_millis(100)), |_, _, _| {})?;
            if crowd.alive() == 0 {
                return Err(all_gone("the quiet time"));
            }
            ticker.tick(Instant::now(), 0, || None);
        }
        Ok(meter.end())
    }

    fn tell(&self, outline: &mut Outline, cost: &Cost, quiet: &Cost) {
        let connections = float(self.connections as u64);
        outline.figure("connects_per_second", per(connections, cost.elapsed.as_secs_f64()));
        let Some(process) = cost.process else {
            return;
        };
        let grown = |from: u64, to: u64| float(to.saturating_sub(from)) / connections;
        outline
            .figure(
                "bytes_per_connection",
                grown(process.private_before, process.private_after),
            )
            .figure(
                "resident_bytes_per_connection",
                grown(process.resident_before, process.resident_after),
            )
            .figure("cpu_us_per_client", process.cpu_seconds * 1e6 / connections);
        if let Some(process) = quiet.process {
            let milliseconds = process.cpu_seconds * 1e3;
            outline.figure("idle_cpu_ms_per_second", per(milliseconds, quiet.elapsed.as_secs_f64()));
        }
    }
}

/// First and following clients have kinds of their own.
fn name(kind: char, n: usize) -> String {
    format!("{kind}{}-{n:05}", tag())
}

fn topic(kind: char, n: usize) -> String {
    format!("bench/{}/{kind}dle/{n:05}", tag())
}

/// One client that is dropped is counted; without any, there is no broker.
fn all_gone(during: &'static str) -> Error {
    Error::Closed {
        client: "every client".to_owned(),
        during,
    }
}

/// Pings all; how many answered.
fn ping(crowd: &mut Crowd, count: usize, ticker: &mut Ticker<'_>) -> Result<u64, Error> {
    for n in 0..count {
        if let Some(out) = crowd.say(n) {
            out.extend_from_slice(&wire::PINGREQ);
        }
    }
    let (mut answered, mut last) = (0, (0, Instant::now()));
    while answered < crowd.alive() as u64 && last.1.elapsed() < PATIENCE {
        crowd.turn(Duration::from_millis(100), |_, news, _| {
            answered += u64::from(matches!(news, News::Packet(Frame::Other(PINGRESP))));
        })?;
        let now = Instant::now();
        if answered > last.0 {
            last = (answered, now);
        }
        ticker.tick(now, answered, || None);
    }
    Ok(answered)
}

/// The memory of the process once it has settled, if a process was named.
pub(super) fn settled(target: &Target) -> Result<Option<Memory>, Error> {
    let Some(process) = target.process else {
        return Ok(None);
    };
    let settled = usage::settled(process, || target.stopped());
    settled
        .map(Some)
        .map_err(|e| Error::Option(format!("process {process} cannot be read: {e}")))
}

/// What the process has grown by, shared by so many.
pub(super) fn grown(outline: &mut Outline, (before, after): (Option<Memory>, Option<Memory>), by: u64) -> Option<f64> {
    let (before, after) = (before?.private_dirty, after?.private_dirty);
    if after <= before {
        outline.warn(
            "the broker's memory did not grow: it used what it had freed before; start it afresh to measure memory",
        );
    }
    Some(float(after.saturating_sub(before)) / float(by))
}

/// Costs with the settled memory in place of what it was at the very moment.
pub(super) fn with_memory(mut cost: Cost, before: Option<Memory>, after: Option<Memory>) -> Cost {
    if let (Some(process), Some(before), Some(after)) = (&mut cost.process, before, after) {
        process.private_before = before.private_dirty;
        process.private_after = after.private_dirty;
        process.resident_before = before.resident;
        process.resident_after = after.resident;
    }
    cost
}

/// No messages.
fn found(qos: u8) -> Found {
    Found {
        qos,
        payload: 0,
        sent: 0,
        delivered: 0,
        measured: 0,
        latency: None,
        faults: Faults::default(),
    }
}

#[cfg(test)]
mod tests;
