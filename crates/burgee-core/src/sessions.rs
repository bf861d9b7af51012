//! The sessions of a shard: what a client's identifier stands for, connected or not.
//!
//! What must hold: one session for each identifier; a stale key finds nothing; a session without QoS 1 or 2 owns no
//! queue. Deliberately absent: connections' state; a session outlives them.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::RandomState;
use burgee_codec::{QoS, TopicFilterBuf, Version};
use burgee_protocol::Time;
use burgee_protocol::connection::Outbox;
use burgee_protocol::session::{Deliverable, Incoming, Outgoing};
use burgee_router::{Kept, RetainedCursor, SubscriberKey};
use burgee_store::SessionNo;
use hashbrown::HashTable;

use crate::filters::Filters;
use crate::io::{ConnKey, ShardId};
use crate::message::Message;

/// Identifiers that the broker makes begin with this: no client can send it [MQTT-1.5.3-2].
pub(crate) const MADE: char = '\0';

/// A session's place and generation.
#[derive(Copy, Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct SessionKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl SessionKey {
    /// How the router knows it.
    pub(crate) const fn in_shard(self, shard: ShardId, kept: Kept) -> SubscriberKey {
        SubscriberKey {
            shard,
            slot: self.slot,
            generation: self.generation,
            kept,
        }
    }
}

/// Bytes that a waiting message costs besides its topic and payload.
const OVERHEAD: usize = 64;

/// A message on its way to one session.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) message: Message,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// It comes from before a restart.
    pub(crate) again: bool,
    /// What its age is counted from, in seconds; see `expiry`.
    pub(crate) stamp: u32,
}

impl Delivery {
    /// Lets its bytes go if the store has them. Says whether it did.
    pub(crate) fn let_go(&mut self) -> bool {
        let here = self.message.is_here();
        self.message.let_go();
        here && !self.message.is_here()
    }
}

impl Deliverable for Delivery {
    fn qos(&self) -> QoS {
        self.qos
    }

    fn weight(&self) -> usize {
        self.message.weight() + OVERHEAD
    }

    fn is_here(&self) -> bool {
        self.message.is_here()
    }

    fn is_from_before(&self) -> bool {
        self.again
    }

    fn number(&self) -> u64 {
        self.message.number()
    }
}

/// A new subscription whose retained messages are not all sent.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) filter: TopicFilterBuf,
    pub(crate) qos: QoS,
    pub(crate) cursor: RetainedCursor,
}

/// What a session needs once QoS 1, QoS 2 or retained messages are in play.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) outgoing: Outgoing<Delivery>,
    pub(crate) incoming: Incoming,
    pub(crate) replays: VecDeque<Replay>,
    /// QoS 0 that waits behind a SUBACK, encoded.
    pub(crate) behind_suback: Option<Box<Outbox>>,
    /// It is on the list of sessions whose replay goes on next turn.
    pub(crate) replay_queued: bool,
    /// Its queue is above the limit, and somebody was told.
    pub(crate) full: bool,
    /// The numbers of the messages that were asked of the store, ascending; empty: nothing is asked.
    pub(crate) asked: Vec<u64>,
}

impl Flow {
    /// Something is to be written as soon as it may be.
    pub(crate) fn waits(&self) -> bool {
        self.full || self.outgoing.has_next() || !self.replays.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        // A read that is under way belongs to it: its answer must not be taken for that of a later one.
        self.outgoing.is_empty() && self.incoming.is_empty() && self.replays.is_empty() && self.asked.is_empty()
    }
}

/// Whose a session is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Owner {
    /// Nobody's yet: it comes from a store that does not say. The first who comes has it.
    Unclaimed,
    /// This user's; `None`: of those without a name.
    User(Option<Arc<str>>),
}

impl Owner {
    /// The user name, if there is one.
    pub(crate) fn user(&self) -> Option<Arc<str>> {
        match self {
            Self::Unclaimed => None,
            Self::User(user) => user.clone(),
        }
    }

    /// As the store has it: no user's name is empty, so that stands for those without one.
    pub(crate) fn from_store(user: Option<Box<str>>) -> Self {
        user.map_or(Self::Unclaimed, |user| {
            Self::User((!user.is_empty()).then(|| user.into()))
        })
    }

    /// Whether whoever comes first has it. `nameless`: clients without a name are let in.
    pub(crate) const fn is_free(&self, nameless: bool) -> bool {
        match self {
            Self::Unclaimed => true,
            Self::User(owner) => owner.is_none() && !nameless,
        }
    }

    /// Whether it is this user's.
    pub(crate) fn is(&self, user: Option<&str>) -> bool {
        matches!(self, Self::User(owner) if owner.as_deref() == user)
    }
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    generation: u32,
    /// It ends with its connection.
    pub(crate) clean: bool,
    /// When it ends if its client stays away; zero: that is not said. An idle session is small.
    pub(crate) expires: Time,
    /// Rules say what may be sent to its connection.
    pub(crate) restricted: bool,
    /// CONNACK of its connection is out, and no SUBACK waits for the store: messages may follow.
    pub(crate) ready: bool,
    /// SUBACKs of its connection that wait for the store. Until the last one is out, its messages wait behind it.
    pub(crate) subacks: u16,
    pub(crate) conn: Option<ConnKey>,
    /// Its number in the store.
    pub(crate) kept: Kept,
    /// The last batch that had to do with its being there, or with its will.
    pub(crate) touched: u64,
    /// The version that its present or last connection speaks.
    pub(crate) version: Version,
    pub(crate) client_id: Box<str>,
    pub(crate) owner: Owner,
    pub(crate) filters: Filters,
    /// What its filters count for in the limit.
    pub(crate) filters_weight: u32,
    flow: Option<Box<Flow>>,
}

/// There may be very many that are idle.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Session>() <= 128, "an idle session costs more than it did");

impl Session {
    pub(crate) fn flow(&mut self, window: u16) -> &mut Flow {
        self.flow.get_or_insert_with(|| {
            Box::new(Flow {
                outgoing: Outgoing::new(window),
                incoming: Incoming::default(),
                replays: VecDeque::new(),
                behind_suback: None,
                replay_queued: false,
                full: false,
                asked: Vec::new(),
            })
        })
    }

    /// The connection that it can be sent to by.
    #[inline]
    pub(crate) fn line(&self) -> Option<ConnKey> {
        if self.ready { self.conn } else { None }
    }

    pub(crate) fn flow_if_any(&mut self) -> Option<&mut Flow> {
        self.flow.as_deref_mut()
    }

    /// Forgets the retained messages that are still owed to filters which are gone.
    pub(crate) fn forget_replays(&mut self) {
        let filters = &self.filters;
        if let Some(flow) = &mut self.flow {
            flow.replays
                .retain(|replay| filters.contains(replay.filter.as_ref().as_str()));
        }
    }

    /// Gives the memory of a flow with nothing in it back.
    pub(crate) fn trim(&mut self) {
        self.flow.take_if(|flow| flow.is_empty());
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sessions {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_id: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    session: Option<Session>,
}

impl Sessions {
    pub(crate) fn new(seeds: [u64; 4]) -> Self {
        let [a, b, c, d] = seeds;
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_id: HashTable::new(),
            hasher: RandomState::with_seeds(a, b, c, d),
        }
    }

    /// The session of a client identifier [MQTT-3.1.3-2]: bytes are compared.
    pub(crate) fn find(&self, client_id: &str) -> Option<SessionKey> {
        let hash = self.hasher.hash_one(client_id);
        let slot = *self.by_id.find(hash, |&slot| self.id_of(slot) == client_id)?;
        let generation = self.slots.get(slot as usize)?.generation;
        Some(SessionKey { slot, generation })
    }

    /// A new session under an identifier that has none.
    pub(crate) fn create(&mut self, client_id: &str, clean: bool, kept: Kept) -> SessionKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                session: None,
            });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let mut generation = 0;
        if let Some(place) = self.slots.get_mut(slot as usize) {
            place.generation = place.generation.wrapping_add(1);
            generation = place.generation;
            place.session = Some(Session {
                generation,
                clean,
                expires: Time::ZERO,
                restricted: false,
                ready: false,
                subacks: 0,
                conn: None,
                kept,
                touched: 0,
                version: Version::V311,
                client_id: client_id.into(),
                owner: Owner::Unclaimed,
                filters: Filters::default(),
                filters_weight: 0,
                flow: None,
            });
        }
        let hash = self.hasher.hash_one(client_id);
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_id
            .insert_unique(hash, slot, |&slot| hasher.hash_one(id_in(slots, slot)));
        SessionKey { slot, generation }
    }

    pub(crate) fn get(&self, key: SessionKey) -> Option<&Session> {
        let session = self.slots.get(key.slot as usize)?.session.as_ref();
        session.filter(|session| session.generation == key.generation)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        let session = self.slots.get_mut(key.slot as usize)?.session.as_mut();
        session.filter(|session| session.generation == key.generation)
    }

    /// Takes a session out: its identifier stands for nothing now.
    pub(crate) fn remove(&mut self, key: SessionKey) -> Option<Session> {
        self.get_mut(key)?;
        let hash = self.hasher.hash_one(self.id_of(key.slot));
        if let Ok(entry) = self.by_id.find_entry(hash, |&slot| slot == key.slot) {
            entry.remove();
        }
        self.free.push(key.slot);
        self.slots.get_mut(key.slot as usize)?.session.take()
    }

    /// The number in the store of a session; none for one that is not kept, or not there.
    pub(crate) fn kept(&self, key: SessionKey) -> Option<SessionNo> {
        let session = self.slots.get(key.slot as usize)?.session.as_ref()?;
        let kept = session.generation == key.generation && session.kept.is_kept();
        kept.then(|| SessionNo(session.kept.number()))
    }

    /// The user that a session belongs to.
    pub(crate) fn user(&self, key: SessionKey) -> Option<&str> {
        let session = self.slots.get(key.slot as usize)?.session.as_ref()?;
        match &session.owner {
            Owner::User(user) if session.generation == key.generation => user.as_deref(),
            Owner::User(_) | Owner::Unclaimed => None,
        }
    }

    /// The client identifier of a session.
    pub(crate) fn client_id(&self, key: SessionKey) -> Option<&str> {
        let session = self.slots.get(key.slot as usize)?.session.as_ref()?;
        (session.generation == key.generation).then_some(&*session.client_id)
    }

    /// Places for sessions, taken or not.
    pub(crate) const fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The session in this place.
    pub(crate) fn key_at(&self, slot: usize) -> Option<SessionKey> {
        let place = self.slots.get(slot)?;
        let generation = place.session.as_ref()?.generation;
        let slot = u32::try_from(slot).ok()?;
        Some(SessionKey { slot, generation })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    fn id_of(&self, slot: u32) -> &str {
        id_in(&self.slots, slot)
    }
}

fn id_in(slots: &[Slot], slot: u32) -> &str {
    slots
        .get(slot as usize)
        .and_then(|place| place.session.as_ref())
        .map_or("", |session| &session.client_id)
}

/// An identifier as people see it.
pub(crate) fn shown(client_id: &str) -> Box<str> {
    client_id.strip_prefix(MADE).unwrap_or(client_id).into()
}
