//! Watches the files of TLS and takes changed ones over, on a thread of its own.
//!
//! What must hold: a file that is just being written is not taken; a bad one is told once and changes nothing; the thread
//! ends when it is told to, at once. Deliberately absent: notices of the file system, which not every one gives.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use super::TlsError;

/// What a look at a file's surroundings shows: when it was changed, how long it is, and which file it is. The last because
/// clocks of file systems are coarse, and certificates are of one length often.
type Sight = Option<(SystemTime, u64, u64)>;

/// The thread that watches.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Looks at these files at this interval; when they have changed and been left alone for one, calls `reload`, and once at
    /// the beginning.
    pub(crate) fn start(
        files: Vec<std::path::PathBuf>,
        interval: Duration,
        mut reload: impl FnMut() -> Vec<TlsError> + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let look = move || -> Vec<Sight> { files.iter().map(|file| sight(file)).collect() };
        let body = move || {
            // What was loaded may have been something else already: the first look that finds them left alone is one to tell.
            let (mut taken, mut last) = (None, look());
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let now = look();
                let settled = now == last;
                last.clone_from(&now);
                if settled && taken.as_ref() != Some(&now) {
                    taken = Some(now);
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
    Some((found.modified().ok()?, found.len(), number(&found)))
}

#[cfg(unix)]
fn number(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn number(_: &fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_before_the_first_look_is_noticed_and_each_change_behind_it() {
        let patience = Duration::from_secs(20);
        let path = std::env::temp_dir().join(format!("burgee-watch-{}", std::process::id()));
        fs::write(&path, "loaded").unwrap();
        let (tell, told) = channel();
        let file = path.clone();
        let watch = Watch::start(vec![path.clone()], Duration::from_millis(5), move || {
            tell.send(fs::read(&file).unwrap()).ok();
            Vec::new()
        });
        let watch = watch.unwrap();
        assert_eq!(told.recv_timeout(patience).unwrap(), b"loaded");
        let new = path.with_extension("new");
        fs::write(&new, "LOADED").unwrap();
        fs::rename(&new, &path).unwrap();
        assert_eq!(told.recv_timeout(patience).unwrap(), b"LOADED");
        drop(watch);
        assert!(told.recv().is_err(), "nothing changed any more");
        drop(fs::remove_file(&path));
    }
}
