//! What a check found: where, what is wrong, and the way out. A finding without a way out is only a complaint.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// The check's name, as the allow-list spells it.
    pub(super) check: &'static str,
    /// Path from the repository's root.
    pub(super) path: String,
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) what: String,
    pub(super) way_out: String,
}

impl Finding {
    pub(super) fn new(check: &'static str, path: &str, line: usize, what: String, way_out: &str) -> Self {
        Self {
            check,
            path: path.to_owned(),
            line,
            what,
            way_out: way_out.to_owned(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            check,
            path,
            line,
            what,
            way_out,
        } = self;
        write!(f, "{path}:{line}: {what} [{check}]\n    way out: {way_out}")
    }
}
