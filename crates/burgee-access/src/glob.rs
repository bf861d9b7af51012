//! Patterns for names of users and clients: `*` stands for any characters, none included.
//!
//! What must hold: matching takes time in proportion to the name and the pattern, whatever both are. Deliberately absent:
//! other wildcards; with them that would not hold.

use core::fmt;
use core::str::FromStr;

/// The longest pattern, in bytes.
const MOST: usize = 1024;

/// See the module.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Glob {
    text: Box<str>,
    /// It has no `*` that stands for more than itself.
    exact: bool,
}

/// Why a text is no pattern.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum InvalidGlob {
    /// It is empty: no client or user has that name.
    Empty,
    /// It has more than 1024 bytes.
    TooLong,
}

impl fmt::Display for InvalidGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a name or a pattern for names has at least one character",
            Self::TooLong => "a pattern for names has at most 1024 bytes",
        })
    }
}

impl core::error::Error for InvalidGlob {}

impl Glob {
    /// This name and no other, whatever characters it has.
    pub(crate) fn literal(name: &str) -> Self {
        Self {
            text: name.into(),
            exact: true,
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The one name that it fits, if it is one.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        self.exact.then_some(&self.text)
    }

    /// Whether it fits a name.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let Some((head, rest)) = self.text.split_once('*').filter(|_| !self.exact) else {
            return *self.text == *name;
        };
        let Some(mut name) = name.strip_prefix(head) else {
            return false;
        };
        let (middle, tail) = rest
            .rsplit_once('*')
            .map_or(("", rest), |(middle, tail)| (middle, tail));
        let Some(room) = name.strip_suffix(tail) else {
            return false;
        };
        name = room;
        // The first place for each part leaves the most room for the others.
        middle.split('*').all(|part| match name.split_once(part) {
            _ if part.is_empty() => true,
            Some((_, rest)) => {
                name = rest;
                true
            }
            None => false,
        })
    }
}

impl FromStr for Glob {
    type Err = InvalidGlob;

    fn from_str(raw: &str) -> Result<Self, InvalidGlob> {
        match raw.len() {
            0 => Err(InvalidGlob::Empty),
            1..=MOST => Ok(Self {
                text: raw.into(),
                exact: !raw.contains('*'),
            }),
            _ => Err(InvalidGlob::TooLong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, slowly.
    fn slow(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|at| slow(rest, &name[at..])),
            Some((first, rest)) => name.first() == Some(first) && slow(rest, &name[1..]),
        }
    }

    #[test]
    fn it_fits_what_the_definition_says() {
        let words = |letters: &[u8], most: u32| {
            let letters = letters.to_vec();
            (0..=most).flat_map(move |len| {
                let letters = letters.clone();
                let all = letters.len().pow(len);
                (0..all).map(move |mut number| {
                    let mut word = String::new();
                    for _ in 0..len {
                        word.push(char::from(letters[number % letters.len()]));
                        number /= letters.len();
                    }
                    word
                })
            })
        };
        let names: Vec<String> = words(b"ab", 6).collect();
        let mut fitting = 0;
        for pattern in words(b"ab*", 5).filter(|pattern| !pattern.is_empty()) {
            let glob: Glob = pattern.parse().unwrap();
            for name in &names {
                let fits = glob.fits(name);
                assert_eq!(fits, slow(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
                fitting += u32::from(fits);
            }
        }
        assert!(fitting > 1000);
    }

    #[test]
    fn a_pattern_has_limits() {
        assert_eq!("".parse::<Glob>(), Err(InvalidGlob::Empty));
        assert_eq!("x".repeat(1025).parse::<Glob>(), Err(InvalidGlob::TooLong));
        assert_eq!("x".parse::<Glob>().unwrap().exact(), Some("x"));
        assert_eq!("x*".parse::<Glob>().unwrap().exact(), None);
    }
}
