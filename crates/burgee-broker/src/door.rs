//! Who may come in: what all threads know about the listeners, and the counts of what is open.
//!
//! What must hold: what was counted when it came is counted off when it goes, wherever that is. Nothing here is touched
//! for a message. Deliberately absent: sockets; the acceptor has them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use burgee_protocol::Time;
use ipnet::IpNet;

use crate::addresses::{Addresses, TooMuch, network};
use crate::config::{AcceptLimits, Listen};
use crate::socket::PeerAddress;
use crate::tls::{Reloaded, TlsError, TlsSlot};
use crate::url::{Endpoint, ListenUrl};
use crate::websocket::{Origins, UpgradeRules};

/// What is known of one listener.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Its place in the list of listeners.
    pub(crate) number: u16,
    pub(crate) url: ListenUrl,
    pub(crate) tls: Option<Arc<TlsSlot>>,
    pub(crate) websocket: Option<Arc<UpgradeRules>>,
    proxy: Vec<IpNet>,
    max_open: usize,
    /// Counted on where another gate takes the place of this one.
    open: Arc<AtomicUsize>,
}

impl Gate {
    /// The gate of a listener, with what it needs for TLS loaded. A frame of WebSocket has at most so many bytes.
    pub(crate) fn new(number: u16, listen: &Listen, frame_limit: u64) -> Result<Self, TlsError> {
        let tls = match (listen.url.is_tls(), &listen.tls) {
            (true, Some(settings)) => Some(TlsSlot::new(settings)?),
            (true, None) => return Err(TlsError::none_given()),
            (false, _) => None,
        };
        let websocket = upgrade_rules(listen, frame_limit);
        Ok(Self {
            number,
            url: listen.url.clone(),
            tls: tls.map(Arc::new),
            websocket,
            proxy: listen.proxy.clone(),
            max_open: listen.max_connections,
            open: Arc::default(),
        })
    }

    /// The gate that takes the place of this one: other settings, the same count and the same slot for TLS, whose
    /// contents are the caller's to prepare and apply.
    pub(crate) fn renewed(&self, listen: &Listen, frame_limit: u64) -> Self {
        Self {
            number: self.number,
            url: listen.url.clone(),
            tls: self.tls.clone(),
            websocket: upgrade_rules(listen, frame_limit),
            proxy: listen.proxy.clone(),
            max_open: listen.max_connections,
            open: Arc::clone(&self.open),
        }
    }

    /// What is left of a listener that is gone: its count.
    pub(crate) fn gone(&self) -> Self {
        Self {
            number: self.number,
            url: self.url.clone(),
            tls: None,
            websocket: None,
            proxy: Vec::new(),
            max_open: 0,
            open: Arc::clone(&self.open),
        }
    }

    /// Whether who comes from there is a proxy that says whom it speaks for.
    pub(crate) fn is_proxy(&self, peer: PeerAddress) -> bool {
        match peer.ip() {
            Some(ip) => self.proxy.iter().any(|network| network.contains(&ip)),
            None => !self.proxy.is_empty(),
        }
    }

    /// Whether who comes from there has something to do before it speaks MQTT.
    pub(crate) fn has_handshake(&self, peer: PeerAddress) -> bool {
        self.tls.is_some() || self.websocket.is_some() || self.is_proxy(peer)
    }
}

fn upgrade_rules(listen: &Listen, frame_limit: u64) -> Option<Arc<UpgradeRules>> {
    let path = listen.url.websocket()?;
    // No browser comes to a Unix socket by itself: whoever connects there hands on what came by a name that others have.
    let is_loopback = listen.is_local() && matches!(listen.url.endpoint(), Endpoint::Inet { .. });
    Some(Arc::new(UpgradeRules {
        path: path.map(Into::into),
        origins: Origins::new(&listen.origins, is_loopback),
        frame_limit,
    }))
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
    /// Bytes held now of handshakes, and of CONNECTs that are not done with.
    pub unfinished_bytes: usize,
    /// Closed because it held the most of them when there were too many.
    pub closed_unfinished: u64,
}

#[derive(Debug, Default)]
struct Counters {
    full: AtomicU64,
    listener_full: AtomicU64,
    handshakes: AtomicU64,
    address: AtomicU64,
    rate: AtomicU64,
    failed_handshakes: AtomicU64,
    closed_unfinished: AtomicU64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Doors {
    /// By number; that of a listener that is gone stays, for the connections that came through it.
    gates: RwLock<Vec<Arc<Gate>>>,
    max_open: AtomicUsize,
    limits: RwLock<AcceptLimits>,
    /// Connections held by all shards, those on their way included.
    open: AtomicUsize,
    handshakes: AtomicUsize,
    /// Bytes of those who are not in, and how many they may be.
    unfinished: AtomicUsize,
    most_unfinished: AtomicUsize,
    /// Whose they are. No larger than the number of them.
    shares: Mutex<HashMap<IpAddr, usize>>,
    addresses: Mutex<Option<Addresses>>,
    counters: Counters,
    /// Goes up each time that some listener trusts other clients than before.
    trust: AtomicU64,
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
            gates: RwLock::new(gates),
            max_open: AtomicUsize::new(max_open),
            open: AtomicUsize::new(0),
            handshakes: AtomicUsize::new(0),
            unfinished: AtomicUsize::new(0),
            most_unfinished: AtomicUsize::new(limits.unfinished_bytes),
            shares: Mutex::default(),
            addresses: Mutex::new(Addresses::new(&limits)),
            limits: RwLock::new(limits),
            counters: Counters::default(),
            trust: AtomicU64::new(0),
        }
    }

    /// All gates.
    pub(crate) fn gates(&self) -> Vec<Arc<Gate>> {
        self.gates.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Differs once some listener trusts other clients than before.
    pub(crate) fn trust(&self) -> u64 {
        self.trust.load(Ordering::Acquire)
    }

    /// Takes over what has changed in the files of TLS: whether other clients are trusted than before, and what is wrong.
    pub(crate) fn reload_tls(&self) -> (bool, Vec<TlsError>) {
        let (mut trust, mut errors) = (false, Vec::new());
        for gate in self.gates() {
            match gate.tls.as_ref().map_or(Ok(Reloaded::Unchanged), |slot| slot.reload()) {
                Ok(Reloaded::Unchanged) => {}
                Ok(Reloaded::Certificates) => tracing::info!(listener = %gate.url, "new certificates are taken over"),
                Ok(Reloaded::Trust) => {
                    tracing::info!(listener = %gate.url, "whom to trust has changed: open connections are looked at again");
                    trust = true;
                }
                Err(error) => errors.push(error),
            }
        }
        if trust {
            self.trust_changed();
        }
        (trust, errors)
    }

    /// Some listener trusts other clients than before.
    pub(crate) fn trust_changed(&self) {
        self.trust.fetch_add(1, Ordering::Release);
    }

    /// Connections held now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// What is known of a listener.
    pub(crate) fn gate(&self, number: u16) -> Option<Arc<Gate>> {
        let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
        gates.get(usize::from(number)).cloned()
    }

    /// Limits for what comes in.
    pub(crate) fn limits(&self) -> AcceptLimits {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other limits hold, and these gates take the places of their numbers, or new ones.
    pub(crate) fn reload(&self, renewed: Vec<Arc<Gate>>, max_open: usize, limits: AcceptLimits) {
        self.max_open.store(max_open, Ordering::Relaxed);
        self.most_unfinished.store(limits.unfinished_bytes, Ordering::Relaxed);
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        for gate in renewed {
            match gates.get_mut(usize::from(gate.number)) {
                Some(place) => *place = gate,
                None => gates.push(gate),
            }
        }
        drop(gates);
        let mut addresses = lock(&self.addresses);
        match &mut *addresses {
            Some(known) => known.limit(&limits),
            unknown => *unknown = Addresses::new(&limits),
        }
        drop(addresses);
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// A connection comes to a gate: whether its address was counted, or why it must not come in.
    pub(crate) fn enter(&self, now: Time, gate: &Gate, peer: PeerAddress) -> Result<bool, Refusal> {
        let handshake = gate.has_handshake(peer);
        let refusal = if self.open() >= self.max_open.load(Ordering::Relaxed) {
            Err(Refusal::Full)
        } else if gate.open.load(Ordering::Relaxed) >= gate.max_open {
            Err(Refusal::ListenerFull)
        } else if handshake && !self.has_place(gate, peer) {
            Err(Refusal::Handshakes)
        } else if gate.is_proxy(peer) {
            // Who comes through it counts, once that is known.
            Ok(false)
        } else {
            self.count_address(now, peer.ip())
        };
        let counted = refusal.inspect_err(|refusal| self.count(*refusal))?;
        self.open.fetch_add(1, Ordering::Relaxed);
        gate.open.fetch_add(1, Ordering::Relaxed);
        if handshake {
            self.handshakes.fetch_add(1, Ordering::Relaxed);
            if let Some(ip) = peer.ip().filter(|_| !gate.is_proxy(peer)) {
                *self.shares().entry(network(ip)).or_default() += 1;
            }
        }
        Ok(counted)
    }

    /// Whether one more may begin a handshake. Who comes through a proxy comes from anywhere.
    fn has_place(&self, gate: &Gate, peer: PeerAddress) -> bool {
        let (taken, limits) = (self.handshakes.load(Ordering::Relaxed), self.limits());
        if taken < limits.max_handshakes / 2 {
            return true;
        }
        let own = peer.ip().filter(|_| !gate.is_proxy(peer));
        let share = own.and_then(|ip| self.shares().get(&network(ip)).copied());
        taken < limits.max_handshakes && share.unwrap_or(0) < limits.handshakes_per_address
    }

    /// A handshake is over, in one way or the other.
    fn end_handshake(&self, peer: PeerAddress) {
        self.handshakes.fetch_sub(1, Ordering::Relaxed);
        let Some(ip) = peer.ip().map(network) else { return };
        let mut shares = self.shares();
        if let Some(share) = shares.get_mut(&ip) {
            *share -= 1;
            if *share == 0 {
                shares.remove(&ip);
            }
        }
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Whoever panicked while holding it left whole entries behind.
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A proxy says where a connection comes from: whether that address was counted, or why it must not come in.
    pub(crate) fn readdress(&self, now: Time, address: PeerAddress) -> Result<bool, Refusal> {
        let counted = self.count_address(now, address.ip());
        counted.inspect_err(|refusal| self.count(*refusal))
    }

    /// A connection has come to MQTT.
    pub(crate) fn opened(&self, peer: PeerAddress) {
        self.end_handshake(peer);
    }

    /// A connection will not come to MQTT.
    pub(crate) fn failed(&self) {
        self.counters.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody who is not in held so many bytes, and holds so many now.
    pub(crate) fn hold_unfinished(&self, before: usize, now: usize) {
        if now >= before {
            self.unfinished.fetch_add(now - before, Ordering::Relaxed);
        } else {
            self.unfinished.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// Whether all of them together hold more than they may.
    pub(crate) fn has_too_much_unfinished(&self) -> bool {
        self.unfinished.load(Ordering::Relaxed) > self.most_unfinished.load(Ordering::Relaxed)
    }

    /// One of them is closed for that.
    pub(crate) fn crowded_out(&self) {
        self.counters.closed_unfinished.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection that had come in is gone.
    pub(crate) fn leave(&self, stay: Stay) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(gate) = self.gate(stay.listener) {
            gate.open.fetch_sub(1, Ordering::Relaxed);
        }
        if stay.handshake {
            self.end_handshake(stay.peer);
        }
        if let (true, Some(ip)) = (stay.counted, stay.peer.ip())
            && let Some(addresses) = &mut *lock(&self.addresses)
        {
            addresses.leave(ip);
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
            uncounted_addresses: lock(&self.addresses).as_ref().map_or(0, |table| table.uncounted),
            failed_handshakes: get(&self.counters.failed_handshakes),
            unfinished_bytes: self.unfinished.load(Ordering::Relaxed),
            closed_unfinished: get(&self.counters.closed_unfinished),
        }
    }

    fn count_address(&self, now: Time, ip: Option<IpAddr>) -> Result<bool, Refusal> {
        let mut addresses = lock(&self.addresses);
        let (Some(addresses), Some(ip)) = (&mut *addresses, ip) else {
            return Ok(false);
        };
        addresses.enter(now, ip).map_err(|why| match why {
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

fn lock(table: &Mutex<Option<Addresses>>) -> MutexGuard<'_, Option<Addresses>> {
    // Whoever panicked while holding it left whole entries behind.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
