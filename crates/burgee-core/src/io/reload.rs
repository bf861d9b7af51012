//! Settings that change while the broker runs, and what became of whom.
//!
//! What must hold: a reload is one input: a shard obeys all of it or none. Deliberately absent: how settings are read and
//! whether they can be used; a shard is only handed those that can.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ConnKey;
use crate::config::Config;
use crate::policy::ListenerNo;

/// From here on these settings hold.
#[derive(Clone, Debug)]
pub struct Reload {
    /// The limits and, in it, the policy. What a restart needs stays as it was: see [`Config::reloaded`].
    pub config: Arc<Config>,
    /// Who has no place under them.
    pub banned: Banned,
}

/// Connections that a change names.
#[derive(Clone, Debug, Default)]
pub struct Banned {
    /// All of these listeners.
    pub listeners: BTreeSet<ListenerNo>,
    /// All of these users.
    pub users: BTreeSet<Box<str>>,
    /// Everybody without a user on these listeners.
    pub nameless: BTreeSet<ListenerNo>,
}

/// Somebody whom a reload disconnected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dismissed {
    /// The connection. It is closed in the same turn.
    pub conn: ConnKey,
    /// The client, as it calls itself; `None`: its CONNECT had not been accepted.
    pub client_id: Option<Box<str>>,
    /// Why.
    pub why: &'static str,
}
