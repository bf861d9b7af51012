//! How hard to press: the options that all traffic has in common.

use std::time::Duration;

use crate::error::Error;
use crate::wire::Mark;

/// How hard to press.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// QoS of publishers and subscriptions: 0, 1 or 2.
    pub qos: u8,
    /// Bytes of one payload, 16 or more: the mark of every message takes so many.
    pub payload: usize,
    /// Messages of one publisher that may be under way at one time. Not used where a rate is given.
    pub window: u32,
    /// Time before anything is measured.
    pub warm_up: Duration,
    /// The measured time.
    pub duration: Duration,
    /// Messages published a second, by all publishers together, at times set beforehand (open loop). Without it each
    /// publisher sends as long as its window has room (closed loop).
    pub rate: Option<f64>,
    /// Subscribers have sessions that outlive their connections (clean session 0), so that the broker has to keep
    /// what it owes them. The run removes them at its end.
    pub persistent: bool,
    /// The generator of a closed loop looks without a pause for what has come, so that waking it up is not measured as
    /// the broker's time. It wants a core of its own. An open loop does so in any case.
    pub spin: bool,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            qos: 0,
            payload: 64,
            window: 64,
            warm_up: Duration::from_secs(1),
            duration: Duration::from_secs(5),
            rate: None,
            persistent: false,
            spin: false,
        }
    }
}

/// No part of a run is longer, so that numbers and stamps of messages stay unique.
pub const LONGEST: Duration = Duration::from_secs(50 * 60);

/// The longest sleep: what is looked at now and then has its turn.
const NAP: Duration = Duration::from_millis(50);

/// Connections that one run may have: more do not fit into the ports of one address.
const CONNECTIONS: usize = 60_000;

impl Load {
    /// Whether the generator looks without a pause for what has come: an open loop has to be on time.
    pub(crate) const fn never_sleeps(&self) -> bool {
        self.spin || self.rate.is_some()
    }

    /// How long the generator of a closed loop may sleep until something comes, with so much of the time left.
    pub(crate) fn nap(&self, left: Duration) -> Duration {
        if self.never_sleeps() {
            Duration::ZERO
        } else {
            left.min(NAP)
        }
    }

    /// Whether this can be done, by so many connections.
    pub(crate) fn check(&self, connections: usize) -> Result<(), Error> {
        let refuse = |what: String| Err(Error::Option(what));
        let largest = 256 << 20;
        if self.qos > 2 {
            return refuse(format!("QoS {} does not exist", self.qos));
        }
        if !(Mark::LEN..largest - 1024).contains(&self.payload) {
            return refuse(format!("a payload has {} bytes to nearly 256 MiB", Mark::LEN));
        }
        if !(1..=60_000).contains(&self.window) {
            return refuse("a window has 1 to 60000 messages".to_owned());
        }
        if self.duration.is_zero() || self.duration > LONGEST || self.warm_up > LONGEST {
            return refuse("a run lasts longer than nothing, and at most 50 minutes".to_owned());
        }
        if self.rate.is_some_and(|rate| !(0.001..=1e8).contains(&rate)) {
            return refuse("a rate is positive, and not more than 100 million a second".to_owned());
        }
        if !(2..=CONNECTIONS).contains(&connections) {
            return refuse(format!(
                "a run has at least one publisher and one subscriber, and at most {CONNECTIONS} of both"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_spins_does_not_sleep() {
        let (short, long, load) = (Duration::from_millis(1), Duration::from_secs(1), Load::default());
        assert_eq!([load.nap(short), load.nap(long)], [short, NAP]);
        let rate = Some(1.0);
        for awake in [Load { spin: true, ..load }, Load { rate, ..load }] {
            assert!(awake.never_sleeps() && awake.nap(long).is_zero(), "{awake:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let fine = Load::default();
        assert!(fine.check(2).is_ok());
        let bad = [
            Load { qos: 3, ..fine },
            Load { payload: 15, ..fine },
            Load {
                payload: 256 << 20,
                ..fine
            },
            Load { window: 0, ..fine },
            Load {
                duration: Duration::ZERO,
                ..fine
            },
            Load {
                rate: Some(0.0),
                ..fine
            },
            Load {
                rate: Some(f64::NAN),
                ..fine
            },
        ];
        for load in bad {
            assert!(matches!(load.check(2), Err(Error::Option(_))), "{load:?}");
        }
        assert!(fine.check(1).is_err() && fine.check(70_000).is_err());
    }
}
