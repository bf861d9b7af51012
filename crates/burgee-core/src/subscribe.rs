//! One verb, both ways: SUBSCRIBE and UNSUBSCRIBE.
//!
//! What must hold: SUBACK goes out before any retained message; a filter that is there already is replaced without a
//! gap [MQTT-3.8.4-3]; the filters of one packet act as if they came alone, in order [MQTT-3.8.4-4].
//! Deliberately absent: matching; that is the router's.

use burgee_codec::{QoS, SharedFilter, Subscribe, TopicFilter, TopicFilterBuf, Unsubscribe, code};
use burgee_protocol::Fault;
use burgee_router::{RetainedCursor, SubscriberKey};
use burgee_store::Op;

use crate::counters::Counters;
use crate::filters::weight;
use crate::io::{ConnKey, Effects};
use crate::journal::{Parked, Subscribed, ours};
use crate::sessions::{Replay, SessionKey};
use crate::shared::Shared;
use crate::state::Shard;

impl Shard {
    /// # Errors
    /// More replays of retained messages wait than a client may ask for.
    pub(crate) fn subscribe(
        &mut self,
        conn: ConnKey,
        subscribe: &Subscribe<'_>,
        fx: &mut Effects,
    ) -> Result<(), Fault> {
        let Some((key, listener)) = self.conns.open_mut(conn).map(|open| (open.session, open.listener)) else {
            return Ok(());
        };
        let max_subscriptions = self.max_subscriptions_for(listener, key);
        let kept = self.sessions.kept(key);
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        let mut replays = Vec::new();
        // [MQTT-3.8.4-4] as if each came alone, in order.
        for (filter, options) in &subscribe.filters {
            let before = replays.len();
            let code = if kept.is_some() && self.journal.has_failed() {
                code::SUBSCRIBE_FAILURE
            } else {
                match self.granted(conn, (filter, options.qos), fx) {
                    Ok(qos) => self.subscribe_one((key, max_subscriptions), filter, qos, &mut replays)?,
                    Err(code) => code,
                }
            };
            if let (Some(session), Some(qos)) = (kept, QoS::from_bits(code)) {
                let filter = TopicFilterBuf::from(filter);
                let subscribed = Op::Subscribed {
                    session,
                    filter,
                    qos,
                    replay: if replays.len() > before {
                        burgee_store::Replay::Whole
                    } else {
                        burgee_store::Replay::Done
                    },
                };
                self.journal.note(subscribed, self.now);
            }
            codes.push(code);
        }
        let waits = kept.is_some() && self.journal.is_on();
        let need = if waits { self.journal.so_far() } else { 0 };
        let at_once = self.journal.is_durable(need) && !self.has_parked(conn);
        let subscribed = Subscribed {
            conn,
            key,
            id: subscribe.packet_id,
            codes,
            replays,
            waited: !at_once,
        };
        self.count_parked(conn);
        if at_once {
            self.subscribed(subscribed, fx);
        } else {
            self.hold_messages(key);
            self.journal.park(need, Parked::SubAck(Box::new(subscribed)));
        }
        Ok(())
    }

    /// The return code for one filter. [MQTT-3.9.3-2] 0, 1, 2 or 0x80.
    fn subscribe_one(
        &mut self,
        (key, max_subscriptions): (SessionKey, usize),
        filter: TopicFilter<'_>,
        qos: QoS,
        replays: &mut Vec<Replay>,
    ) -> Result<u8, Fault> {
        let own = self.id;
        let Some(session) = self.sessions.get_mut(key) else {
            return Ok(code::SUBSCRIBE_FAILURE);
        };
        let subscriber = key.in_shard(own, session.kept);
        let weight = weight(filter);
        let full = session.filters_weight.saturating_add(weight) as usize > max_subscriptions;
        if full && !session.filters.contains(filter.as_str()) {
            return Ok(code::SUBSCRIBE_FAILURE);
        }
        match SharedFilter::parse(filter) {
            Some(Ok(shared)) => {
                if self
                    .shared
                    .router
                    .subscribe_shared(subscriber, shared, qos, true)
                    .is_none()
                {
                    session.filters.insert(filter, &self.chance);
                    session.filters_weight = session.filters_weight.saturating_add(weight);
                    self.counters.shared_subscriptions += 1;
                }
                // A shared subscription gets no retained messages: there is no telling for which member.
                return Ok(qos.bits());
            }
            Some(Err(_)) => return Ok(code::SUBSCRIBE_FAILURE),
            None => {}
        }
        // [MQTT-3.8.3-2] wildcards are supported.
        if self.shared.router.subscribe(subscriber, filter, qos).is_none() {
            session.filters.insert(filter, &self.chance);
            session.filters_weight = session.filters_weight.saturating_add(weight);
        }
        if !self.shared.retained.is_empty() {
            let waiting = session.flow_if_any().map_or(0, |flow| flow.replays.len());
            if waiting + replays.len() > self.config.max_subscriptions {
                return Err(Fault::Limit(
                    "more subscriptions wait for retained messages than max_subscriptions",
                ));
            }
            // [MQTT-3.3.1-6] [MQTT-3.8.4-3] also if the filter was there before.
            let cursor = RetainedCursor::default();
            replays.push(Replay {
                filter: TopicFilterBuf::from(filter),
                qos,
                cursor,
            });
        }
        Ok(qos.bits())
    }

    /// # Errors
    /// It cannot be kept that the subscriptions ended.
    pub(crate) fn unsubscribe(
        &mut self,
        conn: ConnKey,
        unsubscribe: &Unsubscribe<'_>,
        fx: &mut Effects,
    ) -> Result<(), Fault> {
        let Some(key) = self.conns.open_mut(conn).map(|open| open.session) else {
            return Ok(());
        };
        let kept = self.sessions.kept(key);
        if kept.is_some() && self.journal.has_failed() {
            return Err(ours());
        }
        let own = self.id;
        if let Some(session) = self.sessions.get_mut(key) {
            let subscriber = key.in_shard(own, session.kept);
            // [MQTT-3.10.4-6] one after the other.
            for filter in &unsubscribe.filters {
                // [MQTT-3.10.4-1] an equal filter goes, byte by byte; [MQTT-3.10.4-2] nothing new comes by it.
                if unroute(&self.shared, &mut self.counters, subscriber, filter) {
                    session.filters.remove(filter.as_str());
                    session.filters_weight = session.filters_weight.saturating_sub(weight(filter));
                    if let Some(session) = kept {
                        let filter = TopicFilterBuf::from(filter);
                        self.journal.note(Op::Unsubscribed { session, filter }, self.now);
                    }
                }
            }
            session.forget_replays();
        }
        // [MQTT-3.10.4-4] [MQTT-3.10.4-5] also if nothing was deleted. What is in flight or queued is completed
        // [MQTT-3.10.4-3].
        let waits = kept.is_some() && self.journal.is_on();
        let need = if waits { self.journal.so_far() } else { 0 };
        if self.journal.is_durable(need) && !self.has_parked(conn) {
            self.send_unsuback(conn, unsubscribe.packet_id, fx);
        } else {
            self.count_parked(conn);
            self.journal.park(need, Parked::UnsubAck(conn, unsubscribe.packet_id));
        }
        Ok(())
    }
}

/// Takes a filter out of the router, byte by byte the same one; says whether it was there.
pub(crate) fn unroute(
    shared: &Shared,
    counters: &mut Counters,
    subscriber: SubscriberKey,
    filter: TopicFilter<'_>,
) -> bool {
    match SharedFilter::parse(filter) {
        Some(Ok(group)) => {
            let gone = shared.router.unsubscribe_shared(subscriber, group);
            counters.shared_subscriptions -= u64::from(gone);
            gone
        }
        Some(Err(_)) | None => shared.router.unsubscribe(subscriber, filter),
    }
}
