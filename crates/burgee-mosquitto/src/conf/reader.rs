//! Reads a file line by line, and those that it includes.
//!
//! What must hold: a line is looked at as Mosquitto does: its first word is the option, the rest its value; lines that begin
//! with `#` are comments. Includes are bounded in depth and number.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::chain;
use super::draft::Draft;
use super::known::{Becomes, Known, Place};
use super::remark::{At, Weight};
use super::settings;
use super::table::options;
use super::write::{Conversion, write};

/// Files that are read for one conversion.
const MOST_FILES: usize = 1000;

/// How files are come by.
pub trait Files {
    /// The text of a file.
    ///
    /// # Errors
    /// It cannot be read, or is too large.
    fn read(&mut self, path: &Path) -> io::Result<String>;

    /// The files in a directory.
    ///
    /// # Errors
    /// It cannot be read.
    fn list(&mut self, path: &Path) -> io::Result<Vec<PathBuf>>;
}

/// Why a file cannot be converted.
#[derive(Debug)]
pub enum ConfError {
    /// A file or a directory of files cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There are too many of them, or they include each other.
    TooMany {
        /// The one that was too much.
        path: PathBuf,
    },
}

impl fmt::Display for ConfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } => write!(f, "{} cannot be read: {error}", path.display()),
            Self::TooMany { path } => write!(
                f,
                "{} is one file too many: more than {MOST_FILES} are included, or they include each other",
                path.display()
            ),
        }
    }
}

impl std::error::Error for ConfError {}

/// Reads a `mosquitto.conf`.
///
/// # Errors
/// A file cannot be read. What stands in a file is never an error: it is told about in the result.
pub fn convert(path: &Path, files: &mut impl Files) -> Result<Conversion, ConfError> {
    let mut draft = Draft::default();
    // Files that are still to be read, the next one last, and lines of a file behind an include.
    let mut waiting = vec![Part::whole(path.to_owned())];
    let mut count = 0;
    while let Some(part) = waiting.pop() {
        let text = if let Some(text) = part.text {
            text
        } else {
            count += 1;
            if count > MOST_FILES {
                return Err(ConfError::TooMany { path: part.file });
            }
            files.read(&part.file).map_err(|error| ConfError::Read {
                path: part.file.clone(),
                error,
            })?
        };
        for (number, line) in text.lines().enumerate().skip(part.from) {
            let at = At {
                file: part.file.clone(),
                line: number + 1,
            };
            let Some((option, value)) = words(line) else { continue };
            if option != "include_dir" {
                take(&mut draft, option, value, &at);
                continue;
            }
            let directory = PathBuf::from(value);
            let mut found = files.list(&directory).map_err(|error| ConfError::Read {
                path: directory.clone(),
                error,
            })?;
            found.retain(|path| path.extension().is_some_and(|ending| ending == "conf"));
            found.sort();
            draft.remarks.push(at.remark(
                Weight::Needless,
                option,
                format!("{} files were read here", found.len()),
            ));
            waiting.push(Part {
                file: part.file,
                text: Some(text.clone()),
                from: number + 1,
            });
            waiting.extend(found.into_iter().rev().map(Part::whole));
            break;
        }
    }
    chain::look(&mut draft, |path| files.read(path));
    Ok(write(draft, path))
}

/// A file, or what is left of one.
struct Part {
    file: PathBuf,
    text: Option<String>,
    /// The first line that has not been read.
    from: usize,
}

impl Part {
    const fn whole(file: PathBuf) -> Self {
        Self {
            file,
            text: None,
            from: 0,
        }
    }
}

/// Option and value; none: nothing is said.
fn words(line: &str) -> Option<(&str, &str)> {
    if line.starts_with('#') {
        return None;
    }
    let line = line.trim();
    let (option, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    (!option.is_empty()).then_some((option, value.trim()))
}

fn take(draft: &mut Draft, option: &str, value: &str, at: &At) {
    let known: Option<&Known> = options().iter().find(|known| known.is(option));
    let Some(known) = known else {
        let what = "Mosquitto has no such option; it was not looked at";
        draft.remarks.push(at.remark(Weight::Look, option, what));
        return;
    };
    let taken = match known.place {
        Place::Bridge => Ok(false),
        _ if value.is_empty() => Err("it has no value; it was not looked at".to_owned()),
        Place::Broker => settings::take(draft, option, value, at),
        Place::Listener => settings::take_for_listener(draft, option, value, at),
    };
    let (weight, what) = match (taken, known.becomes) {
        (Err(what), _) => (Weight::Look, what),
        (Ok(_), Becomes::Needless(values)) if values.contains(&"*") || values.contains(&value) => {
            (Weight::Needless, known.note.to_owned())
        }
        (Ok(_), Becomes::Needless(_) | Becomes::Nothing) => {
            if said_false(known, value) {
                (Weight::Needless, "false: nothing is needed".to_owned())
            } else {
                (Weight::Look, known.note.to_owned())
            }
        }
        (Ok(true), Becomes::Setting(_)) => return,
        (Ok(false), Becomes::Setting(_)) => (Weight::Look, known.note.to_owned()),
    };
    draft.remarks.push(at.remark(weight, option, what));
}

/// Whether something that has no counterpart is switched off anyway.
fn said_false(known: &Known, value: &str) -> bool {
    known.place != Place::Bridge && known.becomes == Becomes::Nothing && value == "false"
}
