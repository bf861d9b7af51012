//! The store under test, with the book-keeping that every caller of a store does: batch numbers and expected notices.

use std::collections::BTreeMap;

use burgee_codec::TopicName;

use super::image::Image;
use super::told::{ALL, Told, same, unreadable};
use crate::batch::{Batch, MessageNo, Op, SessionNo, Source};
use crate::body::Body;
use crate::error::{Failure, SubmitError};
use crate::page::{Limit, Page};
use crate::record::{Durable, OwedMessage, OwedRef, Recovered, RetainedMessage, SessionRecord};
use crate::store::Store;

/// A store that may be able to crash and to fail.
pub(super) trait Subject: Store {
    fn crash(&mut self);
    fn fail_next_commit(&mut self);
}

/// Any store, with what its test harness can do to it.
pub(super) struct Held<S> {
    pub(super) store: S,
    pub(super) crash: Option<fn(&mut S)>,
    pub(super) fail: Option<fn(&mut S)>,
}

impl<S: Store> Subject for Held<S> {
    fn crash(&mut self) {
        if let Some(crash) = self.crash {
            crash(&mut self.store);
        }
    }

    fn fail_next_commit(&mut self) {
        if let Some(fail) = self.fail {
            fail(&mut self.store);
        }
    }
}

impl<S: Store> Store for Held<S> {
    fn submit(&mut self, batch: Batch) -> Result<(), SubmitError> {
        self.store.submit(batch)
    }

    fn commit(&mut self, notices: &mut Vec<Durable>) -> Result<(), Failure> {
        self.store.commit(notices)
    }

    fn recover(&mut self) -> Result<Recovered, Failure> {
        self.store.recover()
    }

    fn sessions(&mut self, after: SessionNo, limit: Limit, out: &mut Vec<SessionRecord>) -> Result<Page, Failure> {
        self.store.sessions(after, limit, out)
    }

    fn backlog(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedMessage>,
    ) -> Result<Page, Failure> {
        self.store.backlog(session, after, limit, out)
    }

    fn owed(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedRef>,
    ) -> Result<Page, Failure> {
        self.store.owed(session, after, limit, out)
    }

    fn bodies(&mut self, messages: &[MessageNo], out: &mut Vec<(MessageNo, Body)>) -> Result<(), Failure> {
        self.store.bodies(messages, out)
    }

    fn retained(
        &mut self,
        after: Option<TopicName<'_>>,
        limit: Limit,
        out: &mut Vec<RetainedMessage>,
    ) -> Result<Page, Failure> {
        self.store.retained(after, limit, out)
    }
}

/// See the module.
pub(super) struct Ground {
    pub(super) store: Box<dyn Subject>,
    submitted: BTreeMap<Source, u64>,
    expected: BTreeMap<Source, u64>,
}

impl Ground {
    pub(super) fn new(store: Box<dyn Subject>) -> Self {
        Self {
            store,
            submitted: BTreeMap::new(),
            expected: BTreeMap::new(),
        }
    }

    /// The next batch of a source.
    pub(super) fn batch(&self, source: u16, ops: Vec<Op>) -> Batch {
        let source = Source(source);
        let number = self.submitted.get(&source).map_or(1, |last| last + 1);
        Batch { source, number, ops }
    }

    pub(super) fn submit(&mut self, source: u16, ops: Vec<Op>) -> Told {
        let batch = self.batch(source, ops);
        let (source, number) = (batch.source, batch.number);
        self.store
            .submit(batch)
            .map_err(|error| format!("a good batch was refused: {error}"))?;
        self.submitted.insert(source, number);
        self.expected.insert(source, number);
        Ok(())
    }

    /// A commit that succeeds and tells exactly what it did.
    pub(super) fn commit(&mut self) -> Told {
        match self.attempt()? {
            None => Ok(()),
            Some(failure) => Err(format!("a commit failed: {failure}")),
        }
    }

    /// A commit that fails and tells nothing.
    pub(super) fn commit_fails(&mut self) -> Result<Failure, String> {
        let failure = self.attempt()?;
        failure.ok_or_else(|| "a commit that had to fail succeeded".to_owned())
    }

    /// A commit that tells exactly what it did, or fails and tells nothing.
    pub(super) fn attempt(&mut self) -> Result<Option<Failure>, String> {
        let mut notices = Vec::new();
        if let Err(failure) = self.store.commit(&mut notices) {
            same("the notices of a failed commit", &Vec::new(), &notices)?;
            return Ok(Some(failure));
        }
        let expected: Vec<Durable> = std::mem::take(&mut self.expected)
            .into_iter()
            .map(|(source, upto)| Durable { source, upto })
            .collect();
        same("the notices of a commit", &expected, &notices)?;
        Ok(None)
    }

    /// Submits and commits.
    pub(super) fn put(&mut self, ops: Vec<Op>) -> Told {
        self.submit(0, ops)?;
        self.commit()
    }

    pub(super) fn crash(&mut self) -> Told {
        self.store.crash();
        self.submitted.clear();
        self.expected.clear();
        self.recovered().map(|_| ())
    }

    pub(super) fn recovered(&mut self) -> Result<Recovered, String> {
        self.store.recover().map_err(|failure| unreadable(&failure))
    }

    /// Everything that can be read.
    pub(super) fn image(&mut self) -> Result<Image, String> {
        Image::read(&mut *self.store, ALL)
    }

    pub(super) fn session(&mut self, session: u64) -> Result<Option<SessionRecord>, String> {
        let image = self.image()?;
        Ok(image.sessions.into_iter().find(|held| held.session.0 == session))
    }

    /// A session that must be there.
    pub(super) fn living(&mut self, session: u64) -> Result<SessionRecord, String> {
        self.session(session)?
            .ok_or_else(|| format!("session {session} is not there"))
    }

    /// Numbers of the messages that a session is owed.
    pub(super) fn owed(&mut self, session: u64) -> Result<Vec<u64>, String> {
        let mut out = Vec::new();
        let page = self
            .store
            .backlog(SessionNo(session), MessageNo(0), ALL, &mut out)
            .map_err(|failure| unreadable(&failure))?;
        same("a page without limit", &Page::End, &page)?;
        Ok(out.iter().map(|owed| owed.message.0).collect())
    }
}
