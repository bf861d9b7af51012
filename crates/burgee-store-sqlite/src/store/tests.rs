//! Of one store from the inside: what a commit in the steady flow costs, and what is known of free pages.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use burgee_codec::{PacketId, QoS};
use burgee_store::{Op, Source};
use rusqlite::hooks::{Action, AuthContext, Authorization};

use super::*;
use crate::schema;
use crate::space::FREE;
use crate::tables::meta_row;
use crate::totals::{Told, Totals};

const TOPIC: TopicName<'_> = TopicName::trusted("flow");

#[test]
fn a_store_can_be_handed_to_the_thread_that_owns_it() {
    fn sent<T: Send>() {}
    sent::<SqliteStore>();
}

/// A store in memory, of which is counted what SQLite reads of statements.
fn watched() -> (SqliteStore, Arc<AtomicUsize>) {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(schema::TABLES).unwrap();
    let row = meta_row(&Totals::EMPTY, Told::EMPTY);
    conn.execute(schema::META_WRITE, row).unwrap();
    let read = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&read);
    let counting = move |_: AuthContext<'_>| {
        count.fetch_add(1, Ordering::Relaxed);
        Authorization::Allow
    };
    conn.authorizer(Some(counting)).unwrap();
    (SqliteStore::over(conn, None).unwrap(), read)
}

fn commit(store: &mut SqliteStore, number: u64, ops: Vec<Op>) {
    let source = Source(0);
    store.submit(Batch { source, number, ops }).unwrap();
    store.commit(&mut Vec::new()).unwrap();
    store.tend().unwrap();
}

/// A thousand messages come and go one by one, behind ten; between them `begin` is called.
fn flow(store: &mut SqliteStore, begin: impl Fn(&mut SqliteStore)) {
    let session = SessionNo(1);
    let created = Op::SessionCreated {
        session,
        client_id: "flow".into(),
        user: None,
    };
    commit(store, 1, vec![created]);
    for number in 1..=1010 {
        if number == 11 {
            begin(store);
        }
        let owed = Op::Owed {
            message: MessageNo(number),
            body: Body::of(TOPIC, b"on"),
            retain: false,
            owing: [(session, QoS::AtLeastOnce)].into_iter().collect(),
        };
        let message = MessageNo(number - 1);
        commit(store, number + 1, vec![Op::Settled { session, message }, owed]);
    }
}

#[test]
fn what_flows_through_has_no_statement_read_anew() {
    let (mut store, read) = watched();
    flow(&mut store, |_| read.store(0, Ordering::Relaxed));
    assert_eq!(read.load(Ordering::Relaxed), 0, "in 1000 commits");
}

#[test]
fn what_flows_through_changes_no_table_but_one() {
    let (mut store, _) = watched();
    let changed: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    flow(&mut store, |store| {
        // All is counted, as before the log is copied; so the next message that goes is one that was.
        store.shared().count(SPARE).unwrap();
        let changed = Arc::clone(&changed);
        let note = move |_: Action, _: &str, table: &str, _: i64| {
            *changed.lock().unwrap().entry(table.to_owned()).or_default() += 1;
        };
        store.conn.update_hook(Some(note)).unwrap();
    });
    let expected = BTreeMap::from([("meta".to_owned(), 1), ("msg".to_owned(), 2000)]);
    assert_eq!(*changed.lock().unwrap(), expected, "in 1000 commits");
}

/// Free pages as SQLite counts them.
fn free(store: &SqliteStore) -> u64 {
    let free: i64 = store
        .conn
        .query_row("PRAGMA freelist_count", (), |row| row.get(0))
        .unwrap();
    free.cast_unsigned()
}

#[test]
fn what_flows_through_does_not_have_free_pages_counted() {
    let (mut store, _) = watched();
    flow(&mut store, |store| store.inner.space.free = 0);
    // Each row that goes counts as two pages: after more than half of them it is looked once, and none is free.
    assert_eq!(store.inner.space.free, 2000 - (FREE + 2), "in 1000 commits");
    assert_eq!(free(&store), 0);
}

/// Eight thousand sessions, and messages of any length that are owed to one of them or to many.
struct Crowd {
    store: SqliteStore,
    x: u64,
    next: u64,
    /// With how many sessions each is owed to.
    there: Vec<(u64, u64)>,
}

impl Crowd {
    const SESSIONS: u64 = 8000;

    fn new(x: u64) -> Self {
        let (mut store, _) = watched();
        let created = |number: u64| Op::SessionCreated {
            session: SessionNo(number),
            client_id: number.to_string().into(),
            user: None,
        };
        commit(&mut store, 1, (1..=Self::SESSIONS).map(created).collect());
        let (next, there) = (1, Vec::new());
        Self { store, x, next, there }
    }

    fn below(&mut self, end: usize) -> usize {
        self.x = self
            .x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.x >> 33).unwrap() % end
    }

    fn owe(&mut self, sessions: u64) -> Op {
        let longest = [10, 300, 3000, 5000, 60_000][self.below(5)];
        let length = self.below(longest);
        let message = MessageNo(self.next);
        self.there.push((self.next, sessions));
        self.next += 1;
        Op::Owed {
            message,
            body: Body::of(TOPIC, &vec![7; length]),
            retain: false,
            owing: (1..=sessions)
                .map(|number| (SessionNo(number), QoS::ExactlyOnce))
                .collect(),
        }
    }

    /// All of them settle one of the messages.
    fn settle(&mut self, ops: &mut Vec<Op>) {
        let at = self.below(self.there.len());
        let (message, sessions) = self.there.swap_remove(at);
        ops.extend((1..=sessions).map(|number| Op::Settled {
            session: SessionNo(number),
            message: MessageNo(message),
        }));
    }

    fn turn(&mut self, number: u64) -> Vec<Op> {
        let mut ops = Vec::new();
        for _ in 0..self.below(8) {
            let sessions = [1, 1, 1, Self::SESSIONS][self.below(4)];
            ops.push(self.owe(sessions));
        }
        for _ in 0..self.below(8).min(self.there.len()) {
            self.settle(&mut ops);
        }
        let (session, id) = (SessionNo(1), PacketId::new(u16::try_from(number).unwrap()).unwrap());
        ops.push(Op::Received { session, id });
        match number % 10 {
            3 => ops.push(Op::Retained {
                body: Body::of(TOPIC, &vec![7; 60_000]),
                qos: QoS::AtMostOnce,
                stamp: number,
            }),
            6 => ops.push(Op::Unretained {
                topic: TOPIC.into(),
                stamp: number,
                oldest: number,
            }),
            _ => {}
        }
        ops
    }
}

#[test]
fn no_more_pages_are_free_than_is_known() {
    for seed in 0..8 {
        let mut crowd = Crowd::new(seed);
        for number in 2..200 {
            let ops = crowd.turn(number);
            commit(&mut crowd.store, number, ops);
            let (known, free) = (crowd.store.inner.space.free, free(&crowd.store));
            assert!(
                free <= known,
                "seed {seed}, commit {number}: {free} are free, {known} are known"
            );
        }
    }
}

#[test]
fn long_heads_count_where_they_go() {
    let mut crowd = Crowd::new(1);
    let ops = (0..50).map(|_| crowd.owe(Crowd::SESSIONS)).collect();
    commit(&mut crowd.store, 2, ops);
    let mut ops = Vec::new();
    while !crowd.there.is_empty() {
        crowd.settle(&mut ops);
    }
    commit(&mut crowd.store, 3, ops);
    let (known, free) = (crowd.store.inner.space.free, free(&crowd.store));
    assert!((100..=known).contains(&free), "{free} are free, {known} are known");
}

#[test]
fn long_heads_are_known_of_a_store_that_was_opened() {
    let mut crowd = Crowd::new(1);
    let ops = vec![crowd.owe(Crowd::SESSIONS)];
    commit(&mut crowd.store, 2, ops);
    let known = crowd.store.inner.state.longest_head;
    assert!(known > 8000, "{known}");
    assert_eq!(load(&crowd.store.conn, Format::NEWEST).unwrap().longest_head, known);
}
