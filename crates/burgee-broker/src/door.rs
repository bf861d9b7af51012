//! Who may come in: what all threads know about the listeners, and the counts of what is open.
//!
//! What must hold: what was counted when it came is counted off when it goes, wherever that is. Nothing here is touched
//! for a message. Deliberately absent: sockets; the acceptor has them.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burgee_protocol::Time;

use crate::addresses::{Addresses, TooMuch};
use crate::config::{AcceptLimits, Listen};
use crate::socket::PeerAddress;
use crate::url::ListenUrl;

/// What is known of one listener.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Its place in the list of listeners.
    pub(crate) number: u16,
    pub(crate) url: ListenUrl,
    handshake: bool,
    max_open: usize,
    open: AtomicUsize,
}

impl Gate {
    /// The gate of a listener.
    pub(crate) fn new(number: u16, listen: &Listen) -> Self {
        Self {
            number,
            url: listen.url.clone(),
            handshake: listen.url.is_tls() || listen.url.websocket().is_some(),
            max_open: listen.max_connections,
            open: AtomicUsize::new(0),
        }
    }

    /// Whether what comes here has something to do before it speaks MQTT.
    pub(crate) const fn has_handshake(&self) -> bool {
        self.handshake
    }
}

/// Why a connection is closed as it comes.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// The broker is full.
    Full,
    /// The listener is.
    ListenerFull,
    /// Too many have not come to MQTT yet.
    Handshakes,
    /// The address has too many.
    Address,
    /// The address comes too fast.
    Rate,
}

impl Refusal {
    /// In words.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Full => "as many connections are open as --max-connections allows",
            Self::ListenerFull => "the listener has as many connections as it may have",
            Self::Handshakes => "too many connections have not come to MQTT yet",
            Self::Address => "the address has as many connections as it may have",
            Self::Rate => "the address opens connections too fast",
        }
    }
}

/// What has happened at the doors since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TransportCounters {
    /// Connections open now, in whatever state.
    pub open: usize,
    /// Those of them that have not come to MQTT yet.
    pub handshakes: usize,
    /// Closed as they came: the broker was full.
    pub refused_full: u64,
    /// The listener was full.
    pub refused_listener_full: u64,
    /// Too many had not come to MQTT.
    pub refused_handshakes: u64,
    /// The address had too many.
    pub refused_address: u64,
    /// The address came too fast.
    pub refused_rate: u64,
    /// Let in without counting by address, because the table of addresses was full.
    pub uncounted_addresses: u64,
    /// TLS, WebSocket and PROXY: did not come to MQTT, by error or in time.
    pub failed_handshakes: u64,
}

#[derive(Debug, Default)]
struct Counters {
    full: AtomicU64,
    listener_full: AtomicU64,
    handshakes: AtomicU64,
    address: AtomicU64,
    rate: AtomicU64,
    failed_handshakes: AtomicU64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Doors {
    gates: Vec<Arc<Gate>>,
    max_open: usize,
    pub(crate) limits: AcceptLimits,
    /// Connections held by all shards, those on their way included.
    open: AtomicUsize,
    handshakes: AtomicUsize,
    addresses: Option<Mutex<Addresses>>,
    counters: Counters,
}

/// What is to be counted off when a connection goes.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Stay {
    pub(crate) listener: u16,
    pub(crate) peer: PeerAddress,
    /// It stands in the table of addresses.
    pub(crate) counted: bool,
    /// It has not come to MQTT.
    pub(crate) handshake: bool,
}

impl Doors {
    /// Doors for these gates.
    pub(crate) fn new(gates: Vec<Arc<Gate>>, max_open: usize, limits: AcceptLimits) -> Self {
        Self {
            gates,
            max_open,
            open: AtomicUsize::new(0),
            handshakes: AtomicUsize::new(0),
            addresses: Addresses::new(&limits).map(Mutex::new),
            limits,
            counters: Counters::default(),
        }
    }

    /// Connections held now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// What is known of a listener.
    pub(crate) fn gate(&self, number: u16) -> Option<&Arc<Gate>> {
        self.gates.get(usize::from(number))
    }

    /// A connection comes to a gate: whether its address was counted, or why it must not come in.
    pub(crate) fn enter(&self, now: Time, gate: &Gate, peer: PeerAddress) -> Result<bool, Refusal> {
        let refusal = if self.open() >= self.max_open {
            Err(Refusal::Full)
        } else if gate.open.load(Ordering::Relaxed) >= gate.max_open {
            Err(Refusal::ListenerFull)
        } else if gate.has_handshake() && self.handshakes.load(Ordering::Relaxed) >= self.limits.max_handshakes {
            Err(Refusal::Handshakes)
        } else {
            self.count_address(now, peer.ip())
        };
        let counted = refusal.inspect_err(|refusal| self.count(*refusal))?;
        self.open.fetch_add(1, Ordering::Relaxed);
        gate.open.fetch_add(1, Ordering::Relaxed);
        if gate.has_handshake() {
            self.handshakes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(counted)
    }

    /// A connection that had come in is gone.
    pub(crate) fn leave(&self, stay: Stay) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(gate) = self.gate(stay.listener) {
            gate.open.fetch_sub(1, Ordering::Relaxed);
        }
        if stay.handshake {
            self.handshakes.fetch_sub(1, Ordering::Relaxed);
        }
        if let (true, Some(addresses), Some(ip)) = (stay.counted, &self.addresses, stay.peer.ip()) {
            lock(addresses).leave(ip);
        }
    }

    /// What has happened so far.
    pub(crate) fn counters(&self) -> TransportCounters {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TransportCounters {
            open: self.open(),
            handshakes: self.handshakes.load(Ordering::Relaxed),
            refused_full: get(&self.counters.full),
            refused_listener_full: get(&self.counters.listener_full),
            refused_handshakes: get(&self.counters.handshakes),
            refused_address: get(&self.counters.address),
            refused_rate: get(&self.counters.rate),
            uncounted_addresses: self.addresses.as_ref().map_or(0, |table| lock(table).uncounted),
            failed_handshakes: get(&self.counters.failed_handshakes),
        }
    }

    fn count_address(&self, now: Time, ip: Option<IpAddr>) -> Result<bool, Refusal> {
        let (Some(addresses), Some(ip)) = (&self.addresses, ip) else {
            return Ok(false);
        };
        lock(addresses).enter(now, ip).map_err(|why| match why {
            TooMuch::Open => Refusal::Address,
            TooMuch::Rate => Refusal::Rate,
        })
    }

    fn count(&self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::Full => &self.counters.full,
            Refusal::ListenerFull => &self.counters.listener_full,
            Refusal::Handshakes => &self.counters.handshakes,
            Refusal::Address => &self.counters.address,
            Refusal::Rate => &self.counters.rate,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn lock(table: &Mutex<Addresses>) -> std::sync::MutexGuard<'_, Addresses> {
    // Whoever panicked while holding it left whole entries behind.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
