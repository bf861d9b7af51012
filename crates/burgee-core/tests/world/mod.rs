//! A broker of several shards without sockets: the smallest event loop that keeps the core's doors, for stories told
//! in bytes. What must hold: it hands bytes, mail and pauses out exactly as `burgee_core::io` says.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]
#![allow(dead_code, reason = "each test file uses its own part of it")]

pub(crate) mod talk;

use core::net::IpAddr;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use burgee_core::io::{
    Ask, Banned, ConnKey, Dismissed, Effects, End, Event as LogEvent, Input, Inputs, ListenerNo, Parcel, Read, ReadKey,
    Reload, ShardId, Verdict,
};
use burgee_core::{Config, Counters, Policy, Shard, Shared};
use burgee_protocol::Time;
use burgee_store::{Body, Limit, MemoryStore, MessageNo, Op, Page, SessionNo, SessionRecord, Store};

/// A client's end of a connection.
#[derive(Copy, Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Client(u32);

#[derive(Debug)]
enum Event {
    Accepted(ConnKey, ListenerNo, Option<IpAddr>),
    Bytes(ConnKey),
    Ended(ConnKey, End),
    Room(ConnKey),
    Mail(ShardId, Parcel),
    Durable(u64),
    Bodies(ReadKey, Vec<(MessageNo, Body)>),
    StoreFailed,
    Verdict(ConnKey, Verdict),
    Policy(Arc<Policy>),
    Reload(Arc<Reload>),
    Kick(ConnKey),
    Shutdown,
}

#[derive(Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four facts about a line that do not exclude each other"
)]
struct Line {
    shard: usize,
    key: Option<ConnKey>,
    tail: Vec<u8>,
    paused: bool,
    ended: bool,
    reads: bool,
    waiting: bool,
    listener: ListenerNo,
    address: Option<IpAddr>,
    received: Vec<u8>,
}

pub(crate) struct World {
    shards: Vec<Shard>,
    fx: Vec<Effects>,
    queues: Vec<VecDeque<Event>>,
    lines: BTreeMap<Client, Line>,
    by_key: BTreeMap<(usize, ConnKey), Client>,
    now: Time,
    next: u32,
    outbox_bytes: usize,
    pub(crate) turns: usize,
    /// What the core has asked, by client.
    pub(crate) asks: Vec<(Client, Ask)>,
    /// Whom reloads disconnected, shard by shard.
    pub(crate) dismissed: Vec<Dismissed>,
    /// What it said for the log.
    pub(crate) events: Vec<LogEvent>,
    config: Arc<Config>,
    /// Behind durable worlds.
    pub(crate) store: MemoryStore,
    reads: Vec<(usize, Read)>,
    /// What was submitted is committed only when somebody says so.
    pub(crate) hold_commits: bool,
    /// All operations that were submitted.
    pub(crate) ops: Vec<Op>,
    pub(crate) batches: usize,
    /// As the event loop does: who does not read has room, too, while half of the limit or less is unsent.
    pub(crate) room_at_half: bool,
}

struct Feed<'a> {
    queue: &'a mut VecDeque<Event>,
    lines: &'a mut BTreeMap<Client, Line>,
    by_key: &'a BTreeMap<(usize, ConnKey), Client>,
    shard: usize,
    lent: Option<(Client, Vec<u8>)>,
}

impl Inputs for Feed<'_> {
    fn next(&mut self) -> Option<Input<'_>> {
        loop {
            return Some(match self.queue.pop_front()? {
                Event::Accepted(conn, listener, address) => Input::Accepted {
                    conn,
                    listener,
                    address,
                },
                Event::Verdict(conn, verdict) => Input::Verdict { conn, verdict },
                Event::Policy(policy) => Input::Policy(policy),
                Event::Reload(reload) => Input::Reload(reload),
                Event::Kick(conn) => Input::Kick {
                    conn,
                    reason: "an operator wants it",
                },
                Event::Ended(conn, how) => Input::Ended { conn, how },
                Event::Room(conn) => Input::Room { conn },
                Event::Mail(from, parcel) => Input::Mail { from, parcel },
                Event::Durable(batch) => Input::Durable { batch },
                Event::Bodies(key, bodies) => Input::Bodies { key, bodies },
                Event::StoreFailed => Input::StoreFailed,
                Event::Shutdown => Input::Shutdown,
                Event::Bytes(conn) => {
                    let Some(client) = self.by_key.get(&(self.shard, conn)) else {
                        continue;
                    };
                    let line = self.lines.get_mut(client).unwrap();
                    if line.paused || line.tail.is_empty() {
                        continue;
                    }
                    self.lent = Some((*client, core::mem::take(&mut line.tail)));
                    Input::Bytes {
                        conn,
                        bytes: &self.lent.as_ref().unwrap().1,
                    }
                }
            });
        }
    }

    fn consumed(&mut self, used: usize, _needed: usize) {
        let (client, bytes) = self.lent.take().unwrap();
        self.lines.get_mut(&client).unwrap().tail = bytes[used..].to_vec();
    }

    fn may_have_more(&self, conn: ConnKey) -> bool {
        let client = self.by_key.get(&(self.shard, conn));
        client.is_some_and(|client| self.lines[client].waiting)
    }
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self::on(MemoryStore::new(), Arc::new(config))
    }

    /// A broker with a store behind it.
    pub(crate) fn durable(shards: ShardId) -> Self {
        Self::new(Config {
            shards,
            durable: true,
            ..Config::default()
        })
    }

    /// A broker that finds this in its store.
    fn on(mut store: MemoryStore, config: Arc<Config>) -> Self {
        let shards = config.shards;
        let shared = Arc::new(Shared::new([1, 2, 3, 4]));
        let make = |id| Shard::new(id, Arc::clone(&config), Arc::clone(&shared), [u64::from(id), 7, 8, 9]);
        let mut all: Vec<Shard> = (0..shards).map(make).collect();
        restore(&mut store, &shared, &mut all);
        Self {
            shards: all,
            fx: (0..shards).map(|_| Effects::new(shards, config.mail_bytes)).collect(),
            queues: (0..shards).map(|_| VecDeque::new()).collect(),
            lines: BTreeMap::new(),
            by_key: BTreeMap::new(),
            now: Time::ZERO,
            next: 0,
            outbox_bytes: config.outbox_bytes,
            turns: 0,
            asks: Vec::new(),
            dismissed: Vec::new(),
            events: Vec::new(),
            config,
            store,
            reads: Vec::new(),
            hold_commits: false,
            ops: Vec::new(),
            batches: 0,
            room_at_half: false,
        }
    }

    /// The machine crashes: so many batches that were not committed had reached the disk. The broker starts again.
    pub(crate) fn crash(self, kept: usize) -> Self {
        let mut store = self.store;
        store.crash(kept);
        Self::on(store, self.config)
    }

    /// The same with another policy, and nothing of what was not committed.
    pub(crate) fn crash_to(self, policy: Policy) -> Self {
        let mut store = self.store;
        store.crash(0);
        let config = Config {
            policy: Arc::new(policy),
            ..Config::clone(&self.config)
        };
        Self::on(store, Arc::new(config))
    }

    /// Its settings.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// How many messages the store holds for sessions.
    pub(crate) fn owed(&mut self) -> usize {
        let all = Limit {
            items: usize::MAX,
            bytes: usize::MAX,
        };
        let (mut sessions, mut count) = (Vec::new(), 0);
        assert_eq!(
            self.store.sessions(SessionNo(0), all, &mut sessions).unwrap(),
            Page::End
        );
        for session in sessions {
            let mut owed = Vec::new();
            let page = self.store.owed(session.session, MessageNo(0), all, &mut owed).unwrap();
            assert_eq!(page, Page::End);
            count += owed.len();
        }
        count
    }

    /// From now on nothing becomes durable by itself.
    pub(crate) fn wait_for_disk(&mut self) {
        self.hold_commits = true;
    }

    /// Commits what was submitted, tells the shards, and answers what they asked.
    pub(crate) fn commit(&mut self) {
        self.commit_quietly();
        self.run();
    }

    /// The same, but the shards are told with what comes next.
    pub(crate) fn commit_unheard(&mut self) {
        self.commit_quietly();
    }

    /// The bytes come with what comes next.
    pub(crate) fn send_unheard(&mut self, client: Client, bytes: &[u8]) {
        let line = self.lines.get_mut(&client).unwrap();
        line.tail.extend_from_slice(bytes);
        if let Some(key) = line.key {
            self.queues[line.shard].push_back(Event::Bytes(key));
        }
    }

    /// Time passes at once.
    pub(crate) fn jump(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
        self.run();
    }

    /// Everything that the first shard holds.
    pub(crate) fn debug(&self) -> String {
        format!("{:?}", self.shards[0])
    }

    fn commit_quietly(&mut self) -> bool {
        let mut notices = Vec::new();
        if self.store.commit(&mut notices).is_err() {
            for queue in &mut self.queues {
                queue.push_back(Event::StoreFailed);
            }
            return true;
        }
        let mut did = !notices.is_empty();
        for notice in notices {
            self.queues[usize::from(notice.source.0)].push_back(Event::Durable(notice.upto));
        }
        for (at, read) in core::mem::take(&mut self.reads) {
            let mut bodies = Vec::new();
            self.store.bodies(&read.messages, &mut bodies).unwrap();
            self.queues[at].push_back(Event::Bodies(read.key, bodies));
            did = true;
        }
        did
    }

    /// A connection to shard `at`, nothing sent yet.
    pub(crate) fn open(&mut self, at: usize) -> Client {
        self.next += 1;
        let client = Client(self.next);
        self.lines.insert(
            client,
            Line {
                reads: true,
                ..Line::default()
            },
        );
        self.accept(client, at);
        self.run();
        client
    }

    /// The same on another listener, from an address.
    pub(crate) fn open_on(&mut self, listener: u16, address: &str) -> Client {
        self.next += 1;
        let client = Client(self.next);
        let line = Line {
            reads: true,
            listener: ListenerNo(listener),
            address: address.parse().ok(),
            ..Line::default()
        };
        self.lines.insert(client, line);
        self.accept(client, 0);
        self.run();
        client
    }

    /// Answers what was asked about a connection.
    pub(crate) fn answer(&mut self, ask: &Ask, verdict: Verdict) {
        self.answer_unheard(ask, verdict);
        self.run();
    }

    /// The same, but it is told with what comes next.
    pub(crate) fn answer_unheard(&mut self, ask: &Ask, verdict: Verdict) {
        // Who is gone is told as well: it must find nothing.
        let home = (0..self.shards.len()).find(|at| self.by_key.contains_key(&(*at, ask.conn)));
        self.queues[home.unwrap_or(0)].push_back(Event::Verdict(ask.conn, verdict));
    }

    /// Another policy holds from now on.
    pub(crate) fn rule(&mut self, policy: Policy) {
        let policy = Arc::new(policy);
        for queue in &mut self.queues {
            queue.push_back(Event::Policy(Arc::clone(&policy)));
        }
        self.run();
    }

    /// Other settings hold from now on.
    pub(crate) fn reload(&mut self, config: Config, banned: Banned) {
        let config = Arc::new(config);
        let reload = Arc::new(Reload { config, banned });
        for queue in &mut self.queues {
            queue.push_back(Event::Reload(Arc::clone(&reload)));
        }
        self.run();
    }

    pub(crate) fn kick(&mut self, client: Client) {
        let line = &self.lines[&client];
        self.queues[line.shard].push_back(Event::Kick(line.key.unwrap()));
        self.run();
    }

    fn accept(&mut self, client: Client, at: usize) {
        self.next += 1;
        let key = ConnKey {
            slot: client.0,
            generation: self.next,
        };
        let line = self.lines.get_mut(&client).unwrap();
        (line.shard, line.key) = (at, Some(key));
        self.by_key.insert((at, key), client);
        let accepted = Event::Accepted(key, line.listener, line.address);
        self.queues[at].push_back(accepted);
        self.queues[at].push_back(Event::Bytes(key));
    }

    pub(crate) fn send(&mut self, client: Client, bytes: &[u8]) {
        let line = self.lines.get_mut(&client).unwrap();
        line.tail.extend_from_slice(bytes);
        if let Some(key) = line.key {
            self.queues[line.shard].push_back(Event::Bytes(key));
        }
        self.run();
    }

    /// What came since the last call.
    pub(crate) fn recv(&mut self, client: Client) -> Vec<u8> {
        core::mem::take(&mut self.lines.get_mut(&client).unwrap().received)
    }

    /// The client stops or begins to take bytes.
    pub(crate) fn set_reads(&mut self, client: Client, reads: bool) {
        self.lines.get_mut(&client).unwrap().reads = reads;
        let lines = &self.lines;
        if let (true, Some(key)) = (reads, lines[&client].key) {
            let shard = lines[&client].shard;
            self.drain(shard, key);
        }
        self.run();
    }

    /// The client's bytes may be waiting without being handed out.
    pub(crate) fn set_waiting(&mut self, client: Client, waiting: bool) {
        self.lines.get_mut(&client).unwrap().waiting = waiting;
    }

    pub(crate) fn is_closed(&self, client: Client) -> bool {
        self.lines[&client].ended
    }

    pub(crate) fn is_paused(&self, client: Client) -> bool {
        self.lines[&client].paused
    }

    /// The shard that has the connection now.
    pub(crate) fn shard_of(&self, client: Client) -> usize {
        self.lines[&client].shard
    }

    pub(crate) fn unsent(&self, client: Client) -> usize {
        let line = &self.lines[&client];
        line.key.map_or(0, |key| self.fx[line.shard].outboxes.unsent(key))
    }

    /// The client's stream ends.
    pub(crate) fn end(&mut self, client: Client, how: End) {
        let line = self.lines.get_mut(&client).unwrap();
        line.ended = true;
        if let Some(key) = line.key.take() {
            self.queues[line.shard].push_back(Event::Ended(key, how));
        }
        self.run();
    }

    pub(crate) fn fail_store(&mut self) {
        for queue in &mut self.queues {
            queue.push_back(Event::StoreFailed);
        }
        self.run();
    }

    pub(crate) fn shut_down(&mut self) {
        for queue in &mut self.queues {
            queue.push_back(Event::Shutdown);
        }
        self.run();
    }

    /// One shard alone hears that the broker ends.
    pub(crate) fn shut_down_only(&mut self, shard: usize) {
        self.queues[shard].push_back(Event::Shutdown);
        self.run();
    }

    /// Time passes; every deadline on the way is kept.
    pub(crate) fn pass(&mut self, millis: u64) {
        let end = self.now.plus_millis(millis);
        for round in 0.. {
            assert!(round < 1_000_000, "the broker never sleeps");
            let due = self
                .fx
                .iter()
                .filter_map(|fx| fx.deadline)
                .min()
                .filter(|due| *due <= end);
            self.now = due.unwrap_or(end).max(self.now);
            self.run();
            if due.is_none() {
                return;
            }
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for shard in &self.shards {
            sum.add(shard.counters());
        }
        sum
    }

    fn run(&mut self) {
        for round in 0.. {
            assert!(round < 100_000, "the broker does not come to rest");
            let mut quiet = true;
            for at in 0..self.shards.len() {
                let due = self.fx[at].deadline.is_none_or(|due| due <= self.now);
                if self.queues[at].is_empty() && !self.fx[at].more && !due && self.fx[at].outboxes.is_clean() {
                    continue;
                }
                quiet = self.queues[at].is_empty() && !self.fx[at].more;
                self.turn(at);
            }
            let still = quiet && self.queues.iter().all(VecDeque::is_empty) && self.fx.iter().all(|fx| !fx.more);
            if still && (self.hold_commits || !self.commit_quietly()) {
                return;
            }
        }
    }

    fn turn(&mut self, at: usize) {
        self.turns += 1;
        let Self {
            shards,
            fx,
            queues,
            lines,
            by_key,
            ..
        } = self;
        let mut feed = Feed {
            queue: &mut queues[at],
            lines,
            by_key,
            shard: at,
            lent: None,
        };
        shards[at].turn(self.now, &mut feed, &mut fx[at]);
        for batch in fx[at].batches.drain(..) {
            self.ops.extend(batch.ops.iter().cloned());
            self.batches += 1;
            // After a failure nobody takes it.
            drop(self.store.submit(batch));
        }
        self.reads.extend(fx[at].reads.drain(..).map(|read| (at, read)));
        for ask in core::mem::take(&mut self.fx[at].asks) {
            self.asks.push((self.by_key[&(at, ask.conn)], ask));
        }
        self.dismissed
            .extend(self.fx[at].dismissed.take().into_iter().flatten());
        while let Some(key) = self.fx[at].outboxes.next_dirty() {
            self.drain(at, key);
        }
        for key in core::mem::take(&mut self.fx[at].pauses) {
            self.line(at, key, |line| line.paused = true);
        }
        for key in core::mem::take(&mut self.fx[at].resumes) {
            self.line(at, key, |line| line.paused = false);
            self.queues[at].push_back(Event::Bytes(key));
        }
        for (key, to) in core::mem::take(&mut self.fx[at].moves) {
            let client = self.by_key.remove(&(at, key)).unwrap();
            self.fx[at].outboxes.close(key);
            self.accept(client, usize::from(to));
        }
        for (key, _) in core::mem::take(&mut self.fx[at].closes) {
            self.line(at, key, |line| line.ended = true);
            self.fx[at].outboxes.close(key);
            if let Some(client) = self.by_key.remove(&(at, key)) {
                self.lines.get_mut(&client).unwrap().key = None;
            }
        }
        let from = ShardId::try_from(at).unwrap();
        for to in 0..self.shards.len() {
            while let Some(parcel) = self.fx[at].mail[to].pop() {
                self.queues[to].push_back(Event::Mail(from, parcel));
            }
        }
        self.events.append(&mut self.fx[at].events);
    }

    fn drain(&mut self, at: usize, key: ConnKey) {
        let Some(client) = self.by_key.get(&(at, key)) else {
            return;
        };
        let line = self.lines.get_mut(client).unwrap();
        let Some(outbox) = self.fx[at].outboxes.get_mut(key) else {
            return;
        };
        if !line.reads {
            if self.room_at_half && outbox.wants_room && outbox.len() <= self.outbox_bytes / 2 {
                outbox.wants_room = false;
                self.queues[at].push_back(Event::Room(key));
            }
            self.fx[at].outboxes.reclaim(key);
            return;
        }
        for chunk in outbox.chunks() {
            line.received.extend_from_slice(chunk);
        }
        outbox.consume(outbox.len());
        if outbox.wants_room {
            outbox.wants_room = false;
            self.queues[at].push_back(Event::Room(key));
        }
        self.fx[at].outboxes.reclaim(key);
    }

    fn line(&mut self, at: usize, key: ConnKey, change: impl FnOnce(&mut Line)) {
        if let Some(client) = self.by_key.get(&(at, key)) {
            change(self.lines.get_mut(client).unwrap());
        }
    }
}

fn restore(store: &mut MemoryStore, shared: &Shared, shards: &mut [Shard]) {
    let all = Limit {
        items: usize::MAX,
        bytes: usize::MAX,
    };
    let recovered = store.recover().unwrap();
    let mut sessions: Vec<SessionRecord> = Vec::new();
    assert_eq!(store.sessions(SessionNo(0), all, &mut sessions).unwrap(), Page::End);
    for shard in shards.iter_mut() {
        shard.continue_from(recovered.next_session, recovered.next_message);
    }
    let count = ShardId::try_from(shards.len()).unwrap();
    for session in sessions {
        let mut owed = Vec::new();
        assert_eq!(
            store.owed(session.session, MessageNo(0), all, &mut owed).unwrap(),
            Page::End
        );
        let home = usize::from(shared.home(&session.client_id, count));
        shards[home].restore(session, &owed);
    }
    let mut retained = Vec::new();
    assert_eq!(store.retained(None, all, &mut retained).unwrap(), Page::End);
    for message in &retained {
        shared.restore_retained(message);
    }
}

/// CONNECT of MQTT 3.1.1 with these flags and nothing but an identifier.
pub(crate) fn connect(client_id: &str, flags: u8) -> Vec<u8> {
    let length = u8::try_from(12 + client_id.len()).unwrap();
    let mut bytes = vec![0x10, length, 0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 0, 0];
    bytes.push(u8::try_from(client_id.len()).unwrap());
    bytes.extend_from_slice(client_id.as_bytes());
    bytes
}

/// SUBSCRIBE to one filter under identifier 1.
pub(crate) fn subscribe(filter: &str, qos: u8) -> Vec<u8> {
    let length = u8::try_from(filter.len()).unwrap();
    let mut bytes = vec![0x82, length + 5, 0, 1, 0, length];
    bytes.extend_from_slice(filter.as_bytes());
    bytes.push(qos);
    bytes
}

/// PUBLISH with this first byte; the identifier is for QoS 1 and 2.
pub(crate) fn publish(first: u8, topic: &str, id: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = vec![0, u8::try_from(topic.len()).unwrap()];
    body.extend_from_slice(topic.as_bytes());
    if first & 0x06 != 0 {
        body.extend_from_slice(&[0, id]);
    }
    body.extend_from_slice(payload);
    let mut bytes = vec![first];
    let mut length = body.len();
    while length >= 128 {
        bytes.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend(body);
    bytes
}
