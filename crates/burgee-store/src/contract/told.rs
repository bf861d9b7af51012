//! How things are told: well, or with what went wrong, in words that show both sides.

use std::fmt::Debug;

use crate::error::Failure;
use crate::page::Limit;

/// How a story or a script ends: well, or with what went wrong.
pub(super) type Told = Result<(), String>;

/// A page that holds everything.
pub(super) const ALL: Limit = Limit {
    items: usize::MAX,
    bytes: usize::MAX,
};

pub(super) fn same<T: Debug + PartialEq + ?Sized>(what: &str, expected: &T, found: &T) -> Told {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, found {found:?}"))
}

pub(super) fn unreadable(failure: &Failure) -> String {
    format!("a read failed: {failure}")
}
