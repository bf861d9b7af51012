//! What other threads tell a shard. The store's: how far its batches are durable, what it wanted to be read, that the
//! store failed. Those that check logins: what became of them. Whoever has the broker: orders.
//!
//! What must hold: whoever looks after a word was put up finds it, and finds it once; the failure comes behind all that
//! was said before it. Deliberately absent: waking; whoever puts a word up sees to that.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use burgee_auth::Outcome;
use burgee_core::io::{ConnKey, Input, ReadKey, Reload};
use burgee_store::{Body, MessageNo};

use super::lock;
use crate::order::Order;

/// The answer to a read of a shard.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) key: ReadKey,
    pub(crate) bodies: Vec<(MessageNo, Body)>,
}

impl Answer {
    fn weight(&self) -> usize {
        self.bodies.iter().map(|(_, body)| body.len()).sum()
    }
}

/// Where the words for one shard are put up.
#[derive(Debug, Default)]
pub(super) struct Board {
    durable: AtomicU64,
    failed: AtomicBool,
    answers: Mutex<Vec<Answer>>,
    orders: Mutex<Vec<Order>>,
    outcomes: Mutex<Vec<(ConnKey, Outcome)>>,
}

impl Board {
    pub(super) fn durable(&self, upto: u64) {
        self.durable.store(upto, Ordering::Release);
    }

    pub(super) fn answers(&self, answers: &mut Vec<Answer>) {
        lock(&self.answers).append(answers);
    }

    pub(super) fn order(&self, order: Order) {
        lock(&self.orders).push(order);
    }

    /// What became of a login. Each is of a connection that waits for it, so there are never more than those.
    pub(super) fn outcome(&self, conn: ConnKey, outcome: Outcome) {
        lock(&self.outcomes).push((conn, outcome));
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Takes down what is new.
    pub(super) fn fetch(&self, notices: &mut Notices) {
        // Backwards: what was put up before something that is found here is found as well.
        notices.failed |= self.failed.load(Ordering::Acquire) && self.failed.swap(false, Ordering::Acquire);
        notices.outcomes.append(&mut lock(&self.outcomes));
        notices.answers.extend(lock(&self.answers).drain(..));
        notices.orders.extend(lock(&self.orders).drain(..));
        notices.durable = self.durable.load(Ordering::Acquire);
        notices.waiting = notices.durable != notices.told || notices.failed || !notices.answers.is_empty();
    }
}

/// What a shard took down and has not told its core.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    durable: u64,
    /// How far the core knows it.
    told: u64,
    answers: VecDeque<Answer>,
    /// What became of logins; the login desk takes them.
    pub(crate) outcomes: Vec<(ConnKey, Outcome)>,
    failed: bool,
    /// For the event loop, which tells the core what concerns it.
    pub(crate) orders: VecDeque<Order>,
    /// What an order wants the core to obey.
    pub(crate) reload: Option<Arc<Reload>>,
    /// There is something to tell.
    waiting: bool,
}

impl Notices {
    /// Nothing is to be told.
    pub(crate) fn is_empty(&self) -> bool {
        !self.waiting && self.orders.is_empty() && self.reload.is_none()
    }

    /// The next word; answers only while there is room for their bytes.
    pub(crate) fn next(&mut self, room: &mut usize) -> Option<Input<'static>> {
        let next = self.take(room);
        self.waiting = self.durable != self.told || self.failed || !self.answers.is_empty();
        next
    }

    fn take(&mut self, room: &mut usize) -> Option<Input<'static>> {
        if let Some(reload) = self.reload.take() {
            return Some(Input::Reload(reload));
        }
        if self.durable != self.told {
            self.told = self.durable;
            return Some(Input::Durable { batch: self.told });
        }
        if self.answers.is_empty() {
            return std::mem::take(&mut self.failed).then_some(Input::StoreFailed);
        }
        if *room == 0 {
            return None;
        }
        let answer = self.answers.pop_front()?;
        *room = room.saturating_sub(answer.weight());
        let Answer { key, bodies } = answer;
        Some(Input::Bodies { key, bodies })
    }
}
