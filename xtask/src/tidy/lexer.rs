//! Tells code, comments and literals of a Rust file apart, so that a word in a string or a comment is not taken for code.
//! What must hold: both masks have the length of the input and its line breaks, so an offset means the same in all three.
//! Deliberately absent: a parser. Brackets, words and lines are enough for house rules.

/// A file's text twice, with everything that does not belong blanked.
#[derive(Debug)]
pub(super) struct Masks {
    /// Code; string contents and character literals are blanked, the quotes of strings stay.
    pub(super) code: String,
    /// Comments with their slashes.
    pub(super) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Splits `text` into its two masks.
pub(super) fn mask(text: &str) -> Masks {
    let mut masks = Masks {
        code: String::with_capacity(text.len()),
        comments: String::with_capacity(text.len()),
    };
    let mut rest = text;
    let mut before = String::new();
    while !rest.is_empty() {
        let (kind, length) = token(rest, &before);
        let (piece, tail) = rest.split_at(length);
        push(&mut masks, kind, piece);
        // What stands before a quote decides whether it opens a raw string: keep the last word.
        if kind == Kind::Code && piece.chars().all(is_word) {
            before.push_str(piece);
        } else {
            before.clear();
        }
        rest = tail;
    }
    masks
}

/// Whether a character may stand in a word.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn push(masks: &mut Masks, kind: Kind, piece: &str) {
    let blank = |into: &mut String, c: char| {
        if c == '\n' {
            into.push('\n');
        } else {
            into.extend(std::iter::repeat_n(' ', c.len_utf8()));
        }
    };
    let string = kind == Kind::Literal && piece.ends_with(['"', '#']);
    let first = piece.find('"');
    for (at, c) in piece.char_indices() {
        let quote = string && c == '"' && (Some(at) == first || piece.get(at..).is_some_and(only_closing));
        match kind {
            Kind::Code => masks.code.push(c),
            Kind::Literal if quote => masks.code.push(c),
            Kind::Comment | Kind::Literal => blank(&mut masks.code, c),
        }
        if kind == Kind::Comment {
            masks.comments.push(c);
        } else {
            blank(&mut masks.comments, c);
        }
    }
}

fn only_closing(tail: &str) -> bool {
    tail.strip_prefix('"')
        .is_some_and(|hashes| hashes.chars().all(|c| c == '#'))
}

/// What begins here, and how many bytes long it is.
fn token(rest: &str, before: &str) -> (Kind, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment(rest));
    }
    if first == '"' {
        let raw = matches!(before, "r" | "br" | "cr");
        return (Kind::Literal, if raw { raw_string(rest, 0) } else { quoted(rest, '"') });
    }
    if first == '#' && matches!(before, "r" | "br" | "cr") {
        let hashes = rest.chars().take_while(|c| *c == '#').count();
        if rest.get(hashes..).is_some_and(|tail| tail.starts_with('"')) {
            return (Kind::Literal, raw_string(rest, hashes));
        }
    }
    if first == '\'' {
        return character(rest).map_or((Kind::Code, 1), |length| (Kind::Literal, length));
    }
    (Kind::Code, first.len_utf8())
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Length of a literal that begins with its quote, up to the same quote unless a backslash stands before it.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    rest.len()
}

/// Length of a raw string whose `hashes` stand before its first quote.
fn raw_string(rest: &str, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    let body = hashes + 1;
    let found = rest.get(body..).and_then(|tail| tail.find(&end));
    found.map_or(rest.len(), |at| body + at + end.len())
}

/// Length of a character literal; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.chars();
    chars.next();
    let inner = chars.next()?;
    if inner == '\\' {
        return Some(quoted(rest, '\''));
    }
    (chars.next() == Some('\'')).then(|| inner.len_utf8() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        mask(text).code
    }

    #[test]
    fn strings_and_comments_are_no_code() {
        assert_eq!(code("a(\"fn b\") // fn c"), "a(\"    \")        ");
        assert_eq!(code("a /* b /* c */ d */ e"), "a                   e");
        assert_eq!(mask("a // b").comments, "  // b");
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        assert_eq!(code("x(r#\"a\" } \"#) }"), "x(r \"     \" ) }");
        assert_eq!(code("r\"\\\" {"), "r\" \" {");
        assert_eq!(code("r#type {"), "r#type {");
    }

    #[test]
    fn characters_and_lifetimes_are_told_apart() {
        assert_eq!(code("m('{', '\\'', b'\"') {"), "m(   ,     , b   ) {");
        assert_eq!(code("fn f<'a>(x: &'a str) {"), "fn f<'a>(x: &'a str) {");
    }

    #[test]
    fn escaped_quotes_do_not_end_a_string() {
        assert_eq!(code("\"a\\\"{\" }"), "\"    \" }");
    }

    #[test]
    fn offsets_and_lines_stay() {
        let text = "\"äö\n{\" // ü\nx";
        let masks = mask(text);
        assert_eq!((masks.code.len(), masks.comments.len()), (text.len(), text.len()));
        assert_eq!(masks.code.lines().count(), 3);
        assert_eq!(masks.code.find('x'), text.find('x'));
    }
}
