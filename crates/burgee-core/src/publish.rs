//! One verb: a message came in and goes to everybody who is owed it.
//!
//! What must hold: the retained message is replaced before the subscribers are looked up, so that whoever subscribes
//! meanwhile sees one of both; one copy for each session, with the greatest QoS that it asked for; the messages of one
//! publisher reach a session in order. A turn makes a bounded number of copies: of a huge fan-out the rest waits, and
//! its publisher is not read until it is done. Deliberately absent: how a copy is sent; see `deliver`.

use std::sync::Arc;

use burgee_codec::{Ack, Packet, PacketId, Publish, QoS};
use burgee_protocol::session::Arrival;
use burgee_router::{Recipient, Route, RouteCache, Topical};

use crate::conns::Hold;
use crate::io::{Bundle, ConnKey, Copy, Effects, Forwarded, Parcel};
use crate::message::{Message, is_ours};
use crate::outbound::Outbound;
use crate::sessions::SessionKey;
use crate::state::{Job, Next, Shard};

/// A PUBLISH of a client, as far as it matters once its topic is known.
#[derive(Copy, Clone)]
pub(crate) struct Arrived {
    pub(crate) conn: ConnKey,
    /// The publisher's session.
    pub(crate) key: SessionKey,
    pub(crate) qos: QoS,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) payload_len: usize,
}

impl Shard {
    /// A PUBLISH of a client. `packet` are its bytes.
    pub(crate) fn publish(&mut self, conn: ConnKey, publish: &Publish<'_>, packet: &[u8], fx: &mut Effects) -> Next {
        let Some(open) = self.conns.open_mut(conn) else {
            return Next::Gone;
        };
        let arrived = Arrived {
            conn,
            key: open.session,
            qos: publish.qos,
            packet_id: publish.packet_id,
            payload_len: publish.payload.len(),
        };
        if self.is_repeated(&arrived, fx) {
            return Next::Go;
        }
        if is_ours(publish.topic) {
            // [MQTT-3.3.5-2] acknowledged by its QoS and dropped: a device must not reconnect for ever.
            self.received(&arrived);
            self.counters.dropped_denied += 1;
            self.accept(&arrived, fx);
            return Next::Go;
        }
        // The cache leaves its connection for the time of the look-up: a route is borrowed from it.
        let Some(mut cache) = self.take_cache(conn) else {
            return Next::Gone;
        };
        let next = self.publish_routed((&arrived, publish), packet, &mut cache, fx);
        // A long list of recipients is looked up again if there are too many such lists already.
        if cache.may_stay() {
            self.give_cache(conn, cache);
        }
        next
    }

    pub(crate) fn take_cache(&mut self, conn: ConnKey) -> Option<RouteCache> {
        self.conns.open_mut(conn).map(|open| core::mem::take(&mut open.cache))
    }

    pub(crate) fn give_cache(&mut self, conn: ConnKey, cache: RouteCache) {
        if let Some(open) = self.conns.open_mut(conn) {
            open.cache = cache;
        }
    }

    fn publish_routed(
        &mut self,
        (arrived, publish): (&Arrived, &Publish<'_>),
        packet: &[u8],
        cache: &mut RouteCache,
        fx: &mut Effects,
    ) -> Next {
        if self.config.shards > 1
            && let Some(wait) = self.has_to_wait(self.shared.router.route(publish.topic, cache), fx)
        {
            return wait;
        }
        let mut out = Outbound::from_publish(publish, packet);
        // [MQTT-3.3.1-12] without RETAIN the stored message stays as it is.
        if publish.retain {
            self.retain(&mut out);
        }
        // [MQTT-3.3.2-3] who gets it is decided by matching alone; the topic name goes out as it came in.
        let route = self.shared.router.route(publish.topic, cache);
        self.publish_to(route, arrived, &mut out, fx)
    }

    /// A message of a client goes to everybody on its route, and is answered.
    #[inline]
    pub(crate) fn publish_to(
        &mut self,
        route: &Arc<Route>,
        arrived: &Arrived,
        out: &mut Outbound<'_>,
        fx: &mut Effects,
    ) -> Next {
        self.received(arrived);
        if self.start_fan_out(route, out, Some(arrived.conn), fx) {
            // The message is ours already; its acknowledgement follows its last copy.
            self.defer_ack(arrived);
            return Next::Held(Hold::FanOut);
        }
        self.accept(arrived, fx);
        Next::Go
    }

    /// A message of the broker itself: a will, or `$SYS`.
    pub(crate) fn publish_own(&mut self, message: &Message, retain: bool, fx: &mut Effects) {
        let mut out = Outbound::from_message(message);
        if retain {
            self.retain(&mut out);
        }
        let mut cache = RouteCache::default();
        let route = self.shared.router.route(message.topic(), &mut cache);
        self.start_fan_out(route, &mut out, None, fx);
    }

    /// Makes the copies that this turn has left. Says whether some are left over, for a job.
    fn start_fan_out(
        &mut self,
        route: &Arc<Route>,
        out: &mut Outbound<'_>,
        publisher: Option<ConnKey>,
        fx: &mut Effects,
    ) -> bool {
        if let (Some(left), [only], []) = (self.copies_left.checked_sub(1), route.recipients(), route.groups()) {
            // One recipient is what most messages have.
            self.copies_left = left;
            self.copy_to(core::slice::from_ref(only), out, fx);
            return false;
        }
        // Jobs are left over only while the turn has no copies left: nothing overtakes them here.
        let left = if self.copies_left == 0 {
            Some(0)
        } else {
            self.fan_out(route, 0, out, fx)
        };
        let Some(next) = left else { return false };
        let (message, route) = (out.settled().clone(), Arc::clone(route));
        self.jobs.push_back(Job {
            message,
            route,
            next,
            publisher,
        });
        true
    }

    /// Makes copies for the groups and recipients of `route` from the `from`th on, as many as this turn has left.
    /// Returns where to go on, or `None` if all are made.
    fn fan_out(&mut self, route: &Route, from: usize, out: &mut Outbound<'_>, fx: &mut Effects) -> Option<usize> {
        let groups = route.groups();
        let to = from.saturating_add(self.copies_left);
        for group in groups.get(from..to.min(groups.len())).unwrap_or_default() {
            if let Some(member) = group.pick() {
                self.copy_to(&[member], out, fx);
            }
        }
        let recipients = route.recipients();
        let (start, end) = (
            from.saturating_sub(groups.len()),
            to.saturating_sub(groups.len()).min(recipients.len()),
        );
        // [MQTT-4.5.0-1] every matching session, here or there. [MQTT-4.6.0-5] [MQTT-4.6.0-6] in the order of arrival:
        // this shard handles one message of a publisher at a time, and mail keeps its order.
        // Recipients are in the order of their shards: one parcel for each other shard.
        let now = recipients.get(start..end).unwrap_or_default();
        for same_shard in now.chunk_by(|a, b| a.key.shard == b.key.shard) {
            self.copy_to(same_shard, out, fx);
        }
        let all = groups.len() + recipients.len();
        self.copies_left = self.copies_left.saturating_sub(to.min(all).saturating_sub(from));
        (to < all).then_some(to)
    }

    /// Copies for recipients of one shard.
    fn copy_to(&mut self, recipients: &[Recipient], out: &mut Outbound<'_>, fx: &mut Effects) {
        let Some(shard) = recipients.first().map(|recipient| recipient.key.shard) else {
            return;
        };
        let published = out.qos();
        // [MQTT-3.8.4-6] the lesser of the published and the granted QoS.
        if shard == self.id {
            for recipient in recipients {
                let key = SessionKey {
                    slot: recipient.key.slot,
                    generation: recipient.key.generation,
                };
                // [MQTT-3.3.1-9] an established subscription sees RETAIN 0.
                self.deliver(key, (recipient.qos.min(published), false), out, fx);
            }
        } else if let Some(mailbox) = fx.mail.get_mut(usize::from(shard)) {
            let copy_for = |recipient: &Recipient| Copy {
                slot: recipient.key.slot,
                generation: recipient.key.generation,
                qos: recipient.qos.min(published),
            };
            match (out.as_it_is(), recipients) {
                (Some(packet), [only]) => mailbox.forward(&Forwarded {
                    copy: copy_for(only),
                    packet,
                    payload_len: out.payload_len(),
                }),
                (None, [only]) => mailbox.push_single(out.message(&mut self.batch), copy_for(only)),
                _ => mailbox.push(Parcel::Publish {
                    message: out.message(&mut self.batch).clone(),
                    copies: recipients.iter().map(copy_for).collect(),
                }),
            }
        }
    }

    /// A bundle of another shard: each packet goes to one session of this one as it is.
    pub(crate) fn arrive_as_they_are(&mut self, bundle: &Bundle, fx: &mut Effects) {
        let limits = self.outbox_limits();
        for Forwarded {
            copy,
            packet,
            payload_len,
        } in bundle.iter()
        {
            let key = SessionKey {
                slot: copy.slot,
                generation: copy.generation,
            };
            // [MQTT-3.1.2-5] QoS 0 for an absent client need not be stored, and is not.
            let Some(conn) = self.sessions.get_mut(key).and_then(|session| session.conn) else {
                continue;
            };
            let Some(outbox) = fx.outboxes.writer(conn) else {
                continue;
            };
            if outbox.is_above(limits.0, limits.1) {
                self.counters.dropped_outbox_full += 1;
            } else {
                outbox.append(packet);
                self.counters.sent_publish(packet.len(), payload_len);
            }
        }
    }

    /// A parcel of another shard: its copies are for sessions of this one.
    pub(crate) fn arrive(&mut self, message: &Message, copies: &[Copy], fx: &mut Effects) {
        let mut out = Outbound::from_message(message);
        for copy in copies {
            let key = SessionKey {
                slot: copy.slot,
                generation: copy.generation,
            };
            self.deliver(key, (copy.qos, false), &mut out, fx);
        }
    }

    /// Goes on with fan-outs of earlier turns, in their order.
    pub(crate) fn work_off_jobs(&mut self, fx: &mut Effects) {
        while self.copies_left > 0
            && let Some(mut job) = self.jobs.pop_front()
        {
            let message = job.message.clone();
            match self.fan_out(&job.route, job.next, &mut Outbound::from_message(&message), fx) {
                Some(next) => {
                    job.next = next;
                    self.jobs.push_front(job);
                }
                None => {
                    if let Some(conn) = job.publisher {
                        self.send_deferred_ack(conn, fx);
                        self.unhold(conn, Hold::FanOut, fx);
                    }
                }
            }
        }
    }

    /// Stores or removes the retained message of a topic.
    fn retain(&mut self, out: &mut Outbound<'_>) {
        // [MQTT-3.3.1-5] [MQTT-3.3.1-7] it replaces what was stored, also with QoS 0.
        // [MQTT-3.3.1-10] [MQTT-3.3.1-11] an empty one removes it and is not stored itself.
        let empty = out.payload_len() == 0;
        let message = out.settled();
        if empty {
            self.shared.retained.remove(message.topic());
        } else if self.shared.retained.len() < self.config.max_retained
            || self.shared.retained.get(message.topic()).is_some()
        {
            self.shared.retained.set(message.clone());
        } else {
            self.counters.dropped_retained_full += 1;
        }
    }

    /// Whether a QoS 2 message is here already; then it is answered again.
    pub(crate) fn is_repeated(&mut self, arrived: &Arrived, fx: &mut Effects) -> bool {
        let Some(id) = arrived.packet_id.filter(|_| arrived.qos == QoS::ExactlyOnce) else {
            return false;
        };
        let flow = self
            .sessions
            .get_mut(arrived.key)
            .and_then(|session| session.flow_if_any());
        if !flow.is_some_and(|flow| flow.incoming.holds(id)) {
            return false;
        }
        // [MQTT-4.3.3-2] the same message again: PUBREC, and nobody gets it twice.
        self.received(arrived);
        self.acknowledge(arrived.conn, arrived.qos, id, fx);
        true
    }

    const fn received(&mut self, arrived: &Arrived) {
        self.counters.publish_received += 1;
        self.counters.publish_bytes_received += arrived.payload_len as u64;
    }

    /// The message is with everybody: takes note of a QoS 2 identifier and answers.
    fn accept(&mut self, arrived: &Arrived, fx: &mut Effects) {
        let Some(id) = arrived.packet_id else { return };
        self.remember(arrived.key, arrived.qos, id);
        self.acknowledge(arrived.conn, arrived.qos, id, fx);
    }

    fn remember(&mut self, key: SessionKey, qos: QoS, id: PacketId) {
        if qos == QoS::ExactlyOnce
            && let Some(session) = self.sessions.get_mut(key)
            && session.flow(self.config.window).incoming.publish(id) == Arrival::New
        {
            self.counters.unreleased += 1;
        }
    }

    /// The answer by QoS [MQTT-3.3.4-1], with the identifier of the PUBLISH.
    fn acknowledge(&mut self, conn: ConnKey, qos: QoS, id: PacketId, fx: &mut Effects) {
        // [MQTT-3.3.4-1] [MQTT-2.3.1-6] [MQTT-4.6.0-2] [MQTT-4.6.0-3] in the order of the PUBLISHes: the next one is not
        // looked at before.
        match qos {
            QoS::AtMostOnce => {}
            // [MQTT-4.3.2-2] the message is in every session that is owed it.
            QoS::AtLeastOnce => self.send_ack(conn, Packet::PubAck(Ack::new(id)), fx),
            QoS::ExactlyOnce => self.send_ack(conn, Packet::PubRec(Ack::new(id)), fx),
        }
    }

    /// The answer follows the last copy; a QoS 2 identifier is held from now on.
    fn defer_ack(&mut self, arrived: &Arrived) {
        if let Some(id) = arrived.packet_id {
            self.remember(arrived.key, arrived.qos, id);
            self.deferred.push((arrived.conn, arrived.qos, id));
        }
    }

    fn send_deferred_ack(&mut self, conn: ConnKey, fx: &mut Effects) {
        if let Some(place) = self.deferred.iter().position(|(waiting, ..)| *waiting == conn) {
            let (_, qos, id) = self.deferred.swap_remove(place);
            // A connection that has ended meanwhile is told nothing more.
            if self.conns.get(conn).is_some() {
                self.acknowledge(conn, qos, id, fx);
            }
        }
    }

    /// Whether a publisher has to wait because a shard that is owed its message has full mail.
    pub(crate) fn has_to_wait(&self, route: &Route, fx: &Effects) -> Option<Next> {
        let mut full = (0..self.config.shards).filter(|shard| *shard != self.id && fx.mail_is_full(*shard));
        let full = full.find(|shard| {
            !route.groups().is_empty() || route.recipients().iter().any(|recipient| recipient.key.shard == *shard)
        });
        full.map(|shard| Next::Wait(Hold::Mail(shard)))
    }
}
