//! What happened, as lines for a person and as one number for a comparison.
//!
//! What must hold: the number is the same whether lines are kept or not. Deliberately absent: a log level; a run is
//! told whole or not at all.

/// See the module.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// Keeps lines only if somebody wants to read them.
    #[must_use]
    pub fn new(keep: bool) -> Self {
        Self {
            hash: 0,
            lines: keep.then(Vec::new),
        }
    }

    /// Something happened at `now` that `parts` tell apart from other things.
    pub fn say(&mut self, now: u64, parts: [u64; 3], line: impl FnOnce() -> String) {
        for part in [now].into_iter().chain(parts) {
            self.hash = (self.hash.rotate_left(5) ^ part).wrapping_mul(0x517C_C1B7_2722_0A95);
        }
        self.note(now, line);
    }

    /// A line for the reader alone: it is no part of the story, because it is there only when somebody reads.
    pub fn note(&mut self, now: u64, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now:>8} {}", line()));
        }
    }

    /// One number for the whole story so far.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether lines are kept.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.lines.is_some()
    }

    /// The lines.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
