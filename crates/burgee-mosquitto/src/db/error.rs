//! Why a file is refused: what is wrong, at which byte, in which chunk, and how far it can be read.

use std::fmt;
use std::io;

use super::kind::Kind;

/// What is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Wrong {
    /// The system cannot read it.
    Io(io::Error),
    /// It begins with other bytes than Mosquitto writes.
    Foreign,
    /// Its format is one that is not read here.
    Version(u32),
    /// It ends within something.
    Cut(&'static str),
    /// It says what cannot be.
    Damaged(String),
}

/// See the module. Nothing was taken from the file.
#[derive(Debug)]
pub struct DbError {
    /// What.
    pub wrong: Wrong,
    /// At which byte of the file: where the chunk begins, if it is about one.
    pub at: u64,
    /// In which chunk, counted from 1; its kind, if that is known.
    pub chunk: Option<(u64, Option<Kind>)>,
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wrong {
            Wrong::Io(error) => return write!(f, "it cannot be read at byte {}: {error}", self.at),
            Wrong::Foreign => {
                return f.write_str("it is no persistence file of Mosquitto: its first bytes are other ones");
            }
            Wrong::Version(version @ 0..=4) => {
                return write!(
                    f,
                    "it has format {version}, of Mosquitto 1.5 or older; formats 5 and 6 are read here: start Mosquitto 2 \
                     with a copy of it and stop it, which brings the file up to date"
                );
            }
            Wrong::Version(version) => {
                return write!(
                    f,
                    "it has format {version}, of a newer Mosquitto than is known here; formats 5 and 6 are read"
                );
            }
            Wrong::Cut(what) => write!(f, "it ends within {what}: ")?,
            Wrong::Damaged(what) => write!(f, "it is damaged: {what}: ")?,
        }
        match self.chunk {
            None => write!(f, "byte {}", self.at)?,
            Some((number, None)) => write!(f, "chunk {number} at byte {}", self.at)?,
            Some((number, Some(kind))) => write!(f, "chunk {number} ({kind}) at byte {}", self.at)?,
        }
        match self.chunk.map_or(0, |(number, _)| number.saturating_sub(1)) {
            0 => f.write_str("; nothing before can be used")?,
            1 => write!(f, "; the one chunk before, up to byte {}, can be read", self.at)?,
            whole => write!(f, "; the {whole} chunks before, up to byte {}, can be read", self.at)?,
        }
        f.write_str(". Nothing was taken from it: restore a backup of the file, or let Mosquitto write it anew")
    }
}

impl std::error::Error for DbError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.wrong {
            Wrong::Io(error) => Some(error),
            Wrong::Foreign | Wrong::Version(_) | Wrong::Cut(_) | Wrong::Damaged(_) => None,
        }
    }
}
