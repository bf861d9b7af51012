//! Gives room back while the broker runs: free pages of the database, and the write-ahead log.
//!
//! What must hold: after a commit, or a call of `give_back`, at most `FREE` pages are free that need not be, or the next
//! step takes more of them away; each step does a bounded amount of work. The log is copied into the database before
//! it exceeds `LOG` by more than one commit. Where messages flow to one session each nothing is asked: what a commit can have freed is
//! counted, and SQLite is asked once that may be too much; of the log nobody asks in words, which SQLite would read anew each time.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use burgee_store::{Failure, Fault};
use rusqlite::Connection;

use crate::ahead::Ahead;
use crate::faults::Doing;

/// Free pages that are kept for what comes next: 4 MiB.
pub(crate) const FREE: u64 = 1024;

/// Pages that may be free beyond what is known: where a table has more than two levels, one row can have pages of each of
/// them merged. That is seldom, and is known with the next look.
pub(crate) const UNSURE: u64 = 64;

/// Pages of the log after which it is copied into the database: 16 MiB.
pub(crate) const LOG: u64 = 4096;

/// Pages that one step takes from the end of the database at most, and how long it may take.
const STEP: u64 = 2048;
const STEP_TIME: Duration = Duration::from_millis(5);

/// Pages by which the database may be shorter than its file before the log is copied for that reason: 8 MiB.
const OVERHANG: u64 = 2048;

/// As above, while nothing else is to be done: 1 MiB.
const IDLE_OVERHANG: u64 = 256;

thread_local! {
    /// Pages of the log behind a commit of this thread, until they are asked for.
    static LOGGED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Space {
    /// Pages of the database when the log was copied last, or since then before some were given back.
    file: u64,
    /// Pages of the log behind the last commit.
    log: u64,
    /// Free pages of the database, at most, but for `UNSURE`.
    pub(crate) free: u64,
    /// Whether pages were given back since the log was tended.
    gave_now: bool,
    /// Whether pages were given back since the log was emptied.
    gave: bool,
    /// Where every commit waits for the device.
    ahead: Option<Ahead>,
}

impl Space {
    /// Of a store that was just opened.
    pub(crate) fn of(conn: &Connection) -> Result<Self, Failure> {
        conn.wal_hook(Some(|_, pages| {
            LOGGED.set(u64::try_from(pages).ok());
            Ok(())
        }));
        Ok(Self {
            file: pages(conn)?,
            free: free_pages(conn)?,
            ..Self::default()
        })
    }

    /// Keeps room ahead of the log in the file at `path`.
    pub(crate) fn keep_ahead(&mut self, path: PathBuf) {
        self.ahead = Some(Ahead::new(path));
    }

    /// Gives back free pages where there were too many, and ends a transaction that freed so many more at most.
    pub(crate) fn commit(&mut self, conn: &Connection, freed: u64) -> Result<(), Failure> {
        // Some of them may have been taken by this very transaction.
        if self.free > FREE && self.look(conn)? {
            self.give(conn)?;
        }
        LOGGED.take();
        run(conn, "COMMIT")?;
        // Where nothing was written the log is as long as it was.
        self.log = LOGGED.take().unwrap_or(self.log);
        self.free = self.free.saturating_add(freed);
        Ok(())
    }

    /// Inside of a transaction: gives back free pages.
    fn give(&mut self, conn: &Connection) -> Result<(), Failure> {
        self.file = self.file.max(pages(conn)?);
        let wanted = (self.free - FREE / 2).min(STEP);
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
        self.gave_now |= given > 0;
        self.gave |= given > 0;
        Ok(())
    }

    /// Whether there is something to give back while nothing else is to be done. In the steady flow there is not: then
    /// the log stays as it is, because writing over it is faster than beginning it anew.
    pub(crate) fn is_due(&mut self, conn: &Connection) -> Result<bool, Failure> {
        Ok(self.look(conn)? || self.gave || self.file >= pages(conn)? + IDLE_OVERHANG)
    }

    /// Whether more pages are free than should be.
    pub(crate) fn look(&mut self, conn: &Connection) -> Result<bool, Failure> {
        self.free = free_pages(conn)?;
        Ok(self.free > FREE)
    }

    /// Behind a transaction: looks what the next one has to give back, and whether it is time to copy the log into the
    /// database.
    pub(crate) fn tend(&mut self, conn: &Connection) -> Result<bool, Failure> {
        if self.free.saturating_add(UNSURE) > FREE {
            self.look(conn)?;
        }
        // Only what was given back makes the database shorter than its file.
        let shorter = std::mem::take(&mut self.gave_now) && pages(conn)? + OVERHANG <= self.file;
        if self.log < LOG && !shorter {
            if let Some(ahead) = &mut self.ahead {
                ahead.make(self.log, LOG);
            }
            return Ok(false);
        }
        Ok(true)
    }

    /// Copies the log. All messages have to be counted.
    pub(crate) fn copy(&mut self, conn: &Connection) -> Result<(), Failure> {
        self.copy_log(conn, "PRAGMA wal_checkpoint(PASSIVE)")
    }

    /// Copies the log, and makes it empty. All messages have to be counted.
    pub(crate) fn empty_log(&mut self, conn: &Connection) -> Result<(), Failure> {
        self.copy_log(conn, "PRAGMA wal_checkpoint(TRUNCATE)")?;
        (self.gave, self.log) = (false, 0);
        if let Some(ahead) = &mut self.ahead {
            ahead.forget();
        }
        Ok(())
    }

    fn copy_log(&mut self, conn: &Connection, sql: &str) -> Result<(), Failure> {
        if ask(conn, sql)? != 0 {
            let what = "the write-ahead log cannot be copied: somebody else uses the database";
            return Err(Failure::new(Fault::Device, what));
        }
        self.file = pages(conn)?;
        Ok(())
    }
}

fn pages(conn: &Connection) -> Result<u64, Failure> {
    ask(conn, "PRAGMA page_count")
}

fn free_pages(conn: &Connection) -> Result<u64, Failure> {
    ask(conn, "PRAGMA freelist_count")
}

pub(crate) fn run(conn: &Connection, sql: &str) -> Result<(), Failure> {
    let mut statement = conn.prepare_cached(sql).doing(sql)?;
    statement.raw_execute().doing(sql).map(drop)
}

/// The first number of the one row that answers.
fn ask(conn: &Connection, sql: &str) -> Result<u64, Failure> {
    let mut statement = conn.prepare_cached(sql).doing(sql)?;
    let mut rows = statement.raw_query();
    let row = rows.next().doing(sql)?;
    let answer: i64 = row.map_or(Ok(0), |row| row.get(0)).doing(sql)?;
    Ok(u64::try_from(answer).unwrap_or(0))
}
