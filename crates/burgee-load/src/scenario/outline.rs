//! What all scenarios have in common: meters around the measured time, and the outcome made from them.
//!
//! Must hold: a broker's process is read only at the two ends of the measured time; the generator's own cost is that
//! of the thread that runs the scenario.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::check::Faults;
use crate::error::Error;
use crate::histogram::Percentiles;
use crate::outcome::{Generator, Messages, Outcome, Process};
use crate::target::Target;
use crate::usage::{self, Memory};

/// Above this part of a core, the generator may be the limit.
const BUSY: f64 = 0.9;

/// Reads the clocks at the beginning of the measured time, and again at its end.
#[derive(Debug)]
pub(crate) struct Meter {
    process: Option<u32>,
    begin: Reading,
}

/// How the clocks stood.
#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Instant,
    own: Duration,
    process: Option<Snapshot>,
}

/// How a process stood.
#[derive(Debug, Clone, Copy)]
struct Snapshot {
    cpu: Duration,
    memory: Memory,
    switches: (u64, u64),
}

/// What the measured time cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// How long it was.
    pub(crate) elapsed: Duration,
    /// CPU time of this thread.
    pub(crate) own: Duration,
    /// The time that this thread worked, where it spins and CPU time says nothing.
    pub(crate) worked: Option<Duration>,
    /// The broker's process; messages are not known yet.
    pub(crate) process: Option<Process>,
    /// The process that was to be read and ended meanwhile.
    pub(crate) gone: Option<u32>,
}

impl Meter {
    /// Begins to measure.
    ///
    /// # Errors
    /// The process does not exist or is not ours to read.
    pub(crate) fn begin(target: &Target) -> Result<Self, Error> {
        let process = target.process;
        // Reading a large process takes time of its own: that comes before the clock is read.
        let snapshot = process.map(snapshot).transpose()?;
        let begin = Reading {
            process: snapshot,
            at: Instant::now(),
            own: own_cpu(),
        };
        Ok(Self { process, begin })
    }

    /// When it began.
    pub(crate) fn begun(&self) -> Instant {
        self.begin.at
    }

    /// Ends the measured time. A process that has ended meanwhile has no cost to tell.
    pub(crate) fn end(&self) -> Cost {
        let (own, at) = (own_cpu(), Instant::now());
        let process = self.process.and_then(|id| {
            let (before, after) = (self.begin.process?, snapshot(id).ok()?);
            Some(between(id, &before, &after))
        });
        Cost {
            elapsed: at - self.begin.at,
            own: own.saturating_sub(self.begin.own),
            worked: None,
            process,
            gone: self.process.filter(|_| process.is_none()),
        }
    }
}

fn between(id: u32, before: &Snapshot, after: &Snapshot) -> Process {
    Process {
        id,
        cpu_seconds: after.cpu.saturating_sub(before.cpu).as_secs_f64(),
        cpu_us_per_message: None,
        private_before: before.memory.private_dirty,
        private_after: after.memory.private_dirty,
        resident_before: before.memory.resident,
        resident_after: after.memory.resident,
        voluntary_switches: after.switches.0.saturating_sub(before.switches.0),
        involuntary_switches: after.switches.1.saturating_sub(before.switches.1),
    }
}

fn snapshot(process: u32) -> Result<Snapshot, Error> {
    let read = || {
        Ok(Snapshot {
            memory: usage::memory(process)?,
            switches: usage::switches(process)?,
            cpu: usage::cpu(process)?,
        })
    };
    read().map_err(|e: io::Error| Error::Option(format!("process {process} cannot be read: {e}")))
}

/// CPU time of the calling thread.
pub(crate) fn own_cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(spent.tv_sec).unwrap_or_default(),
        u32::try_from(spent.tv_nsec).unwrap_or_default(),
    )
}

/// An outcome in the making: settings first, then figures and warnings, then the rest at once.
#[derive(Debug)]
pub(crate) struct Outline {
    scenario: &'static str,
    settings: BTreeMap<&'static str, Value>,
    figures: BTreeMap<&'static str, f64>,
    warnings: Vec<String>,
    limited: bool,
    broken: bool,
}

/// What was found out about the messages of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// Whose promise is to be kept.
    pub(crate) qos: u8,
    /// Bytes of one payload.
    pub(crate) payload: usize,
    /// Messages published in the whole run.
    pub(crate) sent: u64,
    /// Copies delivered in the whole run.
    pub(crate) delivered: u64,
    /// Copies delivered in the measured time; they share the cost of the process.
    pub(crate) measured: u64,
    /// Their latencies.
    pub(crate) latency: Option<Percentiles>,
    /// What went wrong in the whole run.
    pub(crate) faults: Faults,
}

impl Outline {
    pub(crate) fn new(scenario: &'static str) -> Self {
        Self {
            scenario,
            settings: BTreeMap::new(),
            figures: BTreeMap::new(),
            warnings: Vec::new(),
            limited: false,
            broken: false,
        }
    }

    /// An option as it was used.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        self.settings.insert(name, value.into());
        self
    }

    /// A figure of the scenario's own.
    pub(crate) fn figure(&mut self, name: &'static str, value: f64) -> &mut Self {
        self.figures.insert(name, value);
        self
    }

    /// What the reader should know before believing the figures.
    pub(crate) fn warn(&mut self, what: impl Into<String>) -> &mut Self {
        self.warnings.push(what.into());
        self
    }

    /// The generator was the limit, for a reason of the scenario's own.
    pub(crate) fn limited(&mut self, why: impl Into<String>) -> &mut Self {
        self.limited = true;
        self.warn(why)
    }

    /// The broker broke its promise in a way that is no fault of a single message.
    pub(crate) fn broken(&mut self, how: impl Into<String>) -> &mut Self {
        self.broken = true;
        self.warn(how)
    }

    /// Whether that was said.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Puts everything together; judges the promise and the generator.
    pub(crate) fn finish(mut self, found: &Found, cost: &Cost) -> Outcome {
        if let Some(process) = cost.gone {
            self.warn(format!(
                "process {process} ended during the run: its costs are not known"
            ));
        }
        let generator = self.judge(cost);
        if found.qos > 0 && found.faults.lost > 0 {
            self.warn(format!(
                "{} messages of QoS {} were not delivered: a limit of the broker's queues may be why (burgee serve: \
                 --queue-messages, --queue-bytes; Mosquitto: max_queued_messages)",
                found.faults.lost, found.qos
            ));
        }
        let seconds = cost.elapsed.as_secs_f64();
        let rate = per(float(found.measured), seconds);
        let process = cost.process.map(|process| Process {
            cpu_us_per_message: (found.measured > 0).then(|| process.cpu_seconds * 1e6 / float(found.measured)),
            ..process
        });
        Outcome {
            format: 1,
            scenario: self.scenario,
            settings: self.settings,
            messages: Messages {
                sent: found.sent,
                delivered: found.delivered,
                measured: found.measured,
                seconds,
                rate,
                bytes_per_second: rate * float(found.payload as u64),
            },
            latency_us: found.latency,
            faults: found.faults,
            promise_kept: !self.broken && !found.faults.break_promise(found.qos),
            figures: self.figures,
            process,
            generator,
            warnings: self.warnings,
        }
    }

    fn judge(&mut self, cost: &Cost) -> Generator {
        let seconds = cost.elapsed.as_secs_f64();
        // Two clocks were read, one after the other.
        let busy = per(cost.worked.unwrap_or(cost.own).as_secs_f64(), seconds).min(1.0);
        let broker = cost.process.map(|process| per(process.cpu_seconds, seconds));
        if busy > BUSY && broker.is_none_or(|busy| busy < BUSY) {
            let of_broker = broker.map_or_else(
                || "how busy the broker was is not known: give its process".to_owned(),
                |busy| format!("the broker only {:.0} %", busy * 100.0),
            );
            self.limited(format!(
                "the generator was busy {:.0} % of the time ({of_broker}): it was probably the limit",
                busy * 100.0
            ));
        }
        Generator {
            cpu_seconds: cost.own.as_secs_f64(),
            busy,
            limited: self.limited,
        }
    }
}

/// A count as a figure.
#[expect(
    clippy::cast_precision_loss,
    reason = "figures are read by people; counts stay far below 2^53"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// So much a second, or whatever the second argument counts; nothing a nothing is nothing.
pub(crate) fn per(what: f64, each: f64) -> f64 {
    if each > 0.0 { what / each } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(own: u64, broker: Option<f64>) -> Cost {
        Cost {
            elapsed: Duration::from_secs(1),
            own: Duration::from_millis(own),
            worked: None,
            gone: None,
            process: broker.map(|cpu_seconds| Process {
                id: 1,
                cpu_seconds,
                cpu_us_per_message: None,
                private_before: 0,
                private_after: 0,
                resident_before: 0,
                resident_after: 0,
                voluntary_switches: 0,
                involuntary_switches: 0,
            }),
        }
    }

    fn found() -> Found {
        Found {
            qos: 0,
            payload: 64,
            sent: 1000,
            delivered: 1000,
            measured: 500,
            latency: None,
            faults: Faults::default(),
        }
    }

    #[test]
    fn a_busy_generator_beside_an_idle_broker_is_the_limit() {
        for (own, broker, limited) in [
            (950, None, true),
            (950, Some(0.5), true),
            (950, Some(0.99), false),
            (500, None, false),
            (500, Some(0.5), false),
        ] {
            let outcome = Outline::new("p2p").finish(&found(), &cost(own, broker));
            assert_eq!(outcome.generator.limited, limited, "{own} {broker:?}");
            assert_eq!(outcome.warnings.len(), usize::from(limited));
        }
    }

    #[test]
    fn nobody_is_busier_than_a_core_allows() {
        let outcome = Outline::new("p2p").finish(&found(), &cost(1001, None));
        assert!((outcome.generator.busy - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_fault_of_a_message_breaks_the_promise_too() {
        let mut outline = Outline::new("p2p");
        outline.broken("a wrong QoS");
        let outcome = outline.finish(&found(), &cost(1, None));
        assert!(!outcome.promise_kept && outcome.warnings == ["a wrong QoS"]);
    }

    #[test]
    fn a_process_that_ends_meanwhile_is_told_of() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let mut target = Target::new(([127, 0, 0, 1], 1).into());
        target.process = Some(child.id());
        let meter = Meter::begin(&target).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let outcome = Outline::new("p2p").finish(&found(), &meter.end());
        assert!(outcome.process.is_none());
        assert!(outcome.warnings[0].contains(&child.id().to_string()), "{outcome:?}");
    }

    #[test]
    fn cost_is_shared_by_what_was_delivered_meanwhile() {
        let outcome = Outline::new("p2p").finish(&found(), &cost(10, Some(0.5)));
        let process = outcome.process.unwrap();
        assert!((process.cpu_us_per_message.unwrap() - 1000.0).abs() < 1e-9);
        assert!((outcome.messages.rate - 500.0).abs() < 1e-9);
        assert!((outcome.messages.bytes_per_second - 32_000.0).abs() < 1e-9);
    }

    #[test]
    fn the_promise_is_judged_by_qos() {
        let lost = Faults {
            lost: 1,
            ..Faults::default()
        };
        for (qos, kept) in [(0, true), (1, false), (2, false)] {
            let found = Found {
                qos,
                faults: lost,
                ..found()
            };
            let outcome = Outline::new("p2p").finish(&found, &cost(1, None));
            assert_eq!(outcome.promise_kept, kept);
            let hint = outcome.warnings.iter().any(|text| text.contains("max_queued"));
            assert_eq!(hint, !kept, "a loss that is one may be that of a queue");
        }
    }

    #[test]
    fn a_meter_reads_a_process_and_this_thread() {
        let mut target = Target::new(([127, 0, 0, 1], 1).into());
        target.process = Some(std::process::id());
        let meter = Meter::begin(&target).unwrap();
        let mut sum = 0_u64;
        while meter.begun().elapsed() < Duration::from_millis(20) {
            sum = sum.wrapping_add(1);
        }
        let cost = meter.end();
        assert!(sum > 0 && cost.own > Duration::ZERO && cost.elapsed >= Duration::from_millis(20));
        assert!(cost.process.unwrap().private_after > 0);
        target.process = Some(u32::MAX);
        assert!(matches!(Meter::begin(&target), Err(Error::Option(_))));
    }
}
