//! Of one store from the inside: what a commit in the steady flow costs, and what is known of free pages.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use burgee_codec::{PacketId, QoS, TopicFilter};
use burgee_store::{Op, Replay, Source, Stage, Will};
use rusqlite::hooks::{Action, AuthContext, Authorization};

use super::*;
use crate::flush::MERGED;
use crate::schema;
use crate::space::{FREE, UNSURE};
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
    // After so many commits as may have freed what may stay free it is looked, and nothing is.
    let between = (FREE - UNSURE) / MERGED + 1;
    assert_eq!(store.inner.space.free, 1000 % between * MERGED, "in 1000 commits");
    assert_eq!(free(&store), 0);
}

/// Sessions, and messages that are owed to one of them or to many.
struct Crowd {
    store: SqliteStore,
    x: u64,
    next: u64,
    /// With how many sessions each is owed to.
    there: Vec<(u64, u64)>,
    sessions: u64,
    longest: usize,
}

impl Crowd {
    /// Bodies are up to so many bytes long.
    fn new(x: u64, sessions: u64, longest: usize) -> Self {
        let (mut store, _) = watched();
        commit(&mut store, 1, (1..=sessions).map(created).collect());
        let (next, there) = (1, Vec::new());
        Self {
            store,
            x,
            next,
            there,
            sessions,
            longest,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.x = self
            .x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.x >> 33).unwrap() % end
    }

    fn owe(&mut self, sessions: u64) -> Op {
        let length = self.below(self.longest);
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

    /// Some messages come, some go, an identifier comes, one goes, and now and then there is something else.
    fn turn(&mut self, number: u64) -> Vec<Op> {
        let mut ops = Vec::new();
        for _ in 0..self.below(8) {
            let sessions = [1, 1, 1, self.sessions][self.below(4)];
            ops.push(self.owe(sessions));
        }
        for _ in 0..self.below(8).min(self.there.len()) {
            self.settle(&mut ops);
        }
        let session = SessionNo(1);
        ops.push(Op::Received {
            session,
            id: id(number),
        });
        if number > 100 {
            let id = id(number - 99);
            ops.push(Op::Freed { session, id });
        }
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

    fn judge(&self, when: &str) {
        let (known, free) = (self.store.inner.space.free, free(&self.store));
        assert!(free <= known + UNSURE, "{when}: {free} are free, {known} are known");
    }
}

fn created(number: u64) -> Op {
    Op::SessionCreated {
        session: SessionNo(number),
        client_id: number.to_string().into(),
        user: None,
    }
}

fn id(number: u64) -> PacketId {
    PacketId::new(u16::try_from(number).unwrap()).unwrap()
}

#[test]
fn no_more_pages_are_free_than_is_known() {
    for (sessions, longest) in [(1, 40), (1, 1500), (2, 60_000), (8000, 5000)] {
        for seed in 0..4 {
            let mut crowd = Crowd::new(seed, sessions, longest);
            for number in 2..200 {
                let ops = crowd.turn(number);
                commit(&mut crowd.store, number, ops);
                crowd.judge(&format!(
                    "{sessions} sessions, {longest} bytes, seed {seed}, commit {number}"
                ));
            }
        }
    }
}

#[test]
fn three_pages_that_become_the_one_above_them_are_known() {
    let mut most = 0;
    // So many rows in a page, or so.
    for rows in 110..140_u64 {
        let mut crowd = Crowd::new(1, 1, 1);
        let ops = (0..3 * rows).map(|_| crowd.owe(1)).collect();
        commit(&mut crowd.store, 2, ops);
        // The pages become empty together, until what is left in three of them fits into one.
        let mut number = 3;
        for message in (1..=rows).flat_map(|row| [row, rows + row, 2 * rows + row]) {
            // This has it looked.
            commit(&mut crowd.store, number, vec![created(number)]);
            let before = free(&crowd.store);
            assert_eq!(crowd.store.inner.space.free, before);
            let (session, message) = (SessionNo(1), MessageNo(message));
            commit(&mut crowd.store, number + 1, vec![Op::Settled { session, message }]);
            let now = free(&crowd.store);
            assert!(now <= crowd.store.inner.space.free, "{now} are free");
            most = most.max(now - before);
            number += 2;
        }
    }
    assert_eq!(most, 3, "the test has to meet the worst");
}

#[test]
fn long_rows_count_where_they_go() {
    for (sessions, longest) in [(24_000, 10), (1, 60_000)] {
        let mut crowd = Crowd::new(1, sessions, longest);
        let ops = (0..40).map(|_| crowd.owe(sessions)).collect();
        commit(&mut crowd.store, 2, ops);
        let mut ops = Vec::new();
        while !crowd.there.is_empty() {
            crowd.settle(&mut ops);
        }
        commit(&mut crowd.store, 3, ops);
        let free = free(&crowd.store);
        assert!(free > 40 * MERGED + UNSURE, "{free}: they have more pages than others");
        crowd.judge("forty");
    }
}

#[test]
fn long_heads_are_known_of_a_store_that_was_opened() {
    let mut crowd = Crowd::new(1, 8000, 10);
    let ops = vec![crowd.owe(8000)];
    commit(&mut crowd.store, 2, ops);
    let known = crowd.store.inner.state.longest_head;
    assert!(known > 8000, "{known}");
    assert_eq!(load(&crowd.store.conn, Format::NEWEST).unwrap().longest_head, known);
}

/// What is known of free pages behind a commit, and behind it and what tends the log.
fn known_behind(ops: Vec<Op>) -> (u64, u64) {
    let mut crowd = Crowd::new(1, 2, 10);
    let message = crowd.owe(2);
    let session = SessionNo(1);
    let received = Op::Received { session, id: id(7) };
    let will = Will {
        body: Body::of(TOPIC, b"gone"),
        qos: QoS::AtMostOnce,
        retain: false,
    };
    let will = Op::WillSet { session, will };
    let filter = TopicFilter::parse("a").unwrap();
    let subscribed = Op::Subscribed {
        session,
        filter: filter.into(),
        qos: QoS::AtMostOnce,
        replay: Replay::Whole,
    };
    let other = crowd.owe(1);
    commit(&mut crowd.store, 2, vec![message, other, received, will, subscribed]);
    let Crowd { mut store, .. } = crowd;
    store.inner.space.free = 100;
    let source = Source(0);
    let batch = Batch { source, number: 3, ops };
    store.submit(batch).unwrap();
    store.commit(&mut Vec::new()).unwrap();
    let behind = store.inner.space.free;
    store.tend().unwrap();
    (behind, store.inner.space.free)
}

#[test]
fn what_a_commit_can_free_is_counted() {
    let (session, message) = (SessionNo(1), MessageNo(2));
    let delivery = Op::Delivery {
        session,
        message,
        id: id(1),
        stage: Stage::Published,
    };
    let received = Op::Received { session, id: id(8) };
    let freed = Op::Freed { session, id: id(7) };
    let settled = Op::Settled { session, message };
    for (ops, rows) in [
        (vec![received], 1),
        (vec![delivery.clone()], 1),
        (vec![freed.clone()], 1),
        (vec![settled.clone()], 1),
        (vec![delivery, freed, settled], 3),
    ] {
        let known = 100 + rows * MERGED;
        assert_eq!(known_behind(ops.clone()), (known, known), "{ops:?}");
    }
}

#[test]
fn what_frees_nobody_knows_how_much_is_looked_at_behind_the_commit() {
    let (session, stamp) = (SessionNo(1), 9);
    let filter = || TopicFilter::parse("a").unwrap().into();
    let will = Will {
        body: Body::of(TOPIC, b""),
        qos: QoS::AtMostOnce,
        retain: false,
    };
    let replay = Replay::Done;
    let qos = QoS::AtMostOnce;
    // The first message is owed to two, so one of them leaves a cursor.
    let message = MessageNo(1);
    for op in [
        Op::Settled { session, message },
        created(3),
        Op::SessionClaimed {
            session,
            user: "somebody".into(),
        },
        Op::SessionDeleted { session },
        Op::Subscribed {
            session,
            filter: filter(),
            qos,
            replay: replay.clone(),
        },
        Op::Replayed {
            session,
            filter: filter(),
            replay,
        },
        Op::Unsubscribed {
            session,
            filter: filter(),
        },
        Op::WillSet { session, will },
        Op::WillCleared { session },
        Op::Retained {
            body: Body::of(TOPIC, b""),
            qos,
            stamp,
        },
        Op::Unretained {
            topic: TOPIC.into(),
            stamp,
            oldest: stamp,
        },
    ] {
        let said = format!("{op:?}");
        assert_eq!(known_behind(vec![op]), (u64::MAX, 0), "{said}");
    }
}
