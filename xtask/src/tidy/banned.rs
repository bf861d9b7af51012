//! What must not be committed: unfinished work, tests that are switched off without a reason or that sleep where they
//! should wait for an event, and traces of one machine.

use super::finding::Finding;
use super::lexer::is_word;
use super::source::Source;

/// Words in comments that promise work instead of doing it.
const PROMISES: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// Macros that end the program where work is missing.
const HOLES: &[&str] = &["todo!", "unimplemented!"];

/// Beginnings of paths and addresses that exist on one machine only. Written in two halves, so that this file is clean.
const MACHINE: &[(&str, &str)] = &[
    ("/ho", "me/"),
    ("/ro", "ot/"),
    ("/Us", "ers/"),
    ("/wo", "rk/"),
    ("/tm", "p/"),
    ("crates.io/", "api"),
    ("http://1", "0."),
    ("http://19", "2.168."),
];

pub(super) fn check(rust: &[Source], other: &[(String, String)]) -> Vec<Finding> {
    let of_rust = rust.iter().flat_map(|source| {
        let mut findings = unfinished(source);
        findings.extend(tests(source));
        findings.extend(machine(&source.path, &source.text));
        findings
    });
    let of_other = other.iter().flat_map(|(path, text)| {
        let mut findings = machine(path, text);
        findings.extend(foreign_tests(path, text));
        findings
    });
    of_rust.chain(of_other).collect()
}

fn promises(text: &str) -> Option<&'static str> {
    let said = |promise: &&&str| text.split(|c| !is_word(c)).any(|word| word == **promise);
    PROMISES.iter().find(said).copied()
}

fn unfinished(source: &Source) -> Vec<Finding> {
    let finding = |line: usize, word: &str| {
        let way_out = "do it now, or write down outside the code what is left";
        Finding::new(
            "banned",
            &source.path,
            line,
            format!("`{word}`: unfinished work"),
            way_out,
        )
    };
    let in_comments = source
        .comment_lines()
        .filter_map(|(line, text)| promises(text).map(|word| finding(line, word)));
    let in_code = source.code_lines().filter_map(|(line, text)| {
        HOLES
            .iter()
            .find(|hole| text.contains(**hole))
            .map(|hole| finding(line, hole))
    });
    in_comments.chain(in_code).collect()
}

fn tests(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in source.code_lines() {
        if text.contains("#[ignore]") {
            let what = "a test is ignored without a reason".to_owned();
            findings.push(Finding::new(
                "banned",
                &source.path,
                line,
                what,
                "`#[ignore = \"...\"]` says why and until when",
            ));
        }
        if source.is_test(line) && calls_sleep(text) {
            findings.push(sleep(&source.path, line));
        }
    }
    findings
}

fn calls_sleep(text: &str) -> bool {
    text.match_indices("sleep(")
        .any(|(at, _)| !text.get(..at).is_some_and(|before| before.ends_with(is_word)))
}

fn sleep(path: &str, line: usize) -> Finding {
    let way_out = "wait for the event itself, with a deadline; if there is none, the allow-list wants the reason";
    Finding::new(
        "banned",
        path,
        line,
        "a test sleeps in place of an event".to_owned(),
        way_out,
    )
}

/// The tests in other languages, and promises in scripts and documents.
fn foreign_tests(path: &str, text: &str) -> Vec<Finding> {
    let is_test = path.split('/').any(|part| part == "tests");
    let is_code = [".py", ".js", ".mjs", ".ts"]
        .iter()
        .any(|ending| path.ends_with(ending));
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if is_test && is_code && calls_sleep(line) {
            findings.push(sleep(path, at + 1));
        }
        if let Some(word) = promises(line).filter(|_| is_code || path.starts_with("scripts/")) {
            let way_out = "do it now, or write down outside the code what is left";
            findings.push(Finding::new(
                "banned",
                path,
                at + 1,
                format!("`{word}`: unfinished work"),
                way_out,
            ));
        }
    }
    findings
}

fn machine(path: &str, text: &str) -> Vec<Finding> {
    let begins = |line: &str| {
        let found = |(a, b): &&(&str, &str)| {
            let trace = format!("{a}{b}");
            // A path inside a longer one ("docs/home/") is nobody's machine.
            line.match_indices(&trace)
                .any(|(at, _)| !line.get(..at).is_some_and(|before| before.ends_with(path_char)))
        };
        MACHINE.iter().find(found).map(|(a, b)| format!("{a}{b}"))
    };
    let found = text
        .lines()
        .enumerate()
        .filter_map(|(at, line)| begins(line).map(|trace| (at + 1, trace)));
    let way_out = "paths from the repository's root, temporary folders from the system, hosts that everybody has";
    found
        .map(|(line, trace)| {
            let what = format!("`{trace}` exists on one machine only");
            Finding::new("banned", path, line, what, way_out)
        })
        .collect()
}

fn path_char(c: char) -> bool {
    is_word(c) || matches!(c, '/' | '.' | '-' | '}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(path: &str, text: &str) -> usize {
        if path == "src/a.rs" {
            check(&[Source::new(path, text)], &[]).len()
        } else {
            check(&[], &[(path.to_owned(), text.to_owned())]).len()
        }
    }

    #[test]
    fn unfinished_work_is_found_in_code_and_comments() {
        assert_eq!(judge("src/a.rs", "fn a() { todo!() }"), 1);
        assert_eq!(judge("src/a.rs", "// FIXME: later"), 1);
        assert_eq!(judge("scripts/x", "# TODO later"), 1);
        assert_eq!(judge("src/a.rs", "fn todo() { b(\"TODO\") } // todos"), 0);
    }

    #[test]
    fn an_ignored_test_needs_a_reason() {
        assert_eq!(judge("src/a.rs", "#[test]\n#[ignore]\nfn a() {}"), 1);
        assert_eq!(judge("src/a.rs", "#[test]\n#[ignore = \"an hour\"]\nfn a() {}"), 0);
    }

    #[test]
    fn a_test_may_not_sleep_but_the_program_may() {
        assert_eq!(judge("src/a.rs", "#[test]\nfn a() {\n    thread::sleep(SECOND);\n}"), 1);
        assert_eq!(judge("src/a.rs", "fn a() { thread::sleep(SECOND); }"), 0);
        assert_eq!(judge("tests/interop/a.py", "time.sleep(1)"), 1);
        assert_eq!(judge("tests/interop/a.py", "may_sleep(1)"), 0);
    }

    #[test]
    fn traces_of_a_machine_are_found() {
        for (a, b) in MACHINE {
            assert_eq!(judge("README.md", &format!("see {a}{b}x")), 1, "{a}{b}");
            let text = format!("const A: &str = \"{a}{b}x\";");
            assert_eq!(judge("src/a.rs", &text), 1, "{a}{b}");
        }
        assert_eq!(
            judge("README.md", "see docs/home/x and ./work/x and http://127.0.0.1:1"),
            0
        );
    }
}
