//! How much there is: the one row of the table `meta`, held against what is counted at the start.
//!
//! What must hold: the highest numbers survive those who had them. Messages that came since all were counted last need not be
//! counted in it, so that one that comes and goes costs one page and not two; before the log is copied into the database
//! all are. Until then the log's own sums see to it that they are there together, or not at all.

use burgee_store::{MessageNo, Recovered, SessionNo};

use crate::rows::NUMBERS_END;

/// See the module. In the order of the columns of `meta`.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Totals {
    pub(crate) next_session: u64,
    pub(crate) next_message: u64,
    pub(crate) sessions: u64,
    pub(crate) subs: u64,
    pub(crate) received: u64,
    pub(crate) wills: u64,
    pub(crate) messages: u64,
    pub(crate) message_bytes: u64,
    pub(crate) cursors: u64,
    pub(crate) deliveries: u64,
    pub(crate) retained: u64,
    pub(crate) retained_bytes: u64,
}

/// What the row of `meta` says of the numbers of messages.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    /// No message has had this number or one above.
    pub(crate) next_message: u64,
    /// Messages with numbers below this are counted.
    pub(crate) counted: u64,
    /// How many of these are there, and the bytes of their bodies.
    pub(crate) messages: u64,
    pub(crate) message_bytes: u64,
}

impl Told {
    /// Of an empty store.
    pub(crate) const EMPTY: Self = Self {
        next_message: 1,
        counted: 1,
        messages: 0,
        message_bytes: 0,
    };

    /// Counts all, and holds so many numbers back.
    pub(crate) fn all(totals: &Totals, spare: u64) -> Self {
        Self {
            counted: totals.next_message,
            messages: totals.messages,
            message_bytes: totals.message_bytes,
            ..Self::EMPTY
        }
        .ahead_of(totals, spare)
    }

    /// The same, with so many numbers held back.
    pub(crate) fn ahead_of(self, totals: &Totals, spare: u64) -> Self {
        let ahead = (totals.next_message + spare).min(NUMBERS_END - 1);
        Self {
            next_message: ahead.max(totals.next_message),
            ..self
        }
    }

    /// Whether no message is left out.
    pub(crate) const fn counts_all(&self, totals: &Totals) -> bool {
        self.messages == totals.messages
    }
}

/// Numbers in a row of `meta` that are named below.
pub(crate) const FIELDS: usize = 12;

/// What the columns of `meta` are called, behind its key.
pub(crate) const NAMES: [&str; FIELDS] = [
    "next_session",
    "next_message",
    "sessions",
    "subs",
    "received",
    "wills",
    "messages",
    "message_bytes",
    "cursors",
    "deliveries",
    "retained",
    "retained_bytes",
];

impl Totals {
    /// Of an empty store.
    pub(crate) const EMPTY: Self = Self::of([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

    pub(crate) const fn of(fields: [u64; FIELDS]) -> Self {
        let [
            next_session,
            next_message,
            sessions,
            subs,
            received,
            wills,
            messages,
            message_bytes,
            cursors,
            deliveries,
            retained,
            retained_bytes,
        ] = fields;
        Self {
            next_session,
            next_message,
            sessions,
            subs,
            received,
            wills,
            messages,
            message_bytes,
            cursors,
            deliveries,
            retained,
            retained_bytes,
        }
    }

    pub(crate) const fn fields(&self) -> [u64; FIELDS] {
        [
            self.next_session,
            self.next_message,
            self.sessions,
            self.subs,
            self.received,
            self.wills,
            self.messages,
            self.message_bytes,
            self.cursors,
            self.deliveries,
            self.retained,
            self.retained_bytes,
        ]
    }

    pub(crate) const fn recovered(&self) -> Recovered {
        Recovered {
            next_session: SessionNo(self.next_session),
            next_message: MessageNo(self.next_message),
            sessions: self.sessions,
            messages: self.messages,
            message_bytes: self.message_bytes,
            retained: self.retained,
            retained_bytes: self.retained_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_in_their_places() {
        let fields = [11, 22, 33, 44, 55, 66, 77, 88, 99, 110, 121, 132];
        assert_eq!(Totals::of(fields).fields(), fields);
    }
}
