//! One publisher: what it has sent, and which handshakes are open.
//!
//! Must hold: an identifier is not used again while 65,000 handshakes or more are open.

use crate::clock;
use crate::wire::{self, Frame, Mark, Template};

/// Handshakes open at most. Identifiers go round a circle of 65,535.
pub(super) const OPEN: u64 = 65_000;

/// One publisher.
#[derive(Debug)]
pub(super) struct Publisher {
    source: u32,
    template: Template,
    qos: u8,
    sent: u64,
    /// Handshakes not finished; stays zero at QoS 0.
    open: u64,
    /// What was under way when it was given up to have been lost: the window no longer waits for it.
    written_off: WrittenOff,
    /// How far it had come when it was last seen to have made progress, and when that was.
    progress: (u64, u64),
}

#[derive(Debug, Default, Clone, Copy)]
struct WrittenOff {
    messages: u64,
    handshakes: u64,
}

impl Publisher {
    pub(super) fn new(source: usize, template: Template, qos: u8) -> Self {
        Self {
            source: u32::try_from(source).unwrap_or(u32::MAX),
            template,
            qos,
            sent: 0,
            open: 0,
            written_off: WrittenOff::default(),
            progress: (0, 0),
        }
    }

    /// Messages sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Handshakes not finished.
    pub(super) fn open(&self) -> u64 {
        self.open
    }

    /// Messages whose handshake is finished, or that need none.
    pub(super) fn acknowledged(&self) -> u64 {
        self.sent - self.open
    }

    /// Whether another message can be sent at all.
    pub(super) fn has_room(&self) -> bool {
        self.open < OPEN && self.sent < u64::from(u32::MAX)
    }

    /// How many more may be sent, `window` being allowed under way and `received` the first not yet received.
    pub(super) fn room(&self, window: u64, received: u64) -> u64 {
        let under_way = self.sent - received.max(self.written_off.messages).min(self.sent);
        let open = self.open.saturating_sub(self.written_off.handshakes);
        if !self.has_room() {
            return 0;
        }
        window.saturating_sub(under_way.max(open))
    }

    /// Whether something is under way and nothing has come of it for so long.
    pub(super) fn stuck(&mut self, received: u64, now: u64, patience: u64) -> bool {
        let come = received + self.acknowledged() + self.written_off.messages;
        if come != self.progress.0 || (received >= self.sent && self.open == 0) {
            self.progress = (come, now);
        }
        now.saturating_sub(self.progress.1) > patience
    }

    /// Stops waiting for what is under way: it has been silent for too long.
    pub(super) fn write_off(&mut self) {
        self.written_off = WrittenOff {
            messages: self.sent,
            handshakes: self.open,
        };
    }

    /// Writes the next message.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, sent_at: u64) {
        let sequence = u32::try_from(self.sent).unwrap_or(u32::MAX);
        let id = u16::try_from(self.sent % 65_535 + 1).unwrap_or(1);
        let mark = Mark {
            source: self.source,
            sequence,
            sent_at: clock::stamp(sent_at),
        };
        self.template.put(out, id, mark);
        self.sent += 1;
        self.open += u64::from(self.qos > 0);
    }

    /// Carries a handshake on.
    pub(super) fn answer(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) {
        if let Frame::PubRec(id) = frame {
            wire::put_ack(out, wire::PUBREL, id);
        } else if let Frame::PubAck(_) | Frame::PubComp(_) = frame {
            self.open = self.open.saturating_sub(1);
            self.written_off.handshakes = self.written_off.handshakes.min(self.open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publisher(qos: u8) -> Publisher {
        Publisher::new(0, Template::new("t", qos, 16), qos)
    }

    #[test]
    fn a_window_is_filled_and_not_more() {
        let (mut publisher, mut out) = (publisher(0), Vec::new());
        assert_eq!(publisher.room(4, 0), 4);
        (0..4).for_each(|_| publisher.put(&mut out, 0));
        assert_eq!(publisher.room(4, 0), 0);
        assert_eq!(publisher.room(4, 3), 3);
        publisher.write_off();
        assert_eq!(publisher.room(4, 0), 4, "a loss does not stop it for ever");
    }

    #[test]
    fn an_open_handshake_holds_the_window() {
        let (mut publisher, mut out) = (publisher(2), Vec::new());
        (0..4).for_each(|_| publisher.put(&mut out, 0));
        assert_eq!(publisher.room(4, 4), 0);
        out.clear();
        publisher.answer(Frame::PubRec(1), &mut out);
        assert_eq!(out, [0x62, 2, 0, 1]);
        assert_eq!(publisher.room(4, 4), 0);
        publisher.answer(Frame::PubComp(1), &mut out);
        assert_eq!(
            (publisher.room(4, 4), publisher.open(), publisher.acknowledged()),
            (1, 3, 1)
        );
    }
}
