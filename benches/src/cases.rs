//! All cases, by part of the data path.
//!
//! What must hold: a name never changes its meaning; what is counted anew gets a new name.

mod crowd;
mod decode;
mod encode;
mod lone;
mod matching;
mod pairs;

use crate::work::Case;

/// All of them, in the order in which they are shown.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        decode::CASES,
        matching::CASES,
        encode::CASES,
        pairs::CASES,
        crowd::CASES,
        lone::CASES,
    ]
    .concat()
}
