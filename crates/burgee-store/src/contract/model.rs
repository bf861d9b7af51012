//! The naive model: tables without any order, searched from top to bottom, and the state always made anew from all
//! operations. It is slow, and easy to be sure of; and it has nothing in common with the stores.

use burgee_codec::{PacketId, QoS, TopicFilterBuf};

use super::image::Image;
use crate::batch::{MessageNo, Op, Replay, SessionNo, Stage, Will};
use crate::body::Body;
use crate::record::{Backlog, Delivery, OwedMessage, RetainedMessage, SessionRecord, Subscription};

#[derive(Clone)]
pub(super) struct Debt {
    pub(super) session: SessionNo,
    pub(super) message: MessageNo,
    body: Body,
    retain: bool,
    qos: QoS,
    pub(super) delivery: Option<(PacketId, Stage)>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Model {
    pub(super) sessions: Vec<(SessionNo, Box<str>, Option<Box<str>>)>,
    subscriptions: Vec<(SessionNo, TopicFilterBuf, QoS, Replay)>,
    received: Vec<(SessionNo, PacketId)>,
    wills: Vec<(SessionNo, Will)>,
    pub(super) debts: Vec<Debt>,
    retained: Vec<(Body, QoS, u64)>,
    /// What was said of topics, and when: for ever.
    said: Vec<(Box<str>, u64)>,
    pub(super) highest: (SessionNo, MessageNo),
}

impl Model {
    /// After these operations.
    pub(super) fn after<'a>(ops: impl IntoIterator<Item = &'a Op>) -> Self {
        let mut model = Self::default();
        for op in ops {
            model.apply(op);
        }
        model
    }

    fn lives(&self, session: SessionNo) -> bool {
        self.sessions.iter().any(|(living, ..)| *living == session)
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::SessionCreated {
                session,
                client_id,
                user,
            } => {
                self.sessions.push((*session, client_id.clone(), user.clone()));
                self.highest.0 = self.highest.0.max(*session);
            }
            Op::SessionDeleted { session } => {
                self.sessions.retain(|(held, ..)| held != session);
                self.subscriptions.retain(|(held, ..)| held != session);
                self.received.retain(|(held, _)| held != session);
                self.wills.retain(|(held, _)| held != session);
                self.debts.retain(|debt| debt.session != *session);
            }
            Op::Retained { body, qos, stamp } => {
                if self.is_news(body.topic().as_str(), *stamp) {
                    self.retained.push((body.clone(), *qos, *stamp));
                }
            }
            Op::Unretained { topic, stamp, .. } => {
                self.is_news(topic.as_str(), *stamp);
            }
            Op::Owed { .. } | Op::Settled { .. } | Op::Delivery { .. } => self.apply_to_debts(op),
            Op::SessionClaimed { .. }
            | Op::Subscribed { .. }
            | Op::Replayed { .. }
            | Op::Unsubscribed { .. }
            | Op::Received { .. }
            | Op::Freed { .. }
            | Op::WillSet { .. }
            | Op::WillCleared { .. } => self.apply_to_session(op),
        }
    }

    /// Whether nothing newer was said of this topic; then what is retained of it is gone.
    fn is_news(&mut self, topic: &str, stamp: u64) -> bool {
        let news = self.said.iter().all(|(held, said)| **held != *topic || *said <= stamp);
        if news {
            self.said.push((topic.into(), stamp));
            self.retained.retain(|(held, ..)| held.topic().as_str() != topic);
        }
        news
    }

    fn apply_to_debts(&mut self, op: &Op) {
        if let Op::Owed {
            message,
            body,
            retain,
            owing,
        } = op
        {
            self.highest.1 = self.highest.1.max(*message);
            for (session, qos) in owing {
                if self.lives(*session) {
                    self.debts
                        .retain(|debt| (debt.session, debt.message) != (*session, *message));
                    self.debts.push(Debt {
                        session: *session,
                        message: *message,
                        body: body.clone(),
                        retain: *retain,
                        qos: *qos,
                        delivery: None,
                    });
                }
            }
        }
        if let Op::Settled { session, message } = op {
            self.debts
                .retain(|debt| (debt.session, debt.message) != (*session, *message));
        }
        if let Op::Delivery {
            session,
            message,
            id,
            stage,
        } = op
        {
            let owed = |debt: &&mut Debt| debt.session == *session;
            if self.debts.iter_mut().filter(owed).any(|debt| debt.message == *message) {
                for debt in self.debts.iter_mut().filter(owed) {
                    if debt.message == *message {
                        debt.delivery = Some((*id, *stage));
                    } else if debt.delivery.is_some_and(|(held, _)| held == *id) {
                        debt.delivery = None;
                    }
                }
            }
        }
    }

    fn apply_to_session(&mut self, op: &Op) {
        if let Op::SessionClaimed { session, user } = op {
            for held in self.sessions.iter_mut().filter(|(held, ..)| held == session) {
                held.2 = Some(user.clone());
            }
        }
        if let Op::Subscribed { session, filter, .. } | Op::Unsubscribed { session, filter } = op {
            self.subscriptions
                .retain(|(held, old, ..)| (held, old) != (session, filter));
        }
        if let Op::Replayed {
            session,
            filter,
            replay,
        } = op
        {
            for held in &mut self.subscriptions {
                if (&held.0, &held.1) == (session, filter) {
                    held.3 = replay.clone();
                }
            }
        }
        if let Op::Received { session, id } | Op::Freed { session, id } = op {
            self.received.retain(|held| *held != (*session, *id));
        }
        if let Op::WillSet { session, .. } | Op::WillCleared { session } = op {
            self.wills.retain(|(held, _)| held != session);
        }
        if let Op::Subscribed {
            session,
            filter,
            qos,
            replay,
        } = op
            && self.lives(*session)
        {
            self.subscriptions
                .push((*session, filter.clone(), *qos, replay.clone()));
        }
        if let Op::Received { session, id } = op
            && self.lives(*session)
        {
            self.received.push((*session, *id));
        }
        if let Op::WillSet { session, will } = op
            && self.lives(*session)
        {
            self.wills.push((*session, will.clone()));
        }
    }
}

/// As an image.
impl Model {
    pub(super) fn image(&self) -> Image {
        let mut sessions: Vec<_> = self
            .sessions
            .iter()
            .map(|(no, client, user)| self.record(*no, client, user.as_deref()))
            .collect();
        sessions.sort_by_key(|held| held.session);
        let backlogs = sessions.iter().map(|held| held.session);
        let backlogs = backlogs.map(|session| (session, self.backlog(session))).collect();
        let mut retained: Vec<_> = self.retained.clone();
        retained.sort_by(|(a, ..), (b, ..)| a.topic().as_str().as_bytes().cmp(b.topic().as_str().as_bytes()));
        let retained = retained
            .into_iter()
            .map(|(body, qos, stamp)| RetainedMessage { body, qos, stamp });
        let mut messages: Vec<_> = self
            .debts
            .iter()
            .map(|debt| (debt.message, debt.body.len() as u64))
            .collect();
        messages.sort_unstable();
        messages.dedup();
        Image {
            sessions,
            backlogs,
            retained: retained.collect(),
            messages: (messages.len() as u64, messages.iter().map(|(_, len)| len).sum()),
        }
    }

    fn backlog(&self, session: SessionNo) -> Vec<OwedMessage> {
        let mut owed: Vec<_> = self.debts.iter().filter(|debt| debt.session == session).collect();
        owed.sort_by_key(|debt| debt.message);
        let message = |debt: &Debt| OwedMessage {
            message: debt.message,
            body: debt.body.clone(),
            qos: debt.qos,
            retain: debt.retain,
            delivery: debt.delivery,
        };
        owed.into_iter().map(message).collect()
    }

    fn record(&self, session: SessionNo, client_id: &str, user: Option<&str>) -> SessionRecord {
        let backlog = self.backlog(session);
        let mut subscriptions: Vec<_> = self.subscriptions.iter().filter(|held| held.0 == session).collect();
        subscriptions.sort_by(|a, b| a.1.as_str().as_bytes().cmp(b.1.as_str().as_bytes()));
        let mut received: Vec<_> = self.received.iter().filter(|held| held.0 == session).collect();
        received.sort();
        let delivery = |owed: &OwedMessage| {
            owed.delivery.map(|(id, stage)| Delivery {
                message: owed.message,
                id,
                stage,
            })
        };
        let subscription = |(_, filter, qos, replay): &(SessionNo, TopicFilterBuf, QoS, Replay)| Subscription {
            filter: filter.clone(),
            qos: *qos,
            replay: replay.clone(),
        };
        SessionRecord {
            session,
            client_id: client_id.into(),
            user: user.map(Into::into),
            subscriptions: subscriptions.into_iter().map(subscription).collect(),
            received: received.into_iter().map(|(_, id)| *id).collect(),
            deliveries: backlog.iter().filter_map(delivery).collect(),
            will: self
                .wills
                .iter()
                .find(|held| held.0 == session)
                .map(|held| held.1.clone()),
            backlog: Backlog {
                messages: backlog.len() as u64,
                bytes: backlog.iter().map(|owed| owed.body.len() as u64).sum(),
                first: backlog.first().map(|owed| owed.message),
            },
        }
    }
}
