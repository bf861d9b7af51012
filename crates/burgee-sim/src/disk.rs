//! The disk of a world, under the port of the store: slow, late, and gone at the worst moment.
//!
//! What must hold: what the port promises and no more: batches of all shards in one order; whatever gathers during a
//! commit goes into the next one; a crash keeps whole batches from the first on, those that were reported among them.
//! Deliberately absent: torn and reordered writes; they are an engine's to survive, and are tested below it.

use std::collections::VecDeque;

use burgee_core::io::{Read, ReadKey, ShardId};
use burgee_store::{
    Batch, Body, Durable, Fault, Limit, MemoryStore, MessageNo, Op, OwedMessage, OwedRef, Page, Recovered,
    RetainedMessage, SessionNo, SessionRecord, Store,
};

use crate::net::{Event, Net};
use crate::rng::Rng;

/// How the disk of a world behaves.
#[derive(Clone, Debug)]
pub struct DiskSettings {
    /// A commit takes so long, at most, in milliseconds.
    pub commit_ms: u64,
    /// Commits that take very long, in percent.
    pub stalls: u64,
    /// A shard hears of a commit so much later, at most, in milliseconds.
    pub notice_ms: u64,
    /// The commit that fails.
    pub fails: Option<u64>,
}

/// A commit that takes very long takes so long, at most, in milliseconds.
const STALL_MS: u64 = 900;

/// What a shard hears from the disk.
#[derive(Debug)]
pub enum News {
    /// Its batches up to this number are durable.
    Durable(u64),
    /// What it wanted to read.
    Bodies(ReadKey, Vec<(MessageNo, Body)>),
    /// The disk has failed.
    Failed,
}

#[derive(Debug)]
enum Request {
    Batch(Batch),
    Read(ShardId, Read),
}

/// A session as it is on the disk.
#[derive(Debug)]
pub struct Stored {
    /// What is known of it.
    pub record: SessionRecord,
    /// What it is owed, for the broker.
    pub owed: Vec<OwedRef>,
    /// The same, with bodies, for the oracle.
    pub messages: Vec<OwedMessage>,
}

/// All that is on the disk.
#[derive(Debug)]
pub struct Content {
    /// In short.
    pub recovered: Recovered,
    /// The sessions.
    pub sessions: Vec<Stored>,
    /// The retained messages.
    pub retained: Vec<RetainedMessage>,
}

/// See the module.
#[derive(Debug)]
pub struct Disk {
    store: MemoryStore,
    settings: DiskSettings,
    rng: Rng,
    shards: ShardId,
    /// Counts the crashes: what was to happen before one does not happen after it.
    life: u64,
    /// What gathers while a commit runs.
    waiting: VecDeque<Request>,
    /// What the running commit will answer.
    reads: Vec<(ShardId, Read)>,
    busy: bool,
    failed: bool,
    /// When each batch that is not durable was handed over.
    handed: VecDeque<u64>,
    /// No shard hears anything before this time: news come in order.
    latest: Vec<u64>,
    /// Commits so far.
    commits: u64,
    /// A session has got its first user, and nobody has asked whether that is so.
    claimed: bool,
}

impl Disk {
    /// An empty one.
    #[must_use]
    pub fn new(settings: DiskSettings, shards: ShardId, rng: Rng) -> Self {
        let mut store = MemoryStore::new();
        if let Some(nth) = settings.fails {
            store.fail_commit(nth, Fault::Device);
        }
        Self {
            store,
            settings,
            rng,
            shards,
            life: 0,
            waiting: VecDeque::new(),
            reads: Vec::new(),
            busy: false,
            failed: false,
            handed: VecDeque::new(),
            latest: vec![0; usize::from(shards)],
            commits: 0,
            claimed: false,
        }
    }

    /// Takes what a shard wants kept and what it wants to read.
    ///
    /// # Errors
    /// The shard broke the rules of the port.
    pub fn take(
        &mut self,
        shard: ShardId,
        (batches, reads): (Vec<Batch>, Vec<Read>),
        net: &mut Net,
    ) -> Result<(), String> {
        for batch in batches {
            if batch.source.0 != shard || batch.is_empty() {
                return Err(format!("shard {shard} hands over {batch:?}"));
            }
            net.trace.say(net.now, [8, u64::from(shard), batch.number], || {
                format!("shard {shard} to disk: batch {} {:?}", batch.number, batch.ops)
            });
            let claim = |op: &Op| matches!(op, Op::SessionClaimed { .. });
            self.claimed |= batch.ops.iter().any(claim);
            if !self.failed {
                self.handed.push_back(net.now);
                self.waiting.push_back(Request::Batch(batch));
            }
        }
        for read in &reads {
            net.trace
                .say(net.now, [8, u64::from(shard), read.messages.len() as u64], || {
                    format!("shard {shard} reads {read:?}")
                });
        }
        let reads = reads.into_iter().filter(|_| !self.failed);
        self.waiting.extend(reads.map(|read| Request::Read(shard, read)));
        self.begin(net)
    }

    /// Whether a session has got its first user since this was asked last.
    pub fn has_seen_a_claim(&mut self) -> bool {
        std::mem::take(&mut self.claimed)
    }

    /// Begins a commit of what has gathered, if none runs.
    fn begin(&mut self, net: &mut Net) -> Result<(), String> {
        if self.busy || self.failed || self.waiting.is_empty() {
            return Ok(());
        }
        self.busy = true;
        for request in std::mem::take(&mut self.waiting) {
            match request {
                Request::Batch(batch) => self.submit(batch)?,
                Request::Read(shard, read) => self.reads.push((shard, read)),
            }
        }
        let most = if self.rng.percent(self.settings.stalls) {
            STALL_MS
        } else {
            self.settings.commit_ms
        };
        let takes = self.rng.range(0, most);
        net.after(takes, Event::Commit(self.life));
        Ok(())
    }

    fn submit(&mut self, batch: Batch) -> Result<(), String> {
        let told = format!("{batch:?}");
        self.store
            .submit(batch)
            .map_err(|problem| format!("the store does not take {told}: {problem}"))
    }

    /// A commit is over: what each shard hears, and when.
    ///
    /// # Errors
    /// The store refuses what the broker wants kept.
    pub fn commit(&mut self, life: u64, net: &mut Net) -> Result<Vec<(ShardId, u64, News)>, String> {
        if life != self.life || self.failed {
            return Ok(Vec::new());
        }
        self.busy = false;
        self.commits += 1;
        let covered = self.store.waiting();
        let mut notices = Vec::new();
        if let Err(failure) = self.store.commit(&mut notices) {
            if failure.fault != Fault::Device {
                return Err(format!("the store refuses what it is given: {failure}"));
            }
            self.failed = true;
            net.trace.say(net.now, [8, u64::MAX, 0], || "disk   fails".to_owned());
            return Ok((0..self.shards)
                .map(|shard| (shard, self.late(shard, net), News::Failed))
                .collect());
        }
        self.handed.drain(..covered);
        let mut news = Vec::new();
        for Durable { source, upto } in notices {
            let at = self.late(source.0, net);
            net.trace.say(net.now, [8, u64::from(source.0), at], || {
                format!("disk   batch {upto} of shard {} is durable, told at {at}", source.0)
            });
            news.push((source.0, at, News::Durable(upto)));
        }
        for (shard, read) in std::mem::take(&mut self.reads) {
            let mut bodies = Vec::new();
            self.store
                .bodies(&read.messages, &mut bodies)
                .map_err(|failure| failure.to_string())?;
            let at = self.late(shard, net);
            net.trace.say(net.now, [8, bodies.len() as u64, at], || {
                format!(
                    "disk   {} bodies for {:?} of shard {shard}, told at {at}",
                    bodies.len(),
                    read.key
                )
            });
            news.push((shard, at, News::Bodies(read.key, bodies)));
        }
        self.begin(net)?;
        Ok(news)
    }

    fn late(&mut self, shard: ShardId, net: &Net) -> u64 {
        let at = net.now + self.rng.range(0, self.settings.notice_ms);
        let Some(latest) = self.latest.get_mut(usize::from(shard)) else {
            return at;
        };
        *latest = at.max(*latest);
        *latest
    }

    /// Nothing is on its way to it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.busy && self.waiting.is_empty()
    }

    /// Commits so far.
    #[must_use]
    pub const fn commits(&self) -> u64 {
        self.commits
    }

    /// It does not fail any more.
    pub const fn spare(&mut self) {
        self.store.fail_commit(u64::MAX, Fault::Device);
    }

    /// Whether it has failed.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    /// The machine crashes. Of what was not reported any number of batches may be there, from the first on. Says before
    /// which time everything handed over is there.
    pub fn crash(&mut self, rng: &mut Rng, net: &mut Net) -> u64 {
        for request in std::mem::take(&mut self.waiting) {
            if let Request::Batch(batch) = request {
                // One that is not taken could not have been written either.
                drop(self.submit(batch));
            }
        }
        let waiting = self.store.waiting();
        let kept = match rng.below(4) {
            0 => 0,
            1 => waiting,
            _ => rng.size(0, waiting),
        };
        net.trace.say(net.now, [8, kept as u64, waiting as u64], || {
            format!("disk   crash: of {waiting} batches {kept} are there")
        });
        let covered = self.handed.get(kept).copied().unwrap_or(net.now);
        self.store.crash(kept);
        self.life += 1;
        self.reads.clear();
        self.handed.clear();
        (self.busy, self.failed) = (false, false);
        self.latest.fill(net.now);
        covered
    }

    /// Reads everything, as a broker does that starts.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn content(&mut self) -> Result<Content, String> {
        let limit = Limit {
            items: self.rng.size(1, 20),
            bytes: self.rng.size(1, 5_000),
        };
        let failed = |failure: burgee_store::Failure| failure.to_string();
        let recovered = self.store.recover().map_err(failed)?;
        let mut records: Vec<SessionRecord> = Vec::new();
        loop {
            let after = records.last().map_or(SessionNo(0), |record| record.session);
            if self.store.sessions(after, limit, &mut records).map_err(failed)? == Page::End {
                break;
            }
        }
        let mut sessions = Vec::new();
        for record in records {
            let (mut owed, mut messages): (Vec<OwedRef>, Vec<OwedMessage>) = (Vec::new(), Vec::new());
            loop {
                let after = owed.last().map_or(MessageNo(0), |owed| owed.message);
                let page = self.store.owed(record.session, after, limit, &mut owed);
                if page.map_err(failed)? == Page::End {
                    break;
                }
            }
            loop {
                let after = messages.last().map_or(MessageNo(0), |owed| owed.message);
                let page = self.store.backlog(record.session, after, limit, &mut messages);
                if page.map_err(failed)? == Page::End {
                    break;
                }
            }
            sessions.push(Stored { record, owed, messages });
        }
        let mut retained: Vec<RetainedMessage> = Vec::new();
        loop {
            let after = retained.last().map(|held| held.body.clone());
            let after = after.as_ref().map(Body::topic);
            if self.store.retained(after, limit, &mut retained).map_err(failed)? == Page::End {
                break;
            }
        }
        Ok(Content {
            recovered,
            sessions,
            retained,
        })
    }
}
