//! Logins: what all shards share of finding out who somebody is, and which listener lets in whom.
//!
//! What must hold: a listener that others can reach is never open because nobody thought of it. Deliberately absent: how
//! it is found out (burgee-auth), and what one shard remembers of those who wait (`login_desk.rs`).

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use burgee_auth::{Asked, Chain, Counters, Limits, Login, MethodSettings, Service};
use burgee_core::Policy;
use burgee_core::io::{Ask, ConnKey, ListenerNo, ShardId};

use crate::config::{Anonymous, AuthSettings, BrokerConfig, Listen};
use crate::mail::Hub;
use crate::peer::Peer;
use crate::start_error::StartError;
use crate::tls::ClientCertificates;

/// Whom other users, and other listeners, leave no place.
#[derive(Debug, Default)]
pub(crate) struct Outcasts {
    /// Users that are gone or have another password.
    pub(crate) users: BTreeSet<Box<str>>,
    /// Listeners that let nobody in without a name any more.
    pub(crate) nameless: BTreeSet<ListenerNo>,
}

/// Who waits for an answer, and where.
pub(crate) type Ticket = (ShardId, ConnKey);

/// What a listener asks of those who come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entrance {
    name: Arc<str>,
    anonymous: bool,
    /// Others can reach it, and everybody comes in.
    open: bool,
    asks: bool,
}

/// Where the real peer is, and who it is by its certificate.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) address: Option<IpAddr>,
    pub(crate) certificate: Option<Box<str>>,
}

impl From<Peer> for Known {
    fn from(peer: Peer) -> Self {
        Self {
            address: peer.address.map(|address| address.ip()),
            certificate: peer.identity.and_then(|identity| identity.user.clone()),
        }
    }
}

/// Whether it can be found out who comes in, on all listeners, and all files for that can be used. Nothing is started, and
/// nobody is asked.
///
/// # Errors
/// A listener that others can reach, and nothing says who may come in there; or everything that is wrong with files.
pub fn check_logins(config: &BrokerConfig) -> Result<(), StartError> {
    Plan::of_all(&config.listeners, &config.authentication).map(drop)
}

/// Everything about logins that settings say, checked and read. Listeners have their places by number; the place of one
/// that is gone is empty, and lets nobody in.
#[derive(Debug)]
pub(crate) struct Plan {
    entrances: Vec<Entrance>,
    chain: Chain,
    limits: Limits,
}

impl Plan {
    /// # Errors
    /// A listener that others can reach asks nothing, and nobody said that it may; files that cannot be used.
    pub(crate) fn new(listeners: &[Option<&Listen>], settings: &AuthSettings) -> Result<Self, StartError> {
        let certified = |listen: &Listen| listen.tls.as_ref().is_some_and(|tls| tls.user_from.is_some());
        let mut settings = settings.clone();
        if listeners.iter().flatten().copied().any(certified)
            && !settings.methods.contains(&MethodSettings::Certificate)
        {
            settings.methods.insert(0, MethodSettings::Certificate);
        }
        Ok(Self {
            entrances: entrances(listeners, settings.methods.is_empty())?,
            chain: settings.load().map_err(StartError::Authentication)?,
            limits: settings.limits,
        })
    }

    /// The same of a broker that starts.
    pub(crate) fn of_all(listeners: &[Listen], settings: &AuthSettings) -> Result<Self, StartError> {
        let listeners: Vec<_> = listeners.iter().map(Some).collect();
        Self::new(&listeners, settings)
    }

    /// Has the core ask where somebody has to be asked, and know whether clients without a name may come at all. A listener
    /// without a policy of its own gets the usual one.
    pub(crate) fn make_ask(&self, policy: &mut Arc<Policy>) {
        let policy = Arc::make_mut(policy);
        policy.nameless = self.entrances.iter().any(|entrance| entrance.anonymous);
        let listeners = &mut policy.listeners;
        if listeners.len() < self.entrances.len() {
            listeners.resize_with(self.entrances.len(), Default::default);
        }
        for (listener, entrance) in listeners.iter_mut().zip(&self.entrances) {
            listener.ask = entrance.asks;
        }
    }
}

/// What each listener asks, by its number. `blind`: nothing is set to find out who somebody is.
fn entrances(listeners: &[Option<&Listen>], blind: bool) -> Result<Vec<Entrance>, StartError> {
    let entrance = |listen: &Listen| {
        let url = || listen.url.clone();
        // Whoever has no certificate of ours does not come as far as CONNECT.
        let vouched = listen.url.is_tls()
            && listen
                .tls
                .as_ref()
                .is_some_and(|tls| tls.clients == ClientCertificates::Required);
        let closed = vouched || listen.is_local();
        let anonymous = match listen.anonymous {
            Anonymous::Allowed => true,
            Anonymous::Refused => false,
            Anonymous::Local if !blind => false,
            Anonymous::Local if closed => true,
            Anonymous::Local => return Err(StartError::Open { url: url() }),
        };
        Ok(Entrance {
            name: url().to_string().into(),
            anonymous,
            open: anonymous && !closed,
            asks: !(blind && anonymous),
        })
    };
    let place = |listen: Option<&Listen>| listen.map_or(Ok(Entrance::default()), entrance);
    listeners.iter().copied().map(place).collect()
}

/// The listeners that let in who has no name, and do not any more.
fn closed_to_nameless(before: &[Entrance], after: &[Entrance]) -> BTreeSet<ListenerNo> {
    let pairs = (0..).zip(before.iter().zip(after));
    let closed = pairs.filter(|(_, (before, after))| before.anonymous && after.asks && !after.anonymous);
    closed.map(|(number, _)| ListenerNo(number)).collect()
}

fn warn_of_open(entrances: &[Entrance]) {
    for entrance in entrances.iter().filter(|entrance| entrance.open) {
        tracing::warn!(
            "{} can be reached by others, and anonymous clients are allowed: ANYBODY WHO REACHES IT CAN CONNECT, and may do \
             what the rules allow anonymous clients, or everything if there are none",
            entrance.name
        );
    }
}

/// See the module.
pub(crate) struct Logins {
    service: Service<Ticket>,
    /// How often users were replaced.
    generation: AtomicU64,
    entrances: RwLock<Vec<Entrance>>,
}

impl Logins {
    pub(crate) fn start(plan: Plan, hub: &Arc<Hub>) -> io::Result<Self> {
        warn_of_open(&plan.entrances);
        let hub = Arc::clone(hub);
        let reply = move |(shard, conn), outcome| hub.tell_outcome(shard, conn, outcome);
        Ok(Self {
            service: Service::start(plan.limits, plan.chain, Box::new(reply))?,
            generation: AtomicU64::new(0),
            entrances: RwLock::new(plan.entrances),
        })
    }

    /// Never waits.
    pub(crate) fn ask(&self, shard: ShardId, ask: Ask, known: Known) -> Asked {
        let conn = ask.conn;
        let (listener, anonymous) = {
            let entrances = self.entrances.read().unwrap_or_else(PoisonError::into_inner);
            match entrances.get(usize::from(ask.listener.0)) {
                Some(entrance) => (Arc::clone(&entrance.name), entrance.anonymous),
                None => ("".into(), false),
            }
        };
        // Many devices send an empty user name where they have none.
        let unnamed = ask.user.as_deref() == Some("") && ask.password.as_deref().is_none_or(<[u8]>::is_empty);
        let login = Login {
            client_id: ask.client_id,
            user: ask.user.filter(|_| !unnamed),
            password: ask.password.filter(|_| !unnamed),
            address: known.address,
            certificate: known.certificate,
            listener,
            anonymous,
        };
        self.service.ask(login, (shard, conn))
    }

    /// The first half of a reload: the last that may fail.
    ///
    /// # Errors
    /// The system gives no threads.
    pub(crate) fn prepare(&self, plan: &Plan) -> io::Result<()> {
        self.service.prepare(&plan.chain)
    }

    /// The second half, behind [`Self::prepare`]: from here on these users count, for logins under way, too. Who of the
    /// old ones has no place any more.
    pub(crate) fn apply(&self, plan: Plan) -> Outcasts {
        warn_of_open(&plan.entrances);
        let mut entrances = self.entrances.write().unwrap_or_else(PoisonError::into_inner);
        let nameless = closed_to_nameless(&entrances, &plan.entrances);
        *entrances = plan.entrances;
        drop(entrances);
        self.service.limit_failures(plan.limits.failures);
        // First: an answer that is still from the old ones is taken for one.
        self.generation.fetch_add(1, Ordering::SeqCst);
        let users = self.service.replace(plan.chain).unwrap_or_else(|error| {
            tracing::error!(%error, "users cannot be taken over: no threads to check them");
            BTreeSet::new()
        });
        Outcasts { users, nameless }
    }

    /// Changes before users do.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.service.waiting()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.service.counters()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{IdentityField, TlsSettings, TlsVersion};

    fn listen(url: &str, anonymous: Anonymous) -> Listen {
        Listen {
            anonymous,
            ..Listen::new(url.parse().unwrap())
        }
    }

    #[test]
    fn only_what_nobody_else_can_reach_is_open_without_a_word() {
        for (url, local) in [
            ("tcp://127.0.0.1:1883", true),
            ("tcp://127.8.0.1:1883", true),
            ("tcp://[::1]:1883", true),
            ("tcp://[::ffff:127.0.0.1]:1883", true),
            ("tcp://localhost:1883", true),
            ("unix:///run/burgee.sock", true),
            ("tcp://0.0.0.0:1883", false),
            ("tcp://[::]:1883", false),
            ("tcp://192.0.2.1:1883", false),
            ("tcp://localhost.example:1883", false),
            ("systemd:mqtt", false),
        ] {
            let found = entrances(&[Some(&listen(url, Anonymous::Local))], true);
            match (found, local) {
                (Ok(found), true) => assert!(found[0].anonymous && !found[0].asks, "{url}"),
                (Err(error @ StartError::Open { .. }), false) => {
                    let text = error.to_string();
                    assert!(
                        text.contains(url) && text.contains("--users") && text.contains("--allow-anonymous"),
                        "{text}"
                    );
                }
                (other, _) => panic!("{url}: {other:?}"),
            }
            let found = entrances(&[Some(&listen(url, Anonymous::Allowed))], true).unwrap();
            assert!(found[0].anonymous && !found[0].asks, "{url}");
            let found = entrances(&[Some(&listen(url, Anonymous::Refused))], true).unwrap();
            assert!(!found[0].anonymous && found[0].asks, "{url}");
        }
    }

    #[test]
    fn a_proxy_on_this_machine_brings_others() {
        for url in ["tcp://127.0.0.1:1883", "unix:///run/burgee.sock"] {
            let behind = |anonymous| Listen {
                proxy: vec!["127.0.0.0/8".parse().unwrap()],
                ..listen(url, anonymous)
            };
            let found = entrances(&[Some(&behind(Anonymous::Local))], true);
            assert!(matches!(found, Err(StartError::Open { .. })), "{url}");
            assert!(
                entrances(&[Some(&behind(Anonymous::Allowed))], true).unwrap()[0].open,
                "{url}"
            );
        }
    }

    #[test]
    fn once_somebody_can_be_known_everybody_has_to_be() {
        for (url, anonymous, open) in [
            ("tcp://127.0.0.1:1883", Anonymous::Local, false),
            ("tcp://0.0.0.0:1883", Anonymous::Local, false),
            ("tcp://0.0.0.0:1883", Anonymous::Allowed, true),
            ("unix:///run/burgee.sock", Anonymous::Refused, false),
        ] {
            let found = entrances(&[Some(&listen(url, anonymous))], false).unwrap();
            assert_eq!((found[0].anonymous, found[0].asks), (open, true), "{url}");
        }
    }

    #[test]
    fn every_listener_gets_a_policy_and_asks_where_it_has_to() {
        let listens = ["tcp://127.0.0.1:1", "tcp://0.0.0.0:2"].map(|url| listen(url, Anonymous::Allowed));
        let [first, second] = &listens;
        let second = Listen {
            anonymous: Anonymous::Refused,
            ..second.clone()
        };
        let plan = Plan::new(&[Some(first), None, Some(&second)], &AuthSettings::default()).unwrap();
        let mut policy = Arc::new(Policy::default());
        plan.make_ask(&mut policy);
        let asks: Vec<_> = policy.listeners.iter().map(|listener| listener.ask).collect();
        assert_eq!(asks, [false, false, true]);
        assert!(policy.nameless, "the first lets in who has no name");
        Plan::new(&[None, Some(&second)], &AuthSettings::default())
            .unwrap()
            .make_ask(&mut policy);
        assert!(!policy.nameless);
    }

    #[test]
    fn a_certificate_that_is_required_closes_a_listener_and_may_say_who_it_is() {
        let tls = |clients, user_from| Listen {
            tls: Some(TlsSettings {
                certificates: Vec::new(),
                clients,
                ca: None,
                crls: Vec::new(),
                user_from,
                min_version: TlsVersion::Tls12,
            }),
            ..listen("mqtts://0.0.0.0:8883", Anonymous::Local)
        };
        let nothing = AuthSettings::default();
        let required = Plan::new(&[Some(&tls(ClientCertificates::Required, None))], &nothing).unwrap();
        assert!(!required.entrances[0].asks && !required.entrances[0].open && required.chain.is_empty());
        let optional = Plan::new(&[Some(&tls(ClientCertificates::Optional, None))], &nothing);
        assert!(matches!(optional, Err(StartError::Open { .. })));
        let named = tls(ClientCertificates::Optional, Some(IdentityField::CommonName));
        let named = Plan::new(&[Some(&named)], &nothing).unwrap();
        assert!(named.entrances[0].asks && !named.entrances[0].anonymous && !named.chain.is_empty());
    }
}
