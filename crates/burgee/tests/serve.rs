//! The `burgee serve` command as a process: what it prints, how it ends, and that it survives the want of files.

#![allow(
    clippy::unwrap_used,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01";
const CONNACK: [u8; 4] = [0x20, 2, 0, 0];

/// A running broker; killed if a test fails before it ends.
struct Serving {
    child: Child,
    address: SocketAddr,
    /// What it logged, once it has ended.
    log: Receiver<String>,
}

impl Serving {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on tcp://")
            .unwrap()
            .parse()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let (ended, log) = channel();
        thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            // Nobody asks for it where a test failed.
            drop(ended.send(text));
        });
        Self { child, address, log }
    }

    fn connect(&self, client: u8) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(CONNECT).unwrap();
        stream.write_all(&[client]).unwrap();
        stream
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; the exit status and what was logged.
    fn end(mut self) -> (ExitStatus, String) {
        let log = self.log.recv_timeout(PATIENCE).expect("it ends");
        (self.child.wait().unwrap(), log)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already ended where the test went well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn burgee(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burgee"));
    command.args(arguments.split_whitespace());
    command
}

fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, bytes);
}

#[cfg(unix)]
#[test]
fn a_socket_that_systemd_made_is_served_and_found_by_its_name() {
    // As systemd does it: an open socket at descriptor 3, and its name in the environment of this very process.
    let hand_over = |name: &str, url: &str| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec 3<&0 </dev/null; export LISTEN_PID=$$; exec \"$0\" \"$@\""])
            .args([
                env!("CARGO_BIN_EXE_burgee"),
                "serve",
                "--durability",
                "memory",
                "--allow-anonymous",
                "--listen",
                url,
            ])
            .envs([("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", name)])
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)));
        (command, address)
    };
    let (command, address) = hand_over("mqtt", "systemd:mqtt");
    let serving = Serving::start(command);
    assert_eq!(serving.address, address);
    expect(&mut serving.connect(b'c'), &CONNACK);
    serving.signal("TERM");
    assert!(serving.end().0.success());
    let (mut command, _) = hand_over("other", "systemd:mqtt");
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && log.contains("handed over other and none"),
        "{log}"
    );
}

#[test]
fn sigterm_and_sigint_end_it_in_order_with_exit_code_0() {
    for (signal, shards) in [("TERM", 1), ("INT", 3)] {
        let serving = Serving::start(burgee(&format!(
            "serve --durability memory --listen tcp://127.0.0.1:0 --shards {shards}"
        )));
        let mut client = serving.connect(b'a');
        expect(&mut client, &CONNACK);
        serving.signal(signal);
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "an orderly end, no reset");
        drop(client);
        let (status, log) = serving.end();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("ended") && !log.contains("ERROR"), "{log}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let serving = Serving::start(burgee(
        "serve --durability memory --listen tcp://127.0.0.1:0 --grace 3600",
    ));
    // This one does not close its side, and more is owed to it than the kernel takes: ending in order takes its time.
    let mut deaf = serving.connect(b'a');
    expect(&mut deaf, &CONNACK);
    deaf.write_all(b"\x82\x06\x00\x01\x00\x01t\x00").unwrap();
    expect(&mut deaf, &[0x90, 3, 0, 1, 0]);
    let payload = vec![0; 40 << 20];
    let mut packet = b"\x30\x83\x80\x80\x14\x00\x01t".to_vec();
    packet.extend_from_slice(&payload);
    let mut publisher = serving.connect(b'b');
    expect(&mut publisher, &CONNACK);
    publisher.write_all(&packet).unwrap();
    publisher.write_all(&[0xC0, 0]).unwrap();
    expect(&mut publisher, &[0xD0, 0]);
    serving.signal("TERM");
    assert_eq!(publisher.read(&mut [0; 1]).unwrap(), 0, "the first signal has arrived");
    serving.signal("TERM");
    let (status, log) = serving.end();
    assert_eq!(status.code(), Some(128 + 15), "{log}");
}

#[test]
fn an_address_in_use_is_an_error_that_says_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = burgee(&format!("serve --durability memory --listen tcp://{address}"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains(&format!("tcp://{address}")) && log.contains("choose another port"),
        "{log}"
    );
    assert!(
        output.stdout.is_empty() && !log.contains('\u{1b}'),
        "no colours where there is no terminal: {log}"
    );
}

#[test]
fn a_wrong_command_line_ends_with_exit_code_2() {
    for line in [
        "",
        "serve --listen http://127.0.0.1:0",
        "serve --durability disk",
        "serve --shards 65",
        "fly",
    ] {
        let output = burgee(line).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{line}");
    }
}

#[test]
fn a_listener_that_others_can_reach_is_refused_with_two_ways_out() {
    let output = burgee("serve --durability memory --listen tcp://0.0.0.0:0")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("--users FILE") && error.contains("--allow-anonymous"),
        "{error}"
    );
}

#[test]
fn users_come_in_with_their_passwords_and_go_when_they_are_removed() {
    let path = std::env::temp_dir().join(format!("burgee-serve-users-{}", std::process::id()));
    drop(std::fs::remove_file(&path));
    let passwd = |words: &str| {
        let mut child = burgee(&format!("passwd {} {words}", path.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"sesame\n").unwrap();
        assert!(child.wait().unwrap().success(), "{words}");
    };
    passwd("-c ann --stdin --memory 64");
    passwd("bob --stdin --memory 64");
    let serving = Serving::start(burgee(&format!(
        "serve --durability memory --listen tcp://127.0.0.1:0 --users {}",
        path.display()
    )));
    let login = |user: &str, password: &str| {
        let mut stream = TcpStream::connect(serving.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let text = |text: &str| [&[0, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let rest = [
            b"\x00\x04MQTT\x04\xc2\x00\x3c",
            &*text(user),
            &*text(user),
            &*text(password),
        ]
        .concat();
        stream.write_all(&[0x10, u8::try_from(rest.len()).unwrap()]).unwrap();
        stream.write_all(&rest).unwrap();
        stream
    };
    let mut ann = login("ann", "sesame");
    expect(&mut ann, &CONNACK);
    let mut bob = login("bob", "sesame");
    expect(&mut bob, &CONNACK);
    expect(&mut login("ann", "guess"), &[0x20, 2, 0, 4]);
    expect(&mut serving.connect(b'c'), &[0x20, 2, 0, 5]);

    passwd("-D bob");
    serving.signal("HUP");
    let mut rest = Vec::new();
    bob.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    ann.write_all(&[0xC0, 0]).unwrap();
    expect(&mut ann, &[0xD0, 0]);
    expect(&mut login("bob", "sesame"), &[0x20, 2, 0, 4]);
    serving.signal("TERM");
    assert!(serving.end().0.success());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_listener_that_others_can_reach_warns_loudly() {
    let serving = Serving::start(burgee(
        "serve --durability memory --allow-anonymous --listen tcp://0.0.0.0:0",
    ));
    serving.signal("TERM");
    let (_, log) = serving.end();
    assert!(log.contains("WARN") && log.contains("ANYBODY WHO REACHES IT"), "{log}");
}

#[test]
fn bad_input_is_one_line_at_debug_with_client_reason_and_statement() {
    let serving = Serving::start(burgee(
        "serve --durability memory --listen tcp://127.0.0.1:0 --log debug",
    ));
    let mut client = serving.connect(b'\x1b');
    expect(&mut client, &CONNACK);
    client.write_all(&[0x36, 0]).unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    serving.signal("TERM");
    let (_, log) = serving.end();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("broke a rule")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(
        lines
            .iter()
            .all(|line| line.contains("MQTT-3.3.1-4") && line.contains(r"\u{1b}")),
        "{log}"
    );
}

#[test]
fn completions_know_the_subcommands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = burgee(&format!("completions {shell}")).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains("serve"), "{shell}");
    }
}

#[cfg(unix)]
#[test]
fn too_many_open_files_are_survived_and_logged_once() {
    for shards in [1, 3] {
        let mut shell = Command::new("sh");
        let serve = format!(
            "ulimit -n 60 && exec \"$0\" serve --durability memory --listen tcp://127.0.0.1:0 --shards {shards}"
        );
        shell.args(["-c", &serve, env!("CARGO_BIN_EXE_burgee")]);
        let serving = Serving::start(shell);
        let mut first = serving.connect(b'a');
        expect(&mut first, &CONNACK);
        // More than it can have; the kernel keeps those beyond in its queue.
        let mut crowd: Vec<_> = (0..80).map(|_| TcpStream::connect(serving.address).unwrap()).collect();
        // Two more attempts fail meanwhile, and must not be logged.
        let waiting = crowd.last_mut().unwrap();
        waiting.write_all(CONNECT).unwrap();
        waiting.write_all(b"z").unwrap();
        waiting.set_read_timeout(Some(Duration::from_millis(600))).unwrap();
        assert!(waiting.read(&mut [0; 1]).is_err(), "it cannot have been accepted");
        first.write_all(&[0xC0, 0]).unwrap();
        expect(&mut first, &[0xD0, 0]);
        // When they go there is room again, without anybody doing anything.
        crowd.clear();
        let mut late = serving.connect(b'b');
        expect(&mut late, &CONNACK);
        first.write_all(&[0xC0, 0]).unwrap();
        expect(&mut first, &[0xD0, 0]);
        serving.signal("TERM");
        drop((first, late));
        let (status, log) = serving.end();
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(log.matches("cannot accept connections").count(), 1, "{log}");
        assert_eq!(log.matches("accepting connections again").count(), 1, "{log}");
        assert!(log.contains("raise the limit of open files"), "{log}");
    }
}
