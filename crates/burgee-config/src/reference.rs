//! The page `docs/configuration.md`: what is said by hand, and a table of all options.
//!
//! What must hold: the page in the repository is the one that is made here; a test compares them. Deliberately absent:
//! anything about an option that its description does not say.

use std::fmt::Write as _;

use crate::access::RULE;
use crate::limit::LIMIT;
use crate::listener::LISTENER;
use crate::sections::SECTIONS;
use crate::spec::{Flag, Kind, Reload, Spec, UNLIMITED};
use crate::table::OPTIONS;
use crate::units;
use crate::value::range;

/// What is said by hand.
const HEAD: &str = include_str!("reference/head.md");

/// The whole page.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for (section, about) in SECTIONS {
        let prefix = format!("{section}.");
        let specs = OPTIONS.iter().filter(|spec| spec.key.starts_with(&prefix));
        table(&mut page, &format!("[{section}]"), about, specs, &prefix);
    }
    let about = "A place where clients can connect; once for each. Without any it is port 1883 of loopback.";
    table(&mut page, "[[listener]]", about, LISTENER.iter(), "");
    let about =
        "An access rule. The first rule that fits decides; where there are rules, what none of them allows is denied.";
    table(&mut page, "[[rule]]", about, RULE.iter(), "");
    let about =
        "What some users may use. The first that is for a user counts, and what it does not say is as `[limits]` says.";
    table(&mut page, "[[limit]]", about, LIMIT.iter(), "");
    names(&mut page);
    page
}

fn table<T: 'static>(
    page: &mut String,
    heading: &str,
    about: &str,
    specs: impl Iterator<Item = &'static Spec<T>>,
    prefix: &str,
) {
    writeln!(page, "\n### `{heading}`\n\n{about}\n").ok();
    page.push_str("| setting | value | default | reloads | meaning |\n| --- | --- | --- | --- | --- |\n");
    for spec in specs {
        let key = spec.key.strip_prefix(prefix).unwrap_or(spec.key);
        let more = if spec.more.is_empty() {
            String::new()
        } else {
            format!(" {}", spec.more)
        };
        let reload = match spec.reload {
            Reload::Live => "yes",
            Reload::Restart => "at the next start",
        };
        let meaning = cell(&format!("{}{more}", spec.help));
        let line = format!(
            "| `{key}` | {} | {} | {reload} | {meaning} |\n",
            value(&spec.kind),
            cell(&default(spec))
        );
        page.push_str(&line);
    }
}

fn value<T>(kind: &Kind<T>) -> String {
    match kind {
        Kind::Bool(_) => "true or false".to_owned(),
        Kind::Count { least, most, .. } if *least == 0 && *most == UNLIMITED => "number, or unlimited".to_owned(),
        Kind::Count { least, most, .. } => format!("number, {}", range(*least, *most, ToString::to_string)),
        Kind::Size { least, most, .. } if *least == 0 && *most == UNLIMITED => "size, or unlimited".to_owned(),
        Kind::Size { least, most, .. } => format!("size, {}", range(*least, *most, |n| units::show_size(*n))),
        Kind::Time { least, most, .. } => {
            let show = |time| units::show_duration(time);
            format!("duration, {} to {}", show(*least), show(*most))
        }
        Kind::Choice { of, .. } => {
            let words: Vec<_> = of
                .iter()
                .map(|(word, meaning)| format!("`{word}`: {}", cell(meaning)))
                .collect();
            words.join("; ")
        }
        Kind::Path(_) => "path".to_owned(),
        Kind::Text(what, _) => format!("text: {}", cell(what)),
        Kind::Texts(what, _) => format!("list of texts: {}", cell(what)),
        Kind::Pairs([first, second], _) => format!("list of tables: `{{ {first} = \"...\", {second} = \"...\" }}`"),
    }
}

fn default<T>(spec: &Spec<T>) -> String {
    match spec.preset {
        crate::spec::Preset::Value(text) => format!("`{text}`"),
        crate::spec::Preset::Said(text) => text.to_owned(),
    }
}

fn names(page: &mut String) {
    page.push_str("\n## Flags and variables\n\n| setting | flag of `burgee serve` | variable |\n| --- | --- | --- |\n");
    for spec in OPTIONS {
        let flag = match spec.flag {
            Flag::None => String::new(),
            Flag::Value(name) | Flag::Many(name) => format!("`--{name}`"),
            Flag::On(name) => format!("`--{name}` (sets it to true)"),
            Flag::Off(name) => format!("`--{name}` (sets it to false)"),
        };
        let key = if spec.in_file {
            format!("`{}`", spec.key)
        } else {
            "`[[listener]]` `url`".to_owned()
        };
        writeln!(page, "| {key} | {flag} | `{}` |", spec.variable_name()).ok();
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_repository_is_the_one_that_is_made_here() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let there = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            there == page(),
            "docs/configuration.md is stale: write it with `cargo run -- config reference > docs/configuration.md`"
        );
    }

    #[test]
    fn every_option_is_in_the_page_once() {
        let page = page();
        for spec in OPTIONS.iter().filter(|spec| spec.in_file) {
            let (_, key) = spec.key.split_once('.').unwrap();
            assert!(page.contains(&format!("\n| `{key}` | ")), "{key}");
        }
    }
}
