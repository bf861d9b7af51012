//! Layers 0 to 2 decide; they do not reach out. clippy forbids the single functions and types there; this check forbids
//! whole rooms of the standard library, which clippy cannot, and what is no path at all: `async` and globals.
//! Tests may do as they like.

use super::finding::Finding;
use super::layers;
use super::lexer::is_word;
use super::paths;
use super::source::Source;

/// Paths that begin like this are forbidden.
const ROOMS: &[&[&str]] = &[
    &["std", "net"],
    &["std", "fs"],
    &["std", "io"],
    &["std", "thread"],
    &["std", "env"],
    &["std", "process"],
    &["std", "os"],
    &["tokio"],
    &["mio"],
    &["rand"],
    &["getrandom"],
];

/// Words in code that are forbidden wherever they stand.
const WORDS: &[(&str, &str)] = &[
    ("async", "async"),
    ("await", "async"),
    ("thread_local", "a global"),
    ("OnceLock", "a global"),
    ("LazyLock", "a global"),
    ("OnceCell", "a global"),
];

/// In a `static`, these make it a global that changes.
const CHANGING: &[&str] = &["mut ", "Atomic", "Mutex", "RwLock", "Cell"];

pub(super) fn check(rust: &[Source]) -> Vec<Finding> {
    let low = |source: &&Source| {
        let name = source.crate_folder().and_then(|folder| folder.rsplit('/').next());
        name.and_then(layers::layer)
            .is_some_and(|layer| layer <= layers::PURE_UP_TO)
    };
    rust.iter().filter(low).flat_map(of_file).collect()
}

fn of_file(source: &Source) -> Vec<Finding> {
    let finding = |line: usize, what: String| {
        let way_out = "layers 0 to 2 are handed what they need: let the shell do it and pass the result in";
        Finding::new("sans-io", &source.path, line, what, way_out)
    };
    let mut findings = Vec::new();
    for named in paths::paths(source) {
        let begins =
            |room: &&&[&str]| named.words.len() >= room.len() && named.words.iter().zip(**room).all(|(a, b)| a == b);
        if let Some(room) = ROOMS.iter().find(begins) {
            findings.push(finding(named.line, format!("`{}` below layer 3", room.join("::"))));
        }
    }
    for (line, code) in source.code_lines().filter(|(line, _)| !source.is_test(*line)) {
        for (word, what) in WORDS {
            if code.split(|c| !is_word(c)).any(|found| found == *word) {
                findings.push(finding(line, format!("`{word}` ({what}) below layer 3")));
            }
        }
        let is_static = code.trim_start().trim_start_matches("pub ").starts_with("static ");
        if is_static && CHANGING.iter().any(|word| code.contains(word)) {
            findings.push(finding(line, "a global that changes".to_owned()));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(path: &str, text: &str) -> usize {
        check(&[Source::new(path, text)]).len()
    }

    #[test]
    fn low_layers_may_not_reach_out() {
        let reaching = [
            "use std::{fmt, net::IpAddr};",
            "fn a() { std::fs::read(x); }",
            "async fn a() {}",
            "static COUNT: AtomicU64 = AtomicU64::new(0);",
            "thread_local! { }",
        ];
        for text in reaching {
            assert_eq!(judge("crates/burgee-core/src/a.rs", text), 1, "{text}");
        }
    }

    #[test]
    fn pure_code_and_tests_and_upper_layers_may_be_as_they_are() {
        let pure = "use core::time::Duration;\nstatic NAMES: &[&str] = &[];\nfn a(x: &'static str) {} // async std::fs";
        assert_eq!(judge("crates/burgee-core/src/a.rs", pure), 0);
        let test = "#[test]\nfn a() {\n    b.await;\n}";
        assert_eq!(judge("crates/burgee-core/src/a.rs", test), 0);
        assert_eq!(judge("crates/burgee-core/tests/a.rs", "use std::fs;"), 0);
        assert_eq!(judge("crates/burgee-broker/src/a.rs", "use std::fs;"), 0);
    }
}
