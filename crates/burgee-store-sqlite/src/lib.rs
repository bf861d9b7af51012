//! The store with files: the port of `burgee-store` over one SQLite database.
//!
//! A directory holds one store: `burgee.db`, its write-ahead log `burgee.db-wal` while the store is open, and
//! `burgee.lock`. `docs/store.md` describes the format to the field.
//!
//! # What must hold
//!
//! - A commit is one transaction and, with [`SyncPolicy::Sync`], one sync. What it has reported survives the loss of
//!   power at any moment after.
//! - A message is one row, whatever the fan-out. What its sessions have acknowledged is one row for each session and
//!   source, written only where the message outlives the commit; a message that everybody has settled is deleted, and
//!   one that was settled before it was written is never written.
//! - In memory are numbers only: 16 bytes for each message, 8 for each reference of a session to one. Bodies stay on disk.
//! - What the file says is checked: every row carries a sum, every table is counted. What cannot be true is
//!   [`Fault::Corrupt`](burgee_store::Fault) with table and row. Nothing is repaired in silence.
//! - A failed commit is final. What memory then says is read anew from the file, so that reads show the last commit.
//!
//! # Where to look
//!
//! `store` is the port's face; `write` applies operations, `flush` writes what they came to, `space` gives room back;
//! `load` reads everything at the start, `state` and below it `lane`, `refs` and `session` are what is kept in memory;
//! `tables`, `rows` and `schema` are the format. `check`, `export`, `import`, `fill` and `backup` are for the command line.
//!
//! Deliberately absent: threads, and a second connection. Whoever owns a store owns its file.

mod ahead;
mod backup;
mod changes;
mod check;
mod connect;
mod error;
mod export;
mod faults;
mod files;
mod fill;
mod flush;
mod header;
mod import;
mod lane;
mod load;
mod ndjson;
mod read;
mod reader;
mod refs;
mod rows;
mod schema;
mod seek;
mod session;
mod space;
mod state;
mod store;
mod tables;
mod totals;
mod upgrade;
mod write;

pub use backup::backup;
pub use check::{Report, check};
pub use error::{ImportError, OpenError, TransferError};
pub use export::export;
pub use fill::fill;
pub use header::{FormatNumber, format_of};
pub use import::import;
pub use store::SqliteStore;

/// When a commit is durable.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub enum SyncPolicy {
    /// When the device has said so: what was committed survives the loss of power.
    #[default]
    Sync,
    /// When the system has it: what was committed survives the end of the process. After a loss of power the last
    /// commits may be gone; what is left is whole.
    Write,
}

/// How a store is kept.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// When a commit is durable.
    pub sync: SyncPolicy,
}
