//! What `burgee serve` tells the service manager, on a socket of the test's own.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01n";

/// A broker with a manager that listens.
struct Watched {
    child: Child,
    address: String,
    manager: UnixDatagram,
    socket: PathBuf,
}

impl Watched {
    fn start(watchdog: Option<&str>) -> Self {
        let name = format!("burgee-notify-{}-{}", std::process::id(), watchdog.is_some());
        let socket = std::env::temp_dir().join(name);
        std::fs::remove_file(&socket).ok();
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_burgee"));
        command.args(["serve", "--no-config", "--listen", "tcp://127.0.0.1:0", "--shards", "2"]);
        command.args(["--durability", "memory"]).env("NOTIFY_SOCKET", &socket);
        command.env_remove("WATCHDOG_PID").env_remove("WATCHDOG_USEC");
        command.envs(watchdog.map(|time| ("WATCHDOG_USEC", time)));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("listening on tcp://").unwrap().to_owned();
        Self {
            child,
            address,
            manager,
            socket,
        }
    }

    fn told(&self) -> String {
        let mut bytes = [0; 512];
        let length = self.manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap().trim().to_owned()
    }

    /// All that comes up to this.
    fn told_until(&self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        while all.last().is_none_or(|told| told != last) {
            all.push(self.told());
        }
        all
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    fn connect(&self) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(CONNECT).unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
        stream
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_file(&self.socket).ok();
    }
}

#[test]
fn the_manager_hears_of_the_start_the_work_and_the_end() {
    let mut watched = Watched::start(Some("400000"));
    assert_eq!(watched.told(), "READY=1");
    assert_eq!(watched.told(), "STATUS=serving 0 connections");
    // The broker idles, and still every shard goes round.
    for _ in 0..5 {
        assert_eq!(watched.told(), "WATCHDOG=1");
    }
    let client = watched.connect();
    let before = watched.told_until("STATUS=serving 1 connection");
    assert!(before.len() < 50, "{before:?}");
    drop(client);
    watched.told_until("STATUS=serving 0 connections");
    watched.signal("-HUP");
    let reload = watched.told_until("READY=1");
    let began = reload.iter().find(|told| told.starts_with("RELOADING=1")).unwrap();
    assert!(began.contains("MONOTONIC_USEC="), "{began}");
    watched.signal("-TERM");
    watched.told_until("STOPPING=1");
    assert!(watched.child.wait().unwrap().success());
}

#[test]
fn without_a_watchdog_nobody_is_fed() {
    let mut watched = Watched::start(None);
    assert_eq!(watched.told(), "READY=1");
    assert_eq!(watched.told(), "STATUS=serving 0 connections");
    watched.signal("-TERM");
    assert_eq!(watched.told(), "STOPPING=1");
    assert!(watched.child.wait().unwrap().success());
}
