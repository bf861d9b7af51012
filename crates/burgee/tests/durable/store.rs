//! `burgee store`: what is there, out and in again, and copies, of a broker that runs and of one that does not.

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use super::support::{Folder, Serving, ack, burgee, publish, run, said};

/// `burgee store COMMAND --data DATA MORE`.
fn store(command: &str, data: &str, more: &[&str]) -> Output {
    run(&[&["store", command, "--data", data], more].concat())
}

fn printed(output: &Output) -> String {
    assert_eq!((output.status.code(), &*said(output)), (Some(0), ""));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A directory with a session that is owed two messages, and a retained message.
fn fill(folder: &Folder) -> String {
    let data = folder.join("data");
    let broker = Serving::start(&data, &[]);
    fill_broker(&broker);
    broker.stop();
    data
}

fn fill_broker(broker: &Serving) {
    let mut reader = broker.session("reader", false);
    reader.subscribe("t", 2);
    reader.leave();
    let mut writer = broker.client("writer");
    writer.publish_1("t", "one");
    writer.publish_2("t", "two");
    writer.send(&publish(0x33, "door", 5, b"open"));
    writer.expect(&ack(0x40, 5));
}

/// What [`fill`] made is there.
fn look(data: &str) {
    let broker = Serving::start(data, &["--shards", "2"]);
    let mut reader = broker.session("reader", true);
    let mut taken = reader.take_all(2);
    taken.sort_by_key(|(_, qos, _)| *qos);
    assert_eq!(taken[0], ("t".to_owned(), 1, "one".to_owned()));
    assert_eq!(taken[1], ("t".to_owned(), 2, "two".to_owned()));
    let mut visitor = broker.client("visitor");
    visitor.subscribe("door", 1);
    assert_eq!(visitor.take(), ("door".to_owned(), 1, "open".to_owned()));
    broker.stop();
}

#[test]
fn check_says_what_is_there_and_changes_nothing() {
    let folder = Folder::new();
    let data = fill(&folder);
    let said = printed(&store("check", &data, &[]));
    for part in ["1 session", "2 messages", "1 retained"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(printed(&store("check", &data, &[])), said);
    look(&data);
}

#[test]
fn check_finds_what_is_not_whole() {
    let folder = Folder::new();
    let data = fill(&folder);
    // In the middle of the largest file.
    let files = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path());
    let largest = files.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let third = bytes.len() / 3;
    bytes[third..2 * third].fill(0xA5);
    fs::write(&largest, bytes).unwrap();
    let output = store("check", &data, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).starts_with("burgee store: "), "{}", said(&output));
}

#[test]
fn what_is_exported_can_be_imported() {
    let folder = Folder::new();
    let data = fill(&folder);
    let lines = printed(&store("export", &data, &[]));
    assert!(
        lines.lines().count() >= 4 && lines.lines().all(|line| line.starts_with('{')),
        "{lines}"
    );
    // Through a file.
    let file = folder.join("lines");
    assert_eq!(printed(&store("export", &data, &[&file])), "");
    assert_eq!(fs::read_to_string(&file).unwrap(), lines);
    let output = store("export", &data, &[&file]);
    assert_eq!(output.status.code(), Some(2), "the file is there");
    printed(&store("import", &folder.join("second"), &[&file]));
    look(&folder.join("second"));
    // Through standard input.
    let mut child = burgee(&["store", "import", "--data", &folder.join("third")])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    look(&folder.join("third"));
    // Not on top of what is there.
    let output = store("import", &data, &[&file]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    look(&data);
}

#[test]
fn lines_that_are_no_export_are_refused_by_number() {
    let folder = Folder::new();
    let file = folder.join("lines");
    fs::write(&file, "{\"hello\":1}\n").unwrap();
    let output = store("import", &folder.join("data"), &[&file]);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{}", said(&output));
    assert!(said(&output).contains("line 1"), "{}", said(&output));
    let output = store("import", &folder.join("data"), &[&folder.join("nothing")]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn a_backup_is_written_whether_the_broker_runs_or_not() {
    let folder = Folder::new();
    let data = folder.join("data");
    let broker = Serving::start(&data, &["--shards", "3"]);
    fill_broker(&broker);
    printed(&store("backup", &data, &[&folder.join("first")]));
    broker.session("later", false).ping();
    broker.stop();
    printed(&store("backup", &data, &[&folder.join("second")]));
    for copy in ["first", "second"] {
        printed(&store("check", &folder.join(copy), &[]));
        look(&folder.join(copy));
    }
    let output = store("backup", &data, &[&folder.join("second")]);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{}", said(&output));
}

#[test]
fn a_backup_of_a_killed_broker_needs_no_broker() {
    let folder = Folder::new();
    let data = folder.join("data");
    let broker = Serving::start(&data, &[]);
    fill_broker(&broker);
    broker.kill();
    printed(&store("backup", &data, &[&folder.join("copy")]));
    look(&folder.join("copy"));
    look(&data);
}

#[test]
fn a_relative_path_is_the_callers_not_the_brokers() {
    let folder = Folder::new();
    let data = folder.join("data");
    let broker = Serving::start(&data, &[]);
    let output = burgee(&["store", "backup", "--data", &data, "copy"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    printed(&output);
    assert!(folder.path().join("copy").exists());
    broker.stop();
}

#[test]
fn a_broker_that_runs_keeps_others_out() {
    let folder = Folder::new();
    let data = folder.join("data");
    let broker = Serving::start(&data, &[]);
    for command in ["check", "export"] {
        let output = store(command, &data, &[]);
        assert_eq!(output.status.code(), Some(1), "{command}: {}", said(&output));
        assert!(said(&output).contains("in use"), "{command}: {}", said(&output));
    }
    broker.stop();
}

#[test]
fn a_directory_that_is_not_there_is_not_made() {
    let folder = Folder::new();
    for (command, more) in [("check", &[][..]), ("export", &[]), ("backup", &["/nowhere/at/all"])] {
        let output = store(command, &folder.join("data"), more);
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{command}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains(&folder.join("data")),
            "{command}: {}",
            said(&output)
        );
    }
    assert_eq!(folder.names(), [""; 0]);
}
