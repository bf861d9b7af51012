//! A broker, commands with what they print, and a server that follows a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

fn burgee(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burgee"));
    command.args(args).env_remove("NO_COLOR");
    // No options of whoever runs the tests.
    command.env("XDG_CONFIG_HOME", "/no/such/folder").env("TZ", "UTC0");
    command
}

/// What a pipe brings, piece by piece, without anybody having to wait for it.
fn drain(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (give, take) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            if give.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    take
}

/// A running process; killed if its test fails.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    out: Vec<u8>,
    err: Vec<u8>,
    /// What -d tells is left out of what it printed.
    without_packets: bool,
}

/// How a process ended, and what it printed.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        let piped = |command: &mut Command| {
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let mut child = piped(&mut burgee(args));
        let (stdout, stderr) = (drain(child.stdout.take().unwrap()), drain(child.stderr.take().unwrap()));
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            stdout,
            stderr,
            out: Vec::new(),
            err: Vec::new(),
            without_packets: false,
        }
    }

    /// Gives it input; it may come in several parts.
    pub(crate) fn feed(&mut self, input: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(input).unwrap();
    }

    /// No more input comes.
    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Waits until this stands in its standard output.
    pub(crate) fn prints(&mut self, wanted: &str) {
        wait_for(&self.stdout, &mut self.out, wanted);
    }

    /// Waits until this stands in its standard error.
    pub(crate) fn says(&mut self, wanted: &str) {
        wait_for(&self.stderr, &mut self.err, wanted);
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Nobody reads its output any more, once what is on its way has come.
    pub(crate) fn stop_reading(&mut self) {
        self.stdout = channel().1;
    }

    /// Ends its input and waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        self.stdin = None;
        let status = self.wait();
        collect(&self.stdout, &mut self.out);
        collect(&self.stderr, &mut self.err);
        let err = String::from_utf8_lossy(&self.err).into_owned();
        if self.without_packets {
            self.out = without_packets(&self.out);
        }
        Ended {
            code: status.code(),
            out: std::mem::take(&mut self.out),
            err,
        }
    }

    fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            // What it prints has to go somewhere, or it could not end.
            if let Ok(bytes) = self.stdout.recv_timeout(Duration::from_millis(10)) {
                self.out.extend(bytes);
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < until,
                "it does not end; it said {}",
                String::from_utf8_lossy(&self.err)
            );
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended where the test went well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn wait_for(pipe: &Receiver<Vec<u8>>, seen: &mut Vec<u8>, wanted: &str) {
    let until = Instant::now() + PATIENCE;
    while !seen.windows(wanted.len()).any(|window| window == wanted.as_bytes()) {
        match pipe.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(bytes) => seen.extend(bytes),
            Err(error) => panic!(
                "{wanted:?} never came ({error}), but {:?}",
                String::from_utf8_lossy(seen)
            ),
        }
    }
}

/// What was printed without the lines of -d, which may stand behind a message that has no end of line.
fn without_packets(out: &[u8]) -> Vec<u8> {
    let mut kept = out.to_vec();
    for beginning in [&b"Client "[..], b"Subscribed (mid"] {
        while let Some(at) = kept.windows(beginning.len()).position(|window| window == beginning) {
            let length = kept[at..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
            kept.drain(at..at + length);
        }
    }
    kept
}

/// All until the pipe is closed.
fn collect(pipe: &Receiver<Vec<u8>>, seen: &mut Vec<u8>) {
    loop {
        match pipe.recv_timeout(PATIENCE) {
            Ok(bytes) => seen.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => panic!("somebody still holds the pipe"),
        }
    }
}

/// Runs a command to its end.
pub(crate) fn run(args: &[&str]) -> Ended {
    Running::start(args).end()
}

/// `burgee serve` on a port of the system's choice.
pub(crate) struct Broker {
    child: Child,
    port: String,
    /// Where else it listens, as it says.
    pub(crate) more: Vec<String>,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more options of `burgee serve`.
    pub(crate) fn start_with(args: &[&str]) -> Self {
        let mut serve = burgee(&["serve", "--listen", "tcp://127.0.0.1:0", "--log", "error"]);
        serve.args(["--durability", "memory"]);
        serve.args(args);
        let mut child = serve.stdout(Stdio::piped()).spawn().unwrap();
        let count = 1 + args.iter().filter(|arg| **arg == "--listen").count();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(count);
        let mut urls = lines.map(|line| line.unwrap().strip_prefix("listening on ").unwrap().to_owned());
        let port = urls
            .next()
            .unwrap()
            .strip_prefix("tcp://127.0.0.1:")
            .unwrap()
            .to_owned();
        let more = urls.collect();
        Self { child, port, more }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn process(&self) -> String {
        self.child.id().to_string()
    }

    fn args<'a>(&'a self, command: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        [&[command, "-h", "127.0.0.1", "-p", &self.port][..], args].concat()
    }

    /// Starts a command for this broker.
    pub(crate) fn start_command(&self, command: &str, args: &[&str]) -> Running {
        Running::start(&self.args(command, args))
    }

    /// Runs a command for this broker to its end.
    pub(crate) fn run(&self, command: &str, args: &[&str]) -> Ended {
        run(&self.args(command, args))
    }

    /// `burgee pub`, which has to succeed.
    pub(crate) fn publish(&self, args: &[&str]) {
        let ended = self.run("pub", args);
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{args:?}");
    }

    /// `burgee sub`, once the server has acknowledged its subscriptions.
    pub(crate) fn subscribe(&self, args: &[&str]) -> Running {
        let mut running = self.start_command("sub", &[&["-d"][..], args].concat());
        running.prints("Subscribed (mid: 1)");
        running.without_packets = true;
        running
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A server that follows a script.
pub(crate) struct Scripted(TcpListener);

impl Scripted {
    pub(crate) fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Starts a command for this server.
    pub(crate) fn command(&self, command: &str, args: &[&str]) -> Running {
        let port = self.address().port().to_string();
        Running::start(&[&[command, "-h", "127.0.0.1", "-p", &port][..], args].concat())
    }

    /// Accepts, reads CONNECT, answers with `connack`.
    pub(crate) fn accept(&self, connack: &[u8]) -> Peer {
        let (mut peer, connect) = self.connection();
        assert_eq!(connect[0], 0x10);
        peer.send(connack);
        peer
    }

    /// Accepts, looks at CONNECT, welcomes.
    pub(crate) fn accept_with(&self, look: impl FnOnce(&[u8])) -> Peer {
        let (mut peer, connect) = self.connection();
        look(&connect);
        peer.send(&[0x20, 2, 0, 0]);
        peer
    }

    fn connection(&self) -> (Peer, Vec<u8>) {
        let mut peer = Peer(self.0.accept().unwrap().0);
        peer.0.set_read_timeout(Some(PATIENCE)).unwrap();
        let connect = peer.packet();
        (peer, connect)
    }
}

/// Its end of a connection.
pub(crate) struct Peer(TcpStream);

impl Peer {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// The next packet, a short one.
    pub(crate) fn packet(&mut self) -> Vec<u8> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let mut packet = vec![0; 2 + usize::from(head[1])];
        packet[..2].copy_from_slice(&head);
        self.0.read_exact(&mut packet[2..]).unwrap();
        packet
    }

    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        assert_eq!(self.packet(), bytes);
    }
}
