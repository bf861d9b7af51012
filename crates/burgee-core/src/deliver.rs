//! One verb: a session's copy of a message goes out, or waits, or is dropped and counted.
//!
//! What must hold: no subscriber is waited for, and none makes anything grow without bound: QoS 0 is dropped while
//! the outbox is above its limit, QoS 1 and 2 wait in the session's bounded queue. Acknowledgements wait for nothing.
//! Deliberately absent: who is owed what; see `publish`.

use burgee_codec::{Ack, Packet, QoS, Version};
use burgee_protocol::session::{Deliverable, Send};

use crate::counters::Counters;
use crate::io::{ConnKey, Effects, Event};
use crate::outbound::{Outbound, append, write_delivery};
use crate::sessions::{Delivery, Flow, SessionKey, shown};
use crate::state::Shard;

impl Shard {
    /// Gives one copy to a session of this shard; `qos` is the QoS of the delivery.
    #[inline]
    pub(crate) fn deliver(
        &mut self,
        to: SessionKey,
        (qos, retain): (QoS, bool),
        out: &mut Outbound<'_>,
        fx: &mut Effects,
    ) {
        let limits = self.outbox_limits();
        let Some(session) = self.sessions.get_mut(to) else {
            return;
        };
        let (conn, version) = (session.conn, session.version);
        if qos == QoS::AtMostOnce {
            // [MQTT-3.1.2-5] QoS 0 for an absent client need not be stored, and is not.
            let Some(conn) = conn else { return };
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
        let delivery = Delivery {
            message: out.message(&mut self.batch).clone(),
            qos,
            retain,
        };
        let flow = session.flow(self.config.window);
        self.counters.queued_messages += 1;
        self.counters.queued_bytes += delivery.weight() as u64;
        let line = conn.map(|conn| Line { conn, version, limits });
        let Err(mut delivery) = send_at_once(flow, delivery, line, &mut self.counters, fx) else {
            return;
        };
        // It waits, nobody knows for how long.
        delivery.message.clone_from(out.settled());
        let mut dropped = flow.outgoing.push(delivery, &self.config.queue);
        let mut first_drop = false;
        while let Some(message) = dropped {
            self.counters.dropped_queue_full += 1;
            self.counters.settled(message.weight());
            first_drop |= !core::mem::replace(&mut flow.full, true);
            dropped = flow.outgoing.excess(&self.config.queue);
        }
        if first_drop && fx.debug {
            fx.events.push(Event::QueueFull {
                client_id: shown(&session.client_id),
            });
        }
        if let Some(line) = line
            && let Some(flow) = session.flow_if_any()
        {
            pump(flow, line, &mut self.counters, fx);
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
        let limits = self.outbox_limits();
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let (Some(conn), version) = (session.conn, session.version) else {
            return;
        };
        let Some(flow) = session.flow_if_any() else { return };
        pump(flow, Line { conn, version, limits }, &mut self.counters, fx);
        if !flow.replays.is_empty() {
            self.replay(key, fx);
        }
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

/// Where a pump writes to.
#[derive(Copy, Clone)]
struct Line {
    conn: ConnKey,
    version: Version,
    limits: (usize, usize),
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
    flow.outgoing.send_at_once(delivery, |id, delivery| {
        let before = outbox.len();
        write_delivery(delivery, id, false, line.version, outbox);
        counters.sent_publish(outbox.len() - before, delivery.message.payload().len());
    })
}

/// Writes from the window and the queue while the client keeps taking.
fn pump(flow: &mut Flow, line: Line, counters: &mut Counters, fx: &mut Effects) {
    if !flow.outgoing.has_next() {
        return;
    }
    let Some(outbox) = fx.outboxes.writer(line.conn) else {
        return;
    };
    while !outbox.is_above(line.limits.0, line.limits.1) {
        let before = outbox.len();
        match flow.outgoing.next() {
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
    outbox.wants_room = true;
}
