//! What an outbox on disk has to know to go on after a crash.
//!
//! What must hold: a note is made before the bytes that depend on it are in the outbox, and in the order of events.
//! Deliberately absent: the disk.

use burgee_codec::PacketId;

use crate::message::Message;

/// One change of what is on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Note {
    /// The application handed this message in.
    Accepted { number: u64, message: Message },
    /// It is sent with this identifier.
    Sent { number: u64, id: PacketId },
    /// PUBREC came: it is never sent again, PUBREL is.
    Released { number: u64 },
    /// PUBACK or PUBCOMP came, or nobody can finish it.
    Done { number: u64 },
    /// A received QoS 2 message is the application's: its identifier stands for it until PUBREL.
    Held(PacketId),
    /// PUBREL came.
    Freed(PacketId),
    /// The server lost the session: identifiers mean nothing any more.
    Anew,
}

/// What an outbox holds.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Kept {
    /// In the order of first sending, and of acceptance.
    pub(crate) unfinished: Vec<(u64, Outgoing)>,
    /// Received QoS 2 messages without PUBREL.
    pub(crate) held: Vec<PacketId>,
    /// A number above all that are in use.
    pub(crate) next_number: u64,
    /// The server's session is not older than the outbox: it holds nothing of us that is not written down here.
    pub(crate) is_whole: bool,
}

/// An unfinished message.
#[derive(Debug, Eq, PartialEq)]
#[cfg_attr(
    not(any(feature = "outbox", feature = "simulation")),
    allow(dead_code, reason = "only an outbox keeps any")
)]
pub(crate) enum Outgoing {
    /// It was sent, or could have been.
    Sent(PacketId, Message),
    /// PUBREC came.
    Released(PacketId),
    /// It has no identifier.
    Waiting(Message),
}

/// Notes that are not on disk yet.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Whether anybody wants them.
    pub(super) on: bool,
    pub(super) notes: Vec<Note>,
}

impl Journal {
    pub(super) fn note(&mut self, note: Note) {
        if self.on {
            self.notes.push(note);
        }
    }
}
