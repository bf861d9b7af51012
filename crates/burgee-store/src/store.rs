//! The port: nine verbs. See the crate's page for what holds between them.
//!
//! Whoever owns a store drives it from one thread: submit what has come, commit, hand the notices out, answer reads. A
//! verb may wait for a device, so no shard calls one. Deliberately absent: opening and closing; engines differ there.

use burgee_codec::TopicName;

use crate::batch::{Batch, MessageNo, SessionNo};
use crate::body::Body;
use crate::error::{Failure, SubmitError};
use crate::page::{Limit, Page};
use crate::record::{Durable, OwedMessage, OwedRef, Recovered, RetainedMessage, SessionRecord};

/// See the module.
pub trait Store {
    /// Hands a batch over. It holds nothing up, and makes nothing durable by itself.
    ///
    /// # Errors
    /// [`SubmitError::Breach`]: the caller's fault; nothing of the batch was taken and its number is still due.
    /// [`SubmitError::Failed`]: a commit has failed before; the batch is lost, as all later ones.
    fn submit(&mut self, batch: Batch) -> Result<(), SubmitError>;

    /// Makes everything durable that was submitted, in one transaction, and waits for it. Appends a notice for each
    /// source that had a batch in it, in the order of their numbers. Without a batch nothing is done.
    ///
    /// # Errors
    /// Nothing of it is reported durable, and neither this nor any later batch will be: the same failure is returned
    /// from now on. Whether the batches of the failed commit are there shows only when the store is opened again.
    fn commit(&mut self, notices: &mut Vec<Durable>) -> Result<(), Failure>;

    /// What a store does to itself behind a commit, such as copying a log. It is apart, so that whoever waits for the
    /// commit is told first; a commit that finds it not done does it before anything else.
    ///
    /// # Errors
    /// As those of a commit: what was reported durable stays so, and nothing becomes durable any more.
    fn tend(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Looks through what there is. To be called first of all, once after opening; calling it again is allowed.
    ///
    /// # Errors
    /// What is there cannot be read. Nothing has been changed or left out.
    fn recover(&mut self) -> Result<Recovered, Failure>;

    /// Appends the sessions behind `after`, by number. From the start: the number 0.
    ///
    /// # Errors
    /// They cannot be read. What was appended before is good.
    fn sessions(&mut self, after: SessionNo, limit: Limit, out: &mut Vec<SessionRecord>) -> Result<Page, Failure>;

    /// Appends the messages behind `after` that a session is owed, by number: the order of their delivery. A session
    /// that is not there is owed nothing.
    ///
    /// # Errors
    /// They cannot be read. What was appended before is good.
    fn backlog(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedMessage>,
    ) -> Result<Page, Failure>;

    /// Appends what a session is owed behind `after`, by number, without bodies. A session that is not there is owed
    /// nothing.
    ///
    /// # Errors
    /// It cannot be read. What was appended before is good.
    fn owed(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedRef>,
    ) -> Result<Page, Failure>;

    /// Appends the bodies of these messages in the order asked, one that is asked twice twice. Those that nobody is
    /// owed are left out.
    ///
    /// # Errors
    /// They cannot be read. What was appended before is good.
    fn bodies(&mut self, messages: &[MessageNo], out: &mut Vec<(MessageNo, Body)>) -> Result<(), Failure>;

    /// Appends the retained messages behind the topic `after`, by the bytes of their topics. From the start: `None`.
    ///
    /// # Errors
    /// They cannot be read. What was appended before is good.
    fn retained(
        &mut self,
        after: Option<TopicName<'_>>,
        limit: Limit,
        out: &mut Vec<RetainedMessage>,
    ) -> Result<Page, Failure>;
}
