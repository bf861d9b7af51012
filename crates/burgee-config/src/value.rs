//! One value: from what was written to what is meant, or to what should have been written.
//!
//! What must hold: a value is set only where all of it is right; the text given back is the value as it could be written
//! in the file. Deliberately absent: where the value stands; the caller knows.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use crate::spec::{Kind, UNLIMITED};
use crate::units;

/// A value as it was written.
pub(crate) enum Raw<'a> {
    /// In the environment or on the command line: all is text.
    Plain(&'a str),
    Bool(bool),
    /// Decimal digits, or why it is none.
    Integer(Result<u64, String>),
    Text(Cow<'a, str>),
    List(Vec<(Self, Range<usize>)>),
    /// Its keys, each with its value.
    Table(Vec<(&'a str, Self, Range<usize>)>),
    /// What no option is.
    Other(&'static str),
}

impl<'a> Raw<'a> {
    pub(crate) fn of(value: &'a DeValue<'_>) -> Self {
        match value {
            DeValue::Boolean(value) => Self::Bool(*value),
            DeValue::String(text) => Self::Text(Cow::Borrowed(text)),
            DeValue::Integer(integer) => Self::Integer(number(integer.as_str(), integer.radix())),
            DeValue::Array(array) => {
                let item = |item: &'a Spanned<DeValue<'_>>| (Self::of(item.get_ref()), item.span());
                Self::List(array.iter().map(item).collect())
            }
            DeValue::Float(_) => Self::Other("a fraction"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(table) => {
                let entry = |(key, value): (&'a Spanned<Cow<'_, str>>, &'a Spanned<DeValue<'_>>)| {
                    (&**key.get_ref(), Self::of(value.get_ref()), key.span())
                };
                Self::Table(table.iter().map(entry).collect())
            }
        }
    }

    /// What it is, for an error.
    fn said(&self) -> String {
        match self {
            Self::Plain(text) => format!("{text:?}"),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Bool(value) => value.to_string(),
            Self::Integer(Ok(number)) => number.to_string(),
            Self::Integer(Err(what)) => what.clone(),
            Self::List(_) => "a list".to_owned(),
            Self::Table(_) => "a table".to_owned(),
            Self::Other(what) => (*what).to_owned(),
        }
    }
}

fn number(digits: &str, radix: u32) -> Result<u64, String> {
    if digits.starts_with('-') {
        return Err("a number below 0".to_owned());
    }
    u64::from_str_radix(digits.trim_start_matches('+'), radix)
        .map_err(|_| "a number too large to be counted".to_owned())
}

/// What is wrong, with the place in a list where it is one of its items.
pub(crate) type Wrong = (Option<Range<usize>>, String);

/// Sets a value. Gives it back as it could be written in the file.
pub(crate) fn set<T>(kind: &Kind<T>, raw: &Raw<'_>, base: &Path, target: &mut T) -> Result<String, Vec<Wrong>> {
    let one = |error: String| vec![(None, error)];
    match kind {
        Kind::Bool(set) => {
            let value = boolean(raw).map_err(one)?;
            set(target, value);
            Ok(value.to_string())
        }
        Kind::Count { least, most, set } => {
            let value = count(raw, *least, *most).map_err(one)?;
            set(target, value);
            Ok(if value == UNLIMITED {
                unlimited()
            } else {
                value.to_string()
            })
        }
        Kind::Size { least, most, set } => {
            let value = size(raw, *least, *most).map_err(one)?;
            set(target, value);
            let shown = units::show_size(value);
            Ok(match value {
                UNLIMITED => unlimited(),
                _ if shown.ends_with('B') => quote(&shown),
                _ => shown,
            })
        }
        Kind::Time { least, most, set } => {
            let value = time(raw, *least, *most).map_err(one)?;
            set(target, value);
            Ok(quote(&units::show_duration(value)))
        }
        Kind::Choice { of, set } => {
            let word = text(raw, "a word").and_then(|word| choice(word, of)).map_err(one)?;
            set(target, word);
            Ok(quote(word))
        }
        Kind::Path(set) => {
            let path = text(raw, "a path").map_err(one)?;
            if path.is_empty() || path.contains('\0') {
                return Err(one("an empty text is no path".to_owned()));
            }
            let path = base.join(path);
            let shown = quote(&path.to_string_lossy());
            set(target, path);
            Ok(shown)
        }
        Kind::Text(what, set) => {
            let text = text(raw, what).map_err(one)?;
            set(target, text).map_err(one)?;
            Ok(quote(text))
        }
        Kind::Texts(what, set) => texts(what, raw, |text| set(target, text)),
        Kind::Pairs(keys, set) => pairs(*keys, raw, base, |pair| set(target, pair)),
    }
}

/// Tables of two files, in the file; in the environment `A,B A,B`.
fn pairs(
    keys: [&'static str; 2],
    raw: &Raw<'_>,
    base: &Path,
    mut set: impl FnMut([PathBuf; 2]),
) -> Result<String, Vec<Wrong>> {
    let [first, second] = keys;
    let help = format!("write [{{ {first} = \"...\", {second} = \"...\" }}]");
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    match raw {
        Raw::Plain(all) => {
            for part in all.split(' ').filter(|part| !part.is_empty()) {
                match part.split_once(',') {
                    Some((a, b)) if !a.is_empty() && !b.is_empty() => found.push([a, b].map(|path| base.join(path))),
                    _ => wrong.push((
                        None,
                        format!("{part:?} is no pair; write {first} and {second} with a comma between"),
                    )),
                }
            }
        }
        Raw::List(items) => {
            for (item, span) in items {
                match pair(keys, item, span) {
                    Ok(pair) => found.push(pair.map(|path| base.join(path))),
                    Err(what) => wrong.extend(
                        what.into_iter()
                            .map(|(span, what)| (Some(span), format!("{what}; {help}"))),
                    ),
                }
            }
        }
        Raw::Text(_) | Raw::Bool(_) | Raw::Integer(_) | Raw::Table(_) | Raw::Other(_) => {
            wrong.push((None, format!("{} is no list; {help}", raw.said())));
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut shown = Vec::new();
    for [a, b] in found {
        let [left, right] = [&a, &b].map(|path| quote(&path.to_string_lossy()));
        shown.push(format!("{{ {first} = {left}, {second} = {right} }}"));
        set([a, b]);
    }
    Ok(format!("[{}]", shown.join(", ")))
}

type WrongAt = Vec<(Range<usize>, String)>;

fn pair<'a>(keys: [&'static str; 2], raw: &'a Raw<'_>, span: &Range<usize>) -> Result<[&'a str; 2], WrongAt> {
    let Raw::Table(entries) = raw else {
        return Err(vec![(span.clone(), format!("{} is no table", raw.said()))]);
    };
    let (mut pair, mut wrong) = ([""; 2], Vec::new());
    for (key, value, at) in entries {
        let place = keys.iter().position(|known| known == key);
        let place = place.and_then(|place| pair.get_mut(place));
        match (place, value) {
            (Some(place), Raw::Text(path)) if !path.is_empty() && !path.contains('\0') => *place = path,
            (Some(_), _) => wrong.push((at.clone(), format!("{key}: {} is no path", value.said()))),
            (None, _) => wrong.push((at.clone(), format!("unknown key {key}"))),
        }
    }
    for (key, _) in keys.iter().zip(pair).filter(|(_, path)| path.is_empty()) {
        if !entries.iter().any(|(known, ..)| known == key) {
            wrong.push((span.clone(), format!("{key} is missing")));
        }
    }
    if wrong.is_empty() { Ok(pair) } else { Err(wrong) }
}

fn boolean(raw: &Raw<'_>) -> Result<bool, String> {
    match raw {
        Raw::Bool(value) => Ok(*value),
        Raw::Plain("true" | "1") => Ok(true),
        Raw::Plain("false" | "0") => Ok(false),
        Raw::Plain(_) | Raw::Integer(_) | Raw::Text(_) | Raw::List(_) | Raw::Table(_) | Raw::Other(_) => {
            Err(format!("{} is neither true nor false; write true or false", raw.said()))
        }
    }
}

fn count(raw: &Raw<'_>, least: u64, most: u64) -> Result<u64, String> {
    let expected = range(least, most, ToString::to_string);
    let value = match raw {
        Raw::Integer(Ok(value)) => *value,
        Raw::Integer(Err(what)) => return Err(format!("{what}; write {expected}")),
        Raw::Text(text) if is_unlimited(text, most) => return Ok(UNLIMITED),
        Raw::Plain(text) if is_unlimited(text, most) => return Ok(UNLIMITED),
        Raw::Plain(text) => text
            .parse()
            .map_err(|_| format!("{} is no number; write {expected}", raw.said()))?,
        Raw::Text(text) if text.parse::<u64>().is_ok() => {
            return Err(format!("{} is in quotes; write {text} without them", raw.said()));
        }
        Raw::Text(_) | Raw::Bool(_) | Raw::List(_) | Raw::Table(_) | Raw::Other(_) => {
            return Err(format!("{} is no number; write {expected}", raw.said()));
        }
    };
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{value} is out of range; write {expected}"))
    }
}

fn size(raw: &Raw<'_>, least: u64, most: u64) -> Result<u64, String> {
    let expected = range(least, most, |bytes| units::show_size(*bytes));
    let wrong = |why: &str| format!("{} is no size{why}; write {expected}, as in \"64MiB\"", raw.said());
    let value = match raw {
        Raw::Integer(Ok(value)) => *value,
        Raw::Text(text) if is_unlimited(text, most) => return Ok(UNLIMITED),
        Raw::Plain(text) if is_unlimited(text, most) => return Ok(UNLIMITED),
        Raw::Text(text) => units::size(text).map_err(|why| wrong(&format!(" ({why})")))?,
        Raw::Plain(text) => units::size(text).map_err(|why| wrong(&format!(" ({why})")))?,
        Raw::Integer(Err(_)) | Raw::Bool(_) | Raw::List(_) | Raw::Table(_) | Raw::Other(_) => return Err(wrong("")),
    };
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{} is out of range; write {expected}", units::show_size(value)))
    }
}

fn time(raw: &Raw<'_>, least: Duration, most: Duration) -> Result<Duration, String> {
    let show = |duration: &Duration| units::show_duration(*duration);
    let expected = format!("{} to {}", show(&least), show(&most));
    let wrong = |why: &str| format!("{} is no duration{why}; write {expected}, as in \"10s\"", raw.said());
    let value = match raw {
        Raw::Integer(Ok(value)) => Duration::from_secs(*value),
        Raw::Text(text) => units::duration(text).map_err(|why| wrong(&format!(" ({why})")))?,
        Raw::Plain(text) => units::duration(text).map_err(|why| wrong(&format!(" ({why})")))?,
        Raw::Integer(Err(_)) | Raw::Bool(_) | Raw::List(_) | Raw::Table(_) | Raw::Other(_) => return Err(wrong("")),
    };
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{} is out of range; write {expected}", show(&value)))
    }
}

fn choice(word: &str, of: &'static [(&'static str, &'static str)]) -> Result<&'static str, String> {
    if let Some((known, _)) = of.iter().find(|(known, _)| *known == word) {
        return Ok(known);
    }
    let meant = nearest(word, of.iter().map(|(known, _)| *known));
    let meant = meant.map(|word| format!(" (did you mean {word}?)")).unwrap_or_default();
    let all: Vec<_> = of
        .iter()
        .map(|(known, meaning)| format!("{known} ({meaning})"))
        .collect();
    Err(format!(
        "{word:?} is none of the choices{meant}; write {}",
        all.join(", or ")
    ))
}

fn text<'a>(raw: &'a Raw<'_>, what: &str) -> Result<&'a str, String> {
    match raw {
        Raw::Plain(text) => Ok(text),
        Raw::Text(text) => Ok(text),
        Raw::Bool(_) | Raw::Integer(_) | Raw::List(_) | Raw::Table(_) | Raw::Other(_) => {
            Err(format!("{} is no text; write {what} in quotes", raw.said()))
        }
    }
}

fn texts(what: &str, raw: &Raw<'_>, mut set: impl FnMut(&str) -> Result<(), String>) -> Result<String, Vec<Wrong>> {
    let (mut shown, mut wrong) = (Vec::new(), Vec::new());
    match raw {
        Raw::Plain(all) => {
            for part in all.split([',', ' ']).filter(|part| !part.is_empty()) {
                shown.push(quote(part));
                wrong.extend(set(part).err().map(|error| (None, error)));
            }
        }
        Raw::List(items) => {
            for (item, span) in items {
                let done = text(item, what).and_then(|text| {
                    shown.push(quote(text));
                    set(text)
                });
                wrong.extend(done.err().map(|error| (Some(span.clone()), error)));
            }
        }
        Raw::Text(_) | Raw::Bool(_) | Raw::Integer(_) | Raw::Table(_) | Raw::Other(_) => {
            let error = format!(
                "{} is no list; write [\"...\", \"...\"] with {what} in each",
                raw.said()
            );
            wrong.push((None, error));
        }
    }
    if wrong.is_empty() {
        Ok(format!("[{}]", shown.join(", ")))
    } else {
        Err(wrong)
    }
}

fn is_unlimited(text: &str, most: u64) -> bool {
    most == UNLIMITED && text == "unlimited"
}

fn unlimited() -> String {
    quote("unlimited")
}

/// What may be written, in words.
pub(crate) fn range(least: u64, most: u64, show: impl Fn(&u64) -> String) -> String {
    if most == UNLIMITED {
        format!("at least {}, or unlimited", show(&least))
    } else {
        format!("{} to {}", show(&least), show(&most))
    }
}

/// A text in quotes, as TOML wants it.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(c)).ok();
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The known word that was most likely meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing takes time that grows with both lengths; no known word is that long.
    if word.len() > 64 {
        return None;
    }
    let most = word.chars().count().max(3) / 3;
    known
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests;
