//! One verb: the retained messages of a new subscription go out, at the pace of its client.
//!
//! What must hold: none is dropped for want of room, because none is read before there is room; a turn looks at a
//! bounded number of entries. A persistent session that leaves in between goes on when it is back, also if the broker died
//! meanwhile: with each debt goes the word how far the replay has come, in one batch, so that none is owed twice.
//! Deliberately absent: a copy of the index; it is read in pages, as it is at that moment.

use burgee_codec::{QoS, TopicNameBuf};
use burgee_router::{Kept, Recipient, Topical};
use burgee_store::{Op, SessionNo};

use crate::io::Effects;
use crate::outbound::Outbound;
use crate::sessions::{Replay, SessionKey};
use crate::state::Shard;

/// Entries looked at between two looks at the outbox.
const PAGE: usize = 32;

impl Shard {
    /// Goes on with a session's replays as far as its outbox, its window and this turn allow.
    pub(crate) fn replay(&mut self, key: SessionKey, fx: &mut Effects) {
        let (limits, window) = (self.outbox_limits(), usize::from(self.config.window.max(1)));
        let mut page = core::mem::take(&mut self.page);
        while let Some(session) = self.sessions.get_mut(key) {
            let (Some(conn), version) = (session.line(), session.version) else {
                break;
            };
            let kept = session.kept;
            let Some(flow) = session.flow_if_any() else { break };
            let Some(replay) = flow.replays.front_mut() else { break };
            if fx
                .outboxes
                .get(conn)
                .is_some_and(|outbox| outbox.is_above(limits.0, limits.1))
            {
                if let Some(outbox) = fx.outboxes.get_mut(conn) {
                    self.want_room(outbox);
                }
                break;
            }
            // With QoS 1 and 2 they come one at a time, each straight into the window: none ever waits in the queue, where
            // it could be dropped, and the acknowledgements set the pace.
            let acknowledged = replay.qos > QoS::AtMostOnce;
            let outgoing = &flow.outgoing;
            if acknowledged && (outgoing.in_flight() >= window || !outgoing.queue().is_empty()) {
                break;
            }
            if self.retained_left == 0 {
                if !core::mem::replace(&mut flow.replay_queued, true) {
                    self.replaying.push(key);
                }
                break;
            }
            let step = if acknowledged { 1 } else { PAGE.min(self.retained_left) };
            self.retained_left -= step;
            let qos = replay.qos;
            let ended = self
                .shared
                .retained
                .page(replay.filter.as_ref(), &mut replay.cursor, step, &mut page);
            // Behind the debts that this page makes, and in their batch.
            let reached = page.last().map(|message| TopicNameBuf::from(message.topic()));
            let ended = if ended { flow.replays.pop_front() } else { None };
            for message in page.drain(..) {
                // [MQTT-3.3.1-8] RETAIN 1 for a new subscription. [MQTT-3.8.4-6]
                let qos = qos.min(message.qos());
                let mut out = Outbound::from_message(&message);
                if self.restrictive && !self.may_get(key, out.topic(), 0, fx) {
                    continue;
                }
                if qos == QoS::AtMostOnce {
                    self.send_qos0(conn, (true, version), &mut out, fx);
                } else {
                    let number = self.owe_retained(key, (qos, kept), &mut out);
                    self.deliver(key, (qos, true, number), &mut out, fx);
                }
            }
            self.note_progress((key, kept), ended.as_ref(), reached.filter(|_| acknowledged));
        }
        self.page = page;
    }

    /// Notes that the foremost replay of a kept session has ended, or that it has come to this topic. Nobody waits for
    /// that: what is lost with a crash is sent again, and what must not be is owed in the batch that says so.
    fn note_progress(
        &mut self,
        (key, kept): (SessionKey, Kept),
        ended: Option<&Replay>,
        reached: Option<TopicNameBuf>,
    ) {
        if !kept.is_kept() || !self.journal.is_on() {
            return;
        }
        let Some(flow) = self.sessions.get_mut(key).and_then(|session| session.flow_if_any()) else {
            return;
        };
        // The store has one word for each filter: where the client has asked again, that is about the last time, which
        // has not begun.
        let mut behind = flow.replays.iter().skip(usize::from(ended.is_none()));
        let (filter, replay) = match (ended, flow.replays.front(), reached) {
            (Some(ended), ..) => (&ended.filter, burgee_store::Replay::Done),
            (None, Some(front), Some(topic)) => (&front.filter, burgee_store::Replay::Behind(topic)),
            (None, ..) => return,
        };
        if behind.any(|other| other.filter == *filter) {
            return;
        }
        let replayed = Op::Replayed {
            session: SessionNo(kept.number()),
            filter: filter.clone(),
            replay,
        };
        self.journal.note(replayed, self.now);
    }

    /// A retained message is owed to one session: if that is kept, so is the debt.
    fn owe_retained(&mut self, key: SessionKey, (qos, kept): (QoS, Kept), out: &mut Outbound<'_>) -> u64 {
        if !kept.is_kept() {
            return 0;
        }
        let key = self.subscriber(key, kept);
        self.owe_to([Recipient { key, qos }].iter(), (qos, true), out)
    }

    /// Goes on with the replays that the last turn had no time for.
    pub(crate) fn replay_again(&mut self, fx: &mut Effects) {
        for key in core::mem::take(&mut self.replaying) {
            if let Some(flow) = self.sessions.get_mut(key).and_then(|session| session.flow_if_any()) {
                flow.replay_queued = false;
            }
            // What it is sent first may have been left over as well.
            self.pump(key, fx);
        }
        if !self.replaying.is_empty() {
            // Who used this turn up is the last one in the next.
            self.replaying.rotate_left(1);
        }
    }
}
