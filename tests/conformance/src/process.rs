//! The broker as a child process: started on a free port, ended by its own process id, its log kept for a failure.
//!
//! What must hold: the child is gone when its `Process` is. A clean end means: alive until asked, SIGTERM, exit code 0,
//! no panic in the log.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(15);

/// A running broker.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Mutex<Receiver<String>>,
    log: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
    ended: bool,
}

impl Process {
    /// Starts `burgee serve` with these arguments, behind a shell that runs `before` first if that is not empty.
    #[track_caller]
    pub fn start(before: &str, arguments: &[String]) -> Self {
        let binary = binary();
        let mut command = if before.is_empty() {
            Command::new(&binary)
        } else {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &format!("{before}; exec \"$0\" \"$@\"")])
                .arg(&binary);
            shell
        };
        command.arg("serve").args(arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!(
                "cannot start {}: {error} (build it, or set BURGEE_BIN)",
                binary.display()
            )
        });
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let log = Arc::new(Mutex::new(String::new()));
        let mut stderr = child.stderr.take().unwrap();
        let kept = Arc::clone(&log);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..read]);
                kept.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Self {
            child,
            lines: Mutex::new(lines),
            log,
            reader: Some(reader),
            ended: false,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address of the next listener that the broker announces.
    #[track_caller]
    pub fn listening(&self) -> SocketAddr {
        self.listening_as("tcp")
    }

    /// The address of the next one with this scheme.
    #[track_caller]
    pub fn listening_as(&self, scheme: &str) -> SocketAddr {
        let deadline = Instant::now() + START;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.next_line(left) else {
                panic!("the broker did not say that it listens; its log:\n{}", self.log())
            };
            let url = line.strip_prefix("listening on ").and_then(|url| url.split_once("://"));
            if let Some((_, rest)) = url.filter(|(found, _)| *found == scheme) {
                let address = rest.split('/').next().unwrap_or_default();
                return address.trim().parse().expect("the announced address is no address");
            }
        }
    }

    /// What the broker wrote to its standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the broker to end and does not wait.
    pub fn terminate(&self) {
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(
            asked.is_ok_and(|status| status.success()),
            "kill -TERM failed: the broker had died"
        );
    }

    /// Ends the broker and judges its end.
    #[track_caller]
    pub fn finish(mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("the broker died during the test: {status}; its log:\n{}", self.log());
        }
        self.terminate();
        self.wait();
    }

    /// Waits for the end of a broker that was asked to end, and judges it.
    #[track_caller]
    pub fn wait(&mut self) {
        // Its standard output closes when it exits: an event to wait for with a limit.
        let deadline = Instant::now() + END;
        loop {
            match self.next_line(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the broker did not end; its log:\n{}", self.log()),
            }
        }
        let status = self.child.wait().expect("the broker's exit code");
        self.ended = true;
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log reader");
        }
        let log = self.log();
        assert!(status.success(), "the broker ended with {status}; its log:\n{log}");
        assert!(!log.contains("panicked at"), "the broker panicked; its log:\n{log}");
    }
}

impl Process {
    fn next_line(&self, wait: Duration) -> Result<String, RecvTimeoutError> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(wait)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended {
            // Only a failing test comes here; the broker may be gone already.
            drop(self.child.kill());
            drop(self.child.wait());
            eprintln!("--- log of the broker ---\n{}", self.log());
        }
    }
}

fn binary() -> PathBuf {
    std::env::var_os("BURGEE_BIN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/release/burgee")),
        PathBuf::from,
    )
}
