//! How far long work has come: one line on standard error, written over again and again.
//!
//! What must hold: only a terminal sees it, only after a second, at most ten times a second, and it is gone before the
//! end. Deliberately absent: estimates of the time that is left.

use std::fmt;
use std::io::{self, IsTerminal, Write as _};
use std::time::{Duration, Instant};

/// Back to the beginning of the line, and away with it.
const CLEAR: &str = "\r\x1b[K";

const FIRST: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(100);

/// The line.
#[derive(Debug)]
pub(crate) struct Progress {
    /// When it may be written next; `None`: never.
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// `wanted` and somebody there to see it.
    pub(crate) fn new(wanted: bool) -> Self {
        let seen = wanted && io::stderr().is_terminal();
        Self {
            next: seen.then(|| Instant::now() + FIRST),
            shown: false,
        }
    }

    /// Writes the line if it is time.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.next.is_some_and(|next| next <= now) {
            self.next = Some(now + EVERY);
            self.shown = true;
            write(format_args!("{CLEAR}{}", text()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            write(format_args!("{CLEAR}"));
        }
    }
}

/// That nobody reads it is no reason to fail.
fn write(text: fmt::Arguments<'_>) {
    io::stderr().lock().write_fmt(text).ok();
}
