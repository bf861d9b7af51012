//! Room in the write-ahead log's file, ahead of what is written.
//!
//! Why: a commit that makes the file longer has the device wait twice, for its bytes and for the file's new length. One that
//! writes over what is there waits once. So the file grows by a piece at a time, in zeros, which are no part of the log:
//! SQLite reads it up to the first frame that is not valid.
//! What must hold: nothing here can fail a commit; without room it only waits longer. The file does not become longer than
//! the log itself may, but for one piece. Deliberately absent: syncing. The next commit's sync covers the zeros, and nobody relies on them.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Bytes by which the file grows.
const PIECE: u64 = 512 * 1024;

/// Bytes of room that are enough: a commit of a lone message takes two frames.
const ENOUGH: u64 = 32 * 1024;

/// A frame's page with its header, and the header of the log, in bytes.
const FRAME: u64 = 4096 + 24;
const HEADER: u64 = 32;

/// See the module.
#[derive(Debug)]
pub(crate) struct Ahead {
    path: PathBuf,
    /// How long the file is at least, so far as is known.
    length: u64,
}

impl Ahead {
    /// For the log in the file at `path`.
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, length: 0 }
    }

    /// The log's file may be shorter than it was.
    pub(crate) fn forget(&mut self) {
        self.length = 0;
    }

    /// Sees to it that there is room behind the log's `used` frames, up to `most` frames in all.
    pub(crate) fn make(&mut self, used: u64, most: u64) {
        let end = HEADER + used * FRAME;
        let wanted = (end + ENOUGH).min(HEADER + most * FRAME);
        if self.length >= wanted {
            return;
        }
        // Where it cannot be had, whoever writes there next says why.
        self.length = self.grow(wanted).unwrap_or(wanted);
    }

    /// Makes the file longer where it is not as long as that. Returns how long it is.
    fn grow(&self, wanted: u64) -> io::Result<u64> {
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        let length = file.metadata()?.len();
        if length >= wanted {
            return Ok(length);
        }
        file.seek(SeekFrom::Start(length))?;
        let grown = wanted + PIECE;
        io::copy(&mut io::repeat(0).take(grown - length), &mut file)?;
        Ok(grown)
    }
}
