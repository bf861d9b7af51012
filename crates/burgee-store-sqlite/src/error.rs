//! What may go wrong outside of the port: opening, copying, importing. Each error names the path and the way out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use burgee_store::{Failure, Fault};

/// Why a store cannot be opened. Nothing was changed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OpenError {
    /// There is something else where the directory should be.
    NotADirectory {
        /// Where.
        path: PathBuf,
    },
    /// There is no store, and none was to be made.
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// The system refuses.
    NoPermission {
        /// What it refuses to open.
        path: PathBuf,
    },
    /// Another process has it.
    Locked {
        /// The directory.
        path: PathBuf,
        /// Which process, as far as it has said so.
        process: Option<u32>,
    },
    /// It has a format that this program does not know yet.
    Newer {
        /// The directory.
        path: PathBuf,
        /// The version of its format.
        found: u32,
        /// The greatest version that is known here.
        known: u32,
    },
    /// The database is of something else.
    NotAStore {
        /// The database.
        path: PathBuf,
    },
    /// What lies there is not what was written.
    Corrupt {
        /// The directory.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The device, or the system.
    Device {
        /// What was to be opened or written.
        path: PathBuf,
        /// What it said.
        what: String,
    },
    /// The SQLite that this program runs with has known faults.
    Library {
        /// Its version.
        found: String,
    },
}

impl OpenError {
    /// An error of the file system.
    pub(crate) fn of_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        let is = |kinds: &[io::ErrorKind]| kinds.contains(&error.kind());
        if is(&[io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem]) {
            return Self::NoPermission { path };
        }
        if is(&[io::ErrorKind::NotADirectory, io::ErrorKind::AlreadyExists]) {
            return Self::NotADirectory { path };
        }
        let what = error.to_string();
        Self::Device { path, what }
    }

    /// What was found while the file was read.
    pub(crate) fn of_failure(path: &Path, failure: Failure) -> Self {
        let (path, what) = (path.to_owned(), failure.what.into());
        match failure.fault {
            Fault::Corrupt => Self::Corrupt { path, what },
            Fault::Full | Fault::Device | Fault::Ours => Self::Device { path, what },
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADirectory { path } => write!(
                f,
                "{} is no directory: name a directory for the store, or move away what is there",
                path.display()
            ),
            Self::Missing { path } => write!(
                f,
                "there is no store in {}: name the directory that the broker keeps its data in",
                path.display()
            ),
            Self::NoPermission { path } => write!(
                f,
                "no permission to use {}: give it to the user that the broker runs as, or name another directory",
                path.display()
            ),
            Self::Locked { path, process } => {
                write!(f, "the store in {} is in use", path.display())?;
                if let Some(process) = process {
                    write!(f, " by process {process}")?;
                }
                f.write_str(": stop the other one first, or name another directory")
            }
            Self::Newer { path, found, known } => write!(
                f,
                "the store in {} was written by a newer burgee (format {found}, this one knows {known}): use the newer \
                 one, or export there and import here",
                path.display()
            ),
            Self::NotAStore { path } => write!(
                f,
                "{} is no store of burgee, or its first bytes are damaged: name another directory, or restore a backup",
                path.display()
            ),
            Self::Corrupt { path, what } => write!(
                f,
                "the store in {} is damaged: {what}; keep a copy of it, then restore a backup, or move it away to begin \
                 anew",
                path.display()
            ),
            Self::Device { path, what } => write!(
                f,
                "{} cannot be used: {what}; look at the device, its room and its permissions, then start again",
                path.display()
            ),
            Self::Library { found } => write!(
                f,
                "SQLite {found} may lose commits: build burgee with the SQLite that it brings along"
            ),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why a store could not be copied or exported.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransferError {
    /// The store, or the place of the copy, cannot be opened.
    Open(OpenError),
    /// There is a store already where the copy was to be.
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// The store cannot be read.
    Store(Failure),
    /// The copy cannot be written.
    Write {
        /// Where.
        path: Option<PathBuf>,
        /// What the system said.
        error: io::Error,
    },
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Exists { path } => write!(
                f,
                "there is a store in {} already, and it was not touched: name a new directory",
                path.display()
            ),
            Self::Store(failure) => failure.fmt(f),
            Self::Write { path: None, error } => write!(f, "the copy cannot be written: {error}"),
            Self::Write {
                path: Some(path),
                error,
            } => write!(
                f,
                "the copy cannot be written to {}: {error}; make room, or name another directory",
                path.display()
            ),
        }
    }
}

impl std::error::Error for TransferError {}

impl From<OpenError> for TransferError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<Failure> for TransferError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure)
    }
}

/// Why nothing was imported.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportError {
    /// The store cannot be made.
    Open(OpenError),
    /// There is a store already. It was not touched.
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// A line is not what an export writes.
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The lines cannot be read.
    Read(io::Error),
    /// What was to be imported is not as it should be.
    Source(Box<dyn std::error::Error + Send + Sync>),
    /// The store cannot be written.
    Store(Failure),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Exists { path } => write!(
                f,
                "there is a store in {} already, and it was not touched: import into a new directory",
                path.display()
            ),
            Self::Line { line, what } => write!(
                f,
                "line {line}: {what}; nothing was imported: export again, or mend the line"
            ),
            Self::Source(error) => write!(f, "{error}; nothing was imported"),
            Self::Read(error) => write!(f, "the export cannot be read: {error}; nothing was imported"),
            Self::Store(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for ImportError {}

impl From<OpenError> for ImportError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<Failure> for ImportError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_the_path_and_the_way_out() {
        let path = PathBuf::from("some/where");
        let what = "x".to_owned();
        let all = [
            OpenError::NotADirectory { path: path.clone() },
            OpenError::Missing { path: path.clone() },
            OpenError::NoPermission { path: path.clone() },
            OpenError::Locked {
                path: path.clone(),
                process: Some(77),
            },
            OpenError::Newer {
                path: path.clone(),
                found: 9,
                known: 1,
            },
            OpenError::NotAStore { path: path.clone() },
            OpenError::Corrupt {
                path: path.clone(),
                what: what.clone(),
            },
            OpenError::Device {
                path: path.clone(),
                what,
            },
        ];
        for error in all {
            let said = error.to_string();
            let way_out = ["name ", "give ", "stop ", "use ", "restore ", "look at "];
            assert!(said.contains("some/where"), "{said}");
            assert!(way_out.iter().any(|word| said.contains(word)), "{said}");
        }
    }

    #[test]
    fn what_the_system_says_finds_its_name() {
        let of = |kind: io::ErrorKind| OpenError::of_io(Path::new("x"), &kind.into());
        assert!(matches!(
            of(io::ErrorKind::PermissionDenied),
            OpenError::NoPermission { .. }
        ));
        assert!(matches!(
            of(io::ErrorKind::NotADirectory),
            OpenError::NotADirectory { .. }
        ));
        assert!(matches!(of(io::ErrorKind::StorageFull), OpenError::Device { .. }));
    }
}
