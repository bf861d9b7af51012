//! Deadlines of many connections, coarse on purpose.
//!
//! What must hold: nothing fires before its time, everything at most [`TICK_MS`] after it; a connection costs eight
//! bytes here and nothing for each packet, because its owner asks again only when its entry comes up.
//! Deliberately absent: cancelling. A stale entry finds nothing and is forgotten.

use std::collections::BTreeMap;

use burgee_protocol::Time;

use crate::io::ConnKey;

/// The wheel's resolution in milliseconds.
const TICK_MS: u64 = 100;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Wheel {
    ticks: BTreeMap<u64, Vec<ConnKey>>,
}

impl Wheel {
    /// Asks for `conn` to come up at `at`.
    pub(crate) fn insert(&mut self, at: Time, conn: ConnKey) {
        self.ticks
            .entry(at.as_millis().div_ceil(TICK_MS))
            .or_default()
            .push(conn);
    }

    /// Whether nothing will come up.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ticks.is_empty()
    }

    /// When the next one comes up.
    #[inline]
    pub(crate) fn next(&self) -> Option<Time> {
        self.ticks
            .first_key_value()
            .map(|(tick, _)| Time::from_millis(tick.saturating_mul(TICK_MS)))
    }

    /// Takes those that are due.
    #[inline]
    pub(crate) fn due(&mut self, now: Time) -> Option<Vec<ConnKey>> {
        if self.next()? > now {
            return None;
        }
        self.ticks.pop_first().map(|(_, conns)| conns)
    }
}
