//! The durable state as ordered maps, and what each operation does to it.
//!
//! What must hold: a message is here exactly while a session is owed it; the highest numbers survive those who had
//! them. Operations come here after [`claims`](super::claims) has passed them, so none can fail.

use std::collections::BTreeMap;
use std::ops::Bound;

use burgee_codec::{QoS, TopicName, TopicNameBuf};

use super::session::Session;
use crate::batch::{Batch, MessageNo, Op, SessionNo};
use crate::body::Body;
use crate::intake::Intake;
use crate::record::{OwedMessage, OwedRef, Recovered, RetainedMessage, SessionRecord};
use crate::removals::Removals;

/// A message and how many sessions are owed it.
#[derive(Clone, Debug)]
struct Message {
    body: Body,
    retain: bool,
    owing: usize,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    sessions: BTreeMap<SessionNo, Session>,
    by_client: BTreeMap<Box<str>, SessionNo>,
    messages: BTreeMap<MessageNo, Message>,
    retained: BTreeMap<TopicNameBuf, RetainedMessage>,
    removals: Removals,
    highest_session: SessionNo,
    highest_message: MessageNo,
}

impl State {
    pub(super) fn apply(&mut self, batches: impl IntoIterator<Item = Batch>) {
        for op in batches.into_iter().flat_map(|batch| batch.ops) {
            self.apply_op(op);
        }
    }

    fn apply_op(&mut self, op: Op) {
        match op {
            Op::SessionCreated {
                session,
                client_id,
                user,
            } => {
                self.highest_session = self.highest_session.max(session);
                self.by_client.insert(client_id.clone(), session);
                self.sessions.insert(session, Session::new(client_id, user));
            }
            Op::SessionClaimed { session, user } => self.change(session, |held| held.claim(user)),
            Op::SessionDeleted { session } => self.delete(session),
            Op::Owed {
                message,
                body,
                retain,
                owing,
            } => self.owe(message, &body, retain, &owing),
            Op::Settled { session, message } => {
                let len = self.messages.get(&message).map_or(0, |held| held.body.len());
                let settled = self.of(session).is_some_and(|session| session.settle(message, len));
                if settled {
                    self.release(message);
                }
            }
            Op::Retained { body, qos, stamp } => self.retain(RetainedMessage { body, qos, stamp }),
            Op::Unretained { topic, stamp, oldest } => self.unretain(topic, stamp, oldest),
            Op::Subscribed {
                session,
                filter,
                qos,
                replay,
            } => self.change(session, |held| held.subscribe(filter, qos, replay)),
            Op::Replayed {
                session,
                filter,
                replay,
            } => self.change(session, |held| held.replayed(&filter, replay)),
            Op::Unsubscribed { session, filter } => self.change(session, |held| held.unsubscribe(&filter)),
            Op::Delivery {
                session,
                message,
                id,
                stage,
            } => self.change(session, |held| held.deliver(message, id, stage)),
            Op::Received { session, id } => self.change(session, |held| held.receive(id)),
            Op::Freed { session, id } => self.change(session, |held| held.free(id)),
            Op::WillSet { session, will } => self.change(session, |held| held.set_will(Some(will))),
            Op::WillCleared { session } => self.change(session, |held| held.set_will(None)),
        }
    }

    fn of(&mut self, session: SessionNo) -> Option<&mut Session> {
        self.sessions.get_mut(&session)
    }

    fn change(&mut self, session: SessionNo, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.of(session) {
            change(session);
        }
    }

    fn delete(&mut self, session: SessionNo) {
        let Some(deleted) = self.sessions.remove(&session) else {
            return;
        };
        self.by_client.remove(deleted.client_id());
        for message in deleted.into_messages() {
            self.release(message);
        }
    }

    fn owe(&mut self, message: MessageNo, body: &Body, retain: bool, owing: &[(SessionNo, QoS)]) {
        self.highest_message = self.highest_message.max(message);
        let mut owed = 0;
        for &(session, qos) in owing {
            let new = self
                .of(session)
                .is_some_and(|session| session.owe(message, qos, body.len()));
            owed += usize::from(new);
        }
        if owed > 0 {
            let body = body.clone();
            self.messages.insert(
                message,
                Message {
                    body,
                    retain,
                    owing: owed,
                },
            );
        }
    }

    fn retain(&mut self, message: RetainedMessage) {
        let topic = TopicNameBuf::from(message.body.topic());
        if self.stamp_of(&topic) <= message.stamp {
            self.removals.is_back(&topic);
            self.retained.insert(topic, message);
        }
    }

    fn unretain(&mut self, topic: TopicNameBuf, stamp: u64, oldest: u64) {
        self.removals.oldest_is(oldest);
        if self.stamp_of(&topic) <= stamp {
            self.retained.remove(&topic);
            if stamp > oldest {
                self.removals.removed(topic, stamp);
            }
        }
    }

    /// The greatest stamp that has spoken of a topic, as far as it matters.
    fn stamp_of(&self, topic: &TopicNameBuf) -> u64 {
        let there = self.retained.get(topic).map(|held| held.stamp);
        let gone = self.removals.stamp(topic);
        there.max(gone).unwrap_or_default()
    }

    /// The store is opened anew: whatever was on its way is lost, so no older word can come.
    pub(super) fn reopen(&mut self) {
        self.removals.clear();
    }

    /// One session less is owed it.
    fn release(&mut self, message: MessageNo) {
        if let Some(held) = self.messages.get_mut(&message) {
            held.owing -= 1;
            if held.owing == 0 {
                self.messages.remove(&message);
            }
        }
    }
}

/// Questions.
impl State {
    pub(super) fn has_session(&self, session: SessionNo) -> bool {
        self.sessions.contains_key(&session)
    }

    pub(super) fn has_message(&self, message: MessageNo) -> bool {
        self.messages.contains_key(&message)
    }

    pub(super) fn session_of(&self, client_id: &str) -> Option<SessionNo> {
        self.by_client.get(client_id).copied()
    }

    pub(super) fn recovered(&self) -> Recovered {
        let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        Recovered {
            next_session: SessionNo(self.highest_session.0.saturating_add(1)),
            next_message: MessageNo(self.highest_message.0.saturating_add(1)),
            sessions: count(self.sessions.len()),
            messages: count(self.messages.len()),
            message_bytes: count(self.messages.values().map(|held| held.body.len()).sum()),
            retained: count(self.retained.len()),
            retained_bytes: count(self.retained.values().map(|held| held.body.len()).sum()),
        }
    }

    pub(super) fn intake(&self) -> Intake {
        let Recovered {
            next_session,
            next_message,
            ..
        } = self.recovered();
        Intake::new(next_session, next_message)
    }

    pub(super) fn sessions(&self, after: SessionNo) -> impl Iterator<Item = SessionRecord> {
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        self.sessions.range(behind).map(|(&number, held)| held.record(number))
    }

    pub(super) fn backlog(&self, session: SessionNo, after: MessageNo) -> impl Iterator<Item = OwedMessage> {
        let debts = self.sessions.get(&session).map(|session| session.debts(after));
        debts.into_iter().flatten().filter_map(|(message, debt)| {
            let held = self.messages.get(&message)?;
            Some(OwedMessage {
                message,
                body: held.body.clone(),
                qos: debt.qos,
                retain: held.retain,
                delivery: debt.delivery,
            })
        })
    }

    pub(super) fn owed(&self, session: SessionNo, after: MessageNo) -> impl Iterator<Item = OwedRef> {
        let debts = self.sessions.get(&session).map(|session| session.debts(after));
        debts.into_iter().flatten().filter_map(|(message, debt)| {
            let held = self.messages.get(&message)?;
            Some(OwedRef {
                message,
                // A body fits into one MQTT packet.
                bytes: u32::try_from(held.body.len()).unwrap_or(u32::MAX),
                qos: debt.qos,
                retain: held.retain,
                delivery: debt.delivery,
            })
        })
    }

    pub(super) fn body(&self, message: MessageNo) -> Option<&Body> {
        self.messages.get(&message).map(|held| &held.body)
    }

    pub(super) fn retained(&self, after: Option<TopicName<'_>>) -> impl Iterator<Item = RetainedMessage> {
        let after = after.map_or(Bound::Unbounded, |topic| Bound::Excluded(topic.as_str()));
        self.retained
            .range::<str, _>((after, Bound::Unbounded))
            .map(|(_, held)| held.clone())
    }
}
