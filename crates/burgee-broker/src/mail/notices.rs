//! What the store's thread tells a shard: how far its batches are durable, what it wanted to be read, that the store
//! failed.
//!
//! What must hold: whoever looks after a word was put up finds it, and finds it once; the failure comes behind all that
//! was said before it. Deliberately absent: waking; whoever puts a word up sees to that.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use burgee_core::io::{Input, ReadKey};
use burgee_store::{Body, MessageNo};

use super::lock;

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
}

impl Board {
    pub(super) fn durable(&self, upto: u64) {
        self.durable.store(upto, Ordering::Release);
    }

    pub(super) fn answers(&self, answers: &mut Vec<Answer>) {
        lock(&self.answers).append(answers);
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Takes down what is new.
    pub(super) fn fetch(&self, notices: &mut Notices) {
        // Backwards: what was put up before something that is found here is found as well.
        notices.failed |= self.failed.load(Ordering::Acquire) && self.failed.swap(false, Ordering::Acquire);
        notices.answers.extend(lock(&self.answers).drain(..));
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
    failed: bool,
    /// There is something to tell.
    waiting: bool,
}

impl Notices {
    /// Nothing is to be told.
    pub(crate) const fn is_empty(&self) -> bool {
        !self.waiting
    }

    /// The next word; answers only while there is room for their bytes.
    pub(crate) fn next(&mut self, room: &mut usize) -> Option<Input<'static>> {
        let next = self.take(room);
        self.waiting = self.failed || !self.answers.is_empty();
        next
    }

    fn take(&mut self, room: &mut usize) -> Option<Input<'static>> {
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
