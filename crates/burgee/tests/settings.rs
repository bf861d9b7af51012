//! Settings as processes see them: files, variables and flags of `serve`, `check config` and `config show`.

#![allow(
    clippy::unwrap_used,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of this test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("burgee-settings-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn burgee(words: &[&str], file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burgee"));
    command
        .args(words)
        .arg(file)
        .env_remove("BURGEE_CONFIG")
        .env_remove("BURGEE_DATA");
    command
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const WRONG: &str = "[session]\nwindw = 3\n[limits]\nmemory = \"1TB\"\n";

#[test]
fn check_config_tells_all_that_is_wrong_and_says_so_by_its_exit_code() {
    let folder = Folder::new("check");
    let wrong = folder.write("wrong.toml", WRONG);
    let (code, out, err) = said(&burgee(&["check", "config"], &wrong).output().unwrap());
    assert_eq!((code, &*out), (Some(1), ""), "{err}");
    let place = |at| format!("{}:{at}: error: ", wrong.display());
    assert!(
        err.contains("2 errors") && err.contains(&place("2:1")) && err.contains(&place("4:10")),
        "{err}"
    );

    let right = folder.write("right.toml", "[session]\nwindow = 3\n");
    let (code, out, err) = said(&burgee(&["check", "config"], &right).output().unwrap());
    assert_eq!(
        (code, &*out, &*err),
        (Some(0), &*format!("{}: can be used\n", right.display()), "")
    );

    // The environment counts as it does for serve.
    let mut command = burgee(&["check", "config"], &right);
    let (code, _, err) = said(&command.env("BURGEE_SESSION_WINDOW", "0").output().unwrap());
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("environment variable BURGEE_SESSION_WINDOW"), "{err}");

    let (code, _, err) = said(&burgee(&["check", "config"], &folder.0.join("none")).output().unwrap());
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("there is no such file"), "{err}");
}

#[test]
fn serve_starts_nothing_with_a_wrong_file() {
    let folder = Folder::new("wrong");
    let wrong = folder.write("wrong.toml", &format!("{WRONG}[store]\ndirectory = 'data'\n"));
    let (code, out, err) = said(&burgee(&["serve", "--config"], &wrong).output().unwrap());
    assert_eq!((code, &*out), (Some(2), ""), "{err}");
    assert!(
        err.contains("nothing was started") && err.contains("did you mean window?"),
        "{err}"
    );
    assert!(!folder.0.join("data").exists());
}

#[test]
fn serve_takes_the_file_and_says_which() {
    let folder = Folder::new("serve");
    let file = folder.write(
        "burgee.toml",
        "[[listener]]\nurl = 'tcp://127.0.0.1:0'\n[store]\ndirectory = 'data'\n[broker]\ngrace = 0\n",
    );
    // Not from where the file is: its paths are relative to itself.
    let mut command = burgee(&["serve", "--config"], &file);
    command.current_dir("/").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let ended = Command::new("kill")
        .args(["-s", "TERM", &child.id().to_string()])
        .status()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let (code, _, log) = said(&output);
    assert!(
        ended.success() && line.starts_with("listening on tcp://127.0.0.1:"),
        "{line}{log}"
    );
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(&format!("settings are from {}", file.display())), "{log}");
    assert!(folder.0.join("data").is_dir());
}

#[test]
fn config_show_says_what_holds_and_why() {
    let folder = Folder::new("show");
    let file = folder.write("burgee.toml", "[session]\nwindow = 3\nqueue_bytes = '1MiB'\n");
    let mut command = burgee(&["config", "show", "--window", "4", "--config"], &file);
    let (code, out, err) = said(&command.env("BURGEE_LIMITS_MEMORY", "1GiB").output().unwrap());
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    for line in [
        "session.window = 4  # --window\n",
        &format!("session.queue_bytes = \"1MiB\"  # {}:3\n", file.display()),
        "limits.memory = \"1GiB\"  # environment variable BURGEE_LIMITS_MEMORY\n",
        "session.queue_policy = \"drop-newest\"  # default\n",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    // What was shown is a file that means the same.
    let shown = folder.write("shown.toml", &out);
    let (code, again, err) = said(&burgee(&["config", "show", "--config"], &shown).output().unwrap());
    assert_eq!(code, Some(0), "{err}");
    let values = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split("  # ").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(values(&again), values(&out));
}

/// A running broker whose log is read as it is written.
struct Serving {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    log: Receiver<String>,
}

impl Serving {
    fn start(file: &Path) -> Self {
        let mut command = burgee(&["serve", "--config"], file);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (send, log) = channel();
        thread::spawn(move || {
            for line in BufReader::new(err).lines() {
                // Nobody asks any more where a test failed.
                drop(send.send(line.unwrap()));
            }
        });
        let out = BufReader::new(out);
        Self { child, out, log }
    }

    /// Where the next listener is.
    fn address(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim().strip_prefix("listening on tcp://").unwrap().to_owned()
    }

    /// The log up to the line that has this in it.
    fn log_until(&self, word: &str) -> String {
        let mut log = String::new();
        while !log.contains(word) {
            let line = self.log.recv_timeout(PATIENCE);
            log.push_str(&line.unwrap_or_else(|error| panic!("no {word:?}: {error}\n{log}")));
            log.push('\n');
        }
        log
    }

    fn reload(&self) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", "HUP", &id])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client that is connected.
fn client(address: &str, id: u8) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(&[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, id])
        .unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
    stream
}

/// It is still served.
fn ping(stream: &mut TcpStream) {
    stream.write_all(&[0xC0, 0]).unwrap();
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0xD0, 0]);
}

const TWO: &str = "[[listener]]\nurl = 'tcp://127.0.0.1:0'\n[[listener]]\nurl = 'tcp://localhost:0'\n";
const ONE: &str = "[[listener]]\nurl = 'tcp://127.0.0.1:0'\n";
const MEMORY: &str = "[store]\ndurability = 'memory'\n";

#[test]
fn sighup_takes_over_what_changed_and_says_so() {
    let folder = Folder::new("reload");
    let file = folder.write("burgee.toml", &format!("{TWO}{MEMORY}[session]\nwindow = 5\n"));
    let mut serving = Serving::start(&file);
    let (first, second) = (serving.address(), serving.address());
    let (mut stays, mut goes) = (client(&first, b's'), client(&second, b'g'));
    folder.write(
        "burgee.toml",
        &format!("{ONE}{MEMORY}[session]\nwindow = 6\n[broker]\nshards = 2\n[log]\nlevel = 'debug'\n"),
    );
    serving.reload();
    let log = serving.log_until("settings are taken over");
    for line in [
        "changed: session.window: 5 -> 6",
        "changed: log.level: \"info\" -> \"debug\"",
        "changed, but needs a restart: broker.shards: 1 -> 2",
        "changed: listener \"tcp://localhost:0\" url: \"tcp://localhost:0\" -> (none)",
        "disconnected: its listener was removed from the settings",
        "1 connections closed",
    ] {
        assert!(log.contains(line), "{line}\n{log}");
    }
    assert!(log.contains("client=g") && !log.contains("client=s"), "{log}");
    assert_eq!(goes.read(&mut [0; 1]).unwrap(), 0);
    ping(&mut stays);
    // The new level counts.
    drop(client(&first, b'n'));
    serving.log_until("connected client=n");
    // What waits for a restart is told until then, and nothing else.
    serving.reload();
    let log = serving.log_until("settings are taken over");
    assert!(
        log.contains("1 changed") && log.contains("needs a restart: broker.shards: 1 -> 2"),
        "{log}"
    );
}

#[test]
fn a_bad_file_leaves_everything_as_it_was() {
    let folder = Folder::new("bad");
    let good = format!("{TWO}{MEMORY}[session]\nwindow = 5\n");
    let file = folder.write("burgee.toml", &good);
    let mut serving = Serving::start(&file);
    let (first, second) = (serving.address(), serving.address());
    let mut clients = [client(&first, b'a'), client(&second, b'b')];
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let bad = [
        ("unknown key", format!("{ONE}{MEMORY}[session]\nwindw = 6\n")),
        ("is out of range", format!("{ONE}{MEMORY}[session]\nwindow = 0\n")),
        ("this is not TOML", format!("{ONE}{MEMORY}[session\n")),
        ("this is not TOML", "\u{0}".to_owned()),
        (
            "is listened on twice",
            format!("{MEMORY}{0}{0}", ONE.replace(":0", ":7")),
        ),
        (
            "another program has it",
            format!("{MEMORY}{ONE}{}", ONE.replace(":0", &format!(":{port}"))),
        ),
        (
            "does not have the address",
            format!(
                "{MEMORY}{ONE}{}allow_anonymous = true\n",
                ONE.replace("127.0.0.1", "192.0.2.1")
            ),
        ),
    ];
    for (why, text) in bad {
        folder.write("burgee.toml", &text);
        serving.reload();
        let log = serving.log_until("everything is as it was");
        let log = if log.contains(why) {
            log
        } else {
            log + &serving.log_until(why)
        };
        assert!(!log.contains("changed"), "{log}");
    }
    fs::write(&file, b"\xff\n").unwrap();
    serving.reload();
    serving.log_until("line 1 is not UTF-8");
    fs::remove_file(&file).unwrap();
    serving.reload();
    serving.log_until("there is no such file");
    // Nobody was disconnected, and the settings are those of the start.
    folder.write("burgee.toml", &good);
    serving.reload();
    let log = serving.log_until("settings are taken over");
    assert!(log.contains("0 changed, 0 connections closed"), "{log}");
    for client in &mut clients {
        ping(client);
    }
    ping(&mut client(&second, b'c'));
}

#[test]
fn a_reload_that_is_asked_for_says_what_came_of_it() {
    let folder = Folder::new("asked");
    let data = folder.0.join("data");
    let store = format!("[store]\ndurability = 'write'\ndirectory = '{}'\n", data.display());
    let file = folder.write("burgee.toml", &format!("{ONE}{store}[session]\nwindow = 5\n"));
    let ask = || said(&burgee(&["reload", "--data"], &data).output().unwrap());
    let (code, _, errors) = ask();
    assert!(code == Some(1) && errors.contains("no broker runs"), "{errors}");
    let mut serving = Serving::start(&file);
    let mut stays = client(&serving.address(), b's');
    folder.write("burgee.toml", &format!("{ONE}{store}[session]\nwindow = 6\n"));
    let (code, text, errors) = ask();
    assert_eq!((code, &*errors), (Some(0), ""), "{text}");
    assert!(text.contains("changed: session.window: 5 -> 6\n"), "{text}");
    assert!(text.contains("1 changed, 0 connections closed"), "{text}");
    folder.write(
        "burgee.toml",
        &format!("{ONE}{store}[session]\nwindow = 0\nwindw = 1\n"),
    );
    let (code, text, errors) = ask();
    assert!(
        code == Some(1) && errors.contains("everything is as it was"),
        "{errors}"
    );
    assert!(text.contains("burgee.toml:7") && text.contains("window"), "{text}");
    ping(&mut stays);
    serving.log_until("everything is as it was");
}

#[test]
fn a_broker_that_refused_a_bad_file_counts_as_running() {
    let folder = Folder::new("probe");
    let data = folder.0.join("data");
    let good = format!("{ONE}[store]\ndirectory = {:?}\n", data.to_str().unwrap());
    let file = folder.write("burgee.toml", &good);
    let mut serving = Serving::start(&file);
    serving.address();
    let probe = |words: &[&str], named: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_burgee"));
        command
            .args(["doctor", "--running"])
            .args(words)
            .env_remove("BURGEE_DATA");
        command.envs(named.map(|named| ("BURGEE_DATA", named)));
        said(&command.output().unwrap())
    };
    let (file, data) = (file.to_str().unwrap(), data.as_path());
    let (code, out, _) = probe(&[file], None);
    assert_eq!(code, Some(0), "{out}");
    folder.write("burgee.toml", "nonsense = 1\n");
    serving.reload();
    serving.log_until("everything is as it was");
    let (code, out, _) = probe(&["--data", data.to_str().unwrap()], None);
    assert_eq!(code, Some(0), "{out}");
    let (code, out, _) = probe(&[], Some(data));
    assert_eq!(code, Some(0), "{out}");
    // Without the directory only the file can say where to ask.
    let (code, out, _) = probe(&[file], None);
    assert_eq!(code, Some(1), "{out}");
    let (code, out, _) = probe(&["--data", folder.0.to_str().unwrap()], Some(data));
    assert!(code == Some(1) && out.contains("no broker runs on"), "{out}");
}
