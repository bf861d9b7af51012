//! What a client is like, and which topics there are.
//!
//! What must hold: topics are few, so that subscriptions overlap and publishers meet. Deliberately absent: state.

use burgee_codec::{QoS, Version};

use super::packet::Note;
use crate::rng::Rng;
use crate::scenario::Scenario;

/// Topic names of all worlds.
pub(super) const TOPICS: [&str; 12] = [
    "a", "b", "a/b", "a/c", "b/b", "a/b/c", "/a", "a/", "b/c/d", "$x/a", "$x", "ä/✓",
];

/// Topic filters of all worlds.
pub(super) const FILTERS: [&str; 19] = [
    "#", "+", "a/#", "+/b", "a/+", "a/b", "+/+", "a/+/c", "/+", "$x/#", "$x/+", "+/#", "a", "b", "b/#", "ä/+", "$x",
    "+/b/#", "$SYS/#",
];

/// Shared ones.
pub(super) const SHARED: [&str; 4] = ["$share/g/a/#", "$share/g/#", "$share/h/a/+", "$share/h/b"];

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Habits {
    /// 3.1 or 3.1.1.
    pub(super) version: Version,
    /// Begins with clean session 1, in percent.
    pub(super) clean: u64,
    /// In seconds.
    pub(super) keep_alive: u16,
    /// Sends PINGREQ in time.
    pub(super) pings: bool,
    /// Has a will, in percent.
    pub(super) will: u64,
    /// Goes on behind CONNECT without waiting for CONNACK, in percent.
    pub(super) eager: u64,
    /// Acknowledges so much later, at most, in milliseconds.
    pub(super) ack_delay: u64,
    /// Acknowledgements that it keeps to itself until the connection ends, in percent.
    pub(super) withheld: u64,
    /// Acknowledges in any order.
    pub(super) unordered: bool,
    /// Sends DISCONNECT when it goes, in percent.
    pub(super) polite: u64,
    /// Greatest QoS that it uses.
    pub(super) qos: u64,
    /// Retained messages, in percent.
    pub(super) retain: u64,
}

impl Habits {
    /// What a client of this world is like.
    #[must_use]
    pub(super) fn draw(rng: &mut Rng, scenario: &Scenario) -> Self {
        let old = rng.percent(scenario.old_clients);
        Self {
            version: if old { Version::V31 } else { Version::V311 },
            // MQTT 3.1 cannot say whether a session is there: a client that wants one must not put it at risk itself.
            clean: if old {
                *rng.pick(&[0, 100])
            } else {
                *rng.pick(&[0, 0, 30, 100])
            },
            keep_alive: *rng.pick(&[0, 0, 1, 3, 10]),
            pings: rng.percent(85),
            will: *rng.pick(&[0, 50, 100]),
            eager: *rng.pick(&[0, 0, 50]),
            ack_delay: *rng.pick(&[0, 0, 50, 1_000]),
            withheld: *rng.pick(&[0, 0, 0, 5, 40]),
            unordered: rng.percent(15),
            polite: *rng.pick(&[0, 50, 100]),
            qos: *rng.pick(&[0, 1, 2, 2, 2]),
            retain: *rng.pick(&[0, 10, 40]) * u64::from(!scenario.is_tight()),
        }
    }
}

/// A QoS up to `most`.
pub(super) fn qos(rng: &mut Rng, most: u64) -> QoS {
    u8::try_from(rng.range(0, most))
        .ok()
        .and_then(QoS::from_bits)
        .unwrap_or_default()
}

/// A filter; sometimes a shared one where the world has those.
pub(super) fn filter(rng: &mut Rng, shared: bool) -> &'static str {
    if shared && rng.percent(30) {
        rng.pick::<&str>(&SHARED)
    } else {
        rng.pick::<&str>(&FILTERS)
    }
}

/// A message whose payload says who sent it, which one it is, and where it goes.
pub(super) fn note(rng: &mut Rng, habits: &Habits, (who, which): (&str, &str), size: usize) -> Note {
    let topic = if rng.percent(1) { "$SYS/x" } else { *rng.pick(&TOPICS) };
    let retain = rng.percent(habits.retain);
    let mut payload = format!("{who}:{which}:{topic}:").into_bytes();
    if retain && rng.percent(25) {
        payload.clear();
    } else {
        let size = if rng.percent(80) { size.min(40) } else { size };
        payload.resize(payload.len() + rng.size(0, size), b'.');
    }
    Note {
        topic: topic.to_owned(),
        payload,
        qos: qos(rng, habits.qos),
        retain,
    }
}
