//! Watches the files of TLS and takes changed ones over, on a thread of its own.
//!
//! What must hold: a file that is just being written is not taken; a bad one is told once and changes nothing; the thread
//! ends when it is told to, at once. Deliberately absent: notices of the file system, which not every one gives.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use super::TlsError;

/// What a look at a file's surroundings shows: when it was changed and how long it is.
type Sight = Option<(SystemTime, u64)>;

/// The thread that watches.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Looks at these files at this interval; when they have changed and been left alone for one, calls `reload`.
    pub(crate) fn start(
        files: Vec<std::path::PathBuf>,
        interval: Duration,
        mut reload: impl FnMut() -> Vec<TlsError> + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let look = move || -> Vec<Sight> { files.iter().map(|file| sight(file)).collect() };
        let body = move || {
            let mut taken = look();
            let mut last = taken.clone();
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let now = look();
                let settled = now == last;
                last.clone_from(&now);
                if settled && now != taken {
                    taken = now;
                    for error in reload() {
                        tracing::error!("TLS goes on with what it has: {error}");
                    }
                }
            }
        };
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread::Builder::new().name("burgee-tls-watch".into()).spawn(body)?),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread itself.
            drop(thread.join());
        }
    }
}

fn sight(file: &std::path::Path) -> Sight {
    let found = fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len()))
}
