//! The broker as one thing to start and stop, for programs that have it inside and for the command line.
//!
//! What must hold: once `start` returns, it is listening; once `shutdown` returns, all its threads are gone. A shard
//! that is lost ends the broker. Deliberately absent: signals; they belong to whoever owns the process.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use burgee_core::io::ShardId;
use burgee_core::{Shard, Shared};
use mio::{Poll, Waker};

use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::listener::{self, StartError};
use crate::mail::Hub;
use crate::shard_loop::{ShardLoop, Sizes, WAKER};

/// Time for the other shards to end in order after one is lost.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// A running broker. Dropping it ends it at once.
pub struct Broker {
    hub: Arc<Hub>,
    clock: Clock,
    threads: Vec<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
}

impl Broker {
    /// Starts to listen and to serve.
    ///
    /// # Errors
    /// An address that cannot be listened on; threads or selectors that the system does not give.
    pub fn start(config: BrokerConfig) -> Result<Self, StartError> {
        let BrokerConfig {
            listeners,
            shards,
            max_open,
            mut core,
        } = config;
        core.shards = shards.get();
        let sizes = Sizes {
            outbox_bytes: core.outbox_bytes,
            mail_bytes: core.mail_bytes,
        };
        let listeners = listener::open(&listeners)?;
        let addresses = listeners.iter().map(TcpListener::local_addr);
        let addresses = addresses
            .collect::<io::Result<Vec<_>>>()
            .map_err(system("an address"))?;

        let mut polls = Vec::new();
        let mut wakers = Vec::new();
        for _ in 0..core.shards {
            let poll = Poll::new().map_err(system("a selector"))?;
            wakers.push(Waker::new(poll.registry(), WAKER).map_err(system("a waker"))?);
            polls.push(poll);
        }
        let hub = Arc::new(Hub::new(wakers, sizes.mail_bytes));
        let (core, common, clock) = (Arc::new(core), Arc::new(Shared::new(seeds()?)), Clock::start());
        let mut broker = Self {
            hub: Arc::clone(&hub),
            clock,
            threads: Vec::new(),
            addresses,
        };
        let mut listeners = Some(listeners);
        for (id, poll) in (0..).zip(polls) {
            let shard = Shard::new(id, Arc::clone(&core), Arc::clone(&common), seeds()?);
            let mut shard_loop = ShardLoop::new(id, (Arc::clone(&hub), poll), clock, shard, sizes);
            if let Some(listeners) = listeners.take() {
                shard_loop
                    .accept_from(listeners, max_open)
                    .map_err(system("a listener"))?;
            }
            broker.spawn(id, move || shard_loop.run())?;
        }
        for address in &broker.addresses {
            listener::announce(*address);
        }
        Ok(broker)
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
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
        self.hub.stop((self.clock.now() + grace).as_millis());
        for thread in self.threads.drain(..) {
            // A panic was reported by the thread itself.
            drop(thread.join());
        }
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
