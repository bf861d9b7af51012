//! What is said about a line.

use std::fmt;
use std::path::PathBuf;

/// How much it matters.
#[derive(Copy, Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Weight {
    /// It has no counterpart, or is another thing here: somebody has to look at it.
    Look,
    /// It needs nothing.
    Needless,
}

/// A line that is not in the result as it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remark {
    /// How much it matters.
    pub weight: Weight,
    /// In which file.
    pub file: PathBuf,
    /// In which line, from 1.
    pub line: usize,
    /// The option.
    pub option: String,
    /// What it means and what to do.
    pub what: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.file.display(),
            self.line,
            self.option,
            self.what
        )
    }
}

/// Where a line stands.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

impl At {
    pub(super) fn remark(&self, weight: Weight, option: &str, what: impl Into<String>) -> Remark {
        Remark {
            weight,
            file: self.file.clone(),
            line: self.line,
            option: option.to_owned(),
            what: what.into(),
        }
    }
}
