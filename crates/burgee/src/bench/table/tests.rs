//! The table, line by line.

use std::collections::BTreeMap;

use burgee_load::check::Faults;
use burgee_load::histogram::Latencies;
use burgee_load::outcome::{Generator, Messages, Process};

use super::*;

fn outcome() -> Outcome {
    let mut latencies = Latencies::default();
    latencies.note(12_340);
    Outcome {
        format: 1,
        scenario: "p2p",
        settings: BTreeMap::from([
            ("qos", 1.into()),
            ("pairs", 50.into()),
            ("payload", 65_536.into()),
            ("window", 64.into()),
        ]),
        messages: Messages {
            sent: 1_500_000,
            delivered: 1_499_998,
            measured: 1_234_567,
            seconds: 5.0,
            rate: 246_913.4,
            bytes_per_second: 15.1e6,
        },
        latency_us: latencies.percentiles(),
        faults: Faults::default(),
        promise_kept: true,
        figures: BTreeMap::from([("bytes_per_connection", 569.0), ("cpu_us_per_connect", 40.25)]),
        process: Some(Process {
            id: 77,
            cpu_seconds: 1.25,
            cpu_us_per_message: Some(1.0125),
            private_before: 1 << 20,
            private_after: 3 << 19,
            resident_before: 1 << 22,
            resident_after: 1 << 22,
            voluntary_switches: 1234,
            involuntary_switches: 5,
        }),
        generator: Generator {
            cpu_seconds: 2.0,
            busy: 0.4,
            limited: false,
        },
        warnings: vec!["the moon is full".to_owned()],
    }
}

fn print(outcome: &Outcome) -> String {
    table(outcome, ([127, 0, 0, 1], 1883).into())
}

#[test]
fn everything_is_told_in_units() {
    let text = print(&outcome());
    for line in [
        "p2p at 127.0.0.1:1883: pairs 50, QoS 1, payload 64.0 KiB, window 64\n",
        "  delivered                   246,913/s  (1,234,567 messages in 5.00 s, 14.4 MiB/s)\n",
        "  whole run                   1,500,000 published, 1,499,998 delivered\n",
        "  latency                     p50 1.23 ms  p90 1.23 ms",
        "  bytes per connection        569 B\n",
        "  CPU per connect             40.2 us\n",
        "  broker (process 77)         1.250 s CPU in 5.00 s = 25 % of a core, 1.012 us a message\n",
        "    memory                    private 1.00 MiB -> 1.50 MiB, resident 4.00 MiB -> 4.00 MiB\n",
        "    context switches          1,234 because it waited, 5 because its time was up\n",
        "  generator                   40 % of a core\n",
        "  faults                      none\n",
        "  promise                     of QoS 1 kept\n",
        "  warning                     the moon is full\n",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
    assert!(text.lines().count() < 24, "one screen");
}

#[test]
fn a_broken_promise_cannot_be_missed() {
    let mut outcome = outcome();
    outcome.faults.lost = 2;
    outcome.promise_kept = false;
    let text = print(&outcome);
    assert!(text.contains("2 lost, 0 duplicated"), "{text}");
    assert!(text.contains("of QoS 1 BROKEN"), "{text}");
}

#[test]
fn what_is_not_known_is_not_told() {
    let mut outcome = outcome();
    (outcome.process, outcome.latency_us) = (None, None);
    outcome.messages = Messages::default();
    let text = print(&outcome);
    for absent in ["broker (", "latency", "delivered", "promise", "faults"] {
        assert!(!text.contains(absent), "{absent} in\n{text}");
    }
}

#[test]
fn a_figure_is_shown_by_the_unit_in_its_name() {
    for (name, value, label, shown) in [
        ("connects_per_second", 12_345.6, "connects per second", "12,346"),
        ("idle_cpu_ms_per_second", 0.25, "idle CPU per second", "0.25 ms"),
        ("bystander_p99_us", 1500.0, "bystander p99", "1.50 ms"),
        ("seconds", 0.25, "time", "250 ms"),
        ("growth", 1.08, "growth", "1.08"),
        ("dropped", 0.0, "dropped", "0"),
    ] {
        assert_eq!(figure(name, value), (label.to_owned(), shown.to_owned()));
    }
}

#[test]
fn tenths_stand_in_one_row_in_their_order() {
    let mut outcome = outcome();
    outcome.figures = BTreeMap::from([("tenth_1", 4.0), ("tenth_10", 5.5), ("tenth_2", 4.25)]);
    let text = print(&outcome);
    assert!(
        text.contains("  us a filter, by tenths      4.00  4.25  5.50\n"),
        "{text}"
    );
    assert!(!text.contains("tenth "), "{text}");
}
