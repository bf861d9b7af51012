//! The connections of one shard with all that serves them: reading, writing, closing; and the wishes of a turn
//! carried out on them.
//!
//! What must hold: a connection that leaves the table leaves its outbox and the count of open ones, too.
//! Deliberately absent: polling, mail, time.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use burgee_core::io::{CloseMode, ConnKey, Effects, End, Outboxes};
use burgee_protocol::Time;
use mio::event::Event;
use mio::{Interest, Registry};

use crate::closing::{Closer, pop_due};
use crate::conn_table::{Conn, Flags, Table, token};
use crate::door::Stay;
use crate::layers::{Layers, SpeaksFor, Trouble};
use crate::mail::{Arrival, Hub};
use crate::newcomers::{Newcomers, weight};
use crate::peer::Peer;
use crate::reading::{Learnt, News, Reader};
use crate::socket::PeerAddress;
use crate::writing;

/// Certificates looked at again in one turn: each takes some tenths of a millisecond.
const RECHECKED: u32 = 16;
/// Slots looked at for that.
const LOOKED_AT: u32 = 4096;

/// Connections that have not come to MQTT, and whose certificates are to be looked at again.
#[derive(Debug)]
struct Handshakes {
    /// When the time of each is up, in the order in which they came.
    begun: VecDeque<(Time, ConnKey)>,
    /// The trust that all connections here were looked at under, or are being so.
    trust: u64,
    /// The slot that is next.
    recheck: Option<u32>,
}

impl Handshakes {
    const fn new(trust: u64) -> Self {
        Self {
            begun: VecDeque::new(),
            trust,
            recheck: None,
        }
    }
}

/// See the module.
pub(crate) struct Connections {
    pub(crate) table: Table,
    pub(crate) reader: Reader,
    pub(crate) news: News,
    closer: Closer,
    handshakes: Handshakes,
    newcomers: Newcomers,
    /// What is to be said of connections that ended below MQTT.
    pub(crate) troubles: Vec<(PeerAddress, u16, Trouble)>,
    /// Connections that ended before the core heard of them.
    gone: Vec<ConnKey>,
    hub: Arc<Hub>,
    /// An outbox with no more than this has room.
    room: usize,
}

impl Connections {
    /// None yet. An outbox that wanted room gets it at `room` unsent bytes; a turn receives about `budget` bytes.
    pub(crate) fn new(hub: Arc<Hub>, room: usize, budget: usize) -> Self {
        let (table, closer) = (Table::default(), Closer::default());
        Self {
            table,
            reader: Reader::new(budget),
            news: News::default(),
            closer,
            handshakes: Handshakes::new(hub.doors().trust()),
            newcomers: Newcomers::default(),
            troubles: Vec::new(),
            gone: Vec::new(),
            hub,
            room,
        }
    }

    /// Takes a connection in. Bytes that it brings along are handed out first.
    pub(crate) fn admit(&mut self, now: Time, arrival: Arrival, registry: &Registry) {
        let conn = Conn::new(arrival);
        let stay = conn.stay();
        if let Err(error) = self.try_admit(now, conn, registry) {
            self.lose(stay, &error, "connection lost before it was served");
        }
    }

    fn try_admit(&mut self, now: Time, conn: Conn, registry: &Registry) -> io::Result<()> {
        let key = self
            .table
            .insert(conn)
            .map_err(|_| io::Error::other("no slot left in this shard"))?;
        let Some(conn) = self.table.get_mut(key) else {
            return Ok(());
        };
        // Both at once and edge-triggered: never to be changed again. What is there already comes as a first event.
        if let Err(error) = registry.register(&mut conn.socket, token(key), Interest::READABLE | Interest::WRITABLE) {
            drop(self.table.remove(key));
            return Err(error);
        }
        if conn.flags.any(Flags::HANDSHAKE) {
            let time = self.hub.doors().limits().handshake_timeout_ms;
            self.handshakes.begun.push_back((now.plus_millis(time), key));
        }
        self.reader.enqueue(key, conn);
        if conn.flags.any(Flags::UNHEARD) {
            return Ok(());
        }
        self.news.accepted.push_back(key);
        Ok(())
    }

    /// The kernel says something about a connection.
    pub(crate) fn event(&mut self, now: Time, event: &Event, outboxes: &mut Outboxes) {
        let Some(key) = self.table.find(event.token()) else {
            return;
        };
        let Some(conn) = self.table.get_mut(key) else { return };
        if event.is_read_closed() || event.is_write_closed() || event.is_error() {
            conn.flags.set(Flags::READABLE.and(Flags::HANGUP));
        } else if event.is_readable() {
            conn.flags.set(Flags::READABLE);
        }
        let unblocked = event.is_writable() && conn.flags.any(Flags::BLOCKED);
        if unblocked {
            conn.flags.clear(Flags::BLOCKED);
        }
        if conn.closing.is_some() {
            self.go_on_closing(now, key, outboxes);
            return;
        }
        self.reader.enqueue(key, conn);
        if unblocked {
            self.flush(key, outboxes);
        }
    }

    /// Carries out what a turn wished for, mail and moves excepted.
    pub(crate) fn carry_out(&mut self, now: Time, effects: &mut Effects) {
        for key in effects.pauses.drain(..) {
            if let Some(conn) = self.table.get_mut(key) {
                conn.flags.set(Flags::PAUSED);
            }
        }
        for key in effects.resumes.drain(..) {
            if let Some(conn) = self.table.get_mut(key) {
                conn.flags.clear(Flags::PAUSED);
                if conn.tail.is_some() {
                    conn.flags.set(Flags::HAND_OUT);
                }
                self.reader.enqueue(key, conn);
            }
        }
        while let Some(key) = effects.outboxes.next_dirty() {
            self.flush(key, &mut effects.outboxes);
        }
        for (key, mode) in effects.closes.drain(..) {
            match mode {
                CloseMode::Now if self.can_part(key, &mut effects.outboxes) => {
                    self.begin_to_close(now, key, &mut effects.outboxes);
                }
                CloseMode::Now => self.remove(key, &mut effects.outboxes),
                CloseMode::AfterFlush => self.begin_to_close(now, key, &mut effects.outboxes),
            }
        }
    }

    /// Takes a connection out, to be sent to another shard with all its unconsumed bytes.
    pub(crate) fn take_leave(&mut self, key: ConnKey, registry: &Registry, outboxes: &mut Outboxes) -> Option<Arrival> {
        let mut conn = self.table.remove(key)?;
        self.newcomers.forget(key, self.hub.doors());
        outboxes.close(key);
        if let Err(error) = registry.deregister(&mut conn.socket) {
            // It could not be watched elsewhere either.
            self.lose(conn.stay(), &error, "connection lost on its way to its shard");
            return None;
        }
        let bytes = conn.tail.map(|tail| tail.into_bytes()).unwrap_or_default();
        Some(Arrival {
            socket: conn.socket,
            peer: conn.peer,
            listener: conn.listener,
            counted: conn.flags.any(Flags::COUNTED),
            layers: conn.layers,
            bytes,
        })
    }

    /// Closes those whose time for an orderly end is up.
    pub(crate) fn close_overdue(&mut self, now: Time, outboxes: &mut Outboxes) {
        while let Some(key) = pop_due(&mut self.handshakes.begun, now) {
            if self.table.get(key).is_some_and(|conn| conn.flags.any(Flags::HANDSHAKE)) {
                self.end(key, Trouble::TooSlow);
            }
        }
        while let Some(key) = self.gone.pop() {
            self.remove(key, outboxes);
        }
        while let Some(key) = self.closer.next_overdue(now, &self.table) {
            self.remove(key, outboxes);
        }
    }

    /// When [`Self::close_overdue`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Time> {
        if self.handshakes.recheck.is_some() || !self.gone.is_empty() {
            return Some(Time::ZERO);
        }
        let handshake = self.handshakes.begun.front().map(|(at, _)| *at);
        Time::earlier(self.closer.deadline(), handshake)
    }

    /// Draws the consequences of what was learnt of connections below MQTT.
    pub(crate) fn heed_layers(&mut self, now: Time) {
        let mut learnt = std::mem::take(&mut self.reader.learnt);
        for (key, what) in learnt.drain(..) {
            match what {
                Learnt::Opened(peer) => self.hub.doors().opened(peer),
                Learnt::Header(header) => self.heed_header(now, key, header),
                Learnt::Gone => self.gone.push(key),
                Learnt::Trouble(trouble) => self.note(key, trouble),
            }
        }
        self.reader.learnt = learnt;
    }

    fn heed_header(&mut self, now: Time, key: ConnKey, header: SpeaksFor) {
        self.news.accepted.push_back(key);
        let counted = match header {
            SpeaksFor::Client(address) => self.hub.doors().readdress(now, address),
            SpeaksFor::Itself => Ok(false),
        };
        match counted {
            Ok(counted) => {
                if let Some(conn) = self.table.get_mut(key).filter(|_| counted) {
                    conn.flags.set(Flags::COUNTED);
                }
            }
            Err(refusal) => self.end(key, Trouble::Refused(refusal.what())),
        }
    }

    /// The broker ends: who has not said who it is need not any more.
    pub(crate) fn forget_unheard(&mut self) {
        for (_, key) in &self.handshakes.begun {
            if self.table.get(*key).is_some_and(|conn| conn.flags.any(Flags::UNHEARD)) {
                self.gone.push(*key);
            }
        }
    }

    /// Weighs what those hold who are not in, as far as it has changed, and closes who holds the most while that is too
    /// much in all.
    pub(crate) fn weigh_newcomers(&mut self) {
        let mut changed = std::mem::take(&mut self.reader.newcomers);
        for key in changed.drain(..) {
            let bytes = self.table.get(key).map_or(0, weight);
            self.newcomers.weigh(key, bytes, self.hub.doors());
        }
        self.reader.newcomers = changed;
        while let Some(key) = self.newcomers.pop_greatest(self.hub.doors()) {
            self.hub.doors().crowded_out();
            self.note(key, Trouble::Crowded);
            let Some(conn) = self.table.get_mut(key) else { continue };
            conn.flags.set(Flags::ENDED);
            conn.tail = None;
            if conn.flags.any(Flags::UNHEARD) {
                self.gone.push(key);
            } else {
                // Who has ended and waits for its verdict ends now, too.
                self.news.ended.push((key, End::Broken));
            }
        }
    }

    /// Looks again at connections that have shown certificates, some of them at a time, after the trust has changed.
    pub(crate) fn recheck(&mut self) {
        let trust = self.hub.doors().trust();
        if self.handshakes.trust != trust {
            self.handshakes.trust = trust;
            self.handshakes.recheck = Some(0);
        }
        let Some(from) = self.handshakes.recheck else { return };
        let (mut at, mut checked) = (from, 0);
        self.handshakes.recheck = loop {
            if checked >= RECHECKED || at - from >= LOOKED_AT {
                break Some(at);
            }
            if at as usize >= self.table.slots() {
                break None;
            }
            at += 1;
            let Some((key, conn)) = self.table.at(at - 1) else {
                continue;
            };
            let Some(layers) = conn.layers.as_deref().filter(|layers| layers.identity().is_some()) else {
                continue;
            };
            checked += 1;
            if let Err(why) = layers.check() {
                self.end(key, Trouble::Certificate(why));
            }
        };
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self, key: ConnKey) -> Option<Peer> {
        let conn = self.table.get(key)?;
        let layers = conn.layers.as_deref();
        Some(Peer {
            address: conn.peer.socket_address(),
            listener: conn.listener,
            secure: layers.is_some_and(Layers::is_secure),
            identity: layers.and_then(Layers::identity).cloned(),
        })
    }

    /// Ends a connection by the will of the event loop; the core hears of it.
    fn end(&mut self, key: ConnKey, why: Trouble) {
        self.note(key, why);
        if let Some(conn) = self.table.get_mut(key)
            && !conn.flags.any(Flags::ENDED)
        {
            conn.flags.set(Flags::ENDED);
            if conn.flags.any(Flags::UNHEARD) {
                self.gone.push(key);
            } else {
                self.news.ended.push((key, End::Broken));
            }
        }
    }

    fn note(&mut self, key: ConnKey, trouble: Trouble) {
        let Some(conn) = self.table.get(key) else { return };
        if conn.flags.any(Flags::HANDSHAKE) {
            self.hub.doors().failed();
        }
        self.troubles.push((conn.peer, conn.listener, trouble));
    }

    /// Whether a connection that is to be closed at once has layers that can say goodbye without waiting.
    fn can_part(&mut self, key: ConnKey, outboxes: &mut Outboxes) -> bool {
        let Some(conn) = self.table.get(key) else { return false };
        let can =
            !conn.flags.any(Flags::BROKEN.and(Flags::BLOCKED)) && conn.layers.as_deref().is_some_and(Layers::can_part);
        if can && let Some(outbox) = outboxes.get_mut(key) {
            outbox.consume(outbox.len());
        }
        can
    }

    fn begin_to_close(&mut self, now: Time, key: ConnKey, outboxes: &mut Outboxes) {
        if let Some(conn) = self.table.get_mut(key) {
            Closer::begin(conn);
            self.newcomers.forget(key, self.hub.doors());
            self.go_on_closing(now, key, outboxes);
        }
    }

    fn flush(&mut self, key: ConnKey, outboxes: &mut Outboxes) {
        let (Some(conn), Some(outbox)) = (self.table.get_mut(key), outboxes.get_mut(key)) else {
            return;
        };
        writing::flush(conn, outbox, &mut self.reader.work);
        let mark = outbox.room_at.map_or(self.room, |mark| self.room.min(mark as usize));
        if outbox.wants_room && outbox.len() <= mark {
            outbox.wants_room = false;
            self.news.rooms.push(key);
        }
        if conn.flags.any(Flags::BROKEN) {
            self.reader.enqueue(key, conn);
        }
        outboxes.reclaim(key);
    }

    fn go_on_closing(&mut self, now: Time, key: ConnKey, outboxes: &mut Outboxes) {
        let Some(conn) = self.table.get_mut(key) else { return };
        if self.closer.step(now, (key, conn), outboxes, &mut self.reader) {
            self.remove(key, outboxes);
        }
    }

    fn lose(&self, stay: Stay, error: &io::Error, how: &str) {
        self.hub.doors().leave(stay);
        tracing::warn!(peer = %stay.peer, %error, "{how}");
    }

    fn remove(&mut self, key: ConnKey, outboxes: &mut Outboxes) {
        outboxes.close(key);
        // Closing the socket takes it out of the selector.
        if let Some(conn) = self.table.remove(key) {
            self.newcomers.forget(key, self.hub.doors());
            self.hub.doors().leave(conn.stay());
            if let Some(tail) = conn.tail {
                self.reader.recycle(tail);
            }
        }
    }
}

#[cfg(test)]
mod tests;
