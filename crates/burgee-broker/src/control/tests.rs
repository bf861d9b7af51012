//! The socket with a keeper's tray behind it, but no keeper: the test answers.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, thread};

use super::*;
use crate::config::AcceptLimits;
use crate::door::Doors;
use crate::keeper::Tray;
use crate::mail::Hub;

const LIMIT: Duration = Duration::from_secs(20);

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "burgee-control-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn start(folder: &Folder) -> (Control, Arc<Tray>) {
    let (control, tray, _hub) = start_with_shard(folder);
    (control, tray)
}

/// With a shard that goes round when the test says so.
fn start_with_shard(folder: &Folder) -> (Control, Arc<Tray>, Arc<Hub>) {
    let tray = Arc::new(Tray::default());
    let poll = mio::Poll::new().unwrap();
    let wakers = vec![mio::Waker::new(poll.registry(), mio::Token(0)).unwrap()];
    let doors = Doors::new(Vec::new(), usize::MAX, AcceptLimits::default());
    let hub = Arc::new(Hub::new(wakers, 1024, doors));
    let control = Control::start(&folder.0, Arc::clone(&tray), Arc::clone(&hub)).unwrap();
    (control, tray, hub)
}

/// Answers the next wish for a copy.
fn answer(tray: &Arc<Tray>, with: impl FnOnce(&Path) -> Result<(), String> + Send + 'static) {
    let tray = Arc::clone(tray);
    thread::spawn(move || tray.answer_next_copy(with));
}

fn talk(folder: &Folder, request: &[u8]) -> String {
    let mut client = UnixStream::connect(socket_path(&folder.0)).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.write_all(request).unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn a_backup_is_asked_for_and_its_outcome_comes_back() {
    let folder = Folder::new();
    let (mut control, tray) = start(&folder);
    answer(&tray, |to| {
        assert_eq!(to, Path::new("/there/it is"));
        Ok(())
    });
    let asked = ask_for_backup(&folder.0, Path::new("/there/it is"));
    assert_eq!(asked, Asked::Done);
    answer(&tray, |_| Err("no\nroom".to_owned()));
    assert_eq!(
        ask_for_backup(&folder.0, Path::new("/x")),
        Asked::Failed("noroom".to_owned())
    );
    control.end();
    assert_eq!(ask_for_backup(&folder.0, Path::new("/x")), Asked::NobodyThere);
}

#[test]
fn a_sign_of_life_needs_a_round_of_every_shard_also_during_a_backup() {
    let folder = Folder::new();
    let (mut control, tray, hub) = start_with_shard(&folder);
    let path = folder.0.clone();
    let backup = thread::spawn(move || ask_for_backup(&path, Path::new("/x")));
    while !tray.has_wishes() {
        thread::yield_now();
    }
    let path = folder.0.clone();
    let asker = thread::spawn(move || ask_whether_alive(&path));
    while !asker.is_finished() {
        hub.went_round(0);
        thread::yield_now();
    }
    assert_eq!(asker.join().unwrap(), Asked::Done);
    let second = ask_for_backup(&folder.0, Path::new("/y"));
    assert_eq!(
        second,
        Asked::Failed("another request is worked on, perhaps a backup".to_owned())
    );
    answer(&tray, |_| Ok(()));
    assert_eq!(backup.join().unwrap(), Asked::Done);
    // Nobody goes round any more.
    let failed = ask_whether_alive(&folder.0);
    let why = "a thread that serves clients does not go on";
    assert_eq!(failed, Asked::Failed(why.to_owned()));
    control.end();
    assert_eq!(ask_whether_alive(&folder.0), Asked::NobodyThere);
}

#[test]
fn a_socket_that_a_killed_broker_left_is_nobody_and_is_replaced() {
    let folder = Folder::new();
    drop(std::os::unix::net::UnixListener::bind(socket_path(&folder.0)).unwrap());
    assert!(socket_path(&folder.0).exists());
    assert_eq!(ask_for_backup(&folder.0, Path::new("/x")), Asked::NobodyThere);
    let (mut control, tray) = start(&folder);
    answer(&tray, |_| Ok(()));
    assert_eq!(ask_for_backup(&folder.0, Path::new("/x")), Asked::Done);
    control.end();
}

#[test]
fn a_reload_is_asked_for_and_what_is_said_about_it_comes_back() {
    let folder = Folder::new();
    let (mut control, _tray) = start(&folder);
    let (said, asked) = ask_for_reload(&folder.0);
    assert!(
        said.is_empty() && matches!(&asked, Asked::Failed(why) if why.contains("no settings")),
        "{asked:?}"
    );
    let mut count = 0;
    control.hear_wishes(Box::new(move |wish: ReloadWish| {
        count += 1;
        match count {
            1 => wish.answer(vec!["changed: a".to_owned(), "two\nlines".to_owned()], Ok(())),
            2 => wish.answer(Vec::new(), Err("line 7 is wrong".to_owned())),
            _ => drop(wish),
        }
    }));
    let said = ["changed: a", "twolines"].map(str::to_owned).to_vec();
    assert_eq!(ask_for_reload(&folder.0), (said, Asked::Done));
    assert_eq!(
        ask_for_reload(&folder.0),
        (Vec::new(), Asked::Failed("line 7 is wrong".to_owned()))
    );
    assert!(matches!(ask_for_reload(&folder.0).1, Asked::Failed(why) if why.contains("ends")));
    control.end();
    assert_eq!(ask_for_reload(&folder.0).1, Asked::NobodyThere);
}

#[test]
fn what_is_no_request_is_refused_or_let_go_of() {
    let folder = Folder::new();
    let (mut control, _tray) = start(&folder);
    for bad in [&b"hello\n"[..], b"backup here\n", b"\n", b"backup\n", b"reload now\n"] {
        assert!(talk(&folder, bad).starts_with("failed no such request"), "{bad:?}");
    }
    // More than a line can have: it is not read to its end.
    let mut client = UnixStream::connect(socket_path(&folder.0)).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    drop(client.write_all(&vec![b'x'; 3 * LINE]));
    assert!(matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)));
    control.end();
}

#[test]
fn a_wish_that_the_broker_does_not_live_to_fulfil_fails() {
    let folder = Folder::new();
    let (mut control, tray) = start(&folder);
    let path = folder.0.clone();
    let asker = thread::spawn(move || ask_for_backup(&path, Path::new("/x")));
    // Nobody answers the wish: once it lies there, the end comes.
    while !tray.has_wishes() {
        thread::yield_now();
    }
    control.end();
    assert_eq!(asker.join().unwrap(), Asked::Failed("the broker ends".to_owned()));
}

#[test]
fn paths_that_do_not_fit_into_a_line_are_not_asked_for() {
    let folder = Folder::new();
    let (mut control, _tray) = start(&folder);
    for path in ["here", "/a\nb", &"/x".repeat(LINE)] {
        assert!(
            matches!(ask_for_backup(&folder.0, Path::new(path)), Asked::Failed(_)),
            "{path:.10}"
        );
    }
    control.end();
}
