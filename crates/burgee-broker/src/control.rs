//! The control socket: how a command asks a running broker for what only the broker can do, because it holds the store.
//!
//! It is a Unix socket in the data directory. A request is one line: `backup PATH`, `reload`, or `alive`, which asks whether
//! every shard goes round. The answer is `wait` once a second while it is worked on, `said TEXT` for each line about it,
//! then `done` or `failed TEXT`. What must hold: only who may enter the directory can ask; lines and waits are bounded on
//! both sides; one request at a time, but whoever asks for a sign of life meanwhile gets one. Deliberately absent: other
//! requests, and systems without Unix sockets: there the broker has to be stopped for a backup.

#[cfg(unix)]
mod ask;
#[cfg(unix)]
mod serve;
#[cfg(unix)]
mod wish;

#[cfg(unix)]
pub use ask::{ask_for_backup, ask_for_reload, ask_whether_alive};
#[cfg(unix)]
pub(crate) use serve::Control;
#[cfg(unix)]
pub use wish::ReloadWish;

use std::path::{Path, PathBuf};

/// Bytes of a line, at most.
#[cfg(unix)]
const LINE: usize = 8192;

/// Lines about what came of a request, at most.
#[cfg(unix)]
const LINES: usize = 10_000;

/// Where the socket lies.
fn socket_path(directory: &Path) -> PathBuf {
    directory.join("control.sock")
}

/// What came of asking a running broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Asked {
    /// No broker runs on this directory.
    NobodyThere,
    /// It did it.
    Done,
    /// It could not, or did not answer.
    Failed(String),
}

/// Asks the broker that runs on this directory for a backup.
#[cfg(not(unix))]
#[must_use]
pub fn ask_for_backup(directory: &Path, _to: &Path) -> Asked {
    drop(socket_path(directory));
    Asked::NobodyThere
}

/// Asks the broker that runs on this directory whether all its shards go round.
#[cfg(not(unix))]
#[must_use]
pub fn ask_whether_alive(directory: &Path) -> Asked {
    drop(socket_path(directory));
    Asked::Failed("a running broker cannot be asked on this system".to_owned())
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
