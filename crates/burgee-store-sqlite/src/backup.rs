//! Copies a store, page by page, into a directory of its own.
//!
//! What must hold: the copy gets its name when it is whole and on the device. What is committed between two steps is
//! copied, too, because it goes through the same connection.

use std::path::{Path, PathBuf};

use burgee_store::{Failure, Fault};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::error::{OpenError, TransferError};
use crate::faults::Doing;
use crate::files::{DATABASE, Lock, NEW, create_file, finish, make_directory, remove_unfinished};
use crate::load::meta;
use crate::reader::Reader;
use crate::schema::{self, Format};
use crate::tables::meta_row;
use crate::totals::Told;

/// Pages of one step: 1 MiB.
pub(crate) const PAGES: i32 = 256;

const COPYING: &str = "copying the store";

/// Copies the store of a directory, which nobody may have open, into the directory `to`, which must not hold one.
///
/// # Errors
/// The copy could not be made; nothing is left of it.
pub fn backup(directory: &Path, to: &Path) -> Result<(), TransferError> {
    let reader = Reader::open(directory)?;
    let copy = BackupTo::new(to)?;
    copy.fill(&reader.conn, PAGES, || Ok(()))
}

/// A copy that is not finished.
pub(crate) struct BackupTo {
    directory: PathBuf,
    _lock: Lock,
}

impl BackupTo {
    pub(crate) fn new(directory: &Path) -> Result<Self, TransferError> {
        make_directory(directory)?;
        let lock = Lock::take(directory)?;
        if directory.join(DATABASE).exists() {
            return Err(TransferError::Exists {
                path: directory.to_owned(),
            });
        }
        let new = directory.join(NEW);
        remove_unfinished(directory)
            .and_then(|()| create_file(&new))
            .map_err(|error| OpenError::of_io(&new, &error))?;
        Ok(Self {
            directory: directory.to_owned(),
            _lock: lock,
        })
    }

    /// Copies everything; `between` is called between two steps.
    pub(crate) fn fill(
        self,
        from: &Connection,
        pages: i32,
        between: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), TransferError> {
        let copied = copy(from, &self.directory.join(NEW), pages, between);
        let finished = copied.map_err(TransferError::Store).and_then(|()| {
            finish(&self.directory).map_err(|error| TransferError::Write {
                path: Some(self.directory.clone()),
                error,
            })
        });
        if finished.is_err() {
            drop(remove_unfinished(&self.directory));
        }
        finished
    }
}

fn copy(
    from: &Connection,
    to: &Path,
    pages: i32,
    mut between: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut to = Connection::open_with_flags(to, flags).doing(COPYING)?;
    // It is synced as a whole before it gets its name.
    to.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        .doing(COPYING)?;
    {
        let backup = Backup::new(from, &mut to).doing(COPYING)?;
        loop {
            let step = backup.step(pages).doing(COPYING)?;
            if step == StepResult::Done {
                break;
            }
            if step != StepResult::More {
                return Err(Failure::new(Fault::Device, format!("{COPYING}: somebody else uses it")));
            }
            between()?;
        }
    }
    count_all(&to)?;
    to.close().map_err(|(_, error)| error).doing(COPYING)
}

/// A copy has no log, whose sums stand for messages that `meta` does not count; so it has to count all. What is damaged, or of
/// an older format, stays as it is.
fn count_all(copy: &Connection) -> Result<(), Failure> {
    let version: i64 = copy
        .query_row("PRAGMA user_version", (), |row| row.get(0))
        .doing(COPYING)?;
    let Some(format) = Format::of(version).filter(|format| *format == Format::NEWEST) else {
        return Ok(());
    };
    let Ok((mut totals, counted)) = meta(copy, format) else {
        return Ok(());
    };
    if counted == u64::MAX {
        return Ok(());
    }
    let mut statement = copy.prepare(schema::MSG_NEWER).doing(COPYING)?;
    let newer: (i64, i64) = statement
        .query_row((counted.cast_signed(),), |row| Ok((row.get(0)?, row.get(1)?)))
        .doing(COPYING)?;
    totals.messages += newer.0.unsigned_abs();
    totals.message_bytes += newer.1.unsigned_abs();
    let row = meta_row(&totals, Told::all(&totals, 0));
    copy.execute(schema::META_WRITE, row).doing(COPYING).map(drop)
}
