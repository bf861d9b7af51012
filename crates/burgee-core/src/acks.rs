//! One verb: the other half of a QoS flow, PUBACK to PUBCOMP.
//!
//! What must hold: an answer goes out for every PUBREC and PUBREL, known or not, because a peer that lost its answer
//! would wait for ever; unknown PUBACK and PUBCOMP are ignored; the wrong kind for a known identifier is a violation.
//! Deliberately absent: re-sending; it happens at reconnect only [MQTT-4.4.0-1].

use burgee_codec::{AckKind, PacketId};
use burgee_protocol::Fault;
use burgee_protocol::session::Deliverable;
use burgee_store::{MessageNo, Op, SessionNo, Stage};

use crate::io::{ConnKey, Effects};
use crate::journal::{Parked, ours};
use crate::sessions::{Flow, SessionKey};
use crate::state::Shard;

impl Shard {
    /// # Errors
    /// The identifier belongs to a QoS 2 message.
    pub(crate) fn puback(&mut self, conn: ConnKey, id: PacketId, fx: &mut Effects) -> Result<(), Fault> {
        let Some((key, kept, flow)) = self.flow_of(conn) else {
            return Ok(());
        };
        if let Some(delivery) = flow.outgoing.puback(id)? {
            let waits = flow.waits();
            self.counters.settled(delivery.weight(), delivery.is_here());
            // Nobody waits for this: if it is lost, the message is sent again with DUP.
            self.note_settled(kept, delivery.number());
            if waits {
                self.pump(key, fx);
            }
        }
        Ok(())
    }

    /// # Errors
    /// The identifier belongs to a QoS 1 message; it cannot be kept that it was received.
    pub(crate) fn pubrec(&mut self, conn: ConnKey, id: PacketId, fx: &mut Effects) -> Result<(), Fault> {
        let mut sealed = false;
        if let Some((key, session, flow)) = self.flow_of(conn) {
            sealed = session.0 > 0 && flow.outgoing.is_sealed(id);
            if let Some(delivery) = flow.outgoing.pubrec(id)? {
                let number = delivery.number();
                let waits = number > 0 && !sealed;
                if waits {
                    flow.outgoing.seal(id);
                    sealed = true;
                }
                self.counters.settled(delivery.weight(), delivery.is_here());
                if waits {
                    self.note_released((key, session), (conn, id), number)?;
                }
            }
        }
        if !sealed {
            // [MQTT-4.3.3-1] [MQTT-4.6.0-4] at once, so in the order of the PUBRECs; behind those that wait.
            self.answer(conn, 0, (AckKind::PubRel, id), fx);
        }
        Ok(())
    }

    /// After a restart PUBREL has to follow, and not PUBLISH again: it goes out once that is certain.
    fn note_released(
        &mut self,
        (key, session): (SessionKey, SessionNo),
        (conn, id): (ConnKey, PacketId),
        number: u64,
    ) -> Result<(), Fault> {
        if self.journal.has_failed() {
            return Err(ours());
        }
        let released = Op::Delivery {
            session,
            message: MessageNo(number),
            id,
            stage: Stage::Released,
        };
        self.journal.note(released, self.now);
        let batch = self.journal.needs();
        self.count_parked(conn);
        self.journal.park(batch, Parked::Release(key, conn, id));
        Ok(())
    }

    /// [MQTT-4.3.3-2] the identifier stands for a new message from now on.
    ///
    /// # Errors
    /// It cannot be kept that it does.
    pub(crate) fn pubrel(&mut self, conn: ConnKey, id: PacketId, fx: &mut Effects) -> Result<(), Fault> {
        let mut need = 0;
        let key = self.conns.open_mut(conn).map(|open| open.session);
        if let Some(session) = key.and_then(|key| self.sessions.get_mut(key)) {
            let kept = SessionNo(session.kept.number());
            let held = session.flow_if_any().is_some_and(|flow| flow.incoming.release(id));
            self.counters.unreleased -= u64::from(held);
            if kept.0 > 0 {
                need = self.free(kept, id, held)?;
            }
        }
        self.answer(conn, need, (AckKind::PubComp, id), fx);
        Ok(())
    }

    /// A kept session's identifier is free. Returns the batch behind which it is so for good.
    fn free(&mut self, session: SessionNo, id: PacketId, held: bool) -> Result<u64, Fault> {
        if self.journal.has_failed() {
            return Err(ours());
        }
        Ok(if held {
            self.note_freed(session, id)
        } else {
            // Perhaps it was freed just now, and that is not durable yet.
            self.journal.so_far()
        })
    }

    /// # Errors
    /// The identifier belongs to a message that was not released.
    pub(crate) fn pubcomp(&mut self, conn: ConnKey, id: PacketId, fx: &mut Effects) -> Result<(), Fault> {
        let Some((key, kept, flow)) = self.flow_of(conn) else {
            return Ok(());
        };
        let Some(number) = flow.outgoing.pubcomp(id)? else {
            return Ok(());
        };
        let waits = flow.waits();
        self.note_settled(kept, number);
        if waits {
            self.pump(key, fx);
        }
        Ok(())
    }

    fn flow_of(&mut self, conn: ConnKey) -> Option<(SessionKey, SessionNo, &mut Flow)> {
        let key = self.conns.open_mut(conn)?.session;
        let session = self.sessions.get_mut(key)?;
        let kept = SessionNo(session.kept.number());
        Some((key, kept, session.flow_if_any()?))
    }
}
