//! The settings in effect, one by one, with where each came from: for `burgee config show` and for saying what a reload
//! changed.
//!
//! What must hold: what is secret is compared, and never shown. Deliberately absent: typed values; see `Checked`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use crate::spec::{Kind, Preset, Reload, Spec};
use crate::value::quote;

/// Where a value came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Nobody wrote it.
    Default,
    /// A file, at a line.
    File(PathBuf, usize),
    /// A variable of the environment.
    Variable(String),
    /// An option of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name, as in `session.window` or `listener "tcp://[::1]:1883" optional`.
    pub key: String,
    /// Where it came from.
    pub origin: Origin,
    /// When a change counts.
    pub reload: Reload,
    value: String,
    secret: bool,
}

impl Setting {
    pub(crate) fn new(key: String, value: String, origin: Origin, reload: Reload) -> Self {
        let secret = crate::text::is_secret(&key);
        Self {
            key,
            origin,
            reload,
            value,
            secret,
        }
    }

    /// What holds because nobody wrote anything. A default that depends is said in parentheses.
    pub(crate) fn of_default<T>(spec: &Spec<T>, prefix: &str) -> Self {
        let value = match (spec.preset, &spec.kind) {
            (Preset::Said(text), _) => format!("({text})"),
            (Preset::Value(text), Kind::Bool(_)) => text.to_owned(),
            (Preset::Value(text), Kind::Count { .. } | Kind::Size { .. }) if text.parse::<u64>().is_ok() => {
                text.to_owned()
            }
            (Preset::Value(text), _) => quote(text),
        };
        Self::new(format!("{prefix}{}", spec.key), value, Origin::Default, spec.reload)
    }

    /// Of listeners and the like the key is the kind, its name in quotes, and the key in the table: the entry, and that key.
    fn in_entry(&self) -> Option<(&str, &str)> {
        self.key.rsplit_once("\" ")
    }

    fn entry(&self) -> Option<&str> {
        self.in_entry().map(|(entry, _)| entry)
    }

    /// The value as it could be written in the file; of a secret only that there is one.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.secret { "\"***\"" } else { &self.value }
    }
}

/// Before the settings of a rule.
pub(crate) const RULE_KEY: &str = "rule ";

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    list: Vec<Setting>,
    /// Where each key stands.
    at: BTreeMap<String, usize>,
    /// What is in files that settings name, in a few words.
    contents: BTreeMap<PathBuf, String>,
}

/// What became of one setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Its name.
    pub key: String,
    /// Before; `None`: it was not there.
    pub old: Option<String>,
    /// Now; `None`: it is gone.
    pub new: Option<String>,
    /// When it counts.
    pub reload: Reload,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |value: &Option<String>, none| value.clone().unwrap_or_else(|| String::from(none));
        write!(
            f,
            "{}: {} -> {}",
            self.key,
            or(&self.old, "(none)"),
            or(&self.new, "(none)")
        )
    }
}

impl Settings {
    /// In the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.list.iter()
    }

    /// The setting of this name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.list.get(*self.at.get(key)?)
    }

    /// Sets one; a later source wins.
    pub(crate) fn set(&mut self, setting: Setting) {
        let place = self.at.get(&setting.key).and_then(|at| self.list.get_mut(*at));
        if let Some(known) = place {
            *known = setting;
        } else {
            self.at.insert(setting.key.clone(), self.list.len());
            self.list.push(setting);
        }
    }

    /// Notes what is in a file that a setting names.
    pub(crate) fn note_contents(&mut self, path: PathBuf, what: String) {
        self.contents.insert(path, what);
    }

    /// Takes those out that begin so.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Setting) -> bool) {
        self.list.retain(keep);
        let keys = self.list.iter().zip(0..);
        self.at = keys.map(|(setting, at)| (setting.key.clone(), at)).collect();
    }

    /// All of them as a file, each with its origin behind it. What is only said, and what is secret, is a comment.
    #[must_use]
    pub fn show(&self) -> String {
        let (mut page, mut table) = (String::new(), String::new());
        for setting in &self.list {
            let (heading, key) = match setting.in_entry() {
                Some((entry, key)) => (entry.to_owned(), key),
                None => (String::new(), &*setting.key),
            };
            if heading != table {
                let kind = heading.split_once(' ').map_or(&*heading, |(kind, _)| kind);
                writeln!(page, "\n[[{kind}]]").ok();
                table = heading;
            }
            let shown = setting.shown();
            let comment = if shown.starts_with('(') || setting.secret {
                "# "
            } else {
                ""
            };
            writeln!(page, "{comment}{key} = {shown}  # {}", setting.origin).ok();
        }
        page
    }

    /// What holds after `new` was taken over: what needs a restart is as it was.
    #[must_use]
    pub fn after_reload(&self, new: &Self) -> Self {
        let kept = |setting: &Setting| match (setting.reload, self.get(&setting.key)) {
            (Reload::Restart, Some(old)) => old.clone(),
            (Reload::Restart | Reload::Live, _) => setting.clone(),
        };
        Self {
            list: new.list.iter().map(kept).collect(),
            ..new.clone()
        }
    }

    /// What is different in `new`. Rules are counted only: one more at the top moves all others.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for now in new.list.iter().filter(|now| !now.key.starts_with(RULE_KEY)) {
            let before = self.get(&now.key);
            if before.is_none_or(|before| before.value != now.value) {
                changes.push(Change {
                    key: now.key.clone(),
                    old: before.map(|before| before.shown().to_owned()),
                    new: Some(now.shown().to_owned()),
                    reload: self.counts(now),
                });
            }
        }
        let gone = |before: &&Setting| !before.key.starts_with(RULE_KEY) && new.get(&before.key).is_none();
        for gone in self.list.iter().filter(gone) {
            changes.push(Change {
                key: gone.key.clone(),
                old: Some(gone.shown().to_owned()),
                new: None,
                reload: new.counts(gone),
            });
        }
        if !self.rules().eq(new.rules()) {
            changes.push(Change {
                key: "[[rule]]".to_owned(),
                old: Some(self.count_rules()),
                new: Some(new.count_rules()),
                reload: Reload::Live,
            });
        }
        for (path, what) in &new.contents {
            let before = self.contents.get(path).filter(|before| *before != what);
            changes.extend(before.map(|before| Change {
                key: format!("what is in {}", path.display()),
                old: Some(before.clone()),
                new: Some(what.clone()),
                reload: Reload::Live,
            }));
        }
        changes
    }

    /// When a setting counts that is different here. A listener comes or goes at a reload, with all that is said of it.
    fn counts(&self, setting: &Setting) -> Reload {
        let entry = setting.entry();
        let is_here = |entry| self.list.iter().any(|other| other.entry() == Some(entry));
        if entry.is_none_or(is_here) {
            setting.reload
        } else {
            Reload::Live
        }
    }

    fn rules(&self) -> impl Iterator<Item = (&str, &str)> {
        let rules = self.list.iter().filter(|setting| setting.key.starts_with(RULE_KEY));
        rules.map(|setting| (&*setting.key, &*setting.value))
    }

    fn count_rules(&self) -> String {
        let number = |key: &str| key.split('"').nth(1).map(str::to_owned);
        let mut numbers: Vec<_> = self.rules().filter_map(|(key, _)| number(key)).collect();
        numbers.dedup();
        format!("{} rules", numbers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(all: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (key, value) in all {
            let setting = Setting::new((*key).to_owned(), (*value).to_owned(), Origin::Default, Reload::Live);
            settings.set(setting);
        }
        settings
    }

    #[test]
    fn changes_name_what_was_and_what_is_but_no_secret() {
        let old = settings(&[("a", "1"), ("b", "2"), ("x.password", "\"one\"")]);
        let new = settings(&[("a", "1"), ("c", "3"), ("x.password", "\"two\"")]);
        let told: Vec<_> = old.changes(&new).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["c: (none) -> 3", "x.password: \"***\" -> \"***\"", "b: 2 -> (none)"]
        );
        assert_eq!(old.changes(&old), []);
    }

    #[test]
    fn what_needs_a_restart_is_told_at_every_reload_until_then() {
        let restart = |value: &str| {
            let mut all = settings(&[("live", value)]);
            let setting = Setting::new("late".to_owned(), value.to_owned(), Origin::Default, Reload::Restart);
            all.set(setting);
            all
        };
        let (old, new) = (restart("1"), restart("2"));
        assert_eq!(old.changes(&new).len(), 2);
        let told: Vec<_> = old
            .after_reload(&new)
            .changes(&new)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told, ["late: 1 -> 2"]);
    }

    #[test]
    fn a_listener_that_comes_or_goes_needs_no_restart_for_what_is_said_of_it() {
        let listeners = |all: &[(&str, &str)]| {
            let mut settings = Settings::default();
            for (url, mode) in all {
                let mut set = |key, value: &str, reload| {
                    let key = format!("listener \"{url}\" {key}");
                    settings.set(Setting::new(key, value.to_owned(), Origin::Default, reload));
                };
                set("url", url, Reload::Live);
                set("mode", mode, Reload::Restart);
            }
            settings
        };
        let old = listeners(&[("tcp://a", "1"), ("unix://b", "1")]);
        let new = listeners(&[("unix://b", "2"), ("tcp://c", "1")]);
        let changes = old.changes(&new);
        let late: Vec<&str> = changes
            .iter()
            .filter(|change| change.reload == Reload::Restart)
            .map(|change| &*change.key)
            .collect();
        assert_eq!((changes.len(), late), (5, vec!["listener \"unix://b\" mode"]));
    }
}
