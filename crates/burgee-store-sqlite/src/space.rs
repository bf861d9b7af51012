//! Gives room back while the broker runs: free pages of the database, and the write-ahead log.
//!
//! What must hold: after a commit, or a call of `give_back`, at most `FREE` pages are free that need not be, or the next
//! step takes more of them away; each step does a bounded amount of work. The log is copied into the database before
//! it exceeds `LOG` by more than one commit.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use burgee_store::{Failure, Fault};
use rusqlite::Connection;

use crate::ahead::Ahead;
use crate::faults::Doing;

/// Free pages that are kept for what comes next: 4 MiB.
pub(crate) const FREE: u64 = 1024;

/// Pages of the log after which it is copied into the database: 16 MiB.
pub(crate) const LOG: u64 = 4096;

/// Pages that one step takes from the end of the database at most, and how long it may take.
const STEP: u64 = 2048;
const STEP_TIME: Duration = Duration::from_millis(5);

/// Pages by which the database may be shorter than its file before the log is copied for that reason: 8 MiB.
const OVERHANG: u64 = 2048;

/// As above, while nothing else is to be done: 1 MiB.
const IDLE_OVERHANG: u64 = 256;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Space {
    /// Pages of the database when the log was copied last.
    file: u64,
    /// Whether pages were given back since the log was emptied.
    gave: bool,
    /// Where every commit waits for the device.
    ahead: Option<Ahead>,
}

impl Space {
    /// Of a store that was just opened.
    pub(crate) fn of(conn: &Connection) -> Result<Self, Failure> {
        Ok(Self {
            file: pages(conn)?,
            gave: false,
            ahead: None,
        })
    }

    /// Keeps room ahead of the log in the file at `path`.
    pub(crate) fn keep_ahead(&mut self, path: PathBuf) {
        self.ahead = Some(Ahead::new(path));
    }

    /// Inside of a transaction: gives back free pages. Whether there are more than should be.
    pub(crate) fn step(&mut self, conn: &Connection) -> Result<bool, Failure> {
        let free = free_pages(conn)?;
        if free <= FREE {
            return Ok(false);
        }
        let wanted = (free - FREE / 2).min(STEP);
        let end = Instant::now() + STEP_TIME;
        let doing = "giving room back";
        let mut statement = conn.prepare_cached("PRAGMA incremental_vacuum").doing(doing)?;
        let mut rows = statement.raw_query();
        let mut given = 0;
        while given < wanted && rows.next().doing(doing)?.is_some() {
            given += 1;
            if given % 64 == 0 && Instant::now() > end {
                break;
            }
        }
        self.gave |= given > 0;
        Ok(free - given > FREE)
    }

    /// Whether there is something to give back while nothing else is to be done. In the steady flow there is not: then
    /// the log stays as it is, because writing over it is faster than beginning it anew.
    pub(crate) fn is_due(&self, conn: &Connection) -> Result<bool, Failure> {
        Ok(self.gave || self.file >= pages(conn)? + IDLE_OVERHANG || free_pages(conn)? > FREE)
    }

    /// Behind a transaction: copies the log into the database where it is time.
    pub(crate) fn tend_log(&mut self, conn: &Connection) -> Result<(), Failure> {
        let log = log_pages(conn)?;
        let pages = pages(conn)?;
        self.file = self.file.max(pages);
        if log < LOG && self.file - pages < OVERHANG {
            if let Some(ahead) = &mut self.ahead {
                ahead.make(log, LOG);
            }
            return Ok(());
        }
        self.copy_log(conn, "PRAGMA wal_checkpoint(PASSIVE)")
    }

    /// Copies the log, and makes it empty.
    pub(crate) fn empty_log(&mut self, conn: &Connection) -> Result<(), Failure> {
        self.copy_log(conn, "PRAGMA wal_checkpoint(TRUNCATE)")?;
        self.gave = false;
        if let Some(ahead) = &mut self.ahead {
            ahead.forget();
        }
        Ok(())
    }

    fn copy_log(&mut self, conn: &Connection, sql: &str) -> Result<(), Failure> {
        if ask(conn, sql, 0)? != 0 {
            let what = "the write-ahead log cannot be copied: somebody else uses the database";
            return Err(Failure::new(Fault::Device, what));
        }
        self.file = pages(conn)?;
        Ok(())
    }
}

fn pages(conn: &Connection) -> Result<u64, Failure> {
    ask(conn, "PRAGMA page_count", 0)
}

fn free_pages(conn: &Connection) -> Result<u64, Failure> {
    ask(conn, "PRAGMA freelist_count", 0)
}

fn log_pages(conn: &Connection) -> Result<u64, Failure> {
    ask(conn, "PRAGMA wal_checkpoint(NOOP)", 1)
}

/// The number in a column of the one row that answers.
fn ask(conn: &Connection, sql: &str, column: usize) -> Result<u64, Failure> {
    let mut statement = conn.prepare_cached(sql).doing(sql)?;
    let mut rows = statement.raw_query();
    let row = rows.next().doing(sql)?;
    let answer: i64 = row.map_or(Ok(0), |row| row.get(column)).doing(sql)?;
    // -1: there is no log.
    Ok(u64::try_from(answer).unwrap_or(0))
}
