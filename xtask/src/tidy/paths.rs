//! The paths that a file names: those of its `use` declarations, opened up, and those written inline. Two checks need them:
//! module cycles and sans-io.
//! Deliberately absent: name resolution. Who knows the modules resolves; here are only words.

use super::lexer::is_word;
use super::source::Source;

/// One path as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// Its words, such as `crate`, `wire`, `Reader`; a glob ends with `*`.
    pub(super) words: Vec<String>,
    /// The name by which a `use` makes it known here; `None` for a path written inline.
    pub(super) known_as: Option<String>,
    pub(super) line: usize,
    /// Inline modules around it, outermost first.
    pub(super) inside: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// All paths outside tests, in order.
pub(super) fn paths(source: &Source) -> Vec<Named> {
    let tokens: Vec<Token<'_>> = tokens(source)
        .into_iter()
        .filter(|token| !source.is_test(token.line))
        .collect();
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        inside: Vec::new(),
        depth: 0,
        found: Vec::new(),
    };
    reader.file();
    reader.found
}

/// The names of the items that a file defines.
pub(super) fn defines(source: &Source) -> Vec<String> {
    const KEYWORDS: &[&str] = &[
        "struct", "enum", "union", "trait", "type", "fn", "const", "static", "mod",
    ];
    let tokens = tokens(source);
    let pairs = tokens.iter().zip(tokens.iter().skip(1));
    let names = pairs
        .filter(|(keyword, _)| KEYWORDS.contains(&keyword.text))
        .map(|(_, name)| name.text);
    names
        .filter(|name| name.starts_with(is_word))
        .map(str::to_owned)
        .collect()
}

fn tokens(source: &Source) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (line, text) in source.code_lines() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let length = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (token, tail) = rest.split_at(length);
            tokens.push(Token { text: token, line });
            rest = tail.trim_start();
        }
    }
    tokens
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    /// Inline modules around the current place, each with the depth of braces at which it began.
    inside: Vec<(String, usize)>,
    depth: usize,
    found: Vec<Named>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    fn line(&self) -> usize {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map_or(1, |token| token.line)
    }

    fn file(&mut self) {
        while self.at < self.tokens.len() {
            match self.peek(0) {
                "{" => self.depth += 1,
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    self.inside.retain(|(_, depth)| *depth < self.depth + 1);
                }
                "mod" if self.peek(2) == "{" => self.inside.push((self.peek(1).to_owned(), self.depth + 1)),
                "use" if self.peek(1) != "<" => {
                    self.at += 1;
                    self.tree(&[]);
                    continue;
                }
                word if word.starts_with(is_word) && self.peek(1) == "::" => {
                    self.inline();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn inline(&mut self) {
        let line = self.line();
        let mut words = vec![self.peek(0).to_owned()];
        self.at += 1;
        while self.peek(0) == "::" {
            self.at += 1;
            if !self.peek(0).starts_with(is_word) {
                break;
            }
            words.push(self.peek(0).to_owned());
            self.at += 1;
        }
        self.push(words, None, line);
    }

    /// Reads one branch of a `use` tree up to what ends it.
    fn tree(&mut self, before: &[String]) {
        let mut words = before.to_vec();
        let line = self.line();
        while self.at < self.tokens.len() {
            match self.peek(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while !matches!(self.peek(0), "}" | "") {
                        self.tree(&words);
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "as" => {
                    let name = self.peek(1).to_owned();
                    self.at += 2;
                    self.push(words, Some(name), line);
                    return;
                }
                "," | "}" | ";" => break,
                word => {
                    words.push(word.to_owned());
                    self.at += 1;
                }
            }
        }
        if words.last().is_some_and(|last| last == "self") && words.len() > 1 {
            words.pop();
        }
        let name = words.last().cloned();
        if words.len() > before.len() || !before.is_empty() {
            self.push(words, name, line);
        }
    }

    fn push(&mut self, words: Vec<String>, known_as: Option<String>, line: usize) {
        let inside = self.inside.iter().map(|(name, _)| name.clone()).collect();
        self.found.push(Named {
            words,
            known_as,
            line,
            inside,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<String> {
        let source = Source::new("crates/x/src/a.rs", text);
        let show = |it: Named| match it.known_as {
            Some(name) => format!("{} as {name}", it.words.join("::")),
            None => it.words.join("::"),
        };
        paths(&source).into_iter().map(show).collect()
    }

    #[test]
    fn use_trees_are_opened_up() {
        let text = "use crate::{a::{self, B}, c::D as E, f::*};\nuse super::g;";
        let expected = [
            "crate::a as a",
            "crate::a::B as B",
            "crate::c::D as E",
            "crate::f::* as *",
            "super::g as g",
        ];
        assert_eq!(named(text), expected);
    }

    #[test]
    fn inline_paths_are_found_and_strings_are_not() {
        assert_eq!(
            named("fn a() { crate::b::c(\"crate::d\"); std::fs::read(x) } // crate::e"),
            ["crate::b::c", "std::fs::read"]
        );
        assert_eq!(named("fn a() -> impl Iterator + use<'a> { Vec::<u8>::new() }"), ["Vec"]);
    }

    #[test]
    fn tests_name_what_they_like() {
        assert_eq!(
            named("#[cfg(test)]\nmod tests {\n    use crate::b;\n}\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn inline_modules_are_remembered() {
        let source = Source::new("a.rs", "mod b {\n use super::c;\n}\nuse super::d;\n");
        let inside: Vec<usize> = paths(&source).iter().map(|it| it.inside.len()).collect();
        assert_eq!(inside, [1, 0]);
    }

    #[test]
    fn defined_names_are_found() {
        let source = Source::new("a.rs", "pub struct A;\npub(crate) fn b() {}\nconst C: u8 = 1;\n");
        assert_eq!(defines(&source), ["A", "b", "C"]);
    }
}
