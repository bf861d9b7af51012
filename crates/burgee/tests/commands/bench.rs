//! `burgee bench`: every scenario small, its exit codes, its JSON.

use std::process::Command;

use serde_json::Value;

use super::support::{Broker, Running, run};

const SHORT: [&str; 4] = ["--warm-up", "0.1", "--duration", "0.3"];

/// Runs a scenario with its costs; it has to succeed.
fn outcome(broker: &Broker, args: &[&str]) -> Value {
    let common = ["--json", "--address", &broker.address(), "--process", &broker.process()];
    let ended = run(&[&["bench"], args, &common].concat());
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{args:?} {}", ended.text());
    serde_json::from_str(ended.text()).expect("one JSON object")
}

fn number(outcome: &Value, path: &str) -> f64 {
    let value = outcome.pointer(path).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("no number {path} in {outcome}"))
}

/// A figure that is a count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of a small run"
)]
fn count(outcome: &Value, path: &str) -> u64 {
    number(outcome, path).round() as u64
}

/// What every outcome has, whatever the scenario.
fn assert_shape(outcome: &Value, scenario: &str) {
    assert_eq!(
        (&outcome["format"], &outcome["scenario"]),
        (&1.into(), &scenario.into())
    );
    for (group, fields) in [
        (
            "messages",
            &["sent", "delivered", "measured", "seconds", "rate", "bytes_per_second"][..],
        ),
        ("faults", &["lost", "duplicated", "reordered", "corrupted", "stray"]),
        (
            "process",
            &[
                "id",
                "cpu_seconds",
                "private_before",
                "private_after",
                "resident_before",
                "resident_after",
                "voluntary_switches",
                "involuntary_switches",
            ],
        ),
        ("generator", &["cpu_seconds", "busy"]),
    ] {
        for field in fields {
            number(outcome, &format!("/{group}/{field}"));
        }
    }
    assert!(outcome["settings"].is_object() && outcome["figures"].is_object());
    assert!(outcome["generator"]["limited"].is_boolean() && outcome["warnings"].is_array());
    assert_eq!(outcome["promise_kept"], true);
}

fn assert_latency(outcome: &Value) {
    for field in ["count", "p50", "p90", "p99", "p99_9", "p99_99", "max"] {
        assert!(number(outcome, &format!("/latency_us/{field}")) > 0.0);
    }
}

#[test]
fn traffic_is_measured_and_all_of_it_accounted_for() {
    let broker = Broker::start();
    for (scenario, args) in [
        ("p2p", &["--pairs", "3", "--qos", "2"][..]),
        ("p2p", &["--pairs", "2", "--qos", "1", "--persistent"]),
        ("p2p", &["--pairs", "2", "--spin"]),
        ("fanin", &["--publishers", "3", "--qos", "1"]),
        ("fanout", &["--subscribers", "5"]),
        ("latency", &["--pairs", "2", "--rate", "500"]),
        ("large", &["--subscribers", "2", "--payload", "100KiB"]),
        ("slow", &["--subscribers", "4", "--qos", "1"]),
    ] {
        let outcome = outcome(&broker, &[&[scenario], args, &SHORT].concat());
        assert_shape(&outcome, scenario);
        assert_latency(&outcome);
        assert!(number(&outcome, "/messages/measured") > 0.0, "{scenario}");
        assert!(number(&outcome, "/process/cpu_us_per_message") > 0.0, "{scenario}");
        assert!(!outcome["faults"].as_object().unwrap().values().any(|count| *count != 0));
    }
}

#[test]
fn connections_are_measured() {
    let broker = Broker::start();
    for (args, clients) in [
        (&["--count", "30"][..], 30),
        (&["--count", "10", "--persistent"], 10),
        (&["--storm", "100"], 100),
        (&["--storm", "40", "--persistent"], 40),
    ] {
        let outcome = outcome(&broker, &[&["connect"], args].concat());
        assert_shape(&outcome, "connect");
        assert_latency(&outcome);
        assert_eq!(count(&outcome, "/figures/connected"), clients);
        assert_eq!(count(&outcome, "/latency_us/count"), clients);
        assert!(number(&outcome, "/figures/connects_per_second") > 0.0);
        assert!(number(&outcome, "/figures/cpu_us_per_connect") > 0.0);
        if args[0] == "--storm" {
            assert_eq!(count(&outcome, "/figures/refused"), 0);
            assert_eq!(count(&outcome, "/figures/sessions_missing"), 0);
            assert!(number(&outcome, "/figures/bystander_p99_us") > 0.0);
            // To make the storm is not counted as being slower than the broker.
            let seconds = number(&outcome, "/messages/seconds");
            let rest = seconds - number(&outcome, "/figures/launch_seconds");
            assert!(
                number(&outcome, "/generator/busy") * seconds <= rest + 1e-9,
                "{outcome}"
            );
        }
    }
}

#[test]
fn idle_connections_are_measured_and_all_alive() {
    let broker = Broker::start();
    let outcome = outcome(&broker, &["idle", "--connections", "200", "--quiet-seconds", "0.2"]);
    assert_shape(&outcome, "idle");
    assert!(number(&outcome, "/figures/cpu_us_per_client") > 0.0);
    assert!(number(&outcome, "/figures/bytes_per_connection") < 100_000.0);
    number(&outcome, "/figures/idle_cpu_ms_per_second");
    assert_eq!(count(&outcome, "/figures/dropped"), 0);
}

#[test]
fn subscriptions_are_measured_and_each_copy_is_expected() {
    let broker = Broker::start();
    for qos in ["0", "1", "2"] {
        let args = [
            "--filters",
            "3000",
            "--clients",
            "20",
            "--messages",
            "500",
            "--qos",
            qos,
        ];
        let outcome = outcome(&broker, &[&["subscriptions"], &args[..]].concat());
        assert_shape(&outcome, "subscriptions");
        for tenth in 1..=10 {
            assert!(number(&outcome, &format!("/figures/tenth_{tenth}")) > 0.0);
        }
        number(&outcome, "/figures/growth");
        number(&outcome, "/figures/bytes_per_subscription");
        assert_eq!(count(&outcome, "/figures/filters_refused"), 0);
        let copies = number(&outcome, "/figures/receivers_per_message");
        assert!(copies > 2.0, "{copies}");
        assert_eq!(count(&outcome, "/messages/sent"), 500);
        assert!((number(&outcome, "/messages/delivered") - 500.0 * copies).abs() < 1e-6);
    }
}

#[test]
fn retained_messages_are_read_once_and_taken_away() {
    let broker = Broker::start();
    let outcome = outcome(&broker, &["retained", "--count", "300", "--readers", "2"]);
    assert_shape(&outcome, "retained");
    assert_eq!(count(&outcome, "/messages/delivered"), 600);
    number(&outcome, "/figures/overhead_bytes_per_message");
    assert_eq!(count(&outcome, "/figures/unmarked"), 0);
    let left = |broker: &Broker| {
        broker
            .run("sub", &["-t", "bench/retained/#", "-C", "1", "-W", "1"])
            .code
    };
    assert_eq!(left(&broker), Some(27), "nothing is left");
    let outcome = self::outcome(&broker, &["retained", "--count", "1"]);
    assert!(number(&outcome, "/generator/busy") <= 1.0, "{outcome}");
    let kept = run(&[
        "bench",
        "retained",
        "--count",
        "3",
        "--keep",
        "--address",
        &broker.address(),
    ]);
    assert_eq!(
        (kept.code, left(&broker)),
        (Some(0), Some(0)),
        "unless it is to be kept"
    );
}

#[test]
fn absent_sessions_get_what_was_kept_for_them() {
    let broker = Broker::start();
    for qos in ["1", "2"] {
        let args = ["offline", "--sessions", "3", "--messages", "100", "--qos", qos];
        let outcome = outcome(&broker, &args);
        assert_shape(&outcome, "offline");
        assert_eq!(count(&outcome, "/messages/delivered"), 300);
        assert_eq!(count(&outcome, "/figures/sessions_missing"), 0);
        assert!(number(&outcome, "/figures/stored_per_second") > 0.0);
    }
}

#[test]
fn a_broken_promise_is_1_and_says_how() {
    let broker = Broker::start_with(&["--queue-messages", "20"]);
    let args = ["bench", "offline", "--sessions", "2", "--messages", "100", "--address"];
    let ended = run(&[&args[..], &[&broker.address()]].concat());
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let text = ended.text();
    assert!(text.contains("160 lost") && text.contains("of QoS 1 BROKEN"), "{text}");
    assert!(text.contains("--queue-messages"), "{text}");
}

#[test]
fn what_cannot_be_run_is_2_and_says_what_to_do() {
    let ended = run(&["bench", "p2p", "--address", "127.0.0.1:1"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.err.contains("no broker answers at 127.0.0.1:1") && ended.err.contains("burgee serve"),
        "{}",
        ended.err
    );
    let broker = Broker::start();
    let no_process = [
        "bench",
        "idle",
        "--process",
        "4294967295",
        "--address",
        &broker.address(),
    ];
    let ended = run(&no_process);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("4294967295"), "{}", ended.err);
    for wrong in [
        &["bench"][..],
        &["bench", "nonsense"],
        &["bench", "p2p", "--qos", "3"],
        &["bench", "p2p", "--payload", "1.5M"],
        &["bench", "p2p", "--rate", "0"],
        &["bench", "p2p", "--duration", "-1"],
        &["bench", "p2p", "--duration", "3000.1"],
        &["bench", "p2p", "--warm-up", "3000.1"],
        &["bench", "latency", "--window", "10"],
        &["bench", "offline", "--qos", "0"],
        &["bench", "subscriptions", "--mix", "80,12,9"],
    ] {
        let ended = run(wrong);
        assert_eq!(ended.code, Some(2), "{wrong:?}");
        // Without a broker it would be 2 anyway.
        let refused = !wrong.contains(&"--window") || ended.err.contains("--window");
        assert!(refused, "{}", ended.err);
        assert!(
            !wrong.contains(&"3000.1") || ended.err.contains("50 minutes"),
            "{}",
            ended.err
        );
    }
    let ended = run(&["bench", "p2p", "--payload", "15", "--address", &broker.address()]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
}

#[test]
fn too_few_files_are_told_before_anything_is_done() {
    let broker = Broker::start();
    let script = format!(
        "ulimit -n 100; exec {} bench idle --connections 1000 --address {}",
        env!("CARGO_BIN_EXE_burgee"),
        broker.address()
    );
    let ended = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{text}");
    assert!(text.contains("--connections") && text.contains("ulimit -n"), "{text}");
}

#[test]
fn an_interrupted_run_tells_what_it_has_measured() {
    let broker = Broker::start();
    // Once a message has gone through, the run is on its way.
    let first = broker.subscribe(&["-t", "bench/#", "-C", "1"]);
    let args = [
        "bench",
        "p2p",
        "--pairs",
        "1",
        "--warm-up",
        "0",
        "--duration",
        "100",
        "--address",
    ];
    let running = Running::start(&[&args[..], &[&broker.address()]].concat());
    assert_eq!(first.end().code, Some(0));
    running.signal("INT");
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{}", ended.err);
    assert!(
        ended.text().contains("interrupted") && ended.text().contains("delivered"),
        "{}",
        ended.text()
    );
}

#[test]
fn a_table_is_printed_for_people() {
    let broker = Broker::start();
    let address = broker.address();
    let args = [&["bench", "p2p", "--pairs", "2", "--address", &address], &SHORT[..]].concat();
    let ended = run(&args);
    assert_eq!(
        (ended.code, &*ended.err),
        (Some(0), ""),
        "no live line where nobody looks"
    );
    for part in [
        "p2p at 127.0.0.1:",
        "QoS 0, payload 64 B",
        "delivered",
        "p99.9 ",
        "generator",
        "of QoS 0 kept",
    ] {
        assert!(ended.text().contains(part), "{part} in {}", ended.text());
    }
    let quiet = run(&[&args[..], &["--quiet"]].concat());
    assert_eq!((quiet.code, quiet.text(), &*quiet.err), (Some(0), "", ""));
}

#[test]
fn the_self_test_says_the_same_in_words_and_by_its_exit_code() {
    let ended = run(&["bench", "--self-test"]);
    let all_counted = ended.text().contains("Every fault was counted");
    assert_eq!(ended.code, Some(i32::from(!all_counted)), "{}", ended.text());
    assert!(ended.text().contains("lose a message"), "{}", ended.text());
}

#[test]
fn help_and_completions_know_it() {
    let help = run(&["bench", "--help"]);
    assert_eq!(help.code, Some(0));
    for part in [
        "p2p",
        "subscriptions",
        "self-test",
        "Exit codes: 0 done; 1 the broker broke a promise",
    ] {
        assert!(help.text().contains(part), "{part} in {}", help.text());
    }
    let completions = run(&["completions", "bash"]);
    assert!(completions.text().contains("burgee,bench"), "{}", completions.text());
}
