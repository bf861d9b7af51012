//! The scenarios of steady traffic against a relay, honest and not.

use std::time::{Duration, Instant};

use crate::check::Faults;
use crate::error::Error;
use crate::load::Load;
use crate::outcome::Outcome;
use crate::relay::{Mischief, Relay};
use crate::scenario::{FanIn, FanOut, Large, Latency, PairToPair, Slow};
use crate::target::{Live, Target};

fn quick(qos: u8) -> Load {
    Load {
        qos,
        window: 8,
        warm_up: Duration::from_millis(20),
        duration: Duration::from_millis(200),
        ..Load::default()
    }
}

fn honest() -> (Relay, Target) {
    against(Mischief::None)
}

fn against(mischief: Mischief) -> (Relay, Target) {
    let relay = Relay::start(mischief).unwrap();
    let mut target = Target::new(relay.address());
    target.process = Some(std::process::id());
    (relay, target)
}

fn fine(outcome: &Outcome) {
    assert_eq!(outcome.faults, Faults::default(), "{outcome:?}");
    assert!(outcome.promise_kept && outcome.messages.measured > 0, "{outcome:?}");
    assert!(outcome.messages.delivered >= outcome.messages.measured);
    assert!(outcome.latency_us.is_some() && outcome.process.is_some());
    assert!(is(outcome, "connections_lost", 0.0));
    assert!(outcome.figures.get("unacknowledged").is_none_or(|&n| n < 0.5));
}

fn is(outcome: &Outcome, name: &str, value: f64) -> bool {
    (outcome.figures[name] - value).abs() < 0.5
}

#[test]
fn every_shape_passes_an_honest_relay_at_every_qos() {
    for qos in 0..3 {
        let (relay, target) = honest();
        let mut phases = Vec::new();
        let mut watch = |live: &Live| phases.push(live.phase);
        let load = quick(qos);
        let outcome = PairToPair { pairs: 3, load }.run(&target, &mut watch).unwrap();
        fine(&outcome);
        assert_eq!(outcome.messages.sent, outcome.messages.delivered);
        // The last ones may be on their way when the connections end.
        let finished = if qos == 0 { 0 } else { outcome.messages.delivered / 2 };
        assert!(relay.finished() >= finished, "subscribers do not acknowledge");
        assert!(phases.contains(&"measuring"), "{phases:?}");
        let fan_in = FanIn { publishers: 3, load };
        fine(&fan_in.run(&target, &mut |_| {}).unwrap());
        let fan_out = FanOut { subscribers: 5, load };
        let outcome = fan_out.run(&target, &mut |_| {}).unwrap();
        fine(&outcome);
        assert_eq!(outcome.messages.delivered, 5 * outcome.messages.sent);
    }
}

#[test]
fn persistent_subscribers_are_asked_for_and_removed() {
    let (relay, target) = honest();
    let load = Load {
        persistent: true,
        ..quick(1)
    };
    let outcome = PairToPair { pairs: 3, load }.run(&target, &mut |_| {}).unwrap();
    fine(&outcome);
    assert_eq!(outcome.settings["persistent"], true);
    // Three pairs, and each subscriber once more with a clean session.
    assert_eq!((relay.clean(), relay.persistent()), (6, 3));
}

#[test]
fn a_generator_that_never_sleeps_is_busy_only_when_there_is_something_to_do() {
    let (_relay, target) = honest();
    let (one, rate) = (Load { window: 1, ..quick(1) }, Some(100.0));
    for load in [Load { spin: true, ..one }, Load { rate, ..one }] {
        let outcome = PairToPair { pairs: 1, load }.run(&target, &mut |_| {}).unwrap();
        fine(&outcome);
        assert_eq!(outcome.settings["spin"], true, "an open loop never sleeps");
        // Its CPU time says how long it looked, which is not how busy it was.
        let looked = (outcome.generator.cpu_seconds / outcome.messages.seconds).min(1.0);
        let busy = outcome.generator.busy;
        assert!((busy - looked).abs() > 1e-6, "busy {busy}, looked {looked}");
    }
}

#[test]
fn a_rate_is_kept_and_only_the_measured_time_is_timed() {
    let (_relay, target) = honest();
    let load = Load {
        rate: Some(2000.0),
        warm_up: Duration::from_millis(200),
        ..quick(1)
    };
    let outcome = Latency { pairs: 4, load }.run(&target, &mut |_| {}).unwrap();
    fine(&outcome);
    // 200 ms, and as many of warm-up: every message due was sent, however late.
    assert!((400..600).contains(&outcome.latency_us.unwrap().count), "{outcome:?}");
    assert!(outcome.messages.sent >= 800, "{outcome:?}");
    assert!(outcome.figures.contains_key("late_us_p99"));
    assert_eq!(outcome.settings["rate"], 2000.0);
}

#[test]
fn a_generator_that_is_late_cannot_hide_it() {
    let (_relay, target) = honest();
    let load = Load {
        rate: Some(1000.0),
        duration: Duration::from_millis(600),
        ..quick(0)
    };
    let mut slept = false;
    // Whoever looks on holds it up; 150 of 600 messages are late.
    let mut watch = |live: &Live| {
        if live.phase == "measuring" && !std::mem::replace(&mut slept, true) {
            let until = Instant::now() + Duration::from_millis(150);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        }
    };
    let outcome = Latency { pairs: 2, load }.run(&target, &mut watch).unwrap();
    fine(&outcome);
    assert!(outcome.latency_us.unwrap().p90 > 50e3, "{outcome:?}");
    assert!(outcome.figures["late_us_max"] > 140e3, "{outcome:?}");
    assert!(outcome.generator.limited && !outcome.warnings.is_empty(), "{outcome:?}");
}

#[test]
fn large_payloads_come_whole() {
    for qos in 0..3 {
        let (_relay, target) = honest();
        let load = Load {
            payload: 300_000 + usize::from(qos),
            window: 2,
            duration: Duration::from_secs(1),
            ..quick(qos)
        };
        let outcome = Large { subscribers: 3, load }.run(&target, &mut |_| {}).unwrap();
        fine(&outcome);
        assert!(outcome.figures["megabytes_per_second"] > 0.0);
    }
}

#[test]
fn a_change_in_a_large_payload_is_seen() {
    let (relay, target) = against(Mischief::Corrupt);
    let load = Load {
        payload: 40_000,
        ..quick(0)
    };
    let outcome = Large { subscribers: 1, load }.run(&target, &mut |_| {}).unwrap();
    assert!(relay.injected() > 0);
    assert_eq!(outcome.faults.corrupted, relay.injected());
    assert!(!outcome.promise_kept);
}

#[test]
fn slow_readers_are_owed_everything_and_get_it() {
    for qos in [0, 2] {
        let (_relay, target) = honest();
        let load = Load {
            rate: Some(500.0),
            duration: Duration::from_secs(1),
            ..quick(qos)
        };
        let slow = Slow {
            subscribers: 6,
            stalled: 2,
            load,
        };
        let outcome = slow.run(&target, &mut |_| {}).unwrap();
        fine(&outcome);
        let figure = |name: &str| outcome.figures[name];
        assert!(
            (figure("stalled_delivered") - figure("stalled_owed")).abs() < 0.5,
            "{outcome:?}"
        );
        assert!(figure("rate_before") > 0.0 && figure("rate_while_stalled") > 0.0 && figure("ratio") > 0.0);
        // Four of six read 500 messages: 2,000. If all six had, or if what came later were timed, it would be 3,000.
        assert!((2000..2600).contains(&outcome.latency_us.unwrap().count), "{outcome:?}");
        assert!(outcome.messages.measured < 2600, "{outcome:?}");
    }
}

#[test]
fn slow_needs_readers_of_both_kinds() {
    let (_relay, target) = honest();
    for stalled in [0, 6, 7] {
        let slow = Slow {
            subscribers: 6,
            stalled,
            load: quick(0),
        };
        assert!(matches!(slow.run(&target, &mut |_| {}), Err(Error::Option(_))));
    }
}

#[test]
fn one_connection_lost_of_many_is_counted_and_the_others_go_on() {
    for qos in 0..3 {
        let (_relay, target) = against(Mischief::Close);
        let fan_out = FanOut {
            subscribers: 5,
            load: quick(qos),
        };
        let outcome = fan_out.run(&target, &mut |_| {}).unwrap();
        assert!(is(&outcome, "connections_lost", 1.0));
        assert_eq!(outcome.faults, Faults::default());
        assert!(outcome.promise_kept && outcome.messages.sent > 200, "{outcome:?}");
        assert!(
            outcome.figures["in_doubt"] > 0.0 && outcome.warnings.len() == 2,
            "{outcome:?}"
        );
    }
}

#[test]
fn the_only_subscriber_lost_ends_the_run_early() {
    let (_relay, target) = against(Mischief::Close);
    let begun = Instant::now();
    let load = Load {
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(60),
        ..quick(1)
    };
    let outcome = FanIn { publishers: 3, load }.run(&target, &mut |_| {}).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(is(&outcome, "connections_lost", 1.0));
}

#[test]
fn a_broker_that_dies_is_an_error() {
    for qos in 0..3 {
        let (_relay, target) = against(Mischief::Die);
        let load = quick(qos);
        let ended = PairToPair { pairs: 3, load }.run(&target, &mut |_| {});
        assert!(matches!(ended, Err(Error::Closed { .. })), "{ended:?}");
        let again = PairToPair { pairs: 3, load }.run(&target, &mut |_| {});
        assert!(matches!(again, Err(Error::Unreachable { .. })), "{again:?}");
    }
}

#[test]
fn a_broker_that_answers_nothing_is_an_error_in_words() {
    let (_relay, target) = against(Mischief::Mute);
    let ended = PairToPair::default().run(&target, &mut |_| {});
    let Err(error) = ended else { panic!("{ended:?}") };
    let said = error.to_string();
    assert!(
        said.contains("silent") && said.contains("-p0") && said.contains("CONNACK"),
        "{said}"
    );
}

#[test]
fn a_window_lost_does_not_stop_the_run() {
    // Every fiftieth message is lost, and with a window of one nothing comes after it.
    let (relay, target) = against(Mischief::Lose);
    let load = Load {
        window: 1,
        duration: Duration::from_millis(2500),
        ..quick(0)
    };
    let outcome = PairToPair { pairs: 1, load }.run(&target, &mut |_| {}).unwrap();
    assert!(relay.injected() > 1, "it stopped at the first one");
    assert_eq!(outcome.faults.lost, relay.injected());
    assert!(
        outcome.warnings.iter().any(|warning| warning.contains("opened again")),
        "{outcome:?}"
    );
}

#[test]
fn somebody_who_has_seen_enough_ends_it() {
    let (_relay, target) = honest();
    let load = Load {
        duration: Duration::from_secs(600),
        ..quick(0)
    };
    let (begun, stop) = (Instant::now(), target.stop.clone());
    let mut watch = |live: &Live| stop.store(live.phase == "measuring", std::sync::atomic::Ordering::Relaxed);
    let outcome = PairToPair { pairs: 1, load }.run(&target, &mut watch).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30) && outcome.messages.measured > 0);
}

#[test]
fn a_broker_that_stalls_at_the_end_is_waited_for() {
    // The second of the run and two of silence are over long before it goes on.
    let (relay, target) = against(Mischief::Stall(Duration::from_millis(3800)));
    let load = Load {
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(500),
        ..quick(1)
    };
    let outcome = PairToPair { pairs: 2, load }.run(&target, &mut |_| {}).unwrap();
    assert_eq!(relay.injected(), 1);
    assert_eq!(outcome.faults, Faults::default(), "{outcome:?}");
    assert!(outcome.promise_kept && outcome.messages.sent == outcome.messages.delivered);
}

#[test]
fn a_broker_that_never_goes_on_is_in_doubt_and_not_accused() {
    let (_relay, target) = against(Mischief::Freeze);
    let load = Load {
        warm_up: Duration::ZERO,
        ..quick(2)
    };
    let outcome = PairToPair { pairs: 2, load }.run(&target, &mut |_| {}).unwrap();
    assert_eq!(outcome.faults, Faults::default(), "{outcome:?}");
    assert!(outcome.promise_kept && outcome.figures["in_doubt"] > 0.0);
    let warned = |what: &str| outcome.warnings.iter().any(|warning| warning.contains(what));
    assert!(warned("stalled") && warned("gave up waiting"), "{outcome:?}");
}

#[test]
fn what_is_under_way_when_somebody_ends_the_run_is_in_doubt() {
    let (_relay, target) = against(Mischief::FallSilent);
    let load = Load {
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(600),
        ..quick(1)
    };
    let stop = target.stop.clone();
    let mut watch = |live: &Live| stop.store(live.phase == "measuring", std::sync::atomic::Ordering::Relaxed);
    let outcome = PairToPair { pairs: 2, load }.run(&target, &mut watch).unwrap();
    assert_eq!(outcome.faults, Faults::default(), "{outcome:?}");
    assert!(outcome.promise_kept && outcome.figures["in_doubt"] > 0.0, "{outcome:?}");
}

#[test]
fn a_qos_that_is_not_kept_breaks_the_promise() {
    for mischief in [Mischief::Degrade, Mischief::Ignore] {
        let (_relay, target) = against(mischief);
        let load = quick(2);
        let outcome = PairToPair { pairs: 2, load }.run(&target, &mut |_| {}).unwrap();
        assert!(!outcome.promise_kept, "{mischief:?}: {outcome:?}");
    }
}

#[test]
fn nothing_measured_is_no_result() {
    let (_relay, target) = against(Mischief::Freeze);
    let load = Load {
        warm_up: Duration::from_millis(300),
        ..quick(1)
    };
    let ended = PairToPair { pairs: 2, load }.run(&target, &mut |_| {});
    assert!(matches!(ended, Err(Error::Silent { .. })), "{ended:?}");
}

#[test]
fn a_stall_that_begins_in_the_warm_up_cannot_hide() {
    let stall = Duration::from_millis(600);
    let (_relay, target) = against(Mischief::Stall(stall));
    let load = Load {
        rate: Some(1000.0),
        // Message 300 is due in it.
        warm_up: Duration::from_millis(400),
        duration: Duration::from_millis(800),
        ..quick(1)
    };
    let outcome = Latency { pairs: 2, load }.run(&target, &mut |_| {}).unwrap();
    let latency = outcome.latency_us.unwrap();
    assert!(latency.max >= 0.9 * stall.as_secs_f64() * 1e6, "{outcome:?}");
    assert!(
        !outcome.generator.limited || outcome.figures["late_us_p99"] > 1000.0,
        "{outcome:?}"
    );
}

#[test]
fn a_large_window_of_large_payloads_stays_out_of_memory() {
    // The relay does not read for a while. Afterwards the window is where it belongs, under way, and may well be in this
    // process: the relay is in it.
    const STALL: Duration = Duration::from_millis(800);
    let (_relay, target) = against(Mischief::Stall(STALL));
    let load = Load {
        payload: 100_000,
        window: 4000,
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(300),
        ..quick(0)
    };
    let fan_in = FanIn { publishers: 2, load };
    let (begun, seen) = (Instant::now(), std::cell::Cell::new((0, 0)));
    let mut watch = |_: &Live| {
        let now = crate::usage::memory(std::process::id()).unwrap();
        // The stall begins with the first message, which is after we began.
        if begun.elapsed() < STALL {
            let (samples, most) = seen.get();
            seen.set((samples + 1, now.private_dirty.max(most)));
        }
    };
    fan_in.run(&target, &mut watch).unwrap();
    let (samples, most) = seen.get();
    assert!(samples > 0, "nothing was seen of the stall");
    // All that the windows allow is 800 MB.
    assert!(most < 500_000_000, "{most} bytes");
}
