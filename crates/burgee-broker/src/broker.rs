//! The broker as one thing to start and stop, for programs that have it inside and for the command line.
//!
//! What must hold: once `start` returns, it is listening; once `shutdown` returns, all its threads are gone and what
//! they left to be kept is on disk. A shard that is lost ends the broker; a store that is lost does not. Deliberately absent: signals; they belong to whoever owns the process.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use burgee_auth::Counters as LoginCounters;
use burgee_core::io::ShardId;
use burgee_core::{Config, Policy, Shard, Shared};
use burgee_store_sqlite::{Settings, SqliteStore, SyncPolicy};
use mio::{Poll, Waker};

use crate::clock::Clock;
use crate::config::{BrokerConfig, Durability, Listen, frame_limit};
#[cfg(unix)]
use crate::control::{Control, ReloadWish};
use crate::door::{Doors, Gate, TransportCounters};
use crate::keeper::{IDLE, Keeper, Kept};
use crate::listener::{self, Opened};
use crate::logins::{Logins, Plan};
use crate::mail::Hub;
use crate::pulse::Pulse;
use crate::reload::{Numbered, ReloadError, ReloadReport};
use crate::restore::restore;
use crate::shard_loop::{ShardLoop, Sizes, WAKER};
use crate::start_error::StartError;
use crate::tls::{TlsError, Watch};
use crate::url::ListenUrl;

/// Time for the other shards to end in order after one is lost.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// A running broker. Dropping it ends it at once.
pub struct Broker {
    hub: Arc<Hub>,
    logins: Arc<Logins>,
    clock: Clock,
    threads: Vec<JoinHandle<()>>,
    store: Option<StoreThreads>,
    watch: Option<Watch>,
    addresses: Vec<SocketAddr>,
    listening: Vec<ListenUrl>,
    listeners: Numbered,
}

impl Broker {
    /// A broker for tests: it keeps nothing on disk, and listens on a port of this machine that the system chooses.
    ///
    /// ```
    /// use burgee_broker::Broker;
    ///
    /// let broker = Broker::on_loopback()?;
    /// assert!(broker.url().starts_with("mqtt://127.0.0.1:"));
    /// # Ok::<(), burgee_broker::StartError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn on_loopback() -> Result<Self, StartError> {
        Self::start(BrokerConfig {
            listeners: BrokerConfig::loopback(0),
            ..BrokerConfig::default()
        })
    }

    /// Where clients reach its first listener over TCP, as an address for them.
    #[must_use]
    pub fn url(&self) -> String {
        self.addresses
            .first()
            .map_or_else(String::new, |address| format!("mqtt://{address}"))
    }

    /// Starts to listen and to serve.
    ///
    /// # Errors
    /// A data directory that cannot be used; an address that cannot be listened on; threads or selectors that the
    /// system does not give.
    pub fn start(config: BrokerConfig) -> Result<Self, StartError> {
        let BrokerConfig {
            listeners,
            shards,
            max_open,
            accept,
            authentication,
            durability,
            mut core,
        } = config;
        // Before anything is opened: what is wrong with the settings is told by itself.
        let plan = Plan::of_all(&listeners, &authentication)?;
        core.shards = shards.get();
        spread(&mut core.policy, listeners.len());
        plan.make_ask(&mut core.policy);
        core.durable = durability != Durability::Memory;
        let sizes = Sizes {
            outbox_bytes: core.outbox_bytes,
            mail_bytes: core.mail_bytes,
        };
        let gates = gates(&listeners, frame_limit(&core))?;
        let mut machines = Machines::new(core)?;
        // Before anybody can connect: a client that came earlier would find its session missing.
        let kept = match durability {
            Durability::Memory => None,
            Durability::Kept { directory, sync } => Some((machines.restore(&directory, sync)?, directory)),
        };
        let opened = listener::open(&listeners)?;
        let numbered = Numbered::new(&listeners, &opened).map_err(system("an address"))?;
        let watch = Duration::from_millis(accept.tls_watch_ms);
        let doors = Doors::new(gates, max_open, accept);

        let mut polls = Vec::new();
        let mut wakers = Vec::new();
        for _ in &machines.shards {
            let poll = Poll::new().map_err(system("a selector"))?;
            wakers.push(Waker::new(poll.registry(), WAKER).map_err(system("a waker"))?);
            polls.push(poll);
        }
        let hub = Arc::new(Hub::new(wakers, sizes.mail_bytes, doors));
        let logins = Logins::start(plan, &hub);
        let mut broker = Self {
            logins: Arc::new(logins.map_err(system("a thread"))?),
            hub,
            clock: Clock::start(),
            threads: Vec::new(),
            store: None,
            watch: None,
            addresses: numbered.addresses(),
            listening: numbered.urls(),
            listeners: numbered,
        };
        if let Some((store, directory)) = kept {
            let store = StoreThreads::start(Box::new(store), &directory, &broker.hub);
            broker.store = Some(store.map_err(system("a thread"))?);
        }
        let mut opened = Some(opened);
        for (machine, poll) in machines.shards.into_iter().zip(polls) {
            broker.start_shard(machine, poll, sizes, opened.take())?;
        }
        broker.watch_tls(watch).map_err(system("a thread"))?;
        for url in &broker.listening {
            listener::announce(url);
        }
        Ok(broker)
    }

    /// Looks at the files of TLS and takes over what has changed. Connections stay as they are, but for those that have
    /// shown a certificate that is not trusted any more.
    ///
    /// # Errors
    /// What is wrong with new files. Their listeners go on with what they have.
    pub fn reload_tls(&self) -> Result<(), Vec<TlsError>> {
        let errors = reload_tls(&self.hub);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn watch_tls(&mut self, interval: Duration) -> io::Result<()> {
        let gates = self.hub.doors().gates();
        let slots = gates.iter().filter_map(|gate| gate.tls.as_ref());
        let files: Vec<_> = slots.flat_map(|slot| slot.paths()).collect();
        if files.is_empty() || interval.is_zero() {
            return Ok(());
        }
        let hub = Arc::clone(&self.hub);
        self.watch = Some(Watch::start(files, interval, move || reload_tls(&hub))?);
        Ok(())
    }

    /// Where it listens, with what the system chose: ports, and sockets that were handed over.
    #[must_use]
    pub fn listening(&self) -> &[ListenUrl] {
        &self.listening
    }

    /// What has happened at the doors since the start.
    #[must_use]
    pub fn transport_counters(&self) -> TransportCounters {
        self.hub.doors().counters()
    }

    /// What has become of logins since the start.
    #[must_use]
    pub fn login_counters(&self) -> LoginCounters {
        self.logins.counters()
    }

    /// Logins that wait to be checked.
    #[must_use]
    pub fn logins_waiting(&self) -> usize {
        self.logins.waiting()
    }

    /// For whoever watches over the process: whether the shards still go round.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        Pulse::new(Arc::clone(&self.hub))
    }

    /// The addresses of the internet among them.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes other settings over: all that can be changed while it runs, or none of it. Connections end only where the
    /// change names them: their listener is gone, or their user is one of `banned_users`. What needs a restart stays as it
    /// was: the number of shards, the store, the size of outboxes, expiry.
    ///
    /// # Errors
    /// A new listener cannot be had; then everything is as it was. Or the broker ends.
    pub fn reload(
        &mut self,
        new: &BrokerConfig,
        banned_users: BTreeSet<Box<str>>,
    ) -> Result<ReloadReport, ReloadError> {
        let plan = self.listeners.plan(new, self.hub.doors())?;
        let prepared = self.logins.prepare(plan.logins());
        prepared.map_err(|error| ReloadError::Listen(system("a thread")(error)))?;
        // From here on nothing fails, unless the broker ends.
        let limits = (new.max_open, new.accept.clone());
        let (listeners, mut report) = plan.apply((&self.hub, &self.logins), limits, banned_users)?;
        self.watch = None;
        if let Err(error) = self.watch_tls(Duration::from_millis(new.accept.tls_watch_ms)) {
            tracing::error!(%error, "certificates are not watched any more: SIGHUP reads them again");
        }
        report.closed = self.listeners.urls_without(&listeners);
        self.listeners = listeners;
        self.addresses = self.listeners.addresses();
        self.listening = self.listeners.urls();
        for url in &report.opened {
            listener::announce(url);
        }
        Ok(report)
    }

    /// Calls `hear` when somebody asks on the control socket for the settings to be read again (see `ask_for_reload`). False:
    /// there is no such socket, because nothing is kept on disk.
    #[cfg(unix)]
    pub fn on_reload_wish(&self, hear: impl FnMut(ReloadWish) + Send + 'static) -> bool {
        let control = self.store.as_ref().and_then(|store| store.control.as_ref());
        control.inspect(|control| control.hear_wishes(Box::new(hear))).is_some()
    }

    /// Calls `tell` if a shard is lost and the broker ends by itself. That is a fault of ours, never a client's.
    pub fn on_failure(&self, tell: impl FnOnce() + Send + 'static) {
        self.hub.on_failure(Box::new(tell));
    }

    /// Ends: no new connections, wills are published, what is to be sent is sent for at most `grace`.
    /// False: a shard was lost before or meanwhile.
    #[must_use = "says whether it ended in order"]
    pub fn shutdown(mut self, grace: Duration) -> bool {
        self.end(grace);
        !self.hub.has_failed()
    }

    fn end(&mut self, grace: Duration) {
        self.watch = None;
        self.hub.stop((self.clock.now() + grace).as_millis());
        for thread in self.threads.drain(..) {
            // A panic was reported by the thread itself.
            drop(thread.join());
        }
        // Last, so that everything that the shards handed in is committed.
        if let Some(mut store) = self.store.take() {
            store.end();
        }
    }

    fn start_shard(
        &mut self,
        shard: Shard,
        poll: Poll,
        sizes: Sizes,
        accept: Option<Vec<Opened>>,
    ) -> Result<(), StartError> {
        let id = ShardId::try_from(self.threads.len()).unwrap_or(ShardId::MAX);
        let mut shard_loop = ShardLoop::new(id, (Arc::clone(&self.hub), poll), self.clock, shard, sizes);
        if let Some(opened) = accept {
            shard_loop.accept_from(opened).map_err(system("a listener"))?;
        }
        shard_loop.ask_about_logins(Arc::clone(&self.logins));
        if let Some(store) = &self.store {
            shard_loop.keep_through(Arc::clone(store.keeper.tray()));
        }
        self.spawn(id, move || shard_loop.run())
    }

    fn spawn(&mut self, id: ShardId, run: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), StartError> {
        let mut guard = Guard {
            id,
            hub: Arc::clone(&self.hub),
            clock: self.clock,
            armed: true,
        };
        let thread = thread::Builder::new().name(format!("burgee-shard-{id}"));
        let body = move || match run() {
            Ok(()) => guard.disarm(),
            Err(error) => tracing::error!(shard = id, %error, "the event loop cannot go on"),
        };
        self.threads.push(thread.spawn(body).map_err(system("a thread"))?);
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// Where there is one policy, it holds for all listeners.
fn spread(policy: &mut Arc<Policy>, listeners: usize) {
    if let [only] = &*policy.listeners {
        let listeners = vec![only.clone(); listeners];
        *policy = Arc::new(Policy {
            listeners,
            ..Policy::clone(policy)
        });
    }
}

fn gates(listeners: &[Listen], frame_limit: u64) -> Result<Vec<Arc<Gate>>, StartError> {
    let gate = |(number, listen): (u16, &Listen)| {
        let gate = Gate::new(number, listen, frame_limit);
        gate.map(Arc::new).map_err(|source| StartError::Tls {
            url: listen.url.clone(),
            source,
        })
    };
    (0..).zip(listeners).map(gate).collect()
}

fn reload_tls(hub: &Hub) -> Vec<TlsError> {
    let (trust_changed, errors) = hub.doors().reload_tls();
    if trust_changed {
        hub.nudge();
    }
    errors
}

/// The shards as state machines, before they have threads.
struct Machines {
    shards: Vec<Shard>,
    common: Arc<Shared>,
}

impl Machines {
    fn new(core: Config) -> Result<Self, StartError> {
        let (core, common) = (Arc::new(core), Arc::new(Shared::new(seeds()?)));
        let shard = |id| Ok(Shard::new(id, Arc::clone(&core), Arc::clone(&common), seeds()?));
        let shards = (0..core.shards).map(shard).collect::<Result<_, StartError>>()?;
        Ok(Self { shards, common })
    }

    /// Opens the store and takes in what it holds.
    fn restore(&mut self, directory: &Path, sync: SyncPolicy) -> Result<SqliteStore, StartError> {
        let begun = Instant::now();
        let mut store = SqliteStore::open(directory, Settings { sync }).map_err(StartError::Store)?;
        let found = restore(&mut store, &mut self.shards, &self.common).map_err(|source| StartError::Recover {
            directory: directory.to_owned(),
            source,
        })?;
        tracing::info!(
            data = %directory.display(),
            sessions = found.sessions,
            messages = found.messages,
            message_bytes = found.message_bytes,
            retained = found.retained,
            millis = begun.elapsed().as_millis(),
            "what was kept is there again"
        );
        Ok(store)
    }
}

/// The threads around the store.
struct StoreThreads {
    keeper: Keeper,
    #[cfg(unix)]
    control: Option<Control>,
}

impl StoreThreads {
    fn start(store: Box<dyn Kept>, directory: &Path, hub: &Arc<Hub>) -> io::Result<Self> {
        let keeper = Keeper::start(store, directory.to_owned(), Arc::clone(hub), IDLE)?;
        #[cfg(unix)]
        let control = match Control::start(directory, Arc::clone(keeper.tray()), Arc::clone(hub)) {
            Ok(control) => Some(control),
            Err(error) => {
                tracing::warn!(
                    data = %directory.display(), %error,
                    "no control socket in the data directory: for a backup the broker has to be stopped"
                );
                None
            }
        };
        Ok(Self {
            keeper,
            #[cfg(unix)]
            control,
        })
    }

    fn end(&mut self) {
        #[cfg(unix)]
        if let Some(control) = &mut self.control {
            control.end();
        }
        self.keeper.end();
    }
}

/// Notices that a shard's thread ends without having been told to, by a panic or an error.
struct Guard {
    id: ShardId,
    hub: Arc<Hub>,
    clock: Clock,
    armed: bool,
}

impl Guard {
    fn disarm(&mut self) {
        self.armed = false;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.armed {
            tracing::error!(shard = self.id, "a shard is lost: the broker ends");
            self.hub.fail((self.clock.now() + AFTER_FAILURE).as_millis());
        }
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

/// Nobody outside can guess these: identifiers that collide in a hash table would be a way to slow it down.
fn seeds() -> Result<[u64; 4], StartError> {
    let mut seeds = [0; 4];
    for seed in &mut seeds {
        *seed = getrandom::u64().map_err(|error| system("random numbers")(error.into()))?;
    }
    Ok(seeds)
}
