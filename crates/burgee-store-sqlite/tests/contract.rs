//! The engine keeps the contract of the port: with a process that is killed, and with power that goes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a panic is how they speak"
)]

mod common;

use std::cell::Cell;

use burgee_codec::TopicName;
use burgee_faulty_disk::{Call, Disk, Failing, Luck};
use burgee_store::contract::{Contract, Effort};
use burgee_store::{
    Batch, Body, Durable, Failure, Limit, MessageNo, OwedMessage, OwedRef, Page, Recovered, RetainedMessage, SessionNo,
    SessionRecord, Store, SubmitError,
};
use burgee_store_sqlite::{Settings, SqliteStore, SyncPolicy};
use common::{TempDir, files, open};

/// `SQLITE_IOERR_FSYNC`.
const IOERR_FSYNC: i32 = 1034;

/// A store that can crash.
struct Crashing {
    store: Option<SqliteStore>,
    disk: Option<Disk>,
    directory: TempDir,
}

impl Crashing {
    fn killed() -> Self {
        let directory = TempDir::new();
        Self {
            store: Some(open(directory.path())),
            disk: None,
            directory,
        }
    }

    fn powered() -> Self {
        let directory = TempDir::new();
        // The empty store is on the disk before the disk is watched.
        drop(open(directory.path()));
        let mut it = Self {
            store: None,
            disk: None,
            directory,
        };
        it.start();
        it
    }

    fn start(&mut self) {
        self.disk = Some(Disk::watch(self.directory.path()).unwrap());
        self.store = Some(open(self.directory.path()));
    }

    /// The files stay as the system has them.
    fn kill(&mut self) {
        let left = files(self.directory.path());
        self.store = None;
        self.directory = TempDir::with(&left);
        self.store = Some(open(self.directory.path()));
    }

    /// The files stay as the device has them.
    fn cut_power(&mut self) {
        thread_local! { static SEED: Cell<u64> = const { Cell::new(0) }; }
        let seed = SEED.replace(SEED.get() + 1);
        let disk = self.disk.take().unwrap();
        let luck = match seed % 4 {
            0 => Luck::Bad,
            1 => Luck::Good,
            _ => Luck::Mixed(seed),
        };
        let left = disk.after_power_cut(disk.moments(), luck);
        self.store = None;
        drop(disk);
        self.directory = TempDir::with(&left);
        self.start();
    }

    fn fail_next_sync(&mut self) {
        self.disk.as_ref().unwrap().fail(Failing {
            calls: &[Call::Sync],
            file: None,
            nth: 1,
            code: IOERR_FSYNC,
            stays: true,
        });
    }

    fn open(&mut self) -> &mut SqliteStore {
        self.store.as_mut().unwrap()
    }
}

impl Store for Crashing {
    fn submit(&mut self, batch: Batch) -> Result<(), SubmitError> {
        self.open().submit(batch)
    }

    fn commit(&mut self, notices: &mut Vec<Durable>) -> Result<(), Failure> {
        self.open().commit(notices)
    }

    fn recover(&mut self) -> Result<Recovered, Failure> {
        self.open().recover()
    }

    fn sessions(&mut self, after: SessionNo, limit: Limit, out: &mut Vec<SessionRecord>) -> Result<Page, Failure> {
        self.open().sessions(after, limit, out)
    }

    fn backlog(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedMessage>,
    ) -> Result<Page, Failure> {
        self.open().backlog(session, after, limit, out)
    }

    fn owed(
        &mut self,
        session: SessionNo,
        after: MessageNo,
        limit: Limit,
        out: &mut Vec<OwedRef>,
    ) -> Result<Page, Failure> {
        self.open().owed(session, after, limit, out)
    }

    fn bodies(&mut self, messages: &[MessageNo], out: &mut Vec<(MessageNo, Body)>) -> Result<(), Failure> {
        self.open().bodies(messages, out)
    }

    fn retained(
        &mut self,
        after: Option<TopicName<'_>>,
        limit: Limit,
        out: &mut Vec<RetainedMessage>,
    ) -> Result<Page, Failure> {
        self.open().retained(after, limit, out)
    }
}

const SHORT: Effort = Effort {
    first_seed: 1,
    scripts: 60,
    crashed_everywhere: 2,
    steps: 40,
};

const LONG: Effort = Effort {
    first_seed: 100_000,
    scripts: 2_000,
    crashed_everywhere: 25,
    steps: 60,
};

fn killed(effort: Effort) {
    let contract = Contract::new(Crashing::killed).crash_with(Crashing::kill);
    contract.effort(effort).run().unwrap();
}

fn powered(effort: Effort) {
    let contract = Contract::new(Crashing::powered).crash_with(Crashing::cut_power);
    contract
        .fail_with(Crashing::fail_next_sync)
        .effort(effort)
        .run()
        .unwrap();
}

#[test]
fn the_engine_keeps_the_contract_when_its_process_is_killed() {
    killed(SHORT);
}

#[test]
fn the_engine_keeps_the_contract_when_the_power_goes_and_syncs_fail() {
    powered(SHORT);
}

#[test]
#[ignore = "takes minutes: scripts/store-tests runs it"]
fn the_engine_keeps_the_contract_for_long_when_its_process_is_killed() {
    killed(LONG);
}

#[test]
#[ignore = "takes minutes: scripts/store-tests runs it"]
fn the_engine_keeps_the_contract_for_long_when_the_power_goes() {
    powered(LONG);
}

#[test]
fn without_syncs_the_engine_keeps_the_contract_as_long_as_nothing_crashes() {
    let directories = std::cell::RefCell::new(Vec::new());
    let make = || {
        let directory = TempDir::new();
        let store = SqliteStore::open(
            directory.path(),
            Settings {
                sync: SyncPolicy::Write,
            },
        )
        .unwrap();
        directories.borrow_mut().push(directory);
        store
    };
    Contract::new(make).effort(SHORT).run().unwrap();
}
