//! Budgets: what still fits into a reader's head. File, function and parameters of code that is no test, and the number of
//! packages in the lock file. Parameters are counted as clippy counts them, `self` included; a function's lines are those
//! between its braces that hold code, so comments are free there. A file's lines are all its lines.

use super::finding::Finding;
use super::lexer::is_word;
use super::source::{Source, closing};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;
const PARAMETERS: usize = 5;
const LOCKED_PACKAGES: usize = 250;

pub(super) fn check(rust: &[Source], other: &[(String, String)]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rust.iter().flat_map(of_file).collect();
    if let Some((path, text)) = other.iter().find(|(path, _)| path == "Cargo.lock") {
        let packages = text.lines().filter(|line| *line == "[[package]]").count();
        if packages > LOCKED_PACKAGES {
            let what = format!("{packages} packages are locked, the budget is {LOCKED_PACKAGES}");
            let way_out = "`cargo tree --workspace` shows who brings them; drop a dependency or its default features";
            findings.push(Finding::new("budgets", path, 1, what, way_out));
        }
    }
    findings
}

fn of_file(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = source.lines_without_tests();
    if lines > FILE_LINES {
        let what = format!("{lines} lines without tests, the budget is {FILE_LINES}");
        findings.push(Finding::new(
            "budgets",
            &source.path,
            1,
            what,
            "split it where two things live side by side",
        ));
    }
    for Function {
        name,
        line,
        parameters,
        lines,
    } in functions(source)
    {
        if source.is_test(line) {
            continue;
        }
        if lines > FUNCTION_LINES {
            let what = format!("function `{name}` has {lines} lines, the budget is {FUNCTION_LINES}");
            findings.push(Finding::new(
                "budgets",
                &source.path,
                line,
                what,
                "give a part of it a name of its own",
            ));
        }
        if parameters > PARAMETERS {
            let what = format!("function `{name}` has {parameters} parameters, the budget is {PARAMETERS}");
            let way_out = "what always travels together is a struct";
            findings.push(Finding::new("budgets", &source.path, line, what, way_out));
        }
    }
    findings
}

#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    parameters: usize,
    /// Lines with code between the braces; 0 without a body.
    lines: usize,
}

/// All functions of a file, nested ones too; function pointers, closures and macro templates are none.
fn functions(source: &Source) -> Vec<Function> {
    let code = source.code.as_str();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn") {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let after = code.get(at + 2..).unwrap_or_default();
        if before.is_some_and(|c| is_word(c) || c == '#') || !after.starts_with(char::is_whitespace) {
            continue;
        }
        let tail = after.trim_start();
        let name: String = tail
            .trim_start_matches("r#")
            .chars()
            .take_while(|c| is_word(*c))
            .collect();
        if name.is_empty() {
            continue;
        }
        let offset = code.len() - tail.len();
        found.extend(measure(source, &name, offset));
    }
    found
}

/// Measures the function whose name begins at `offset`.
fn measure(source: &Source, name: &str, offset: usize) -> Option<Function> {
    let code = source.code.as_str();
    let mut at = offset + code.get(offset..)?.find(|c: char| !is_word(c) && c != '#')?;
    at += spaces(code.get(at..)?);
    if code.get(at..)?.starts_with('<') {
        at += angles(code.get(at..)?)?;
        at += spaces(code.get(at..)?);
    }
    let rest = code.get(at..)?;
    if !rest.starts_with('(') {
        return None;
    }
    let end = closing(rest, '(', ')')?;
    let parameters = count_parameters(rest.get(1..end - 1)?);
    at += end;
    let body = body(code.get(at..)?);
    let lines = body.map_or(0, |(from, to)| code_lines(source, at + from + 1, at + to - 1));
    Some(Function {
        name: name.to_owned(),
        line: source.line(offset),
        parameters,
        lines,
    })
}

fn spaces(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// Length of a `<...>` group; the `>` of an arrow closes nothing.
fn angles(text: &str) -> Option<usize> {
    let (mut depth, mut before) = (0_usize, ' ');
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' && before != '=' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        before = c;
    }
    None
}

fn count_parameters(inner: &str) -> usize {
    let (mut depth, mut before, mut count, mut something) = (0_usize, ' ', 0, false);
    for c in inner.chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '>' if before != '-' && before != '=' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                count += usize::from(something);
                something = false;
                before = c;
                continue;
            }
            _ => {}
        }
        something |= !c.is_whitespace();
        before = c;
    }
    count + usize::from(something)
}

/// Offsets of a function's body behind its parameters: its brace and the end; `None` where a `;` comes first.
fn body(text: &str) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return closing(text.get(at..)?, '{', '}').map(|length| (at, at + length)),
            _ => {}
        }
    }
    None
}

/// Lines in a span that hold something but comments and blanks.
fn code_lines(source: &Source, from: usize, to: usize) -> usize {
    let both = |mask: &str| mask.get(from..to).map(str::to_owned).unwrap_or_default();
    let (text, comments) = (both(&source.text), both(&source.comments));
    let blank = |line: &str| line.chars().all(char::is_whitespace);
    let length = |line: &str| {
        line.chars()
            .filter(|c| !c.is_whitespace())
            .map(char::len_utf8)
            .sum::<usize>()
    };
    text.lines()
        .zip(comments.lines())
        .filter(|(line, comment)| !blank(line) && length(line) > length(comment))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(text: &str) -> Vec<(String, usize, usize)> {
        let source = Source::new("crates/x/src/a.rs", text);
        functions(&source)
            .into_iter()
            .map(|it| (it.name, it.parameters, it.lines))
            .collect()
    }

    #[test]
    fn parameters_are_counted_through_generics_closures_and_tuples() {
        assert_eq!(measured("fn a() {}"), [("a".to_owned(), 0, 0)]);
        assert_eq!(measured("fn a(&mut self, b: u8,) {}"), [("a".to_owned(), 2, 0)]);
        let text =
            "fn a<F: Fn(u8, u8) -> bool, const N: usize>(f: F, g: (u8, u8), h: Map<K, V>, i: [u8; 4]) -> [u8; 2] {}";
        assert_eq!(measured(text), [("a".to_owned(), 4, 0)]);
        assert_eq!(
            measured("fn a(f: &dyn Fn(u8, u8) -> u8, b: u8);"),
            [("a".to_owned(), 2, 0)]
        );
        assert_eq!(
            measured("fn a(f: Box<dyn Fn(u8) -> u8, A>) {}"),
            [("a".to_owned(), 1, 0)]
        );
        assert_eq!(
            measured("fn a(/* x, y */ b: u8, #[cfg(x)] c: u8) {}"),
            [("a".to_owned(), 2, 0)]
        );
    }

    #[test]
    fn what_only_looks_like_a_function_is_none() {
        assert_eq!(
            measured("type F = fn(u8) -> u8; // fn a() {}\nconst S: &str = \"fn b() {}\";"),
            []
        );
        assert_eq!(measured("macro_rules! m { ($n:ident) => { fn $n() {} } }"), []);
        assert_eq!(measured("const fn_x: u8 = 1;"), []);
    }

    #[test]
    fn lines_of_a_function_are_lines_with_code() {
        let text = "fn a() {\n    // why\n\n    let x = \"\n      many\n    \"; // tail\n    /* more\n     and more */\n    b();\n}";
        assert_eq!(measured(text), [("a".to_owned(), 0, 4)]);
    }

    fn judge(text: &str) -> Vec<(usize, String)> {
        of_file(&Source::new("crates/x/src/a.rs", text))
            .into_iter()
            .map(|it| (it.line, it.what))
            .collect()
    }

    #[test]
    fn a_function_at_the_budget_passes_and_one_above_does_not() {
        let function = |lines: usize| format!("//! Doc.\nfn a() {{\n{}}}\n", "    b();\n".repeat(lines));
        assert_eq!(judge(&function(FUNCTION_LINES)), []);
        assert_eq!(judge(&function(FUNCTION_LINES + 1)).first().map(|it| it.0), Some(2));
        assert_eq!(judge("fn a(a: A, b: B, c: C, d: D, e: E) {}"), []);
        assert_eq!(judge("fn a(a: A, b: B, c: C, d: D, e: E, f: F) {}").len(), 1);
    }

    #[test]
    fn a_file_at_the_budget_passes_and_tests_are_free() {
        let file = |lines: usize| {
            format!(
                "{}#[cfg(test)]\nmod tests {{\n{}}}\n",
                "//\n".repeat(lines),
                "//\n".repeat(900)
            )
        };
        assert_eq!(judge(&file(FILE_LINES)), []);
        assert_eq!(judge(&file(FILE_LINES + 1)).len(), 1);
    }

    #[test]
    fn a_long_lock_file_is_found() {
        let lock = |packages: usize| [("Cargo.lock".to_owned(), "[[package]]\n".repeat(packages))];
        assert_eq!(check(&[], &lock(LOCKED_PACKAGES)), []);
        assert_eq!(check(&[], &lock(LOCKED_PACKAGES + 1)).len(), 1);
    }
}
