//! A broker without sockets that costs next to nothing itself: bytes go in as they are, what comes out is thrown away.
//!
//! What must hold: the core sees what the event loop would show it: one lot of bytes for each connection and turn,
//! outboxes emptied behind the turn. Deliberately absent: partial packets, slow readers, time that passes.

use std::sync::Arc;

use burgee_codec::QoS;
use burgee_core::io::{ConnKey, Effects, Input, Inputs, ListenerNo, Parcel, ShardId};
use burgee_core::{Config, Counters, Shard, Shared};
use burgee_protocol::Time;

use crate::packets;

/// A client's connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Line {
    pub(crate) shard: usize,
    pub(crate) conn: ConnKey,
}

/// What a connection sends in one turn.
pub(crate) type Lot = (ConnKey, Vec<u8>);

/// See the module.
pub(crate) struct World {
    shards: Vec<Shard>,
    effects: Vec<Effects>,
    slots: u32,
    generations: u32,
}

/// The inputs of one turn.
struct Feed<'a> {
    accepted: Option<ConnKey>,
    mail: Option<(ShardId, Parcel)>,
    lots: core::slice::Iter<'a, Lot>,
    lent: usize,
}

impl<'a> Feed<'a> {
    fn of(lots: &'a [Lot]) -> Self {
        Self {
            accepted: None,
            mail: None,
            lots: lots.iter(),
            lent: 0,
        }
    }
}

impl Inputs for Feed<'_> {
    fn next(&mut self) -> Option<Input<'_>> {
        if let Some(conn) = self.accepted.take() {
            return Some(Input::Accepted {
                conn,
                listener: ListenerNo::default(),
                address: None,
            });
        }
        if let Some((from, parcel)) = self.mail.take() {
            return Some(Input::Mail { from, parcel });
        }
        let (conn, bytes) = self.lots.next()?;
        self.lent = bytes.len();
        Some(Input::Bytes { conn: *conn, bytes })
    }

    fn consumed(&mut self, used: usize, _needed: usize) {
        assert_eq!(used, self.lent, "a case's bytes are taken at once");
    }
}

impl World {
    /// A broker with so many shards and no clients.
    pub(crate) fn new(shards: ShardId) -> Self {
        let config = Config {
            shards,
            // Nothing of its own accord: only what a case does is to be counted.
            sys_interval_ms: 0,
            ..Config::default()
        };
        let (shared, config) = (Arc::new(Shared::new([1, 2, 3, 4])), Arc::new(config));
        let make = |id| Shard::new(id, Arc::clone(&config), Arc::clone(&shared), [u64::from(id), 7, 8, 9]);
        Self {
            shards: (0..shards).map(make).collect(),
            effects: (0..shards).map(|_| Effects::new(shards, config.mail_bytes)).collect(),
            slots: 0,
            generations: 0,
        }
    }

    /// A key as the event loop would give it to the next connection in this slot.
    pub(crate) fn next_key(&mut self, slot: u32) -> ConnKey {
        self.generations += 1;
        ConnKey {
            slot,
            generation: self.generations,
        }
    }

    /// A slot that no connection had yet.
    pub(crate) fn next_slot(&mut self) -> u32 {
        self.slots += 1;
        self.slots
    }

    /// Connects a client whose identifier belongs to shard `at`.
    pub(crate) fn connect(&mut self, at: usize) -> Line {
        loop {
            let slot = self.next_slot();
            let conn = self.next_key(slot);
            let line = Line { shard: at, conn };
            let bytes = packets::connect(&format!("client-{slot}"), true);
            if self.accept(line, bytes) {
                return line;
            }
        }
    }

    /// A connection comes in with its CONNECT. False: it belongs to another shard, and is closed.
    fn accept(&mut self, line: Line, bytes: Vec<u8>) -> bool {
        let Some((shard, effects)) = self.at(line.shard) else {
            return false;
        };
        let lots = [(line.conn, bytes)];
        let mut feed = Taken(Feed {
            accepted: Some(line.conn),
            ..Feed::of(&lots)
        });
        shard.turn(Time::ZERO, &mut feed, effects);
        drain(effects, &mut |_, _| {});
        let moved = effects.moves.pop().is_some();
        if moved {
            effects.outboxes.close(line.conn);
        }
        !moved
    }

    /// Connects a client that has an open place and nothing else, in a turn that is counted.
    pub(crate) fn accept_counted(&mut self, line: Line, lots: &[Lot]) {
        let Some((shard, effects)) = self.at(line.shard) else {
            return;
        };
        let mut feed = Feed {
            accepted: Some(line.conn),
            ..Feed::of(lots)
        };
        shard.turn(Time::ZERO, &mut feed, effects);
        drain(effects, &mut |_, _| {});
    }

    pub(crate) fn subscribe(&mut self, line: Line, filter: &str, qos: QoS) {
        self.turn(
            line.shard,
            &[(line.conn, packets::subscribe(&[filter], qos))],
            |_, _| {},
        );
    }

    /// A turn of shard `at` with these bytes, and with what follows from it: outboxes emptied into `taken`, mail
    /// delivered, closed connections forgotten.
    #[inline]
    pub(crate) fn turn(&mut self, at: usize, lots: &[Lot], mut taken: impl FnMut(ConnKey, &[u8])) {
        let Some((shard, effects)) = self.at(at) else { return };
        shard.turn(Time::ZERO, &mut Feed::of(lots), effects);
        drain(effects, &mut taken);
        assert!(!effects.more, "a case's turn leaves nothing over");
        if self.shards.len() > 1 {
            self.deliver_mail(at, &mut taken);
        }
    }

    /// Hands the mail of a shard over, each parcel in a turn of the shard that it is for.
    fn deliver_mail(&mut self, from: usize, taken: &mut impl FnMut(ConnKey, &[u8])) {
        for to in 0..self.shards.len() {
            while let Some(parcel) = self.at(from).and_then(|(_, effects)| effects.mail.get_mut(to)?.pop()) {
                let Some((shard, effects)) = self.at(to) else { return };
                let mut feed = Feed {
                    mail: ShardId::try_from(from).ok().map(|from| (from, parcel)),
                    ..Feed::of(&[])
                };
                shard.turn(Time::ZERO, &mut feed, effects);
                drain(effects, taken);
            }
        }
    }

    /// PUBLISH packets that were put into outboxes.
    pub(crate) fn delivered(&self) -> u64 {
        self.counters().publish_sent
    }

    /// What all shards counted.
    pub(crate) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for shard in &self.shards {
            sum.add(shard.counters());
        }
        sum
    }

    fn at(&mut self, at: usize) -> Option<(&mut Shard, &mut Effects)> {
        self.shards.get_mut(at).zip(self.effects.get_mut(at))
    }
}

/// A feed whose bytes may be given back: those of a connection that moves.
struct Taken<'a>(Feed<'a>);

impl Inputs for Taken<'_> {
    fn next(&mut self) -> Option<Input<'_>> {
        self.0.next()
    }

    fn consumed(&mut self, _used: usize, _needed: usize) {}
}

/// Empties what the turn filled, as the event loop does when the kernel takes everything.
fn drain(effects: &mut Effects, taken: &mut impl FnMut(ConnKey, &[u8])) {
    while let Some(conn) = effects.outboxes.next_dirty() {
        let Some(outbox) = effects.outboxes.get_mut(conn) else {
            continue;
        };
        for chunk in outbox.chunks() {
            taken(conn, chunk);
        }
        outbox.consume(outbox.len());
        effects.outboxes.reclaim(conn);
    }
    while let Some((conn, _)) = effects.closes.pop() {
        effects.outboxes.close(conn);
    }
    assert!(effects.pauses.is_empty(), "a case makes nobody wait");
}
