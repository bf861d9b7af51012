//! What is on the disk after a crash, as it is handed to the shards.
//!
//! What must hold: plain data. Deliberately absent: what it should have been (`recovery`).

use burgee_store::{OwedMessage, RetainedMessage, SessionRecord};

/// A session as the disk gave it back.
#[derive(Debug)]
pub struct FoundSession {
    /// What is known of it.
    pub record: SessionRecord,
    /// What it is owed.
    pub owed: Vec<OwedMessage>,
    /// The shard that has it now.
    pub home: u16,
}

/// What is on the disk after a crash.
#[derive(Debug)]
pub struct Found {
    /// The sessions.
    pub sessions: Vec<FoundSession>,
    /// The retained messages.
    pub retained: Vec<RetainedMessage>,
    /// All batches that were handed over before this time are there.
    pub covered: u64,
    /// The number of the settings that it was started with.
    pub edition: usize,
}
