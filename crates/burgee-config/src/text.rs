//! A text with its lines: from a place in it to the line and column that a person looks for.
//!
//! What must hold: any range is fine, also one inside a character or beyond the end. Lines and columns count from 1,
//! columns in characters. Deliberately absent: what the text means.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// Characters of an offending line that are shown.
const SHOWN: usize = 160;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    path: PathBuf,
    whole: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// A place in a file as people read it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spot {
    /// The file.
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Characters that are meant.
    pub width: usize,
    /// The line, without what must not be shown.
    pub excerpt: String,
}

/// A key that is called so has a value that nobody else may read.
const SECRETS: &[&str] = &["password", "secret", "token", "bearer", "passphrase"];

/// Whether a key's value is never to be shown.
pub(crate) fn is_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key).trim().trim_matches(['"', '\'']);
    SECRETS
        .iter()
        .any(|secret| last == *secret || last.ends_with(&format!("_{secret}")))
}

impl Text {
    pub(crate) fn new(path: &Path, text: String) -> Self {
        let ends = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Self {
            path: path.to_owned(),
            whole: text,
            lines,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.whole
    }

    /// Where a range lies.
    pub(crate) fn spot(&self, range: &Range<usize>) -> Spot {
        let start = self.whole_character(range.start);
        let line = self.lines.partition_point(|begin| *begin <= start).max(1);
        let begin = self.lines.get(line - 1).copied().unwrap_or(0);
        let end = self.lines.get(line).copied().unwrap_or(self.whole.len());
        let whole = self
            .whole
            .get(begin..end)
            .unwrap_or_default()
            .trim_end_matches(['\n', '\r']);
        let before = self.whole.get(begin..start).unwrap_or_default();
        let to = self
            .whole_character(range.end)
            .clamp(start, begin + whole.len().max(start - begin));
        let width = self.whole.get(start..to).unwrap_or_default().chars().count();
        Spot {
            path: self.path.clone(),
            line,
            column: before.chars().count() + 1,
            width: width.max(1),
            excerpt: excerpt(whole),
        }
    }

    /// A line, from 1.
    pub(crate) fn line(&self, number: usize) -> Spot {
        let start = self
            .lines
            .get(number.saturating_sub(1))
            .copied()
            .unwrap_or(self.whole.len());
        let end = self.lines.get(number).copied().unwrap_or(self.whole.len());
        self.spot(&(start..end))
    }

    fn whole_character(&self, at: usize) -> usize {
        let mut at = at.min(self.whole.len());
        while !self.whole.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// The line without control characters, not endless, and without secrets.
fn excerpt(line: &str) -> String {
    let line = match line.split_once('=') {
        Some((key, _)) if is_secret(key) => format!("{key}= ..."),
        _ => line.to_owned(),
    };
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = line.chars().take(SHOWN).map(clean).collect();
    if line.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spot(text: &str, range: Range<usize>) -> (usize, usize, usize, String) {
        let spot = Text::new(Path::new("f"), text.to_owned()).spot(&range);
        (spot.line, spot.column, spot.width, spot.excerpt)
    }

    #[test]
    fn lines_and_columns_count_from_1_in_characters() {
        assert_eq!(spot("", 0..0), (1, 1, 1, String::new()));
        assert_eq!(spot("a\nbc\n", 2..4), (2, 1, 2, "bc".to_owned()));
        assert_eq!(spot("a\r\nünd = 1\r\n", 3..6), (2, 1, 2, "ünd = 1".to_owned()));
        assert_eq!(spot("ä = [\n1\n]", 5..9), (1, 5, 1, "ä = [".to_owned()));
        assert_eq!(spot("a\n", 2..2), (2, 1, 1, String::new()));
    }

    #[test]
    fn a_secret_is_not_shown() {
        for line in [
            "password = 'x1'",
            "tls.\"token\"='x1'",
            "http_secret = x1",
            "[a]\nbearer = \"x1\"",
        ] {
            let at = line.len() - 2;
            let (.., shown) = spot(line, at..at + 1);
            assert!(!shown.contains("x1") && shown.contains('='), "{shown}");
        }
        assert!(!is_secret("password_file"));
    }

    proptest! {
        #[test]
        fn any_range_has_a_place(text: String, start in 0_usize..100, end in 0_usize..100) {
            let (line, column, width, _) = spot(&text, start..end);
            prop_assert!(line >= 1 && column >= 1 && width >= 1);
        }
    }
}
