//! The generator against a relay that does wrong: every fault has to be counted exactly, and nothing else.
//!
//! Must hold: what the relay says it has done wrong is what the generator has seen. A generator that fails here proves
//! nothing about any broker.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::check::Faults;
use crate::error::Error;
use crate::load::Load;
use crate::outcome::Outcome;
use crate::relay::{Mischief, Relay};
use crate::scenario::{Latency, PairToPair};
use crate::target::{Live, Target, Watch};

/// What was done wrong, and what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Case {
    /// What was done wrong.
    pub what: &'static str,
    /// At which QoS.
    pub qos: u8,
    /// How often it was done.
    pub injected: u64,
    /// How often it was counted.
    pub counted: u64,
    /// Whether all of it was seen, and nothing else.
    pub ok: bool,
    /// What was seen besides, if it is not.
    pub but: Option<String>,
}

/// What the self-test came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SelfTest {
    /// Every fault at every QoS.
    pub cases: Vec<Case>,
}

impl SelfTest {
    /// Whether every fault was counted exactly.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.cases.is_empty() && self.cases.iter().all(|case| case.ok)
    }
}

/// One kind of wrong, and how it has to be seen.
#[derive(Clone, Copy)]
struct Trial {
    what: &'static str,
    mischief: Mischief,
    judge: fn(&Outcome, u64) -> Seen,
    /// From the lowest to the highest QoS at which this is allowed.
    allowed: Option<(u8, u8)>,
}

/// How often it was counted, and which faults have to be found in all.
struct Seen {
    counted: u64,
    faults: Faults,
}

/// How long the broker stalls in the last case.
const STALL: Duration = Duration::from_millis(200);

const TRIALS: [Trial; 9] = [
    Trial {
        what: "nothing",
        mischief: Mischief::None,
        judge: |outcome, _| seen(outcome.faults.lost + outcome.faults.duplicated, |_| {}),
        allowed: Some((0, 2)),
    },
    Trial {
        what: "lose a message",
        mischief: Mischief::Lose,
        judge: |outcome, injected| seen(outcome.faults.lost, |all| all.lost = injected),
        allowed: Some((0, 0)),
    },
    Trial {
        what: "deliver it twice",
        mischief: Mischief::Repeat,
        judge: |outcome, injected| seen(outcome.faults.duplicated, |all| all.duplicated = injected),
        allowed: Some((1, 1)),
    },
    Trial {
        what: "swap two messages",
        mischief: Mischief::Swap,
        judge: |outcome, injected| seen(outcome.faults.reordered, |all| all.reordered = injected),
        allowed: None,
    },
    Trial {
        what: "change one bit",
        mischief: Mischief::Corrupt,
        judge: |outcome, injected| seen(outcome.faults.corrupted, |all| all.corrupted = injected),
        allowed: None,
    },
    Trial {
        what: "invent a message",
        mischief: Mischief::Invent,
        judge: |outcome, injected| seen(outcome.faults.stray, |all| all.stray = injected),
        allowed: None,
    },
    Trial {
        what: "deliver it to somebody else, too",
        mischief: Mischief::Misdirect,
        judge: |outcome, injected| seen(outcome.faults.stray, |all| all.stray = injected),
        allowed: None,
    },
    Trial {
        what: "close a connection",
        mischief: Mischief::Close,
        judge: |outcome, _| seen(figure(outcome, "connections_lost"), |_| {}),
        allowed: Some((0, 2)),
    },
    Trial {
        what: "fall silent",
        mischief: Mischief::FallSilent,
        judge: |outcome, injected| seen(outcome.faults.lost, |all| all.lost = injected),
        allowed: Some((0, 0)),
    },
];

/// Runs everything, in about five seconds; needs no broker.
///
/// # Errors
/// The system does not allow it.
pub fn run(watch: Watch<'_>) -> Result<SelfTest, Error> {
    let begun = Instant::now();
    let total = TRIALS.len() as u64 * 3 + 4;
    let mut tell = |done: u64| {
        watch(&Live {
            phase: "self-test",
            elapsed: begun.elapsed(),
            done,
            of: Some(total),
            rate: 0.0,
            latency: None,
        });
    };
    tell(0);
    let mut cases = Vec::new();
    // They mostly wait for silence: all at once takes as long as one.
    let trials = TRIALS.iter().flat_map(|trial| (0..3).map(move |qos| (trial, qos)));
    let tried = thread::scope(|scope| {
        let running = trials.map(|(trial, qos)| scope.spawn(move || attempt(trial, qos)));
        let running: Vec<_> = running.collect();
        let done = running.into_iter().map(thread::ScopedJoinHandle::join);
        done.collect::<Vec<_>>()
    });
    for case in tried {
        let died = |_| Error::System(std::io::Error::other("a thread of the self-test has died"));
        cases.push(case.map_err(died)??);
        tell(cases.len() as u64);
    }
    for qos in 0..3 {
        cases.push(stall(qos)?);
        tell(cases.len() as u64);
    }
    cases.push(refuse()?);
    tell(cases.len() as u64);
    Ok(SelfTest { cases })
}

/// On a busy machine a run may be over before the relay has come to its mischief: it is given more than one.
fn attempt(trial: &Trial, qos: u8) -> Result<Case, Error> {
    const AT_MOST: u32 = 4;
    let mut case = once(trial, qos)?;
    for _ in 1..AT_MOST {
        if case.injected > 0 || trial.mischief == Mischief::None {
            break;
        }
        case = once(trial, qos)?;
    }
    Ok(case)
}

fn once(trial: &Trial, qos: u8) -> Result<Case, Error> {
    let relay = Relay::start(trial.mischief)?;
    let load = Load {
        qos,
        window: 8,
        warm_up: Duration::from_millis(50),
        duration: Duration::from_millis(350),
        ..Load::default()
    };
    let plan = PairToPair { pairs: 2, load };
    let outcome = plan.run(&Target::new(relay.address()), &mut |_| {})?;
    let mut case = judge(trial, qos, relay.injected(), &outcome);
    // The last ones may be on their way when the connections end.
    let owed = if qos > 0 { outcome.messages.delivered / 2 } else { 0 };
    if trial.mischief == Mischief::None && relay.finished() < owed {
        case.ok = false;
        case.but = Some("subscribers do not acknowledge".to_owned());
    }
    Ok(case)
}

fn judge(trial: &Trial, qos: u8, injected: u64, outcome: &Outcome) -> Case {
    let seen = (trial.judge)(outcome, injected);
    let allowed = trial.allowed.is_some_and(|(from, to)| (from..=to).contains(&qos));
    let mut but = Vec::new();
    if outcome.faults != seen.faults {
        but.push(format!("{:?} instead of {:?}", outcome.faults, seen.faults));
    }
    if outcome.promise_kept != allowed {
        but.push(format!("the promise is said to be kept: {}", outcome.promise_kept));
    }
    if injected == 0 && trial.mischief != Mischief::None {
        but.push("it was never done".to_owned());
    }
    if qos > 0 && trial.mischief == Mischief::FallSilent && figure(outcome, "unacknowledged") < injected {
        but.push(format!("only {} unacknowledged", figure(outcome, "unacknowledged")));
    }
    Case {
        what: trial.what,
        qos,
        injected,
        counted: seen.counted,
        ok: but.is_empty() && seen.counted == injected,
        but: (!but.is_empty()).then(|| but.join("; ")),
    }
}

/// A stall of 200 ms at 1,000 messages a second: of the second measured, a fifth of the messages wait, each as long as
/// is left of the stall. A generator that waited with the broker would see one late message.
fn stall(qos: u8) -> Result<Case, Error> {
    let relay = Relay::start(Mischief::Stall(STALL))?;
    let load = Load {
        qos,
        rate: Some(1000.0),
        warm_up: Duration::from_millis(100),
        duration: Duration::from_secs(1),
        ..Load::default()
    };
    let plan = Latency { pairs: 2, load };
    let outcome = plan.run(&Target::new(relay.address()), &mut |_| {})?;
    let stall = STALL.as_secs_f64() * 1e6;
    let mut but = Vec::new();
    let Some(latency) = outcome.latency_us else {
        but.push("no latencies".to_owned());
        return Ok(stalled(qos, (relay.injected(), 0), &but));
    };
    // One in ten waited for half of the stall, one in a hundred for nearly all of it.
    for (name, is, least) in [
        ("p90", latency.p90, 0.4),
        ("p99", latency.p99, 0.9),
        ("max", latency.max, 0.95),
    ] {
        if is < stall * least {
            but.push(format!("{name} is only {is:.0} us"));
        }
    }
    if outcome.faults.any() {
        but.push(format!("{:?}", outcome.faults));
    }
    if latency.count < 1000 {
        but.push(format!("only {} latencies", latency.count));
    }
    let counted = u64::from(latency.max >= stall * 0.95);
    Ok(stalled(qos, (relay.injected(), counted), &but))
}

fn stalled(qos: u8, (injected, counted): (u64, u64), but: &[String]) -> Case {
    Case {
        what: "stall for 200 ms",
        qos,
        injected,
        counted,
        ok: but.is_empty() && injected == counted,
        but: (!but.is_empty()).then(|| but.join("; ")),
    }
}

fn refuse() -> Result<Case, Error> {
    let relay = Relay::start(Mischief::Refuse(5))?;
    let refused = PairToPair::default().run(&Target::new(relay.address()), &mut |_| {});
    let ok = matches!(&refused, Err(Error::Refused { what, .. }) if what.contains("not authorized"));
    Ok(Case {
        what: "refuse a login",
        qos: 0,
        injected: 1,
        counted: u64::from(ok),
        ok,
        but: (!ok).then(|| format!("{refused:?}")),
    })
}

fn seen(counted: u64, expect: impl FnOnce(&mut Faults)) -> Seen {
    let mut faults = Faults::default();
    expect(&mut faults);
    Seen { counted, faults }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures that are counts"
)]
fn figure(outcome: &Outcome, name: &str) -> u64 {
    outcome.figures.get(name).map_or(0, |value| *value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_counted_exactly() {
        let mut told = 0;
        let report = run(&mut |live| told = live.done).unwrap();
        assert!(
            report.passed(),
            "{:#?}",
            report.cases.iter().filter(|case| !case.ok).collect::<Vec<_>>()
        );
        assert_eq!((report.cases.len() as u64, told), (31, 31));
    }
}
