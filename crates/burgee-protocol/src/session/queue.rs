//! The bounded queue of messages that wait behind the window or for the client's return.
//!
//! What must hold: count and bytes never exceed the limits, except that one message always fits into an empty queue;
//! the order of what remains is the order of arrival. Every message that does not stay is returned, so that it can be
//! counted. Deliberately absent: the counters themselves.

use std::collections::VecDeque;

use super::Deliverable;

/// What happens to a message for which there is no room.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub enum Policy {
    /// The arriving message is dropped: the order of what remains is kept, and the oldest is what was promised first.
    #[default]
    DropNewest,
    /// The oldest waiting messages make room.
    DropOldest,
    /// The arriving message is dropped, and whoever owns the queue ends the client's connection.
    Disconnect,
}

/// How much may wait.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct QueueLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of topic and payload, counted for each session that is owed the message.
    pub bytes: usize,
    /// What happens beyond.
    pub policy: Policy,
}

/// Messages in order of arrival.
#[derive(Debug)]
pub struct Queue<M> {
    waiting: VecDeque<M>,
    bytes: usize,
}

impl<M> Default for Queue<M> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<M: Deliverable> Queue<M> {
    /// Puts a message at the end; returns the one that found no room, this or an older one, until all is within the
    /// limits again (call [`Queue::excess`] while it returns one).
    #[must_use = "a dropped message must be counted"]
    pub fn push(&mut self, message: M, limits: &QueueLimits) -> Option<M> {
        let room = self.waiting.len() < limits.messages && self.bytes + message.weight() <= limits.bytes;
        if !room && !self.waiting.is_empty() && limits.policy != Policy::DropOldest {
            return Some(message);
        }
        self.bytes += message.weight();
        self.waiting.push_back(message);
        self.excess(limits)
    }

    /// Puts a message at the end that had found room before a restart.
    pub(super) fn restore(&mut self, message: M) {
        self.bytes += message.weight();
        self.waiting.push_back(message);
    }

    /// Takes the oldest message out if the queue is above its limits.
    #[must_use = "a dropped message must be counted"]
    pub fn excess(&mut self, limits: &QueueLimits) -> Option<M> {
        let over = self.waiting.len() > limits.messages || self.bytes > limits.bytes;
        if over && self.waiting.len() > 1 {
            self.pop()
        } else {
            None
        }
    }

    /// Takes out those for which `gone` holds. Returns how many.
    pub(super) fn remove_if(&mut self, gone: impl Fn(&M) -> bool) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|message| !gone(message));
        self.bytes = self.waiting.iter().map(Deliverable::weight).sum();
        before - self.waiting.len()
    }

    /// Takes out those for which `gone` holds until `room` are at the front for which it does not, or `most` are out, or
    /// one lies elsewhere.
    pub(super) fn sift(&mut self, (room, most): (usize, usize), mut gone: impl FnMut(&M) -> bool) -> Vec<M> {
        let (mut stays, mut out) = (0, Vec::new());
        while stays < room
            && out.len() < most
            && let Some(message) = self.waiting.get(stays)
            && message.is_here()
        {
            if !gone(message) {
                stays += 1;
            } else if let Some(message) = self.waiting.remove(stays) {
                self.bytes -= message.weight();
                out.push(message);
            }
        }
        out
    }

    /// Takes the oldest message out if this holds for it.
    pub(super) fn pop_if(&mut self, old: impl FnOnce(&M) -> bool) -> Option<M> {
        if self.waiting.front().is_some_and(old) {
            self.pop()
        } else {
            None
        }
    }

    /// Takes the oldest message out.
    pub fn pop(&mut self) -> Option<M> {
        let message = self.waiting.pop_front()?;
        self.bytes -= message.weight();
        if self.waiting.is_empty() && self.waiting.capacity() > 64 {
            // A drained backlog gives its memory back.
            self.waiting = VecDeque::new();
        }
        Some(message)
    }
}

impl<M> Queue<M> {
    /// Messages that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes that wait.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The oldest.
    #[must_use]
    pub fn front(&self) -> Option<&M> {
        self.waiting.front()
    }

    /// All waiting messages, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &M> {
        self.waiting.iter()
    }

    /// The same, to be changed in all but their weight.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut M> {
        self.waiting.iter_mut()
    }
}
