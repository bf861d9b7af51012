//! One verb: a session's copy of a message goes out, or waits, or is dropped and counted.
//!
//! What must hold: no subscriber is waited for, and none makes anything grow without bound: QoS 0 is dropped while
//! the outbox is above its limit, QoS 1 and 2 wait in the session's bounded queue. What a store keeps for a client that
//! is away or slow waits there, and memory has its number alone. Acknowledgements wait for no client.
//! Deliberately absent: who is owed what; see `publish`.

use burgee_codec::{Ack, Packet, PacketId, QoS, Version};
use burgee_protocol::Time;
use burgee_protocol::session::{Deliverable, Policy, Send};
use burgee_store::{MessageNo, Op, SessionNo, Stage};

use crate::counters::Counters;
use crate::io::{ConnKey, Effects, Event, Read, ReadKey};
use crate::journal::{Journal, Parked};
use crate::memory::ask_for_room;
use crate::outbound::{Outbound, append, write_delivery};
use crate::pressure::{MODEST, Pressure};
use crate::sessions::{Delivery, Flow, SessionKey, shown};
use crate::state::Shard;

impl Shard {
    /// Gives one copy to a session of this shard; `qos` is the QoS of the delivery, `number` that under which the store
    /// has it, if this session is kept.
    #[inline]
    pub(crate) fn deliver(
        &mut self,
        to: SessionKey,
        (qos, retain, number): (QoS, bool, u64),
        out: &mut Outbound<'_>,
        fx: &mut Effects,
    ) {
        if self.restrictive && !self.may_get(to, out.topic(), number, fx) {
            return;
        }
        let (limits, stamp, pressure) = (self.outbox_limits(), self.stamp(), self.pressure);
        let Some(session) = self.sessions.get_mut(to) else {
            return;
        };
        let (conn, version) = (session.line(), session.version);
        if qos == QoS::AtMostOnce {
            let Some(conn) = conn else {
                return self.hold_qos0(to, retain, out);
            };
            let Some(outbox) = fx.outboxes.writer(conn) else { return };
            let before = outbox.len();
            if outbox.is_above(limits.0, limits.1) {
                self.counters.dropped_outbox_full += 1;
            } else {
                out.write_qos0(retain, version, outbox);
                self.counters.sent_publish(outbox.len() - before, out.payload_len());
            }
            return;
        }
        if number == 0 && qos == QoS::ExactlyOnce && session.kept.is_kept() {
            // The store has failed. An identifier that is not kept would be given twice after a restart.
            self.counters.dropped_not_kept += 1;
            return;
        }
        let mut delivery = Delivery {
            message: out.copy(&mut self.batch),
            qos,
            retain,
            again: false,
            stamp,
        };
        let number = if session.kept.is_kept() { number } else { 0 };
        delivery.message.set_number(number);
        let flow = session.flow(self.config.window);
        self.counters.queued_messages += 1;
        self.counters.queued_bytes += delivery.weight() as u64;
        let line = conn.map(|conn| Line {
            conn,
            version,
            limits,
            pressure,
        });
        // The identifier of a QoS 2 delivery of a kept session has to be durable before it is used.
        let at_once = if number > 0 && qos == QoS::ExactlyOnce {
            Err(delivery)
        } else {
            send_at_once(flow, delivery, line, &mut self.counters, fx)
        };
        let Err(mut delivery) = at_once else {
            return;
        };
        // It waits, nobody knows for how long.
        delivery.message.clone_from(out.settled());
        delivery.message.set_number(number);
        let held = flow.outgoing.queue().bytes();
        if line.is_none() || held > HERE || !pressure.may_queue(held) {
            delivery.let_go();
        }
        if delivery.is_here() && !pressure.may_queue(held) {
            self.counters.dropped_memory += 1;
            self.counters.settled(delivery.weight(), false);
            return;
        }
        let first_drop = self.wait(to, delivery);
        if first_drop && fx.debug {
            self.tell_full(to, fx);
        }
        if line.is_some() {
            self.pump_only(to, fx);
        }
    }

    /// Puts a copy into the queue. Says whether something was dropped for the first time since it was last empty.
    fn wait(&mut self, key: SessionKey, delivery: Delivery) -> bool {
        let Some(session) = self.sessions.get_mut(key) else {
            return false;
        };
        let kept = SessionNo(session.kept.number());
        let line = session
            .line()
            .filter(|_| self.config.queue.policy == Policy::Disconnect);
        let flow = session.flow(self.config.window);
        if delivery.is_here() {
            self.counters.hold(delivery.weight());
        }
        let mut dropped = flow.outgoing.push(delivery, &self.config.queue);
        let mut first_drop = false;
        while let Some(message) = dropped {
            self.counters.dropped_queue_full += 1;
            // Not closed here: its will may go to others whose queues are full.
            self.overrun.extend(line);
            self.counters.settled(message.weight(), message.is_here());
            if message.number() > 0 {
                let message = MessageNo(message.number());
                self.journal.note(Op::Settled { session: kept, message }, self.now);
            }
            first_drop |= !core::mem::replace(&mut flow.full, true);
            dropped = flow.outgoing.excess(&self.config.queue);
        }
        first_drop
    }

    fn tell_full(&mut self, key: SessionKey, fx: &mut Effects) {
        if let Some(session) = self.sessions.get_mut(key) {
            fx.events.push(Event::QueueFull {
                client_id: shown(&session.client_id),
            });
        }
    }

    /// Writes a QoS 0 copy, whatever the outbox holds.
    #[inline]
    pub(crate) fn send_qos0(
        &mut self,
        conn: ConnKey,
        (retain, version): (bool, Version),
        out: &mut Outbound<'_>,
        fx: &mut Effects,
    ) {
        let Some(outbox) = fx.outboxes.writer(conn) else { return };
        let before = outbox.len();
        out.write_qos0(retain, version, outbox);
        self.counters.sent_publish(outbox.len() - before, out.payload_len());
    }

    /// Writes what a session's window allows; called whenever something may have changed for the better.
    pub(crate) fn pump(&mut self, key: SessionKey, fx: &mut Effects) {
        if self.pump_only(key, fx) {
            self.replay(key, fx);
        }
    }

    /// The same without retained messages. Says whether there are some to be sent.
    fn pump_only(&mut self, key: SessionKey, fx: &mut Effects) -> bool {
        let (limits, pressure) = (self.outbox_limits(), self.pressure);
        if self.config.message_expiry_ms > 0 {
            self.drop_old(key);
        }
        if self.restrictive && !self.sift(key, fx) {
            return false;
        }
        let Some(session) = self.sessions.get_mut(key) else {
            return false;
        };
        let (Some(conn), version, kept) = (session.line(), session.version, session.kept) else {
            return false;
        };
        let Some(flow) = session.flow_if_any() else {
            return false;
        };
        if kept.is_kept() && flow.outgoing.has_next() {
            let (journal, now) = (&mut self.journal, self.now);
            let weight = flow.outgoing.queue().front().map_or(0, Deliverable::weight);
            flow.outgoing.fill(pressure.most_in_flight(weight), |id, delivery| {
                let kept = SessionNo(kept.number());
                delivery.qos == QoS::ExactlyOnce && seal(journal, (key, kept), (id, delivery.number()), now)
            });
        }
        let line = Line {
            conn,
            version,
            limits,
            pressure,
        };
        pump(flow, (line, kept.is_kept()), &mut self.counters, fx);
        if self.journal.is_on() && flow.asked.is_empty() && flow.outgoing.next_is_away() {
            let takes = fx
                .outboxes
                .get(conn)
                .is_some_and(|outbox| !outbox.is_above(limits.0, limits.1));
            if takes && (pressure == Pressure::None || flow.outgoing.on_the_wire() == 0) {
                fx.reads.push(ask(flow, key, pressure));
            }
        }
        !flow.replays.is_empty()
    }

    /// Sends an acknowledgement without a reason; it waits behind nothing.
    #[inline]
    pub(crate) fn send_ack(&mut self, conn: ConnKey, ack: Packet<'_>, fx: &mut Effects) {
        if let Some(outbox) = fx.outboxes.writer(conn) {
            let before = outbox.len();
            // It has the same four bytes in every version.
            append(outbox, ack, Version::V311);
            self.counters.sent_packet(outbox.len() - before);
        }
    }

    /// Sends an answer that waits behind nothing.
    pub(crate) fn send(&mut self, conn: ConnKey, packet: Packet<'_>, fx: &mut Effects) {
        let version = self
            .conns
            .get(conn)
            .and_then(|conn| conn.open())
            .map_or(Version::V311, |open| open.version);
        if let Some(outbox) = fx.outboxes.writer(conn) {
            let before = outbox.len();
            append(outbox, packet, version);
            self.counters.sent_packet(outbox.len() - before);
        }
    }
}

/// Bytes that may wait in memory for one client that is connected; beyond, kept messages wait in the store alone.
const HERE: usize = 1024 * 1024;
/// What is read from the store at once: messages and bytes.
const PAGE: (usize, usize) = (128, 256 * 1024);

/// Notes the identifier of a QoS 2 delivery. Says whether its packet has to wait for that.
fn seal(
    journal: &mut Journal,
    (key, session): (SessionKey, SessionNo),
    (id, number): (PacketId, u64),
    now: Time,
) -> bool {
    if number == 0 || !journal.is_on() {
        // Without a store nothing waits; after a failure, what was kept must not go out under an identifier that is not.
        return number > 0 && journal.has_failed();
    }
    let published = Op::Delivery {
        session,
        message: MessageNo(number),
        id,
        stage: Stage::Published,
    };
    journal.note(published, now);
    let batch = journal.needs();
    journal.park(batch, Parked::Delivery(key, id));
    true
}

/// Asks the store for what a session is sent next.
fn ask(flow: &mut Flow, key: SessionKey, pressure: Pressure) -> Read {
    let most = if pressure == Pressure::None { PAGE.1 } else { MODEST.2 };
    let mut bytes = 0;
    let page = flow.outgoing.away().take(PAGE.0).take_while(|delivery| {
        let first = bytes == 0;
        bytes += delivery.weight();
        first || bytes <= most
    });
    let messages: Vec<MessageNo> = page.map(|delivery| MessageNo(delivery.number())).collect();
    flow.asked = messages.iter().map(|message| message.0).collect();
    flow.asked.sort_unstable();
    Read {
        key: ReadKey {
            slot: key.slot,
            generation: key.generation,
        },
        messages,
    }
}

/// Where a pump writes to.
#[derive(Copy, Clone)]
struct Line {
    conn: ConnKey,
    version: Version,
    limits: (usize, usize),
    pressure: Pressure,
}

/// Puts a copy into the window and writes it, if nothing waits before it and the client takes what it is sent. Else
/// gives it back.
#[inline]
fn send_at_once(
    flow: &mut Flow,
    delivery: Delivery,
    line: Option<Line>,
    counters: &mut Counters,
    fx: &mut Effects,
) -> Result<(), Delivery> {
    let Some(line) = line else { return Err(delivery) };
    let Some(outbox) = fx.outboxes.writer(line.conn) else {
        return Err(delivery);
    };
    if outbox.is_above(line.limits.0, line.limits.1) {
        return Err(delivery);
    }
    if line.pressure != Pressure::None && flow.outgoing.in_flight() >= line.pressure.most_in_flight(delivery.weight()) {
        return Err(delivery);
    }
    flow.outgoing.send_at_once(delivery, |id, delivery| {
        let before = outbox.len();
        counters.hold(delivery.weight());
        write_delivery(delivery, id, false, line.version, outbox);
        counters.sent_publish(outbox.len() - before, delivery.message.payload().len());
    })
}

/// Writes from the window and the queue while the client keeps taking. From the queue of a kept session nothing is taken
/// here: it gets its identifier where that is noted, or a restart would not know it.
fn pump(flow: &mut Flow, (line, kept): (Line, bool), counters: &mut Counters, fx: &mut Effects) {
    if !flow.outgoing.has_next() {
        return;
    }
    let Some(outbox) = fx.outboxes.writer(line.conn) else {
        return;
    };
    while !outbox.is_above(line.limits.0, line.limits.1) {
        let before = outbox.len();
        let waits = flow.outgoing.queue().front().filter(|_| !kept);
        let most = waits.map_or(0, |delivery| line.pressure.most_in_flight(delivery.weight()));
        match flow.outgoing.next_within(most) {
            None => {
                flow.full = false;
                return;
            }
            Some(Send::Publish { id, dup, message }) => {
                write_delivery(message, id, dup, line.version, outbox);
                counters.sent_publish(outbox.len() - before, message.message.payload().len());
            }
            Some(Send::Release { id }) => {
                append(outbox, Packet::PubRel(Ack::new(id)), line.version);
                counters.sent_packet(outbox.len() - before);
            }
        }
    }
    // The event loop says when the client has taken half of it.
    ask_for_room(outbox, line.pressure, line.limits.0);
}
