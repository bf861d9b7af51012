//! The settings as they are used: each is right, and they fit together.
//!
//! What must hold: there is one only where nothing is wrong. Deliberately absent: starting anything.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use burgee_access::Rules;
use burgee_auth::InvalidMethod;
use burgee_broker::{
    Anonymous, AuthSettings, BrokerConfig, Durability, Listen, Shards, StartError, SyncPolicy, TlsContext, TlsSettings,
    check_logins,
};
use burgee_core::{Config, Policy};
use tracing_subscriber::filter::Targets;

use crate::draft::{Draft, Survives};
use crate::file;
use crate::layers::Read;
use crate::listener::ListenerDraft;
use crate::problem::{Place, Problem, Problems};
use crate::settings::{Origin, Settings};
use crate::{access, data_dir};

/// See the module.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What the broker starts with.
    pub broker: BrokerConfig,
    /// Time for an orderly end.
    pub grace: Duration,
    /// What is logged.
    pub log: Targets,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Every setting with its origin.
    pub settings: Settings,
    /// What should be known.
    pub warnings: Problems,
    /// Of all shards; each gets its part.
    totals: Totals,
}

/// Limits that are divided between the shards.
#[derive(Copy, Clone, Debug)]
struct Totals {
    connections: usize,
    sessions: Option<usize>,
}

impl Totals {
    fn of(draft: &Draft) -> Self {
        let machine = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            connections: machine(draft.max_connections),
            sessions: draft.max_sessions.map(machine),
        }
    }

    fn divide(self, core: &mut Config, shards: Shards) {
        let shards = usize::from(shards.get());
        core.max_connections = self.connections.div_ceil(shards);
        if let Some(sessions) = self.sessions {
            core.max_sessions = sessions.div_ceil(shards);
        }
    }
}

impl Checked {
    pub(crate) fn new(read: Read, file: Option<PathBuf>) -> Result<Self, Problems> {
        let Read {
            mut draft,
            mut settings,
            mut problems,
        } = read;
        let listeners = listeners(&draft, &mut problems);
        let authentication = authentication(&draft, &listeners, &settings, &mut problems);
        let rules = rules(&draft, &mut settings, &mut problems);
        note_keys(&draft, &mut settings);
        let durability = durability(&draft, &settings, &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        let totals = Totals::of(&draft);
        draft.core.policy = Arc::new(Policy {
            rules,
            limits: draft.usage.limits(),
            fights: draft.usage.fights,
            ..Policy::default()
        });
        Ok(Self {
            broker: BrokerConfig {
                authentication,
                ..broker(&draft, listeners, durability, totals)
            },
            grace: draft.grace,
            log: draft.log,
            file,
            settings,
            warnings: problems,
            totals,
        })
    }

    /// The same for a broker that runs with so many shards, whatever the settings say now.
    pub fn keep_shards(&mut self, shards: Shards) {
        self.broker.shards = shards;
        self.broker.core.shards = shards.get();
        self.totals.divide(&mut self.broker.core, shards);
    }
}

fn listeners(draft: &Draft, problems: &mut Problems) -> Vec<Listen> {
    let mut listeners: Vec<Listen> = Vec::new();
    for listener in &draft.listeners {
        let Some(mut checked) = listener.checked() else {
            continue;
        };
        checked.tls = tls(draft, listener, problems);
        if !checked.url.takes_any_port() && listeners.iter().any(|other| other.url == checked.url) {
            let what = format!("{} is listened on twice", checked.url);
            problems.push(Problem::error(listener.place.clone(), what, "take one of them out"));
        }
        listeners.push(Listen {
            anonymous: anonymous(draft, listener.anonymous),
            ..checked
        });
    }
    if draft.listeners.is_empty() {
        let usual = |listen| Listen {
            anonymous: anonymous(draft, None),
            ..listen
        };
        BrokerConfig::default().listeners.into_iter().map(usual).collect()
    } else {
        listeners
    }
}

/// What a listener needs to speak TLS, loaded once to see whether it can be.
fn tls(draft: &Draft, listener: &ListenerDraft, problems: &mut Problems) -> Option<TlsSettings> {
    let url = listener.url.as_ref()?;
    if !url.is_tls() {
        if !listener.tls.is_empty() {
            let what = format!("{url} does not speak TLS, but has settings for it");
            let way_out = "write mqtts:// or wss://, or take them out";
            problems.push(Problem::error(listener.place.clone(), what, way_out));
        }
        return None;
    }
    match listener.tls.over(&draft.tls) {
        Ok(settings) => {
            match TlsContext::load(&settings) {
                Ok(context) => {
                    for warning in context.warnings() {
                        let what = format!("{url}: {warning}");
                        let way_out = "put a new file in its place: a running broker takes it over by itself";
                        problems.push(Problem::warning(listener.place.clone(), what, way_out));
                    }
                }
                Err(error) => {
                    let what = format!("{url} cannot speak TLS: {error}");
                    problems.push(Problem::error(listener.place.clone(), what, ""));
                }
            }
            Some(settings)
        }
        Err(way_out) => {
            let what = format!("{url} needs a certificate and its key");
            problems.push(Problem::error(listener.place.clone(), what, way_out));
            None
        }
    }
}

const fn anonymous(draft: &Draft, own: Option<bool>) -> Anonymous {
    match own {
        Some(true) => Anonymous::Allowed,
        Some(false) => Anonymous::Refused,
        None if draft.auth.anonymous => Anonymous::Allowed,
        None => Anonymous::Local,
    }
}

/// How it is found out who somebody is, with all files read once to see whether they can be used.
fn authentication(draft: &Draft, listeners: &[Listen], settings: &Settings, problems: &mut Problems) -> AuthSettings {
    let authentication = match draft.auth.checked() {
        Ok(authentication) => authentication,
        Err((key, way_out)) => {
            let what = "tokens have keys from several places";
            problems.push(Problem::error(place_of(settings, key), what, way_out));
            return AuthSettings::default();
        }
    };
    let check = |listeners: &[Listen]| {
        let config = BrokerConfig {
            listeners: listeners.to_vec(),
            authentication: authentication.clone(),
            ..BrokerConfig::default()
        };
        check_logins(&config)
    };
    match check(listeners) {
        Err(StartError::Authentication(wrong)) => {
            for invalid in wrong {
                let key = match &invalid {
                    InvalidMethod::Passwords(_) => "auth.passwords_file",
                    InvalidMethod::Tokens(_) => "auth_jwt.keys_file",
                    InvalidMethod::Http(_) => "auth_http.url",
                    InvalidMethod::Random(_) | InvalidMethod::Twice(_) => "",
                };
                problems.push(Problem::error(place_of(settings, key), invalid.to_string(), ""));
            }
        }
        Err(StartError::Open { .. }) => {
            for listen in listeners {
                if let Err(error @ StartError::Open { .. }) = check(std::slice::from_ref(listen)) {
                    let place = draft
                        .listeners
                        .iter()
                        .find(|draft| draft.url.as_ref() == Some(&listen.url));
                    let place = place.map_or(Place::All, |draft| draft.place.clone());
                    problems.push(Problem::error(place, error.to_string(), ""));
                }
            }
        }
        Err(error) => problems.push(Problem::error(Place::All, error.to_string(), "")),
        Ok(()) => {}
    }
    authentication
}

/// Notes what is in the files that say who may come in, so that a reload can say that they changed. Whether they can be used
/// is told elsewhere, and what is in them nowhere.
fn note_keys(draft: &Draft, settings: &mut Settings) {
    let auth = &draft.auth;
    for path in [&auth.passwords, &auth.keys_file, &auth.secret_file]
        .into_iter()
        .flatten()
    {
        if let Ok(bytes) = file::read_bytes(path) {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            let lines = bytes
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.trim_ascii().is_empty());
            settings.note_contents(
                path.clone(),
                format!("{} lines ({:08x})", lines.count(), hasher.finish() >> 32),
            );
        }
    }
}

/// Where an option was given.
fn place_of(settings: &Settings, key: &str) -> Place {
    match settings.get(key).map(|setting| &setting.origin) {
        Some(Origin::Flag(name)) => Place::Flag(name),
        Some(Origin::Variable(name)) => Place::Variable(name.clone()),
        Some(Origin::File(path, _)) => Place::File(path.clone()),
        Some(Origin::Default) | None => Place::All,
    }
}

/// The access rules, own ones before those of the file.
fn rules(draft: &Draft, settings: &mut Settings, problems: &mut Problems) -> Option<Arc<Rules>> {
    let mut of_file = None;
    if let Some(path) = &draft.acl_file {
        match access::read_acl_file(path, &place_of(settings, "access.acl_file")) {
            Ok(rules) => {
                let mut hasher = DefaultHasher::new();
                format!("{rules:?}").hash(&mut hasher);
                let what = format!("{} rules ({:08x})", rules.len(), hasher.finish() >> 32);
                settings.note_contents(path.clone(), what);
                of_file = Some(rules);
            }
            Err(wrong) => problems.extend(wrong),
        }
    }
    access::compile(draft.rules.clone(), of_file)
}

fn durability(draft: &Draft, settings: &Settings, problems: &mut Problems) -> Durability {
    let sync = match draft.survives {
        Survives::Power => SyncPolicy::Sync,
        Survives::Process => SyncPolicy::Write,
        Survives::Nothing => return Durability::Memory,
    };
    match data_dir::choose(draft.data.clone()) {
        Ok(directory) => Durability::Kept { directory, sync },
        Err(error) => {
            let place = place_of(settings, "store.durability");
            problems.push(Problem::error(place, error, ""));
            Durability::Memory
        }
    }
}

fn broker(draft: &Draft, listeners: Vec<Listen>, durability: Durability, totals: Totals) -> BrokerConfig {
    let mut core = Config {
        shards: draft.shards.get(),
        ..draft.core.clone()
    };
    totals.divide(&mut core, draft.shards);
    BrokerConfig {
        listeners,
        shards: draft.shards,
        // Some more than the limit, so that those beyond it can be told so by CONNACK 3.
        max_open: totals
            .connections
            .saturating_add(totals.connections / 8)
            .saturating_add(64),
        accept: draft.accept.clone(),
        authentication: AuthSettings::default(),
        durability,
        core,
    }
}

impl ListenerDraft {
    /// What its settings are called.
    pub(crate) fn name(&self) -> Option<String> {
        self.url.as_ref().map(|url| Self::prefix(&url.to_string()))
    }

    /// The same for a URL as it is written.
    pub(crate) fn prefix(url: &str) -> String {
        format!("listener {} ", crate::value::quote(url))
    }
}
