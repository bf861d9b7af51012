//! The contract bites: stores that are wrong in one way each are found.
//!
//! Each is the reference in a wrapper that does one thing wrong. What must hold: the wrapper that does nothing wrong
//! passes, so that it is the wrong thing that is found and not the wrapper.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::let_underscore_must_use,
    reason = "a wrong store is right in all but one thing, and does not care for answers"
)]

use std::collections::{BTreeMap, VecDeque};

use burgee_codec::TopicName;
use burgee_store::contract::{Contract, Effort, Finding};
use burgee_store::{
    Batch, Body, Durable, Failure, Fault, Limit, MemoryStore, MessageNo, Op, OwedMessage, OwedRef, Page, Recovered,
    Replay, RetainedMessage, SessionNo, SessionRecord, Source, Stage, Store, SubmitError,
};

/// What a wrapper does wrong.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Wrong {
    Nothing,
    // With operations.
    LosesTheLastOp,
    ReversesABatch,
    ForgetsASettle,
    ForgetsAStage,
    ForgetsThatAWillWasCleared,
    ForgetsToFree,
    ForgetsToDelete,
    KeepsTheFirstRetained,
    TakesTheLastWordOfATopic,
    ForgetsRemovals,
    ForgetsHowFarAReplayIs,
    TakesEveryReplayForWhole,
    ForgetsTheUser,
    ForgetsAClaim,
    KeepsTheFirstClaim,
    DropsRetainFlags,
    SettlesOnlyForTheFirst,
    TakesTheHighestSettledForACursor,
    OwesOnlyToOneSource,
    // With batches and commits.
    SwapsSources,
    TakesAnyNumber,
    CommitsAtOnce,
    TellsOneTooMany,
    TellsNothing,
    TellsBeforeASync,
    RetriesAFailedCommit,
    GoesOnAfterAFailure,
    // In a crash.
    RevivesASession,
    LosesAReceivedIdentifier,
    KeepsAMiddleBatch,
    KeepsHalfABatch,
    GivesNumbersAgain,
    HasOneCursorForAllSources,
    // While reading.
    SkipsAtAPageBreak,
    EndsTooEarly,
    NeverForgetsAMessage,
    ExceedsTheLimit,
    MiscountsRetained,
    RefsWithoutDelivery,
    RefsSkipAtAPageBreak,
    SortsBodies,
    KeepsBodiesOfTheSettled,
}

const ALL: &[Wrong] = &[
    Wrong::LosesTheLastOp,
    Wrong::ReversesABatch,
    Wrong::ForgetsASettle,
    Wrong::ForgetsAStage,
    Wrong::ForgetsThatAWillWasCleared,
    Wrong::ForgetsToFree,
    Wrong::ForgetsToDelete,
    Wrong::KeepsTheFirstRetained,
    Wrong::TakesTheLastWordOfATopic,
    Wrong::ForgetsRemovals,
    Wrong::ForgetsHowFarAReplayIs,
    Wrong::TakesEveryReplayForWhole,
    Wrong::ForgetsTheUser,
    Wrong::ForgetsAClaim,
    Wrong::KeepsTheFirstClaim,
    Wrong::DropsRetainFlags,
    Wrong::SettlesOnlyForTheFirst,
    Wrong::TakesTheHighestSettledForACursor,
    Wrong::OwesOnlyToOneSource,
    Wrong::SwapsSources,
    Wrong::TakesAnyNumber,
    Wrong::CommitsAtOnce,
    Wrong::TellsOneTooMany,
    Wrong::TellsNothing,
    Wrong::TellsBeforeASync,
    Wrong::RetriesAFailedCommit,
    Wrong::GoesOnAfterAFailure,
    Wrong::RevivesASession,
    Wrong::LosesAReceivedIdentifier,
    Wrong::KeepsAMiddleBatch,
    Wrong::KeepsHalfABatch,
    Wrong::GivesNumbersAgain,
    Wrong::HasOneCursorForAllSources,
    Wrong::SkipsAtAPageBreak,
    Wrong::EndsTooEarly,
    Wrong::NeverForgetsAMessage,
    Wrong::ExceedsTheLimit,
    Wrong::MiscountsRetained,
    Wrong::RefsWithoutDelivery,
    Wrong::RefsSkipAtAPageBreak,
    Wrong::SortsBodies,
    Wrong::KeepsBodiesOfTheSettled,
];

/// Wrongs that only a crash brings to light.
fn needs_a_crash(wrong: Wrong) -> bool {
    [
        Wrong::TellsBeforeASync,
        Wrong::RevivesASession,
        Wrong::LosesAReceivedIdentifier,
        Wrong::KeepsAMiddleBatch,
        Wrong::KeepsHalfABatch,
        Wrong::HasOneCursorForAllSources,
    ]
    .contains(&wrong)
}

/// Wrongs that only a failing disk brings to light.
fn needs_a_failure(wrong: Wrong) -> bool {
    [Wrong::RetriesAFailedCommit].contains(&wrong)
}

const EVERYTHING: Limit = Limit {
    items: usize::MAX,
    bytes: usize::MAX,
};

struct Bent {
    wrong: Wrong,
    live: MemoryStore,
    /// What a crash leaves of the committed state.
    disk: MemoryStore,
    waiting: VecDeque<Batch>,
    settles: u64,
    most: u64,
    deleted: Option<SessionRecord>,
    crashed: bool,
    numbers: BTreeMap<Source, u64>,
    /// The highest number that a session has settled.
    settled: BTreeMap<SessionNo, MessageNo>,
    /// The number up to which a session had settled everything when it settled last.
    cursors: BTreeMap<SessionNo, MessageNo>,
    /// The source that created a session.
    owners: BTreeMap<SessionNo, Source>,
    bodies: BTreeMap<MessageNo, Body>,
}

impl Bent {
    fn new(wrong: Wrong) -> Self {
        Self {
            wrong,
            live: MemoryStore::new(),
            disk: MemoryStore::new(),
            waiting: VecDeque::new(),
            settles: 0,
            most: 0,
            deleted: None,
            crashed: false,
            numbers: BTreeMap::new(),
            settled: BTreeMap::new(),
            cursors: BTreeMap::new(),
            owners: BTreeMap::new(),
            bodies: BTreeMap::new(),
        }
    }

    fn is(&self, wrong: Wrong) -> bool {
        self.wrong == wrong
    }

    fn crash(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        if self.is(Wrong::TellsBeforeASync) {
            self.live = self.disk.clone();
        }
        self.live.crash(0);
        if self.is(Wrong::KeepsAMiddleBatch) {
            waiting.pop_front();
        }
        if self.is(Wrong::KeepsHalfABatch)
            && let Some(first) = waiting.front_mut()
        {
            first.ops.truncate(first.ops.len() / 2);
        }
        if (self.is(Wrong::KeepsAMiddleBatch) || self.is(Wrong::KeepsHalfABatch))
            && let Some(batch) = waiting.pop_front()
        {
            let _ = self.live.submit(Batch { number: 1, ..batch });
            let _ = self.live.commit(&mut Vec::new());
            self.live.crash(0);
        }
        if self.is(Wrong::HasOneCursorForAllSources) {
            self.settle_below_the_cursors();
        }
        self.crashed = true;
        self.numbers.clear();
    }

    fn settle_below_the_cursors(&mut self) {
        let mut ops = Vec::new();
        for (&session, &cursor) in &self.cursors {
            let mut owed = Vec::new();
            let _ = self.live.owed(session, MessageNo(0), EVERYTHING, &mut owed);
            let below = owed
                .into_iter()
                .map(|owed| owed.message)
                .filter(|message| *message <= cursor);
            ops.extend(below.map(|message| Op::Settled { session, message }));
        }
        let source = Source::default();
        let _ = self.live.submit(Batch { source, number: 1, ops });
        let _ = self.live.commit(&mut Vec::new());
        self.live.crash(0);
    }

    /// Takes note of who owns a session, and of what it has settled.
    fn note(&mut self, source: Source, op: &Op) {
        if let Op::SessionCreated { session, .. } = op {
            self.owners.insert(*session, source);
        }
        if let Op::Owed { message, body, .. } = op {
            self.bodies.insert(*message, body.clone());
        }
        if let Op::Settled { session, message } = op {
            let mut owed = Vec::new();
            let _ = self.live.owed(*session, MessageNo(0), EVERYTHING, &mut owed);
            if !owed.iter().any(|owed| owed.message == *message) {
                return;
            }
            let highest = self.settled.entry(*session).or_default();
            *highest = (*highest).max(*message);
            if owed.first().is_some_and(|first| first.message == *message) {
                self.cursors.insert(*session, *message);
            }
        }
    }

    fn bend(&mut self, source: Source, mut ops: Vec<Op>) -> Vec<Op> {
        match self.wrong {
            Wrong::LosesTheLastOp if ops.len() > 3 => drop(ops.pop()),
            Wrong::ReversesABatch => ops.reverse(),
            Wrong::ForgetsThatAWillWasCleared => ops.retain(|op| !matches!(op, Op::WillCleared { .. })),
            Wrong::ForgetsAClaim => ops.retain(|op| !matches!(op, Op::SessionClaimed { .. })),
            Wrong::ForgetsToFree => ops.retain(|op| !matches!(op, Op::Freed { .. })),
            Wrong::ForgetsToDelete => {
                let created = ops.iter().any(|op| matches!(op, Op::SessionCreated { .. }));
                ops.retain(|op| created || !matches!(op, Op::SessionDeleted { .. }));
            }
            _ => {}
        }
        for op in &mut ops {
            self.note(source, op);
            self.bend_op(source, op);
        }
        ops
    }

    fn bend_op(&mut self, source: Source, op: &mut Op) {
        match op {
            Op::Settled { message, .. } if self.wrong == Wrong::ForgetsASettle => {
                self.settles += 1;
                if self.settles.is_multiple_of(3) {
                    *message = MessageNo(u64::MAX);
                }
            }
            Op::Settled { session, message } if self.wrong == Wrong::SettlesOnlyForTheFirst && session.0 > 1 => {
                *message = MessageNo(u64::MAX);
            }
            Op::Delivery { stage, .. } if self.wrong == Wrong::ForgetsAStage => *stage = Stage::Published,
            Op::Owed { retain, .. } if self.wrong == Wrong::DropsRetainFlags => *retain = false,
            Op::Owed { message, owing, .. } if self.wrong == Wrong::TakesTheHighestSettledForACursor => {
                let number = *message;
                let above = |session: &SessionNo| self.settled.get(session).is_none_or(|settled| *settled < number);
                *owing = owing.iter().copied().filter(|(session, _)| above(session)).collect();
            }
            Op::Owed { owing, .. } if self.wrong == Wrong::OwesOnlyToOneSource => {
                let own = |session: &SessionNo| self.owners.get(session) == Some(&source);
                *owing = owing.iter().copied().filter(|(session, _)| own(session)).collect();
            }
            Op::Retained { body, .. } if self.wrong == Wrong::KeepsTheFirstRetained => {
                let mut there = Vec::new();
                let all = Limit {
                    items: usize::MAX,
                    bytes: usize::MAX,
                };
                let _ = self.live.retained(None, all, &mut there);
                if let Some(old) = there.into_iter().find(|old| old.body.topic() == body.topic()) {
                    *body = old.body;
                }
            }
            Op::Retained { stamp, .. } | Op::Unretained { stamp, .. }
                if self.wrong == Wrong::TakesTheLastWordOfATopic =>
            {
                *stamp = u64::MAX;
            }
            Op::Unretained { oldest, .. } if self.wrong == Wrong::ForgetsRemovals => *oldest = u64::MAX,
            Op::Replayed { filter, .. } if self.wrong == Wrong::ForgetsHowFarAReplayIs => {
                *filter = burgee_codec::TopicFilterBuf::parse("never").expect("it is a filter");
            }
            Op::Replayed { replay, .. } | Op::Subscribed { replay, .. }
                if self.wrong == Wrong::TakesEveryReplayForWhole && *replay != Replay::Done =>
            {
                *replay = Replay::Whole;
            }
            Op::SessionCreated { user, .. } if self.wrong == Wrong::ForgetsTheUser => *user = None,
            Op::SessionClaimed { session, user } if self.wrong == Wrong::KeepsTheFirstClaim => {
                let mut one = Vec::new();
                let before = SessionNo(session.0.saturating_sub(1));
                let _ = self.live.sessions(before, Limit { items: 1, bytes: 0 }, &mut one);
                let held = one.pop().filter(|held| held.session == *session);
                if let Some(first) = held.and_then(|held| held.user) {
                    *user = first;
                }
            }
            Op::SessionDeleted { session } => {
                let mut one = Vec::new();
                let before = SessionNo(session.0.saturating_sub(1));
                let _ = self.live.sessions(before, Limit { items: 1, bytes: 0 }, &mut one);
                self.deleted = one
                    .pop()
                    .filter(|held| held.session == *session)
                    .or(self.deleted.take());
            }
            _ => {}
        }
    }
}

impl Store for Bent {
    fn submit(&mut self, batch: Batch) -> Result<(), SubmitError> {
        let Batch {
            source,
            mut number,
            ops,
        } = batch;
        if self.is(Wrong::TakesAnyNumber) {
            let last = self.numbers.entry(source).or_default();
            *last += 1;
            number = *last;
        }
        let ops = self.bend(source, ops);
        let batch = Batch { source, number, ops };
        if self.is(Wrong::SwapsSources) {
            // Judged now, taken over at the commit.
            let mut trial = self.live.clone();
            for waiting in &self.waiting {
                trial.submit(waiting.clone())?;
            }
            trial.submit(batch.clone())?;
        } else {
            let taken = self.live.submit(batch.clone());
            if !(self.is(Wrong::GoesOnAfterAFailure) && matches!(taken, Err(SubmitError::Failed(_)))) {
                taken?;
            }
        }
        self.waiting.push_back(batch);
        if self.is(Wrong::CommitsAtOnce) {
            let _ = self.live.commit(&mut Vec::new());
        }
        Ok(())
    }

    fn commit(&mut self, notices: &mut Vec<Durable>) -> Result<(), Failure> {
        let mut waiting = std::mem::take(&mut self.waiting);
        if self.is(Wrong::SwapsSources) {
            waiting.make_contiguous().sort_by_key(|batch| batch.source);
            for batch in waiting.drain(..) {
                let _ = self.live.submit(batch);
            }
        }
        let before = self.live.clone();
        let from = notices.len();
        if let Err(failure) = self.live.commit(notices) {
            if self.is(Wrong::RetriesAFailedCommit) {
                self.live = before;
                self.live.fail_commit(u64::MAX, Fault::Device);
            }
            return Err(failure);
        }
        if self.is(Wrong::CommitsAtOnce) {
            let upto = |batch: &Batch| (batch.source, batch.number);
            let told: BTreeMap<_, _> = waiting.iter().map(upto).collect();
            notices.extend(told.into_iter().map(|(source, upto)| Durable { source, upto }));
        }
        if self.is(Wrong::TellsNothing) {
            notices.truncate(from);
        }
        if self.is(Wrong::TellsOneTooMany) {
            for notice in notices.iter_mut() {
                notice.upto += 1;
            }
        }
        if !waiting.is_empty() {
            // The disk is one commit behind.
            self.disk = before;
        }
        Ok(())
    }

    fn recover(&mut self) -> Result<Recovered, Failure> {
        let mut recovered = self.live.recover()?;
        self.most = self.most.max(recovered.messages);
        match self.wrong {
            Wrong::NeverForgetsAMessage => recovered.messages = self.most,
            Wrong::MiscountsRetained => recovered.retained_bytes += recovered.retained / 4,
            Wrong::RevivesASession if self.crashed && self.deleted.is_some() => recovered.sessions += 1,
            Wrong::GivesNumbersAgain => {
                let mut sessions = Vec::new();
                let all = Limit {
                    items: usize::MAX,
                    bytes: usize::MAX,
                };
                let _ = self.live.sessions(SessionNo(0), all, &mut sessions)?;
                let highest = sessions.last().map_or(0, |held| held.session.0);
                recovered.next_session = SessionNo(highest + 1);
            }
            _ => {}
        }
        Ok(recovered)
    }

    fn sessions(&mut self, after: SessionNo, limit: Limit, out: &mut Vec<SessionRecord>) -> Result<Page, Failure> {
        let from = out.len();
        let page = self.live.sessions(after, limit, out)?;
        if self.is(Wrong::RevivesASession)
            && self.crashed
            && page == Page::End
            && let Some(deleted) = &self.deleted
            && deleted.session > after
        {
            out.push(deleted.clone());
        }
        if self.is(Wrong::LosesAReceivedIdentifier) && self.crashed {
            for held in out.iter_mut().skip(from) {
                held.received.pop();
            }
        }
        Ok(page)
    }

    fn backlog(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedMessage>,
    ) -> Result<Page, Failure> {
        let from = out.len();
        match self.wrong {
            Wrong::SkipsAtAPageBreak if after.0 > 0 => {
                let page = self.live.backlog(session, after, limit, out)?;
                if out.len() > from {
                    out.remove(from);
                }
                Ok(page)
            }
            Wrong::ExceedsTheLimit => {
                let bytes = limit.bytes.saturating_add(1);
                self.live.backlog(session, after, Limit { bytes, ..limit }, out)
            }
            Wrong::EndsTooEarly => {
                let page = self.live.backlog(session, after, limit, out)?;
                let many = out.len() - from > 2;
                Ok(if many { Page::End } else { page })
            }
            _ => self.live.backlog(session, after, limit, out),
        }
    }

    fn owed(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedRef>,
    ) -> Result<Page, Failure> {
        let from = out.len();
        let page = self.live.owed(session, after, limit, out)?;
        if self.is(Wrong::RefsWithoutDelivery) {
            for owed in out.iter_mut().skip(from) {
                owed.delivery = None;
            }
        }
        if self.is(Wrong::RefsSkipAtAPageBreak) && after.0 > 0 && out.len() > from {
            out.remove(from);
        }
        Ok(page)
    }

    fn bodies(&mut self, messages: &[MessageNo], out: &mut Vec<(MessageNo, Body)>) -> Result<(), Failure> {
        let from = out.len();
        self.live.bodies(messages, out)?;
        if self.is(Wrong::SortsBodies) {
            let mut asked = out.split_off(from);
            asked.sort_by_key(|(message, _)| *message);
            out.append(&mut asked);
        }
        if self.is(Wrong::KeepsBodiesOfTheSettled) {
            out.truncate(from);
            let kept = |message: &MessageNo| self.bodies.get(message).map(|body| (*message, body.clone()));
            out.extend(messages.iter().filter_map(kept));
        }
        Ok(())
    }

    fn retained(
        &mut self,
        after: Option<TopicName<'_>>,
        limit: Limit,
        out: &mut Vec<RetainedMessage>,
    ) -> Result<Page, Failure> {
        self.live.retained(after, limit, out)
    }
}

const EFFORT: Effort = Effort {
    first_seed: 1,
    scripts: 300,
    crashed_everywhere: 3,
    steps: 40,
};

fn contract(wrong: Wrong) -> Contract<impl FnMut() -> Bent, Bent> {
    let contract = Contract::new(move || Bent::new(wrong)).effort(EFFORT);
    let contract = contract.crash_with(Bent::crash);
    contract.fail_with(|store| store.live.fail_commit(1, Fault::Device))
}

/// All that a way of looking does not find, so that one run names them all.
fn all_found(wrongs: impl Iterator<Item = Wrong>, mut look: impl FnMut(Wrong) -> Result<(), Finding>) {
    let missed: Vec<_> = wrongs.filter(|&wrong| look(wrong).is_ok()).collect();
    assert!(missed.is_empty(), "these wrong stores pass: {missed:?}");
}

#[test]
fn the_wrapper_alone_passes() {
    contract(Wrong::Nothing).run().unwrap();
}

#[test]
fn the_stories_find_every_wrong() {
    all_found(ALL.iter().copied(), |wrong| contract(wrong).stories());
}

#[test]
fn the_random_scripts_find_every_wrong_that_scripts_can_show() {
    // Scripts keep the rules themselves: only stories submit what must be refused.
    let ruly = |wrong: &Wrong| *wrong != Wrong::TakesAnyNumber;
    all_found(ALL.iter().copied().filter(ruly), |wrong| contract(wrong).scripts());
}

#[test]
fn a_store_that_cannot_crash_is_judged_by_the_rest() {
    let seen = |wrong: &Wrong| !needs_a_crash(*wrong) && !needs_a_failure(*wrong);
    all_found(ALL.iter().copied().filter(seen), |wrong| {
        Contract::new(move || Bent::new(wrong)).effort(EFFORT).run()
    });
}

#[test]
fn a_finding_names_its_seed_and_is_short() {
    let finding = contract(Wrong::ForgetsASettle).scripts().unwrap_err();
    assert!(finding.story.contains("seed"), "{finding}");
    let steps = finding.what.lines().filter(|line| line.starts_with("  ")).count();
    assert!((2..=12).contains(&steps), "{finding}");
}
