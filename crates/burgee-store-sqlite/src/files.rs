//! The directory: its files, their permissions, and the lock.
//!
//! What must hold: nobody but the owner reads what is kept. A file that is to stay has its name on the device before
//! anybody relies on it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// The database.
pub(crate) const DATABASE: &str = "burgee.db";
/// Its write-ahead log.
pub(crate) const LOG: &str = "burgee.db-wal";
/// Who has the store.
pub(crate) const LOCK: &str = "burgee.lock";
/// A database that is not finished: never a store.
pub(crate) const NEW: &str = "burgee.db.new";

/// Makes the directory, with those above it, where it is not there.
pub(crate) fn make_directory(directory: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(directory) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => {
            return Err(OpenError::NotADirectory {
                path: directory.to_owned(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(OpenError::of_io(directory, &error)),
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(directory)
        .map_err(|error| OpenError::of_io(directory, &error))?;
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_directory(parent.unwrap_or(Path::new(".")));
    Ok(())
}

/// Makes an empty file for the owner alone. It must not be there.
pub(crate) fn create_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    for_the_owner(&mut options);
    options.open(path).map(drop)
}

fn for_the_owner(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _: &mut OpenOptions = options;
}

/// Removes what is left of a database that was not finished.
pub(crate) fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for ending in ["", "-wal", "-shm", "-journal"] {
        match std::fs::remove_file(directory.join(format!("{NEW}{ending}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// A finished database gets its name.
pub(crate) fn finish(directory: &Path) -> io::Result<()> {
    let new = directory.join(NEW);
    File::open(&new)?.sync_all()?;
    std::fs::rename(&new, directory.join(DATABASE))?;
    sync_directory(directory);
    Ok(())
}

/// Names reach the device. Some systems cannot do that for a directory, and need not.
fn sync_directory(directory: &Path) {
    if let Ok(opened) = File::open(directory) {
        drop(opened.sync_all());
    }
}

/// Length of a file; 0 where there is none.
pub(crate) fn length(path: &Path) -> Result<u64, OpenError> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(OpenError::of_io(path, &error)),
    }
}

/// Held as long as the store is used. The file stays: removing it would let two hold one each.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    /// Closing alone would not do where a child process that has just been forked still has the file, until it becomes
    /// another program.
    fn drop(&mut self) {
        // Where it cannot be said the file is closed all the same.
        drop(self.0.unlock());
    }
}

impl Lock {
    /// For whoever writes: nobody else may have it.
    pub(crate) fn take(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        for_the_owner(&mut options);
        let mut file = options.open(&path).map_err(|error| OpenError::of_io(&path, &error))?;
        file.try_lock().map_err(|error| refused(directory, error))?;
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(|error| OpenError::of_io(&path, &error))?;
        Ok(Self(file))
    }

    /// For whoever reads: nobody may write meanwhile. `None`: nobody ever locked it.
    pub(crate) fn share(directory: &Path) -> Result<Option<Self>, OpenError> {
        let path = directory.join(LOCK);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OpenError::of_io(&path, &error)),
        };
        file.try_lock_shared().map_err(|error| refused(directory, error))?;
        Ok(Some(Self(file)))
    }
}

fn refused(directory: &Path, error: TryLockError) -> OpenError {
    match error {
        TryLockError::WouldBlock => {
            let said = std::fs::read_to_string(directory.join(LOCK)).unwrap_or_default();
            OpenError::Locked {
                path: directory.to_owned(),
                process: said.trim().parse().ok(),
            }
        }
        TryLockError::Error(error) => OpenError::of_io(&directory.join(LOCK), &error),
    }
}

/// The files of a store that are there, with their lengths.
pub(crate) fn lengths(directory: &Path) -> Result<Vec<(String, u64)>, OpenError> {
    let mut found = Vec::new();
    for name in [DATABASE, LOG, LOCK] {
        let path: PathBuf = directory.join(name);
        if path.exists() {
            found.push((name.to_owned(), length(&path)?));
        }
    }
    Ok(found)
}
