//! Latencies as an HDR histogram: three significant digits from 100 nanoseconds to ten minutes, in constant memory.
//!
//! Must hold: recording never fails and never allocates; what is beyond the range is counted at its edge.

use serde::Serialize;

/// Longest latency told apart, in units of 100 ns: about seven minutes, what a 32-bit time stamp can tell.
const LONGEST: u64 = u32::MAX as u64;

/// Latencies in units of 100 nanoseconds.
#[derive(Debug, Clone)]
pub struct Latencies(hdrhistogram::Histogram<u64>);

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Latencies taken.
    pub count: u64,
    /// Half were shorter.
    pub p50: f64,
    /// 90 % were shorter.
    pub p90: f64,
    /// 99 % were shorter.
    pub p99: f64,
    /// 99.9 % were shorter.
    pub p99_9: f64,
    /// 99.99 % were shorter.
    pub p99_99: f64,
    /// The longest.
    pub max: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = hdrhistogram::Histogram::new_with_bounds(1, LONGEST, 3);
        Self(histogram.unwrap_or_else(|never| unreachable!("constant bounds are valid: {never}")))
    }
}

impl Latencies {
    /// Notes one latency, in units of 100 ns.
    pub fn note(&mut self, units: u32) {
        self.0.saturating_record(u64::from(units));
    }

    /// Adds all that another one has noted.
    pub fn add(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        debug_assert!(added.is_ok(), "both have the same constant bounds");
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// The percentiles of what was noted; none if nothing was.
    #[must_use]
    pub fn percentiles(&self) -> Option<Percentiles> {
        let at = |q: f64| micros(self.0.value_at_quantile(q));
        (!self.0.is_empty()).then(|| Percentiles {
            count: self.0.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: micros(self.0.max()),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most 32 bits")]
fn micros(units: u64) -> f64 {
    units as f64 / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_line() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentiles(), None);
        (1..=10_000).for_each(|n| latencies.note(n));
        let found = latencies.percentiles().unwrap();
        assert_eq!(found.count, 10_000);
        for (is, should) in [
            (found.p50, 500.0),
            (found.p99, 990.0),
            (found.p99_9, 999.0),
            (found.max, 1000.0),
        ] {
            assert!((is / should - 1.0).abs() < 0.002, "{is} for {should}");
        }
        latencies.clear();
        assert_eq!(latencies.percentiles(), None);
    }

    #[test]
    fn the_longest_is_kept() {
        let mut latencies = Latencies::default();
        latencies.note(u32::MAX);
        assert!(latencies.percentiles().unwrap().max > 420e6);
    }
}
