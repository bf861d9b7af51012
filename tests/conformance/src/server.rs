//! The server under test, seen from a test: connections to it, and the small rituals that many tests share.
//!
//! What must hold: client identifiers and topics are unique to the test, so that all tests can also run against one
//! foreign server (`BURGEE_TEST_ADDR=host:port`); a negative result stands behind a marker that came through. What the
//! broker keeps (`BURGEE_TEST_DURABILITY=sync`; nothing, if not said) lies in a directory that goes with it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::folder::Folder;
use crate::packet::Connect;
use crate::process::Process;
use crate::wire::Wire;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The server that a test talks to.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shards: u16,
    tag: String,
    process: Option<Process>,
    /// Behind the process, so that it goes last.
    _data: Option<Folder>,
}

impl Server {
    /// Starts the broker with its defaults, `$SYS` off, on a free port.
    #[track_caller]
    pub fn start(shards: u16) -> Self {
        Self::start_with(shards, "", &["--sys-interval", "0"])
    }

    /// Another broker with as many shards and these arguments; `before` is a shell command that runs first.
    #[must_use]
    #[track_caller]
    pub fn sibling(&self, before: &str, arguments: &[&str]) -> Self {
        Self::start_with(self.shards, before, arguments)
    }

    #[track_caller]
    fn start_with(shards: u16, before: &str, arguments: &[&str]) -> Self {
        let tag = format!("{:x}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        if let Ok(foreign) = std::env::var("BURGEE_TEST_ADDR") {
            let address = foreign.to_socket_addrs().ok().and_then(|mut list| list.next());
            let address = address.expect("BURGEE_TEST_ADDR is no address");
            return Self {
                address,
                shards,
                tag,
                process: None,
                _data: None,
            };
        }
        let level = std::env::var("BURGEE_TEST_LOG").unwrap_or_else(|_| "info".into());
        let mut all = vec!["--shards".to_owned(), shards.to_string(), "--log".into(), level];
        if !arguments.contains(&"--listen") {
            all.extend(["--listen".into(), "tcp://127.0.0.1:0".into()]);
        }
        let durability = std::env::var("BURGEE_TEST_DURABILITY").unwrap_or_else(|_| "memory".into());
        let data = (durability != "memory").then(|| Folder::new(&tag));
        all.extend(["--durability".into(), durability]);
        all.extend(data.iter().flat_map(|data| ["--data".into(), data.path()]));
        all.extend(arguments.iter().map(ToString::to_string));
        let process = Process::start(before, &all);
        let address = process.listening();
        Self {
            address,
            shards,
            tag,
            process: Some(process),
            _data: data,
        }
    }

    /// Ends the broker and judges its end: alive, exit code 0, no panic.
    #[track_caller]
    pub fn finish(self) {
        if let Some(process) = self.process {
            process.finish();
        }
    }

    /// The broker's process, if we started it.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Asks the broker to end, lets `meanwhile` look, then waits for the end and judges it.
    #[track_caller]
    pub fn finish_while(mut self, meanwhile: impl FnOnce()) {
        let mut process = self.process.take();
        if let Some(process) = &process {
            process.terminate();
        }
        meanwhile();
        if let Some(process) = &mut process {
            process.wait();
        }
    }

    /// The broker's resident memory in KiB, where that can be known.
    pub fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.as_ref()?.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// The address of the first listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client identifier of this test alone.
    pub fn id(&self, name: &str) -> String {
        format!("c{}{name}", self.tag)
    }

    /// A topic or filter below this test's own first level.
    pub fn topic(&self, name: &str) -> String {
        format!("t{}/{name}", self.tag)
    }

    /// This test's own topic level.
    pub fn level(&self) -> String {
        format!("t{}", self.tag)
    }

    /// A TCP connection on which nothing has been sent.
    #[track_caller]
    pub fn raw(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// CONNECT and the answer 20 02 00 00.
    #[track_caller]
    pub fn open(&self, connect: &Connect) -> Wire {
        let mut wire = self.raw();
        wire.send(connect.bytes());
        wire.expect([0x20, 2, 0, 0]);
        wire
    }

    /// A connected client with a clean session.
    #[track_caller]
    pub fn client(&self, name: &str) -> Wire {
        self.open(&Connect::new(self.id(name)))
    }

    /// A connected client with clean session 0; `present` is the session present flag that has to come.
    #[track_caller]
    pub fn session(&self, name: &str, present: bool) -> Wire {
        let mut wire = self.raw();
        wire.send(Connect::new(self.id(name)).persistent().bytes());
        wire.expect([0x20, 2, u8::from(present), 0]);
        wire
    }

    /// A client with a clean session, subscribed to one filter.
    #[track_caller]
    pub fn watcher(&self, filter: &str, qos: u8) -> Wire {
        let mut wire = self.client(&format!("w{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        wire.subscribe(&[(filter, qos)]);
        wire
    }

    /// A client publishes one message with whole handshake and leaves. It is one client for the whole test, since order
    /// is promised for one publisher only; so this is for one thread only.
    #[track_caller]
    pub fn publish(&self, first: u8, topic: &str, payload: impl AsRef<[u8]>) {
        let mut publisher = self.client("publisher");
        publisher.publish(first, topic, payload);
        publisher.disconnect();
    }

    /// The next thing this subscriber gets is a marker that is published now, and nothing follows it.
    #[track_caller]
    pub fn only_marker(&self, watcher: &mut Wire, topic: &str) {
        let marker = format!("marker {}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.publish(0x32, topic, &marker);
        loop {
            let message = watcher.message();
            watcher.settle(&message);
            // Markers that were meant for other subscribers of the same topic may lie in between.
            let old = message.text().starts_with("marker ") && message.text() != marker;
            if !old {
                let first = message.first;
                assert_eq!(
                    (message.topic(), message.text()),
                    (topic.to_owned(), marker),
                    "something came that must not come (first byte {first:02X})"
                );
                break;
            }
        }
        watcher.quiet();
    }

    /// A new subscriber of this topic gets no retained message.
    #[track_caller]
    pub fn nothing_retained(&self, topic: &str) {
        let mut watcher = self.watcher(topic, 2);
        self.only_marker(&mut watcher, topic);
    }

    /// A new subscriber of this topic gets exactly this retained message: first byte and payload.
    #[track_caller]
    pub fn retained(&self, topic: &str, qos: u8, first: u8, payload: impl AsRef<[u8]>) {
        let mut watcher = self.watcher(topic, qos);
        watcher.take(first, topic, payload);
        self.only_marker(&mut watcher, topic);
    }

    /// The topics of everything that a subscriber gets up to a marker on this topic from this publisher. A foreign
    /// server may be shared with other tests: their messages do not count.
    #[track_caller]
    pub fn until_marker(&self, watcher: &mut Wire, publisher: &mut Wire, topic: &str) -> Vec<String> {
        let marker = format!("marker {}", COUNT.fetch_add(1, Ordering::Relaxed));
        publisher.publish(0x32, topic, &marker);
        let mut seen = Vec::new();
        loop {
            let message = watcher.message();
            watcher.settle(&message);
            if message.topic() == topic && message.text() == marker {
                return seen;
            }
            if message.topic().contains(&self.tag) || message.topic.first() == Some(&b'$') {
                seen.push(message.topic());
            }
        }
    }
}
