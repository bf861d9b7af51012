//! Answers and what else waits for the store, and what happens once it has spoken.
//!
//! What must hold: an answer leaves when what it promises is durable, and never before an earlier answer of the same
//! connection. After a failure nothing that waited is sent, but for wills: its connection is closed [MQTT-4.8.0-2]; whoever
//! needs no store is served on. Deliberately absent: what is written down; see `keep` and `journal`.

use std::collections::BTreeMap;

use burgee_codec::{AckKind, Packet, PacketId, Properties, SubAck, UnsubAck};
use burgee_protocol::session::Deliverable;
use burgee_store::{Body, MessageNo};

use crate::conns::Hold;
use crate::io::{CloseMode, ConnKey, Effects, ReadKey};
use crate::job::Job;
use crate::journal::{Parked, ours};
use crate::outbound::{Outbound, packet};
use crate::sessions::SessionKey;
use crate::state::Shard;

impl Shard {
    /// Sends an answer of four bytes once `need` is durable.
    #[inline]
    pub(crate) fn answer(&mut self, conn: ConnKey, need: u64, (kind, id): (AckKind, PacketId), fx: &mut Effects) {
        if need == 0 && self.journal.is_quiet() && self.parked_jobs == 0 {
            // Nobody waits for a store: that is what there is most of.
            self.send_ack(conn, packet(kind, id), fx);
        } else {
            self.answer_later(conn, need, (kind, id), fx);
        }
    }

    fn answer_later(&mut self, conn: ConnKey, need: u64, (kind, id): (AckKind, PacketId), fx: &mut Effects) {
        if self.journal.is_durable(need) && !self.has_parked(conn) {
            self.send_ack(conn, packet(kind, id), fx);
            return;
        }
        self.count_parked(conn);
        self.journal.park(need, Parked::Ack(conn, kind, id));
    }

    /// Whether something of this connection waits for the store: what follows has to wait behind it.
    #[inline]
    pub(crate) fn has_parked(&self, conn: ConnKey) -> bool {
        let something = !self.journal.is_quiet() || self.parked_jobs > 0;
        something
            && self
                .conns
                .get(conn)
                .and_then(|conn| conn.open())
                .is_some_and(|open| open.parked > 0)
    }

    pub(crate) fn count_parked(&mut self, conn: ConnKey) {
        if let Some(open) = self.conns.open_mut(conn) {
            open.parked += 1;
        }
    }

    pub(crate) fn uncount_parked(&mut self, conn: ConnKey) {
        if let Some(open) = self.conns.open_mut(conn) {
            open.parked = open.parked.saturating_sub(1);
        } else {
            self.lingering.answered(conn);
        }
    }

    /// Whether a connection can still be answered: one that has left in peace hears what it asked before.
    pub(crate) fn hears(&self, conn: ConnKey) -> bool {
        self.conns.get(conn).is_some() || self.lingering.has(conn)
    }

    /// All batches up to this one are durable.
    pub(crate) fn durable(&mut self, batch: u64, fx: &mut Effects) {
        self.journal.reached(batch);
        self.let_parked_go(fx);
    }

    /// Reads those again who had to wait, once there is room.
    pub(crate) fn resume_store_waiters(&mut self, fx: &mut Effects) {
        if self.journal.has_room() {
            for conn in core::mem::take(&mut self.store_waiters) {
                self.unhold(conn, Hold::Store, fx);
            }
        }
    }

    /// The end of a turn: lets go what waits no more, and closes those who waited for nothing else.
    pub(crate) fn let_all_go(&mut self, fx: &mut Effects) {
        if !self.journal.is_quiet() {
            self.let_parked_go(fx);
        }
        if !self.lingering.is_empty() {
            let done = self.lingering.done(self.now);
            fx.closes
                .extend(done.into_iter().map(|conn| (conn, CloseMode::AfterFlush)));
        }
    }

    /// Lets go what waits no more. Behind a fan-out that is left over all waits on: its answer comes before theirs.
    pub(crate) fn let_parked_go(&mut self, fx: &mut Effects) {
        while self.parked_jobs == 0
            && let Some(what) = self.journal.let_go()
        {
            self.go_on(what, fx);
        }
    }

    fn go_on(&mut self, what: Parked, fx: &mut Effects) {
        match what {
            Parked::Welcome(conn, resumed) => {
                self.uncount_parked(conn);
                self.greet(conn, resumed, fx);
                self.unhold(conn, Hold::Welcome, fx);
            }
            Parked::Ack(conn, kind, id) => {
                // A connection that has ended meanwhile is told nothing more.
                if self.hears(conn) {
                    self.uncount_parked(conn);
                    self.send_ack(conn, packet(kind, id), fx);
                }
            }
            Parked::UnsubAck(conn, id) => {
                if self.hears(conn) {
                    self.uncount_parked(conn);
                    self.send_unsuback(conn, id, fx);
                }
            }
            Parked::SubAck(subscribed) => self.subscribed(*subscribed, fx),
            Parked::FanOut(job) => {
                self.fan_out_now(*job);
                self.work_off_jobs(fx);
            }
            Parked::Delivery(key, id) => {
                if let Some(flow) = self.sessions.get_mut(key).and_then(|session| session.flow_if_any()) {
                    flow.outgoing.unseal(id);
                    self.pump(key, fx);
                }
            }
            Parked::Release(key, conn, id) => self.release(key, conn, id, fx),
        }
    }

    /// PUBREC was received for good.
    fn release(&mut self, key: SessionKey, conn: ConnKey, id: PacketId, fx: &mut Effects) {
        self.uncount_parked(conn);
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let here = session.conn == Some(conn);
        let Some(flow) = session.flow_if_any() else { return };
        if flow.outgoing.unseal(id) && here {
            self.send_ack(conn, packet(AckKind::PubRel, id), fx);
        }
        self.pump(key, fx);
    }

    pub(crate) fn send_suback(&mut self, conn: ConnKey, packet_id: PacketId, codes: &[u8], fx: &mut Effects) {
        // [MQTT-3.8.4-1] [MQTT-2.3.1-7] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.9.3-1] one code for each filter, in their
        // order.
        let suback = SubAck {
            packet_id,
            codes,
            properties: Properties::default(),
        };
        self.send(conn, Packet::SubAck(suback), fx);
    }

    pub(crate) fn send_unsuback(&mut self, conn: ConnKey, packet_id: PacketId, fx: &mut Effects) {
        let unsuback = UnsubAck {
            packet_id,
            codes: &[],
            properties: Properties::default(),
        };
        self.send(conn, Packet::UnsubAck(unsuback), fx);
    }

    /// The store has failed: what waits for it would wait for ever.
    pub(crate) fn store_failed(&mut self, fx: &mut Effects) {
        self.counters.store_failed = 1;
        self.counters.store_bytes = 0;
        self.journal.fail();
        // What this turn asked for before it heard of the failure.
        fx.reads.clear();
        self.give_back(fx);
        self.lingering.give_up();
        for conn in core::mem::take(&mut self.store_waiters) {
            self.unhold(conn, Hold::Store, fx);
        }
    }

    /// Closes who waits for a store that has failed. Wills that wait go out, for nobody else would send them any more.
    pub(crate) fn give_back(&mut self, fx: &mut Effects) {
        for (is_durable, what) in self.journal.take_parked() {
            let conn = match what {
                Parked::Welcome(conn, _)
                | Parked::Ack(conn, ..)
                | Parked::UnsubAck(conn, _)
                | Parked::Release(_, conn, _) => Some(conn),
                Parked::SubAck(subscribed) => Some(subscribed.conn),
                Parked::FanOut(job) if job.answer.is_none() => {
                    self.fan_out_without_store(*job, is_durable, fx);
                    None
                }
                Parked::FanOut(job) => job.answer.map(|answer| answer.conn),
                // A delivery stays sealed: nobody was told.
                Parked::Delivery(..) => None,
            };
            if let Some(conn) = conn
                && self.conns.get(conn).is_some()
            {
                // [MQTT-4.8.0-2] what cannot be kept is not acknowledged.
                self.fail(conn, ours(), fx);
            }
        }
    }

    /// [MQTT-3.1.2-8] a will that was to wait. Where its batch is durable the store has forgotten it, and knows who is owed it;
    /// where it is not, that is as if the connection had ended after the failure.
    fn fan_out_without_store(&mut self, mut job: Job, is_durable: bool, fx: &mut Effects) {
        if !is_durable {
            if job.once {
                // The store still has it, and publishes it after the restart.
                return;
            }
            job.plan = self.plan_own(&job.route, &mut Outbound::from_message(&job.message));
        }
        self.jobs.push_back(job);
        self.work_off_jobs(fx);
    }

    /// Messages that a session asked the store for.
    pub(crate) fn bodies(&mut self, key: ReadKey, bodies: Vec<(MessageNo, Body)>, fx: &mut Effects) {
        let key = SessionKey {
            slot: key.slot,
            generation: key.generation,
        };
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let (kept, connected) = (session.kept, session.conn.is_some());
        let Some(flow) = session.flow_if_any() else { return };
        let asked = core::mem::take(&mut flow.asked);
        if !connected {
            // It asks again when it is back.
            return;
        }
        let bodies: BTreeMap<u64, Body> = bodies.into_iter().map(|(number, body)| (number.0, body)).collect();
        let mut lost = Vec::new();
        // What was asked for is what comes next; it can have been pushed back by what a lost connection left unfinished.
        let reach = usize::from(self.config.window) + asked.len();
        for delivery in flow.outgoing.away_mut().take(reach) {
            let number = delivery.number();
            if let Some(body) = bodies.get(&number) {
                delivery.message.come_back(body);
                self.counters.hold(delivery.weight());
            } else if asked.binary_search(&number).is_ok() {
                lost.push((number, delivery.weight()));
            }
        }
        // The store knows of no debt any more; waiting for it would hold up everything behind it.
        let gone = |number: u64| lost.iter().any(|(lost, _)| *lost == number);
        if !lost.is_empty() {
            let count = flow.outgoing.lose(|delivery| gone(delivery.number()));
            debug_assert_eq!(count, lost.len(), "each was found just now");
        }
        for (_, weight) in lost {
            self.counters.dropped_not_kept += 1;
            self.counters.settled(weight, false);
        }
        debug_assert!(kept.is_kept(), "only kept sessions ask");
        self.pump(key, fx);
    }
}
