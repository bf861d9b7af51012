//! A table of the file, read by the descriptions of its options.
//!
//! What must hold: every key of the table is either set or told; nesting is followed only as far as a known key goes.
//! Deliberately absent: which tables there are.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Place, Problem, Problems};
use crate::settings::{Origin, Setting, Settings};
use crate::spec::Spec;
use crate::text::Text;
use crate::value::{self, Raw};

/// See the module.
pub(crate) struct Reader<'a> {
    pub(crate) text: &'a Text,
    /// Relative paths count from here.
    pub(crate) base: &'a Path,
    pub(crate) path: &'a Path,
    pub(crate) problems: &'a mut Problems,
    pub(crate) settings: &'a mut Settings,
}

/// Keys of a table that are read elsewhere, with the way they are written.
pub(crate) type Elsewhere = &'static [(&'static str, &'static str)];

/// What the settings of a table are called.
pub(crate) struct Named<'a> {
    /// Before each key, as in `listener "tcp://[::1]:1883" `; may be empty.
    pub(crate) prefix: &'a str,
    pub(crate) elsewhere: Elsewhere,
}

impl Reader<'_> {
    pub(crate) fn error(&mut self, span: &Range<usize>, what: impl Into<String>, way_out: impl Into<String>) {
        let place = Place::Spot(Box::new(self.text.spot(span)));
        self.problems.push(Problem::error(place, what, way_out));
    }

    /// Where a range lies.
    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        Place::Spot(Box::new(self.text.spot(span)))
    }

    /// Reads a whole table into `target`.
    pub(crate) fn table<T>(&mut self, specs: &[Spec<T>], table: &DeTable<'_>, named: &Named<'_>, target: &mut T) {
        self.level(specs, ("", table), named, target);
    }

    /// What the table does not say.
    pub(crate) fn defaults<T>(&mut self, specs: &[Spec<T>], prefix: &str) {
        for spec in specs {
            if self.settings.get(&format!("{prefix}{}", spec.key)).is_none() {
                self.settings.set(Setting::of_default(spec, prefix));
            }
        }
    }

    fn level<T>(
        &mut self,
        specs: &[Spec<T>],
        (prefix, table): (&str, &DeTable<'_>),
        named: &Named<'_>,
        target: &mut T,
    ) {
        for (key, value) in table {
            let (name, span) = (key.get_ref(), key.span());
            let path = if prefix.is_empty() {
                name.to_string()
            } else {
                format!("{prefix}.{name}")
            };
            // A quoted key with a dot in it is one key, whatever it looks like.
            let plain = !name.contains('.');
            if plain && prefix.is_empty() && named.elsewhere.iter().any(|(known, _)| known == name) {
                continue;
            }
            let spec = specs.iter().find(|spec| plain && spec.key == path && spec.in_file);
            let below = format!("{path}.");
            let inner = plain && specs.iter().any(|spec| spec.key.starts_with(&below));
            match (spec, value.get_ref()) {
                (Some(spec), _) => self.set(spec, value, named, target),
                (None, DeValue::Table(table)) if inner => self.level(specs, (&path, table), named, target),
                (None, _) if inner => {
                    let way_out = format!("write its settings below a line [{path}]");
                    self.error(&value.span(), format!("{path} is a table, not a value"), way_out);
                }
                (None, _) => {
                    let way_out = advice(specs, named.elsewhere, prefix, name);
                    self.error(&span, format!("unknown key {path}"), way_out);
                }
            }
        }
    }

    fn set<T>(&mut self, spec: &Spec<T>, value: &Spanned<DeValue<'_>>, named: &Named<'_>, target: &mut T) {
        let key = format!("{}{}", named.prefix, spec.key);
        match value::set(&spec.kind, &Raw::of(value.get_ref()), self.base, target) {
            Ok(shown) => {
                let line = self.text.spot(&value.span()).line;
                let origin = Origin::File(self.path.to_owned(), line);
                self.settings.set(Setting::new(key, shown, origin, spec.reload));
            }
            Err(wrong) => {
                for (span, what) in wrong {
                    let what = if crate::text::is_secret(spec.key) {
                        "this cannot be used".to_owned()
                    } else {
                        what
                    };
                    self.error(
                        &span.unwrap_or_else(|| value.span()),
                        format!("{}: {what}", spec.key),
                        "",
                    );
                }
            }
        }
    }
}

/// What somebody who wrote an unknown key may have meant.
fn advice<T>(specs: &[Spec<T>], elsewhere: Elsewhere, prefix: &str, name: &str) -> String {
    let keys = || specs.iter().filter(|spec| spec.in_file).map(|spec| spec.key);
    let last = |key: &'static str| key.rsplit_once('.').map_or(("", key), |(table, last)| (table, last));
    // The right name in the wrong table.
    if let Some((table, _)) = keys()
        .map(last)
        .find(|(table, known)| *known == name && *table != prefix)
    {
        return if table.is_empty() {
            format!("{name} belongs at the top of the file")
        } else {
            format!("{name} belongs below [{table}]")
        };
    }
    // A near name in this table, or a table of that name.
    let here = keys().filter_map(|key| {
        let rest = if prefix.is_empty() {
            Some(key)
        } else {
            key.strip_prefix(prefix)?.strip_prefix('.')
        };
        rest.and_then(|rest| rest.split('.').next())
    });
    let tables = elsewhere.iter().map(|(known, _)| *known).filter(|_| prefix.is_empty());
    if let Some(meant) = value::nearest(name, here.clone().chain(tables)) {
        let written = elsewhere.iter().find(|(known, _)| *known == meant);
        return format!("did you mean {}?", written.map_or(meant, |(_, written)| written));
    }
    if let Some((table, meant)) = value::nearest(name, keys().map(|key| last(key).1))
        .and_then(|meant| keys().map(last).find(|(_, known)| *known == meant))
    {
        return format!("did you mean {meant} below [{table}]?");
    }
    let mut all: Vec<_> = here.collect();
    all.dedup();
    if prefix.is_empty() {
        all.extend(elsewhere.iter().map(|(_, written)| *written));
    }
    format!("known here: {}", all.join(", "))
}
