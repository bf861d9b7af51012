//! A disk under SQLite that forgets what was not synced, and fails on request.
//!
//! `kill -9` cannot show a missing sync: what was written is in the system's memory and survives. So this crate puts
//! itself between SQLite and its files. Below a directory that is [watched](Disk::watch) it notes every write, every
//! truncation and every sync, in order, and lets them pass. Afterwards [`Disk::after_power_cut`] tells what would be on
//! the device had the power gone at any moment: what was synced is there; of what was not, each write is there, or not,
//! or in part, in whatever order. And a call can be made to [fail](Disk::fail).
//!
//! What must hold: only syncs make anything durable. Deliberately absent: reading the clock, and chance of its own.

mod log;
mod vfs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use log::{Call, Failing, Luck};

use self::log::Log;

/// A directory that is watched. Dropped, it is watched no more.
#[derive(Debug)]
pub struct Disk {
    directory: PathBuf,
    log: Arc<Mutex<Log>>,
}

type Watched = Vec<(PathBuf, Arc<Mutex<Log>>)>;

static WATCHED: Mutex<Watched> = Mutex::new(Vec::new());

fn watched() -> MutexGuard<'static, Watched> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn locked(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// From now on. What is in the directory counts as durable. Databases that are open already are not watched.
    ///
    /// # Errors
    /// The directory cannot be read.
    ///
    /// # Panics
    /// SQLite does not take a file system.
    pub fn watch(directory: &Path) -> std::io::Result<Self> {
        vfs::install();
        let directory = directory.canonicalize()?;
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.insert(name, std::fs::read(entry.path())?);
        }
        let log = Arc::new(Mutex::new(Log::new(files)));
        watched().push((directory.clone(), Arc::clone(&log)));
        Ok(Self { directory, log })
    }

    /// Notes that something was reported: what it rests on must survive.
    pub fn mark(&self, number: u64) {
        locked(&self.log).mark(number);
    }

    /// How many moments there were: before the first call, and after each.
    #[must_use]
    pub fn moments(&self) -> usize {
        locked(&self.log).len() + 1
    }

    /// The last mark before this moment.
    #[must_use]
    pub fn marked(&self, moment: usize) -> Option<u64> {
        locked(&self.log).marked(moment)
    }

    /// The files as they are on the device after a loss of power at this moment.
    #[must_use]
    pub fn after_power_cut(&self, moment: usize, luck: Luck) -> BTreeMap<String, Vec<u8>> {
        locked(&self.log).after_power_cut(moment, luck)
    }

    /// From now on such calls fail.
    pub fn fail(&self, failing: Failing) {
        locked(&self.log).fail(failing);
    }

    /// No call fails any more. Whether one has.
    #[must_use]
    pub fn mend(&self) -> bool {
        locked(&self.log).mend()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        watched().retain(|(directory, _)| *directory != self.directory);
    }
}

/// The log of the watched directory that a file lies in, and the file's name there.
fn find(path: &Path) -> Option<(Arc<Mutex<Log>>, String)> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let parent = path.parent()?;
    let watched = watched();
    let (_, log) = watched.iter().find(|(directory, _)| directory == parent)?;
    Some((Arc::clone(log), name))
}
