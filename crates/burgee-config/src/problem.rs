//! What is wrong with the settings: where, what, and the way out.
//!
//! What must hold: all of it is told at once, in the order in which a person reads the sources, and bounded; no text from
//! outside reaches a terminal with control characters in it. Deliberately absent: exit codes.

use std::fmt;
use std::path::PathBuf;

use crate::text::Spot;

/// Problems that are told; the rest is counted.
const TOLD: usize = 50;

/// Where a setting was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// In a file, at a place.
    Spot(Box<Spot>),
    /// A file as a whole.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// An option of the command line.
    Flag(&'static str),
    /// Nowhere: it follows from all of them.
    All,
}

/// How bad it is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Level {
    /// The settings cannot be used.
    Error,
    /// They can, and something should be known.
    Warning,
}

/// See the module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Error or warning.
    pub level: Level,
    /// Where it was written.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What to do about it; may be empty where `what` says it.
    pub way_out: String,
}

impl Problem {
    /// An error.
    pub fn error(place: Place, what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            place,
            what: what.into(),
            way_out: way_out.into(),
        }
    }

    /// A warning.
    pub fn warning(place: Place, what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            ..Self::error(place, what, way_out)
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spot(spot) => write!(f, "{}:{}:{}", spot.path.display(), spot.line, spot.column),
            Self::File(path) => path.display().fmt(f),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "--{name}"),
            Self::All => f.write_str("settings"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        write!(f, "{}: {level}: {}", clean(&self.place.to_string()), clean(&self.what))?;
        if !self.way_out.is_empty() {
            write!(f, "; {}", clean(&self.way_out))?;
        }
        if let Place::Spot(spot) = &self.place {
            let number = spot.line.to_string();
            let gap = " ".repeat(number.len());
            let under = underline(spot);
            write!(f, "\n  {number} | {}\n  {gap} | {under}", spot.excerpt)?;
        }
        Ok(())
    }
}

fn underline(spot: &Spot) -> String {
    let shown = spot.excerpt.chars().count();
    let start = (spot.column - 1).min(shown);
    let width = spot.width.min((shown - start).max(1));
    format!("{}{}", " ".repeat(start), "^".repeat(width))
}

/// Without control characters: a file's text is not to steer a terminal.
fn clean(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control() && c != '\n';
            let (one, many) = if escaped {
                (None, Some(c.escape_default()))
            } else {
                (Some(c), None)
            };
            one.into_iter().chain(many.into_iter().flatten())
        })
        .collect()
}

/// All that is wrong, errors and warnings.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Problems {
    list: Vec<Problem>,
    errors: usize,
    untold: usize,
}

impl Problems {
    /// One more.
    pub fn push(&mut self, problem: Problem) {
        self.errors += usize::from(problem.level == Level::Error);
        if self.list.len() < TOLD {
            self.list.push(problem);
        } else {
            self.untold += 1;
        }
    }

    /// In the order of reading.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// Something cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors there are, told or not.
    #[must_use]
    pub const fn errors(&self) -> usize {
        self.errors
    }

    /// Nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn sort(&mut self) {
        // Stable: what has no line stays in the order in which it was found, behind what has one.
        self.list.sort_by_key(|problem| match &problem.place {
            Place::Spot(spot) => (spot.line, spot.column),
            Place::File(_) | Place::Variable(_) | Place::Flag(_) | Place::All => (usize::MAX, 0),
        });
    }
}

impl Extend<Problem> for Problems {
    fn extend<T: IntoIterator<Item = Problem>>(&mut self, problems: T) {
        for problem in problems {
            self.push(problem);
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.untold > 0 {
            write!(f, "\nand {} more", self.untold)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;
    use std::path::Path;

    #[test]
    fn a_problem_shows_its_line() {
        let text = Text::new(Path::new("b.toml"), "a = 1\n  wrong = 2\n".to_owned());
        let spot = text.spot(&(8..13));
        let problem = Problem::error(Place::Spot(Box::new(spot)), "unknown key wrong", "did you mean wring?");
        assert_eq!(
            problem.to_string(),
            "b.toml:2:3: error: unknown key wrong; did you mean wring?\n  2 |   wrong = 2\n    |   ^^^^^"
        );
    }

    #[test]
    fn nothing_steers_the_terminal_and_the_list_ends() {
        let mut problems = Problems::default();
        for _ in 0..TOLD + 7 {
            problems.push(Problem::error(Place::File("f".into()), "a\u{1b}[2Jb", ""));
        }
        let told = problems.to_string();
        assert!(!told.contains('\u{1b}') && told.contains("a\\u{1b}[2Jb"), "{told}");
        assert!(told.ends_with("and 7 more"), "{told}");
    }
}
