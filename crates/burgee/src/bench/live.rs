//! One line on standard error that tells how the run stands.
//!
//! What must hold: it is written to terminals only, and is gone before anything else is printed. How often it comes is
//! the generator's decision: some ten times a second.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};

use burgee_load::Live;

use super::units;

/// Back to the beginning of the line, and away with it.
const CLEAR: &str = "\r\x1b[K";

/// The line, if there is somebody to see it.
#[derive(Debug)]
pub(super) struct LiveLine {
    wanted: bool,
    shown: bool,
}

impl LiveLine {
    pub(super) fn new(quiet: bool) -> Self {
        Self {
            wanted: !quiet && io::stderr().is_terminal(),
            shown: false,
        }
    }

    pub(super) fn show(&mut self, live: &Live) {
        if self.wanted {
            self.shown = true;
            // That nobody reads it is no reason to fail.
            io::stderr().write_all((CLEAR.to_owned() + &text(live)).as_bytes()).ok();
        }
    }

    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            io::stderr().write_all(CLEAR.as_bytes()).ok();
        }
    }
}

/// Short enough for a terminal of 80 columns: a line that wraps cannot be taken back.
fn text(live: &Live) -> String {
    let mut text = format!("{} {:.0} s", live.phase, live.elapsed.as_secs_f64());
    // Writing to a string cannot fail.
    if let Some(of) = live.of {
        write!(text, "  {} of {}", units::count(live.done), units::count(of)).ok();
    }
    if live.rate > 0.0 {
        write!(text, "  {}/s", units::number(live.rate.round())).ok();
    }
    if let Some(latency) = live.latency {
        for (name, value) in [("p50", latency.p50), ("p99", latency.p99), ("max", latency.max)] {
            write!(text, "  {name} {}", units::time(value)).ok();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use burgee_load::histogram::Latencies;
    use std::time::Duration;

    #[test]
    fn the_line_tells_what_is_known() {
        let mut live = Live {
            phase: "settling",
            elapsed: Duration::from_millis(1600),
            done: 0,
            of: None,
            rate: 0.0,
            latency: None,
        };
        assert_eq!(text(&live), "settling 2 s");
        (live.done, live.of, live.rate) = (500, Some(15_000), 12_345.6);
        assert_eq!(text(&live), "settling 2 s  500 of 15,000  12,346/s");
        let mut latencies = Latencies::default();
        latencies.note(u32::MAX);
        live.latency = latencies.percentiles();
        live.phase = "preparing sessions";
        (live.done, live.of, live.rate) = (1_000_000, Some(1_000_000), 1_000_000.0);
        assert!(text(&live).contains("p99 429 s"), "{}", text(&live));
    }
}
