//! One Rust file as the checks see it: text, masks, and which lines belong to tests.
//! Test code is what stands in a file named `tests.rs` or below a folder `tests` or `benches`, and what `#[cfg(test)]`,
//! `#[test]` or the like stands over, including the file of a module declared that way.

use super::lexer::{self, Masks};

/// A Rust file.
#[derive(Debug)]
pub(super) struct Source {
    /// Path from the repository's root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// See [`Masks`].
    pub(super) code: String,
    /// See [`Masks`].
    pub(super) comments: String,
    starts: Vec<usize>,
    test_lines: Vec<bool>,
    test_modules: Vec<String>,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let Masks { code, comments } = lexer::mask(text);
        let starts: Vec<usize> = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let whole = path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests" || part == "benches");
        let mut source = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            comments,
            test_lines: vec![whole; starts.len()],
            starts,
            test_modules: Vec::new(),
        };
        source.find_tests();
        source
    }

    /// The line that holds this offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Whether a line (counted from 1) belongs to a test.
    pub(super) fn is_test(&self, line: usize) -> bool {
        self.test_lines.get(line.wrapping_sub(1)).copied().unwrap_or_default()
    }

    /// Number of lines that belong to no test.
    pub(super) fn lines_without_tests(&self) -> usize {
        let lines = self.text.lines().count();
        (1..=lines).filter(|line| !self.is_test(*line)).count()
    }

    /// The lines of the code mask, counted from 1.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(at, line)| (at + 1, line))
    }

    /// The lines of the comment mask, counted from 1.
    pub(super) fn comment_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.comments.lines().enumerate().map(|(at, line)| (at + 1, line))
    }

    /// The crate's folder, such as `crates/burgee-codec`, if this file lies below its `src`.
    pub(super) fn crate_folder(&self) -> Option<&str> {
        self.path.split_once("/src/").map(|(folder, _)| folder)
    }

    fn find_tests(&mut self) {
        let mut spans = Vec::new();
        for (at, _) in self.code.match_indices("#[").chain(self.code.match_indices("#![")) {
            let Some(tail) = self.code.get(at..) else { continue };
            let Some(end) = closing(tail, '[', ']') else { continue };
            let words: String = tail
                .get(..end)
                .unwrap_or_default()
                .chars()
                .filter(|c| !c.is_whitespace())
                .collect();
            if words.starts_with("#![cfg(test)") {
                spans.push((0, self.code.len()));
            } else if is_test_attribute(words.trim_start_matches("#[").trim_end_matches(']')) {
                let item = tail.get(end..).unwrap_or_default();
                let length = item_length(item);
                spans.push((at, at + end + length));
                self.test_modules
                    .extend(module_declared(item.get(..length).unwrap_or_default()));
            }
        }
        for (from, to) in spans {
            let (first, last) = (self.line(from), self.line(to.saturating_sub(1)));
            for line in self.test_lines.iter_mut().take(last).skip(first - 1) {
                *line = true;
            }
        }
    }
}

/// Marks the files of modules that are declared under `#[cfg(test)]` as tests.
pub(super) fn spread_test_modules(sources: &mut [Source]) {
    let mut prefixes = Vec::new();
    for source in sources.iter() {
        let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
        let stem = file.trim_end_matches(".rs");
        let home = if matches!(stem, "lib" | "main" | "mod") {
            folder.to_owned()
        } else {
            format!("{folder}/{stem}")
        };
        prefixes.extend(source.test_modules.iter().map(|name| format!("{home}/{name}")));
    }
    for source in sources {
        let is_below = |prefix: &String| {
            source
                .path
                .strip_prefix(prefix.as_str())
                .is_some_and(|tail| tail == ".rs" || tail.starts_with('/'))
        };
        if prefixes.iter().any(is_below) {
            source.test_lines.fill(true);
        }
    }
}

fn is_test_attribute(words: &str) -> bool {
    words == "test"
        || words.ends_with("::test")
        || words.starts_with("cfg(test)")
        || words.starts_with("cfg(all(test,")
        || words.starts_with("tokio::test(")
}

/// Offset behind the bracket that closes the first `open` of `text`.
pub(super) fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at + c.len_utf8());
            }
        }
    }
    None
}

/// Length of the item that begins here: up to its closing brace, or to the `;` that ends it.
fn item_length(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return at + 1,
            '{' if depth == 0 => {
                let body = text.get(at..).and_then(|tail| closing(tail, '{', '}'));
                return body.map_or(text.len(), |length| at + length);
            }
            _ => {}
        }
    }
    text.len()
}

/// The name in `mod name;`, if this item is one.
fn module_declared(item: &str) -> Option<String> {
    let words = item.trim().strip_suffix(';')?;
    let (before, name) = words.rsplit_once(char::is_whitespace)?;
    (before.trim_end().ends_with("mod")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_under_cfg_test_is_test_and_the_rest_is_not() {
        let text = "//! Doc.\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\"; }\n}\nfn c() {}\n";
        let source = Source::new("crates/x/src/a.rs", text);
        let tests: Vec<usize> = (1..=7).filter(|line| source.is_test(*line)).collect();
        assert_eq!(tests, vec![3, 4, 5, 6]);
        assert_eq!(source.lines_without_tests(), 3);
    }

    #[test]
    fn a_test_attribute_covers_only_its_item() {
        let text = "#[test]\n#[should_panic]\nfn a() {\n}\nfn b() {}\n#[cfg(not(test))]\nfn c() {}\n";
        let source = Source::new("crates/x/src/a.rs", text);
        let tests: Vec<usize> = (1..=7).filter(|line| source.is_test(*line)).collect();
        assert_eq!(tests, vec![1, 2, 3, 4]);
    }

    #[test]
    fn the_file_of_a_test_module_is_a_test() {
        let mut sources = [
            Source::new(
                "crates/x/src/lib.rs",
                "#[cfg(test)]\npub(crate) mod scripted;\nmod scripted_not;\n",
            ),
            Source::new("crates/x/src/scripted.rs", "fn a() {}\n"),
            Source::new("crates/x/src/scripted/more.rs", "fn a() {}\n"),
            Source::new("crates/x/src/scripted_not.rs", "fn a() {}\n"),
        ];
        spread_test_modules(&mut sources);
        let tests: Vec<bool> = sources.iter().map(|source| source.is_test(1)).collect();
        assert_eq!(tests, vec![true, true, true, false]);
    }

    #[test]
    fn files_below_tests_are_tests() {
        assert!(Source::new("tests/conformance/src/a.rs", "fn a() {}\n").is_test(1));
        assert!(Source::new("crates/x/src/flow/tests.rs", "fn a() {}\n").is_test(1));
        assert!(!Source::new("crates/x/src/latests.rs", "fn a() {}\n").is_test(1));
    }
}
