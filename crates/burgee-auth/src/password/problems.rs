//! What is wrong with a password file: all of it, each with file and line.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::cost::{MAX_FILE_BYTES, MAX_LINE_BYTES};
use super::hash::InvalidHash;
use super::name::InvalidName;

/// Told in full; the rest is counted.
const TOLD: usize = 100;

/// What is wrong with one line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Problem {
    /// No colon between name and password.
    NoColon,
    /// The name.
    Name(InvalidName),
    /// The password.
    Hash(InvalidHash),
    /// The name stands in an earlier line.
    Twice {
        /// Which.
        first: usize,
    },
    /// Too long.
    LongLine,
    /// Not UTF-8.
    NotUtf8,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoColon => f.write_str("no colon; a line is name:hash, a comment begins with #"),
            Self::Name(invalid) => invalid.fmt(f),
            Self::Hash(invalid) => invalid.fmt(f),
            Self::Twice { first } => write!(f, "the same name stands in line {first}; remove one of them"),
            Self::LongLine => write!(f, "longer than {MAX_LINE_BYTES} bytes"),
            Self::NotUtf8 => f.write_str("not UTF-8"),
        }
    }
}

/// Why a password file cannot be used.
#[derive(Debug)]
pub enum FileProblems {
    /// It cannot be read or written.
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// It is too large.
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// Lines that cannot be used.
    Lines {
        /// The file.
        path: PathBuf,
        /// Line, from 1, and what is wrong with it; the first hundred.
        problems: Vec<(usize, Problem)>,
        /// How many more there are.
        more: usize,
    },
}

impl FileProblems {
    pub(super) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io { path, action, source }
    }
}

impl fmt::Display for FileProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, action, source } => {
                write!(f, "{}: cannot {action} the password file: {source}", path.display())
            }
            Self::TooLarge { path } => write!(
                f,
                "{}: a password file has at most {MAX_FILE_BYTES} bytes; for more users ask a server (HTTP call-out)",
                path.display()
            ),
            Self::Lines { path, problems, more } => {
                for (number, (line, problem)) in problems.iter().enumerate() {
                    let end = if number > 0 { "\n" } else { "" };
                    write!(f, "{end}{}:{line}: {problem}", path.display())?;
                }
                match more {
                    0 => Ok(()),
                    more => write!(f, "\n{}: and {more} lines more", path.display()),
                }
            }
        }
    }
}

impl std::error::Error for FileProblems {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::TooLarge { .. } | Self::Lines { .. } => None,
        }
    }
}

/// Gathers problems, without end in number but not in memory.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    told: Vec<(usize, Problem)>,
    more: usize,
}

impl Gathered {
    pub(super) fn push(&mut self, line: usize, problem: Problem) {
        if self.told.len() < TOLD {
            self.told.push((line, problem));
        } else {
            self.more += 1;
        }
    }

    /// # Errors
    /// There are some.
    pub(super) fn none_or(self, path: &Path) -> Result<(), FileProblems> {
        if self.told.is_empty() {
            return Ok(());
        }
        Err(FileProblems::Lines {
            path: path.to_owned(),
            problems: self.told,
            more: self.more,
        })
    }
}
