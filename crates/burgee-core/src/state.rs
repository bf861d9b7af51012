//! What a shard holds: every table, every list of work that is left over.
//!
//! What must hold: the verbs (one file each) change this and nothing else. Deliberately absent: the order in which
//! they are called; see `shard`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ahash::RandomState;
use burgee_protocol::Time;
use burgee_router::{Kept, SubscriberKey};
use burgee_store::Will;

use crate::ahead::Ahead;
use crate::batch::Batch;
use crate::config::Config;
use crate::conns::{Conns, Hold};
use crate::counters::Counters;
use crate::ending_state::Ending;
use crate::expiry_state::Expiry;
use crate::fighting::Fighting;
use crate::io::{ConnKey, Effects, ShardId};
use crate::job::Job;
use crate::journal::Journal;
use crate::lingering::Lingering;
use crate::message::Message;
use crate::policy::Policy;
use crate::pressure::Pressure;
use crate::sessions::{SessionKey, Sessions};
use crate::shared::Shared;
use crate::sys_state::Sys;
use crate::wheel::Wheel;

/// All connections and sessions of one thread.
#[derive(Debug)]
pub struct Shard {
    pub(crate) id: ShardId,
    pub(crate) config: Arc<Config>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) policy: Arc<Policy>,
    /// Rules hold for somebody here.
    pub(crate) restrictive: bool,
    pub(crate) now: Time,
    pub(crate) conns: Conns,
    pub(crate) sessions: Sessions,
    pub(crate) counters: Counters,
    /// Keep alive.
    pub(crate) wheel: Wheel,
    /// Connections that went too fast, by when they are read again.
    pub(crate) slowed: Wheel,
    pub(crate) fighting: Fighting,
    /// Connections without CONNECT, in the order of their deadlines.
    pub(crate) awaiting: VecDeque<(Time, ConnKey)>,
    /// Fan-outs that did not fit into a turn, strictly first in, first out: whatever is published while one is left over
    /// goes behind it, so that nothing of one publisher is overtaken. At most one for each connection, and the wills.
    pub(crate) jobs: VecDeque<Job>,
    /// What is asked of the store, and what waits for it.
    pub(crate) journal: Journal,
    /// Connections that wait because too much is on its way to the store.
    pub(crate) store_waiters: Vec<ConnKey>,
    /// Connections whose queues are full, where that ends them.
    pub(crate) overrun: Vec<ConnKey>,
    /// So many of the jobs were parked.
    pub(crate) parked_jobs: usize,
    /// When the client that holds most may be asked to go again.
    pub(crate) relief: Option<Time>,
    /// How near the memory limit is.
    pub(crate) pressure: Pressure,
    /// What is given up when it is too old.
    pub(crate) expiry: Expiry,
    /// Wills of clients that were lost with the broker's last run.
    pub(crate) old_wills: Vec<(SessionKey, Will)>,
    /// Connections that wait for room in another shard's mail.
    pub(crate) mail_waiters: Vec<(ConnKey, ShardId)>,
    /// What is known of packets that have to wait. Few ever do.
    pub(crate) looked_ahead: BTreeMap<ConnKey, Ahead>,
    /// Sessions whose retained messages did not fit into a turn.
    pub(crate) replaying: Vec<SessionKey>,
    /// Entries of the retained index that this turn may still look at.
    pub(crate) retained_left: usize,
    /// Copies that this turn may still make.
    pub(crate) copies_left: usize,
    /// The messages of the bytes at hand that live together.
    pub(crate) batch: Batch,
    /// Reused from page to page.
    pub(crate) page: Vec<Message>,
    /// Retained messages were changed, and the store is told when this turn ends.
    pub(crate) unheard: bool,
    /// Connections that were left in peace and wait for answers.
    pub(crate) lingering: Lingering,
    /// Whether the broker ends, and how far that is.
    pub(crate) ending: Ending,
    pub(crate) sys: Sys,
    pub(crate) chance: RandomState,
    pub(crate) made_ids: u64,
}

/// What becomes of a connection's bytes after a packet.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// On to the next packet.
    Go,
    /// The packet is done with; what follows has to wait.
    Held(Hold),
    /// The packet has to wait itself: it comes again.
    Wait(Hold),
    /// The connection is closed: nothing that follows is looked at.
    Gone,
    /// The connection belongs to another shard, with all its bytes.
    Moved,
}

impl Shard {
    /// Shard `id` of the `config.shards` that share `shared`. The seeds are its own; nobody outside may guess them.
    #[must_use]
    pub fn new(id: ShardId, config: Arc<Config>, shared: Arc<Shared>, seeds: [u64; 4]) -> Self {
        let [a, b, c, d] = seeds;
        Self {
            id,
            now: Time::ZERO,
            conns: Conns::default(),
            sessions: Sessions::new(seeds),
            counters: Counters::default(),
            wheel: Wheel::default(),
            slowed: Wheel::default(),
            fighting: Fighting::default(),
            awaiting: VecDeque::new(),
            jobs: VecDeque::new(),
            journal: Journal::new(id, config.shards, (config.durable, config.store_bytes)),
            store_waiters: Vec::new(),
            overrun: Vec::new(),
            parked_jobs: 0,
            relief: None,
            pressure: Pressure::default(),
            expiry: Expiry::default(),
            old_wills: Vec::new(),
            mail_waiters: Vec::new(),
            looked_ahead: BTreeMap::new(),
            replaying: Vec::new(),
            retained_left: 0,
            copies_left: 0,
            batch: Batch::default(),
            page: Vec::new(),
            unheard: false,
            lingering: Lingering::default(),
            ending: Ending::default(),
            sys: Sys::default(),
            chance: RandomState::with_seeds(b, a, d, c),
            made_ids: 0,
            policy: Arc::clone(&config.policy),
            restrictive: false,
            config,
            shared,
        }
    }

    /// What this shard has counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn hold(&mut self, conn: ConnKey, hold: Hold, fx: &mut Effects) {
        if let Some(state) = self.conns.get_mut(conn) {
            state.hold = hold;
            fx.pauses.push(conn);
            if let Hold::Mail(shard) = hold {
                self.mail_waiters.push((conn, shard));
            }
            if hold == Hold::Rate {
                self.slow(conn);
            }
            if hold == Hold::Store {
                self.store_waiters.push(conn);
            }
        }
    }

    pub(crate) fn unhold(&mut self, conn: ConnKey, hold: Hold, fx: &mut Effects) {
        if let Some(state) = self.conns.get_mut(conn)
            && state.hold == hold
        {
            state.hold = Hold::None;
            if let Some(open) = state.open_mut() {
                // What it said meanwhile lay unread: its silence was ours.
                open.keep_alive.touch(self.now);
            }
            fx.resumes.push(conn);
        }
    }

    /// How the router knows a session of this shard.
    pub(crate) const fn subscriber(&self, key: SessionKey, kept: Kept) -> SubscriberKey {
        key.in_shard(self.id, kept)
    }
}
