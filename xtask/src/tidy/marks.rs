//! Statement marks: every MQTT statement that obliges a server has its address in the code, a comment with the statement's
//! number in square brackets beside the line that keeps it, and a test function named after it. A number that is in no
//! standard, or a test whose name does not match its statement, is a slip of the pen that would hide a missing proof.
//! A mark in a file's opening words is no address: it does not say which line keeps the statement.
//! The client library proves its own side: a statement with "client" in its list has a test of its name there.
//! Deliberately absent: marks in the client library, where a test is proof enough.

use super::finding::Finding;
use super::lexer::is_word;
use super::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const STATEMENTS: &str = "tests/conformance/statements.toml";

#[derive(Debug, Clone)]
struct Statement {
    slug: String,
    /// A named test is wanted on the server's side.
    server: bool,
    /// A named test is wanted on the client's side.
    client: bool,
    line: usize,
}

type Statements = BTreeMap<String, Statement>;

pub(super) fn check(root: &Path, rust: &[Source]) -> Result<Vec<Finding>, String> {
    match std::fs::read_to_string(root.join(STATEMENTS)) {
        Ok(text) => Ok(compare(&parse(&text)?, rust)),
        Err(error) => {
            let what = format!("the list of statements cannot be read: {error}");
            Ok(vec![Finding::new(
                "marks",
                STATEMENTS,
                1,
                what,
                "without it nothing can be counted: restore it",
            )])
        }
    }
}

fn parse(text: &str) -> Result<Statements, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{STATEMENTS}: {error}"))?;
    let entries = table
        .get("statement")
        .and_then(toml::Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.trim() == "[[statement]]")
        .map(|(at, _)| at + 1);
    let mut statements = Statements::new();
    for (entry, line) in entries.iter().zip(lines) {
        let field = |name: &str| {
            entry
                .get(name)
                .and_then(toml::Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let sides = entry
            .get("tests")
            .and_then(toml::Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let wants = |wanted: &str| sides.iter().any(|side| side.as_str() == Some(wanted));
        statements.insert(
            field("id"),
            Statement {
                slug: field("slug"),
                server: wants("server"),
                client: wants("client"),
                line,
            },
        );
    }
    if statements.is_empty() {
        Err(format!("{STATEMENTS}: no [[statement]] in it"))
    } else {
        Ok(statements)
    }
}

fn compare(statements: &Statements, rust: &[Source]) -> Vec<Finding> {
    let (mut findings, mut marked) = (Vec::new(), BTreeSet::new());
    let (mut tested, mut tested_by_client) = (BTreeSet::new(), BTreeSet::new());
    for source in rust.iter().filter(|source| !source.path.starts_with("xtask/")) {
        for (line, id) in marks(source) {
            if !statements.contains_key(&id) {
                let what = format!("[{id}] is no statement of MQTT 3.1.1");
                let way_out = "numbers stand in tests/conformance/statements.toml; of MQTT 5 are written [MQTT5-...]";
                findings.push(Finding::new("marks", &source.path, line, what, way_out));
            } else if source.path.starts_with("crates/") && !source.is_test(line) && !is_clients(&source.path) {
                marked.insert(id);
            }
        }
        for (line, name, id, rest) in named_tests(source) {
            match statements.get(&id) {
                Some(statement) if follows(&rest, &statement.slug) => {
                    // The same statement may have a test of the client's side under the same name.
                    if is_clients(&source.path) {
                        tested_by_client.insert(id);
                    } else {
                        tested.insert(id);
                    }
                }
                Some(statement) => {
                    let what = format!("`{name}` does not continue with the slug of {id}");
                    let way_out = format!(
                        "the name ends with {}, and a suffix if there are several",
                        statement.slug
                    );
                    findings.push(Finding::new("marks", &source.path, line, what, &way_out));
                }
                None => {
                    let what = format!("`{name}`: {id} is no statement of MQTT 3.1.1");
                    findings.push(Finding::new("marks", &source.path, line, what, "correct the numbers"));
                }
            }
        }
    }
    let test_name = |id: &str, slug: &str| format!("{}_{slug}", id.to_lowercase().replace(['-', '.'], "_"));
    let due = statements.iter().filter(|(_, statement)| statement.client);
    for (id, Statement { slug, line, .. }) in due.filter(|(id, _)| !tested_by_client.contains(*id)) {
        let what = format!("{id} ({slug}) has no named test of the client");
        let way_out = format!("write `fn {}()` in crates/burgee-client/tests", test_name(id, slug));
        findings.push(Finding::new("marks", STATEMENTS, *line, what, &way_out));
    }
    let due = statements.iter().filter(|(_, statement)| statement.server);
    for (id, Statement { slug, line, .. }) in due {
        if !marked.contains(id) {
            let what = format!("{id} ({slug}) has no mark beside the code that keeps it");
            let way_out = format!("put `// [{id}] why` over that line in crates/");
            findings.push(Finding::new("marks", STATEMENTS, *line, what, &way_out));
        }
        if !tested.contains(id) {
            let what = format!("{id} ({slug}) has no named test");
            let way_out = format!("write `fn {}()`", test_name(id, slug));
            findings.push(Finding::new("marks", STATEMENTS, *line, what, &way_out));
        }
    }
    findings
}

/// The client library proves its own side of a statement; the server's side needs a mark and a test of its own.
fn is_clients(path: &str) -> bool {
    path.starts_with("crates/burgee-client/")
}

/// The statement numbers in square brackets in a file's comments, but not in its opening words.
fn marks(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, text) in source
        .comment_lines()
        .filter(|(_, text)| !text.trim_start().starts_with("//!"))
    {
        for (at, _) in text.match_indices("[MQTT-") {
            let id = text.get(at + 1..).and_then(|tail| tail.split(']').next());
            found.extend(id.map(|id| (line, id.to_owned())));
        }
    }
    found
}

/// Test functions named after a statement: line, name, statement, rest of the name.
fn named_tests(source: &Source) -> Vec<(usize, String, String, String)> {
    let mut found = Vec::new();
    for (line, text) in source.code_lines() {
        for (at, _) in text.match_indices("fn mqtt_") {
            let tail = text.get(at + 3..).unwrap_or_default();
            let name: String = tail.chars().take_while(|c| is_word(*c)).collect();
            let parts: Vec<&str> = name.splitn(6, '_').collect();
            let [_, a, b, c, n, rest] = parts.as_slice() else {
                continue;
            };
            if [a, b, c, n].iter().all(|number| number.parse::<u16>().is_ok()) {
                let (id, rest) = (format!("MQTT-{a}.{b}.{c}-{n}"), (*rest).to_owned());
                found.push((line, name, id, rest));
            }
        }
    }
    found
}

fn follows(rest: &str, slug: &str) -> bool {
    rest.strip_prefix(slug)
        .is_some_and(|suffix| suffix.is_empty() || suffix.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
[[statement]]
id = "MQTT-3.1.0-1"
slug = "first_packet_is_connect"
tests = ["server"]
[[statement]]
id = "MQTT-3.1.0-10"
slug = "of_the_client"
tests = ["client"]
"#;

    fn judge(files: &[(&str, &str)]) -> Vec<String> {
        judge_all(&[files, &[OF_THE_CLIENT]].concat())
    }

    fn judge_all(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        compare(&parse(LIST).unwrap(), &sources)
            .into_iter()
            .map(|it| it.what)
            .collect()
    }

    const MARK: (&str, &str) = ("crates/x/src/a.rs", "// [MQTT-3.1.0-1] anything else is refused\n");
    const TEST: (&str, &str) = ("tests/a.rs", "#[test]\nfn mqtt_3_1_0_1_first_packet_is_connect() {}\n");

    const OF_THE_CLIENT: (&str, &str) = (
        "crates/burgee-client/tests/c.rs",
        "#[test]\nfn mqtt_3_1_0_10_of_the_client() {}\n",
    );

    #[test]
    fn the_client_has_a_test_for_each_of_its_statements() {
        assert_eq!(judge_all(&[MARK, TEST, OF_THE_CLIENT]), Vec::<String>::new());
        let found = judge_all(&[MARK, TEST]);
        assert_eq!(found, ["MQTT-3.1.0-10 (of_the_client) has no named test of the client"]);
        // The server's test proves nothing of the client.
        let elsewhere = ("tests/c.rs", OF_THE_CLIENT.1);
        assert_eq!(judge_all(&[MARK, TEST, elsewhere]), found);
    }

    #[test]
    fn a_statement_with_its_mark_and_its_test_passes() {
        assert_eq!(judge(&[MARK, TEST]), Vec::<String>::new());
    }

    #[test]
    fn the_clients_side_proves_nothing_of_the_server() {
        let mark = ("crates/burgee-client/src/a.rs", MARK.1);
        let test = ("crates/burgee-client/tests/a.rs", TEST.1);
        assert_eq!(judge(&[mark, TEST]).len(), 1);
        assert_eq!(judge(&[MARK, test]).len(), 1);
    }

    #[test]
    fn a_missing_mark_and_a_missing_test_are_found() {
        assert!(judge(&[TEST]).iter().any(|what| what.contains("no mark")));
        assert!(judge(&[MARK]).iter().any(|what| what.contains("no named test")));
    }

    #[test]
    fn a_mark_in_a_test_or_in_opening_words_or_in_a_string_is_no_address() {
        let elsewhere = [
            ("tests/b.rs", "// [MQTT-3.1.0-1]\n"),
            ("crates/x/src/b.rs", "//! [MQTT-3.1.0-1]\n"),
            (
                "crates/x/src/d.rs",
                "#[cfg(test)]\nmod tests {\n    // [MQTT-3.1.0-1]\n}\n",
            ),
            ("crates/x/src/c.rs", "const A: &str = \"[MQTT-3.1.0-1]\";\n"),
            TEST,
        ];
        assert!(judge(&elsewhere).iter().any(|what| what.contains("no mark")));
    }

    #[test]
    fn slips_of_the_pen_are_found() {
        let name = "fn mqtt_3_1_0_1_first_packet_is_connected() {}\n";
        assert_eq!(judge(&[MARK, TEST, ("tests/b.rs", name)]).len(), 1);
        assert_eq!(
            judge(&[MARK, TEST, ("crates/x/src/b.rs", "// [MQTT-3.1.0-2]\n")]).len(),
            1
        );
        assert_eq!(
            judge(&[
                MARK,
                TEST,
                ("tests/b.rs", "fn mqtt_3_1_0_1_first_packet_is_conect() {}\n")
            ])
            .len(),
            1
        );
        assert_eq!(
            judge(&[MARK, TEST, ("tests/b.rs", "fn mqtt_3_1_0_9_something() {}\n")]).len(),
            1
        );
        assert_eq!(
            judge(&[
                MARK,
                TEST,
                ("tests/b.rs", "fn mqtt_3_1_0_1_first_packet_is_connect_late() {}\n")
            ])
            .len(),
            0
        );
    }

    #[test]
    fn a_missing_list_is_a_finding_and_an_empty_one_an_error() {
        assert_eq!(check(Path::new("there-is-no-such-folder"), &[]).unwrap().len(), 1);
        assert!(parse("statements = 3\n").is_err());
    }
}
