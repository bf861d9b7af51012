//! Opens a store to look at it: for checking, exporting and copying. Nothing of it is changed, no file is made.
//!
//! What must hold: what is in the log counts, without the log being copied into the database.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::connect::{check_library, identify, of_sqlite, prepare};
use crate::error::OpenError;
use crate::files::{DATABASE, LOG, Lock, length};
use crate::schema::Format;

/// A store that is only read.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) conn: Connection,
    pub(crate) format: Format,
    /// Let go last.
    _lock: Option<Lock>,
}

impl Reader {
    pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
        check_library()?;
        let database = directory.join(DATABASE);
        let missing = OpenError::Missing {
            path: directory.to_owned(),
        };
        match std::fs::metadata(directory) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return Err(OpenError::NotADirectory {
                    path: directory.to_owned(),
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing),
            Err(error) => return Err(OpenError::of_io(directory, &error)),
        }
        let lock = Lock::share(directory)?;
        let log = length(&directory.join(LOG))?;
        if length(&database)? == 0 {
            if log == 0 && !database.exists() {
                return Err(missing);
            }
            return Err(OpenError::Corrupt {
                path: directory.to_owned(),
                what: "its database is empty or missing".to_owned(),
            });
        }
        let connect = || {
            let conn = if log == 0 {
                immutable(&database)?
            } else {
                with_log(&database)?
            };
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            prepare(&conn)?;
            conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE;")?;
            Ok(conn)
        };
        let conn = connect().map_err(|error| of_sqlite(&database, &error))?;
        let format = identify(&database, &conn)?;
        Ok(Self {
            conn,
            format,
            _lock: lock,
        })
    }
}

/// Without a log the file is all there is, and SQLite may take it as it is.
fn immutable(database: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri(database), flags)
}

/// With a log SQLite wants to lock the file, which it cannot do to one that it may only read. Our own lock keeps others
/// out.
fn with_log(database: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if cfg!(unix) {
        Connection::open_with_flags_and_vfs(database, flags, c"unix-none")
    } else {
        Connection::open_with_flags(database, flags)
    }
}

/// As RFC 3986 wants it: everything but letters, digits and a few signs is escaped.
fn uri(path: &Path) -> PathBuf {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        if plain(*byte) {
            uri.push(char::from(*byte));
        } else {
            uri.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    uri.push_str("?immutable=1");
    PathBuf::from(uri)
}

fn hex(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16)
        .unwrap_or('0')
        .to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_with_a_meaning_are_escaped() {
        let found = uri(Path::new("a b/c?d#e%f/ü.db"));
        assert_eq!(found, Path::new("file:a%20b/c%3Fd%23e%25f/%C3%BC.db?immutable=1"));
    }
}
