//! Moving: export and import give the same store, a backup is a whole one, and what is half is refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a panic is how they speak"
)]

mod common;

use burgee_store::{Batch, Op, SessionNo, Source, Store};
use burgee_store_sqlite::{ImportError, Settings, SqliteStore, TransferError, backup, check, export, import};
use common::{DATABASE, Image, TempDir, Work, commit, open};

fn filled(seed: u64, commits: usize) -> (TempDir, Image) {
    let directory = TempDir::new();
    let mut store = open(directory.path());
    let mut work = Work::new(seed);
    for _ in 0..commits {
        commit(&mut store, &work.batches()).unwrap();
    }
    let image = Image::of(&mut store).unwrap();
    assert!(image.messages() > 0);
    (directory, image)
}

fn exported(directory: &TempDir) -> String {
    let mut lines = Vec::new();
    export(directory.path(), &mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

#[test]
fn what_was_exported_and_imported_is_the_same() {
    for seed in 1..8 {
        let (directory, image) = filled(seed, 60);
        let lines = exported(&directory);
        let target = TempDir::new();
        let recovered = import(target.path(), lines.as_bytes()).unwrap();
        let mut store = open(target.path());
        assert_eq!(Image::of(&mut store).unwrap(), image.moved());
        assert_eq!(store.recover().unwrap(), recovered);
        let before = open(directory.path()).recover().unwrap();
        assert_eq!(recovered, before, "the numbers go on where they were");
        drop(store);
        assert!(check(target.path()).unwrap().is_whole());
        assert_eq!(exported(&target), lines);
    }
}

#[test]
fn an_export_is_lines_of_json_in_the_order_that_is_described() {
    let (directory, _) = filled(2, 200);
    let lines = exported(&directory);
    let kinds: Vec<String> = lines
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line.as_object().unwrap().keys().next().unwrap().clone()
        })
        .collect();
    let mut order = kinds.clone();
    order.dedup();
    assert_eq!(order, ["burgee", "session", "message", "retained", "end"]);
    assert!(lines.contains("\"base64\":") && lines.contains("\"stage\":"), "{lines}");
}

#[test]
fn text_is_text_and_bytes_are_base64() {
    let directory = TempDir::new();
    let mut store = open(directory.path());
    let retained = |topic: &str, payload: &[u8]| Op::Retained {
        stamp: 1,
        body: burgee_store::Body::of(burgee_codec::TopicName::trusted(topic), payload),
        qos: burgee_codec::QoS::AtLeastOnce,
    };
    let ops = vec![
        retained("a", "ü \"quoted\"\n".as_bytes()),
        retained("b", b"\xff\0"),
        retained("c", b""),
    ];
    let source = Source(0);
    commit(&mut store, &[Batch { source, number: 1, ops }]).unwrap();
    drop(store);
    let lines = exported(&directory);
    let wanted = [
        r#"{"retained":{"qos":1,"body":{"topic":"a","text":"ü \"quoted\"\n"}}}"#,
        r#"{"retained":{"qos":1,"body":{"topic":"b","base64":"/wA="}}}"#,
        r#"{"retained":{"qos":1,"body":{"topic":"c","text":""}}}"#,
    ];
    for line in wanted {
        assert!(lines.lines().any(|found| found == line), "{line} in {lines}");
    }
}

#[test]
fn half_an_export_is_refused_and_leaves_nothing() {
    let (directory, _) = filled(3, 40);
    let lines: Vec<String> = exported(&directory).lines().map(|line| format!("{line}\n")).collect();
    for kept in 0..lines.len() {
        let target = TempDir::new();
        let error = import(target.path(), lines[..kept].concat().as_bytes()).unwrap_err();
        assert!(
            matches!(error, ImportError::Line { line, .. } if line == kept + 1),
            "{error}"
        );
        assert!(!target.path().join(DATABASE).exists());
    }
    // A line that is missing, or that came twice, is found at the end at the latest.
    for at in 1..lines.len() - 1 {
        let mut fewer = lines.clone();
        fewer.remove(at);
        let target = TempDir::new();
        assert!(
            import(target.path(), fewer.concat().as_bytes()).is_err(),
            "without line {at}"
        );
        let mut more = lines.clone();
        more.insert(at, lines[at].clone());
        assert!(
            import(target.path(), more.concat().as_bytes()).is_err(),
            "with line {at} twice"
        );
        assert!(!target.path().join(DATABASE).exists());
    }
}

#[test]
fn lines_that_cannot_be_are_refused_with_their_number() {
    let start = r#"{"burgee":{"format":1,"next_session":9,"next_message":9}}"#;
    let session = r#"{"session":{"number":1,"client_id":"a","subscriptions":[],"received":[]}}"#;
    let body = r#""body":{"topic":"t","text":"x"}"#;
    let wrong = [
        "no json".to_owned(),
        r#"{"burgee":{"format":1,"next_session":9,"next_message":9}}"#.to_owned(),
        r#"{"unknown":{}}"#.to_owned(),
        r#"{"session":{"number":1,"client_id":"b","subscriptions":[],"received":[]}}"#.to_owned(),
        r#"{"session":{"number":2,"client_id":"b","subscriptions":[{"filter":"a/#/b","qos":1}],"received":[]}}"#
            .to_owned(),
        r#"{"session":{"number":2,"client_id":"b","subscriptions":[{"filter":"a","qos":3}],"received":[]}}"#.to_owned(),
        r#"{"session":{"number":2,"client_id":"b","subscriptions":[],"received":[0]}}"#.to_owned(),
        r#"{"session":{"number":2,"client_id":"b","subscriptions":[],"received":[],"more":1}}"#.to_owned(),
        format!(r#"{{"message":{{"number":1,"retain":false,{body},"owed_to":[]}}}}"#),
        format!(r#"{{"message":{{"number":1,"retain":false,{body},"owed_to":[{{"session":5,"qos":1}}]}}}}"#),
        format!(r#"{{"message":{{"number":0,"retain":false,{body},"owed_to":[{{"session":1,"qos":1}}]}}}}"#),
        r#"{"retained":{"qos":1,"body":{"topic":"t"}}}"#.to_owned(),
        r#"{"retained":{"qos":1,"body":{"topic":"t/#","text":""}}}"#.to_owned(),
        r#"{"retained":{"qos":1,"body":{"topic":"t","base64":"?"}}}"#.to_owned(),
    ];
    for line in wrong {
        let target = TempDir::new();
        let lines = format!("{start}\n{session}\n{line}\n");
        let error = import(target.path(), lines.as_bytes()).unwrap_err();
        assert!(matches!(error, ImportError::Line { line: 3, .. }), "{line}: {error}");
    }
}

#[test]
fn nothing_is_imported_over_a_store_nor_copied_over_one() {
    let (directory, image) = filled(4, 20);
    let (other, _) = filled(5, 20);
    let error = import(directory.path(), exported(&other).as_bytes()).unwrap_err();
    assert!(matches!(error, ImportError::Exists { .. }), "{error}");
    let error = backup(other.path(), directory.path()).unwrap_err();
    assert!(matches!(error, TransferError::Exists { .. }), "{error}");
    assert_eq!(Image::of(&mut open(directory.path())).unwrap(), image);
}

#[test]
fn a_backup_of_a_closed_store_is_the_store() {
    let (directory, image) = filled(6, 60);
    let base = TempDir::new();
    let to = base.path().join("copy");
    backup(directory.path(), &to).unwrap();
    assert!(check(&to).unwrap().is_whole());
    assert_eq!(Image::of(&mut open(&to)).unwrap(), image);
    assert_eq!(Image::of(&mut open(directory.path())).unwrap(), image);
}

#[test]
fn a_backup_of_an_open_store_is_a_whole_number_of_its_commits() {
    let directory = TempDir::new();
    let mut store = open(directory.path());
    let mut work = Work::new(7);
    work.payload = 30_000;
    for _ in 0..200 {
        commit(&mut store, &work.batches()).unwrap();
    }
    let mut images = vec![Image::of(&mut store).unwrap()];
    let base = TempDir::new();
    let to = base.path().join("copy");
    store
        .backup(&to, |store| {
            commit(store, &work.batches())?;
            images.push(Image::of(store)?);
            Ok(())
        })
        .unwrap();
    assert!(images.len() > 3, "only {} steps", images.len());
    assert!(check(&to).unwrap().is_whole());
    let found = Image::of(&mut open(&to)).unwrap();
    assert!(
        images.contains(&found),
        "the copy is none of the states while it was made"
    );
    // The store itself has gone on.
    commit(&mut store, &work.batches()).unwrap();
    let last = Image::of(&mut store).unwrap();
    drop(store);
    assert_eq!(Image::of(&mut open(directory.path())).unwrap(), last);
}

#[test]
fn a_backup_that_is_broken_off_leaves_nothing_and_harms_nobody() {
    let directory = TempDir::new();
    let mut store = open(directory.path());
    let mut work = Work::new(9);
    work.payload = 8_000;
    for _ in 0..100 {
        commit(&mut store, &work.batches()).unwrap();
    }
    let base = TempDir::new();
    let to = base.path().join("copy");
    let failure = burgee_store::Failure::new(burgee_store::Fault::Device, "enough");
    let error = store.backup(&to, |_| Err(failure.clone())).unwrap_err();
    assert!(matches!(error, TransferError::Store(found) if found == failure));
    assert!(!to.join(DATABASE).exists() && !to.join("burgee.db.new").exists());
    commit(&mut store, &work.batches()).unwrap();
}

#[test]
fn numbers_of_a_store_that_is_empty_survive_a_move() {
    let directory = TempDir::new();
    let mut store = open(directory.path());
    let session = SessionNo(41);
    let client_id = "a".into();
    let ops = vec![
        Op::SessionCreated {
            session,
            client_id,
            user: None,
        },
        Op::SessionDeleted { session },
    ];
    let source = Source(0);
    commit(&mut store, &[Batch { source, number: 1, ops }]).unwrap();
    drop(store);
    let target = TempDir::new();
    let recovered = import(target.path(), exported(&directory).as_bytes()).unwrap();
    assert_eq!(recovered.next_session, SessionNo(42));
    let mut store = SqliteStore::open(target.path(), Settings::default()).unwrap();
    assert_eq!(store.recover().unwrap().next_session, SessionNo(42));
}
