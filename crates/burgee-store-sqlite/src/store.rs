//! The face: [`SqliteStore`] is the port. It holds what waits for the commit, and what failed.
//!
//! What must hold: after a failed commit nothing is written any more, and reads show the last commit that succeeded.

use std::path::Path;

use burgee_codec::TopicName;
use burgee_store::{
    Batch, Body, Durable, Failure, Intake, Limit, MessageNo, OwedMessage, OwedRef, Page, Recovered, RetainedMessage,
    SessionNo, SessionRecord, Store, SubmitError,
};
use rusqlite::Connection;

use crate::backup::{self, BackupTo};
use crate::changes::Changes;
use crate::connect;
use crate::error::{OpenError, TransferError};
use crate::files::{DATABASE, LOG, Lock, make_directory};
use crate::flush::SPARE;
use crate::load::load;
use crate::read;
use crate::schema::Format;
use crate::space::{Space, run};
use crate::state::State;
use crate::upgrade::upgrade;
use crate::write::Writer;
use crate::{Settings, SyncPolicy};

/// A store in a directory.
pub struct SqliteStore {
    conn: Connection,
    inner: Inner,
    /// Let go last.
    _lock: Option<Lock>,
}

/// Everything but the connection, so that both can be used at once.
struct Inner {
    state: State,
    changes: Changes,
    waiting: Vec<Batch>,
    intake: Intake,
    space: Space,
    /// A commit was made, and the log not looked after since.
    untended: bool,
    failed: Option<Failure>,
    /// Why nothing can be read any more.
    unreadable: Option<Failure>,
}

/// A store while its connection is shared with a backup.
struct Shared<'a> {
    conn: &'a Connection,
    inner: &'a mut Inner,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("totals", &self.inner.state.totals)
            .field("waiting", &self.inner.waiting.len())
            .field("failed", &self.inner.failed)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the store of a directory, which is created with an empty store where there is none. Nobody else can open
    /// it until this one is dropped.
    ///
    /// # Errors
    /// It cannot be used as it is; the error says why and what to do. Nothing was changed.
    pub fn open(directory: &Path, settings: Settings) -> Result<Self, OpenError> {
        connect::check_library()?;
        make_directory(directory)?;
        let lock = Lock::take(directory)?;
        connect::create_if_missing(directory)?;
        let database = directory.join(DATABASE);
        let (conn, format) = connect::connect(&database, settings)?;
        upgrade(&conn, format, directory)?;
        let mut store = Self::over(conn, Some(lock)).map_err(|failure| OpenError::of_failure(directory, failure))?;
        if settings.sync == SyncPolicy::Sync {
            store.inner.space.keep_ahead(directory.join(LOG));
        }
        Ok(store)
    }

    /// The store of an open database.
    pub(crate) fn over(conn: Connection, lock: Option<Lock>) -> Result<Self, Failure> {
        let state = load(&conn, Format::NEWEST)?;
        let Recovered {
            next_session,
            next_message,
            ..
        } = state.totals.recovered();
        let inner = Inner {
            intake: Intake::new(next_session, next_message),
            space: Space::of(&conn)?,
            state,
            changes: Changes::default(),
            waiting: Vec::new(),
            untended: false,
            failed: None,
            unreadable: None,
        };
        Ok(Self {
            conn,
            inner,
            _lock: lock,
        })
    }

    /// Gives room back, for when nothing else is to be done: a commit does as much by itself. A step is bounded; `true`
    /// asks for another one. Where nothing is to be given back this costs next to nothing.
    ///
    /// # Errors
    /// As those of a commit: from now on nothing becomes durable.
    pub fn give_back(&mut self) -> Result<bool, Failure> {
        self.shared().give_back()
    }

    /// Copies the store into the directory `to`, which must not hold one, a few hundred pages at a time. Between two of
    /// them `between` may submit, commit and read; what it commits is in the copy or not, as whole commits. Where
    /// `between` fails, or the copy, nothing is left of the copy, and the store goes on.
    ///
    /// # Errors
    /// The copy could not be made.
    pub fn backup(
        &mut self,
        to: &Path,
        mut between: impl FnMut(&mut dyn Store) -> Result<(), Failure>,
    ) -> Result<(), TransferError> {
        let Self { conn, inner, .. } = self;
        let conn = &*conn;
        let copy = BackupTo::new(to)?;
        copy.fill(conn, backup::PAGES, || {
            between(&mut Shared {
                conn,
                inner: &mut *inner,
            })
        })
    }

    /// Raises the numbers that come next.
    pub(crate) fn raise_numbers(&mut self, session: SessionNo, message: MessageNo) -> Result<(), Failure> {
        let totals = &mut self.inner.state.totals;
        totals.next_session = totals.next_session.max(session.0);
        totals.next_message = totals.next_message.max(message.0);
        self.shared().count(0)
    }

    /// Everything into the database, and no log left.
    pub(crate) fn close(mut self) -> Result<(), Failure> {
        self.shared().settle()?;
        self.inner.space.empty_log(&self.conn)
    }

    const fn shared(&mut self) -> Shared<'_> {
        Shared {
            conn: &self.conn,
            inner: &mut self.inner,
        }
    }
}

impl Drop for SqliteStore {
    /// SQLite copies the log when it closes, so all messages have to be counted before. Where that cannot be, or something
    /// went wrong in the middle of a commit, whoever opens it next finds the log, as after a crash.
    fn drop(&mut self) {
        let whole = self.inner.failed.is_none() && self.conn.is_autocommit();
        if whole && self.shared().settle().is_ok() {
            drop(connect::keep_log(&self.conn, false));
        }
    }
}

impl Shared<'_> {
    /// Has `meta` say all, and no number that was not used.
    fn settle(&mut self) -> Result<(), Failure> {
        let State { told, totals, .. } = &self.inner.state;
        if !told.counts_all(totals) || told.next_message != totals.next_message {
            self.count(0)?;
        }
        Ok(())
    }

    /// A transaction that counts everything.
    fn count(&mut self, spare: u64) -> Result<(), Failure> {
        run(self.conn, "BEGIN IMMEDIATE")?;
        let mut writer = Writer {
            conn: self.conn,
            state: &mut self.inner.state,
            changes: &mut self.inner.changes,
        };
        writer.write_meta(spare, true)?;
        self.inner.space.commit(self.conn, 0)
    }

    /// Everything that waits, in one transaction.
    fn write(&mut self) -> Result<(), Failure> {
        let Inner {
            state,
            changes,
            waiting,
            space,
            ..
        } = &mut *self.inner;
        let (before, told) = (state.totals, state.told);
        run(self.conn, "BEGIN IMMEDIATE")?;
        let mut writer = Writer {
            conn: self.conn,
            state,
            changes,
        };
        for batch in waiting.drain(..) {
            writer.batch(batch)?;
        }
        let freed = writer.flush(&before, told)?;
        space.commit(self.conn, freed)
    }

    /// Nothing becomes durable any more. What memory says was changed by what was not written.
    fn fail(&mut self, failure: Failure) -> Failure {
        self.inner.waiting = Vec::new();
        self.inner.changes = Changes::default();
        self.inner.failed = Some(failure.clone());
        // An error may have rolled back already; then there is nothing to roll back.
        drop(self.conn.execute_batch("ROLLBACK"));
        // What is on the disk is not touched any more, not even by closing.
        drop(connect::keep_log(self.conn, true));
        match load(self.conn, Format::NEWEST) {
            Ok(state) => self.inner.state = state,
            Err(why) => self.inner.unreadable = Some(why),
        }
        failure
    }

    fn give_back(&mut self) -> Result<bool, Failure> {
        if let Some(failure) = &self.inner.failed {
            return Err(failure.clone());
        }
        self.step_back().map_err(|failure| self.fail(failure))
    }

    fn step_back(&mut self) -> Result<bool, Failure> {
        if !self.inner.space.is_due(self.conn)? {
            return Ok(false);
        }
        self.count(SPARE)?;
        let more = self.inner.space.look(self.conn)?;
        if more {
            self.tend_log()?;
        } else {
            self.inner.space.empty_log(self.conn)?;
        }
        Ok(more)
    }

    fn tend_log(&mut self) -> Result<(), Failure> {
        if self.inner.space.tend(self.conn)? {
            self.count(SPARE)?;
            self.inner.space.copy(self.conn)?;
            // This begins the log anew. As long as the old one stands, damage in it would mix what it says with what was
            // copied.
            self.count(SPARE)?;
        }
        Ok(())
    }

    fn readable(&self) -> Result<&State, Failure> {
        self.inner.unreadable.clone().map_or(Ok(&self.inner.state), Err)
    }
}

impl Store for Shared<'_> {
    fn submit(&mut self, batch: Batch) -> Result<(), SubmitError> {
        if let Some(failure) = &self.inner.failed {
            return Err(SubmitError::Failed(failure.clone()));
        }
        self.inner.intake.take(&batch)?;
        self.inner.waiting.push(batch);
        Ok(())
    }

    fn commit(&mut self, notices: &mut Vec<Durable>) -> Result<(), Failure> {
        if let Some(failure) = &self.inner.failed {
            return Err(failure.clone());
        }
        if self.inner.waiting.is_empty() {
            return Ok(());
        }
        self.tend()?;
        let from = notices.len();
        for batch in &self.inner.waiting {
            let known = notices
                .iter_mut()
                .skip(from)
                .find(|notice| notice.source == batch.source);
            match known {
                Some(notice) => notice.upto = batch.number,
                None => notices.push(Durable {
                    source: batch.source,
                    upto: batch.number,
                }),
            }
        }
        if let Err(failure) = self.write() {
            notices.truncate(from);
            return Err(self.fail(failure));
        }
        if let Some(new) = notices.get_mut(from..) {
            new.sort_unstable_by_key(|notice| notice.source);
        }
        self.inner.state.clean();
        self.inner.changes.clear();
        self.inner.untended = true;
        Ok(())
    }

    fn tend(&mut self) -> Result<(), Failure> {
        if let Some(failure) = &self.inner.failed {
            return Err(failure.clone());
        }
        if !std::mem::take(&mut self.inner.untended) {
            return Ok(());
        }
        self.tend_log().map_err(|failure| self.fail(failure))
    }

    fn recover(&mut self) -> Result<Recovered, Failure> {
        self.readable().map(|state| state.totals.recovered())
    }

    fn sessions(&mut self, after: SessionNo, limit: Limit, out: &mut Vec<SessionRecord>) -> Result<Page, Failure> {
        read::sessions(self.conn, self.readable()?, after, limit, out)
    }

    fn backlog(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedMessage>,
    ) -> Result<Page, Failure> {
        let owed = self.readable()?.owed(session, after);
        read::backlog(self.conn, owed, limit, out)
    }

    fn owed(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedRef>,
    ) -> Result<Page, Failure> {
        Ok(read::owed(self.readable()?, session, after, limit, out))
    }

    fn bodies(&mut self, messages: &[MessageNo], out: &mut Vec<(MessageNo, Body)>) -> Result<(), Failure> {
        let state = self.readable()?;
        for &message in messages {
            if state.message(message).is_some() {
                out.push((message, read::body(self.conn, message)?));
            }
        }
        Ok(())
    }

    fn retained(
        &mut self,
        after: Option<TopicName<'_>>,
        limit: Limit,
        out: &mut Vec<RetainedMessage>,
    ) -> Result<Page, Failure> {
        let format = self.readable()?.format;
        read::retained(self.conn, format, after, limit, out)
    }
}

impl Store for SqliteStore {
    fn submit(&mut self, batch: Batch) -> Result<(), SubmitError> {
        self.shared().submit(batch)
    }

    fn commit(&mut self, notices: &mut Vec<Durable>) -> Result<(), Failure> {
        self.shared().commit(notices)
    }

    fn tend(&mut self) -> Result<(), Failure> {
        self.shared().tend()
    }

    fn recover(&mut self) -> Result<Recovered, Failure> {
        self.shared().recover()
    }

    fn sessions(&mut self, after: SessionNo, limit: Limit, out: &mut Vec<SessionRecord>) -> Result<Page, Failure> {
        self.shared().sessions(after, limit, out)
    }

    fn backlog(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedMessage>,
    ) -> Result<Page, Failure> {
        self.shared().backlog(session, after, limit, out)
    }

    fn owed(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedRef>,
    ) -> Result<Page, Failure> {
        self.shared().owed(session, after, limit, out)
    }

    fn bodies(&mut self, messages: &[MessageNo], out: &mut Vec<(MessageNo, Body)>) -> Result<(), Failure> {
        self.shared().bodies(messages, out)
    }

    fn retained(
        &mut self,
        after: Option<TopicName<'_>>,
        limit: Limit,
        out: &mut Vec<RetainedMessage>,
    ) -> Result<Page, Failure> {
        self.shared().retained(after, limit, out)
    }
}

#[cfg(test)]
mod tests;
