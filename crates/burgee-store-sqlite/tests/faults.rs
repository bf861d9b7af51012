//! The device refuses: at any call, for any reason. The answer is the right fault, nothing reported is lost, and reads
//! go on as long as the device reads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a panic is how they speak"
)]

mod common;

use burgee_faulty_disk::{Call, Disk, Failing};
use burgee_store::{Fault, Store, SubmitError};
use burgee_store_sqlite::{OpenError, Settings, SqliteStore};
use common::{DATABASE, Image, LOG, TempDir, Work, commit, files, open, plan};

/// SQLite's extended codes for a read, a write and a sync that fail.
const IOERR_READ: i32 = 266;
const IOERR_WRITE: i32 = 778;
const IOERR_FSYNC: i32 = 1034;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;

/// Works until the `nth` of these calls fails; what was found then. `None`: it never came to it.
fn until(failing: Failing) -> Option<Fault> {
    let (plan, images) = plan(&mut Work::new(7), 40, usize::MAX);
    let directory = TempDir::new();
    drop(open(directory.path()));
    let disk = Disk::watch(directory.path()).unwrap();
    let mut store = SqliteStore::open(directory.path(), Settings::default()).unwrap();
    disk.fail(failing);
    let mut reported = 0;
    let mut found = None;
    for (at, batches) in plan.iter().enumerate() {
        if let Err(failure) = commit(&mut store, batches) {
            found = Some(failure);
            break;
        }
        reported += 1;
        if at % 16 == 15 && store.give_back().is_err() {
            found = Some(store.give_back().unwrap_err());
            break;
        }
    }
    let happened = disk.mend();
    assert_eq!(happened, found.is_some(), "a call that fails is seen");
    if let Some(failure) = &found {
        let said = store.submit(plan[reported.min(plan.len() - 1)][0].clone());
        assert_eq!(
            said,
            Err(SubmitError::Failed(failure.clone())),
            "submit after a failure"
        );
        assert_eq!(
            store.commit(&mut Vec::new()),
            Err(failure.clone()),
            "it is never tried again"
        );
        // Whoever read while the device did not may not be able to read any more, but never reads something else.
        if let Ok(image) = Image::of(&mut store) {
            assert_eq!(image, images[reported], "reads show the last commit");
        }
    }
    drop(store);
    // What the system has now; with the failed commit, or without.
    let left = TempDir::with(&files(directory.path()));
    let there = Image::of(&mut open(left.path())).unwrap();
    let next = images.get(reported + 1).unwrap_or(&images[reported]);
    assert!(
        there == images[reported] || there == *next,
        "{failing:?}: {reported} were reported"
    );
    found.map(|failure| failure.fault)
}

const FAILING: Failing = Failing {
    calls: &[Call::Write],
    file: None,
    nth: 1,
    code: IOERR_WRITE,
    stays: true,
};

/// Messages of a crashed store may be counted nowhere but in its log.
#[test]
fn a_start_that_fails_leaves_the_log_as_it_is() {
    let directory = TempDir::new();
    let mut store = open(directory.path());
    let mut work = Work::new(3);
    for _ in 0..20 {
        commit(&mut store, &work.batches()).unwrap();
    }
    let left = files(directory.path());
    let mut failed = 0;
    for nth in 1..30 {
        let directory = TempDir::with(&left);
        let disk = Disk::watch(directory.path()).unwrap();
        disk.fail(Failing {
            calls: &[Call::Read],
            code: IOERR_READ,
            stays: false,
            nth,
            ..FAILING
        });
        if SqliteStore::open(directory.path(), Settings::default()).is_err() {
            failed += 1;
            assert_eq!(files(directory.path()), left, "read {nth}");
        }
    }
    assert!(failed > 5, "{failed}");
}

/// Each call from the first to the one that never comes.
fn each(failing: Failing, fault: Fault) {
    let mut nth = 1;
    let mut seen = 0;
    let step = 1 + u64::from(failing.calls.contains(&Call::Write)) * 6;
    while let Some(found) = until(Failing { nth, ..failing }) {
        assert_eq!(found, fault, "{failing:?} {nth}");
        seen += 1;
        nth += step;
    }
    assert!(seen > 5, "{failing:?}: only {seen} failed");
}

#[test]
fn a_failing_sync_is_the_end_wherever_it_is() {
    let failing = Failing {
        calls: &[Call::Sync],
        code: IOERR_FSYNC,
        stays: false,
        ..FAILING
    };
    each(failing, Fault::Device);
}

#[test]
fn a_failing_write_is_the_end_wherever_it_is() {
    each(FAILING, Fault::Device);
}

#[test]
fn a_full_disk_is_called_full() {
    each(Failing { code: FULL, ..FAILING }, Fault::Full);
}

#[test]
fn a_full_disk_that_has_room_again_is_still_the_end() {
    let failing = Failing {
        code: FULL,
        stays: false,
        ..FAILING
    };
    each(failing, Fault::Full);
}

#[test]
fn damage_that_shows_while_writing_is_called_damage() {
    let failing = Failing {
        code: CORRUPT,
        nth: 9,
        ..FAILING
    };
    assert_eq!(until(failing), Some(Fault::Corrupt));
}

#[test]
fn a_device_that_does_not_read_is_said_while_opening() {
    let directory = TempDir::new();
    let mut store = open(directory.path());
    commit(&mut store, &Work::new(3).batches()).unwrap();
    drop(store);
    let disk = Disk::watch(directory.path()).unwrap();
    for nth in 1..30 {
        disk.fail(Failing {
            calls: &[Call::Read],
            nth,
            code: IOERR_READ,
            ..FAILING
        });
        let opened = SqliteStore::open(directory.path(), Settings::default());
        if !disk.mend() {
            assert!(nth > 3 && opened.is_ok());
            return;
        }
        let error = opened.unwrap_err();
        assert!(matches!(error, OpenError::Device { .. }), "{error}");
    }
    panic!("reads do not end");
}

#[test]
fn a_log_that_cannot_be_copied_is_the_end_and_takes_nothing_back() {
    let directory = TempDir::new();
    drop(open(directory.path()));
    let disk = Disk::watch(directory.path()).unwrap();
    let mut store = open(directory.path());
    for code in [IOERR_WRITE, FULL] {
        disk.fail(Failing {
            file: Some(DATABASE),
            code,
            ..FAILING
        });
    }
    let mut work = Work::new(11);
    work.payload = 30_000;
    let mut last = Image::of(&mut store).unwrap();
    let failure = loop {
        match commit(&mut store, &work.batches()) {
            Ok(_) => last = Image::of(&mut store).unwrap(),
            Err(failure) => break failure,
        }
        let log = std::fs::metadata(directory.path().join(LOG)).unwrap().len();
        assert!(log < 40 << 20, "the log grows for ever");
    };
    assert_eq!(failure.fault, Fault::Full);
    assert!(disk.mend());
    assert_eq!(Image::of(&mut store).unwrap(), last);
    drop(store);
    let left = TempDir::with(&files(directory.path()));
    assert_eq!(Image::of(&mut open(left.path())).unwrap(), last);
}
