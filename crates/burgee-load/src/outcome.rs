//! What a run came to: the one shape that tables, JSON and comparisons are made from.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::check::Faults;
use crate::histogram::Percentiles;

/// The result of one scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Version of this shape. Fields may be added to a version, never changed.
    pub format: u32,
    /// The scenario's name.
    pub scenario: &'static str,
    /// Every option as it was used.
    pub settings: BTreeMap<&'static str, Value>,
    /// Messages sent and delivered.
    pub messages: Messages,
    /// Time from (scheduled) sending to arrival, in microseconds, of the messages that arrived in the measured time or
    /// were due in it.
    pub latency_us: Option<Percentiles>,
    /// What went wrong in the whole run.
    pub faults: Faults,
    /// Whether the promise of the QoS was kept.
    pub promise_kept: bool,
    /// The scenario's own figures.
    pub figures: BTreeMap<&'static str, f64>,
    /// What the broker's process cost in the measured time, if its id was given.
    pub process: Option<Process>,
    /// What the generator cost in the measured time.
    pub generator: Generator,
    /// What the reader should know before believing the figures.
    pub warnings: Vec<String>,
}

/// Messages sent and delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Messages {
    /// Messages published in the whole run.
    pub sent: u64,
    /// Copies delivered in the whole run.
    pub delivered: u64,
    /// Copies delivered in the measured time.
    pub measured: u64,
    /// The measured time, in seconds.
    pub seconds: f64,
    /// Copies delivered a second.
    pub rate: f64,
    /// Payload bytes delivered a second.
    pub bytes_per_second: f64,
}

/// What a process cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Process {
    /// Its id.
    pub id: u32,
    /// CPU time of all its threads, in seconds.
    pub cpu_seconds: f64,
    /// The same for each delivered copy, in microseconds.
    pub cpu_us_per_message: Option<f64>,
    /// Bytes of private dirty memory when the measured time began.
    pub private_before: u64,
    /// The same when it ended.
    pub private_after: u64,
    /// Bytes of resident memory when the measured time began.
    pub resident_before: u64,
    /// The same when it ended.
    pub resident_after: u64,
    /// Context switches because it waited.
    pub voluntary_switches: u64,
    /// Context switches because its time was up.
    pub involuntary_switches: u64,
}

/// What the generator cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Generator {
    /// Its CPU time, in seconds.
    pub cpu_seconds: f64,
    /// The same as a part of one core. A scenario that spins counts only the time that it worked.
    pub busy: f64,
    /// Whether the generator, not the broker, was probably the limit.
    pub limited: bool,
}
