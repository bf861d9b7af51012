//! Reading: the ready list, the shard's one scratch buffer, the tails of partial packets, and the inputs of a turn.
//!
//! What must hold: one receive for each ready connection and turn; bytes reach the core in order, none twice, none
//! lost; in the common case they are looked at where the kernel put them. A tail grows as bytes arrive, never by what
//! a packet declares. Deliberately absent: writing, closing, and what the bytes mean.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::ops::Range;

use burgee_core::io::{ConnKey, End, Input, Inputs, ListenerNo, Verdict};

use crate::conn_table::{Conn, Flags, Table};
use crate::counted;
use crate::layers::{Sent, SpeaksFor, Trouble, Workspace};
use crate::logins::Logins;
use crate::mail::{Hub, Inbox};
use crate::socket::PeerAddress;
use crate::tail::Tail;

/// Bytes received at most from one connection in one turn.
const SLICE: usize = 64 * 1024;
/// Room in front of the received bytes for a tail: a larger one is appended to instead.
const FRONT: usize = 32 * 1024;
/// Tails kept for reuse.
const POOL: usize = 256;
/// A pooled tail is at most so large, in bytes.
const POOLED_CAPACITY: usize = 256 * 1024;
/// Bytes of all pooled tails, at most.
const POOL_BYTES: usize = 4 * 1024 * 1024;

/// Bytes received at most from a layered connection in one turn: together with what was kept they are no more than a
/// slice when they are unwrapped.
const LAYERED_SLICE: usize = SLICE - FRONT;
/// This part of what is received in one turn may come from who is not in.
const UNFINISHED_PART: usize = 4;
/// Steps of handshakes in one turn: each may take a millisecond of calculating.
const HANDSHAKES: usize = 8;

/// What was learnt of a connection below MQTT.
#[derive(Debug)]
pub(crate) enum Learnt {
    /// It has come to MQTT.
    Opened(PeerAddress),
    /// The PROXY header came: the core may hear of it.
    Header(SpeaksFor),
    /// It is over before the core has heard of it.
    Gone,
    /// Why it ends.
    Trouble(Trouble),
}

/// Small things that happened since the last turn.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) accepted: VecDeque<ConnKey>,
    pub(crate) rooms: Vec<ConnKey>,
    /// Connections that the event loop itself has ended.
    pub(crate) ended: Vec<(ConnKey, End)>,
    /// What became of logins.
    pub(crate) verdicts: VecDeque<(ConnKey, Verdict)>,
    /// Connections that have to go, and why.
    pub(crate) kicks: VecDeque<(ConnKey, &'static str)>,
    pub(crate) shutdown: bool,
}

impl News {
    pub(crate) fn is_empty(&self) -> bool {
        self.accepted.is_empty()
            && self.rooms.is_empty()
            && self.ended.is_empty()
            && self.verdicts.is_empty()
            && self.kicks.is_empty()
            && !self.shutdown
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Reader {
    ready: VecDeque<ConnKey>,
    /// Those of them that have not come to MQTT: they have to wait longer.
    slow: VecDeque<ConnKey>,
    /// For what lies between the bytes and MQTT.
    pub(crate) work: Workspace,
    pub(crate) learnt: Vec<(ConnKey, Learnt)>,
    /// Connections whose CONNECT was not done with when they were read.
    pub(crate) newcomers: Vec<ConnKey>,
    scratch: Box<[u8]>,
    #[expect(
        clippy::vec_box,
        reason = "a connection owns its tail by pointer: the boxes are what is reused"
    )]
    pool: Vec<Box<Tail>>,
    pool_bytes: usize,
    /// Bytes received in one turn, all connections together.
    budget: usize,
    /// Bytes received in this turn, or handed out again.
    taken: usize,
    /// Those of them that came from who is not in: they are weighed when the turn is over.
    unfinished: usize,
}

impl Reader {
    /// A reader that receives about `budget` bytes in a turn before they are sent on.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            ready: VecDeque::new(),
            slow: VecDeque::new(),
            work: Workspace::default(),
            learnt: Vec::new(),
            newcomers: Vec::new(),
            scratch: vec![0; FRONT + SLICE].into(),
            pool: Vec::new(),
            pool_bytes: 0,
            budget,
            taken: 0,
            unfinished: 0,
        }
    }

    /// A turn begins.
    fn begin(&mut self) {
        (self.taken, self.unfinished) = (0, 0);
    }

    /// Whether more is to be received in this turn. Who is not in gets a part of it, for the sum of what they hold may grow
    /// beyond its limit by as much.
    const fn has_budget(&self) -> bool {
        self.taken < self.budget && self.unfinished < self.budget / UNFINISHED_PART
    }

    /// Bytes came in, whatever becomes of them.
    fn count(&mut self, conn: &Conn, bytes: usize) {
        self.taken += bytes;
        if conn.flags.any(Flags::NEWCOMER) {
            self.unfinished += bytes;
        }
    }

    /// Some connection is to be read.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty() || !self.slow.is_empty()
    }

    /// Puts a connection onto the ready list, once, if it may be read and there may be something to read.
    pub(crate) fn enqueue(&mut self, key: ConnKey, conn: &mut Conn) {
        const NOT: Flags = Flags::QUEUED.and(Flags::PAUSED).and(Flags::ENDED);
        if !conn.flags.any(NOT) && conn.flags.any(Flags::READABLE.and(Flags::HAND_OUT)) {
            conn.flags.set(Flags::QUEUED);
            if conn.flags.any(Flags::HANDSHAKE) {
                self.slow.push_back(key);
            } else {
                self.ready.push_back(key);
            }
        }
    }

    /// Takes back the memory of a tail that is used up.
    pub(crate) fn recycle(&mut self, mut tail: Box<Tail>) {
        let bytes = self.pool_bytes + tail.capacity();
        if self.pool.len() < POOL && bytes <= POOL_BYTES && tail.capacity() <= POOLED_CAPACITY {
            tail.clear();
            self.pool_bytes = bytes;
            self.pool.push(tail);
        }
    }

    /// Receives and throws away, up to a slice. `None`: the stream is at its end or broken.
    pub(crate) fn discard(&mut self, conn: &mut Conn) -> Option<usize> {
        match conn.socket.read(&mut self.scratch) {
            Ok(0) => None,
            Ok(count) => Some(count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Some(0),
            Err(_) => None,
        }
    }

    /// One step for the next connection on the ready list.
    fn read(&mut self, table: &mut Table, key: ConnKey) -> Found {
        let Some(conn) = table.get_mut(key) else {
            return Found::Nothing;
        };
        conn.flags.clear(Flags::QUEUED);
        if conn.flags.any(Flags::PAUSED.and(Flags::ENDED)) {
            return Found::Nothing;
        }
        if conn.flags.any(Flags::NEWCOMER) {
            self.newcomers.push(key);
        }
        if conn.flags.any(Flags::HAND_OUT) {
            conn.flags.clear(Flags::HAND_OUT);
            self.enqueue(key, conn);
            if let Some(tail) = conn.tail.as_deref() {
                self.taken += tail.rest().len();
                return Found::Tail(key);
            }
            return Found::Nothing;
        }
        if conn.layers.is_some() {
            return self.read_layered(key, conn);
        }
        match self.receive(conn) {
            Ok(0) => {
                conn.flags.set(Flags::ENDED);
                let how = if conn.flags.any(Flags::BROKEN) {
                    End::Broken
                } else {
                    End::Finished
                };
                Found::Ended(key, how)
            }
            Ok(count) => {
                self.count(conn, count);
                // A short read means drained, unless the end of the stream is behind it.
                if count < SLICE && !conn.flags.any(Flags::HANGUP) {
                    conn.flags.clear(Flags::READABLE);
                }
                self.enqueue(key, conn);
                self.place(key, conn, count)
            }
            Err(ErrorKind::Interrupted) => {
                self.enqueue(key, conn);
                Found::Nothing
            }
            Err(ErrorKind::WouldBlock) if !conn.flags.any(Flags::BROKEN) => {
                conn.flags.clear(Flags::READABLE);
                Found::Nothing
            }
            Err(_) => {
                conn.flags.set(Flags::ENDED);
                Found::Ended(key, End::Broken)
            }
        }
    }

    /// The same for a connection with layers: what comes out of them is for the core.
    fn read_layered(&mut self, key: ConnKey, conn: &mut Conn) -> Found {
        let Some(layers) = conn.layers.as_deref_mut() else {
            return Found::Nothing;
        };
        if let Some(how) = layers.ended() {
            return self.ended(key, conn, how);
        }
        let space = self.scratch.get_mut(FRONT..FRONT + LAYERED_SLICE).unwrap_or_default();
        match conn.socket.read(space) {
            Ok(0) => {
                let how = layers.end_of_stream();
                self.ended(key, conn, how)
            }
            Ok(count) => {
                self.count(conn, count);
                if count < LAYERED_SLICE && !conn.flags.any(Flags::HANGUP) {
                    conn.flags.clear(Flags::READABLE);
                }
                let unheard = conn.flags.any(Flags::UNHEARD);
                self.unwrap(key, conn, count);
                let plain = self.work.plain.len();
                if unheard && plain > 0 {
                    // The core has to hear of the connection first.
                    conn.tail = Some(Box::new(Tail::brought(self.work.plain.clone())));
                    conn.flags.set(Flags::HAND_OUT);
                }
                self.enqueue(key, conn);
                if unheard || plain == 0 {
                    return Found::Nothing;
                }
                if let Some(place) = self.scratch.get_mut(FRONT..FRONT + plain) {
                    place.copy_from_slice(&self.work.plain);
                }
                self.place(key, conn, plain)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.enqueue(key, conn);
                Found::Nothing
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && !conn.flags.any(Flags::BROKEN) => {
                conn.flags.clear(Flags::READABLE);
                Found::Nothing
            }
            Err(_) => {
                conn.flags.set(Flags::BROKEN);
                self.ended(key, conn, End::Broken)
            }
        }
    }

    /// There will be no more bytes. Who has heard of the connection hears of that.
    fn ended(&mut self, key: ConnKey, conn: &mut Conn, how: End) -> Found {
        conn.flags.set(Flags::ENDED);
        if conn.flags.any(Flags::UNHEARD) {
            self.learnt.push((key, Learnt::Gone));
            return Found::Nothing;
        }
        Found::Ended(key, how)
    }

    /// Puts received bytes through the layers, answers what they have to answer, and notes what was learnt.
    fn unwrap(&mut self, key: ConnKey, conn: &mut Conn, count: usize) {
        let Some(layers) = conn.layers.as_deref_mut() else {
            return;
        };
        let kept = layers.kept().len().min(FRONT);
        let Some(input) = self.scratch.get_mut(FRONT - kept..FRONT + count) else {
            return;
        };
        if let Some(front) = input.get_mut(..kept) {
            front.copy_from_slice(layers.kept());
        }
        let received = layers.receive(input, &mut self.work);
        if !conn.flags.any(Flags::BLOCKED.and(Flags::BROKEN)) {
            let sent = match layers.send_out(&mut conn.socket) {
                Sent::All => layers.send_pong(&mut conn.socket, &mut self.work).unwrap_or(Sent::All),
                sent @ (Sent::Blocked | Sent::Broken) => sent,
            };
            match sent {
                Sent::All => {}
                Sent::Blocked => conn.flags.set(Flags::BLOCKED),
                Sent::Broken => conn.flags.set(Flags::BROKEN.and(Flags::HANGUP)),
            }
        }
        if let Some(header) = received.header {
            if let SpeaksFor::Client(address) = header {
                conn.peer = address;
            }
            conn.flags.clear(Flags::UNHEARD);
            self.learnt.push((key, Learnt::Header(header)));
        }
        if received.opened {
            conn.flags.clear(Flags::HANDSHAKE);
            self.learnt.push((key, Learnt::Opened(conn.peer)));
        }
        if let Some(trouble) = received.trouble {
            self.learnt.push((key, Learnt::Trouble(trouble)));
        }
        if layers.ended().is_some() {
            // It is told once everything before it is.
            conn.flags.set(Flags::READABLE);
        }
    }

    fn receive(&mut self, conn: &mut Conn) -> Result<usize, ErrorKind> {
        let space = self.scratch.get_mut(FRONT..).unwrap_or_default();
        conn.socket.read(space).map_err(|error| error.kind())
    }

    /// Brings new bytes together with the tail in front of them: in the scratch buffer where the tail is small.
    fn place(&mut self, key: ConnKey, conn: &mut Conn, count: usize) -> Found {
        let Some(tail) = conn.tail.as_deref_mut() else {
            return Found::Scratch(key, FRONT..FRONT + count);
        };
        let kept = tail.rest().len();
        let enough = kept + count >= tail.needed();
        if enough && kept <= FRONT {
            if let Some(front) = self.scratch.get_mut(FRONT - kept..FRONT) {
                front.copy_from_slice(tail.rest());
            }
            tail.clear();
            return Found::Scratch(key, FRONT - kept..FRONT + count);
        }
        tail.append(self.scratch.get(FRONT..FRONT + count).unwrap_or_default());
        if enough { Found::Tail(key) } else { Found::Nothing }
    }

    /// Keeps what the core left of bytes in the scratch buffer.
    fn keep(&mut self, conn: &mut Conn, rest: Range<usize>, needed: usize) {
        if rest.is_empty() {
            if let Some(tail) = conn.tail.take() {
                self.recycle(tail);
            }
            return;
        }
        let tail = conn.tail.get_or_insert_with(|| {
            let pooled = self.pool.pop().unwrap_or_default();
            self.pool_bytes -= pooled.capacity();
            pooled
        });
        tail.replace(self.scratch.get(rest).unwrap_or_default(), needed);
    }

    /// Drops what the core consumed of a tail.
    fn advance(&mut self, conn: &mut Conn, used: usize, needed: usize) {
        let Some(tail) = conn.tail.as_deref_mut() else { return };
        tail.advance(used, needed);
        if tail.rest().is_empty()
            && let Some(tail) = conn.tail.take()
        {
            self.recycle(tail);
        }
    }
}

/// What a look at a ready connection found.
enum Found {
    Nothing,
    Scratch(ConnKey, Range<usize>),
    Tail(ConnKey),
    Ended(ConnKey, End),
}

/// The inputs of one turn, in this order: what became of logins, what the store says, the end, arrivals, room, mail, bytes.
pub(crate) struct TurnInputs<'a> {
    table: &'a mut Table,
    reader: &'a mut Reader,
    inbox: &'a mut Inbox,
    news: &'a mut News,
    /// Connections that may still be read in this turn: each at most once.
    reads_left: usize,
    handshakes_left: usize,
    mail_left: usize,
    /// The bytes that the core was handed last.
    lent: Option<Found>,
    /// Whose counters are told.
    counted: Option<(&'a Hub, Option<&'a Logins>)>,
}

impl<'a> TurnInputs<'a> {
    pub(crate) fn new(table: &'a mut Table, reader: &'a mut Reader, inbox: &'a mut Inbox, news: &'a mut News) -> Self {
        reader.begin();
        let (reads_left, mail_left) = (reader.ready.len(), reader.budget);
        let handshakes_left = reader.slow.len().min(HANDSHAKES);
        Self {
            table,
            reader,
            inbox,
            news,
            reads_left,
            handshakes_left,
            mail_left,
            lent: None,
            counted: None,
        }
    }

    /// What is counted there is told when the core asks.
    pub(crate) fn telling(mut self, hub: &'a Hub, logins: Option<&'a Logins>) -> Self {
        self.counted = Some((hub, logins));
        self
    }

    fn next_mail(&mut self) -> Option<Input<'static>> {
        if self.mail_left == 0 {
            return None;
        }
        let (from, parcel) = self.inbox.pop()?;
        self.mail_left = self.mail_left.saturating_sub(parcel.weight());
        Some(Input::Mail { from, parcel })
    }

    fn next_found(&mut self) -> Found {
        while self.reads_left > 0 && self.reader.has_budget() {
            self.reads_left -= 1;
            let Some(key) = self.reader.ready.pop_front() else {
                break;
            };
            match self.reader.read(self.table, key) {
                Found::Nothing => {}
                found @ (Found::Scratch(..) | Found::Tail(_) | Found::Ended(..)) => return found,
            }
        }
        while self.handshakes_left > 0 && self.reader.has_budget() {
            self.handshakes_left -= 1;
            let Some(key) = self.reader.slow.pop_front() else {
                break;
            };
            match self.reader.read(self.table, key) {
                Found::Nothing => {}
                found @ (Found::Scratch(..) | Found::Tail(_) | Found::Ended(..)) => return found,
            }
        }
        Found::Nothing
    }
}

impl Inputs for TurnInputs<'_> {
    fn next(&mut self) -> Option<Input<'_>> {
        // Bytes that the core did not answer for stay where they are.
        self.consumed(0, 0);
        // Before a change of users: who comes in by the old ones is there when the change sends them away.
        if let Some((conn, verdict)) = self.news.verdicts.pop_front() {
            return Some(Input::Verdict { conn, verdict });
        }
        if !self.inbox.notices.is_empty()
            && let Some(said) = self.inbox.notices.next(&mut self.mail_left)
        {
            return Some(said);
        }
        if std::mem::take(&mut self.news.shutdown) {
            return Some(Input::Shutdown);
        }
        if let Some(conn) = self.news.accepted.pop_front() {
            let found = self.table.get(conn);
            return Some(Input::Accepted {
                conn,
                listener: ListenerNo(found.map_or(0, |found| found.listener)),
                address: found.and_then(|found| found.peer.ip()),
            });
        }
        if let Some((conn, reason)) = self.news.kicks.pop_front() {
            return Some(Input::Kick { conn, reason });
        }
        if let Some(conn) = self.news.rooms.pop() {
            return Some(Input::Room { conn });
        }
        if let Some((conn, how)) = self.news.ended.pop() {
            return Some(Input::Ended { conn, how });
        }
        if let Some(mail) = self.next_mail() {
            return Some(mail);
        }
        let found = self.next_found();
        let (conn, bytes) = match &found {
            Found::Nothing => return None,
            Found::Ended(conn, how) => return Some(Input::Ended { conn: *conn, how: *how }),
            Found::Scratch(conn, range) => (*conn, self.reader.scratch.get(range.clone())),
            Found::Tail(conn) => (
                *conn,
                self.table
                    .get(*conn)
                    .and_then(|found| found.tail.as_deref())
                    .map(Tail::rest),
            ),
        };
        let bytes = bytes.unwrap_or_default();
        self.lent = Some(found);
        Some(Input::Bytes { conn, bytes })
    }

    fn consumed(&mut self, used: usize, needed: usize) {
        let Some(lent) = self.lent.take() else { return };
        let (key, range) = match lent {
            Found::Scratch(key, range) => (key, Some(range)),
            Found::Tail(key) => (key, None),
            Found::Nothing | Found::Ended(..) => return,
        };
        let Some(conn) = self.table.get_mut(key) else { return };
        if used > 0 {
            // The first packet is a CONNECT, and it is answered.
            conn.flags.clear(Flags::NEWCOMER);
        }
        match range {
            Some(range) => self
                .reader
                .keep(conn, (range.start + used).min(range.end)..range.end, needed),
            None => self.reader.advance(conn, used, needed),
        }
        let rest = conn.tail.as_deref().map_or(0, |tail| tail.rest().len());
        if needed > 0 && rest >= needed {
            // The core stopped although it could have gone on: it gets them again, next turn.
            conn.flags.set(Flags::HAND_OUT);
            self.reader.enqueue(key, conn);
        }
    }
    fn may_have_more(&self, conn: ConnKey) -> bool {
        self.table
            .get(conn)
            .is_some_and(|conn| conn.flags.any(Flags::READABLE.and(Flags::HAND_OUT)) && !conn.flags.any(Flags::ENDED))
    }

    fn outside(&self) -> Vec<(&'static str, u64)> {
        self.counted
            .map_or_else(Vec::new, |(hub, logins)| counted::values(hub.doors(), logins))
    }
}

#[cfg(test)]
mod tests;
