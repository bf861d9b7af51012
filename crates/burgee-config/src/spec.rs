//! How an option is described: its key in the file, its variable, its flag, what it may be, its default and its meaning.
//!
//! What must hold: everything that reads, shows or documents settings asks a description; an option exists once it stands
//! in a table (see `table.rs` and `listener.rs`). Deliberately absent: the options themselves.

use std::path::PathBuf;
use std::time::Duration;

/// What a number has if there is no limit to it.
pub(crate) const UNLIMITED: u64 = u64::MAX;

/// How an option is written on the command line of `burgee serve`.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Flag {
    /// Only in the file and the environment.
    None,
    /// `--name VALUE`.
    Value(&'static str),
    /// `--name VALUE`, several times.
    Many(&'static str),
    /// `--name` alone switches the option off.
    Off(&'static str),
    /// `--name` alone switches it on.
    On(&'static str),
}

/// When a changed value counts.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Reload {
    /// As soon as the settings are read again.
    Live,
    /// At the next start.
    Restart,
}

/// What holds if nothing is written.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Preset {
    /// A value, as it could be written.
    Value(&'static str),
    /// Something that depends: said in words.
    Said(&'static str),
}

/// What an option may be, and where the value goes.
pub(crate) enum Kind<T: 'static> {
    /// `true` or `false`.
    Bool(fn(&mut T, bool)),
    /// A number; where `most` is [`UNLIMITED`] also the word.
    Count {
        least: u64,
        most: u64,
        set: fn(&mut T, u64),
    },
    /// Bytes; where `most` is [`UNLIMITED`] also the word.
    Size {
        least: u64,
        most: u64,
        set: fn(&mut T, u64),
    },
    /// A duration.
    Time {
        least: Duration,
        most: Duration,
        set: fn(&mut T, Duration),
    },
    /// One of these words, each with its meaning.
    Choice {
        of: &'static [(&'static str, &'static str)],
        set: fn(&mut T, &str),
    },
    /// A file or directory; relative ones count from where they are written.
    Path(fn(&mut T, PathBuf)),
    /// A text that somebody else can read, or says what is wrong with it. The word is what it is.
    Text(&'static str, fn(&mut T, &str) -> Result<(), String>),
    /// Several of them; each is added.
    Texts(&'static str, fn(&mut T, &str) -> Result<(), String>),
    /// Several pairs of files, each a table with these two keys; each is added.
    Pairs([&'static str; 2], fn(&mut T, [PathBuf; 2])),
}

/// See the module.
pub(crate) struct Spec<T: 'static> {
    pub(crate) key: &'static str,
    pub(crate) kind: Kind<T>,
    pub(crate) preset: Preset,
    pub(crate) flag: Flag,
    /// The variable, where its name does not follow from the key.
    pub(crate) variable: Option<&'static str>,
    pub(crate) reload: Reload,
    /// Whether it can stand in the file.
    pub(crate) in_file: bool,
    /// What it is, in one sentence.
    pub(crate) help: &'static str,
    /// What happens at the limit, or what else is to be known.
    pub(crate) more: &'static str,
}

impl<T> Spec<T> {
    /// An option with a default that could be written.
    pub(crate) const fn new(key: &'static str, kind: Kind<T>, default: &'static str, help: &'static str) -> Self {
        Self {
            key,
            kind,
            preset: Preset::Value(default),
            flag: Flag::None,
            variable: None,
            reload: Reload::Restart,
            in_file: true,
            help,
            more: "",
        }
    }

    /// The default in words.
    pub(crate) const fn said(mut self, default: &'static str) -> Self {
        self.preset = Preset::Said(default);
        self
    }

    pub(crate) const fn flag(mut self, flag: Flag) -> Self {
        self.flag = flag;
        self
    }

    pub(crate) const fn variable(mut self, name: &'static str) -> Self {
        self.variable = Some(name);
        self
    }

    /// A change counts as soon as the settings are read again.
    pub(crate) const fn live(mut self) -> Self {
        self.reload = Reload::Live;
        self
    }

    /// Not in the file: there it is written in another way.
    pub(crate) const fn outside_only(mut self) -> Self {
        self.in_file = false;
        self
    }

    pub(crate) const fn more(mut self, more: &'static str) -> Self {
        self.more = more;
        self
    }

    /// The name of the variable: `limits.max_packet` is `BURGEE_LIMITS_MAX_PACKET`.
    pub(crate) fn variable_name(&self) -> String {
        self.variable.map_or_else(
            || format!("BURGEE_{}", self.key.replace('.', "_").to_ascii_uppercase()),
            str::to_owned,
        )
    }

    /// The default as it is shown.
    pub(crate) const fn default_text(&self) -> &'static str {
        match self.preset {
            Preset::Value(text) | Preset::Said(text) => text,
        }
    }
}
