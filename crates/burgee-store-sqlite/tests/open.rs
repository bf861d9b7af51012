//! Opening: what is made, who is kept out, and what is said where it does not go.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a panic is how they speak"
)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use burgee_store::Store;
use burgee_store_sqlite::{FormatNumber, OpenError, Settings, SqliteStore, check, format_of};
use common::{DATABASE, Image, LOG, TempDir, Work, commit, files, open};

fn refused(directory: &Path) -> OpenError {
    SqliteStore::open(directory, Settings::default()).map(drop).unwrap_err()
}

#[test]
fn a_directory_is_made_with_all_above_it_for_its_owner_alone() {
    let base = TempDir::new();
    let directory = base.path().join("a/b/store");
    let mut store = open(&directory);
    commit(&mut store, &Work::new(1).batches()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        for name in [DATABASE, LOG, "burgee.lock"] {
            assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
        }
    }
    drop(store);
    let names = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [DATABASE, "burgee.lock"], "closed in peace, the log is gone");
}

#[test]
fn what_was_kept_is_there_when_it_is_opened_again() {
    let directory = TempDir::new();
    let mut work = Work::new(4);
    let mut store = open(directory.path());
    for _ in 0..100 {
        commit(&mut store, &work.batches()).unwrap();
    }
    let before = Image::of(&mut store).unwrap();
    let numbers = store.recover().unwrap();
    drop(store);
    let mut store = open(directory.path());
    assert_eq!(Image::of(&mut store).unwrap(), before);
    assert_eq!(store.recover().unwrap(), numbers);
}

#[test]
fn a_store_that_is_open_is_refused_to_others_until_it_is_closed() {
    let directory = TempDir::new();
    let store = open(directory.path());
    let process = Some(std::process::id());
    let path = directory.path().to_owned();
    let locked = OpenError::Locked { path, process };
    assert_eq!(refused(directory.path()), locked);
    assert_eq!(check(directory.path()), Err(locked));
    drop(store);
    assert!(check(directory.path()).unwrap().is_whole());
    open(directory.path());
}

/// No test but what another process runs for the next one.
#[test]
fn holds_a_store_for_another_process_if_it_is_told_to() {
    let Some(directory) = std::env::var_os("BURGEE_TEST_HOLDS") else {
        return;
    };
    let _store = open(Path::new(&directory));
    println!("\nheld");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_store_that_another_process_has_open_is_refused_and_free_after_it_died() {
    let directory = TempDir::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "holds_a_store_for_another_process_if_it_is_told_to",
            "--nocapture",
        ])
        .env("BURGEE_TEST_HOLDS", directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        said.any(|line| line.unwrap() == "held"),
        "the other process holds the store"
    );
    let error = refused(directory.path());
    let process = Some(child.id());
    let path = directory.path().to_owned();
    assert_eq!(error, OpenError::Locked { path, process });
    assert!(error.to_string().contains("stop the other one first"), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    open(directory.path());
}

#[test]
fn what_is_no_directory_is_refused() {
    let base = TempDir::new();
    let file = base.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let path = file.clone();
    assert_eq!(refused(&file), OpenError::NotADirectory { path });
    let error = refused(&file.join("below"));
    assert!(matches!(error, OpenError::NotADirectory { .. }), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
}

#[cfg(unix)]
#[test]
fn what_the_user_may_not_use_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let base = TempDir::new();
    let shut = base.path().join("shut");
    std::fs::create_dir(&shut).unwrap();
    std::fs::set_permissions(&shut, PermissionsExt::from_mode(0o500)).unwrap();
    if std::fs::write(shut.join("probe"), "").is_ok() {
        // Whoever runs this may do anything: nothing is refused to that user.
        return;
    }
    for directory in [shut.clone(), shut.join("below")] {
        let error = refused(&directory);
        assert!(matches!(error, OpenError::NoPermission { .. }), "{error}");
    }
    std::fs::set_permissions(&shut, PermissionsExt::from_mode(0o700)).unwrap();
}

/// Changes a number in the header of a closed database.
fn with_number(at: usize, number: u32) -> TempDir {
    let directory = TempDir::new();
    drop(open(directory.path()));
    let path = directory.path().join(DATABASE);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    directory
}

#[test]
fn a_newer_format_is_refused_and_not_touched() {
    let directory = with_number(60, 7);
    let before = files(directory.path());
    let error = refused(directory.path());
    assert!(matches!(error, OpenError::Newer { found: 7, known: 3, .. }), "{error}");
    assert!(error.to_string().contains("written by a newer burgee"), "{error}");
    assert_eq!(files(directory.path())[DATABASE], before[DATABASE]);
}

#[test]
fn a_database_of_something_else_is_refused_and_not_touched() {
    let directory = with_number(68, 0x1234);
    assert!(matches!(refused(directory.path()), OpenError::NotAStore { .. }));
    let directory = TempDir::new();
    let path = directory.path().join(DATABASE);
    std::fs::write(&path, "no database at all\n".repeat(300)).unwrap();
    assert!(matches!(refused(directory.path()), OpenError::NotAStore { .. }));
    assert!(std::fs::read(&path).unwrap().starts_with(b"no database at all"));
}

#[test]
fn a_beginning_that_was_cut_off_is_begun_again() {
    let directory = TempDir::new();
    std::fs::write(directory.path().join("burgee.db.new"), "half").unwrap();
    std::fs::write(directory.path().join("burgee.db.new-journal"), "half").unwrap();
    let mut store = open(directory.path());
    assert_eq!(store.recover().unwrap().sessions, 0);
    assert!(!directory.path().join("burgee.db.new").exists());
}

#[test]
fn a_check_makes_nothing() {
    let base = TempDir::new();
    let directory = base.path().join("none");
    let path = directory.clone();
    assert_eq!(check(&directory), Err(OpenError::Missing { path }));
    assert!(!directory.exists());
    std::fs::create_dir(&directory).unwrap();
    let path = directory.clone();
    assert_eq!(check(&directory), Err(OpenError::Missing { path }));
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}

#[test]
fn a_check_reads_the_log_of_a_process_that_died_and_leaves_it() {
    let directory = TempDir::new();
    let mut store = open(directory.path());
    let mut work = Work::new(8);
    for _ in 0..30 {
        commit(&mut store, &work.batches()).unwrap();
    }
    let numbers = store.recover().unwrap();
    let left = TempDir::with(&files(directory.path()));
    let before = files(left.path());
    let report = check(left.path()).unwrap();
    assert!(report.is_whole(), "{:?}", report.faults);
    assert_eq!(
        (report.sessions, report.messages, report.message_bytes, report.retained),
        (
            numbers.sessions,
            numbers.messages,
            numbers.message_bytes,
            numbers.retained
        )
    );
    // Numbers that may have been used are not used again.
    assert!(report.next_message >= numbers.next_message);
    assert_eq!(files(left.path()), before);
    assert_eq!(std::fs::read_dir(left.path()).unwrap().count(), 2, "no file was made");
}

#[test]
fn the_format_is_told_while_the_store_is_open_and_also_of_one_from_the_future() {
    let directory = TempDir::new();
    assert_eq!(format_of(directory.path()).unwrap(), None);
    let store = open(directory.path());
    let now = FormatNumber { found: 3, known: 3 };
    assert_eq!(format_of(directory.path()).unwrap(), Some(now));
    drop(store);
    let path = directory.path().join(DATABASE);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[63] = 9;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(
        format_of(directory.path()).unwrap(),
        Some(FormatNumber { found: 9, ..now })
    );
    bytes[68] = 0;
    std::fs::write(&path, &bytes).unwrap();
    assert!(format_of(directory.path()).is_err(), "somebody else's database");
}
