//! Bytes on their way out of one connection.
//!
//! Small packets are copied into one buffer; payloads from [`SHARE_FROM`] on are only referred to, however many
//! connections they go to. What must hold: the chunks, in order, are exactly what was appended and not yet consumed;
//! an empty outbox owns no buffer of its own accord once [`Outbox::take_buffer`] took it.
//! Deliberately absent: the limit. Whoever appends decides what happens above it, by [`Outbox::is_above`].

use std::collections::VecDeque;
use std::sync::Arc;

/// Payloads of at least so many bytes are shared instead of copied: below, the copy is cheaper than the bookkeeping.
pub const SHARE_FROM: usize = 1024;

/// A part of the stream that lives elsewhere, and where in the copied bytes it stands.
#[derive(Debug)]
struct Shared {
    /// So many copied bytes come before it (counted from the start of `copied`).
    after: usize,
    body: Arc<[u8]>,
    from: usize,
}

/// The unsent bytes of one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    copied: Vec<u8>,
    /// So many bytes of `copied` are sent already.
    sent: usize,
    /// Boxed, because most outboxes never share anything and there is one for each connection.
    #[allow(
        clippy::box_collection,
        reason = "a deque is four words; nearly all outboxes need none"
    )]
    shared: Option<Box<VecDeque<Shared>>>,
    shared_bytes: usize,
    /// The owner wants to hear when there is room again; the event loop clears it when it says so.
    pub wants_room: bool,
    /// When there is room: with so many unsent bytes or fewer. `None`: at the event loop's own mark.
    pub room_at: Option<u32>,
}

impl Outbox {
    /// Unsent bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.copied.len() - self.sent + self.shared_bytes
    }

    /// Unsent bytes that this connection alone holds.
    #[must_use]
    pub const fn own_len(&self) -> usize {
        self.copied.len() - self.sent
    }

    /// Whether it holds so much that nothing should be added which can wait or be dropped: `own` bytes of its own, or
    /// `shared` bytes of payloads that others may hold as well.
    #[inline]
    #[must_use]
    pub const fn is_above(&self, own: usize, shared: usize) -> bool {
        self.own_len() >= own || self.shared_bytes >= shared
    }

    /// Nothing is left to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `bytes` to the end.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
    }

    /// Hands out the copied bytes' buffer, so that an encoder can write at its end. Only appending is allowed.
    #[inline]
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.copied
    }

    /// Puts `body[from..]` at the end without copying it.
    pub fn append_shared(&mut self, body: &Arc<[u8]>, from: usize) {
        let length = body.len().saturating_sub(from);
        if length == 0 {
            return;
        }
        self.shared_bytes += length;
        let part = Shared {
            after: self.copied.len(),
            body: Arc::clone(body),
            from,
        };
        self.shared.get_or_insert_default().push_back(part);
    }

    /// The unsent bytes in order, as few slices as possible.
    #[must_use]
    pub fn chunks(&self) -> Chunks<'_> {
        Chunks {
            outbox: self,
            at: self.sent,
            part: 0,
            body_next: false,
        }
    }

    /// Forgets the first `count` unsent bytes: the kernel has them.
    pub fn consume(&mut self, mut count: usize) {
        while count > 0 {
            let next_shared = self
                .shared
                .as_ref()
                .and_then(|parts| parts.front())
                .map(|part| part.after);
            let copied_run = next_shared.unwrap_or(self.copied.len()) - self.sent;
            if copied_run > 0 {
                let step = copied_run.min(count);
                self.sent += step;
                count -= step;
                continue;
            }
            let Some(parts) = self.shared.as_mut() else { break };
            let Some(part) = parts.front_mut() else { break };
            let step = (part.body.len() - part.from).min(count);
            part.from += step;
            self.shared_bytes -= step;
            count -= step;
            if part.from == part.body.len() {
                parts.pop_front();
            }
        }
        self.tidy();
    }

    /// Takes the buffer away from an outbox with nothing to send, for a pool. An idle connection owns none.
    pub fn take_buffer(&mut self) -> Option<Vec<u8>> {
        (self.is_empty() && self.copied.capacity() > 0).then(|| core::mem::take(&mut self.copied))
    }

    /// Gives an outbox without a buffer one from a pool.
    pub fn give_buffer(&mut self, buffer: impl FnOnce() -> Option<Vec<u8>>) {
        if self.copied.capacity() == 0
            && let Some(mut fresh) = buffer()
        {
            fresh.clear();
            self.copied = fresh;
        }
    }

    /// Gives sent bytes back before they pile up in front of a slow reader's unsent ones.
    fn tidy(&mut self) {
        if self.is_empty() {
            self.copied.clear();
            self.sent = 0;
            self.shared = None;
        } else if self.sent > 4096 && self.sent > self.copied.len() / 2 {
            self.copied.drain(..self.sent);
            for part in self.shared.iter_mut().flat_map(|parts| parts.iter_mut()) {
                part.after -= self.sent;
            }
            self.sent = 0;
        }
    }
}

/// See [`Outbox::chunks`].
#[derive(Debug)]
pub struct Chunks<'a> {
    outbox: &'a Outbox,
    at: usize,
    part: usize,
    body_next: bool,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let shared = self.outbox.shared.as_ref().and_then(|parts| parts.get(self.part));
            if self.body_next {
                self.body_next = false;
                self.part += 1;
                return shared.and_then(|part| part.body.get(part.from..));
            }
            self.body_next = shared.is_some();
            let end = shared.map_or(self.outbox.copied.len(), |part| part.after);
            let run = self.outbox.copied.get(self.at..end)?;
            self.at = end;
            if !run.is_empty() {
                return Some(run);
            }
            if !self.body_next {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(outbox: &Outbox) -> Vec<u8> {
        outbox.chunks().flatten().copied().collect()
    }

    #[test]
    fn chunks_are_what_was_appended_in_order() {
        let mut outbox = Outbox::default();
        let body: Arc<[u8]> = Arc::from(&b"xxBODY"[..]);
        outbox.append_shared(&body, 2);
        outbox.append(b"one");
        outbox.append_shared(&body, 2);
        outbox.append_shared(&body, 5);
        outbox.append(b"two");
        assert_eq!(all(&outbox), b"BODYoneBODYYtwo");
        assert_eq!(outbox.len(), 15);
        assert_eq!(outbox.chunks().count(), 5);
    }

    #[test]
    fn any_pace_of_consuming_gives_the_same_bytes() {
        for pace in 1..40 {
            let body: Arc<[u8]> = (0..=255_u8).collect::<Vec<_>>().into();
            let (mut outbox, mut expected, mut got) = (Outbox::default(), Vec::new(), Vec::new());
            for round in 0..300_usize {
                outbox.append(&body[..round % 97]);
                expected.extend_from_slice(&body[..round % 97]);
                if round % 3 == 0 {
                    outbox.append_shared(&body, round % 257);
                    expected.extend_from_slice(&body[round % 257..]);
                }
                let piece: Vec<u8> = all(&outbox).into_iter().take(pace * 7).collect();
                outbox.consume(piece.len());
                got.extend(piece);
            }
            got.extend(all(&outbox));
            outbox.consume(outbox.len());
            assert!(outbox.is_empty() && outbox.chunks().next().is_none());
            assert!(got == expected, "pace {pace}");
            assert!(outbox.take_buffer().is_some() && outbox.take_buffer().is_none());
        }
    }
}
