//! A password file as it is written: lines in order, comments included, so that changing one user changes one line.
//!
//! What must hold: a document that was read has no problems, so what is written can be read again.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::cost::{MAX_FILE_BYTES, MAX_LINE_BYTES};
use super::hash::Hashed;
use super::name::{self, InvalidName};
use super::problems::{FileProblems, Gathered, Problem};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Document {
    lines: Vec<Line>,
    /// Name to line.
    users: HashMap<Box<str>, usize>,
}

#[derive(Clone, Debug)]
enum Line {
    /// A comment or nothing, as written.
    Other(Box<str>),
    User {
        name: Box<str>,
        hashed: Hashed,
    },
    /// Was removed.
    Gone,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is too large, or has lines that cannot be used: all of them.
    pub fn read(path: &Path) -> Result<Self, FileProblems> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|source| FileProblems::io(path, "open", source))?;
        file.take(MAX_FILE_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| FileProblems::io(path, "read", source))?;
        Self::parse(path, &bytes)
    }

    /// The same of what was read already; `path` is for errors only.
    ///
    /// # Errors
    /// It is too large, or has lines that cannot be used: all of them.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, FileProblems> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(FileProblems::TooLarge { path: path.to_owned() });
        }
        let mut document = Self::default();
        let mut problems = Gathered::default();
        for (number, line) in (1..).zip(lines(bytes)) {
            if let Err(problem) = document.take(number, line) {
                problems.push(number, problem);
            }
        }
        problems.none_or(path)?;
        Ok(document)
    }

    fn take(&mut self, number: usize, line: &[u8]) -> Result<(), Problem> {
        if line.len() > MAX_LINE_BYTES {
            return Err(Problem::LongLine);
        }
        let text = std::str::from_utf8(line).map_err(|_| Problem::NotUtf8)?;
        let Some((name, hashed)) = read_line(text)? else {
            // However many ends of lines of other systems there are: what is written is read as it was.
            self.lines.push(Line::Other(text.trim_end_matches('\r').into()));
            return Ok(());
        };
        if let Some(first) = self.users.insert(name.into(), number) {
            return Err(Problem::Twice { first });
        }
        self.lines.push(Line::User {
            name: name.into(),
            hashed,
        });
        Ok(())
    }

    /// Adds a user or changes the password. True: the user was there.
    ///
    /// # Errors
    /// No name for a password file.
    pub fn set(&mut self, name: &str, hashed: Hashed) -> Result<bool, InvalidName> {
        name::check_name(name)?;
        if let Some(old) = self.find_mut(name) {
            *old = hashed;
            return Ok(true);
        }
        self.lines.push(Line::User {
            name: name.into(),
            hashed,
        });
        self.users.insert(name.into(), self.lines.len());
        Ok(false)
    }

    /// Takes a user out. False: there was none of this name.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(line) = self.users.remove(name) else {
            return false;
        };
        if let Some(line) = self.lines.get_mut(line - 1) {
            *line = Line::Gone;
        }
        true
    }

    /// The entry of a user.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Hashed> {
        match self.lines.get(self.users.get(name)? - 1)? {
            Line::User { hashed, .. } => Some(hashed),
            Line::Other(_) | Line::Gone => None,
        }
    }

    fn find_mut(&mut self, name: &str) -> Option<&mut Hashed> {
        match self.lines.get_mut(self.users.get(name)? - 1)? {
            Line::User { hashed, .. } => Some(hashed),
            Line::Other(_) | Line::Gone => None,
        }
    }

    /// All users in the order of the file.
    pub fn users(&self) -> impl Iterator<Item = (&str, &Hashed)> {
        self.lines.iter().filter_map(|line| match line {
            Line::User { name, hashed } => Some((&**name, hashed)),
            Line::Other(_) | Line::Gone => None,
        })
    }

    /// How many users there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// No user at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(super) fn into_users(self) -> impl Iterator<Item = (Box<str>, Hashed)> {
        self.lines.into_iter().filter_map(|line| match line {
            Line::User { name, hashed } => Some((name, hashed)),
            Line::Other(_) | Line::Gone => None,
        })
    }
}

/// The file as text.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            match line {
                Line::Other(text) => writeln!(f, "{text}")?,
                Line::User { name, hashed } => writeln!(f, "{name}:{hashed}")?,
                Line::Gone => {}
            }
        }
        Ok(())
    }
}

/// Lines without their ends; a last one without an end is one, too.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let most = if bytes.is_empty() { 0 } else { usize::MAX };
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let all = bytes.split(|byte| *byte == b'\n');
    all.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).take(most)
}

/// None for a comment or an empty line. Blanks around the name do not belong to it; Mosquitto reads it the same way.
fn read_line(line: &str) -> Result<Option<(&str, Hashed)>, Problem> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, hash) = line.split_once(':').ok_or(Problem::NoColon)?;
    let name = name.trim();
    name::check_name(name).map_err(Problem::Name)?;
    Hashed::parse(hash.trim())
        .map(|hashed| Some((name, hashed)))
        .map_err(Problem::Hash)
}
