//! What a shard holds: every table, every list of work that is left over.
//!
//! What must hold: the verbs (one file each) change this and nothing else. Deliberately absent: the order in which
//! they are called; see `shard`.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::RandomState;
use burgee_codec::{PacketId, QoS};
use burgee_protocol::Time;
use burgee_router::{Route, SubscriberKey};

use crate::batch::Batch;
use crate::config::Config;
use crate::conns::{Conns, Hold};
use crate::counters::Counters;
use crate::io::{ConnKey, Effects, ShardId};
use crate::message::Message;
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
    pub(crate) now: Time,
    pub(crate) conns: Conns,
    pub(crate) sessions: Sessions,
    pub(crate) counters: Counters,
    /// Keep alive.
    pub(crate) wheel: Wheel,
    /// Connections without CONNECT, in the order of their deadlines.
    pub(crate) awaiting: VecDeque<(Time, ConnKey)>,
    /// Fan-outs that did not fit into a turn, strictly first in, first out: whatever is published while one is left over
    /// goes behind it, so that nothing of one publisher is overtaken. At most one for each connection, and the wills.
    pub(crate) jobs: VecDeque<Job>,
    /// Answers that follow the last copy of such a fan-out; at most one for each connection.
    pub(crate) deferred: Vec<(ConnKey, QoS, PacketId)>,
    /// Connections that wait for room in another shard's mail.
    pub(crate) mail_waiters: Vec<(ConnKey, ShardId)>,
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
    /// The broker ends; connections are closed at this time.
    pub(crate) ending: Option<Time>,
    /// Nothing more can be kept: what needs it is not acknowledged.
    pub(crate) store_failed: bool,
    pub(crate) sys: Sys,
    pub(crate) chance: RandomState,
    pub(crate) made_ids: u64,
}

/// A fan-out that goes on in later turns.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) message: Message,
    pub(crate) route: Arc<Route>,
    pub(crate) next: usize,
    /// Who is not read until the last copy is made.
    pub(crate) publisher: Option<ConnKey>,
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
            awaiting: VecDeque::new(),
            jobs: VecDeque::new(),
            deferred: Vec::new(),
            mail_waiters: Vec::new(),
            replaying: Vec::new(),
            retained_left: 0,
            copies_left: 0,
            batch: Batch::default(),
            page: Vec::new(),
            ending: None,
            store_failed: false,
            sys: Sys::default(),
            chance: RandomState::with_seeds(b, a, d, c),
            made_ids: 0,
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
        }
    }

    pub(crate) fn unhold(&mut self, conn: ConnKey, hold: Hold, fx: &mut Effects) {
        if let Some(state) = self.conns.get_mut(conn)
            && state.hold == hold
        {
            state.hold = Hold::None;
            fx.resumes.push(conn);
        }
    }

    /// The limits of an outbox: what it holds alone, and what it shares.
    pub(crate) fn outbox_limits(&self) -> (usize, usize) {
        (self.config.outbox_bytes, self.config.outbox_shared_bytes)
    }

    /// How the router knows a session of this shard.
    pub(crate) const fn subscriber(&self, key: SessionKey) -> SubscriberKey {
        SubscriberKey {
            shard: self.id,
            slot: key.slot,
            generation: key.generation,
        }
    }
}
