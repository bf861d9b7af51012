//! From SQLite's errors, and from rows that cannot be, to the port's failures.
//!
//! What must hold: whose fault it is follows from SQLite's code alone; the words say what was being done.

use burgee_store::{Failure, Fault};
use rusqlite::types::ValueRef;
use rusqlite::{Error, ErrorCode, Row, ffi};

use crate::rows::Odd;

/// Whose fault an error of SQLite is.
pub(crate) fn fault_of(error: &Error) -> Fault {
    // None: values of another type than was written.
    error
        .sqlite_error()
        .map_or(Fault::Corrupt, |error| fault_of_code(error.extended_code))
}

/// Whose fault an extended code of SQLite is.
pub(crate) fn fault_of_code(extended: i32) -> Fault {
    // A file that ends within a page, where SQLite reads it without its cache.
    if extended == ffi::SQLITE_IOERR_SHORT_READ {
        return Fault::Corrupt;
    }
    let code = ffi::Error::new(extended).code;
    if code == ErrorCode::DiskFull {
        return Fault::Full;
    }
    // Our statements are right, so one that does not fit says that the tables are not ours; no value of ours is that big.
    let damage = [
        ErrorCode::DatabaseCorrupt,
        ErrorCode::NotADatabase,
        ErrorCode::Unknown,
        ErrorCode::SchemaChanged,
        ErrorCode::TypeMismatch,
        ErrorCode::TooBig,
    ];
    if damage.contains(&code) {
        return Fault::Corrupt;
    }
    if [ErrorCode::ConstraintViolation, ErrorCode::ApiMisuse].contains(&code) {
        return Fault::Ours;
    }
    Fault::Device
}

/// Says what was being done when something went wrong.
pub(crate) trait Doing<T> {
    fn doing(self, what: &str) -> Result<T, Failure>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(fault_of(&error), format!("{what}: {error}")))
    }
}

/// A row that is not what was written.
pub(crate) fn corrupt(table: &str, row: impl std::fmt::Display, what: &str) -> Failure {
    Failure::new(Fault::Corrupt, format!("table {table}, row {row}: {what}"))
}

/// A claim that the caller may not make.
pub(crate) fn ours(what: String) -> Failure {
    Failure::new(Fault::Ours, what)
}

/// A row while it is read: every value is asked for by its type.
#[derive(Copy, Clone)]
pub(crate) struct Cells<'a> {
    pub(crate) table: &'static str,
    row: &'a Row<'a>,
}

impl<'a> Cells<'a> {
    pub(crate) const fn new(table: &'static str, row: &'a Row<'a>) -> Self {
        Self { table, row }
    }

    /// A number that is not negative.
    pub(crate) fn number(&self, column: usize) -> Result<u64, Failure> {
        match self.row.get_ref(column).doing("reading a row")? {
            ValueRef::Integer(number) => u64::try_from(number).map_err(|_| self.odd("it has a negative number")),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
                Err(self.odd("it has something else where a number is due"))
            }
        }
    }

    /// A number that fits.
    pub(crate) fn small<T: TryFrom<u64>>(&self, column: usize) -> Result<T, Failure> {
        T::try_from(self.number(column)?).map_err(|_| self.odd("it has a number that is too great"))
    }

    pub(crate) fn bytes(&self, column: usize) -> Result<&'a [u8], Failure> {
        match self.row.get_ref(column).doing("reading a row")? {
            ValueRef::Blob(bytes) => Ok(bytes),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => {
                Err(self.odd("it has something else where bytes are due"))
            }
        }
    }

    pub(crate) fn text(&self, column: usize) -> Result<&'a str, Failure> {
        match self.row.get_ref(column).doing("reading a row")? {
            ValueRef::Text(text) => str::from_utf8(text).map_err(|_| self.odd("its text is not UTF-8")),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => {
                Err(self.odd("it has something else where a text is due"))
            }
        }
    }

    /// A text, or nothing.
    pub(crate) fn text_if_any(&self, column: usize) -> Result<Option<&'a str>, Failure> {
        if self.row.get_ref(column).doing("reading a row")? == ValueRef::Null {
            return Ok(None);
        }
        self.text(column).map(Some)
    }

    /// Its sum is this.
    pub(crate) fn sums_to(&self, column: usize, sum: i64) -> Result<(), Failure> {
        let found = self.number(column)?;
        if u64::try_from(sum) == Ok(found) {
            return Ok(());
        }
        Err(self.odd("its sum is wrong"))
    }

    /// This row is not what was written. It is named by its first column, and by the second where that is a number, too.
    pub(crate) fn odd(&self, what: Odd) -> Failure {
        let shown = |column| match self.row.get_ref(column) {
            Ok(ValueRef::Integer(number)) => Some(number.to_string()),
            Ok(ValueRef::Text(text)) => Some(format!("{:?}", String::from_utf8_lossy(text))),
            Ok(ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_)) | Err(_) => None,
        };
        let first = shown(0).unwrap_or_else(|| "?".to_owned());
        let second = shown(1).filter(|_| matches!(self.table, "cursor" | "out" | "qos2in" | "sub"));
        let row = second.map_or_else(|| first.clone(), |second| format!("{first}/{second}"));
        corrupt(self.table, row, what)
    }
}
