//! All sources of settings, one over the other: defaults, the file, the environment, the command line.
//!
//! What must hold: a later source wins for each option; what is wrong in any of them is told, also where another wins.
//! [`read`] touches neither disk nor environment. Deliberately absent: whether the settings fit together; see
//! `checked.rs`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use burgee_access::Rule;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::access::{RULE, RuleDraft};
use crate::draft::Draft;
use crate::limit::{LIMIT, LimitDraft};
use crate::listener::{LISTENER, ListenerDraft};
use crate::problem::{Place, Problem, Problems};
use crate::settings::{Origin, RULE_KEY, Setting, Settings};
use crate::spec::{Flag, Spec};
use crate::table::OPTIONS;
use crate::text::Text;
use crate::value::{self, Raw};
use crate::walk::{Elsewhere, Named, Reader};

/// The file of a service that the system runs: taken if it is there and no other is named.
pub const SYSTEM_FILE: &str = "/etc/burgee/burgee.toml";

/// The variable that names the file.
const FILE_VARIABLE: &str = "BURGEE_CONFIG";

/// Which file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Chosen {
    /// `BURGEE_CONFIG`, or [`SYSTEM_FILE`] if it is there, or none.
    #[default]
    Usual,
    /// This one; it has to be there.
    Named(PathBuf),
    /// None, whatever is there.
    None,
}

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file.
    pub file: Chosen,
    /// Variables of the environment; only those that begin with `BURGEE_` count.
    pub environment: Vec<(OsString, OsString)>,
    /// Options of the command line by the option's key.
    pub flags: Vec<(&'static str, Vec<String>)>,
}

impl Sources {
    /// The file that is to be read.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        match &self.file {
            Chosen::None => None,
            Chosen::Named(path) => Some(path.clone()),
            Chosen::Usual => {
                let named = self.environment.iter().find(|(name, _)| name == FILE_VARIABLE);
                let named = named
                    .map(|(_, path)| PathBuf::from(path))
                    .filter(|path| !path.as_os_str().is_empty());
                named.or_else(|| Some(PathBuf::from(SYSTEM_FILE)).filter(|path| path.exists()))
            }
        }
    }
}

/// What was read, right or not.
pub(crate) struct Read {
    pub(crate) draft: Draft,
    pub(crate) settings: Settings,
    pub(crate) problems: Problems,
}

/// Reads texts. No input panics.
pub(crate) fn read(file: Option<(&Path, &Text)>, sources: &Sources) -> Read {
    let mut read = Read {
        draft: Draft::default(),
        settings: Settings::default(),
        problems: Problems::default(),
    };
    if let Some((path, text)) = file {
        read.file(path, text);
    }
    read.environment(&sources.environment);
    read.flags(&sources.flags);
    read.choose_listeners();
    read.fill_in();
    read
}

/// Tables that can be there several times.
const ELSEWHERE: Elsewhere = &[
    ("listener", "[[listener]]"),
    ("rule", "[[rule]]"),
    ("limit", "[[limit]]"),
];

impl Read {
    fn file(&mut self, path: &Path, text: &Text) {
        let (table, errors) = DeTable::parse_recoverable(text.as_str());
        let mut found = Problems::default();
        let mut reader = Reader {
            text,
            path,
            base: path.parent().unwrap_or_else(|| Path::new("")),
            problems: &mut found,
            settings: &mut self.settings,
        };
        let named = Named {
            prefix: "",
            elsewhere: ELSEWHERE,
        };
        reader.table(OPTIONS, table.get_ref(), &named, &mut self.draft);
        if let Some(value) = table.get_ref().get("listener") {
            listeners(&mut reader, value, &mut self.draft.listeners);
        }
        if let Some(value) = table.get_ref().get("rule") {
            rules(&mut reader, value, &mut self.draft.rules);
        }
        if let Some(value) = table.get_ref().get("limit") {
            limits(&mut reader, value, &mut self.draft.usage.some);
        }
        // What a broken heading is followed by may have been meant for another table.
        let mut sure_until = usize::MAX;
        let mut broken = Vec::new();
        for error in errors {
            let spot = text.spot(&error.span().unwrap_or_default());
            if spot.excerpt.trim_start().starts_with('[') {
                sure_until = sure_until.min(spot.line);
            }
            broken.push(spot.line);
            let what = format!("this is not TOML: {}", error.message().replace('\n', ", "));
            self.problems
                .push(Problem::error(Place::Spot(Box::new(spot)), what, ""));
        }
        let sure = |problem: &&Problem| match &problem.place {
            Place::Spot(spot) => spot.line < sure_until && !broken.contains(&spot.line),
            Place::File(_) | Place::Variable(_) | Place::Flag(_) | Place::All => true,
        };
        self.problems.extend(found.iter().filter(sure).cloned());
        self.problems.sort();
    }

    fn environment(&mut self, environment: &[(OsString, OsString)]) {
        let names: Vec<String> = OPTIONS.iter().map(Spec::variable_name).collect();
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with("BURGEE_")) else {
                continue;
            };
            if value.is_empty() || name == FILE_VARIABLE {
                continue;
            }
            let Some(spec) = OPTIONS
                .iter()
                .zip(&names)
                .find(|(_, known)| *known == name)
                .map(|(spec, _)| spec)
            else {
                self.stranger(name, &names);
                continue;
            };
            let place = Place::Variable(name.to_owned());
            let Some(value) = value.to_str() else {
                self.problems.push(Problem::error(place, "the value is not UTF-8", ""));
                continue;
            };
            self.set(spec, &[value], &place, Origin::Variable(name.to_owned()));
        }
    }

    fn stranger(&mut self, name: &str, names: &[String]) {
        // Kubernetes sets these for every container beside a service called burgee.
        if name.starts_with("BURGEE_SERVICE_") || name == "BURGEE_PORT" || name.starts_with("BURGEE_PORT_") {
            return;
        }
        let way_out = match value::nearest(name, names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "docs/configuration.md has the list".to_owned(),
        };
        let place = Place::Variable(name.to_owned());
        self.problems
            .push(Problem::warning(place, "no option has this variable", way_out));
    }

    fn flags(&mut self, flags: &[(&'static str, Vec<String>)]) {
        for (key, values) in flags {
            let Some(spec) = OPTIONS.iter().find(|spec| spec.key == *key) else {
                continue;
            };
            let (name, switched) = match spec.flag {
                Flag::None => (spec.key, None),
                Flag::Value(name) | Flag::Many(name) => (name, None),
                Flag::Off(name) => (name, Some("false")),
                Flag::On(name) => (name, Some("true")),
            };
            let values: Vec<&str> = match switched {
                Some(value) => vec![value],
                None => values.iter().map(String::as_str).collect(),
            };
            self.set(spec, &values, &Place::Flag(name), Origin::Flag(name));
        }
    }

    /// Sets an option from outside the file. Several values are a list.
    fn set(&mut self, spec: &'static Spec<Draft>, values: &[&str], place: &Place, origin: Origin) {
        if spec.key == "listen" {
            // The command line replaces what the environment says.
            self.draft.listen.clear();
        }
        let all = values.join(" ");
        match value::set(&spec.kind, &Raw::Plain(&all), Path::new(""), &mut self.draft) {
            Ok(shown) => self
                .settings
                .set(Setting::new(spec.key.to_owned(), shown, origin, spec.reload)),
            Err(wrong) => {
                for (_, what) in wrong {
                    self.problems.push(Problem::error(place.clone(), what, ""));
                }
            }
        }
    }

    /// Listeners named outside of the file go before those in it, and take the settings of theirs with the same URL.
    fn choose_listeners(&mut self) {
        let place = match self.settings.get("listen").map(|setting| &setting.origin) {
            Some(Origin::Variable(name)) => Place::Variable(name.clone()),
            Some(Origin::Flag(name)) => Place::Flag(name),
            Some(Origin::Default | Origin::File(..)) | None => return,
        };
        let mut chosen = Vec::new();
        for url in &self.draft.listen {
            let known = self
                .draft
                .listeners
                .iter()
                .find(|known| known.url.as_ref() == Some(url));
            chosen.push(
                known
                    .cloned()
                    .unwrap_or_else(|| ListenerDraft::plain(url.clone(), place.clone())),
            );
        }
        let names: Vec<String> = chosen.iter().filter_map(ListenerDraft::name).collect();
        self.settings.retain(|setting| {
            !setting.key.starts_with("listener ") || names.iter().any(|name| setting.key.starts_with(name))
        });
        for (draft, name) in chosen.iter().zip(&names) {
            self.name_listener(draft, name);
        }
        self.draft.listeners = chosen;
    }

    /// The settings of a listener that the file does not know.
    fn name_listener(&mut self, draft: &ListenerDraft, prefix: &str) {
        let origin = self
            .settings
            .get("listen")
            .map_or(Origin::Default, |listen| listen.origin.clone());
        for spec in LISTENER {
            if self.settings.get(&format!("{prefix}{}", spec.key)).is_some() {
                continue;
            }
            let setting = match &draft.url {
                Some(url) if spec.key == "url" => Setting::new(
                    format!("{prefix}url"),
                    value::quote(&url.to_string()),
                    origin.clone(),
                    spec.reload,
                ),
                _ => Setting::of_default(spec, prefix),
            };
            self.settings.set(setting);
        }
    }

    /// What nobody set, so that all settings can be shown; and all in the order of the table.
    fn fill_in(&mut self) {
        let set = std::mem::take(&mut self.settings);
        for spec in OPTIONS {
            let setting = set.get(spec.key).cloned();
            // A list of listeners in the file says it better.
            if setting.is_none() && !spec.in_file && !self.draft.listeners.is_empty() {
                continue;
            }
            self.settings
                .set(setting.unwrap_or_else(|| Setting::of_default(spec, "")));
        }
        for setting in set.iter() {
            self.settings.set(setting.clone());
        }
    }
}

/// The tables of a list, each with its number.
fn tables<'a>(
    reader: &mut Reader<'_>,
    kind: &str,
    value: &'a Spanned<DeValue<'_>>,
) -> Vec<(usize, &'a Spanned<DeValue<'a>>, &'a DeTable<'a>)> {
    let DeValue::Array(items) = value.get_ref() else {
        let way_out = format!("write [[{kind}]] with two brackets: there can be several");
        reader.error(&value.span(), format!("{kind} is a list of tables"), way_out);
        return Vec::new();
    };
    let mut all = Vec::new();
    for (number, item) in (1..).zip(items.iter()) {
        if let DeValue::Table(table) = item.get_ref() {
            all.push((number, item, table));
        } else {
            let way_out = format!("write [[{kind}]] and its settings below");
            reader.error(&item.span(), format!("each {kind} is a table"), way_out);
        }
    }
    all
}

fn listeners(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, drafts: &mut Vec<ListenerDraft>) {
    for (number, item, table) in tables(reader, "listener", value) {
        let mut draft = ListenerDraft::at(reader.place(&item.span()));
        let url = table.get("url").and_then(|url| url.get_ref().as_str());
        let prefix = match url {
            Some(url) => ListenerDraft::prefix(url),
            None => format!("listener {number} "),
        };
        let named = Named {
            prefix: &prefix,
            elsewhere: &[],
        };
        reader.table(LISTENER, table, &named, &mut draft);
        reader.defaults(LISTENER, &prefix);
        if table.get("url").is_none() {
            let way_out = "say where: url = \"tcp://127.0.0.1:1883\"";
            reader.error(&item.span(), "a listener without url", way_out);
        }
        drafts.push(draft);
    }
}

fn rules(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, rules: &mut Vec<Rule>) {
    for (number, item, table) in tables(reader, "rule", value) {
        let mut draft = RuleDraft::at(reader.place(&item.span()));
        let named = Named {
            prefix: &format!("{RULE_KEY}\"{number}\" "),
            elsewhere: &[],
        };
        reader.table(RULE, table, &named, &mut draft);
        match draft.checked() {
            Ok(rule) => rules.push(rule),
            Err(problem) => reader.problems.push(problem),
        }
    }
}

fn limits(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, limits: &mut Vec<LimitDraft>) {
    for (number, item, table) in tables(reader, "limit", value) {
        let mut draft = LimitDraft::at(reader.place(&item.span()));
        let named = Named {
            prefix: &format!("limit \"{number}\" "),
            elsewhere: &[],
        };
        reader.table(LIMIT, table, &named, &mut draft);
        match draft.problem() {
            None => limits.push(draft),
            Some(problem) => reader.problems.push(problem),
        }
    }
}
