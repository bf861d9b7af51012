//! Bytes that are not what was written: opening and reading either says so, or gives a whole number of commits.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a panic is how they speak"
)]

mod common;

use std::collections::BTreeMap;

use burgee_faulty_disk::Disk;
use burgee_store::Fault;
use burgee_store_sqlite::{OpenError, Settings, SqliteStore, check};
use common::{DATABASE, Image, LOG, TempDir, Work, commit, files, is_reopened, open, plan};

struct Damaged {
    files: BTreeMap<String, Vec<u8>>,
    images: Vec<Image>,
}

const REOPENED: usize = 31;

/// Half of it in the database and half in the log; or, closed in peace, all of it in the database.
fn written(seed: u64, closed: bool) -> Damaged {
    let (plan, images) = plan(&mut Work::new(seed), 60, REOPENED);
    let directory = TempDir::new();
    let mut store = open(directory.path());
    for (at, batches) in plan.iter().enumerate() {
        if is_reopened(at, REOPENED) {
            drop(store);
            store = open(directory.path());
        }
        commit(&mut store, batches).unwrap();
    }
    if closed {
        drop(store);
    }
    let files = files(directory.path());
    assert!(files[DATABASE].len() > 40_000);
    assert!(closed || files[LOG].len() > 40_000);
    Damaged { files, images }
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Answer {
    /// It said that something is wrong.
    Said,
    /// So many commits are there.
    There(usize),
}

fn answer(damaged: &Damaged, files: &BTreeMap<String, Vec<u8>>, what: &str) -> Answer {
    let directory = TempDir::with(files);
    // Only so that nothing waits for the real disk.
    let _disk = Disk::watch(directory.path()).unwrap();
    let mut store = match SqliteStore::open(directory.path(), Settings::default()) {
        Ok(store) => store,
        Err(OpenError::Corrupt { .. } | OpenError::NotAStore { .. } | OpenError::Newer { .. }) => return Answer::Said,
        Err(error) => panic!("{what}: {error}"),
    };
    match Image::of(&mut store) {
        Ok(found) => {
            let there = damaged.images.iter().rposition(|image| *image == found);
            Answer::There(there.unwrap_or_else(|| panic!("{what}: no whole number of commits is there")))
        }
        Err(failure) => {
            assert_eq!(failure.fault, Fault::Corrupt, "{what}: {failure}");
            Answer::Said
        }
    }
}

/// Answers to the file changed in many ways, counted: those that said it, those with all commits, those with fewer.
fn answers(damaged: &Damaged, file: &str, changes: impl Iterator<Item = Change>) -> (usize, usize, usize) {
    let (mut said, mut all, mut fewer) = (0, 0, 0);
    for change in changes {
        let mut files = damaged.files.clone();
        change.apply(files.get_mut(file).unwrap());
        match answer(damaged, &files, &format!("{file} {change:?}")) {
            Answer::Said => said += 1,
            Answer::There(there) if there + 1 == damaged.images.len() => all += 1,
            Answer::There(_) => fewer += 1,
        }
    }
    (said, all, fewer)
}

#[derive(Copy, Clone, Debug)]
enum Change {
    Flip { at: usize, bit: u8 },
    Zero { at: usize, len: usize },
    Cut { len: usize },
}

impl Change {
    fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip { at, bit } => bytes[at] ^= 1 << (bit % 8),
            Self::Zero { at, len } => bytes.iter_mut().skip(at).take(len).for_each(|byte| *byte = 0),
            Self::Cut { len } => bytes.truncate(len),
        }
    }
}

fn flips(len: usize, step: usize) -> impl Iterator<Item = Change> {
    let at = (0..len).step_by(step);
    at.map(|at| Change::Flip {
        at,
        bit: u8::try_from(at % 251).unwrap(),
    })
}

fn rough(len: usize, step: usize) -> impl Iterator<Item = Change> {
    let zero = (0..len).step_by(step).map(|at| Change::Zero { at, len: 512 });
    zero.chain((0..len).step_by(step).map(|len| Change::Cut { len }))
}

#[test]
fn damage_in_the_database_is_said_or_does_no_harm() {
    let damaged = written(1, true);
    let len = damaged.files[DATABASE].len();
    // The header and the schema byte by byte, the rest in places.
    let changes = flips(4096.min(len), 7).chain(flips(len, 61)).chain(rough(len, 700));
    let (said, all, fewer) = answers(&damaged, DATABASE, changes);
    assert!(said > 100 && all > 100, "said {said}, all {all}");
    assert_eq!(fewer, 0, "damage in the database must not take back commits in silence");
}

/// Each bit of each pointer from a page's head to one of its rows. Where a row was changed, its older self may still lie in
/// the page, with a sum that is right.
fn pointers(file: &[u8]) -> impl Iterator<Item = Change> {
    const PAGE: usize = 4096;
    let pages = (PAGE..file.len()).step_by(PAGE).flat_map(|page| {
        let head = match file[page] {
            2 | 5 => 12,
            10 | 13 => 8,
            _ => return page..page,
        };
        let count = usize::from(u16::from_be_bytes([file[page + 3], file[page + 4]]));
        page + head..page + head + 2 * count
    });
    pages.flat_map(|at| (0..8).map(move |bit| Change::Flip { at, bit }))
}

#[test]
fn a_row_that_was_there_before_is_not_taken_for_the_one_that_is() {
    let damaged = written(10, true);
    let (said, _, fewer) = answers(&damaged, DATABASE, pointers(&damaged.files[DATABASE]));
    assert!(said > 100, "{said}");
    assert_eq!(fewer, 0);
}

/// SQLite reads the later pages of a long body straight from the file, and calls a page that is not whole there an error
/// of the device.
#[test]
fn a_file_that_ends_within_a_page_is_damaged() {
    let damaged = written(10, true);
    let len = damaged.files[DATABASE].len();
    let ends = (4096..len).step_by(4096).map(|at| Change::Cut { len: at + 62 });
    let (said, all, fewer) = answers(&damaged, DATABASE, ends);
    assert!(said > 10 && fewer == 0, "said {said}, all {all}, fewer {fewer}");
}

#[test]
fn damage_in_the_log_leaves_a_whole_number_of_commits() {
    let damaged = written(2, false);
    let len = log_len(&damaged);
    let changes = flips(len, 211).chain(rough(len, 900));
    let (said, all, fewer) = answers(&damaged, LOG, changes);
    assert!(fewer > 50, "said {said}, all {all}, fewer {fewer}");
}

/// How long the log is. Behind it the file has room, and damage there is none.
fn log_len(damaged: &Damaged) -> usize {
    let zeros = damaged.files[LOG].iter().rev().take_while(|byte| **byte == 0);
    damaged.files[LOG].len() - zeros.count()
}

#[test]
#[ignore = "takes minutes: scripts/store-tests runs it"]
fn damage_anywhere_is_said_or_does_no_harm() {
    for seed in 10..12 {
        let damaged = written(seed, true);
        let len = damaged.files[DATABASE].len();
        let (_, _, fewer) = answers(&damaged, DATABASE, flips(len, 13).chain(rough(len, 150)));
        assert_eq!(fewer, 0);
        let damaged = written(seed, false);
        let len = log_len(&damaged);
        answers(&damaged, LOG, flips(len, 37).chain(rough(len, 150)));
    }
}

#[test]
fn an_empty_database_or_a_log_without_one_is_no_beginning() {
    let damaged = written(3, false);
    let mut empty = damaged.files.clone();
    empty.insert(DATABASE.to_owned(), Vec::new());
    assert_eq!(answer(&damaged, &empty, "empty"), Answer::Said);
    let mut gone = damaged.files.clone();
    gone.remove(DATABASE);
    assert_eq!(answer(&damaged, &gone, "gone"), Answer::Said);
}

#[test]
fn a_check_finds_a_body_that_was_changed_and_names_its_row() {
    let directory = TempDir::new();
    let mut store = open(directory.path());
    let mut work = Work::new(5);
    for _ in 0..40 {
        commit(&mut store, &work.batches()).unwrap();
    }
    drop(store);
    let before = files(directory.path());
    assert!(check(directory.path()).unwrap().is_whole());
    assert_eq!(files(directory.path()), before, "a look changes nothing");
    let mut bytes = before[DATABASE].clone();
    let body = |window: &[u8]| window == b"\0\nsome/topic";
    let found: Vec<_> = (0..bytes.len() - 12).filter(|at| body(&bytes[*at..at + 12])).collect();
    for at in found {
        bytes[at + 5] ^= 1;
    }
    std::fs::write(directory.path().join(DATABASE), &bytes).unwrap();
    let report = check(directory.path()).unwrap();
    assert!(!report.is_whole());
    let said = report.faults.join("; ");
    assert!(said.contains("table msg, row ") && said.contains("body"), "{said}");
}

/// A store that somebody has changed by hand.
fn by_hand(sql: &str) -> TempDir {
    let directory = TempDir::with(&written(6, true).files);
    let conn = rusqlite::Connection::open(directory.path().join(DATABASE)).unwrap();
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE;").unwrap();
    assert!(conn.execute(sql, ()).unwrap() > 0, "{sql} changes something");
    conn.close().unwrap();
    directory
}

/// What is said when it is opened.
fn after(sql: &str) -> String {
    let directory = by_hand(sql);
    let error = SqliteStore::open(directory.path(), Settings::default()).unwrap_err();
    let report = check(directory.path()).unwrap();
    assert!(!report.is_whole(), "{sql}");
    assert!(matches!(error, OpenError::Corrupt { .. }), "{sql}: {error}");
    error.to_string()
}

#[test]
fn a_row_that_is_missing_is_missed() {
    for (sql, said) in [
        ("DELETE FROM meta", "table meta"),
        (
            "DELETE FROM session WHERE no = (SELECT max(no) FROM session)",
            "session",
        ),
        (
            "DELETE FROM sub WHERE session = (SELECT max(session) FROM sub)",
            "subs should be",
        ),
        (
            "DELETE FROM qos2in WHERE session = (SELECT max(session) FROM qos2in)",
            "received should be",
        ),
        (
            "DELETE FROM will WHERE session = (SELECT max(session) FROM will)",
            "wills should be",
        ),
        (
            "DELETE FROM msg WHERE id = (SELECT min(id) FROM msg WHERE id NOT IN (SELECT message FROM out))",
            "messages should be",
        ),
        (
            "DELETE FROM cursor WHERE session = (SELECT max(session) FROM cursor)",
            "should be",
        ),
        (
            "DELETE FROM out WHERE session = (SELECT max(session) FROM out)",
            "deliveries should be",
        ),
        (
            "DELETE FROM retained WHERE topic = (SELECT max(topic) FROM retained)",
            "retained should be",
        ),
    ] {
        let error = after(sql);
        assert!(error.contains(said), "{sql}: {error}");
    }
}

#[test]
fn a_row_that_was_changed_is_named() {
    for (sql, said) in [
        ("UPDATE meta SET next_message = next_message + 1", "table meta, row "),
        ("UPDATE session SET client_id = client_id || 'x'", "table session, row "),
        ("UPDATE sub SET qos = 0", "table sub, row "),
        ("UPDATE qos2in SET id = id + 100", "table qos2in, row "),
        ("UPDATE will SET retain = 0", "table will, row "),
        ("UPDATE will SET body = 'text'", "table will, row "),
        ("UPDATE msg SET id = id + 1000000", "table msg, row "),
        ("UPDATE msg SET head = zeroblob(20)", "table msg, row "),
        ("UPDATE cursor SET floor = floor + 1", "table cursor, row "),
        ("UPDATE out SET stage = 1 - stage", "table out, row "),
        (
            "UPDATE retained SET payload = 'text' WHERE payload IS NOT NULL",
            "retained",
        ),
    ] {
        let report = check(by_hand(sql).path()).unwrap();
        let found = report.faults.join("; ");
        assert!(found.contains(said), "{sql}: {found}");
    }
}
