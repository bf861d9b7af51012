//! From all sources to settings that can be used, in one call.
//!
//! What must hold: files are read here; what they mean is decided without them. Deliberately absent: both halves, see
//! `layers.rs` and `checked.rs`.

use std::path::Path;

use crate::checked::Checked;
use crate::file::{Unreadable, read_text};
use crate::layers::{Sources, read};
use crate::problem::{Place, Problem, Problems};
use crate::text::Text;

/// Reads all sources and checks what comes out of them.
///
/// # Errors
/// Everything that is wrong.
pub fn load(sources: &Sources) -> Result<Checked, Problems> {
    let path = sources.file();
    let text = match &path {
        None => None,
        Some(path) => match read_text(path) {
            Ok(text) => Some(Text::new(path, text)),
            Err(error) => return Err(unreadable(path, &error)),
        },
    };
    let read = read(path.as_deref().zip(text.as_ref()), sources);
    Checked::new(read, path)
}

fn unreadable(path: &Path, error: &Unreadable) -> Problems {
    let mut problems = Problems::default();
    let way_out = "name another with --config FILE, or write one with burgee init";
    problems.push(Problem::error(Place::File(path.to_owned()), error.to_string(), way_out));
    problems
}

#[cfg(test)]
mod tests;
