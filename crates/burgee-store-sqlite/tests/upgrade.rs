//! Older formats: read as they are, brought up to date when a store is opened, whole or not at all.
//!
//! `format-1.sql` and `format-2.sql` were written by the last programs that wrote these formats, and are not to be changed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a panic is how they speak"
)]

mod common;

use std::path::Path;

use burgee_faulty_disk::{Disk, Luck};
use burgee_store::{Batch, Op, Replay, Source};
use burgee_store_sqlite::{ImportError, OpenError, Settings, SqliteStore, check, export, import};
use common::{DATABASE, Image, TempDir, Work, commit, files, open};
use rusqlite::Connection;

/// What was imported into the store of format 1 when it was made.
const LINES: &str = r##"{"burgee":{"format":1,"next_session":12,"next_message":900}}
{"session":{"number":3,"client_id":"meter-7","subscriptions":[{"filter":"a/#","qos":1},{"filter":"zählers/+","qos":2}],"received":[17,40000],"will":{"qos":1,"retain":false,"body":{"topic":"gone","text":"meter-7"}}}}
{"session":{"number":4,"client_id":"","subscriptions":[],"received":[]}}
{"session":{"number":9,"client_id":"ключ","subscriptions":[{"filter":"#","qos":0}],"received":[]}}
{"message":{"number":801,"retain":false,"body":{"topic":"a/b","base64":"/wA="},"owed_to":[{"session":3,"qos":2,"delivery":{"id":5,"stage":"published"}},{"session":9,"qos":1}]}}
{"message":{"number":802,"retain":true,"body":{"topic":"a/b","text":"second"},"owed_to":[{"session":3,"qos":2,"delivery":{"id":6,"stage":"released"}}]}}
{"retained":{"qos":1,"body":{"topic":"a/state","text":"on"}}}
{"retained":{"qos":2,"body":{"topic":"b","base64":"/wD/"}}}
{"retained":{"qos":0,"body":{"topic":"c/ü","text":""}}}
{"end":{"sessions":3,"messages":2,"retained":3}}
"##;

/// The same for format 2.
const LINES_2: &str = r##"{"burgee":{"format":2,"next_session":12,"next_message":900}}
{"session":{"number":3,"client_id":"meter-7","user":"carol","subscriptions":[{"filter":"a/#","qos":1,"replay":"a/s"},{"filter":"zählers/+","qos":2}],"received":[17,40000],"will":{"qos":1,"retain":false,"body":{"topic":"gone","text":"meter-7"}}}}
{"session":{"number":4,"client_id":"","user":"","subscriptions":[],"received":[]}}
{"session":{"number":9,"client_id":"ключ","subscriptions":[{"filter":"#","qos":0,"replay":""}],"received":[]}}
{"message":{"number":801,"retain":false,"body":{"topic":"a/b","base64":"/wA="},"owed_to":[{"session":3,"qos":2,"delivery":{"id":5,"stage":"published"}},{"session":9,"qos":1}]}}
{"message":{"number":802,"retain":true,"body":{"topic":"a/b","text":"second"},"owed_to":[{"session":3,"qos":2,"delivery":{"id":6,"stage":"released"}}]}}
{"retained":{"qos":1,"body":{"topic":"a/state","text":"on"}}}
{"retained":{"qos":2,"body":{"topic":"b","base64":"/wD/"}}}
{"retained":{"qos":0,"body":{"topic":"c/ü","text":""}}}
{"end":{"sessions":3,"messages":2,"retained":3}}
"##;

/// An older format: its version, a store, and that as lines.
type Old = (i64, &'static str, &'static str);

const ONE: Old = (1, include_str!("format-1.sql"), LINES);
const TWO: Old = (2, include_str!("format-2.sql"), LINES_2);

/// Lines have formats of their own.
fn newest(lines: &str) -> String {
    lines.replace("\"format\":1", "\"format\":2")
}

/// The disk of the test without power has no shared memory, and from then on it is everybody's.
const ALONE: &str = "PRAGMA locking_mode = EXCLUSIVE;";

/// A store of an older format, closed in peace. `words` come last.
fn old((version, tables_and_rows, _): Old, words: &str) -> TempDir {
    let directory = TempDir::new();
    let database = directory.path().join(DATABASE);
    let conn = Connection::open(&database).unwrap();
    conn.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA temp_store = MEMORY; PRAGMA journal_mode = MEMORY;")
        .unwrap();
    conn.execute_batch(&format!("BEGIN; {tables_and_rows} {words}"))
        .unwrap();
    let numbers = format!("PRAGMA application_id = 0x42524745; PRAGMA user_version = {version}; COMMIT;");
    conn.execute_batch(&numbers).unwrap();
    conn.execute_batch(&format!("{ALONE} PRAGMA journal_mode = WAL;"))
        .unwrap();
    conn.close().unwrap();
    directory
}

fn version(directory: &Path) -> i64 {
    let conn = Connection::open(directory.join(DATABASE)).unwrap();
    conn.execute_batch(ALONE).unwrap();
    conn.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap()
}

fn exported(directory: &Path) -> String {
    let mut lines = Vec::new();
    export(directory, &mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

#[test]
fn an_old_store_is_checked_and_exported_as_it_is() {
    for format in [ONE, TWO] {
        let directory = old(format, "");
        let before = files(directory.path());
        let report = check(directory.path()).unwrap();
        assert!(report.is_whole(), "{:?}", report.faults);
        assert_eq!(i64::from(report.version), format.0);
        assert_eq!((report.sessions, report.messages, report.retained), (3, 2, 3));
        assert_eq!(exported(directory.path()), newest(format.2));
        assert_eq!(files(directory.path()), before, "nothing was changed");
    }
}

#[test]
fn an_old_store_is_brought_up_to_date_when_it_is_opened_and_has_the_same_in_it() {
    for format in [ONE, TWO] {
        let directory = old(format, "");
        let mut store = open(directory.path());
        let image = Image::of(&mut store).unwrap();
        drop(store);
        assert_eq!(version(directory.path()), 3);
        let report = check(directory.path()).unwrap();
        assert!(report.is_whole() && report.version == 3, "{:?}", report.faults);
        assert_eq!(exported(directory.path()), newest(format.2));
        let fresh = TempDir::new();
        import(fresh.path(), format.2.as_bytes()).unwrap();
        assert_eq!(Image::of(&mut open(fresh.path())).unwrap(), image.moved());
        // Opened again, it is just a store.
        open(directory.path());
    }
}

#[test]
fn a_store_that_was_old_keeps_what_is_new() {
    let directory = old(ONE, "");
    let mut store = open(directory.path());
    let session = burgee_store::SessionNo(12);
    let filter = burgee_codec::TopicFilterBuf::parse("b/#").unwrap();
    let (qos, replay) = (burgee_codec::QoS::ExactlyOnce, Replay::Whole);
    let ops = vec![
        Op::SessionCreated {
            session,
            client_id: "new".into(),
            user: Some("carol".into()),
        },
        Op::Subscribed {
            session,
            filter,
            qos,
            replay,
        },
        Op::Retained {
            body: burgee_store::Body::of(burgee_codec::TopicName::trusted("b"), b"later"),
            qos,
            stamp: 8,
        },
    ];
    let source = Source(0);
    commit(&mut store, &[Batch { source, number: 1, ops }]).unwrap();
    let image = Image::of(&mut store).unwrap();
    drop(store);
    assert!(check(directory.path()).unwrap().is_whole());
    assert_eq!(Image::of(&mut open(directory.path())).unwrap(), image);
    let lines = exported(directory.path());
    assert!(
        lines.contains(r#""user":"carol","subscriptions":[{"filter":"b/#","qos":2,"replay":""}]"#),
        "{lines}"
    );
}

#[test]
fn an_old_store_that_is_damaged_stays_what_it_is() {
    let damages = [
        "UPDATE session SET sum = sum + 1 WHERE no = 9;",
        "UPDATE sub SET qos = 1 WHERE session = 9;",
        "UPDATE retained SET payload = x'00' WHERE topic = 'b';",
        "UPDATE msg SET body = x'0003612F62FF01' WHERE id = 801;",
        "DELETE FROM will;",
        "CREATE TABLE more (one INTEGER);",
    ];
    // As a half upgrade would look.
    let half = [
        (ONE, "ALTER TABLE session ADD COLUMN user TEXT;"),
        (TWO, "ALTER TABLE meta ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;"),
    ];
    let both = damages.into_iter().flat_map(|damage| [(ONE, damage), (TWO, damage)]);
    for (format, damage) in both.chain(half) {
        let directory = old(format, damage);
        let before = files(directory.path());
        let error = SqliteStore::open(directory.path(), Settings::default())
            .map(drop)
            .unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{damage}: {error}");
        assert_eq!(files(directory.path())[DATABASE], before[DATABASE], "{damage}");
        assert_eq!(version(directory.path()), format.0, "{damage}");
    }
}

#[test]
fn the_power_goes_while_a_store_is_brought_up_to_date() {
    [ONE, TWO].into_iter().for_each(upgrade_without_power);
}

fn upgrade_without_power(format: Old) {
    let directory = old(format, "");
    let disk = Disk::watch(directory.path()).unwrap();
    let mut store = open(directory.path());
    let image = Image::of(&mut store).unwrap();
    disk.mark(1);
    drop(store);
    let mut versions = [0, 0];
    for moment in 0..=disk.moments() {
        for luck in [Luck::Bad, Luck::Good, Luck::Mixed(moment as u64)] {
            let left = TempDir::with(&disk.after_power_cut(moment, luck));
            let report = check(left.path()).unwrap();
            assert!(report.is_whole(), "moment {moment}, {luck:?}: {:?}", report.faults);
            versions[usize::from(report.version == 3)] += 1;
            assert!(
                report.version == 3 || disk.marked(moment).is_none(),
                "opened, and old again"
            );
            let mut store = SqliteStore::open(left.path(), Settings::default()).unwrap();
            assert_eq!(Image::of(&mut store).unwrap(), image, "moment {moment}, {luck:?}");
        }
    }
    assert!(versions.iter().all(|seen| *seen > 0), "both were seen: {versions:?}");
}

#[test]
fn lines_of_format_1_have_nothing_that_is_newer() {
    for newer in [
        LINES.replace("\"client_id\":\"\"", "\"client_id\":\"\",\"user\":\"carol\""),
        LINES.replace(
            "\"filter\":\"#\",\"qos\":0",
            "\"filter\":\"#\",\"qos\":0,\"replay\":\"\"",
        ),
    ] {
        let directory = TempDir::new();
        let error = import(directory.path(), newer.as_bytes()).unwrap_err();
        assert!(matches!(error, ImportError::Line { .. }), "{error}");
        assert!(error.to_string().contains("format 1 has no field"), "{error}");
        import(directory.path(), newest(&newer).as_bytes()).unwrap();
    }
    let error = import(
        TempDir::new().path(),
        LINES.replace("\"format\":1", "\"format\":3").as_bytes(),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("1 to 2 are known"), "{error}");
}

#[test]
fn users_and_replays_move_with_a_store() {
    let mut seen = String::new();
    for seed in 1..12 {
        let directory = TempDir::new();
        let mut store = open(directory.path());
        let mut work = Work::new(seed);
        work.payload = 10;
        for _ in 0..40 {
            commit(&mut store, &work.batches()).unwrap();
        }
        drop(store);
        let lines = exported(directory.path());
        let target = TempDir::new();
        import(target.path(), lines.as_bytes()).unwrap();
        assert_eq!(exported(target.path()), lines);
        seen.push_str(&lines);
    }
    for field in ["\"user\":\"user ", "\"replay\":\"\"", "\"replay\":\"f/"] {
        assert!(seen.contains(field), "{field} is in no line");
    }
}
