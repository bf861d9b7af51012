//! The settings while they are read: typed, and each right in itself.
//!
//! What must hold: the defaults here are those that the table of options tells (a test compares them). Deliberately
//! absent: whether the settings fit together; see `checked.rs`.

use std::path::PathBuf;
use std::time::Duration;

use burgee_access::Rule;
use burgee_broker::{AcceptLimits, ListenUrl, Shards};
use burgee_core::Config;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::auth_draft::AuthDraft;
use crate::listener::ListenerDraft;
use crate::spec::UNLIMITED;
use crate::tls::{HasTls, TlsDraft};
use crate::usage_draft::UsageDraft;

/// What is to survive.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Survives {
    Power,
    Process,
    Nothing,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) shards: Shards,
    pub(crate) survives: Survives,
    pub(crate) data: Option<PathBuf>,
    pub(crate) log: Targets,
    pub(crate) grace: Duration,
    pub(crate) max_connections: u64,
    /// In all shards; `None`: what the core has for each.
    pub(crate) max_sessions: Option<u64>,
    /// What goes into the core as it is.
    pub(crate) core: Config,
    pub(crate) accept: AcceptLimits,
    /// What listeners with TLS have in common.
    pub(crate) tls: TlsDraft,
    /// Who may come in.
    pub(crate) auth: AuthDraft,
    /// From the command line or the environment; goes before those in the file.
    pub(crate) listen: Vec<ListenUrl>,
    pub(crate) listeners: Vec<ListenerDraft>,
    /// Mosquitto's file of access rules.
    pub(crate) acl_file: Option<PathBuf>,
    pub(crate) rules: Vec<Rule>,
    /// What each user may use.
    pub(crate) usage: UsageDraft,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            shards: Shards::default(),
            survives: Survives::Power,
            data: None,
            log: Targets::new().with_default(LevelFilter::INFO),
            grace: Duration::from_secs(5),
            max_connections: UNLIMITED,
            max_sessions: None,
            core: Config::default(),
            accept: AcceptLimits::default(),
            tls: TlsDraft::default(),
            auth: AuthDraft::default(),
            listen: Vec::new(),
            listeners: Vec::new(),
            acl_file: None,
            rules: Vec::new(),
            usage: UsageDraft::default(),
        }
    }
}

impl HasTls for Draft {
    fn tls(&mut self) -> &mut TlsDraft {
        &mut self.tls
    }
}
