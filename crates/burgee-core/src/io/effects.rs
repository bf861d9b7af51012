//! What a shard wishes for in a turn. The event loop carries it out before it sleeps; the simulator in its own time.
//!
//! What must hold: nothing here is unbounded: outboxes by the outbox limit, mail by [`Mailbox::is_full`], the lists by
//! the number of connections. Deliberately absent: a way back. What comes of a wish is a later input.

use std::collections::VecDeque;

use burgee_protocol::Time;
use burgee_store::Batch;

use super::parcel::{is_closed, push_single};
use super::{Ask, Bundle, ConnKey, Copy, Dismissed, Event, Forwarded, Outboxes, Parcel, Read, ShardId};
use crate::message::Message;

/// How a connection is to be closed.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum CloseMode {
    /// Send what its outbox holds (for a bounded time), shut down writing, drain briefly, close.
    /// The rule: unread input would turn into a reset that destroys what was said last [MQTT-3.2.2-5].
    AfterFlush,
    /// Close now; unsent bytes are dropped. For peers that are gone or do not read.
    Now,
}

/// Room for so many messages in a new parcel.
const USUAL: usize = 16;

/// Mail to one other shard that its slot has not taken yet.
#[derive(Debug, Default)]
pub struct Mailbox {
    parcels: VecDeque<Parcel>,
    bytes: usize,
    limit: usize,
}

impl Mailbox {
    /// Above the limit, publishers that feed this shard are not read.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.bytes >= self.limit
    }

    /// Puts a parcel at the end. The limit is the sender's to watch.
    pub fn push(&mut self, parcel: Parcel) {
        self.bytes += parcel.weight();
        self.parcels.push_back(parcel);
    }

    /// Puts a QoS 0 packet for one session at the end, together with those right before it.
    pub(crate) fn forward(&mut self, forwarded: &Forwarded<'_>) {
        if let Some(Parcel::Bundle(bundle)) = self.parcels.back_mut()
            && let Some(added) = bundle.push(forwarded)
        {
            self.bytes += added;
            return;
        }
        let mut bundle = Bundle::default();
        bundle.push(forwarded);
        self.push(Parcel::Bundle(bundle));
    }

    /// Puts a message for one session at the end, together with those right before it.
    pub(crate) fn push_single(&mut self, message: Message, copy: Copy) {
        if let Some(Parcel::Singles(singles)) = self.parcels.back_mut()
            && !is_closed(singles)
        {
            self.bytes += push_single(singles, message, copy);
            return;
        }
        let mut singles = Vec::with_capacity(USUAL);
        singles.push((message, copy));
        self.push(Parcel::Singles(singles));
    }

    /// Takes the oldest parcel.
    pub fn pop(&mut self) -> Option<Parcel> {
        let parcel = self.parcels.pop_front()?;
        self.bytes -= parcel.weight();
        Some(parcel)
    }

    /// The oldest parcel's weight in bytes.
    #[must_use]
    pub fn next_weight(&self) -> Option<usize> {
        self.parcels.front().map(Parcel::weight)
    }

    /// No mail waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Effects {
    /// Bytes for connections.
    pub outboxes: Outboxes,
    /// Connections to close. Their keys are dead for the core: no input for them is expected any more.
    pub closes: Vec<(ConnKey, CloseMode)>,
    /// Connections that belong to another shard. All their bytes are unconsumed and move with them.
    pub moves: Vec<(ConnKey, ShardId)>,
    /// Connections that must not be read until they are resumed.
    pub pauses: Vec<ConnKey>,
    /// Connections that may be read again; their kept bytes come first, even if no new ones follow.
    pub resumes: Vec<ConnKey>,
    /// Mail, one box for each shard (the own one stays empty).
    pub mail: Vec<Mailbox>,
    /// Batches for the store, in order. They have to be handed over before this turn's mail is: nothing that another shard
    /// does because of a parcel may come to the store before what the parcel speaks of.
    pub batches: Vec<Batch>,
    /// What is to be read from the store, after the batches.
    pub reads: Vec<Read>,
    /// The settings of a reload hold, and these had to go.
    pub dismissed: Option<Vec<Dismissed>>,
    /// CONNECTs that somebody has to judge.
    pub asks: Vec<Ask>,
    /// When the next turn is due, if nothing happens before.
    pub deadline: Option<Time>,
    /// The broker ends, and this shard has closed its last connection.
    pub over: bool,
    /// Work is left over: the next turn is due at once.
    pub more: bool,
    /// What a person may want to read in the log.
    pub events: Vec<Event>,
    /// Whether events of the level debug are wanted: they cost an allocation each.
    pub debug: bool,
}

impl Effects {
    /// For one of `shards` shards; mail to each other one is limited to `mail_bytes`.
    #[must_use]
    pub fn new(shards: ShardId, mail_bytes: usize) -> Self {
        let mail = (0..shards)
            .map(|_| Mailbox {
                limit: mail_bytes,
                ..Mailbox::default()
            })
            .collect();
        Self {
            mail,
            ..Self::default()
        }
    }

    /// Whether mail to this shard has to wait.
    #[must_use]
    pub fn mail_is_full(&self, shard: ShardId) -> bool {
        self.mail.get(usize::from(shard)).is_some_and(Mailbox::is_full)
    }
}
