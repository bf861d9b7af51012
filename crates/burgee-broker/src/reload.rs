//! Other settings for a running broker: all of them or none.
//!
//! What must hold: whatever can fail is done before anything is changed; afterwards nothing can. A listener keeps its
//! number as long as its URL is in the settings, and with it its connections; the number of one that is gone is nobody's
//! again. Connections end only where the change names them. Deliberately absent: reading settings, and what only a
//! restart can change: shards, the store, sizes that a thread is built around.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{fmt, io};

use burgee_codec::Versions;
use burgee_core::io::{Banned, ListenerNo, Reload};
use burgee_core::{Config, ListenerPolicy, Policy};

use crate::config::{AcceptLimits, BrokerConfig, Listen, frame_limit};
use crate::door::{Doors, Gate};
use crate::listener::{self, Opened};
use crate::logins::{self, Logins};
use crate::mail::Hub;
use crate::order::{Done, Farewell, Order};
use crate::start_error::StartError;
use crate::tls::{Prepared, TlsError, TlsSlot};
use crate::url::ListenUrl;

/// How often somebody who waits for a shard looks whether it is still there.
const LOOK: Duration = Duration::from_millis(100);

/// What a reload did.
#[derive(Debug, Default)]
pub struct ReloadReport {
    /// Listens there from now on.
    pub opened: Vec<ListenUrl>,
    /// Does not any more.
    pub closed: Vec<ListenUrl>,
    /// Whom it disconnected.
    pub dismissed: Vec<Farewell>,
}

/// Why everything is as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReloadError {
    /// A new listener cannot be had.
    Listen(StartError),
    /// There would be nothing to listen on.
    NoListener,
    /// More listeners have come and gone than can be told apart.
    TooMany,
    /// The broker ends.
    Ending,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => write!(
                f,
                "{error}; the old listeners stay open until the new ones are: where one of them has this address, the \
                 change needs a restart"
            ),
            Self::NoListener => f.write_str("nothing would be left to listen on: give at least one listener"),
            Self::TooMany => f.write_str("too many listeners have come and gone: restart the broker"),
            Self::Ending => f.write_str("the broker ends"),
        }
    }
}

impl std::error::Error for ReloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(error) => Some(error),
            Self::NoListener | Self::TooMany | Self::Ending => None,
        }
    }
}

/// A socket that is listened on: its URL with what the system chose, and its address, if it is of the internet.
type Bound = (ListenUrl, Option<SocketAddr>);

/// The listeners of a broker by their numbers; the place of one that is gone stays empty.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    all: Vec<Option<Listen>>,
    /// The sockets of those that have any: an optional one may have none.
    bound: BTreeMap<u16, Vec<Bound>>,
}

type Gates = (Vec<Arc<Gate>>, Vec<(Arc<TlsSlot>, Prepared)>);

/// What is to be done, with everything in hand that it needs.
pub(crate) struct Plan {
    after: Numbered,
    close: Vec<u16>,
    open: Vec<Opened>,
    gates: Vec<Arc<Gate>>,
    tls: Vec<(Arc<TlsSlot>, Prepared)>,
    config: Arc<Config>,
    logins: logins::Plan,
}

impl Numbered {
    /// Those that a broker starts with.
    pub(crate) fn new(listeners: &[Listen], opened: &[Opened]) -> io::Result<Self> {
        let mut numbered = Self {
            all: listeners.iter().cloned().map(Some).collect(),
            bound: BTreeMap::new(),
        };
        numbered.note(opened)?;
        Ok(numbered)
    }

    /// The listener of each number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &Listen)> {
        let numbered = (0..).zip(&self.all);
        numbered.filter_map(|(number, listen)| Some((number, listen.as_ref()?)))
    }

    /// What is listened on.
    pub(crate) fn urls(&self) -> Vec<ListenUrl> {
        self.bound.values().flatten().map(|(url, _)| url.clone()).collect()
    }

    /// The addresses of the internet among them.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.bound
            .values()
            .flatten()
            .filter_map(|(_, address)| *address)
            .collect()
    }

    /// What is listened on here, and not by `others`.
    pub(crate) fn urls_without(&self, others: &Self) -> Vec<ListenUrl> {
        let gone = self
            .bound
            .iter()
            .filter(|(number, _)| !others.bound.contains_key(number));
        gone.flat_map(|(_, bound)| bound).map(|(url, _)| url.clone()).collect()
    }

    fn note(&mut self, opened: &[Opened]) -> io::Result<()> {
        for opened in opened {
            let bound = (opened.url.clone(), opened.socket.address()?);
            self.bound.entry(opened.number).or_default().push(bound);
        }
        Ok(())
    }

    /// Decides what a change needs, loads what TLS needs, and binds what is new.
    pub(crate) fn plan(&self, new: &BrokerConfig, doors: &Doors) -> Result<Plan, ReloadError> {
        let mut after = vec![None; self.all.len()];
        let mut policies = vec![nobody(); self.all.len()];
        for (at, listen) in new.listeners.iter().enumerate() {
            let here = |(number, old): &(usize, &Option<Listen>)| {
                old.as_ref().is_some_and(|old| old.url == listen.url) && after.get(*number).is_some_and(Option::is_none)
            };
            let number = self.all.iter().enumerate().find(here).map(|(number, _)| number);
            let policy = policy_of(new, at);
            if let Some(number) = number
                && let (Some(place), Some(rule)) = (after.get_mut(number), policies.get_mut(number))
            {
                (*place, *rule) = (Some(listen.clone()), policy);
            } else {
                after.push(Some(listen.clone()));
                policies.push(policy);
            }
        }
        if u16::try_from(after.len()).is_err() {
            return Err(ReloadError::TooMany);
        }
        let mut config = new.core.clone();
        let mut policy = Policy::clone(&new.core.policy);
        policy.listeners = policies;
        config.policy = Arc::new(policy);
        let places: Vec<_> = after.iter().map(Option::as_ref).collect();
        let logins = logins::Plan::new(&places, &new.authentication).map_err(ReloadError::Listen)?;
        logins.make_ask(&mut config.policy);
        let mut after = Self {
            all: after,
            bound: self.bound.clone(),
        };
        let close: Vec<u16> = self
            .iter()
            .map(|(number, _)| number)
            .filter(|number| after.get(*number).is_none())
            .collect();
        after.bound.retain(|number, _| !close.contains(number));
        let (mut gates, tls) = after
            .gates(doors, frame_limit(&new.core))
            .map_err(ReloadError::Listen)?;
        let gone = close.iter().filter_map(|number| doors.gate(*number));
        gates.extend(gone.map(|gate| Arc::new(gate.gone())));
        let wanted: Vec<(u16, &Listen)> = after
            .iter()
            .filter(|(number, _)| !after.bound.contains_key(number))
            .collect();
        let open = listener::open_numbered(&wanted).map_err(ReloadError::Listen)?;
        after.note(&open).map_err(|source| {
            ReloadError::Listen(StartError::System {
                what: "an address",
                source,
            })
        })?;
        if after.bound.is_empty() {
            return Err(ReloadError::NoListener);
        }
        Ok(Plan {
            after,
            close,
            open,
            gates,
            tls,
            config: Arc::new(config),
            logins,
        })
    }

    /// The gates of all listeners; for those that stay, with what is to go into their slots.
    fn gates(&self, doors: &Doors, frame_limit: u64) -> Result<Gates, StartError> {
        let (mut gates, mut slots) = (Vec::new(), Vec::new());
        for (number, listen) in self.iter() {
            let failed = |source| StartError::Tls {
                url: listen.url.clone(),
                source,
            };
            let known = doors.gate(number);
            if let Some(slot) = known.as_ref().and_then(|gate| gate.tls.as_ref()) {
                let settings = listen.tls.as_ref().ok_or_else(|| failed(TlsError::none_given()))?;
                slots.push((Arc::clone(slot), slot.prepare(settings).map_err(failed)?));
            }
            gates.push(Arc::new(match known {
                Some(gate) => gate.renewed(listen, frame_limit),
                None => Gate::new(number, listen, frame_limit).map_err(failed)?,
            }));
        }
        Ok((gates, slots))
    }

    fn get(&self, number: u16) -> Option<&Listen> {
        self.all.get(usize::from(number))?.as_ref()
    }
}

/// What holds for a listener of the settings: its own policy, or the one for all.
fn policy_of(new: &BrokerConfig, at: usize) -> ListenerPolicy {
    let policies = &new.core.policy.listeners;
    let own = match &**policies {
        [only] => Some(only),
        several => several.get(at),
    };
    own.cloned().unwrap_or_else(nobody)
}

/// For a listener that is gone: whoever still comes from there speaks no version that is spoken.
fn nobody() -> ListenerPolicy {
    ListenerPolicy {
        versions: Versions::NONE,
        ..ListenerPolicy::default()
    }
}

impl Plan {
    /// What checks logins from now on.
    pub(crate) const fn logins(&self) -> &logins::Plan {
        &self.logins
    }

    /// Carries it out, and gives the listeners as they are then.
    pub(crate) fn apply(
        self,
        (hub, logins): (&Hub, &Logins),
        (max_open, limits): (usize, AcceptLimits),
        mut banned_users: BTreeSet<Box<str>>,
    ) -> Result<(Numbered, ReloadReport), ReloadError> {
        let mut report = ReloadReport {
            opened: self.open.iter().map(|opened| opened.url.clone()).collect(),
            ..ReloadReport::default()
        };
        // First nobody comes in any more where nobody may, then all shards know whom they serve, then others come.
        let closing = Order {
            close: self.close.clone(),
            ..Order::default()
        };
        wait(hub, [(0, closing)])?;
        hub.doors().reload(self.gates, max_open, limits);
        let trust: Vec<bool> = self.tls.into_iter().map(|(slot, new)| slot.apply(new)).collect();
        if trust.contains(&true) {
            hub.doors().trust_changed();
            hub.nudge();
        }
        // Before shards send away who has no place any more: nobody comes in by the old users behind that.
        let mut outcasts = logins.apply(self.logins);
        banned_users.append(&mut outcasts.users);
        let banned = Banned {
            listeners: self.close.iter().map(|number| ListenerNo(*number)).collect(),
            users: banned_users,
            nameless: outcasts.nameless,
        };
        let reload = Arc::new(Reload {
            config: self.config,
            banned,
        });
        let order = |shard| {
            let reload = Some(Arc::clone(&reload));
            let order = Order {
                reload,
                ..Order::default()
            };
            (shard, order)
        };
        report.dismissed = wait(hub, (0..hub.shards()).map(order))?;
        let opening = Order {
            open: self.open,
            ..Order::default()
        };
        wait(hub, [(0, opening)])?;
        Ok((self.after, report))
    }
}

/// Gives orders and waits until they are carried out.
fn wait(hub: &Hub, orders: impl IntoIterator<Item = (u16, Order)>) -> Result<Vec<Farewell>, ReloadError> {
    let (done, answers) = channel();
    let mut waiting = 0;
    for (shard, mut order) in orders {
        order.done = Some(done.clone());
        hub.order(shard, order);
        waiting += 1;
    }
    let mut dismissed = Vec::new();
    for _ in 0..waiting {
        let Done {
            dismissed: some,
            failed,
        } = answer(hub, &answers)?;
        dismissed.extend(some);
        if let Some(error) = failed {
            // It is bound and listens; only the selector of the thread would not have it.
            tracing::error!(%error, "a new listener cannot be watched: nobody is accepted there");
        }
    }
    Ok(dismissed)
}

fn answer(hub: &Hub, answers: &Receiver<Done>) -> Result<Done, ReloadError> {
    loop {
        match answers.recv_timeout(LOOK) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) if hub.stop_at().is_none() && !hub.has_failed() => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(ReloadError::Ending),
        }
    }
}
