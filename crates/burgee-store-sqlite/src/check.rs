//! What is in a directory, and whether it is whole.
//!
//! What must hold: nothing is changed, not even by looking. Deliberately absent: repair. What is damaged is for somebody
//! to judge; restoring a backup loses less than guessing.

use std::path::{Path, PathBuf};

use burgee_store::{Failure, Fault, MessageNo, SessionNo};

use crate::error::OpenError;
use crate::faults::Doing;
use crate::files::lengths;
use crate::load::load;
use crate::reader::Reader;
use crate::schema::{self, Format};
use crate::tables::{body_row, each, retained_row};
use rusqlite::Connection;

/// What a look at a store found. Numbers are 0 where it is too damaged to be counted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The directory.
    pub directory: PathBuf,
    /// Version of the format.
    pub version: u32,
    /// Names and lengths of its files.
    pub files: Vec<(String, u64)>,
    /// Sessions.
    pub sessions: u64,
    /// Their subscriptions.
    pub subscriptions: u64,
    /// Their wills.
    pub wills: u64,
    /// Identifiers of QoS 2 messages that were received and are not free yet.
    pub received: u64,
    /// Messages that somebody is owed.
    pub messages: u64,
    /// Bytes of their bodies: topic and payload, each once.
    pub message_bytes: u64,
    /// QoS 2 deliveries that are under way.
    pub deliveries: u64,
    /// Retained messages.
    pub retained: u64,
    /// Bytes of their bodies.
    pub retained_bytes: u64,
    /// The session number that comes next.
    pub next_session: SessionNo,
    /// The message number that comes next.
    pub next_message: MessageNo,
    /// What is wrong with it, in words. Empty: it is whole.
    pub faults: Vec<String>,
}

impl Report {
    /// Whether everything is as it was written.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Looks through the store of a directory: every page, every row, every body.
///
/// # Errors
/// There is no store that could be looked at, or somebody has it open. Damage is no error but in the report, unless it
/// begins with the first bytes.
pub fn check(directory: &Path) -> Result<Report, OpenError> {
    let reader = Reader::open(directory)?;
    look(directory, &reader.conn, reader.format)
}

/// The same in an open database.
pub(crate) fn look(directory: &Path, conn: &Connection, format: Format) -> Result<Report, OpenError> {
    let mut report = Report {
        directory: directory.to_owned(),
        version: u32::try_from(format.version()).unwrap_or(u32::MAX),
        files: lengths(directory)?,
        sessions: 0,
        subscriptions: 0,
        wills: 0,
        received: 0,
        messages: 0,
        message_bytes: 0,
        deliveries: 0,
        retained: 0,
        retained_bytes: 0,
        next_session: SessionNo(0),
        next_message: MessageNo(0),
        faults: Vec::new(),
    };
    let steps: [Step; 4] = [pages, rows, bodies, retained];
    for step in steps {
        if let Err(failure) = step((conn, format), &mut report) {
            if failure.fault != Fault::Corrupt {
                return Err(OpenError::of_failure(directory, failure));
            }
            report.faults.push(failure.what.into());
        }
    }
    Ok(report)
}

/// A part of the look.
type Step = fn(Open<'_>, &mut Report) -> Result<(), Failure>;

/// What is looked at.
type Open<'a> = (&'a Connection, Format);

/// SQLite's own look at its pages.
fn pages((conn, _): Open<'_>, report: &mut Report) -> Result<(), Failure> {
    let doing = "checking the pages";
    let mut statement = conn.prepare("PRAGMA integrity_check").doing(doing)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().doing(doing)? {
        let said: String = row.get(0).doing(doing)?;
        if said != "ok" {
            report.faults.push(said);
        }
    }
    Ok(())
}

/// Everything that opening looks at.
fn rows((conn, format): Open<'_>, report: &mut Report) -> Result<(), Failure> {
    let totals = load(conn, format)?.totals;
    report.sessions = totals.sessions;
    report.subscriptions = totals.subs;
    report.wills = totals.wills;
    report.received = totals.received;
    report.messages = totals.messages;
    report.message_bytes = totals.message_bytes;
    report.deliveries = totals.deliveries;
    report.retained = totals.retained;
    report.retained_bytes = totals.retained_bytes;
    report.next_session = SessionNo(totals.next_session);
    report.next_message = MessageNo(totals.next_message);
    Ok(())
}

fn bodies((conn, _): Open<'_>, report: &mut Report) -> Result<(), Failure> {
    each(conn, ("msg", schema::MSG_WHOLE), |cells| {
        if let Err(failure) = body_row(cells) {
            report.faults.push(failure.what.into());
        }
        Ok(())
    })
}

fn retained((conn, format): Open<'_>, report: &mut Report) -> Result<(), Failure> {
    each(conn, ("retained", format.words().retained_all), |cells| {
        if let Err(failure) = retained_row(cells) {
            report.faults.push(failure.what.into());
        }
        Ok(())
    })
}
