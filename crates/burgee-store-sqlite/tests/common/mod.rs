//! What the tests of the engine share: directories that vanish, everything that can be read, and work from a seed.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::range_plus_one,
    reason = "helpers of tests: a panic is how they speak"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use burgee_codec::{PacketId, QoS, TopicFilterBuf, TopicName};
use burgee_store::{
    Batch, Body, Durable, Failure, Limit, MemoryStore, MessageNo, Op, OwedMessage, Page, Recovered, Replay,
    RetainedMessage, SessionNo, SessionRecord, Source, Stage, Store, Will,
};
use burgee_store_sqlite::{Settings, SqliteStore, SyncPolicy};

/// The names of a store's files.
pub(crate) const DATABASE: &str = "burgee.db";
pub(crate) const LOG: &str = "burgee.db-wal";

/// Takes whatever it is given.
pub(crate) const ALL: Limit = Limit {
    items: usize::MAX,
    bytes: usize::MAX,
};

/// A directory of its own, which goes with it.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    fn below(base: &Path) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("burgee-store-{}-{count}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// With these files in it, which are small: in memory where the system has a place for that.
    pub(crate) fn with(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() {
            Self::below(memory)
        } else {
            Self::new()
        };
        for (name, bytes) in files {
            std::fs::write(directory.0.join(name), bytes).unwrap();
        }
        directory
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The database and the log of a directory as they are now.
pub(crate) fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |name: &str| Some((name.to_owned(), std::fs::read(directory.join(name)).ok()?));
    [DATABASE, LOG].into_iter().filter_map(read).collect()
}

pub(crate) fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, Settings { sync: SyncPolicy::Sync }).unwrap()
}

/// Everything that can be read, but for the numbers that come next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Image {
    sessions: Vec<SessionRecord>,
    backlogs: Vec<Vec<OwedMessage>>,
    retained: Vec<RetainedMessage>,
    counted: (u64, u64, u64, u64, u64),
}

impl Image {
    pub(crate) fn of(store: &mut (impl Store + ?Sized)) -> Result<Self, Failure> {
        let Recovered {
            sessions: counted_sessions,
            messages,
            message_bytes,
            retained: counted_retained,
            retained_bytes,
            ..
        } = store.recover()?;
        let (mut sessions, mut backlogs, mut retained) = (Vec::new(), Vec::new(), Vec::new());
        assert_eq!(store.sessions(SessionNo(0), ALL, &mut sessions)?, Page::End);
        for session in &sessions {
            let (mut owed, mut refs, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
            let end = store.backlog(session.session, MessageNo(0), ALL, &mut owed)?;
            assert_eq!(end, store.owed(session.session, MessageNo(0), ALL, &mut refs)?);
            let numbers: Vec<_> = refs.iter().map(|owed| owed.message).collect();
            store.bodies(&numbers, &mut bodies)?;
            let short: Vec<_> = owed.iter().map(|it| (it.message, it.body.clone())).collect();
            assert_eq!(short, bodies);
            backlogs.push(owed);
        }
        assert_eq!(store.retained(None, ALL, &mut retained)?, Page::End);
        Ok(Self {
            sessions,
            backlogs,
            retained,
            counted: (
                counted_sessions,
                messages,
                message_bytes,
                counted_retained,
                retained_bytes,
            ),
        })
    }

    /// As it is after a move: stamps begin anew.
    pub(crate) fn moved(mut self) -> Self {
        for (held, stamp) in self.retained.iter_mut().zip(1..) {
            held.stamp = stamp;
        }
        self
    }

    pub(crate) fn messages(&self) -> usize {
        self.backlogs.iter().map(Vec::len).sum()
    }
}

/// What shards would submit, from a seed: three sources, six clients, everything that a batch can say.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    chance: u64,
    /// Bytes of the greatest payload.
    pub(crate) payload: u64,
    next_session: u64,
    next_message: [u64; SOURCES],
    numbers: [u64; SOURCES],
    /// The last stamp, and the first one since the store was opened.
    stamps: (u64, u64),
    sessions: BTreeMap<u64, u64>,
    owed: BTreeSet<(u64, u64)>,
}

const SOURCES: usize = 3;
const CLIENTS: u64 = 6;

impl Work {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: seed,
            payload: 400,
            next_session: 1,
            next_message: [1, 2, 3],
            numbers: [0; SOURCES],
            stamps: (1, 1),
            sessions: BTreeMap::new(),
            owed: BTreeSet::new(),
        }
    }

    /// Batch numbers begin anew, message numbers go on above all that were given.
    fn reopen(&mut self) {
        self.numbers = [0; SOURCES];
        let top = self.next_message.into_iter().max().unwrap();
        self.next_message = [top, top + 1, top + 2];
        self.stamps.0 += 1;
        self.stamps.1 = self.stamps.0;
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    /// What gathers for one commit.
    pub(crate) fn batches(&mut self) -> Vec<Batch> {
        let count = 1 + self.below(3);
        (0..count).map(|_| self.batch()).collect()
    }

    pub(crate) fn batch(&mut self) -> Batch {
        let source = usize::try_from(self.below(3)).unwrap();
        self.numbers[source] += 1;
        let mut ops = Vec::new();
        for _ in 0..1 + self.below(6) {
            self.act(source, &mut ops);
        }
        Batch {
            source: Source(u16::try_from(source).unwrap()),
            number: self.numbers[source],
            ops,
        }
    }

    fn act(&mut self, source: usize, ops: &mut Vec<Op>) {
        let client = source as u64 + 3 * self.below(CLIENTS / 3);
        let Some(&number) = self.sessions.get(&client) else {
            return self.create(client, ops);
        };
        let session = SessionNo(number);
        let id = PacketId::new(u16::try_from(1 + self.below(5)).unwrap()).unwrap();
        match self.below(32) {
            0 => self.create(client, ops),
            1..=12 => self.owe(source, ops),
            13..=18 => {
                for _ in 0..1 + self.below(5) {
                    let Some(message) = self.some_debt(number) else { break };
                    self.owed.remove(&(number, message));
                    let message = MessageNo(message);
                    ops.push(Op::Settled { session, message });
                }
            }
            19..=22 => {
                if let Some(message) = self.some_debt(number) {
                    let released = self.below(2) == 1;
                    ops.push(Op::Delivery {
                        session,
                        message: MessageNo(message),
                        id,
                        stage: if released { Stage::Released } else { Stage::Published },
                    });
                }
            }
            23..=24 => ops.push(Op::Received { session, id }),
            25 => ops.push(Op::Freed { session, id }),
            26 => {
                self.subscribe(session, ops);
                if number.is_multiple_of(2) {
                    let user = format!("claimed {}", number % 3).into();
                    ops.push(Op::SessionClaimed { session, user });
                }
            }
            27 => ops.push(Op::Unsubscribed {
                session,
                filter: TopicFilterBuf::parse(&format!("f/{}/#", self.below(5))).unwrap(),
            }),
            28 => ops.push(Op::WillSet {
                session,
                will: Will {
                    body: self.body("will"),
                    qos: QoS::ExactlyOnce,
                    retain: true,
                },
            }),
            29 => ops.push(Op::WillCleared { session }),
            30 => {
                let topic = format!("retained/{}", self.below(6));
                let body = self.body(&topic);
                let (qos, stamp) = (QoS::AtLeastOnce, self.stamp());
                ops.push(Op::Retained { body, qos, stamp });
            }
            _ => ops.push(Op::Unretained {
                topic: TopicName::trusted(&format!("retained/{}", self.below(6))).into(),
                stamp: self.stamp(),
                oldest: self.stamps.0.saturating_sub(2).max(self.stamps.1),
            }),
        }
    }

    fn subscribe(&mut self, session: SessionNo, ops: &mut Vec<Op>) {
        let filter = TopicFilterBuf::parse(&format!("f/{}/#", self.below(5))).unwrap();
        ops.push(Op::Subscribed {
            session,
            filter: filter.clone(),
            qos: QoS::AtLeastOnce,
            replay: self.replay(),
        });
        if self.below(2) == 0 {
            let replay = self.replay();
            ops.push(Op::Replayed {
                session,
                filter,
                replay,
            });
        }
    }

    fn replay(&mut self) -> Replay {
        match self.below(3) {
            0 => Replay::Done,
            1 => Replay::Whole,
            _ => Replay::Behind(TopicName::trusted(&format!("f/{}", self.below(6))).into()),
        }
    }

    /// Now and then one that comes late.
    fn stamp(&mut self) -> u64 {
        self.stamps.0 += 1;
        let late = self.below(4);
        self.stamps.0.saturating_sub(late).max(self.stamps.1)
    }

    fn create(&mut self, client: u64, ops: &mut Vec<Op>) {
        if let Some(old) = self.sessions.remove(&client) {
            self.owed.retain(|(session, _)| *session != old);
            ops.push(Op::SessionDeleted {
                session: SessionNo(old),
            });
        }
        // One source after the other would not ascend in each: so all take from one row, which does.
        let session = self.next_session;
        self.next_session += 1;
        self.sessions.insert(client, session);
        ops.push(Op::SessionCreated {
            session: SessionNo(session),
            client_id: format!("client {client}").into(),
            user: (self.below(2) == 0).then(|| format!("user {client}").into()),
        });
    }

    fn owe(&mut self, source: usize, ops: &mut Vec<Op>) {
        let message = self.next_message[source];
        self.next_message[source] += 3;
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        let mut owing = Vec::new();
        for session in self.sessions.values().copied().collect::<Vec<_>>() {
            if self.below(2) == 0 {
                owing.push((SessionNo(session), qos[usize::try_from(self.below(3)).unwrap()]));
                self.owed.insert((session, message));
            }
        }
        ops.push(Op::Owed {
            message: MessageNo(message),
            body: self.body("some/topic"),
            retain: self.below(4) == 0,
            owing: owing.into(),
        });
    }

    /// Mostly the oldest.
    fn some_debt(&mut self, session: u64) -> Option<u64> {
        let debts: Vec<_> = self
            .owed
            .range((session, 0)..(session + 1, 0))
            .map(|(_, message)| *message)
            .collect();
        let at = if self.below(3) == 0 {
            self.below(debts.len() as u64)
        } else {
            0
        };
        debts.get(usize::try_from(at).unwrap()).copied()
    }

    pub(crate) fn body(&mut self, topic: &str) -> Body {
        let most = self.payload;
        let len = if self.below(10) == 0 {
            self.below(most * 20)
        } else {
            self.below(most)
        };
        let first = self.below(256) as u8;
        let payload: Vec<u8> = (0..len).map(|at| first.wrapping_add((at % 251) as u8)).collect();
        Body::of(TopicName::trusted(topic), &payload)
    }
}

pub(crate) fn commit(store: &mut (impl Store + ?Sized), batches: &[Batch]) -> Result<Vec<Durable>, Failure> {
    for batch in batches {
        store.submit(batch.clone()).map_err(|error| match error {
            burgee_store::SubmitError::Failed(failure) => failure,
            burgee_store::SubmitError::Breach(breach) => panic!("{breach}"),
        })?;
    }
    let mut notices = Vec::new();
    store.commit(&mut notices)?;
    Ok(notices)
}

/// So many commits of work, and what is to be read after each, the beginning included. The store is closed and opened
/// again before each commit whose number is a multiple of `reopened`, but for the first.
pub(crate) fn plan(work: &mut Work, commits: usize, reopened: usize) -> (Vec<Vec<Batch>>, Vec<Image>) {
    let mut reference = MemoryStore::new();
    let mut images = vec![Image::of(&mut reference).unwrap()];
    let mut plan = Vec::new();
    for at in 0..commits {
        if is_reopened(at, reopened) {
            reference.crash(0);
            work.reopen();
        }
        let batches = work.batches();
        commit(&mut reference, &batches).unwrap();
        images.push(Image::of(&mut reference).unwrap());
        plan.push(batches);
    }
    (plan, images)
}

pub(crate) fn is_reopened(at: usize, every: usize) -> bool {
    at > 0 && at.is_multiple_of(every)
}
