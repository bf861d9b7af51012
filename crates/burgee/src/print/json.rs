//! JSON texts that come in payloads, written again without their blanks or in Mosquitto's spread-out style.
//!
//! What must hold: numbers and strings stay as they were written; what is no JSON is refused before a byte is written.
//! Deliberately absent: values. Nobody here looks into them.

use serde::de::IgnoredAny;

/// Whether all of it is one JSON text.
pub(crate) fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// Writes `text` as a JSON string.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    // Writing into memory cannot fail.
    serde_json::to_writer(out, text).ok();
}

/// Writes a JSON text without blanks. What is no JSON comes out as it likes: ask [`is_json`] before.
pub(crate) fn compact(text: &[u8], out: &mut Vec<u8>) {
    each_token(text, |token| out.extend_from_slice(token));
}

/// Writes a JSON text with a line for each member of an object, `depth` tabs deep.
pub(crate) fn pretty(text: &[u8], depth: usize, out: &mut Vec<u8>) {
    let mut open: Vec<u8> = Vec::new();
    // An object has no line for a first member before it is known that there is one.
    let mut fresh = false;
    each_token(text, |token| {
        let first = token.first().copied().unwrap_or_default();
        if std::mem::take(&mut fresh) && first != b'}' {
            line(depth + open.len(), out);
        }
        match first {
            b'{' => {
                out.push(b'{');
                open.push(b'{');
                fresh = true;
            }
            b'}' => {
                open.pop();
                line(depth + open.len(), out);
                out.push(b'}');
            }
            b'[' => {
                out.push(b'[');
                open.push(b'[');
            }
            b']' => {
                open.pop();
                out.push(b']');
            }
            b',' if open.last() == Some(&b'{') => {
                out.push(b',');
                line(depth + open.len(), out);
            }
            b',' => out.extend_from_slice(b", "),
            b':' => out.extend_from_slice(b":\t"),
            _ => out.extend_from_slice(token),
        }
    });
}

fn line(tabs: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.resize(out.len() + tabs, b'\t');
}

/// Strings, numbers and words, and each of `{}[],:` alone.
fn each_token(text: &[u8], mut take: impl FnMut(&[u8])) {
    let mut rest = text;
    while let Some(first) = rest.first().copied() {
        let length = match first {
            b' ' | b'\t' | b'\n' | b'\r' => 0,
            b'"' => string_length(rest),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => rest
                .iter()
                .position(|byte| b"{}[],:\" \t\n\r".contains(byte))
                .unwrap_or(rest.len()),
        };
        let (token, behind) = rest.split_at(length.min(rest.len()));
        if token.is_empty() {
            rest = rest.get(1..).unwrap_or_default();
        } else {
            take(token);
            rest = behind;
        }
    }
}

/// From the opening quote to the closing one.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn blanks_go_and_everything_else_stays() {
        let text = br#" { "a b" : 1.50 , "c\" }" : [ 1e400, "\u00e9", true ,{ } ] } "#;
        assert!(is_json(text));
        assert_eq!(
            written(|out| compact(text, out)),
            r#"{"a b":1.50,"c\" }":[1e400,"\u00e9",true,{}]}"#
        );
    }

    #[test]
    fn what_is_no_json_is_known() {
        for text in ["", "{", "[1,]", "nul", "1 2", "'a'", "01", "\"\\x\"", "{\"a\"}"] {
            assert!(!is_json(text.as_bytes()), "{text}");
        }
        for text in ["1", " \"x\" ", "null", "[]", "{}"] {
            assert!(is_json(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn spread_out_as_mosquitto_does_it() {
        let text = br#"[[1,[2]],{"a":{"b":[{}]},"c":2}]"#;
        assert_eq!(
            written(|out| pretty(text, 1, out)),
            "[[1, [2]], {\n\t\t\t\"a\":\t{\n\t\t\t\t\"b\":\t[{\n\t\t\t\t\t}]\n\t\t\t},\n\t\t\t\"c\":\t2\n\t\t}]"
        );
        assert_eq!(written(|out| pretty(b"{}", 1, out)), "{\n\t}");
    }
}
