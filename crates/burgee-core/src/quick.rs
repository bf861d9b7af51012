//! The short way of the packets that nearly all traffic consists of: a PUBLISH on the topic of the connection's last one,
//! and an acknowledgement.
//!
//! What must hold: they do here what they do in `shard::packet`, through the same verbs; what is not exactly of these
//! forms goes there. A topic name that was checked once is known by its bytes and not checked again.
//! Deliberately absent: anything that a packet does.

use std::sync::Arc;

use burgee_codec::{AckKind, BareAck, QoS, UnreadPublish, Version};
use burgee_protocol::Fault;
use burgee_router::Route;

use crate::batch::Place;
use crate::io::{ConnKey, Effects};
use crate::job::Arrived;
use crate::limits::slow_down;
use crate::outbound::Outbound;
use crate::state::{Next, Shard};

/// What became of a packet, and how many bytes it has.
type Done = (Result<Next, Fault>, usize);

impl Shard {
    /// Deals with the packet at this place if it is of such a kind. The connection is open and read.
    #[inline]
    pub(crate) fn quick(
        &mut self,
        (conn, max_packet_bytes): (ConnKey, u32),
        place: Place<'_>,
        fx: &mut Effects,
    ) -> Option<Done> {
        if let Some(publish) = UnreadPublish::find(place.rest, max_packet_bytes) {
            return Some((Ok(self.publish_again(conn, &publish, place, fx)?), publish.packet.len()));
        }
        let ack = BareAck::find(place.rest)?;
        if self.journal.is_full() {
            return None;
        }
        let next = self.acknowledged(conn, ack, fx);
        Some((next, BareAck::LEN))
    }

    /// A PUBLISH on the topic of the connection's last one.
    fn publish_again(
        &mut self,
        conn: ConnKey,
        publish: &UnreadPublish<'_>,
        place: Place<'_>,
        fx: &mut Effects,
    ) -> Option<Next> {
        let needs_store = publish.qos > QoS::AtMostOnce && (self.journal.has_failed() || self.journal.is_full());
        if publish.retain || needs_store {
            return None;
        }
        let now = self.now;
        // One look for all that is asked of the connection, and one for what is left with it.
        let open = self.conns.open_mut(conn).filter(|open| open.version < Version::V5)?;
        if let Some(meter) = &mut open.meter
            && let Some(slowed) = slow_down(meter, now, &mut self.counters)
        {
            // Who goes on for too long is closed on the long way.
            return slowed.ok();
        }
        if let Some(access) = &open.access
            && !access.is_known_to_allow(publish.topic_bytes(), publish.qos)
        {
            return None;
        }
        // The cache leaves its connection for a moment: the route is borrowed from it.
        let cache = core::mem::take(&mut open.cache);
        let arrived = Arrived {
            conn,
            key: open.session,
            qos: publish.qos,
            packet_id: publish.packet_id,
            payload_len: publish.payload.len(),
        };
        let Some(route) = self.shared.router.route_again(publish.topic_bytes(), &cache) else {
            open.cache = cache;
            return None;
        };
        open.keep_alive.touch(now);
        let next = self.publish_on(route, &arrived, (publish, place), fx);
        if let Some(open) = self.conns.open_mut(conn) {
            open.cache = cache;
            if let Some(meter) = open.meter.as_mut().filter(|_| !matches!(next, Next::Wait(_))) {
                meter.charge(publish.packet.len());
            }
        }
        Some(next)
    }

    fn publish_on(
        &mut self,
        route: &Arc<Route>,
        arrived: &Arrived,
        (publish, place): (&UnreadPublish<'_>, Place<'_>),
        fx: &mut Effects,
    ) -> Next {
        if self.config.shards > 1
            && let Some(wait) = self.has_to_wait(route, fx)
        {
            return wait;
        }
        self.count_packet(publish.packet.len());
        let next = if self.is_repeated(arrived, fx) {
            Next::Go
        } else {
            self.publish_to((route, false), arrived, &mut Outbound::from_unread(publish, place), fx)
        };
        if arrived.qos == QoS::AtMostOnce {
            return next;
        }
        self.unless_it_does_not_read(arrived.conn, next, fx)
    }

    /// # Errors
    /// As the verbs of `acks` have it.
    fn acknowledged(&mut self, conn: ConnKey, ack: BareAck, fx: &mut Effects) -> Result<Next, Fault> {
        let now = self.now;
        if let Some(open) = self.conns.open_mut(conn) {
            open.keep_alive.touch(now);
        }
        let id = ack.packet_id;
        match ack.kind {
            AckKind::PubAck => self.puback(conn, id, fx)?,
            AckKind::PubRec => self.pubrec(conn, id, fx)?,
            AckKind::PubRel => self.pubrel(conn, id, fx)?,
            AckKind::PubComp => self.pubcomp(conn, id, fx)?,
        }
        self.count_packet(BareAck::LEN);
        Ok(self.unless_it_does_not_read(conn, Next::Go, fx))
    }
}
