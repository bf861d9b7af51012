//! What an outbox does not know: what was not on its disk when its program died.
//!
//! What must hold: a commit has all that had happened when it began, or nothing of it. Deliberately absent: what it does know.

use std::collections::BTreeSet;

/// Something that happened.
#[derive(Debug, Default)]
struct Happened {
    /// The server is done with what had these identifiers, and PUBREC had come for it.
    finished: Vec<u16>,
    /// The session began: the server has nothing of a time before.
    anew: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Paper {
    unwritten: Happened,
    on_its_way: Happened,
    /// Identifiers of finished messages that it holds for released ones.
    released: BTreeSet<u16>,
}

impl Paper {
    /// A message that PUBREC had come for is finished.
    pub(super) fn is_finished(&mut self, id: u16) {
        self.unwritten.finished.push(id);
    }

    /// PUBCOMP came for a message that was finished before.
    pub(super) fn is_finished_again(&mut self, id: u16) {
        if self.released.remove(&id) {
            self.is_finished(id);
        }
    }

    /// The server has no session: its own begins.
    pub(super) fn begins_anew(&mut self) {
        self.unwritten.finished.extend(std::mem::take(&mut self.released));
        self.unwritten.anew = true;
    }

    /// A commit begins.
    pub(super) fn is_being_written(&mut self) {
        let now = std::mem::take(&mut self.unwritten);
        self.on_its_way.finished.extend(now.finished);
        self.on_its_way.anew |= now.anew;
    }

    /// It is on disk.
    pub(super) fn is_written(&mut self) {
        self.on_its_way = Happened::default();
    }

    /// The program has died. Says whether the session is older than what is written down.
    pub(super) fn burns(&mut self) -> bool {
        self.is_being_written();
        let lost = std::mem::take(&mut self.on_its_way);
        self.released.extend(lost.finished);
        lost.anew
    }

    /// Whether PUBREL may leave for what is finished.
    pub(super) fn has_released(&self, id: u16) -> bool {
        self.released.contains(&id)
    }
}
