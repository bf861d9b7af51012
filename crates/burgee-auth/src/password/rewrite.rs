//! Writing a password file: whole or not at all.
//!
//! What must hold: whoever reads the file at any moment, or after a crash, finds the old one or the new one. A new file
//! is readable by its owner alone; one that is replaced keeps mode and owner. A symbolic link stays one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::document::Document;
use super::problems::FileProblems;

/// Names tried beside the file before it is given up.
const TRIES: u32 = 16;

/// Writes a file that was not there.
///
/// # Errors
/// It is there already, or cannot be written.
pub fn create_new(path: &Path, document: &Document) -> Result<(), FileProblems> {
    let fail = |source| FileProblems::io(path, "create", source);
    let mut file = private().open(path).map_err(fail)?;
    let written = file
        .write_all(document.to_string().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_directory(path));
    written.map_err(|source| {
        // Half a file is worse than none: the next try would find it in its way.
        drop(fs::remove_file(path));
        fail(source)
    })
}

/// Nobody else changes the file for as long as this lives, if all ask for it: who reads, changes and writes has to.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "that it is open is what it says")] File);

/// Waits for whoever is changing the file.
///
/// # Errors
/// It is not there, or cannot be locked.
pub fn lock(path: &Path) -> Result<Lock, FileProblems> {
    let fail = |source| FileProblems::io(path, "lock", source);
    loop {
        let file = File::open(path).map_err(fail)?;
        file.lock().map_err(fail)?;
        // Whoever had it before may have put another file into its place.
        if is_same(&file, path).map_err(fail)? {
            return Ok(Lock(file));
        }
    }
}

#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (open, there) = (file.metadata()?, fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (there.dev(), there.ino()))
}

#[cfg(not(unix))]
fn is_same(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Replaces a file that is there.
///
/// # Errors
/// It is not there, or cannot be written. Then it is as it was.
pub fn replace(path: &Path, document: &Document) -> Result<(), FileProblems> {
    let fail = |source| FileProblems::io(path, "write", source);
    let path = fs::canonicalize(path).map_err(fail)?;
    let old = File::open(&path).map_err(fail)?;
    let (mut file, beside) = beside(&path).map_err(fail)?;
    let written = file
        .write_all(document.to_string().as_bytes())
        .and_then(|()| keep_owner(&old, &file))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, &path));
    written.map_err(|source| {
        drop(fs::remove_file(&beside));
        fail(source)
    })?;
    sync_directory(&path).map_err(fail)
}

/// A new file in the same directory: a rename does not cross file systems.
fn beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 0..TRIES {
        let candidate = path.with_file_name(format!(".{name}.{}.{number}", std::process::id()));
        match private().open(&candidate) {
            Ok(file) => return Ok((file, candidate)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Made by us, for the owner alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn keep_owner(old: &File, new: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let (was, is) = (old.metadata()?, new.metadata()?);
    // First the owner: a change of it takes special bits away.
    if (was.uid(), was.gid()) != (is.uid(), is.gid()) {
        let (user, group) = (
            rustix::fs::Uid::from_raw(was.uid()),
            rustix::fs::Gid::from_raw(was.gid()),
        );
        rustix::fs::fchown(new, Some(user), Some(group)).map_err(|error| {
            let text = format!(
                "it belongs to user {} and group {}, and cannot be given to them again: {error}; the way out: do it as \
                 that user or as root",
                was.uid(),
                was.gid()
            );
            io::Error::new(io::Error::from(error).kind(), text)
        })?;
    }
    new.set_permissions(was.permissions())
}

#[cfg(not(unix))]
fn keep_owner(old: &File, new: &File) -> io::Result<()> {
    new.set_permissions(old.metadata()?.permissions())
}

/// The new name itself has to survive, too.
fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
