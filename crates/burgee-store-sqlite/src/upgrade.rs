//! Brings a store of an older format up to date.
//!
//! What must hold: it is looked through whole before, as `check` does, because a damaged store must not come to look new;
//! one transaction, so that a crash leaves the old format or the new one, whole. Deliberately absent: a way back; an
//! export is one.

use std::path::Path;

use rusqlite::Connection;

use crate::check::look;
use crate::connect::of_sqlite;
use crate::error::OpenError;
use crate::schema::{ADDED, Format, VERSION};

/// Some tables get a column each, with nothing in it. The rows stay as they are, and so do their sums.
pub(crate) fn upgrade(conn: &Connection, format: Format, directory: &Path) -> Result<(), OpenError> {
    if format == Format::NEWEST {
        return Ok(());
    }
    let report = look(directory, conn, format)?;
    if let Some(fault) = report.faults.into_iter().next() {
        return Err(OpenError::Corrupt {
            path: directory.to_owned(),
            what: fault,
        });
    }
    let missing = ADDED.iter().filter(|(version, ..)| *version > format.version());
    let added: Vec<String> = missing
        .map(|(_, table, column)| format!("ALTER TABLE {table} ADD COLUMN {column};"))
        .collect();
    let words = format!(
        "BEGIN IMMEDIATE; {} PRAGMA user_version = {VERSION}; COMMIT;",
        added.concat()
    );
    conn.execute_batch(&words).map_err(|error| {
        // Whatever it was, the old format is still there.
        drop(conn.execute_batch("ROLLBACK"));
        of_sqlite(directory, &error)
    })
}
