//! From a path to a connection: making a new database, opening one to write, and who it belongs to.
//!
//! What must hold: a database has its name only once its tables are on the device, so an empty file of that name, or a
//! log without a database, is damage and not a beginning. One connection, exclusively locked: no other process can so
//! much as read it.

use std::path::Path;
use std::time::Duration;

use burgee_store::{Failure, Fault};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

use crate::error::OpenError;
use crate::files::{DATABASE, LOG, NEW, create_file, finish, length, remove_unfinished};
use crate::schema::{self, Format, squeezed};
use crate::tables::meta_row;
use crate::totals::{Told, Totals};
use crate::{Settings, SyncPolicy};

/// Before 3.51.3 a copy of the log beside another connection's write could lose commits.
const LEAST_LIBRARY: i32 = 3_051_003;

/// The SQLite that runs here is one that keeps what it promises.
pub(crate) fn check_library() -> Result<(), OpenError> {
    if rusqlite::version_number() >= LEAST_LIBRARY {
        return Ok(());
    }
    Err(OpenError::Library {
        found: rusqlite::version().to_owned(),
    })
}

/// Makes an empty store where there is none.
pub(crate) fn create_if_missing(directory: &Path) -> Result<(), OpenError> {
    let database = directory.join(DATABASE);
    let corrupt = |what: &str| OpenError::Corrupt {
        path: directory.to_owned(),
        what: what.to_owned(),
    };
    if database.exists() {
        if length(&database)? == 0 {
            return Err(corrupt("its database is empty"));
        }
        return Ok(());
    }
    if length(&directory.join(LOG))? > 0 {
        return Err(corrupt("its database is missing, and its log is there"));
    }
    create_new(directory)?;
    finish(directory).map_err(|error| OpenError::of_io(&database, &error))
}

/// Makes an empty store that is not finished yet.
pub(crate) fn create_new(directory: &Path) -> Result<(), OpenError> {
    let path = directory.join(NEW);
    let io = |error| OpenError::of_io(&path, &error);
    remove_unfinished(directory).map_err(io)?;
    create_file(&path).map_err(io)?;
    let create = || {
        let conn = open(&path)?;
        let row = meta_row(&Totals::EMPTY, Told::EMPTY);
        conn.execute_batch(&format!(
            "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA synchronous = FULL; PRAGMA fullfsync = 1;
             BEGIN; {} PRAGMA application_id = {}; PRAGMA user_version = {};",
            schema::TABLES,
            schema::APPLICATION,
            schema::VERSION,
        ))?;
        conn.execute(schema::META_WRITE, row)?;
        conn.execute_batch("COMMIT; PRAGMA journal_mode = WAL;")?;
        conn.close().map_err(|(_, error)| error)
    };
    create().map_err(|error| of_sqlite(&path, &error))
}

/// Opens a database that is there, to write. It may be of an older format.
pub(crate) fn connect(database: &Path, settings: Settings) -> Result<(Connection, Format), OpenError> {
    let error = |error: Error| of_sqlite(database, &error);
    let conn = open(database).map_err(error)?;
    keep_log(&conn, true).map_err(error)?;
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE;").map_err(error)?;
    let format = identify(database, &conn)?;
    let mode: String = conn
        .query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0))
        .map_err(error)?;
    if mode != "wal" {
        return Err(OpenError::Device {
            path: database.to_owned(),
            what: format!("it cannot be written through a log ({mode})"),
        });
    }
    let synchronous = match settings.sync {
        SyncPolicy::Sync => "FULL",
        // The log is synced before it is copied into the database, and the database before the log is used again: so
        // a loss of power takes commits, but never the whole. It costs two syncs for 16 MiB.
        SyncPolicy::Write => "NORMAL",
    };
    conn.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous};
         PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1;
         PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 33554432;
         PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
    ))
    .map_err(error)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok((conn, format))
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    prepare(&conn)?;
    Ok(conn)
}

/// Whether the log stays when the connection is closed. Else SQLite copies it and takes it away, which is for a store that is
/// closed in peace: neither for one that is refused or fails, nor for one whose messages are not all counted.
pub(crate) fn keep_log(conn: &Connection, stays: bool) -> rusqlite::Result<()> {
    let option = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    conn.set_db_config(option, stays).map(drop)
}

/// What holds for every connection.
pub(crate) fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::ZERO)?;
    conn.execute_batch("PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = OFF;")
}

/// The database is a store, of a version that is known here: this one.
pub(crate) fn identify(database: &Path, conn: &Connection) -> Result<Format, OpenError> {
    let ask = |pragma: &str| -> Result<i64, OpenError> {
        conn.query_row(&format!("PRAGMA {pragma}"), (), |row| row.get(0))
            .map_err(|error| of_sqlite(database, &error))
    };
    let path = database.to_owned();
    if ask("application_id")? != schema::APPLICATION {
        return Err(OpenError::NotAStore { path });
    }
    let found = ask("user_version")?;
    if found > schema::VERSION {
        let version = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        return Err(OpenError::Newer {
            path,
            found: version(found),
            known: version(schema::VERSION),
        });
    }
    let what = match Format::of(found) {
        Some(format) if ask("auto_vacuum")? == 2 => {
            if has_our_tables(conn, format).map_err(|error| of_sqlite(database, &error))? {
                return Ok(format);
            }
            "its tables are not those that were made"
        }
        Some(_) | None => "its header is not what was written",
    };
    let what = what.to_owned();
    Err(OpenError::Corrupt { path, what })
}

/// The words that made the tables are kept by SQLite as they were said, but for columns that were added.
fn has_our_tables(conn: &Connection, format: Format) -> rusqlite::Result<bool> {
    let mut statement = conn.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")?;
    let mut rows = statement.query(())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(words) = row.get_ref(0)?.as_str().ok() else {
            return Ok(false);
        };
        found.push(squeezed(words));
    }
    Ok(found == format.tables())
}

/// An error of SQLite while opening.
pub(crate) fn of_sqlite(database: &Path, error: &Error) -> OpenError {
    let path = database.to_owned();
    let code = error.sqlite_error_code();
    let is = |codes: &[ErrorCode]| code.is_some_and(|code| codes.contains(&code));
    if is(&[ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked]) {
        return OpenError::Locked { path, process: None };
    }
    if is(&[ErrorCode::NotADatabase]) {
        return OpenError::NotAStore { path };
    }
    if is(&[ErrorCode::PermissionDenied, ErrorCode::ReadOnly]) {
        return OpenError::NoPermission { path };
    }
    if is(&[ErrorCode::CannotOpen]) && !may_write(database) {
        return OpenError::NoPermission { path };
    }
    let fault = crate::faults::fault_of(error);
    let fault = if fault == Fault::Ours { Fault::Device } else { fault };
    OpenError::of_failure(database, Failure::new(fault, error.to_string()))
}

fn may_write(path: &Path) -> bool {
    std::fs::OpenOptions::new().read(true).write(true).open(path).is_ok()
}
