//! An outbox whose disk is simulated: what is committed is there after a crash, and nothing else.
//!
//! What must hold: it keeps what the one in SQLite keeps; a test asks both the same. Deliberately absent: time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burgee_codec::PacketId;

use crate::engine::{Kept, Note, Outgoing};
use crate::message::Message;

/// Where notes are put, without waits.
pub(crate) trait Ledger {
    /// All of these, or none.
    fn commit(&mut self, notes: &[Note]) -> Result<(), String>;

    /// What a client that starts finds.
    fn kept(&mut self) -> Result<Kept, String>;
}

/// What a client wants to have on disk.
#[derive(Debug)]
pub struct Notes(pub(super) Vec<Note>);

#[derive(Clone, Debug)]
struct Row {
    message: Message,
    id: Option<PacketId>,
    /// The place in the order of first sending.
    sent: Option<u64>,
    released: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    rows: BTreeMap<u64, Row>,
    held: BTreeSet<PacketId>,
    /// See [`Kept`].
    is_whole: bool,
    last_sent: u64,
}

impl Outbox {
    /// The notes are on disk.
    ///
    /// # Errors
    /// They contradict what is there.
    pub fn put(&mut self, notes: &Notes) -> Result<(), String> {
        self.commit(&notes.0)
    }

    /// How many messages are there.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.rows.len()
    }

    fn note(&mut self, note: &Note) -> Result<(), String> {
        match note {
            Note::Accepted { number, message } => {
                let row = Row {
                    message: message.clone(),
                    id: None,
                    sent: None,
                    released: false,
                };
                if self.rows.insert(*number, row).is_some() {
                    return Err(format!("the number {number} is in use"));
                }
            }
            Note::Sent { number, id } => {
                self.last_sent += 1;
                if let Some(row) = self.rows.get_mut(number) {
                    (row.id, row.sent) = (Some(*id), Some(self.last_sent));
                }
            }
            Note::Released { number } => {
                if let Some(row) = self.rows.get_mut(number) {
                    row.released = true;
                    row.message.payload = Arc::default();
                }
            }
            Note::Done { number } => {
                self.rows.remove(number);
            }
            Note::Held(id) => {
                self.held.insert(*id);
            }
            Note::Freed(id) => {
                self.held.remove(id);
            }
            Note::Anew => {
                self.is_whole = true;
                self.held.clear();
                self.rows.retain(|_, row| !row.released);
                for row in self.rows.values_mut() {
                    (row.id, row.sent) = (None, None);
                }
            }
        }
        Ok(())
    }
}

impl Ledger for Outbox {
    fn commit(&mut self, notes: &[Note]) -> Result<(), String> {
        let mut next = self.clone();
        notes.iter().try_for_each(|note| next.note(note))?;
        *self = next;
        Ok(())
    }

    fn kept(&mut self) -> Result<Kept, String> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(number, row)| (row.sent.is_none(), row.sent, **number));
        let outgoing = |row: &Row| match (row.id, row.released) {
            (Some(id), true) => Outgoing::Released(id),
            (Some(id), false) => Outgoing::Sent(id, row.message.clone()),
            (None, _) => Outgoing::Waiting(row.message.clone()),
        };
        Ok(Kept {
            unfinished: rows.iter().map(|(number, row)| (**number, outgoing(row))).collect(),
            held: self.held.iter().copied().collect(),
            is_whole: self.is_whole,
            next_number: self.rows.keys().next_back().map_or(1, |last| last + 1),
        })
    }
}
