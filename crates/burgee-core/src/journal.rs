//! What this shard asks the store to keep, and what waits until it is kept.
//!
//! What must hold: operations leave in batches, in the order in which they were noted; what waits is let go in the order
//! in which it was parked, never before its batch is durable. After a failure nothing is noted and nothing is let go.
//! Bytes on their way to the store are counted, so that publishers can be held back. Deliberately absent: what an
//! operation means; each verb notes its own.

use std::collections::VecDeque;

use burgee_codec::{AckKind, PacketId};
use burgee_protocol::{Fault, Time};
use burgee_store::{Batch, MessageNo, Numbers, Op, SessionNo, Source};

use crate::io::{ConnKey, ShardId};
use crate::job::Job;
use crate::sessions::{Replay, SessionKey};

/// What nobody waits for is handed over with the next batch, or after so many milliseconds.
const LAZY_MS: u64 = 100;

/// Operations that a batch has room for at once, at most: several clients' turn.
const MOST_ROOM: usize = 1024;

/// [MQTT-4.8.0-2] what has to be kept cannot be kept.
pub(crate) const fn ours() -> Fault {
    Fault::Ours("the store has failed")
}

/// What waits for a batch.
#[derive(Debug)]
pub(crate) enum Parked {
    /// A connection's CONNACK.
    Welcome(ConnKey, Resumed),
    /// An answer of four bytes.
    Ack(ConnKey, AckKind, PacketId),
    /// UNSUBACK.
    UnsubAck(ConnKey, PacketId),
    /// SUBACK, and the retained messages that follow it.
    SubAck(Box<Subscribed>),
    /// A QoS 2 message on its way to everybody.
    FanOut(Box<Job>),
    /// A PUBLISH of QoS 2 to a session, under this identifier.
    Delivery(SessionKey, PacketId),
    /// A PUBREL to a session; its PUBREC came on this connection.
    Release(SessionKey, ConnKey, PacketId),
}

impl Parked {
    /// Bytes that it holds in memory.
    fn weight(&self) -> usize {
        let more = match self {
            Self::FanOut(job) => size_of::<Job>() + job.message.weight(),
            Self::SubAck(subscribed) => size_of::<Subscribed>() + subscribed.codes.len(),
            Self::Welcome(..) | Self::Ack(..) | Self::UnsubAck(..) | Self::Delivery(..) | Self::Release(..) => 0,
        };
        size_of::<(u64, Self)>() + more
    }
}

/// What a CONNECT found.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Resumed(pub(crate) bool);

/// An answer to SUBSCRIBE.
#[derive(Debug)]
pub(crate) struct Subscribed {
    pub(crate) conn: ConnKey,
    pub(crate) key: SessionKey,
    pub(crate) id: PacketId,
    pub(crate) codes: Vec<u8>,
    pub(crate) replays: Vec<Replay>,
    /// It waits for the store, or behind what does.
    pub(crate) waited: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal {
    on: bool,
    failed: bool,
    source: Source,
    lanes: ShardId,
    ops: Vec<Op>,
    /// The number that the operations at hand will have as a batch.
    number: u64,
    durable: u64,
    /// Somebody waits for the operations at hand.
    urgent: bool,
    /// When they leave although nobody does.
    due: Option<Time>,
    /// Bytes at hand; of each batch under way; of all.
    at_hand: usize,
    under_way: VecDeque<(u64, usize)>,
    bytes: usize,
    limit: usize,
    parked: VecDeque<(u64, Parked)>,
    parked_bytes: usize,
    /// How many were parked and let go since the start.
    parked_ever: u64,
    let_go_ever: u64,
    /// Clients whose connection ended, by how many were parked then: as long as not all of them are let go.
    leaving: Vec<(u64, u64)>,
    /// Clients whose session goes, by the batch in which it does.
    going: VecDeque<(u64, u64)>,
    sessions: Numbers,
    messages: Numbers,
}

impl Journal {
    /// Of shard `id` of `shards`. Switched off, it notes nothing, and nothing waits.
    pub(crate) fn new(id: ShardId, shards: ShardId, (on, limit): (bool, usize)) -> Self {
        Self {
            on,
            failed: false,
            source: Source(id),
            lanes: shards,
            ops: Vec::new(),
            number: 1,
            durable: 0,
            urgent: false,
            due: None,
            at_hand: 0,
            under_way: VecDeque::new(),
            bytes: 0,
            limit,
            parked: VecDeque::new(),
            parked_bytes: 0,
            parked_ever: 0,
            let_go_ever: 0,
            leaving: Vec::new(),
            going: VecDeque::new(),
            sessions: Numbers::new(1, id, shards),
            messages: Numbers::new(1, id, shards),
        }
    }

    /// Numbers go on here.
    pub(crate) fn continue_from(&mut self, session: SessionNo, message: MessageNo) {
        self.sessions = Numbers::new(session.0, self.source.0, self.lanes);
        self.messages = Numbers::new(message.0, self.source.0, self.lanes);
    }

    /// There is a store, and it works.
    #[inline]
    pub(crate) const fn is_on(&self) -> bool {
        self.on
    }

    /// There was a store, and it works no more.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failed
    }

    /// A number for a session; 0 without a store.
    pub(crate) fn session_number(&mut self) -> u64 {
        if self.on { self.sessions.give() } else { 0 }
    }

    /// A number for a message.
    pub(crate) fn message_number(&mut self) -> u64 {
        self.messages.give()
    }

    /// Notes an operation.
    pub(crate) fn note(&mut self, op: Op, now: Time) {
        if !self.on {
            return;
        }
        let weight = op.weight();
        self.at_hand += weight;
        self.bytes += weight;
        self.ops.push(op);
        if self.due.is_none() {
            self.due = Some(now.plus_millis(LAZY_MS));
        }
    }

    /// Notes that a session is gone. Returns the batch.
    pub(crate) fn note_deleted(&mut self, (session, client): (SessionNo, u64), now: Time) -> u64 {
        self.note(Op::SessionDeleted { session }, now);
        let batch = self.needs();
        self.going.push_back((batch, client));
        batch
    }

    /// The last batch in which the session of this client went, if that is not durable; 0: none.
    pub(crate) fn deletion_of(&self, client: u64) -> u64 {
        let going = self.going.iter().rev().find(|(_, going)| *going == client);
        going.map_or(0, |(batch, _)| *batch)
    }

    /// After a failure: whether the session of this client went in a batch that did not become durable.
    pub(crate) fn is_in_doubt(&self, client: u64) -> bool {
        self.failed && self.deletion_of(client) > 0
    }

    /// A connection of this client ended. Its last message, its will perhaps, was the `last` that was parked.
    pub(crate) fn note_leaving(&mut self, client: u64, last: u64) {
        if last > self.let_go_ever {
            self.leaving.push((last, client));
        }
    }

    /// Whether something of an earlier connection of this client is still parked.
    pub(crate) fn is_leaving(&self, client: u64) -> bool {
        self.leaving.iter().any(|(_, leaving)| *leaving == client)
    }

    /// How many things were parked since the start.
    pub(crate) const fn parked_so_far(&self) -> u64 {
        self.parked_ever
    }

    /// Somebody waits for what is noted: returns the batch.
    pub(crate) const fn needs(&mut self) -> u64 {
        self.urgent = true;
        self.number
    }

    /// The batch behind which everything that was noted so far is durable.
    pub(crate) fn so_far(&mut self) -> u64 {
        if self.ops.is_empty() {
            self.number - 1
        } else {
            self.needs()
        }
    }

    /// Whether this batch is durable, and nothing that waits has to go first.
    #[inline]
    pub(crate) fn is_durable(&self, batch: u64) -> bool {
        batch <= self.durable
    }

    /// Nothing waits.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.parked.is_empty()
    }

    /// So much is on its way to the store that publishers have to wait.
    #[inline]
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes() >= self.limit
    }

    /// There is room again.
    pub(crate) const fn has_room(&self) -> bool {
        self.bytes() <= self.limit / 2
    }

    /// Parks something until a batch is durable, behind everything that is parked.
    pub(crate) fn park(&mut self, batch: u64, what: Parked) {
        let batch = self.parked.back().map_or(batch, |(last, _)| batch.max(*last));
        self.parked_bytes += what.weight();
        self.parked.push_back((batch, what));
        self.parked_ever += 1;
    }

    /// All batches up to this one are durable.
    pub(crate) fn reached(&mut self, batch: u64) {
        self.durable = self.durable.max(batch);
        while let Some((number, weight)) = self.under_way.front().copied()
            && number <= self.durable
        {
            self.under_way.pop_front();
            self.bytes -= weight;
        }
        while self.going.front().is_some_and(|(batch, _)| *batch <= self.durable) {
            self.going.pop_front();
        }
    }

    /// The next that waits no more.
    pub(crate) fn let_go(&mut self) -> Option<Parked> {
        let (batch, _) = self.parked.front()?;
        if *batch > self.durable {
            return None;
        }
        self.let_go_ever += 1;
        if !self.leaving.is_empty() {
            let gone = self.let_go_ever;
            self.leaving.retain(|(last, _)| *last > gone);
        }
        let (_, what) = self.parked.pop_front()?;
        self.parked_bytes -= what.weight();
        Some(what)
    }

    /// The store has failed.
    pub(crate) fn fail(&mut self) {
        if !self.ops.is_empty() {
            // What was noted in this turn is lost as well: a batch that never becomes durable, for whoever asks for it again.
            self.number += 1;
        }
        self.ops = Vec::new();
        self.failed |= self.on;
        self.leaving.clear();
        self.let_go_ever = self.parked_ever;
        self.on = false;
        (self.urgent, self.due, self.at_hand, self.bytes) = (false, None, 0, 0);
        self.under_way.clear();
    }

    /// After a failure: what would wait for ever, each with whether its batch is durable, and only its turn had not come.
    pub(crate) fn take_parked(&mut self) -> Vec<(bool, Parked)> {
        self.parked_bytes = 0;
        let (parked, durable) = (std::mem::take(&mut self.parked), self.durable);
        parked
            .into_iter()
            .map(|(batch, what)| (batch <= durable, what))
            .collect()
    }

    /// What has to leave now. `reading`: something is to be read that may have been noted just now.
    pub(crate) fn take(&mut self, now: Time, reading: bool) -> Option<Batch> {
        let due = self.urgent || reading || self.due.is_some_and(|due| due <= now);
        if self.ops.is_empty() || !due {
            return None;
        }
        // The next batch is likely to be as long as this one: then it grows once, not ten times.
        let next = Vec::with_capacity(self.ops.len().min(MOST_ROOM));
        let batch = Batch {
            source: self.source,
            number: self.number,
            ops: std::mem::replace(&mut self.ops, next),
        };
        self.under_way
            .push_back((self.number, std::mem::take(&mut self.at_hand)));
        self.number += 1;
        (self.urgent, self.due) = (false, None);
        Some(batch)
    }

    /// When something has to leave at the latest.
    #[inline]
    pub(crate) const fn deadline(&self) -> Option<Time> {
        self.due
    }

    /// Bytes on their way to the store, and of what waits for it.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes + self.parked_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op() -> Op {
        Op::SessionDeleted { session: SessionNo(1) }
    }

    fn journal() -> Journal {
        Journal::new(0, 1, (true, 1000))
    }

    #[test]
    fn what_nobody_waits_for_leaves_late_and_what_somebody_waits_for_at_once() {
        let mut journal = journal();
        let at = Time::from_millis;
        journal.note(op(), at(5));
        assert_eq!(journal.take(at(6), false), None);
        assert_eq!(journal.deadline(), Some(at(5 + LAZY_MS)));
        assert_eq!(journal.take(at(5 + LAZY_MS), false).unwrap().number, 1);
        journal.note(op(), at(200));
        assert_eq!(journal.needs(), 2);
        let batch = journal.take(at(200), false).unwrap();
        assert_eq!((batch.number, batch.ops.len()), (2, 1));
        journal.note(op(), at(200));
        assert_eq!(
            journal.take(at(200), true).unwrap().number,
            3,
            "a read sees what was noted"
        );
        assert_eq!((journal.take(at(999), true), journal.deadline()), (None, None));
    }

    #[test]
    fn what_is_parked_goes_in_order_and_not_before_its_batch() {
        let (mut journal, conn) = (journal(), ConnKey { slot: 1, generation: 1 });
        for (batch, id) in [(2, 1), (0, 2), (3, 3)] {
            let id = PacketId::new(id).unwrap();
            journal.park(batch, Parked::Ack(conn, AckKind::PubAck, id));
        }
        let free = |journal: &mut Journal| std::iter::from_fn(|| journal.let_go()).count();
        journal.reached(1);
        assert_eq!(free(&mut journal), 0, "nothing overtakes what was parked before");
        journal.reached(2);
        assert_eq!(free(&mut journal), 2);
        journal.fail();
        assert_eq!(journal.take_parked().len(), 1);
        assert!(journal.has_failed() && !journal.is_on() && journal.is_quiet());
    }

    #[test]
    fn bytes_count_until_they_are_durable() {
        let mut journal = journal();
        while !journal.is_full() {
            journal.note(op(), Time::ZERO);
        }
        journal.needs();
        assert!(journal.take(Time::ZERO, false).is_some() && journal.is_full());
        journal.reached(1);
        assert!(journal.has_room() && journal.bytes() == 0);
    }
}
