//! Messages through the engine: as many in one commit as are in flight, and settled with the next commit.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use burgee_codec::{QoS, TopicName};
use burgee_store::{Batch, Body, Durable, MessageNo, Op, SessionNo, Source, Store};
use burgee_store_sqlite::{Settings, SqliteStore, SyncPolicy};
use rustix::time::{ClockId, clock_gettime};

use crate::disk::count;

/// What is done.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Load {
    /// Messages in one commit.
    pub(crate) in_flight: usize,
    /// Sessions that are owed each.
    pub(crate) owing: u64,
    /// Bytes of a payload.
    pub(crate) payload: usize,
    /// How long.
    pub(crate) time: Duration,
}

/// What it came to.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) messages_per_second: f64,
    pub(crate) cpu_us_per_message: f64,
}

/// Measures on a fresh store, after a third of the time has passed unmeasured.
pub(crate) fn measure(directory: &Path, sync: SyncPolicy, load: Load) -> Result<Figure, Box<dyn Error>> {
    let mut bare = Bare::open(directory, sync, load)?;
    let begun = Instant::now();
    while begun.elapsed() < load.time / 3 {
        bare.round()?;
    }
    let (begun, cpu, before) = (Instant::now(), cpu(), bare.done);
    while begun.elapsed() < load.time {
        bare.round()?;
    }
    let (elapsed, cpu) = (begun.elapsed(), self::cpu().saturating_sub(cpu));
    let messages = count(bare.done - before);
    Ok(Figure {
        messages_per_second: messages / elapsed.as_secs_f64(),
        cpu_us_per_message: cpu.as_secs_f64() * 1e6 / messages,
    })
}

struct Bare {
    store: SqliteStore,
    load: Load,
    payload: Vec<u8>,
    batch: u64,
    message: u64,
    done: usize,
    notices: Vec<Durable>,
}

impl Bare {
    /// A fresh store with the sessions in it.
    fn open(directory: &Path, sync: SyncPolicy, load: Load) -> Result<Self, Box<dyn Error>> {
        let mut store = SqliteStore::open(directory, Settings { sync })?;
        store.recover()?;
        let mut bare = Self {
            store,
            load,
            payload: vec![0x5a; load.payload],
            batch: 0,
            message: 1,
            done: 0,
            notices: Vec::new(),
        };
        let sessions = (1..=load.owing).map(|number| Op::SessionCreated {
            user: None,
            session: SessionNo(number),
            client_id: format!("bare-{number}").into(),
        });
        bare.commit(sessions.collect())?;
        Ok(bare)
    }

    /// One commit: the messages of the last one were taken, and as many new ones have come.
    fn round(&mut self) -> Result<(), Box<dyn Error>> {
        let in_flight = self.load.in_flight as u64;
        let first = self.message;
        let taken = first.saturating_sub(in_flight).max(1)..first;
        let sessions = 1..=self.load.owing;
        let settled = taken.flat_map(|message| {
            let message = MessageNo(message);
            sessions.clone().map(move |session| Op::Settled {
                session: SessionNo(session),
                message,
            })
        });
        let topic = TopicName::parse("bench/0123456789/000")?;
        let owed = (first..first + in_flight).map(|message| Op::Owed {
            message: MessageNo(message),
            body: Body::of(topic, &self.payload),
            retain: false,
            owing: sessions
                .clone()
                .map(|session| (SessionNo(session), QoS::AtLeastOnce))
                .collect(),
        });
        let ops = settled.chain(owed).collect();
        self.message += in_flight;
        self.done += self.load.in_flight;
        self.commit(ops)
    }

    fn commit(&mut self, ops: Vec<Op>) -> Result<(), Box<dyn Error>> {
        self.batch += 1;
        self.store.submit(Batch {
            source: Source(0),
            number: self.batch,
            ops,
        })?;
        self.notices.clear();
        self.store.commit(&mut self.notices)?;
        Ok(())
    }
}

/// CPU time of this process.
fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(spent.tv_sec).unwrap_or_default(),
        u32::try_from(spent.tv_nsec).unwrap_or_default(),
    )
}
