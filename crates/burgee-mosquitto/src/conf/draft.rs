//! What has been read so far.

use std::path::PathBuf;

use super::listener::Listener;
use super::remark::{At, Remark};

/// A value of the result: table and key, the value as TOML has it, and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) table: &'static str,
    pub(super) key: &'static str,
    pub(super) text: String,
    pub(super) at: At,
}

/// A file that goes along.
#[derive(Clone, Debug)]
pub(super) struct Along {
    pub(super) option: &'static str,
    pub(super) path: PathBuf,
    pub(super) at: At,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) values: Vec<Value>,
    /// The one that older files have without a line of its own: settings before the first `listener` are its.
    pub(super) first: Listener,
    pub(super) listeners: Vec<Listener>,
    pub(super) anonymous: Option<bool>,
    pub(super) per_listener: bool,
    pub(super) along: Vec<Along>,
    pub(super) persistence: bool,
    pub(super) location: Option<PathBuf>,
    pub(super) database: Option<PathBuf>,
    pub(super) remarks: Vec<Remark>,
}

impl Draft {
    /// The last word about a setting counts.
    pub(super) fn set(&mut self, setting: &'static str, text: String, at: &At) {
        let Some((table, key)) = setting.rsplit_once('.') else {
            return;
        };
        self.values.retain(|value| (value.table, value.key) != (table, key));
        self.values.push(Value {
            table,
            key,
            text,
            at: at.clone(),
        });
    }

    /// The listener that settings belong to now.
    pub(super) fn listener(&mut self) -> &mut Listener {
        self.listeners.last_mut().unwrap_or(&mut self.first)
    }
}
