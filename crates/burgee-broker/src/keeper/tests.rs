//! The keeper over a store that follows a script: what it is asked, in which order, and who hears of it.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use burgee_codec::{QoS, TopicName};
use burgee_core::io::{Input, ReadKey};
use burgee_store::{
    Batch, Body, Limit, MemoryStore, MessageNo, Op, OwedMessage, OwedRef, Page, Recovered, RetainedMessage, SessionNo,
    SessionRecord, Source,
};
use mio::{Events, Poll, Token, Waker};

use super::*;
use crate::config::AcceptLimits;
use crate::door::Doors;
use crate::mail::Inbox;

const LIMIT: Duration = Duration::from_secs(20);

/// What a store was asked, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Call {
    Submit(u16, u64),
    Commit,
    Bodies(Vec<u64>),
    Copy,
    Tidy,
}

/// What a commit or a read shall do.
#[derive(Copy, Clone, Debug)]
enum Fate {
    Go,
    Fail,
    Panic,
}

/// A memory store that tells what it is asked, and whose commits wait for their fate.
struct Scripted {
    store: MemoryStore,
    calls: Arc<Mutex<Vec<Call>>>,
    /// A commit has begun.
    begun: Sender<()>,
    /// Its fate; once nobody is left to send one, all go well.
    fates: Receiver<Fate>,
    /// Nothing is tended while somebody holds it; what lies in it is how it ends.
    tending: Arc<Mutex<Option<Failure>>>,
    reads_fail: bool,
}

impl Scripted {
    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }
}

impl Store for Scripted {
    fn submit(&mut self, batch: Batch) -> Result<(), SubmitError> {
        self.note(Call::Submit(batch.source.0, batch.number));
        self.store.submit(batch)
    }

    fn commit(&mut self, notices: &mut Vec<Durable>) -> Result<(), Failure> {
        self.note(Call::Commit);
        self.begun.send(()).ok();
        match self.fates.recv().unwrap_or(Fate::Go) {
            Fate::Go => self.store.commit(notices),
            Fate::Fail => Err(Failure::new(Fault::Full, "no room")),
            Fate::Panic => panic!("as the script says"),
        }
    }

    fn tend(&mut self) -> Result<(), Failure> {
        self.tending.lock().unwrap().take().map_or(Ok(()), Err)
    }

    fn bodies(&mut self, messages: &[MessageNo], out: &mut Vec<(MessageNo, Body)>) -> Result<(), Failure> {
        self.note(Call::Bodies(messages.iter().map(|message| message.0).collect()));
        if self.reads_fail {
            return Err(Failure::new(Fault::Device, "cannot read"));
        }
        self.store.bodies(messages, out)
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

    fn retained(
        &mut self,
        after: Option<TopicName<'_>>,
        limit: Limit,
        out: &mut Vec<RetainedMessage>,
    ) -> Result<Page, Failure> {
        self.store.retained(after, limit, out)
    }
}

impl Kept for Scripted {
    fn copy_to(&mut self, to: &Path, between: Between<'_>) -> Result<(), String> {
        self.note(Call::Copy);
        self.begun.send(()).ok();
        for _ in 0..to.components().count() {
            // A step of the copy waits for its fate as well.
            self.fates.recv().ok();
            between(self).map_err(|failure| failure.to_string())?;
        }
        Ok(())
    }

    fn tidy(&mut self) -> Result<bool, Failure> {
        self.note(Call::Tidy);
        let calls = self.calls.lock().unwrap();
        Ok(calls.iter().filter(|call| **call == Call::Tidy).count() < 3)
    }
}

/// A keeper, and the shards that it serves.
struct Bench {
    hub: Arc<Hub>,
    keeper: Keeper,
    calls: Arc<Mutex<Vec<Call>>>,
    begun: Receiver<()>,
    fates: Sender<Fate>,
    tending: Arc<Mutex<Option<Failure>>>,
    shards: Vec<(Poll, Inbox)>,
    key: ReadKey,
}

impl Bench {
    fn new(shards: u16) -> Self {
        Self::with(shards, false, IDLE)
    }

    fn with(shards: u16, reads_fail: bool, idle: Duration) -> Self {
        let polls: Vec<Poll> = (0..shards).map(|_| Poll::new().unwrap()).collect();
        let waker = |poll: &Poll| Waker::new(poll.registry(), Token(0)).unwrap();
        let hub = Arc::new(Hub::new(
            polls.iter().map(waker).collect(),
            1 << 20,
            Doors::new(Vec::new(), usize::MAX, AcceptLimits::default()),
        ));
        let (calls, (begun, begins), (fates, fate)) = (Arc::default(), channel(), channel());
        let tending: Arc<Mutex<Option<Failure>>> = Arc::default();
        let store = Scripted {
            store: MemoryStore::new(),
            calls: Arc::clone(&calls),
            begun,
            fates: fate,
            tending: Arc::clone(&tending),
            reads_fail,
        };
        let keeper = Keeper::start(Box::new(store), "nowhere".into(), Arc::clone(&hub), idle).unwrap();
        let inboxes = (0..shards).map(|shard| Inbox::new(shard, shards));
        Self {
            hub,
            keeper,
            calls,
            begun: begins,
            fates,
            tending,
            shards: polls.into_iter().zip(inboxes).collect(),
            key: crate::restore::tests::read_key(),
        }
    }

    fn hand_in(&self, shard: u16, numbers: &[u64]) {
        self.gather(shard, numbers);
        self.keeper.tray().begin();
    }

    /// Hands in, and lets a keeper that sleeps sleep.
    fn gather(&self, shard: u16, numbers: &[u64]) {
        let mut batches = numbers.iter().map(|number| batch(shard, *number)).collect();
        self.keeper.tray().hand_in(shard, &mut batches, &mut Vec::new(), false);
        assert!(batches.is_empty());
    }

    fn ask(&self, shard: u16, messages: &[u64]) {
        let read = Read {
            key: self.key,
            messages: messages.iter().copied().map(MessageNo).collect(),
        };
        self.keeper
            .tray()
            .hand_in(shard, &mut Vec::new(), &mut vec![read], true);
    }

    /// A commit has begun and waits for its fate.
    fn commit_begins(&self) {
        self.begun.recv_timeout(LIMIT).expect("a commit");
    }

    fn fate(&self, fate: Fate) {
        self.fates.send(fate).unwrap();
    }

    /// Sleeps as a shard does until it is told something.
    fn hear(&mut self, shard: u16) -> String {
        let (poll, inbox) = &mut self.shards[usize::from(shard)];
        let mut events = Events::with_capacity(4);
        loop {
            inbox.fetch(&self.hub);
            let mut room = usize::MAX;
            if let Some(input) = inbox.notices.next(&mut room) {
                return word(&input);
            }
            if self.hub.may_sleep(shard, false) {
                poll.poll(&mut events, Some(LIMIT)).unwrap();
                assert!(!events.is_empty(), "nobody woke the shard");
            }
            self.hub.awake(shard);
        }
    }

    /// Nothing was said to this shard.
    fn hears_nothing(&mut self, shard: u16) {
        let (_, inbox) = &mut self.shards[usize::from(shard)];
        inbox.fetch(&self.hub);
        assert!(inbox.notices.is_empty() && self.hub.may_sleep(shard, false));
        self.hub.awake(shard);
    }

    fn end(mut self) -> Vec<Call> {
        drop(self.fates);
        self.keeper.end();
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

fn word(input: &Input<'_>) -> String {
    match input {
        Input::Durable { batch } => format!("durable {batch}"),
        Input::StoreFailed => "failed".to_owned(),
        Input::Bodies { bodies, .. } => {
            let payloads = bodies
                .iter()
                .map(|(message, body)| format!(" {}={}", message.0, String::from_utf8_lossy(body.payload())));
            format!("bodies{}", payloads.collect::<String>())
        }
        Input::Accepted { .. }
        | Input::Bytes { .. }
        | Input::Ended { .. }
        | Input::Room { .. }
        | Input::Mail { .. }
        | Input::Verdict { .. }
        | Input::Policy(_)
        | Input::Reload(_)
        | Input::Kick { .. }
        | Input::Shutdown => panic!("{input:?} is nothing that a keeper says"),
    }
}

/// Number 1 makes a session, each one owes it a message of its own number; sources differ in all numbers.
fn batch(shard: u16, number: u64) -> Batch {
    let (session, message) = (
        SessionNo(u64::from(shard) + 1),
        MessageNo(number * 100 + u64::from(shard)),
    );
    let created = Op::SessionCreated {
        user: Some(Box::default()),
        session,
        client_id: format!("client {shard}").into(),
    };
    let owed = Op::Owed {
        message,
        body: Body::of(TopicName::parse("t").unwrap(), message.0.to_string().as_bytes()),
        retain: false,
        owing: [(session, QoS::AtLeastOnce)].into(),
    };
    Batch {
        source: Source(shard),
        number,
        ops: (number == 1).then_some(created).into_iter().chain([owed]).collect(),
    }
}

#[test]
fn a_lone_batch_is_committed_at_once_and_its_shard_is_woken() {
    let mut bench = Bench::new(2);
    bench.fate(Fate::Go);
    bench.hand_in(1, &[1]);
    assert_eq!(bench.hear(1), "durable 1");
    bench.hears_nothing(0);
    assert_eq!(bench.end(), [Call::Submit(1, 1), Call::Commit]);
}

#[test]
fn what_is_gathered_before_the_keeper_shall_begin_is_one_commit() {
    let mut bench = Bench::new(1);
    bench.fate(Fate::Go);
    while !bench.keeper.tray().keeper_sleeps() {
        thread::yield_now();
    }
    bench.gather(0, &[1]);
    bench.gather(0, &[2]);
    assert!(bench.keeper.tray().keeper_sleeps(), "woken too early");
    bench.keeper.tray().begin();
    assert_eq!(bench.hear(0), "durable 2");
    assert_eq!(bench.end(), [Call::Submit(0, 1), Call::Submit(0, 2), Call::Commit]);
}

#[test]
fn nobody_waits_for_what_the_store_does_to_itself() {
    let mut bench = Bench::new(1);
    bench.fate(Fate::Go);
    let tending = Arc::clone(&bench.tending);
    let tending = tending.lock().unwrap();
    bench.hand_in(0, &[1]);
    assert_eq!(bench.hear(0), "durable 1");
    drop(tending);
    assert_eq!(bench.end().iter().filter(|call| **call == Call::Commit).count(), 1);
}

#[test]
fn a_store_that_cannot_look_after_itself_has_failed_behind_what_was_durable() {
    let mut bench = Bench::new(1);
    bench.fate(Fate::Go);
    *bench.tending.lock().unwrap() = Some(Failure::new(Fault::Device, "the log cannot be copied"));
    bench.hand_in(0, &[1]);
    assert_eq!((&*bench.hear(0), &*bench.hear(0)), ("durable 1", "failed"));
    bench.hand_in(0, &[2]);
    assert_eq!(bench.end(), [Call::Submit(0, 1), Call::Commit]);
}

#[test]
fn what_gathers_during_a_commit_shares_the_next_one_in_the_order_in_which_it_came() {
    let mut bench = Bench::new(2);
    bench.hand_in(0, &[1]);
    bench.commit_begins();
    bench.hand_in(1, &[1]);
    bench.hand_in(0, &[2, 3]);
    bench.hand_in(1, &[2]);
    bench.hears_nothing(0);
    bench.fate(Fate::Go);
    assert_eq!(bench.hear(0), "durable 1");
    bench.commit_begins();
    bench.hears_nothing(1);
    bench.fate(Fate::Go);
    assert_eq!((&*bench.hear(0), &*bench.hear(1)), ("durable 3", "durable 2"));
    let calls = bench.end();
    let second = [(1, 1), (0, 2), (0, 3), (1, 2)].map(|(shard, number)| Call::Submit(shard, number));
    assert_eq!(calls[..2], [Call::Submit(0, 1), Call::Commit]);
    assert_eq!((&calls[2..6], &calls[6..]), (&second[..], &[Call::Commit][..]));
}

#[test]
fn a_read_sees_the_batches_before_it_and_is_answered_to_whoever_asked() {
    let mut bench = Bench::new(2);
    bench.hand_in(0, &[1]);
    bench.commit_begins();
    bench.hand_in(1, &[1]);
    bench.ask(1, &[101, 100, 7]);
    bench.fate(Fate::Go);
    bench.commit_begins();
    bench.hears_nothing(1);
    bench.fate(Fate::Go);
    assert_eq!(bench.hear(1), "durable 1");
    assert_eq!(bench.hear(1), "bodies 101=101 100=100");
    assert_eq!(bench.hear(0), "durable 1");
    bench.hears_nothing(0);
    // A read alone needs no commit.
    bench.ask(0, &[100]);
    assert_eq!(bench.hear(0), "bodies 100=100");
    assert_eq!(bench.end().iter().filter(|call| **call == Call::Commit).count(), 2);
}

#[test]
fn a_failed_commit_is_told_to_all_once_and_the_store_is_left_alone() {
    let mut bench = Bench::new(2);
    bench.hand_in(0, &[1]);
    bench.commit_begins();
    bench.hand_in(1, &[1]);
    bench.ask(1, &[101]);
    bench.fate(Fate::Fail);
    assert_eq!((&*bench.hear(0), &*bench.hear(1)), ("failed", "failed"));
    bench.hand_in(0, &[2]);
    bench.ask(1, &[100]);
    let copy = bench.keeper.tray().ask_for_copy("copy".into());
    let refused = copy.recv_timeout(LIMIT).unwrap().unwrap_err();
    assert!(
        refused.contains("no room") && refused.contains("make room"),
        "{refused}"
    );
    bench.hears_nothing(0);
    bench.hears_nothing(1);
    assert_eq!(bench.end(), [Call::Submit(0, 1), Call::Commit]);
}

#[test]
fn a_gap_between_batches_is_a_failure_of_ours() {
    let mut bench = Bench::new(1);
    bench.hand_in(0, &[2]);
    assert_eq!(bench.hear(0), "failed");
    bench.hand_in(0, &[1]);
    assert_eq!(bench.end(), [Call::Submit(0, 2)]);
}

#[test]
fn a_read_that_fails_is_a_failure_of_the_store_behind_what_was_durable() {
    let mut bench = Bench::with(1, true, IDLE);
    bench.fate(Fate::Go);
    bench.hand_in(0, &[1]);
    bench.ask(0, &[100]);
    assert_eq!((&*bench.hear(0), &*bench.hear(0)), ("durable 1", "failed"));
    bench.hears_nothing(0);
}

#[test]
fn a_panic_is_a_failure_of_the_store_and_holds_nobody_up() {
    let mut bench = Bench::new(1);
    bench.hand_in(0, &[1]);
    bench.commit_begins();
    let copy = bench.keeper.tray().ask_for_copy("copy".into());
    bench.fate(Fate::Panic);
    assert_eq!(bench.hear(0), "failed");
    assert!(copy.recv_timeout(LIMIT).unwrap().unwrap_err().contains("panicked"));
    bench.hand_in(0, &[2]);
    bench.hears_nothing(0);
    assert_eq!(bench.end(), [Call::Submit(0, 1), Call::Commit]);
}

#[test]
fn the_end_commits_what_was_handed_in_before_it() {
    let bench = Bench::new(1);
    bench.hand_in(0, &[1]);
    bench.commit_begins();
    bench.hand_in(0, &[2]);
    bench.hand_in(0, &[3]);
    let calls = bench.end();
    let submitted = [1, 2, 3].map(|number| Call::Submit(0, number));
    assert_eq!(calls[..2], [submitted[0].clone(), Call::Commit]);
    assert_eq!(calls[2..], [submitted[1].clone(), submitted[2].clone(), Call::Commit]);
}

#[test]
fn a_copy_holds_what_was_handed_in_before_it_and_holds_nobody_up() {
    let mut bench = Bench::new(1);
    bench.hand_in(0, &[1]);
    bench.commit_begins();
    bench.hand_in(0, &[2]);
    let copy = bench.keeper.tray().ask_for_copy("two/steps".into());
    bench.fate(Fate::Go);
    bench.commit_begins();
    bench.fate(Fate::Go);
    bench.begun.recv_timeout(LIMIT).expect("the copy begins");
    assert_eq!(bench.hear(0), "durable 2");
    // Between two steps of the copy, others get on; another copy has to wait.
    let other = bench.keeper.tray().ask_for_copy("one".into());
    bench.hand_in(0, &[3]);
    bench.ask(0, &[300]);
    bench.fate(Fate::Go);
    bench.commit_begins();
    bench.fate(Fate::Go);
    assert_eq!((&*bench.hear(0), &*bench.hear(0)), ("durable 3", "bodies 300=300"));
    assert!(copy.try_recv().is_err());
    bench.fate(Fate::Go);
    assert_eq!(copy.recv_timeout(LIMIT), Ok(Ok(())));
    bench.fate(Fate::Go);
    assert_eq!(other.recv_timeout(LIMIT), Ok(Ok(())));
    let calls = bench.end();
    let copies = calls.iter().enumerate().filter(|(_, call)| **call == Call::Copy);
    assert_eq!(copies.map(|(at, _)| at).collect::<Vec<_>>(), [4, 8], "{calls:?}");
}

#[test]
fn a_store_that_fails_while_it_is_copied_fails_both() {
    let mut bench = Bench::new(1);
    let copy = bench.keeper.tray().ask_for_copy("one".into());
    bench.begun.recv_timeout(LIMIT).expect("the copy begins");
    bench.hand_in(0, &[1]);
    bench.fate(Fate::Go);
    bench.commit_begins();
    bench.fate(Fate::Fail);
    assert!(copy.recv_timeout(LIMIT).unwrap().unwrap_err().contains("no room"));
    assert_eq!(bench.hear(0), "failed");
}

#[test]
fn an_idle_store_tidies_up_to_the_end_and_then_sleeps() {
    let mut bench = Bench::with(1, false, Duration::from_millis(10));
    bench.fate(Fate::Go);
    bench.hand_in(0, &[1]);
    assert_eq!(bench.hear(0), "durable 1");
    let tidied = |bench: &Bench| {
        bench
            .calls
            .lock()
            .unwrap()
            .iter()
            .filter(|call| **call == Call::Tidy)
            .count()
    };
    let until = Instant::now() + LIMIT;
    while tidied(&bench) < 3 {
        assert!(Instant::now() < until);
        thread::yield_now();
    }
    bench.ask(0, &[100]);
    assert_eq!(bench.hear(0), "bodies 100=100");
    // A read leaves nothing to tidy up.
    let calls = bench.end();
    let tidied = calls.iter().filter(|call| **call == Call::Tidy);
    assert_eq!(tidied.count(), 3, "{calls:?}");
}

#[test]
fn no_word_is_lost_between_a_shard_and_a_keeper_that_sleep_whenever_they_can() {
    const BATCHES: u64 = 20_000;
    let mut bench = Bench::new(1);
    // Commits need no fate.
    bench.fates = channel().0;
    for number in 1..=BATCHES {
        bench.hand_in(0, &[number]);
        assert_eq!(bench.hear(0), format!("durable {number}"));
    }
}

#[test]
fn the_bytes_of_answers_are_bounded_in_each_turn() {
    let mut bench = Bench::new(1);
    bench.fate(Fate::Go);
    bench.hand_in(0, &[1]);
    assert_eq!(bench.hear(0), "durable 1");
    for _ in 0..3 {
        bench.ask(0, &[100]);
    }
    bench.keeper.end();
    let (_, inbox) = &mut bench.shards[0];
    inbox.fetch(&bench.hub);
    let mut given = 0;
    while !inbox.notices.is_empty() {
        // The first answer of a turn always comes, whatever its size.
        let mut room = 1;
        assert!(inbox.notices.next(&mut room).is_some());
        assert!(inbox.notices.next(&mut room).is_none());
        given += 1;
    }
    assert_eq!(given, 3);
}
