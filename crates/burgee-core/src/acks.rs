//! One verb: the other half of a QoS flow, PUBACK to PUBCOMP.
//!
//! What must hold: an answer goes out for every PUBREC and PUBREL, known or not, because a peer that lost its answer
//! would wait for ever; unknown PUBACK and PUBCOMP are ignored; the wrong kind for a known identifier is a violation.
//! Deliberately absent: re-sending; it happens at reconnect only [MQTT-4.4.0-1].

use burgee_codec::{Ack, Packet, PacketId};
use burgee_protocol::Fault;
use burgee_protocol::session::Deliverable;

use crate::io::{ConnKey, Effects};
use crate::sessions::{Flow, SessionKey};
use crate::state::Shard;

impl Shard {
    /// # Errors
    /// The identifier belongs to a QoS 2 message.
    pub(crate) fn puback(&mut self, conn: ConnKey, id: PacketId, fx: &mut Effects) -> Result<(), Fault> {
        let Some((key, flow)) = self.flow_of(conn) else {
            return Ok(());
        };
        if let Some(delivery) = flow.outgoing.puback(id)? {
            let waits = flow.waits();
            self.counters.settled(delivery.weight());
            if waits {
                self.pump(key, fx);
            }
        }
        Ok(())
    }

    /// # Errors
    /// The identifier belongs to a QoS 1 message.
    pub(crate) fn pubrec(&mut self, conn: ConnKey, id: PacketId, fx: &mut Effects) -> Result<(), Fault> {
        let delivery = match self.flow_of(conn) {
            Some((_, flow)) => flow.outgoing.pubrec(id)?,
            None => None,
        };
        if let Some(delivery) = delivery {
            self.counters.settled(delivery.weight());
        }
        // [MQTT-4.3.3-1] [MQTT-4.6.0-4] at once, so in the order of the PUBRECs.
        self.send_ack(conn, Packet::PubRel(Ack::new(id)), fx);
        Ok(())
    }

    /// [MQTT-4.3.3-2] the identifier stands for a new message from now on.
    pub(crate) fn pubrel(&mut self, conn: ConnKey, id: PacketId, fx: &mut Effects) {
        if let Some((_, flow)) = self.flow_of(conn)
            && flow.incoming.release(id)
        {
            self.counters.unreleased -= 1;
        }
        self.send_ack(conn, Packet::PubComp(Ack::new(id)), fx);
    }

    /// # Errors
    /// The identifier belongs to a message that was not released.
    pub(crate) fn pubcomp(&mut self, conn: ConnKey, id: PacketId, fx: &mut Effects) -> Result<(), Fault> {
        let Some((key, flow)) = self.flow_of(conn) else {
            return Ok(());
        };
        if flow.outgoing.pubcomp(id)? && flow.waits() {
            self.pump(key, fx);
        }
        Ok(())
    }

    fn flow_of(&mut self, conn: ConnKey) -> Option<(SessionKey, &mut Flow)> {
        let key = self.conns.open_mut(conn)?.session;
        Some((key, self.sessions.get_mut(key)?.flow_if_any()?))
    }
}
