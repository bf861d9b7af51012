//! What the store has kept comes back, before the first turn.
//!
//! What must hold: a session comes back as its client left it, but for what its connection was: subscriptions, what of the
//! retained messages they have not got yet, what it is owed in the order of its numbers, identifiers of both directions, its will. Bodies stay in the store until they are
//! sent. QoS 1 goes out with DUP, as it may have been sent; a QoS 2 message without an identifier never was.
//! Deliberately absent: reading; whoever owns the store does that.

use burgee_codec::{QoS, SharedFilter};
use burgee_protocol::session::{Arrival, Deliverable, Unfinished};
use burgee_router::{Kept, RetainedCursor};
use burgee_store::{MessageNo, OwedRef, SessionNo, SessionRecord, Stage, Subscription};

use crate::expiry::FROM_BEFORE;
use crate::filters::weight;
use crate::io::{ConnKey, Effects};
use crate::job::Wait;
use crate::message::Message;
use crate::sessions::{Delivery, Owner, Replay, SessionKey};
use crate::state::Shard;

impl Shard {
    /// Numbers of sessions and messages go on here, so that none is given twice.
    pub fn continue_from(&mut self, session: SessionNo, message: MessageNo) {
        self.journal.continue_from(session, message);
    }

    /// A session of this shard comes back, see [`Shared::home`](crate::Shared::home). `owed` is in the order of numbers.
    pub fn restore(&mut self, record: SessionRecord, owed: &[OwedRef]) {
        let kept = Kept::new(record.session.0);
        let key = self.sessions.create(&record.client_id, false, kept);
        self.counters.sessions = self.sessions.len() as u64;
        for subscription in &record.subscriptions {
            self.restore_subscription(key, kept, subscription);
        }
        if let Some(session) = self.sessions.get_mut(key) {
            session.owner = Owner::from_store(record.user);
        }
        let window = self.config.window;
        if let Some(session) = self.sessions.get_mut(key)
            && !(record.received.is_empty() && owed.is_empty())
        {
            let flow = session.flow(window);
            for id in record.received {
                self.counters.unreleased += u64::from(flow.incoming.publish(id) == Arrival::New);
            }
            let unfinished = unfinished(owed);
            let counters = &mut self.counters;
            for one in &unfinished {
                if let Unfinished::Sent(_, delivery) | Unfinished::Waiting(delivery) = one {
                    counters.queued_messages += 1;
                    counters.queued_bytes += delivery.weight() as u64;
                }
            }
            flow.outgoing.restore(unfinished);
        }
        self.begin_to_expire(key);
        self.old_wills.extend(record.will.map(|will| (key, will)));
    }

    fn restore_subscription(&mut self, key: SessionKey, kept: Kept, subscription: &Subscription) {
        let subscriber = self.subscriber(key, kept);
        let filter = subscription.filter.as_ref();
        match SharedFilter::parse(filter) {
            Some(Ok(shared)) => {
                self.shared
                    .router
                    .subscribe_shared(subscriber, shared, subscription.qos, false);
                self.counters.shared_subscriptions += 1;
            }
            Some(Err(_)) => return,
            None => {
                self.shared.router.subscribe(subscriber, filter, subscription.qos);
            }
        }
        let cursor = match &subscription.replay {
            burgee_store::Replay::Done => None,
            burgee_store::Replay::Whole => Some(RetainedCursor::default()),
            burgee_store::Replay::Behind(topic) => Some(RetainedCursor::behind(topic.as_str())),
        };
        if let Some(session) = self.sessions.get_mut(key) {
            session.filters.insert(filter, &self.chance);
            session.filters_weight = session.filters_weight.saturating_add(weight(filter));
            if let Some(cursor) = cursor {
                let (filter, qos) = (subscription.filter.clone(), subscription.qos);
                let replays = &mut session.flow(self.config.window).replays;
                replays.push_back(Replay { filter, qos, cursor });
            }
        }
    }

    /// [MQTT-3.1.2-8] clients that were connected when the broker's last run ended are lost.
    pub(crate) fn publish_old_wills(&mut self, fx: &mut Effects) {
        for (key, will) in core::mem::take(&mut self.old_wills) {
            let message = Message::from_store(&will.body, will.qos);
            let kept = self.sessions.kept(key).unwrap_or_default();
            self.note_no_will(key, kept);
            if let Some(mut access) = self.access_of_lost(key) {
                let lost = ConnKey {
                    slot: u32::MAX,
                    generation: u32::MAX,
                };
                let topic = burgee_router::Topical::topic(&message);
                if !self.may_leave((lost, &mut access), (topic.as_str(), will.retain, will.qos), fx) {
                    continue;
                }
            }
            self.publish_will(kept, (&message, will.retain), Wait::No, fx);
        }
    }
}

/// In the order of numbers. What has no identifier waits in the queue again: of QoS 1, nobody knows what was sent.
fn unfinished(owed: &[OwedRef]) -> Vec<Unfinished<Delivery>> {
    let one = |owed: &OwedRef| {
        let delivery = Delivery {
            message: Message::away(owed.message.0, owed.bytes, owed.qos),
            qos: owed.qos,
            retain: owed.retain,
            again: owed.qos == QoS::AtLeastOnce,
            stamp: FROM_BEFORE,
        };
        match owed.delivery {
            Some((id, Stage::Released)) => Unfinished::Released(id, owed.message.0),
            Some((id, Stage::Published)) => Unfinished::Sent(id, delivery),
            None => Unfinished::Waiting(delivery),
        }
    };
    owed.iter().map(one).collect()
}
