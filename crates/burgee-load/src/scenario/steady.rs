//! What scenarios of steady traffic have in common: warm up, measure, drain, tell.

use std::time::Duration;

use crate::error::Error;
use crate::load::Load;
use crate::outcome::Outcome;
use crate::scenario::outline::{Cost, Found, Meter, Outline, float};
use crate::target::{Target, Ticker, Watch};
use crate::traffic::{self, GaveUp, Plan, Shape, Summary, Traffic};

/// Above this lateness, in microseconds, the generator blurs what it measures.
const LATE: f64 = 1000.0;

/// Runs steady traffic of one shape.
pub(super) fn run(
    outline: Outline,
    (shape, load): (Shape, &Load),
    target: &Target,
    watch: Watch<'_>,
) -> Result<Outcome, Error> {
    let mut ticker = Ticker::new(watch);
    let outcome = go(outline, (shape, load), target, &mut ticker);
    without_traces(outcome, (shape, load), target, &mut ticker)
}

fn go(
    outline: Outline,
    (shape, load): (Shape, &Load),
    target: &Target,
    ticker: &mut Ticker<'_>,
) -> Result<Outcome, Error> {
    let plan = Plan {
        shape,
        load: *load,
        sleepers: 0,
    };
    let mut traffic = Traffic::connect(target, &plan, ticker)?;
    traffic.go("warm-up", load.warm_up, ticker)?;
    let (cost, measured) = measure(&mut traffic, "measuring", target, (load.duration, &mut *ticker))?;
    traffic.drain(ticker)?;
    finish(outline, load, traffic, (&cost, measured))
}

/// Removes what a run has left at the broker, whatever came of it.
pub(super) fn without_traces(
    outcome: Result<Outcome, Error>,
    (shape, load): (Shape, &Load),
    target: &Target,
    ticker: &mut Ticker<'_>,
) -> Result<Outcome, Error> {
    if !load.persistent {
        return outcome;
    }
    let cleaned = traffic::forget(target, shape, ticker);
    let outcome = outcome?;
    cleaned?;
    Ok(outcome)
}

/// Measures for so long: what it cost, and how many copies were delivered meanwhile.
pub(super) fn measure(
    traffic: &mut Traffic<'_>,
    phase: &'static str,
    target: &Target,
    (duration, ticker): (Duration, &mut Ticker<'_>),
) -> Result<(Cost, u64), Error> {
    if target.stopped() {
        return Err(Error::Interrupted);
    }
    let meter = Meter::begin(target)?;
    let (delivered, worked) = (traffic.delivered(), traffic.worked());
    traffic.measure_from(meter.begun());
    traffic.go(phase, duration, ticker)?;
    let cost = Cost {
        worked: traffic
            .worked()
            .zip(worked)
            .map(|(after, before)| after.saturating_sub(before)),
        ..meter.end()
    };
    Ok((cost, traffic.delivered() - delivered))
}

/// Tells what it came to.
pub(super) fn finish(
    mut outline: Outline,
    load: &Load,
    traffic: Traffic<'_>,
    (cost, measured): (&Cost, u64),
) -> Result<Outcome, Error> {
    if !traffic.anybody() || (traffic.over() && measured == 0) {
        return Err(Error::Closed {
            client: "every client".to_owned(),
            during: "the run",
        });
    }
    let stopped = traffic.stopped();
    let summary = traffic.end();
    settings(&mut outline, load);
    tell(&mut outline, load, &summary);
    let faults = summary.account.faults;
    if measured == 0 && !faults.any() && !outline.is_broken() {
        return Err(nothing(stopped));
    }
    if measured == 0 {
        outline.warn("no message arrived in the measured time");
    } else if summary.latency.is_none() {
        outline.warn("messages arrived in the measured time, and none of them could be timed");
    }
    let found = Found {
        qos: load.qos,
        payload: load.payload,
        sent: summary.sent,
        delivered: summary.delivered,
        measured,
        latency: summary.latency,
        faults,
    };
    Ok(outline.finish(&found, cost))
}

/// Nothing was measured, and there is nothing to say against the broker either.
fn nothing(stopped: bool) -> Error {
    if stopped {
        return Error::Interrupted;
    }
    Error::Silent {
        client: "every subscriber".to_owned(),
        awaited: "a message in the measured time",
    }
}

fn settings(outline: &mut Outline, load: &Load) {
    outline
        .set("qos", load.qos)
        .set("payload", load.payload)
        .set("persistent", load.persistent)
        .set("spin", load.never_sleeps())
        .set("warm_up", load.warm_up.as_secs_f64())
        .set("duration", load.duration.as_secs_f64());
    match load.rate {
        Some(rate) => outline.set("rate", rate),
        None => outline.set("window", load.window),
    };
}

fn tell(outline: &mut Outline, load: &Load, summary: &Summary) {
    outline.figure("connections_lost", float(summary.connections_lost));
    if let Some(first) = &summary.first_loss {
        outline.warn(format!(
            "{} connections were lost; the first was {first}",
            summary.connections_lost
        ));
    }
    doubts(outline, summary);
    if load.qos > 0 {
        outline.figure("unacknowledged", float(summary.unacknowledged));
    }
    if summary.unacknowledged > 0 {
        outline.broken(format!(
            "{} messages were never acknowledged, on connections that stood to the end",
            summary.unacknowledged
        ));
    }
    if summary.written_off > 0 {
        outline.warn(format!(
            "{} times nothing came for a second, and the window was opened again",
            summary.written_off
        ));
    }
    if summary.wrong_qos > 0 {
        outline.broken(format!(
            "{} messages came with another QoS than they were sent with and granted",
            summary.wrong_qos
        ));
    }
    lateness(outline, summary);
}

/// What nobody can say of the broker, and why.
fn doubts(outline: &mut Outline, summary: &Summary) {
    let why = match summary.gave_up {
        // Whoever interrupts it knows that.
        None | Some(GaveUp::Interrupted) => None,
        Some(GaveUp::Stalled(connections, time)) => Some(format!(
            "the broker stalled: {connections} connections had no answer to a ping, and nothing came for {:.0} s; then \
             the generator gave up waiting",
            time.as_secs_f64()
        )),
        Some(GaveUp::Endless(time)) => Some(format!(
            "messages still arrived {:.0} s after the last one was sent; then the generator gave up waiting",
            time.as_secs_f64()
        )),
    };
    if let Some(why) = why {
        outline.warn(why);
    }
    let in_doubt = summary.account.in_doubt;
    if in_doubt > 0 {
        outline.figure("in_doubt", float(in_doubt)).warn(format!(
            "{in_doubt} messages were still under way when a connection or the run ended: they are in doubt, and not \
             counted as lost"
        ));
    }
}

/// Whether an open loop sent in time, and whose fault it is if not.
fn lateness(outline: &mut Outline, summary: &Summary) {
    if let Some(late) = summary.late {
        outline.figure("late_us_p99", late.p99).figure("late_us_max", late.max);
        if late.p99 > LATE {
            outline.limited(format!(
                "messages were sent late: p99 {:.0} us; the generator was the limit",
                late.p99
            ));
        } else if late.p99_9 > LATE {
            outline.warn(format!(
                "0.1 % of the messages were sent more than {:.0} us late: p99.9 and above are partly the generator's",
                late.p99_9
            ));
        }
    }
    if summary.unsent > 0 {
        outline.figure("unsent", float(summary.unsent));
        let unsent = format!("{} messages were due and could not be sent in time", summary.unsent);
        if summary.held {
            outline.warn(format!("{unsent}: the broker did not take them"));
        } else {
            outline.limited(unsent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Account;

    fn late(held: bool) -> Summary {
        Summary {
            sent: 10,
            delivered: 10,
            account: Account::default(),
            unacknowledged: 0,
            gave_up: None,
            latency: None,
            late: None,
            unsent: 5,
            held,
            written_off: 0,
            connections_lost: 0,
            first_loss: None,
            wrong_qos: 0,
        }
    }

    #[test]
    fn a_generator_held_by_the_broker_is_not_blamed() {
        for held in [true, false] {
            let mut outline = Outline::new("latency");
            tell(&mut outline, &Load::default(), &late(held));
            let found = Found {
                qos: 0,
                payload: 64,
                sent: 10,
                delivered: 10,
                measured: 10,
                latency: None,
                faults: crate::check::Faults::default(),
            };
            let meter = Meter::begin(&Target::new(([127, 0, 0, 1], 1).into())).unwrap();
            let cost = Cost {
                own: Duration::ZERO,
                ..meter.end()
            };
            let outcome = outline.finish(&found, &cost);
            assert_eq!(outcome.generator.limited, !held, "{outcome:?}");
            assert!((outcome.figures["unsent"] - 5.0).abs() < 0.5 && outcome.warnings.len() == 1);
        }
    }
}
