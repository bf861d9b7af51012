//! What is kept in memory: which sessions are owed which messages, by number.
//!
//! What must hold: it is the state of the last commit, except while one is made. Where a commit fails it is thrown away
//! and loaded again. Deliberately absent: SQL.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use burgee_codec::{PacketId, QoS};
use burgee_store::{MessageNo, OwedRef, Removals, SessionNo};

use crate::changes::Changes;
use crate::lane::{Entry, Lane, Left};
use crate::rows::Targets;
use crate::schema::Format;
use crate::session::{Out, Session};
use crate::totals::{Told, Totals};

/// Session numbers are given by the broker: one multiplication spreads them well enough.
#[derive(Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

pub(crate) type Sessions = HashMap<SessionNo, Session, BuildHasherDefault<NumberHasher>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) sessions: Sessions,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) totals: Totals,
    /// What the row of `meta` says, or will when this commit is made.
    pub(crate) told: Told,
    /// Bytes of the longest head that a message has had since the store was opened.
    pub(crate) longest_head: usize,
    /// Retained messages that are gone.
    pub(crate) removals: Removals,
    /// How the file is read.
    pub(crate) format: Format,
}

impl State {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            removals: Removals::default(),
            format,
            sessions: Sessions::default(),
            lanes: Vec::new(),
            totals: Totals::EMPTY,
            told: Told::EMPTY,
            longest_head: 0,
        }
    }

    /// The index of a source's lane.
    pub(crate) fn lane_of(&mut self, source: u16) -> u16 {
        let at = self.lanes.iter().position(|lane| lane.source == source);
        let at = at.unwrap_or_else(|| {
            self.lanes.push(Lane::new(source));
            self.lanes.len() - 1
        });
        // There are no more lanes than sources.
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    pub(crate) fn lane(&self, lane: u16) -> Option<&Lane> {
        self.lanes.get(usize::from(lane))
    }

    /// A message that somebody is owed.
    pub(crate) fn message(&self, message: MessageNo) -> Option<Entry> {
        self.lanes.iter().find_map(|lane| lane.get(message.0))
    }

    /// Whether a number has an entry; one of the commit that is being made counts although it is gone.
    pub(crate) fn knows_message(&self, message: MessageNo) -> bool {
        self.lanes.iter().any(|lane| lane.knows(message.0))
    }

    /// What a session is owed behind a number.
    pub(crate) fn owed(&self, session: SessionNo, after: MessageNo) -> impl Iterator<Item = OwedRef> {
        let session = self.sessions.get(&session);
        session.into_iter().flat_map(move |session| {
            session.owed(after).filter_map(move |(lane, message, qos)| {
                let entry = self.lane(lane)?.get(message.0)?;
                Some(OwedRef {
                    message,
                    bytes: entry.bytes(),
                    qos,
                    retain: entry.retain(),
                    delivery: session.delivery(message).map(|out| (out.id, out.stage)),
                })
            })
        })
    }

    /// The commit is over.
    pub(crate) fn clean(&mut self) {
        for lane in &mut self.lanes {
            lane.clean();
        }
    }
}

/// Operations.
impl State {
    /// Whom a message is owed to: their number. Encodes them on the way.
    pub(crate) fn owe(
        &mut self,
        lane: u16,
        message: (MessageNo, u32),
        owing: &[(SessionNo, QoS)],
        targets: &mut Targets<'_>,
    ) -> u32 {
        let (message, bytes) = message;
        let mut count = 0;
        for &(number, qos) in owing {
            let Some(session) = self.sessions.get_mut(&number) else {
                continue;
            };
            if session.owe(lane, message, qos) {
                session.messages += 1;
                session.bytes += u64::from(bytes);
                count += 1;
            }
            targets.push(number, qos);
        }
        count
    }

    pub(crate) fn settle(&mut self, number: SessionNo, message: MessageNo, changes: &mut Changes) {
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        let Some(lane) = session.settle(message) else {
            return;
        };
        if session.end_delivery(message) {
            self.totals.deliveries -= 1;
            changes.deliveries.push((number, message, true));
        }
        session.messages -= 1;
        if let Some((place, entry, left)) = release(
            &mut self.lanes,
            (&mut self.totals, &mut self.told),
            (lane, message),
            &mut changes.gone,
        ) {
            session.bytes -= u64::from(entry.bytes());
            if left == Left::Owed {
                changes.settled.push((number, lane, place));
            }
        }
    }

    pub(crate) fn deliver(&mut self, number: SessionNo, new: Out, changes: &mut Changes) {
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        let before = session.delivery(new.message);
        if before.is_none() && !session.owes(new.message) {
            return;
        }
        if before.is_none_or(|before| before.id != new.id)
            && let Some(robbed) = session.delivery_with(new.id)
        {
            session.end_delivery(robbed.message);
            self.totals.deliveries -= 1;
            changes.deliveries.push((number, robbed.message, true));
        }
        let known = session.deliver(new);
        self.totals.deliveries += u64::from(!known);
        changes.deliveries.push((number, new.message, known));
    }

    pub(crate) fn receive(&mut self, number: SessionNo, id: PacketId, changes: &mut Changes) {
        if let Some(session) = self.sessions.get_mut(&number)
            && !session.receive(id)
        {
            self.totals.received += 1;
            changes.received.push((number, id, false));
        }
    }

    pub(crate) fn free(&mut self, number: SessionNo, id: PacketId, changes: &mut Changes) {
        if let Some(session) = self.sessions.get_mut(&number)
            && session.free(id)
        {
            self.totals.received -= 1;
            changes.received.push((number, id, true));
        }
    }

    /// Whether it was there.
    pub(crate) fn delete(&mut self, number: SessionNo, changes: &mut Changes) -> bool {
        let Some(session) = self.sessions.remove(&number) else {
            return false;
        };
        for (lane, message, _) in session.owed(MessageNo(0)) {
            release(
                &mut self.lanes,
                (&mut self.totals, &mut self.told),
                (lane, message),
                &mut changes.gone,
            );
        }
        let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        self.totals.sessions -= 1;
        self.totals.received -= count(session.received().len());
        self.totals.deliveries -= count(session.deliveries().count());
        self.totals.cursors -= count(session.lanes().filter(|refs| refs.stored).count());
        true
    }
}

/// One session less is owed a message; as [`Lane::release`].
fn release(
    lanes: &mut [Lane],
    (totals, told): (&mut Totals, &mut Told),
    message: (u16, MessageNo),
    gone: &mut Vec<u64>,
) -> Option<(usize, Entry, Left)> {
    let (lane, message) = message;
    let (place, entry, left) = lanes.get_mut(usize::from(lane))?.release(message.0)?;
    if left != Left::Owed {
        totals.messages -= 1;
        totals.message_bytes -= u64::from(entry.bytes());
    }
    if left == Left::Stored {
        if message.0 < told.counted {
            told.messages -= 1;
            told.message_bytes -= u64::from(entry.bytes());
        }
        gone.push(message.0);
    }
    Some((place, entry, left))
}
