//! The reference: a store that keeps everything in ordered maps, and nothing when the process ends. Whoever drives it
//! chooses when batches become durable, when the machine crashes and which commit fails.
//!
//! What must hold: the applied state is the durable one; what was submitted only waits. Deliberately absent: speed.

mod claims;
mod session;
mod state;

use std::collections::{BTreeMap, VecDeque};

use burgee_codec::TopicName;

use self::state::State;
use crate::batch::{Batch, MessageNo, SessionNo, Source};
use crate::body::Body;
use crate::error::{Failure, Fault, SubmitError};
use crate::intake::Intake;
use crate::page::{Limit, Page};
use crate::record::{Durable, OwedMessage, OwedRef, Recovered, RetainedMessage, SessionRecord};
use crate::store::Store;

/// See the module. A clone is another store with the same content.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    state: State,
    waiting: VecDeque<Batch>,
    intake: Intake,
    failed: Option<Failure>,
    /// The commit that will fail, counted from the next one, which is 1.
    to_fail: Option<(u64, Fault)>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// With nothing in it.
    #[must_use]
    pub fn new() -> Self {
        let state = State::default();
        Self {
            intake: state.intake(),
            state,
            waiting: VecDeque::new(),
            failed: None,
            to_fail: None,
        }
    }

    /// How many batches wait for a commit, those of a failed one included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The `nth` commit from now fails with this fault (the next one is the first). A commit of nothing does not count.
    pub const fn fail_commit(&mut self, nth: u64, fault: Fault) {
        self.to_fail = Some((nth, fault));
    }

    /// The machine crashes and the store is opened again. Of the batches that wait, the first `kept` had reached the
    /// disk, though nobody was told; the others are forgotten, and so is a failure.
    pub fn crash(&mut self, kept: usize) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.truncate(kept);
        // Batches that could not have been written were not.
        if claims::check(&self.state, waiting.iter()).is_ok() {
            self.state.apply(waiting);
        }
        self.state.reopen();
        self.intake = self.state.intake();
        self.failed = None;
        self.to_fail = None;
    }

    fn write(&mut self) -> Result<(), Failure> {
        if let Some((nth, fault)) = self.to_fail {
            if nth <= 1 {
                return Err(Failure::new(fault, "the commit was told to fail"));
            }
            self.to_fail = Some((nth - 1, fault));
        }
        claims::check(&self.state, self.waiting.iter())
    }
}

impl Store for MemoryStore {
    fn submit(&mut self, batch: Batch) -> Result<(), SubmitError> {
        if let Some(failure) = &self.failed {
            return Err(SubmitError::Failed(failure.clone()));
        }
        self.intake.take(&batch)?;
        self.waiting.push_back(batch);
        Ok(())
    }

    fn commit(&mut self, notices: &mut Vec<Durable>) -> Result<(), Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        if let Err(failure) = self.write() {
            self.failed = Some(failure.clone());
            return Err(failure);
        }
        let upto: BTreeMap<Source, u64> = self.waiting.iter().map(|batch| (batch.source, batch.number)).collect();
        notices.extend(upto.into_iter().map(|(source, upto)| Durable { source, upto }));
        self.state.apply(self.waiting.drain(..));
        Ok(())
    }

    fn recover(&mut self) -> Result<Recovered, Failure> {
        Ok(self.state.recovered())
    }

    fn sessions(&mut self, after: SessionNo, limit: Limit, out: &mut Vec<SessionRecord>) -> Result<Page, Failure> {
        Ok(fill(limit, self.state.sessions(after), SessionRecord::weight, out))
    }

    fn backlog(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedMessage>,
    ) -> Result<Page, Failure> {
        Ok(fill(
            limit,
            self.state.backlog(session, after),
            OwedMessage::weight,
            out,
        ))
    }

    fn owed(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedRef>,
    ) -> Result<Page, Failure> {
        Ok(fill(limit, self.state.owed(session, after), OwedRef::weight, out))
    }

    fn bodies(&mut self, messages: &[MessageNo], out: &mut Vec<(MessageNo, Body)>) -> Result<(), Failure> {
        let held = |&message| self.state.body(message).map(|body| (message, body.clone()));
        out.extend(messages.iter().filter_map(held));
        Ok(())
    }

    fn retained(
        &mut self,
        after: Option<TopicName<'_>>,
        limit: Limit,
        out: &mut Vec<RetainedMessage>,
    ) -> Result<Page, Failure> {
        Ok(fill(limit, self.state.retained(after), RetainedMessage::weight, out))
    }
}

fn fill<T>(limit: Limit, items: impl Iterator<Item = T>, weight: fn(&T) -> usize, out: &mut Vec<T>) -> Page {
    let mut page = limit.filling();
    for item in items {
        if !page.takes(weight(&item)) {
            return Page::More;
        }
        out.push(item);
    }
    Page::End
}

#[cfg(test)]
mod tests;
