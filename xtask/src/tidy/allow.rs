//! The allow-list: exceptions, each with its reason. An exception that covers nothing is an error, so the list shrinks by
//! itself when the code gets better.

use super::finding::Finding;
use std::path::Path;

/// Where the list lives.
pub(super) const LIST: &str = "xtask/tidy-allow.toml";

/// One exception: it covers the findings of one check in one file whose text contains `what`.
#[derive(Debug)]
pub(super) struct Exception {
    check: String,
    path: String,
    what: String,
    line: usize,
}

/// Reads the list; a missing file is an empty list.
pub(super) fn read(root: &Path) -> Result<Vec<Exception>, String> {
    match std::fs::read_to_string(root.join(LIST)) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("{LIST}: {error}")),
    }
}

fn parse(text: &str) -> Result<Vec<Exception>, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{LIST}: {error}"))?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.trim() == "[[allow]]")
        .map(|(at, _)| at + 1);
    let entries = table
        .get("allow")
        .and_then(toml::Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    entries
        .iter()
        .zip(lines)
        .map(|(entry, line)| exception(entry, line))
        .collect()
}

fn exception(entry: &toml::Value, line: usize) -> Result<Exception, String> {
    let field = |name: &str| {
        entry
            .get(name)
            .and_then(toml::Value::as_str)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let (check, path, reason) = (field("check"), field("path"), field("reason"));
    if check.is_empty() || path.is_empty() || reason.is_empty() {
        return Err(format!(
            "{LIST}:{line}: an exception needs `check`, `path` and `reason`, none of them empty"
        ));
    }
    Ok(Exception {
        check,
        path,
        what: field("what"),
        line,
    })
}

/// Takes away what is allowed. With `complete`, every exception has had its chance, and an unused one is a finding.
pub(super) fn apply(exceptions: &[Exception], findings: Vec<Finding>, complete: bool) -> Vec<Finding> {
    let covers = |exception: &Exception, finding: &Finding| {
        exception.check == finding.check && exception.path == finding.path && finding.what.contains(&exception.what)
    };
    let unused: Vec<Finding> = exceptions
        .iter()
        .filter(|exception| complete && !findings.iter().any(|finding| covers(exception, finding)))
        .map(|Exception { check, path, line, .. }| {
            let what = format!("the exception from `{check}` for {path} covers nothing");
            Finding::new(
                "allow-list",
                LIST,
                *line,
                what,
                "remove it: the code is better than the list says",
            )
        })
        .collect();
    let left = findings
        .into_iter()
        .filter(|finding| !exceptions.iter().any(|exception| covers(exception, finding)));
    left.chain(unused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[[allow]]\ncheck = \"budgets\"\npath = \"a.rs\"\nwhat = \"`big`\"\nreason = \"a table\"\n";

    fn finding(path: &str) -> Finding {
        Finding::new("budgets", path, 3, "function `big` has 80 lines".to_owned(), "split it")
    }

    #[test]
    fn an_exception_takes_away_what_it_names_and_nothing_else() {
        let other = Finding {
            what: "function `bigger` has 90 lines".to_owned(),
            ..finding("a.rs")
        };
        let found = vec![finding("a.rs"), finding("b.rs"), other.clone()];
        let left = apply(&parse(ONE).unwrap(), found, true);
        assert_eq!(left, vec![finding("b.rs"), other]);
    }

    #[test]
    fn an_unused_exception_is_a_finding_when_all_checks_ran() {
        let left = apply(&parse(ONE).unwrap(), Vec::new(), true);
        assert_eq!(
            left.first().map(|finding| (finding.check, finding.line)),
            Some(("allow-list", 1))
        );
        assert_eq!(apply(&parse(ONE).unwrap(), Vec::new(), false), Vec::new());
    }

    #[test]
    fn an_exception_without_reason_is_refused() {
        let why = parse("[[allow]]\ncheck = \"budgets\"\npath = \"a.rs\"\nreason = \" \"\n").unwrap_err();
        assert!(why.contains("reason"), "{why}");
    }
}
