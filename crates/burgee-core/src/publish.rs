//! One verb: a message came in and goes to everybody who is owed it.
//!
//! What must hold: the retained message is replaced before the subscribers are looked up, so that whoever subscribes
//! meanwhile sees one of both; one copy for each session, with the greatest QoS that it asked for; the messages of one
//! publisher reach a session in order. A turn makes a bounded number of copies: of a huge fan-out the rest waits, and
//! its publisher is not read until it is done. A QoS 2 message that has to be kept goes to nobody before it is durable.
//! Deliberately absent: how a copy is sent; see `deliver`.

use std::sync::Arc;

use burgee_access::Reply;
use burgee_codec::{AckKind, Publish, QoS, UnreadPublish};
use burgee_protocol::Fault;
use burgee_protocol::session::Arrival;
use burgee_router::{Recipient, Route, RouteCache, Topical};

use crate::conns::Hold;
use crate::io::{Bundle, CloseMode, ConnKey, Copy, Effects, Forwarded, Parcel, Reason};
use crate::job::{Answer, Arrived, Job, Plan, Wait};
use crate::journal::{Parked, ours};
use crate::message::{Message, is_ours};
use crate::outbound::{Outbound, packet};
use crate::sessions::SessionKey;
use crate::state::{Next, Shard};

impl Shard {
    /// A PUBLISH of a client. `packet` are its bytes.
    ///
    /// # Errors
    /// It has to be kept, and cannot be.
    pub(crate) fn publish(
        &mut self,
        conn: ConnKey,
        publish: &Publish<'_>,
        packet: &[u8],
        fx: &mut Effects,
    ) -> Result<Next, Fault> {
        let Some(open) = self.conns.open_mut(conn) else {
            return Ok(Next::Gone);
        };
        let arrived = Arrived {
            conn,
            key: open.session,
            qos: publish.qos,
            packet_id: publish.packet_id,
            payload_len: publish.payload.len(),
        };
        if (publish.qos > QoS::AtMostOnce || publish.retain) && self.journal.is_full() {
            return Ok(Next::Wait(Hold::Store));
        }
        if self.is_repeated(&arrived, fx) {
            return Ok(Next::Go);
        }
        if is_ours(publish.topic) {
            self.counters.dropped_denied += 1;
            return self.accept_for_nobody(&arrived, fx);
        }
        match self.is_denied(conn, publish, fx) {
            None => {}
            Some(Reply::Acknowledge) => return self.accept_for_nobody(&arrived, fx),
            Some(Reply::Close) => {
                self.close(conn, Reason::Denied, CloseMode::AfterFlush, fx);
                return Ok(Next::Gone);
            }
        }
        // The cache leaves its connection for the time of the look-up: a route is borrowed from it.
        let Some(mut cache) = self.take_cache(conn) else {
            return Ok(Next::Gone);
        };
        let next = self.publish_routed((&arrived, publish), packet, &mut cache, fx);
        // A long list of recipients is looked up again if there are too many such lists already.
        if cache.may_stay() {
            self.give_cache(conn, cache);
        }
        next
    }

    /// [MQTT-3.3.5-2] acknowledged by its QoS and dropped: a device must not reconnect for ever.
    fn accept_for_nobody(&mut self, arrived: &Arrived, fx: &mut Effects) -> Result<Next, Fault> {
        let plan = self.plan_for_nobody(arrived)?;
        self.received(arrived);
        self.accept(arrived, plan.need, fx);
        Ok(Next::Go)
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
    ) -> Result<Next, Fault> {
        let route = self.shared.router.route(publish.topic, cache);
        if self.config.shards > 1
            && let Some(wait) = self.has_to_wait(route, fx)
        {
            return Ok(wait);
        }
        if self.lacks_store(route, arrived, publish.retain) {
            return Err(ours());
        }
        let mut out = Outbound::from_publish(publish, packet);
        // [MQTT-3.3.1-12] without RETAIN the stored message stays as it is.
        let retained = publish.retain && self.retain(&mut out);
        // [MQTT-3.3.2-3] who gets it is decided by matching alone; the topic name goes out as it came in. It is looked up
        // again: whoever subscribed before it was retained is on this route, whoever comes later finds it retained.
        let route = self.shared.router.route(publish.topic, cache);
        Ok(self.publish_to((route, retained), arrived, &mut out, fx))
    }

    /// A message of a client goes to everybody on its route, and is answered.
    #[inline]
    pub(crate) fn publish_to(
        &mut self,
        (route, retained): (&Arc<Route>, bool),
        arrived: &Arrived,
        out: &mut Outbound<'_>,
        fx: &mut Effects,
    ) -> Next {
        self.received(arrived);
        let needs_store = self.journal.is_on() && (retained || route.keeps() || arrived.qos == QoS::ExactlyOnce);
        if let ([only], [], Some(left)) = (route.recipients(), route.groups(), self.copies_left.checked_sub(1))
            && !needs_store
        {
            // One recipient and no store is what most messages have.
            self.copies_left = left;
            out.set_for_one();
            self.copy_to(core::slice::from_ref(only), 0, out, fx);
            self.accept(arrived, 0, fx);
            return Next::Go;
        }
        let plan = self.plan(route, arrived, retained, out);
        let need = plan.need;
        if arrived.qos == QoS::ExactlyOnce && (need > 0 || self.has_parked(arrived.conn)) {
            // Nobody gets it before it is durable: sent again after a crash, it would come twice.
            self.fan_out_later((route, plan), arrived, out);
            return Next::Go;
        }
        if let Some(mut job) = self.start_fan_out(route, plan, out, fx) {
            // The message is ours already; its acknowledgement follows its last copy.
            job.publisher = Some(arrived.conn);
            job.answer = self.defer_answer(arrived, need);
            self.jobs.push_back(job);
            return Next::Held(Hold::FanOut);
        }
        self.accept(arrived, need, fx);
        Next::Go
    }

    /// A QoS 2 message waits for its batch, or behind others of its publisher that do.
    fn fan_out_later(&mut self, (route, plan): (&Arc<Route>, Plan), arrived: &Arrived, out: &mut Outbound<'_>) {
        let (need, answer) = (plan.need, self.defer_answer(arrived, plan.need));
        let job = Job {
            message: out.settled().clone(),
            route: Arc::clone(route),
            plan,
            next: 0,
            publisher: None,
            answer,
            was_parked: false,
            once: false,
        };
        self.count_parked(arrived.conn);
        self.journal.park(need, Parked::FanOut(Box::new(job)));
        let last = self.journal.parked_so_far();
        if let Some(open) = self.conns.open_mut(arrived.conn) {
            open.last_fan_out = last;
        }
    }

    /// The batch of a QoS 2 message was awaited: it goes out.
    pub(crate) fn fan_out_now(&mut self, mut job: Job) {
        if let Some(answer) = &mut job.answer {
            answer.is_next = true;
        }
        job.was_parked = true;
        self.parked_jobs += 1;
        self.jobs.push_back(job);
    }

    /// A message of the broker itself: a will, or `$SYS`. Where it has to wait, nobody gets it before what was noted so far
    /// is durable.
    pub(crate) fn publish_own(&mut self, message: &Message, retain: bool, wait: Wait, fx: &mut Effects) {
        let mut out = Outbound::from_message(message);
        if retain {
            self.retain(&mut out);
        }
        let mut cache = RouteCache::default();
        let route = Arc::clone(self.shared.router.route(message.topic(), &mut cache));
        let plan = self.plan_own(&route, &mut out);
        let park = wait != Wait::No || (message.qos() == QoS::ExactlyOnce && plan.is_owed());
        if park && self.journal.is_on() {
            let need = self.journal.so_far();
            let job = Job {
                message: out.settled().clone(),
                route,
                plan,
                next: 0,
                publisher: None,
                answer: None,
                was_parked: false,
                once: wait == Wait::Once,
            };
            self.journal.park(need, Parked::FanOut(Box::new(job)));
            return;
        }
        let left = self.start_fan_out(&route, plan, &mut out, fx);
        self.jobs.extend(left);
    }

    /// Makes the copies that this turn has left. Returns what is left over, for a later turn.
    fn start_fan_out(
        &mut self,
        route: &Arc<Route>,
        plan: Plan,
        out: &mut Outbound<'_>,
        fx: &mut Effects,
    ) -> Option<Job> {
        // Jobs are left over only while the turn has no copies left: nothing overtakes them here.
        let left = if self.copies_left == 0 {
            Some(0)
        } else {
            self.fan_out((route, &plan), 0, out, fx)
        };
        let next = left?;
        Some(Job {
            message: out.settled().clone(),
            route: Arc::clone(route),
            plan,
            next,
            publisher: None,
            answer: None,
            was_parked: false,
            once: false,
        })
    }

    /// Makes copies for the groups and recipients of a plan from the `from`th on, as many as this turn has left.
    /// Returns where to go on, or `None` if all are made.
    fn fan_out(
        &mut self,
        (route, plan): (&Route, &Plan),
        from: usize,
        out: &mut Outbound<'_>,
        fx: &mut Effects,
    ) -> Option<usize> {
        let picks = plan.picks.as_slice();
        let to = from.saturating_add(self.copies_left);
        for (member, number) in picks.get(from..to.min(picks.len())).unwrap_or_default() {
            self.copy_to(core::slice::from_ref(member), *number, out, fx);
        }
        let recipients = route.recipients();
        let (start, end) = (
            from.saturating_sub(picks.len()),
            to.saturating_sub(picks.len()).min(recipients.len()),
        );
        // [MQTT-4.5.0-1] every matching session, here or there. [MQTT-4.6.0-5] [MQTT-4.6.0-6] in the order of arrival:
        // this shard handles one message of a publisher at a time, and mail keeps its order.
        // Recipients are in the order of their shards: one parcel for each other shard.
        let now = recipients.get(start..end).unwrap_or_default();
        for same_shard in now.chunk_by(|a, b| a.key.shard == b.key.shard) {
            self.copy_to(same_shard, plan.number, out, fx);
        }
        let all = picks.len() + recipients.len();
        self.copies_left = self.copies_left.saturating_sub(to.min(all).saturating_sub(from));
        (to < all).then_some(to)
    }

    /// Copies for recipients of one shard. The number is that under which kept sessions among them are owed it.
    fn copy_to(&mut self, recipients: &[Recipient], number: u64, out: &mut Outbound<'_>, fx: &mut Effects) {
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
                self.deliver(key, (recipient.qos.min(published), false, number), out, fx);
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
                (None, [only]) => mailbox.push_single(out.numbered(number, &mut self.batch), copy_for(only)),
                _ => mailbox.push(Parcel::Publish {
                    message: out.numbered(number, &mut self.batch),
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
            let Some(conn) = self.sessions.get_mut(key).and_then(|session| session.line()) else {
                if self.holds_messages(key) && (!self.restrictive || self.may_be_forwarded(key, packet, fx)) {
                    self.hold_packet(key, (packet, payload_len));
                }
                continue;
            };
            if self.restrictive && !self.may_be_forwarded(key, packet, fx) {
                continue;
            }
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

    /// Whether a session may be sent a packet of another shard.
    pub(crate) fn may_be_forwarded(&mut self, key: SessionKey, packet: &[u8], fx: &mut Effects) -> bool {
        let found = UnreadPublish::find(packet, u32::MAX);
        let topic = found.and_then(|publish| str::from_utf8(publish.topic_bytes()).ok());
        self.may_get(key, topic.unwrap_or_default(), 0, fx)
    }

    /// A parcel of another shard: its copies are for sessions of this one.
    pub(crate) fn arrive(&mut self, message: &Message, copies: &[Copy], fx: &mut Effects) {
        let mut out = Outbound::from_message(message);
        for copy in copies {
            let key = SessionKey {
                slot: copy.slot,
                generation: copy.generation,
            };
            self.deliver(key, (copy.qos, false, message.number()), &mut out, fx);
        }
    }

    /// Goes on with fan-outs of earlier turns, in their order.
    pub(crate) fn work_off_jobs(&mut self, fx: &mut Effects) {
        while self.copies_left > 0
            && let Some(mut job) = self.jobs.pop_front()
        {
            let message = job.message.clone();
            let mut out = Outbound::from_message(&message);
            if let Some(next) = self.fan_out((&job.route, &job.plan), job.next, &mut out, fx) {
                job.next = next;
                self.jobs.push_front(job);
            } else {
                self.parked_jobs -= usize::from(job.was_parked);
                if let Some(answer) = job.answer {
                    self.acknowledge(&answer, fx);
                }
                if let Some(conn) = job.publisher {
                    self.unhold(conn, Hold::FanOut, fx);
                }
            }
        }
    }

    /// Stores or removes the retained message of a topic. Says whether it did.
    fn retain(&mut self, out: &mut Outbound<'_>) -> bool {
        // [MQTT-3.3.1-5] [MQTT-3.3.1-7] it replaces what was stored, also with QoS 0.
        // [MQTT-3.3.1-10] [MQTT-3.3.1-11] an empty one removes it and is not stored itself.
        let (empty, out_of_memory) = (out.payload_len() == 0, self.is_out_of_memory());
        if self.journal.is_on() {
            // The store's bytes are the index's: they are held once.
            out.body();
        }
        let message = out.settled();
        self.unheard |= self.journal.is_on();
        let word = if empty {
            self.shared.remove_retained(self.id, message.topic())
        } else if (self.shared.retained.len() < self.config.max_retained && !out_of_memory)
            || self.shared.retained.get(message.topic()).is_some()
        {
            self.shared.set_retained(self.id, message.clone())
        } else {
            self.counters.dropped_retained_full += 1;
            return false;
        };
        self.note_retained(word, out);
        true
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
        // [MQTT-4.3.3-2] the same message again: PUBREC, and nobody gets it twice. Not before the first one is durable.
        self.received(arrived);
        let need = self.journal.so_far();
        self.answer(arrived.conn, need, (AckKind::PubRec, id), fx);
        true
    }

    const fn received(&mut self, arrived: &Arrived) {
        self.counters.publish_received += 1;
        self.counters.publish_bytes_received += arrived.payload_len as u64;
    }

    /// The message is with everybody: takes note of a QoS 2 identifier and answers once `need` is durable.
    #[inline]
    fn accept(&mut self, arrived: &Arrived, need: u64, fx: &mut Effects) {
        if let Some(answer) = self.defer_answer(arrived, need) {
            self.acknowledge(&answer, fx);
        }
    }

    /// The answer that is due; a QoS 2 identifier is held from now on.
    #[inline]
    fn defer_answer(&mut self, arrived: &Arrived, need: u64) -> Option<Answer> {
        let id = arrived.packet_id?;
        if arrived.qos == QoS::ExactlyOnce
            && let Some(session) = self.sessions.get_mut(arrived.key)
            && session.flow(self.config.window).incoming.publish(id) == Arrival::New
        {
            self.counters.unreleased += 1;
        }
        Some(Answer {
            conn: arrived.conn,
            qos: arrived.qos,
            id,
            need,
            is_next: false,
        })
    }

    /// The answer by QoS [MQTT-3.3.4-1], with the identifier of the PUBLISH.
    #[inline]
    fn acknowledge(&mut self, answer: &Answer, fx: &mut Effects) {
        // [MQTT-3.3.4-1] [MQTT-2.3.1-6] [MQTT-4.6.0-2] [MQTT-4.6.0-3] in the order of the PUBLISHes: the next one is not
        // looked at before, or waits behind it.
        let kind = match answer.qos {
            QoS::AtMostOnce => return,
            // [MQTT-4.3.2-2] the message is in every session that is owed it.
            QoS::AtLeastOnce => AckKind::PubAck,
            QoS::ExactlyOnce => AckKind::PubRec,
        };
        if answer.is_next {
            self.uncount_parked(answer.conn);
            if self.hears(answer.conn) {
                self.send_ack(answer.conn, packet(kind, answer.id), fx);
            }
            return;
        }
        self.answer(answer.conn, answer.need, (kind, answer.id), fx);
    }

    /// What a message that nobody gets needs: its identifier has to be kept all the same.
    fn plan_for_nobody(&mut self, arrived: &Arrived) -> Result<Plan, Fault> {
        let nobody = Route::default();
        if self.lacks_store(&nobody, arrived, false) {
            return Err(ours());
        }
        let message = Message::new(burgee_codec::TopicName::trusted(""), &[], arrived.qos);
        Ok(self.plan(&nobody, arrived, false, &mut Outbound::from_message(&message)))
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
