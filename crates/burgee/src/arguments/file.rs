//! Options from a file: one a line, with its value behind a blank, as Mosquitto's programs read them.
//!
//! What must hold: the command line goes before the file; what is wrong is told with file and line. Our own file is
//! looked for first, then Mosquitto's, so that a change of program needs no change of files. Deliberately absent: quotes;
//! a value is the rest of its line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use clap::Command;

use super::{Item, find, items as read_items};
use crate::failure::Failure;

/// The option that names a file.
pub(super) const OPTION: &str = "options";

/// The options that the file holds, if there is one.
pub(super) fn items(command: &Command, typed: &[Item]) -> Result<Vec<Item>, Failure> {
    let named = typed.iter().rev().find_map(|item| match item {
        Item::Valued { long, value } if long == OPTION => Some(PathBuf::from(value)),
        Item::Valued { .. } | Item::Plain(_) => None,
    });
    let is_help = |item: &Item| matches!(item, Item::Plain(arg) if arg == "--help");
    if typed.iter().any(is_help) {
        return Ok(Vec::new());
    }
    let (path, text) = match named {
        Some(path) => match fs::read_to_string(&path) {
            Ok(text) => (path, text),
            Err(error) => return Err(unreadable(&path, &error)),
        },
        None => match usual(command.get_name())? {
            Some(found) => found,
            None => return Ok(Vec::new()),
        },
    };
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let trouble = |what: String| Failure::usage(format!("{}:{number}: {what}", path.display()));
        let mut args = split(line);
        let Some(name) = args.first().map(|name| name.to_string_lossy().into_owned()) else {
            continue;
        };
        let found = read_items(command, std::mem::take(&mut args)).map_err(|failure| trouble(failure.to_string()))?;
        if find(command, &name).is_none() {
            return Err(trouble(format!(
                "{name:?} is no option of burgee {}; a line is an option and its value",
                command.get_name()
            )));
        }
        if let (Some(option), [Item::Plain(_)]) = (find(command, &name), found.as_slice())
            && option.get_action().takes_values()
        {
            return Err(trouble(format!("{name} needs a value behind it")));
        }
        all.extend(found);
    }
    Ok(all)
}

/// Ours, or Mosquitto's.
fn usual(command: &str) -> Result<Option<(PathBuf, String)>, Failure> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(folder) = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config"))) else {
        return Ok(None);
    };
    for program in ["burgee", "mosquitto"] {
        let path = folder.join(format!("{program}_{command}"));
        match fs::read_to_string(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(None)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read the options in {}: {error}", path.display()))
}

/// Option and value; nothing for an empty line and for a comment.
fn split(line: &str) -> Vec<OsString> {
    let line = line.trim_start_matches(' ').trim_end_matches('\r');
    if line.is_empty() || line.starts_with('#') {
        return Vec::new();
    }
    match line.split_once(' ') {
        Some((name, value)) if !value.is_empty() => vec![name.into(), value.into()],
        Some((name, _)) => vec![name.into()],
        None => vec![line.into()],
    }
}
