//! Mail between the threads of the broker: parcels and sockets, in one bounded slot for each pair of shards.
//!
//! What must hold: parcels of one pair stay in order; a slot that is full leaves them with the sender, who is woken
//! when there is room; a sleeping shard is woken once, an awake one never. Locks live here and nowhere below.
//! The store's thread is heard by the same way. Deliberately absent: what is in the parcels.

mod notices;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burgee_auth::Outcome;
use burgee_core::io::{ConnKey, Mailbox, Parcel, ShardId};
use mio::Waker;

use crate::door::Doors;
use crate::layers::Layers;
use crate::order::Order;
use crate::socket::{PeerAddress, Socket};
use notices::Board;
pub(crate) use notices::{Answer, Notices};

/// Sockets that wait in one slot, at most.
const ARRIVALS: usize = 1024;

/// A connection on its way to a shard, with the bytes that it brings along.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) socket: Socket,
    pub(crate) peer: PeerAddress,
    /// The number of the listener that it came through.
    pub(crate) listener: u16,
    /// It stands in the table of addresses.
    pub(crate) counted: bool,
    /// What lies between the socket and MQTT, if anything does.
    pub(crate) layers: Option<Box<Layers>>,
    pub(crate) bytes: Vec<u8>,
}

#[cfg(test)]
impl Arrival {
    /// One that comes right from a socket.
    pub(crate) fn plain(socket: mio::net::TcpStream, peer: std::net::SocketAddr) -> Self {
        Self {
            socket: socket.into(),
            peer: peer.into(),
            listener: 0,
            counted: false,
            layers: None,
            bytes: Vec::new(),
        }
    }
}

/// What one shard sent another and the other has not fetched yet.
#[derive(Debug, Default)]
struct Slot {
    parcels: VecDeque<Parcel>,
    bytes: usize,
    arrivals: VecDeque<Arrival>,
    /// The sender holds more and wants to hear when this is fetched.
    sender_waits: bool,
}

/// Where one shard receives. Aligned so that two shards' desks share no cache line.
#[derive(Debug)]
#[repr(align(128))]
struct Desk {
    waker: Waker,
    asleep: AtomicBool,
    /// A bit for each shard that put something into its slot or wants to be looked at. Nobody sends mail to itself:
    /// the own bit is the store's, and means the board.
    pending: AtomicU64,
    slots: Vec<Mutex<Slot>>,
    board: Board,
    /// Rounds that the shard has made; only the shard writes. `ENDED`: it has ended in order.
    rounds: AtomicU64,
}

/// What a shard that has ended has for its rounds.
const ENDED: u64 = u64::MAX;

/// What all threads of a broker share.
pub(crate) struct Hub {
    desks: Vec<Desk>,
    slot_bytes: usize,
    doors: Doors,
    /// Milliseconds of the broker's clock, plus one, at which everything has to be over; 0: not ending.
    stop_at: AtomicU64,
    failed: AtomicBool,
    on_failure: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked while holding it left whole parcels behind: nothing is half done in a slot.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn bit(shard: ShardId) -> u64 {
    1 << (shard as u64 & 63)
}

impl Hub {
    /// A desk for each of the shards whose wakers these are; a slot takes `slot_bytes` of parcels.
    pub(crate) fn new(wakers: Vec<Waker>, slot_bytes: usize, doors: Doors) -> Self {
        let shards = wakers.len();
        let desk = |waker| Desk {
            waker,
            asleep: AtomicBool::new(false),
            pending: AtomicU64::new(0),
            slots: (0..shards).map(|_| Mutex::default()).collect(),
            board: Board::default(),
            rounds: AtomicU64::new(0),
        };
        Self {
            desks: wakers.into_iter().map(desk).collect(),
            slot_bytes,
            doors,
            stop_at: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            on_failure: Mutex::new(None),
        }
    }

    /// Shards.
    pub(crate) fn shards(&self) -> ShardId {
        ShardId::try_from(self.desks.len()).unwrap_or(ShardId::MAX)
    }

    /// Who may come in.
    pub(crate) const fn doors(&self) -> &Doors {
        &self.doors
    }

    /// Puts into the slot from `from` to `to` what it takes; the rest stays. Parcels keep their order.
    pub(crate) fn deliver(&self, from: ShardId, to: ShardId, mail: &mut Mailbox, moving: &mut VecDeque<Arrival>) {
        let Some(mutex) = self.slot(from, to) else { return };
        let mut put = false;
        {
            let mut slot = lock(mutex);
            while let Some(weight) = mail.next_weight() {
                // One parcel always fits into an empty slot, however heavy.
                if slot.bytes > 0 && slot.bytes + weight > self.slot_bytes {
                    slot.sender_waits = true;
                    break;
                }
                let Some(parcel) = mail.pop() else { break };
                slot.bytes += weight;
                slot.parcels.push_back(parcel);
                put = true;
            }
            while !moving.is_empty() {
                if slot.arrivals.len() >= ARRIVALS {
                    slot.sender_waits = true;
                    break;
                }
                slot.arrivals.extend(moving.pop_front());
                put = true;
            }
        }
        if put {
            self.notify(to, from);
        }
    }

    /// Tells a shard that its batches up to this number are durable.
    pub(crate) fn tell_durable(&self, shard: ShardId, upto: u64) {
        if let Some(desk) = self.desks.get(usize::from(shard)) {
            desk.board.durable(upto);
            self.notify(shard, shard);
        }
    }

    /// Tells a shard what it wanted to be read.
    pub(crate) fn tell_answers(&self, shard: ShardId, answers: &mut Vec<Answer>) {
        if let Some(desk) = self.desks.get(usize::from(shard)) {
            desk.board.answers(answers);
            self.notify(shard, shard);
        }
    }

    /// Gives a shard an order, to be carried out between two turns.
    pub(crate) fn order(&self, shard: ShardId, order: Order) {
        if let Some(desk) = self.desks.get(usize::from(shard)) {
            desk.board.order(order);
            self.notify(shard, shard);
        }
    }

    /// Tells a shard what became of a login.
    pub(crate) fn tell_outcome(&self, shard: ShardId, conn: ConnKey, outcome: Outcome) {
        if let Some(desk) = self.desks.get(usize::from(shard)) {
            desk.board.outcome(conn, outcome);
            self.notify(shard, shard);
        }
    }

    /// Tells all shards that the store failed. To be said once.
    pub(crate) fn tell_store_failed(&self) {
        for (shard, desk) in (0..).zip(&self.desks) {
            desk.board.fail();
            self.notify(shard, shard);
        }
    }

    /// A shard has made another round.
    pub(crate) fn went_round(&self, shard: ShardId) {
        if let Some(desk) = self.desks.get(usize::from(shard)) {
            let rounds = desk.rounds.load(Ordering::Relaxed);
            desk.rounds.store(rounds.wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// A shard has ended in order, and makes no more rounds.
    pub(crate) fn ended(&self, shard: ShardId) {
        if let Some(desk) = self.desks.get(usize::from(shard)) {
            desk.rounds.store(ENDED, Ordering::Relaxed);
        }
    }

    /// Rounds of each shard; none for one that has ended.
    pub(crate) fn rounds(&self) -> impl Iterator<Item = Option<u64>> {
        let rounds = self.desks.iter().map(|desk| desk.rounds.load(Ordering::Relaxed));
        rounds.map(|rounds| (rounds != ENDED).then_some(rounds))
    }

    /// Has all shards look around.
    pub(crate) fn nudge(&self) {
        for shard in 0..self.shards() {
            self.notify(shard, shard);
        }
    }

    /// Everything has to be over at this time of the broker's clock; an earlier end wins.
    pub(crate) fn stop(&self, at_millis: u64) {
        let wish = at_millis.saturating_add(1);
        let sooner = |now: u64| (now == 0 || wish < now).then_some(wish);
        if self
            .stop_at
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, sooner)
            .is_err()
        {
            return; // The end is nearer already, and everybody knows.
        }
        for desk in &self.desks {
            desk.wake();
        }
    }

    /// When everything has to be over, if the broker ends.
    pub(crate) fn stop_at(&self) -> Option<u64> {
        self.stop_at.load(Ordering::SeqCst).checked_sub(1)
    }

    /// A shard is lost: a broker without it would silently lose clients, so all end.
    pub(crate) fn fail(&self, stop_at: u64) {
        self.failed.store(true, Ordering::SeqCst);
        self.stop(stop_at);
        if let Some(tell) = lock(&self.on_failure).take() {
            tell();
        }
    }

    /// Whether a shard was lost.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Calls `tell` once a shard is lost; at once if one is lost already.
    pub(crate) fn on_failure(&self, tell: Box<dyn FnOnce() + Send>) {
        *lock(&self.on_failure) = Some(tell);
        if self.has_failed()
            && let Some(tell) = lock(&self.on_failure).take()
        {
            tell();
        }
    }

    /// Says that this shard is about to sleep. False: something came meanwhile, it must not.
    pub(crate) fn may_sleep(&self, shard: ShardId, knows_end: bool) -> bool {
        let Some(desk) = self.desks.get(usize::from(shard)) else {
            return true;
        };
        // Both sides write first and look second, in one total order: one of them sees the other.
        desk.asleep.store(true, Ordering::SeqCst);
        let nothing = desk.pending.load(Ordering::SeqCst) == 0 && (knows_end || self.stop_at().is_none());
        if !nothing {
            desk.asleep.store(false, Ordering::SeqCst);
        }
        nothing
    }

    /// Says that this shard is awake.
    pub(crate) fn awake(&self, shard: ShardId) {
        if let Some(desk) = self.desks.get(usize::from(shard)) {
            desk.asleep.store(false, Ordering::SeqCst);
        }
    }

    fn notify(&self, to: ShardId, from: ShardId) {
        if let Some(desk) = self.desks.get(usize::from(to)) {
            desk.pending.fetch_or(bit(from), Ordering::SeqCst);
            desk.wake();
        }
    }

    fn slot(&self, from: ShardId, to: ShardId) -> Option<&Mutex<Slot>> {
        self.desks.get(usize::from(to))?.slots.get(usize::from(from))
    }
}

impl Desk {
    fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst)
            && self.asleep.swap(false, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "cannot wake a shard");
        }
    }
}

/// What a shard fetched from its slots and has not worked through.
#[derive(Debug)]
pub(crate) struct Inbox {
    shard: ShardId,
    parcels: Vec<VecDeque<Parcel>>,
    arrivals: VecDeque<Arrival>,
    /// The sender whose parcel is next.
    turn: usize,
    /// Senders whose slots were not looked into because their last mail is still here.
    later: u64,
    /// What the store's thread said.
    pub(crate) notices: Notices,
}

impl Inbox {
    /// The inbox of one of `shards` shards.
    pub(crate) fn new(shard: ShardId, shards: ShardId) -> Self {
        let parcels = (0..shards).map(|_| VecDeque::new()).collect();
        Self {
            shard,
            parcels,
            arrivals: VecDeque::new(),
            turn: 0,
            later: 0,
            notices: Notices::default(),
        }
    }

    /// Empties the slots that have something. A sender whose last mail is not worked through has to wait: that is
    /// what slows it down.
    pub(crate) fn fetch(&mut self, hub: &Hub) {
        let Some(desk) = hub.desks.get(usize::from(self.shard)) else {
            return;
        };
        let mut waiting = self.later;
        if desk.pending.load(Ordering::Relaxed) != 0 {
            waiting |= desk.pending.swap(0, Ordering::SeqCst);
        }
        self.later = 0;
        while waiting != 0 {
            let from = waiting.trailing_zeros();
            waiting &= waiting - 1;
            let Ok(from) = ShardId::try_from(from) else { continue };
            if from == self.shard {
                desk.board.fetch(&mut self.notices);
                continue;
            }
            let Some(parcels) = self.parcels.get_mut(usize::from(from)) else {
                continue;
            };
            let Some(mutex) = hub.slot(from, self.shard) else {
                continue;
            };
            let mut slot = lock(mutex);
            self.arrivals.append(&mut slot.arrivals);
            if parcels.is_empty() {
                std::mem::swap(parcels, &mut slot.parcels);
                slot.bytes = 0;
                let tell = std::mem::take(&mut slot.sender_waits);
                drop(slot);
                if tell {
                    hub.notify(from, self.shard);
                }
            } else {
                self.later |= bit(from);
            }
        }
    }

    /// Looks at the board alone: no word on it comes too early because of bytes that were there first.
    pub(crate) fn fetch_notices(&mut self, hub: &Hub) {
        let Some(desk) = hub.desks.get(usize::from(self.shard)) else {
            return;
        };
        let own = bit(self.shard);
        if desk.pending.load(Ordering::Relaxed) & own != 0 {
            desk.pending.fetch_and(!own, Ordering::SeqCst);
            desk.board.fetch(&mut self.notices);
        }
    }

    /// The next connection that came in.
    pub(crate) fn next_arrival(&mut self) -> Option<Arrival> {
        self.arrivals.pop_front()
    }

    /// The next parcel; senders take turns.
    pub(crate) fn pop(&mut self) -> Option<(ShardId, Parcel)> {
        for _ in 0..self.parcels.len() {
            let from = self.turn;
            self.turn = if from + 1 < self.parcels.len() { from + 1 } else { 0 };
            if let Some(parcel) = self.parcels.get_mut(from).and_then(VecDeque::pop_front) {
                return Some((ShardId::try_from(from).unwrap_or(ShardId::MAX), parcel));
            }
        }
        None
    }

    /// Nothing is left to work through.
    pub(crate) fn is_empty(&self) -> bool {
        self.later == 0
            && self.arrivals.is_empty()
            && self.notices.is_empty()
            && self.parcels.iter().all(VecDeque::is_empty)
    }
}

#[cfg(test)]
mod tests;
