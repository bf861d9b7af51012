//! The messages that wait for one stream, and what the streams tell the client's task.
//!
//! What must hold: a queue is bounded: QoS 0 by its capacity, QoS 1 and 2 by the server's window, because nothing is
//! acknowledged before it is taken. What is dropped is counted and acknowledged, or it would block what is behind it.
//! Deliberately absent: which messages belong here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use crate::care::Overflow;
use crate::engine::Serial;
use crate::message::Message;

/// Bytes that one stream may hold back before the connection is not read any more.
const BYTES: usize = 64 << 20;

/// Nobody panics while holding one of our locks; if somebody did, the data would still be whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What streams have to say to the task.
#[derive(Debug, Default)]
pub(super) struct Notices {
    inner: Mutex<Told>,
    pub(super) wake: Notify,
}

/// See [`Notices`]. Bounded by what was handed out: each message is acknowledged once, each stream is dropped once.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) acks: Vec<Serial>,
    pub(super) gone: Vec<u64>,
}

impl Notices {
    pub(super) fn acknowledge(&self, serials: impl IntoIterator<Item = Serial>) {
        lock(&self.inner).acks.extend(serials);
        self.wake.notify_one();
    }

    pub(super) fn gone(&self, stream: u64) {
        lock(&self.inner).gone.push(stream);
        self.wake.notify_one();
    }

    pub(super) fn take(&self) -> Told {
        std::mem::take(&mut *lock(&self.inner))
    }
}

/// The duty to acknowledge a message.
#[derive(Clone, Debug)]
pub(super) enum Ack {
    /// QoS 0.
    None,
    One(Serial),
    /// Several streams have a copy: the last one acknowledges.
    Shared(Arc<(Serial, AtomicUsize)>),
}

impl Ack {
    pub(super) fn new(serial: Serial, copies: usize) -> Self {
        match (serial, copies) {
            (0, _) => Self::None,
            (serial, 1) => Self::One(serial),
            (serial, copies) => Self::Shared(Arc::new((serial, AtomicUsize::new(copies)))),
        }
    }

    /// One copy is done with: what has to be acknowledged now.
    pub(super) fn done(self) -> Option<Serial> {
        match self {
            Self::None => None,
            Self::One(serial) => Some(serial),
            Self::Shared(shared) => (shared.1.fetch_sub(1, Ordering::AcqRel) == 1).then_some(shared.0),
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<(Message, Ack)>,
    /// Of these with QoS 0.
    unacknowledged: usize,
    bytes: usize,
    closed: bool,
    /// The task does not read because of us.
    blocks: bool,
    dropped: u64,
    waker: Option<Waker>,
}

impl Waiting {
    fn pop(&mut self) -> Option<(Message, Ack)> {
        let (message, ack) = self.items.pop_front()?;
        self.bytes -= message.payload.len();
        if matches!(ack, Ack::None) {
            self.unacknowledged -= 1;
        }
        Some((message, ack))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    overflow: Overflow,
    waiting: Mutex<Waiting>,
}

impl Queue {
    pub(super) fn new(capacity: usize, overflow: Overflow) -> Self {
        Self {
            capacity: capacity.max(1),
            overflow,
            waiting: Mutex::default(),
        }
    }

    /// Puts a message at the end; gives what is to be acknowledged because it was dropped, and whether the queue is full now.
    /// `pressed`: the task has to read on although it is.
    pub(super) fn push(&self, message: Message, ack: Ack, pressed: bool) -> (Option<Serial>, bool) {
        let mut waiting = lock(&self.waiting);
        if waiting.closed {
            return (ack.done(), false);
        }
        let mut dropped = None;
        match self.overflow {
            Overflow::Wait => {
                // Somebody waits for an acknowledgement, which comes behind what nobody takes. QoS 0 may be lost; the rest
                // is not acknowledged yet, so the server's window bounds it.
                if pressed && matches!(ack, Ack::None) && self.is_above(&waiting) {
                    waiting.dropped += 1;
                    return (None, true);
                }
            }
            Overflow::DropNewest if waiting.items.len() >= self.capacity => {
                waiting.dropped += 1;
                return (ack.done(), false);
            }
            Overflow::DropOldest if waiting.items.len() >= self.capacity => {
                waiting.dropped += 1;
                dropped = waiting.pop().and_then(|(_, ack)| ack.done());
            }
            Overflow::DropNewest | Overflow::DropOldest => {}
        }
        waiting.bytes += message.payload.len();
        waiting.unacknowledged += usize::from(matches!(ack, Ack::None));
        waiting.items.push_back((message, ack));
        let waker = waiting.waker.take();
        let is_full = self.overflow == Overflow::Wait && self.is_above(&waiting);
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
        (dropped, is_full)
    }

    fn is_above(&self, waiting: &Waiting) -> bool {
        waiting.unacknowledged >= self.capacity || waiting.bytes >= BYTES
    }

    /// Whether the task has to wait before it reads on; then it is woken when that changes.
    pub(super) fn blocks(&self) -> bool {
        let mut waiting = lock(&self.waiting);
        waiting.blocks = self.overflow == Overflow::Wait && !waiting.closed && self.is_above(&waiting);
        waiting.blocks
    }

    /// Takes the oldest; says whether it was the last one, and wakes the task if it waited.
    pub(super) fn pop(&self, notices: &Notices) -> Option<(Message, Ack, bool)> {
        let mut waiting = lock(&self.waiting);
        let (message, ack) = waiting.pop()?;
        // Not at once: one message of room for each turn of the task would be slow.
        if waiting.blocks && waiting.unacknowledged <= self.capacity / 2 && waiting.bytes < BYTES {
            waiting.blocks = false;
            notices.wake.notify_one();
        }
        Some((message, ack, waiting.items.is_empty()))
    }

    /// Ready when there is something to take, or never will be (`false`).
    pub(super) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<bool> {
        let mut waiting = lock(&self.waiting);
        if !waiting.items.is_empty() {
            return Poll::Ready(true);
        }
        if waiting.closed {
            return Poll::Ready(false);
        }
        waiting.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        let mut waiting = lock(&self.waiting);
        waiting.closed = true;
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Nobody takes anything any more: what is to be acknowledged.
    pub(super) fn abandon(&self) -> Vec<Serial> {
        let mut waiting = lock(&self.waiting);
        waiting.closed = true;
        let mut serials = Vec::new();
        while let Some((_, ack)) = waiting.pop() {
            serials.extend(ack.done());
        }
        serials
    }

    /// Nothing is put in any more.
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.waiting).closed
    }

    pub(super) fn dropped(&self) -> u64 {
        lock(&self.waiting).dropped
    }
}
