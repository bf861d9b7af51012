//! The users of a password file, as logins look them up: made once, never changed, swapped as a whole.
//!
//! What must hold: nobody learns by the clock which names there are. A name that is unknown costs what a known one
//! costs: an entry that a keyed hash of the name picks is checked in its place, the same for the same name each time, so
//! files with entries of different costs tell nothing either.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::path::Path;

use super::document::Document;
use super::hash::Hashed;
use super::problems::FileProblems;

/// What became of a name and a password.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Checked {
    /// They belong together.
    Right,
    /// The user is known, the password is another.
    Wrong,
    /// There is no such user.
    Unknown,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Users {
    entries: Vec<Hashed>,
    numbers: BTreeMap<Box<str>, usize>,
    decoys: RandomState,
}

impl Users {
    /// Reads a password file.
    ///
    /// # Errors
    /// It cannot be read, or has lines that cannot be used: all of them.
    pub fn read(path: &Path) -> Result<Self, FileProblems> {
        Document::read(path).map(Self::from)
    }

    /// How many users there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// No user at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is a user of this name.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.numbers.contains_key(name)
    }

    /// All of them, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Hashed)> {
        self.numbers
            .iter()
            .filter_map(|(name, number)| Some((&**name, self.entries.get(*number)?)))
    }

    /// The entry of a user.
    pub(crate) fn find(&self, name: &str) -> Option<&Hashed> {
        self.entries.get(*self.numbers.get(name)?)
    }

    /// Checks a password. An empty one, which is a missing one, too, is never right, even if the file has such an entry.
    /// An unknown user takes no time here: see [`Users::feign`].
    #[must_use]
    pub fn check(&self, name: &str, password: &[u8]) -> Checked {
        match self.numbers.get(name).and_then(|number| self.entries.get(*number)) {
            Some(hashed) if hashed.matches(password) && !password.is_empty() => Checked::Right,
            Some(_) => Checked::Wrong,
            None => Checked::Unknown,
        }
    }

    /// Takes the time that a check takes.
    pub fn feign(&self, name: &str, password: &[u8]) {
        if let Some(hashed) = self.decoy(name) {
            black_box(hashed.matches(black_box(password)));
        }
    }

    pub(super) fn decoy(&self, name: &str) -> Option<&Hashed> {
        let count = self.entries.len() as u64;
        let number = self.decoys.hash_one(name).checked_rem(count)?;
        self.entries.get(usize::try_from(number).ok()?)
    }
}

impl From<Document> for Users {
    fn from(document: Document) -> Self {
        let mut users = Self::default();
        for (name, hashed) in document.into_users() {
            users.numbers.insert(name, users.entries.len());
            users.entries.push(hashed);
        }
        users
    }
}
