//! The outcome of a run on one screen.
//!
//! What must hold: nothing that the outcome knows is left out but what is zero and need not be said; what a number
//! counts stands beside it. Deliberately absent: figures known by name. A new one is shown by what its name says of its
//! unit.

use std::fmt::Write as _;
use std::net::SocketAddr;

use burgee_load::Outcome;
use serde_json::Value;

use super::units;

/// Width of the first column.
const LABEL: usize = 26;

/// Those that say most come first.
const FIRST: [&str; 4] = ["qos", "payload", "window", "rate"];

/// Figures of one thing, tenth by tenth: they make one row.
const TENTH: &str = "tenth_";

/// The whole table.
pub(super) fn table(outcome: &Outcome, address: SocketAddr) -> String {
    let mut rows = Rows(format!("{} at {address}: {}\n\n", outcome.scenario, settings(outcome)));
    messages(outcome, &mut rows);
    if let Some(latency) = &outcome.latency_us {
        let label = if outcome.scenario == "connect" {
            "connect() to CONNACK"
        } else {
            "latency"
        };
        let steps = [
            ("p50", latency.p50),
            ("p90", latency.p90),
            ("p99", latency.p99),
            ("p99.9", latency.p99_9),
            ("p99.99", latency.p99_99),
            ("max", latency.max),
        ];
        let steps = steps.map(|(name, value)| format!("{name} {}", units::time(value)));
        rows.add(label, &steps.join("  "));
    }
    tenths(outcome, &mut rows);
    for (name, value) in outcome.figures.iter().filter(|(name, _)| !name.starts_with(TENTH)) {
        let (label, value) = figure(name, *value);
        rows.add(&label, &value);
    }
    costs(outcome, &mut rows);
    verdict(outcome, &mut rows);
    for warning in &outcome.warnings {
        rows.add("warning", warning);
    }
    rows.0
}

struct Rows(String);

impl Rows {
    fn add(&mut self, label: &str, value: &str) {
        // Writing to a string cannot fail.
        writeln!(self.0, "  {label:<LABEL$}  {value}").ok();
    }
}

fn settings(outcome: &Outcome) -> String {
    let own = outcome.settings.iter().filter(|(name, _)| !FIRST.contains(name));
    let common = FIRST.iter().filter_map(|name| outcome.settings.get_key_value(name));
    let said = own.chain(common).filter(|(_, value)| **value != Value::Bool(false));
    let each = said.map(|(name, value)| match (*name, value) {
        ("payload", value) => format!("payload {}", units::bytes(value.as_f64().unwrap_or_default())),
        ("qos", value) => format!("QoS {value}"),
        (name, Value::Number(number)) => format!(
            "{} {}",
            name.replace('_', "-"),
            units::number(number.as_f64().unwrap_or_default())
        ),
        (name, Value::Bool(_)) => name.replace('_', "-"),
        (name, Value::String(text)) => format!("{} {text}", name.replace('_', "-")),
        (name, value @ (Value::Null | Value::Array(_) | Value::Object(_))) => format!("{name} {value}"),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn messages(outcome: &Outcome, rows: &mut Rows) {
    let messages = &outcome.messages;
    if messages.measured > 0 {
        let text = format!(
            "{}/s  ({} messages in {:.2} s, {}/s)",
            units::number(messages.rate.round()),
            units::count(messages.measured),
            messages.seconds,
            units::bytes(messages.bytes_per_second),
        );
        rows.add("delivered", &text);
    }
    if messages.sent > 0 {
        let text = format!(
            "{} published, {} delivered",
            units::count(messages.sent),
            units::count(messages.delivered)
        );
        rows.add("whole run", &text);
    }
}

fn costs(outcome: &Outcome, rows: &mut Rows) {
    if let Some(process) = &outcome.process {
        let seconds = outcome.messages.seconds.max(1e-9);
        let mut cpu = format!(
            "{:.3} s CPU in {seconds:.2} s = {:.0} % of a core",
            process.cpu_seconds,
            process.cpu_seconds * 100.0 / seconds
        );
        if let Some(each) = process.cpu_us_per_message {
            write!(cpu, ", {each:.3} us a message").ok();
        }
        let label = format!("broker (process {})", process.id);
        rows.add(&label, &cpu);
        let memory = |before: u64, after: u64| format!("{} -> {}", mebibytes(before), mebibytes(after));
        let text = format!(
            "private {}, resident {}",
            memory(process.private_before, process.private_after),
            memory(process.resident_before, process.resident_after)
        );
        rows.add("  memory", &text);
        let text = format!(
            "{} because it waited, {} because its time was up",
            units::count(process.voluntary_switches),
            units::count(process.involuntary_switches)
        );
        rows.add("  context switches", &text);
    }
    let generator = &outcome.generator;
    let mut text = format!("{:.0} % of a core", generator.busy * 100.0);
    if generator.limited {
        text.push_str(": it was probably the limit, not the broker");
    }
    rows.add("generator", &text);
}

fn verdict(outcome: &Outcome, rows: &mut Rows) {
    let faults = &outcome.faults;
    let text = if faults.any() {
        format!(
            "{} lost, {} duplicated, {} out of order, {} corrupted, {} stray",
            units::count(faults.lost),
            units::count(faults.duplicated),
            units::count(faults.reordered),
            units::count(faults.corrupted),
            units::count(faults.stray)
        )
    } else {
        "none".to_owned()
    };
    if outcome.messages.sent > 0 || faults.any() {
        rows.add("faults", &text);
        let qos = outcome.settings.get("qos").and_then(Value::as_u64).unwrap_or_default();
        let kept = if outcome.promise_kept { "kept" } else { "BROKEN" };
        rows.add("promise", &format!("of QoS {qos} {kept}"));
    }
}

fn tenths(outcome: &Outcome, rows: &mut Rows) {
    let mut tenths: Vec<(u32, f64)> = Vec::new();
    for (name, value) in &outcome.figures {
        let number = name.strip_prefix(TENTH).and_then(|number| number.parse().ok());
        tenths.extend(number.map(|number: u32| (number, *value)));
    }
    tenths.sort_by_key(|(number, _)| *number);
    let each: Vec<String> = tenths.iter().map(|(_, value)| format!("{value:.2}")).collect();
    if !each.is_empty() {
        rows.add("us a filter, by tenths", &each.join("  "));
    }
}

/// A figure by what its name says: its label without the unit, and its value with it.
fn figure(name: &str, value: f64) -> (String, String) {
    let words: Vec<&str> = name.split('_').collect();
    let has = |unit: &str| words.contains(&unit);
    let value = if has("us") {
        units::time(value)
    } else if has("ms") {
        format!("{} ms", units::number(value))
    } else if has("seconds") {
        units::time(value * 1e6)
    } else if has("bytes") || has("memory") {
        units::bytes(value)
    } else {
        units::number(value)
    };
    let label: Vec<String> = words
        .iter()
        .filter(|word| !matches!(**word, "us" | "ms" | "seconds"))
        .map(|word| match *word {
            "cpu" => "CPU".to_owned(),
            word => word.to_owned(),
        })
        .collect();
    let label = label.join(" ");
    (if label.is_empty() { "time".to_owned() } else { label }, value)
}

fn mebibytes(bytes: u64) -> String {
    let hundredths = bytes * 100 / (1 << 20);
    format!("{}.{:02} MiB", units::count(hundredths / 100), hundredths % 100)
}

#[cfg(test)]
mod tests;
