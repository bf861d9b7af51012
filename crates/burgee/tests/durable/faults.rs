//! What the broker does when it cannot keep what it should.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::{Folder, Serving, burgee, publish, publish_0, run, said, serve};

#[test]
fn a_second_broker_on_the_same_directory_is_refused_and_harms_nobody() {
    let folder = Folder::new();
    let data = folder.join("data");
    let first = Serving::start(&data, &[]);
    let mut session = first.session("s", false);
    let second = run(&serve(&data, &[]));
    let said = said(&second);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(second.stdout.is_empty() && said.contains(&data), "{said}");
    assert!(said.contains("in use") && said.contains("stop the other one"), "{said}");
    session.subscribe("t", 1);
    first.stop();
}

#[test]
fn a_directory_that_cannot_be_had_is_refused_with_the_way_out() {
    let folder = Folder::new();
    fs::write(folder.path().join("file"), "x").unwrap();
    let mut places = vec![folder.join("file"), folder.join("file/below")];
    if !is_root() {
        let locked = folder.path().join("locked");
        fs::create_dir(&locked).unwrap();
        let read_only = std::os::unix::fs::PermissionsExt::from_mode(0o500);
        fs::set_permissions(&locked, read_only).unwrap();
        places.push(folder.join("locked"));
    }
    for place in places {
        let output = run(&serve(&place, &[]));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(output.stdout.is_empty() && said.contains(&place), "{said}");
        assert!(said.contains("ERROR") && !said.contains("panicked"), "{said}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "x");
}

#[test]
fn what_is_made_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let data = folder.path().join("data");
    let broker = Serving::start(data.to_str().unwrap(), &[]);
    broker.session("s", false).ping();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let entries: Vec<_> = fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(entries.iter().any(|path| path.ends_with("control.sock")), "{entries:?}");
    for path in entries {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    broker.stop();
    assert!(!data.join("control.sock").exists());
}

/// The files of this broker, or of one that it is started by, cannot become larger than so many KiB.
fn with_small_files(data: &str, kib: u32) -> Command {
    let mut shell = Command::new("sh");
    // In POSIX the unit is 512 bytes; a program that ignores the signal gets an error instead.
    let limits = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib * 2);
    shell.args(["-c", &limits, env!("CARGO_BIN_EXE_burgee")]);
    shell.args(serve(data, &["--sys-interval", "1"]));
    shell
}

/// Fills the store until it fails. How many messages were acknowledged.
fn fill(broker: &Serving) -> usize {
    let mut writer = broker.client("writer");
    let payload = [b'x'; 4000];
    for number in 0..u16::MAX {
        let payload = [format!("{number} ").as_bytes(), &payload].concat();
        writer.send(&publish(0x32, "t", number + 1, &payload));
        // A broker that cannot keep the message closes the connection.
        let Some(answer) = writer.next() else {
            return usize::from(number);
        };
        let [high, low] = (number + 1).to_be_bytes();
        assert_eq!(answer, [0x40, high, low]);
    }
    panic!("the store never failed");
}

/// QoS 0 goes on, and everybody can know what happened.
fn look_at_failed(broker: &Serving, data: &str) {
    broker.says("the store failed");
    let log = broker.log();
    assert!(log.contains("ERROR") && log.contains(data), "{log}");
    assert_eq!(log.matches("the store failed").count(), 1, "{log}");
    let mut reader = broker.client("live");
    reader.subscribe("live", 0);
    let mut writer = broker.client("other");
    writer.send(&publish_0(0x30, "live", b"still here"));
    assert_eq!(reader.take(), ("live".to_owned(), 0, "still here".to_owned()));
    let mut watcher = broker.client("watcher");
    watcher.subscribe(FAILED, 0);
    loop {
        let (topic, _, value) = watcher.take();
        assert_eq!(topic, FAILED);
        if value == "1" {
            break;
        }
    }
}

const FAILED: &str = "$SYS/broker/burgee/store/failed";

/// Everything that was acknowledged is there, and at most one message more: the one that was in doubt.
fn look_after(data: &str, acknowledged: usize) {
    let broker = Serving::start(data, &[]);
    let mut reader = broker.session("reader", true);
    for number in 0..acknowledged {
        let (_, qos, payload) = reader.take();
        assert!(
            qos == 1 && payload.starts_with(&format!("{number} ")),
            "{number}: {}",
            &payload[..10]
        );
    }
    reader.leave();
    let mut writer = broker.client("writer");
    writer.publish_1("t", "again");
    broker.stop();
}

fn prepare(broker: &Serving) {
    let mut reader = broker.session("reader", false);
    reader.subscribe("t", 1);
    reader.leave();
}

#[test]
fn a_file_that_cannot_grow_stops_acknowledgements_and_nothing_else() {
    let folder = Folder::new();
    let data = folder.join("data");
    let broker = Serving::of(with_small_files(&data, 1024));
    prepare(&broker);
    let acknowledged = fill(&broker);
    assert!(acknowledged > 10, "{acknowledged}");
    look_at_failed(&broker, &data);
    let (status, log) = broker.end();
    assert!(status.success(), "{log}");
    look_after(&data, acknowledged);
}

/// A small file system, gone with the test. None where we may not make one.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(path: &'a Path, options: &str) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(path)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(path))
    }

    fn change(&self, options: &str) {
        let options = format!("remount,{options}");
        let changed = Command::new("mount").args(["-o", &options]).arg(self.0).status();
        assert!(changed.unwrap().success());
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0).status());
    }
}

#[test]
fn a_full_disk_stops_acknowledgements_and_nothing_else() {
    let folder = Folder::new();
    let place = folder.path().join("small");
    let Some(small) = Small::mount(&place, "size=2m") else {
        println!("SKIPPED: no file system can be mounted here, so none can be full");
        return;
    };
    let data = folder.join("small/data");
    let broker = Serving::of(burgee(&serve(&data, &["--sys-interval", "1"])));
    prepare(&broker);
    let acknowledged = fill(&broker);
    assert!(acknowledged > 10, "{acknowledged}");
    look_at_failed(&broker, &data);
    assert!(broker.log().contains("make room"), "{}", broker.log());
    broker.kill();
    small.change("size=64m");
    look_after(&data, acknowledged);
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}
