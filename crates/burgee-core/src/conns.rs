//! The connections of a shard, by the keys that the event loop gave them.
//!
//! What must hold: a stale key finds nothing. Deliberately absent: sockets and buffers.

use core::net::IpAddr;

use burgee_codec::Version;
use burgee_protocol::Time;
use burgee_protocol::connection::KeepAlive;
use burgee_router::RouteCache;

use crate::access::Access;
use crate::io::{ConnKey, ListenerNo, ShardId, Verdict};
use crate::message::Message;
use crate::meter::Meter;
use crate::sessions::SessionKey;

/// Why a connection is not read for the moment.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Hold {
    /// It is read.
    #[default]
    None,
    /// Its client does not take what we send.
    Outbox,
    /// The mail to this shard is full.
    Mail(ShardId),
    /// The copies of its last message are still being made.
    FanOut,
    /// Its CONNACK waits for the store.
    Welcome,
    /// Too much is on its way to the store.
    Store,
    /// Somebody else judges its CONNECT.
    Verdict,
    /// It goes too fast.
    Rate,
    /// The broker ends.
    Ending,
}

/// The will message of a connection [MQTT-3.1.2-8].
#[derive(Debug)]
pub(crate) struct Will {
    pub(crate) message: Message,
    pub(crate) retain: bool,
}

/// What a connection is after its CONNECT was accepted.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) session: SessionKey,
    pub(crate) version: Version,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) will: Option<Box<Will>>,
    pub(crate) cache: RouteCache,
    /// Largest remaining length accepted, in bytes.
    pub(crate) max_packet_bytes: u32,
    pub(crate) listener: ListenerNo,
    /// Its client's, where it has one.
    pub(crate) address: Option<IpAddr>,
    /// What its client may do; `None`: everything.
    pub(crate) access: Option<Box<Access>>,
    /// What its publishing is measured by.
    pub(crate) meter: Option<Box<Meter>>,
    /// Its answers, and messages on their way to everybody, that wait for the store.
    pub(crate) parked: u32,
    /// How many things were parked in all when its last message was; 0: none.
    pub(crate) last_fan_out: u64,
}

/// A connection before its CONNECT is accepted.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) listener: ListenerNo,
    /// Its peer's, where it has one.
    pub(crate) address: Option<IpAddr>,
    pub(crate) verdict: Option<Verdict>,
    /// Its CONNECT is not looked at before, or was not.
    pub(crate) waits: Option<Time>,
    /// When its time for CONNECT is over.
    pub(crate) due: Time,
}

/// How far a connection has come.
#[derive(Debug)]
pub(crate) enum State {
    /// CONNECT has not come, or is not accepted.
    Awaiting(Newcomer),
    /// CONNECT was accepted.
    Open(Open),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    generation: u32,
    pub(crate) hold: Hold,
    pub(crate) state: State,
}

impl Conn {
    /// Which listener accepted it.
    pub(crate) const fn listener(&self) -> ListenerNo {
        match &self.state {
            State::Awaiting(newcomer) => newcomer.listener,
            State::Open(open) => open.listener,
        }
    }

    pub(crate) const fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn open_mut(&mut self) -> Option<&mut Open> {
        match &mut self.state {
            State::Awaiting(_) => None,
            State::Open(open) => Some(open),
        }
    }

    pub(crate) fn open(&self) -> Option<&Open> {
        match &self.state {
            State::Awaiting(_) => None,
            State::Open(open) => Some(open),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    slots: Vec<Option<Conn>>,
}

impl Conns {
    pub(crate) fn insert(&mut self, key: ConnKey, newcomer: Newcomer) {
        let index = key.slot as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(Conn {
                generation: key.generation,
                hold: Hold::None,
                state: State::Awaiting(newcomer),
            });
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: ConnKey) -> Option<&Conn> {
        self.slots
            .get(key.slot as usize)?
            .as_ref()
            .filter(|conn| conn.generation == key.generation)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: ConnKey) -> Option<&mut Conn> {
        self.slots
            .get_mut(key.slot as usize)?
            .as_mut()
            .filter(|conn| conn.generation == key.generation)
    }

    pub(crate) fn open_mut(&mut self, key: ConnKey) -> Option<&mut Open> {
        self.get_mut(key).and_then(Conn::open_mut)
    }

    /// Whether a message of this topic may be sent to a client for which rules hold.
    pub(crate) fn may_receive(&mut self, key: ConnKey, topic: &str, lookups: &mut u64) -> bool {
        let access = self.open_mut(key).and_then(|open| open.access.as_mut());
        access.is_some_and(|access| access.may_receive(topic, lookups))
    }

    pub(crate) fn remove(&mut self, key: ConnKey) -> Option<Conn> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.take_if(|conn| conn.generation == key.generation)
    }

    /// All keys, in the order of their slots.
    pub(crate) fn keys(&self) -> Vec<ConnKey> {
        let slots = (0_u32..).zip(&self.slots);
        slots
            .filter_map(|(slot, conn)| {
                Some(ConnKey {
                    slot,
                    generation: conn.as_ref()?.generation,
                })
            })
            .collect()
    }

    /// When the connection's keep alive ends, if it has one.
    pub(crate) fn deadline(&self, key: ConnKey) -> Option<Time> {
        self.get(key)?.open()?.keep_alive.server_deadline()
    }
}
