//! Room: what was drained is given back while the store is open, and what is small stays small.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a panic is how they speak"
)]

mod common;

use std::path::Path;

use burgee_codec::{QoS, TopicName};
use burgee_store::{Batch, Body, Limit, MessageNo, Op, Page, SessionNo, Source, Store};
use burgee_store_sqlite::{SqliteStore, backup, check};
use common::{DATABASE, LOG, TempDir, files, open};

const MIB: u64 = 1 << 20;

struct Queue {
    store: SqliteStore,
    directory: TempDir,
    number: u64,
}

impl Queue {
    fn new(sessions: u64) -> Self {
        let directory = TempDir::new();
        let mut queue = Self {
            store: open(directory.path()),
            directory,
            number: 0,
        };
        let created = |session: u64| Op::SessionCreated {
            user: None,
            session: SessionNo(session),
            client_id: session.to_string().into(),
        };
        queue.put((1..=sessions).map(created).collect());
        queue
    }

    fn put(&mut self, ops: Vec<Op>) {
        self.number += 1;
        let (source, number) = (Source(0), self.number);
        self.store.submit(Batch { source, number, ops }).unwrap();
        self.store.commit(&mut Vec::new()).unwrap();
    }

    /// Messages of a KiB, so many in a commit.
    fn fill(&mut self, numbers: std::ops::Range<u64>, sessions: &[u64], together: usize) {
        let body = Body::of(TopicName::trusted("t"), &[7; 1000]);
        let all: Vec<u64> = numbers.collect();
        for some in all.chunks(together) {
            let owed = |message: &u64| Op::Owed {
                message: MessageNo(*message),
                body: body.clone(),
                retain: false,
                owing: sessions
                    .iter()
                    .map(|session| (SessionNo(*session), QoS::AtLeastOnce))
                    .collect(),
            };
            self.put(some.iter().map(owed).collect());
        }
    }

    fn drain(&mut self, numbers: std::ops::Range<u64>, session: u64, together: usize) {
        let all: Vec<u64> = numbers.collect();
        for some in all.chunks(together) {
            let settled = |message: &u64| Op::Settled {
                session: SessionNo(session),
                message: MessageNo(*message),
            };
            self.put(some.iter().map(settled).collect());
        }
    }

    fn disk(&self) -> u64 {
        let len = |name: &str| std::fs::metadata(self.path().join(name)).map_or(0, |found| found.len());
        len(DATABASE) + len(LOG)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// What `docs/store.md` promises of a store without messages.
const BOUND: u64 = 48 * MIB;

#[test]
fn a_backlog_that_was_drained_leaves_no_more_than_was_promised() {
    let mut queue = Queue::new(1);
    queue.fill(1..120_001, &[1], 1000);
    assert!(queue.disk() > 120 * MIB, "{}", queue.disk());
    queue.drain(1..120_001, 1, 500);
    assert!(queue.disk() < BOUND, "{} MiB are left", queue.disk() / MIB);
    while queue.store.give_back().unwrap() {}
    assert!(queue.disk() < 5 * MIB, "{} MiB are left when idle", queue.disk() / MIB);
}

#[test]
fn a_session_that_is_deleted_with_its_backlog_gives_it_back_step_by_step() {
    let mut queue = Queue::new(1);
    queue.fill(1..80_001, &[1], 1000);
    queue.put(vec![Op::SessionDeleted { session: SessionNo(1) }]);
    assert_eq!(queue.store.recover().unwrap().messages, 0);
    let mut steps = 0;
    while queue.store.give_back().unwrap() {
        steps += 1;
    }
    assert!(steps > 3, "a step is bounded");
    assert!(queue.disk() < 5 * MIB, "{} MiB are left", queue.disk() / MIB);
}

#[test]
fn what_flows_through_leaves_nothing_behind() {
    let mut queue = Queue::new(2);
    for round in 0..300_u64 {
        let from = round * 200 + 1;
        queue.fill(from..from + 200, &[1, 2], 100);
        queue.drain(from..from + 200, 1, 200);
        queue.drain(from..from + 200, 2, 200);
    }
    assert!(queue.disk() < BOUND, "{} MiB", queue.disk() / MIB);
    let recovered = queue.store.recover().unwrap();
    assert_eq!((recovered.messages, recovered.message_bytes), (0, 0));
}

#[test]
fn a_message_that_stays_keeps_only_itself() {
    let mut queue = Queue::new(2);
    queue.fill(1..2, &[1, 2], 1);
    for round in 0..100_u64 {
        let from = round * 500 + 2;
        queue.fill(from..from + 500, &[1, 2], 500);
        queue.drain(from..from + 500, 1, 500);
        queue.drain(from..from + 500, 2, 500);
    }
    assert!(queue.disk() < BOUND, "{} MiB", queue.disk() / MIB);
    assert_eq!(queue.store.recover().unwrap().messages, 1);
    let owed = |queue: &mut Queue, session| {
        let mut refs = Vec::new();
        let page = queue
            .store
            .owed(SessionNo(session), MessageNo(0), common::ALL, &mut refs);
        page.map(|_| refs.len()).unwrap()
    };
    assert_eq!((owed(&mut queue, 1), owed(&mut queue, 2)), (1, 1));
}

/// Of the database alone, without its log: messages that `meta` counts, that it should count, and that are there.
fn counted(database: &Path) -> [i64; 3] {
    let alone = TempDir::new();
    let copy = alone.path().join(DATABASE);
    std::fs::copy(database, &copy).unwrap();
    let conn = rusqlite::Connection::open(copy).unwrap();
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE").unwrap();
    let words = "SELECT messages, (SELECT count(*) FROM msg WHERE id < counted), (SELECT count(*) FROM msg) FROM meta";
    conn.query_row(words, (), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
        .unwrap()
}

#[test]
fn all_that_leaves_the_log_is_counted() {
    let mut queue = Queue::new(1);
    let database = queue.path().join(DATABASE);
    // Until the log was copied for its length, at least once.
    queue.fill(1..12_001, &[1], 20);
    let [told, wanted, there] = counted(&database);
    assert!(there > 1000, "{there}");
    assert_eq!([told, wanted], [there; 2], "while it is open");
    queue.drain(1..10_001, 1, 1000);
    queue.fill(12_001..12_003, &[1], 1);
    while queue.store.give_back().unwrap() {}
    assert_eq!(counted(&database), [2002; 3], "when idle");
    queue.fill(12_003..12_006, &[1], 1);
    let Queue { directory, store, .. } = queue;
    drop(store);
    assert_eq!(counted(&database), [2005; 3], "when closed");
    drop(directory);
}

/// Frames of the log that count: those with its salt.
fn frames(queue: &Queue) -> usize {
    let log = std::fs::read(queue.path().join(LOG)).unwrap();
    let salt = &log[16..24];
    log[32..]
        .chunks(4096 + 24)
        .take_while(|frame| frame.get(8..16) == Some(salt))
        .count()
}

#[test]
fn a_log_that_was_copied_is_begun_anew_at_once() {
    let mut queue = Queue::new(1);
    let mut longest = 0;
    for number in 0..800 {
        let from = number * 20 + 1;
        queue.fill(from..from + 20, &[1], 20);
        queue.store.tend().unwrap();
        let now = frames(&queue);
        if now < longest {
            assert!(longest > 4000 && now < 10, "{longest}, then {now}");
            return;
        }
        longest = now;
    }
    panic!("never copied: {longest}");
}

#[test]
fn a_copy_without_a_log_counts_all() {
    let mut queue = Queue::new(1);
    queue.fill(1..51, &[1], 1);
    let [told, ..] = counted(&queue.path().join(DATABASE));
    assert!(told < 50, "the log has them");
    let (open, closed) = (TempDir::new(), TempDir::new());
    queue.store.backup(open.path(), |_| Ok(())).unwrap();
    let left = TempDir::with(&files(queue.path()));
    backup(left.path(), closed.path()).unwrap();
    for copy in [open, closed] {
        assert_eq!(
            std::fs::read_dir(copy.path()).unwrap().count(),
            2,
            "a database and a lock"
        );
        assert_eq!(counted(&copy.path().join(DATABASE)), [50; 3]);
        assert!(check(copy.path()).unwrap().is_whole());
    }
}

#[test]
fn the_log_has_room_ahead_that_is_no_part_of_it() {
    let mut queue = Queue::new(1);
    let log = |queue: &Queue| std::fs::metadata(queue.path().join(LOG)).unwrap().len();
    queue.fill(1..2, &[1], 1);
    let roomy = log(&queue);
    // Many commits of one message, and the file stays as long as it is: none waits for its new length.
    for number in 2..40 {
        queue.fill(number..number + 1, &[1], 1);
        assert_eq!(log(&queue), roomy, "after message {number}");
    }
    // Until the room is used up; then there is room again.
    queue.fill(40..400, &[1], 1);
    let more = log(&queue) - roomy;
    assert!((MIB..12 * MIB).contains(&more), "{more} bytes");
    // What a crash leaves is opened, zeros and all, and nothing is missing.
    let copy = TempDir::new();
    for name in [DATABASE, LOG] {
        std::fs::copy(queue.path().join(name), copy.path().join(name)).unwrap();
    }
    let mut store = open(copy.path());
    let limit = Limit {
        items: 1000,
        bytes: usize::MAX,
    };
    let mut owed = Vec::new();
    let page = store.backlog(SessionNo(1), MessageNo(0), limit, &mut owed).unwrap();
    assert_eq!((page, owed.len()), (Page::End, 399));
}
