//! Which format a store has, without opening it.
//!
//! What must hold: a broker that has the store is not disturbed, and nothing of it is locked. Deliberately absent: what is
//! still in the log: a store that is just being brought up to date shows its old format until that is in the database.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use crate::files::DATABASE;
use crate::schema::{APPLICATION, VERSION};

/// A number of a format of stores.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct FormatNumber {
    /// What the store has.
    pub found: u32,
    /// What this program writes; it reads all before it.
    pub known: u32,
}

/// Bytes of a database's header.
const HEADER: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The format of the store in a directory; `None`: there is none.
///
/// # Errors
/// It cannot be read, or is no store.
pub fn format_of(directory: &Path) -> io::Result<Option<FormatNumber>> {
    let mut header = [0; HEADER];
    match File::open(directory.join(DATABASE)) {
        Ok(mut file) => file.read_exact(&mut header)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let number = |at: usize| {
        let bytes = header.get(at..).and_then(|rest| rest.first_chunk());
        bytes.copied().map_or(0, u32::from_be_bytes)
    };
    if !header.starts_with(MAGIC) || i64::from(number(68)) != APPLICATION {
        return Err(io::Error::new(ErrorKind::InvalidData, "this is no store of burgee"));
    }
    Ok(Some(FormatNumber {
        found: number(60),
        known: u32::try_from(VERSION).unwrap_or(0),
    }))
}
