//! Password files: read, checked, changed. Our own entries (Argon2id) and Mosquitto's stand beside each other.
//!
//! What must hold: no content makes reading panic, or one login cost more than `cost` allows; everything that is
//! wrong with a file is told at once. Deliberately absent: passwords as they are; a file that has one is refused.

mod cost;
mod document;
mod hash;
mod name;
mod permissions;
mod problems;
mod rewrite;
mod users;
mod workbench;

pub use cost::{MAX_FILE_BYTES, MAX_LINE_BYTES, Recipe, UnfitRecipe};
pub use document::Document;
pub use hash::{CannotHash, Hashed, InvalidHash};
pub use name::{InvalidName, MAX_NAME_BYTES, check_name};
pub use permissions::{Exposure, exposure};
pub use problems::{FileProblems, Problem};
pub use rewrite::{Lock, create_new, lock, replace};
pub use users::{Checked, Users};

#[cfg(test)]
mod tests;
