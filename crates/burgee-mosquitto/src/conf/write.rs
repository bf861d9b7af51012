//! The result: the text of `burgee.toml`, and what goes with it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::draft::{Along, Draft};
use super::listener::Listener;
use super::remark::{At, Remark, Weight};
use super::units::quoted;

/// A file that is copied beside the result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TakenFile {
    /// Where it is.
    pub from: PathBuf,
    /// Its name beside the result.
    pub name: &'static str,
}

/// What a `mosquitto.conf` comes to.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The text of `burgee.toml`.
    pub toml: String,
    /// Files that it names and that lie beside it.
    pub files: Vec<TakenFile>,
    /// What is not in it as it was, by weight, then in the order of the lines.
    pub remarks: Vec<Remark>,
    /// Where Mosquitto keeps sessions and messages, if it keeps them.
    pub database: Option<PathBuf>,
}

/// Where Debian's Mosquitto keeps its file when nothing is said.
const USUAL_DATABASE: &str = "mosquitto.db";

pub(super) fn write(mut draft: Draft, source: &Path) -> Conversion {
    let mut toml = format!(
        "# Made by `burgee import` from {}.\n# Where that says nothing, the defaults of burgee hold: `burgee config show` tells them.\n",
        source.display().to_string().replace(char::is_control, "?")
    );
    let files = along(&mut draft, &mut toml);
    let durability = if draft.persistence { "sync" } else { "memory" };
    table(&mut toml, "store", &[format!("durability = {}", quoted(durability))]);
    let mut tables: Vec<&str> = draft.values.iter().map(|value| value.table).collect();
    tables.sort_unstable();
    tables.dedup();
    for name in tables {
        let of_table = draft.values.iter().filter(|value| value.table == name);
        let lines: Vec<String> = of_table
            .map(|value| format!("{} = {} # {}", value.key, value.text, place(&value.at)))
            .collect();
        table(&mut toml, name, &lines);
    }
    listeners(&mut draft, &files, &mut toml);
    draft.remarks.sort_by_key(|remark| remark.weight);
    let database = draft.persistence.then(|| {
        let file = draft.database.unwrap_or_else(|| USUAL_DATABASE.into());
        draft.location.unwrap_or_default().join(file)
    });
    Conversion {
        toml,
        files,
        remarks: draft.remarks,
        database,
    }
}

fn table(toml: &mut String, name: &str, lines: &[String]) {
    write!(toml, "\n[{name}]\n{}\n", lines.join("\n")).ok();
}

fn place(at: &At) -> String {
    let file = at.file.display().to_string().replace(char::is_control, "?");
    format!("{file}:{}", at.line)
}

/// The first password file and the first file of rules go along.
fn along(draft: &mut Draft, toml: &mut String) -> Vec<TakenFile> {
    let mut files = Vec::new();
    for (option, name, head, key) in [
        (PASSWORDS, "passwords", "auth", "passwords_file"),
        (RULES, "acl", "access", "acl_file"),
    ] {
        // Without listeners of their own, the last word counts, as everywhere.
        let mut of_option = draft.along.iter().filter(|along| along.option == option);
        let taken = if draft.per_listener {
            of_option.next()
        } else {
            of_option.next_back()
        };
        let Some(Along { path, at, .. }) = taken else { continue };
        table(toml, head, &[format!("{key} = {} # {}", quoted(name), place(at))]);
        for other in draft
            .along
            .iter()
            .filter(|along| along.option == option && along.path != *path)
        {
            let what = format!("{} is taken, this one is not", path.display());
            draft.remarks.push(other.at.remark(Weight::Look, option, what));
        }
        files.push(TakenFile {
            from: path.clone(),
            name,
        });
    }
    files
}

const PASSWORDS: &str = "password_file";
const RULES: &str = "acl_file";

/// Without any, Mosquitto serves this machine alone, and lets everybody in.
fn listeners(draft: &mut Draft, files: &[TakenFile], toml: &mut String) {
    let mut all = std::mem::take(&mut draft.listeners);
    if draft.first.at.is_some() {
        all.insert(0, std::mem::take(&mut draft.first));
    }
    if all.is_empty() {
        let allowed = (draft.first.anonymous.or(draft.anonymous))
            .unwrap_or(draft.along.iter().all(|along| along.option != PASSWORDS));
        for (url, optional) in [("tcp://127.0.0.1:1883", false), ("tcp://[::1]:1883", true)] {
            toml.push_str("\n# No listener: port 1883 of this machine alone, as in Mosquitto.\n");
            one(toml, (url, optional), allowed, &Listener::default());
        }
        return;
    }
    let mut none_left = true;
    for listener in &all {
        let Some(at) = &listener.at else { continue };
        if let Some(why) = left_out(draft, listener, files) {
            let what = format!("this listener is left out: {why}");
            draft.remarks.push(at.remark(Weight::Look, "listener", what));
            continue;
        }
        let common = draft.anonymous.filter(|_| !draft.per_listener);
        let allowed = listener.anonymous.or(common);
        none_left = false;
        for (url, optional) in listener.urls() {
            writeln!(toml, "\n# {}", place(at)).ok();
            one(toml, (&url, optional), allowed.unwrap_or(false), listener);
        }
    }
    if none_left {
        // Without any, the broker would serve this machine, whoever comes.
        toml.push_str("\n# No listener is left: nobody comes in without a user name.\n");
        one(toml, ("tcp://127.0.0.1:1883", false), false, &Listener::default());
    }
}

/// Why a listener cannot be the same here.
fn left_out(draft: &Draft, listener: &Listener, files: &[TakenFile]) -> Option<String> {
    if let Some(option) = listener.barred {
        return Some(format!("see {option}"));
    }
    if listener.certificate.is_some() != listener.key.is_some() {
        return Some("certfile and keyfile belong together, and it would not be encrypted".to_owned());
    }
    let own = [(&listener.passwords, "passwords"), (&listener.rules, "acl")];
    let other = own.into_iter().find_map(|(path, name)| {
        let path = path.as_ref().filter(|_| draft.per_listener)?;
        let taken = files.iter().any(|file| file.name == name && file.from == *path);
        (!taken).then_some(path)
    })?;
    Some(format!(
        "users and rules are the same at all listeners here, and it has others ({}). Join the files, then add it by hand",
        other.display()
    ))
}

fn one(toml: &mut String, (url, optional): (&str, bool), anonymous: bool, listener: &Listener) {
    write!(toml, "[[listener]]\nurl = {}\n", quoted(url)).ok();
    if optional {
        toml.push_str("optional = true\n");
    }
    writeln!(toml, "allow_anonymous = {anonymous}").ok();
    for line in listener.lines() {
        writeln!(toml, "{line}").ok();
    }
    let tls = listener.tls_lines();
    if !tls.is_empty() {
        writeln!(toml, "[listener.tls]\n{}", tls.join("\n")).ok();
    }
}
