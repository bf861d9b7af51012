//! Moving averages for `$SYS/broker/load`: events a minute, over 1, 5 and 15 minutes.
//!
//! What must hold: an average moves towards the rate of the last interval by the share of its span that has passed.
//! Deliberately absent: history; two numbers for each average are enough.

use crate::counters::Counters;

/// Names and lengths in minutes.
pub(crate) const SPANS: [(&str, f64); 3] = [("1min", 1.0), ("5min", 5.0), ("15min", 15.0)];

/// What is averaged.
const NAMES: [&str; 8] = [
    "messages/received",
    "messages/sent",
    "publish/received",
    "publish/sent",
    "publish/dropped",
    "bytes/received",
    "bytes/sent",
    "connections",
];

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    last: [u64; NAMES.len()],
    averages: [[f64; SPANS.len()]; NAMES.len()],
}

impl Loads {
    /// Takes in what was counted up to now; `passed_ms` have gone by since the last time.
    #[allow(
        clippy::cast_precision_loss,
        reason = "an average of counts needs no more than 52 bits"
    )]
    pub(crate) fn update(&mut self, sum: &Counters, passed_ms: u64) {
        let now = [
            sum.packets_received,
            sum.packets_sent,
            sum.publish_received,
            sum.publish_sent,
            sum.dropped(),
            sum.bytes_received,
            sum.bytes_sent,
            sum.connections,
        ];
        let minutes = passed_ms as f64 / 60_000.0;
        if minutes > 0.0 {
            let counted = now
                .iter()
                .zip(self.last)
                .map(|(now, last)| now.saturating_sub(last) as f64);
            for (averages, count) in self.averages.iter_mut().zip(counted) {
                for (average, (_, span)) in averages.iter_mut().zip(SPANS) {
                    *average += (count / minutes - *average) * (1.0 - (-minutes / span).exp());
                }
            }
        }
        self.last = now;
    }

    /// The averages by name, one for each of [`SPANS`].
    pub(crate) fn averages(&self) -> impl Iterator<Item = (&'static str, [f64; SPANS.len()])> {
        NAMES.into_iter().zip(self.averages)
    }
}
