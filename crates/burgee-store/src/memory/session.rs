//! One session's part of the state.
//!
//! What must hold: an identifier belongs to one delivery, a delivery has one identifier; `bytes` is the sum of the
//! bodies that are owed. Deliberately absent: the bodies; others are owed them, too.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use burgee_codec::{PacketId, QoS, TopicFilterBuf};

use crate::batch::{MessageNo, Replay, SessionNo, Stage, Will};
use crate::record::{Backlog, Delivery, SessionRecord, Subscription};

/// What a session is owed, but for the message itself.
#[derive(Copy, Clone, Debug)]
pub(super) struct Debt {
    pub(super) qos: QoS,
    pub(super) delivery: Option<(PacketId, Stage)>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Session {
    client_id: Box<str>,
    user: Option<Box<str>>,
    subscriptions: BTreeMap<TopicFilterBuf, (QoS, Replay)>,
    received: BTreeSet<PacketId>,
    owed: BTreeMap<MessageNo, Debt>,
    identifiers: BTreeMap<PacketId, MessageNo>,
    bytes: usize,
    will: Option<Will>,
}

impl Session {
    pub(super) const fn new(client_id: Box<str>, user: Option<Box<str>>) -> Self {
        Self {
            client_id,
            user,
            subscriptions: BTreeMap::new(),
            received: BTreeSet::new(),
            owed: BTreeMap::new(),
            identifiers: BTreeMap::new(),
            bytes: 0,
            will: None,
        }
    }

    pub(super) fn claim(&mut self, user: Box<str>) {
        self.user = Some(user);
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(super) fn into_messages(self) -> impl Iterator<Item = MessageNo> {
        self.owed.into_keys()
    }

    pub(super) fn subscribe(&mut self, filter: TopicFilterBuf, qos: QoS, replay: Replay) {
        self.subscriptions.insert(filter, (qos, replay));
    }

    pub(super) fn replayed(&mut self, filter: &TopicFilterBuf, left: Replay) {
        if let Some((_, replay)) = self.subscriptions.get_mut(filter) {
            *replay = left;
        }
    }

    pub(super) fn unsubscribe(&mut self, filter: &TopicFilterBuf) {
        self.subscriptions.remove(filter);
    }

    /// Whether this is new to it.
    pub(super) fn owe(&mut self, message: MessageNo, qos: QoS, len: usize) -> bool {
        let debt = Debt { qos, delivery: None };
        let new = self.owed.insert(message, debt).is_none();
        if new {
            self.bytes += len;
        }
        new
    }

    /// Whether it was owed. `len` is that of the body.
    pub(super) fn settle(&mut self, message: MessageNo, len: usize) -> bool {
        let Some(debt) = self.owed.remove(&message) else {
            return false;
        };
        self.bytes -= len;
        if let Some((id, _)) = debt.delivery {
            self.identifiers.remove(&id);
        }
        true
    }

    pub(super) fn deliver(&mut self, message: MessageNo, id: PacketId, stage: Stage) {
        let Some(debt) = self.owed.get_mut(&message) else {
            return;
        };
        let before = debt.delivery.replace((id, stage));
        if let Some((old, _)) = before {
            self.identifiers.remove(&old);
        }
        let robbed = self.identifiers.insert(id, message);
        if let Some(other) = robbed.and_then(|robbed| self.owed.get_mut(&robbed)) {
            other.delivery = None;
        }
    }

    pub(super) fn receive(&mut self, id: PacketId) {
        self.received.insert(id);
    }

    pub(super) fn free(&mut self, id: PacketId) {
        self.received.remove(&id);
    }

    pub(super) fn set_will(&mut self, will: Option<Will>) {
        self.will = will;
    }

    pub(super) fn debts(&self, after: MessageNo) -> impl Iterator<Item = (MessageNo, Debt)> {
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        self.owed.range(behind).map(|(&message, &debt)| (message, debt))
    }

    pub(super) fn record(&self, session: SessionNo) -> SessionRecord {
        let delivery = |(&message, debt): (&MessageNo, &Debt)| {
            let (id, stage) = debt.delivery?;
            Some(Delivery { message, id, stage })
        };
        let subscription = |(filter, (qos, replay)): (&TopicFilterBuf, &(QoS, Replay))| Subscription {
            filter: filter.clone(),
            qos: *qos,
            replay: replay.clone(),
        };
        SessionRecord {
            session,
            client_id: self.client_id.clone(),
            user: self.user.clone(),
            subscriptions: self.subscriptions.iter().map(subscription).collect(),
            received: self.received.iter().copied().collect(),
            deliveries: self.owed.iter().filter_map(delivery).collect(),
            will: self.will.clone(),
            backlog: Backlog {
                messages: u64::try_from(self.owed.len()).unwrap_or(u64::MAX),
                bytes: u64::try_from(self.bytes).unwrap_or(u64::MAX),
                first: self.owed.keys().next().copied(),
            },
        }
    }
}
