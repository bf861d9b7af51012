//! What a connection waits for before it is in: its verdict, and the end of a fight.
//!
//! What must hold: plain data. Deliberately absent: who is let in; see `door`.

/// What the judge of logins has said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told {
    /// It may come in, as this user or without a name.
    Admitted(Option<String>),
    /// It may not, with this return code.
    Refused(u8),
}

/// How far a connection has come before it is in.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Somebody has been asked, and has not answered.
    pub(super) asked: bool,
    pub(super) told: Option<Told>,
    /// It fights, and is to be let in at this time.
    pub(super) until: Option<u64>,
    /// When the shard that has it heard of it.
    pub(super) here: u64,
}

impl Waits {
    /// When a connection that is not in yet has to be given up at the latest.
    pub(super) fn latest(&self, connect_timeout: u64) -> u64 {
        let waited = self.until.map_or(0, |until| until + connect_timeout / 2);
        waited.max(self.here + connect_timeout)
    }
}
