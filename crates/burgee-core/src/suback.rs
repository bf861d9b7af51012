//! One verb: a subscription was made, and SUBACK tells so; what it brings waits behind it.
//!
//! What must hold: the first that a client hears of a new subscription is its SUBACK. The subscription is routed at once, so
//! whatever is acknowledged to its publisher from then on is owed to it, and nothing is lost between the commit and SUBACK;
//! but as long as a SUBACK waits for the store, no message of its session goes out: nobody could tell which of them came by
//! the new filter alone. QoS 1 and 2 wait in the queue, QoS 0 as bytes, within the limits of an outbox.
//! Deliberately absent: subscribing; see `subscribe`.

use crate::io::{ConnKey, Effects};
use crate::journal::Subscribed;
use crate::outbound::Outbound;
use crate::sessions::SessionKey;
use crate::state::Shard;

impl Shard {
    /// A SUBACK waits for the store: from now on messages wait behind it.
    pub(crate) fn hold_messages(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.subacks = session.subacks.saturating_add(1);
            session.ready = false;
        }
    }

    /// A SUBACK that has waited is out. After the last one its messages follow.
    fn follow_suback(&mut self, key: SessionKey, conn: ConnKey, fx: &mut Effects) {
        let Some(session) = self.sessions.get_mut(key).filter(|session| session.conn == Some(conn)) else {
            return;
        };
        session.subacks = session.subacks.saturating_sub(1);
        session.ready = session.subacks == 0;
        if session.ready
            && let Some(held) = session.flow_if_any().and_then(|flow| flow.behind_suback.take())
        {
            let bytes: Vec<u8> = held.chunks().flatten().copied().collect();
            self.send_held((key, conn), &bytes, fx);
        }
    }

    /// Sends what has waited, as far as the rules that hold now permit it: they may have changed meanwhile.
    fn send_held(&mut self, (key, conn): (SessionKey, ConnKey), bytes: &[u8], fx: &mut Effects) {
        let mut rest = bytes;
        while let Some(len) = packet_len(rest) {
            let (packet, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            rest = behind;
            if self.restrictive && !self.may_be_forwarded(key, packet, fx) {
                continue;
            }
            if let Some(outbox) = fx.outboxes.writer(conn) {
                outbox.append(packet);
            }
        }
    }

    /// Whether QoS 0 for this session waits behind a SUBACK; else it has no line.
    pub(crate) fn holds_messages(&mut self, key: SessionKey) -> bool {
        self.sessions
            .get_mut(key)
            .is_some_and(|session| session.subacks > 0 && session.conn.is_some())
    }

    /// Puts a QoS 0 copy behind the SUBACK that its session waits for. Without one it is nobody's [MQTT-3.1.2-5].
    #[cold]
    pub(crate) fn hold_qos0(&mut self, key: SessionKey, retain: bool, out: &mut Outbound<'_>) {
        if !self.holds_messages(key) {
            return;
        }
        let (limits, window) = (self.outbox_limits(), self.config.window);
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let version = session.version;
        let held = session.flow(window).behind_suback.get_or_insert_default();
        let before = held.len();
        if held.is_above(limits.0, limits.1) {
            self.counters.dropped_outbox_full += 1;
        } else {
            out.write_qos0(retain, version, held);
            self.counters.sent_publish(held.len() - before, out.payload_len());
        }
    }

    /// The same with a packet that goes out as it is, for a session that [holds messages](Self::holds_messages).
    #[cold]
    pub(crate) fn hold_packet(&mut self, key: SessionKey, (packet, payload_len): (&[u8], usize)) {
        let (limits, window) = (self.outbox_limits(), self.config.window);
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let held = session.flow(window).behind_suback.get_or_insert_default();
        if held.is_above(limits.0, limits.1) {
            self.counters.dropped_outbox_full += 1;
        } else {
            held.append(packet);
            self.counters.sent_publish(packet.len(), payload_len);
        }
    }

    /// What a subscription changed is durable.
    pub(crate) fn subscribed(&mut self, subscribed: Subscribed, fx: &mut Effects) {
        let Subscribed {
            conn,
            key,
            id,
            codes,
            replays,
            waited,
        } = subscribed;
        self.uncount_parked(conn);
        if self.hears(conn) {
            self.send_suback(conn, id, &codes, fx);
        }
        if waited {
            self.follow_suback(key, conn, fx);
        }
        // A session that stays is owed them also if its client has left without SUBACK.
        if let Some(session) = self.sessions.get_mut(key)
            && !replays.is_empty()
        {
            session.flow(self.config.window).replays.extend(replays);
            session.forget_replays();
        }
        self.pump(key, fx);
    }
}

/// The length of the packet that these bytes begin with, all of it; they were encoded here. `None`: there is none.
fn packet_len(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for (place, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(2 + place + length);
        }
    }
    None
}
