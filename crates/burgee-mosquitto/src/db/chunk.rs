//! The frame: the head of the file, and the chunks one behind the other.
//!
//! What must hold: a length is believed only once the file is known to be so long, so that no claim takes memory; what is
//! not asked for is skipped and never read.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::MAGIC;
use super::error::{DbError, Wrong};
use super::kind::Kind;

/// Magic, sum, version.
const HEAD: u64 = 15 + 4 + 4;
/// Kind and length of a chunk.
const CHUNK_HEAD: u64 = 8;

/// One chunk, all of which is in the file.
#[derive(Copy, Clone, Debug)]
pub(super) struct Chunk {
    pub(super) kind: Kind,
    /// From 1.
    pub(super) number: u64,
    /// Where its head begins.
    pub(super) at: u64,
    /// Bytes behind its head.
    pub(super) length: u32,
}

impl Chunk {
    /// Where its bytes begin.
    pub(super) const fn begin(&self) -> u64 {
        self.at + CHUNK_HEAD
    }

    /// An error in it.
    pub(super) const fn wrong(&self, wrong: Wrong) -> DbError {
        DbError {
            wrong,
            at: self.at,
            chunk: Some((self.number, Some(self.kind))),
        }
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> DbError {
        self.wrong(Wrong::Damaged(what.into()))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct File<R> {
    source: BufReader<R>,
    /// Where the source stands.
    stands: u64,
    length: u64,
    /// Where the next chunk begins.
    next: u64,
    chunks: u64,
    pub(super) version: u32,
}

impl<R: Read + Seek> File<R> {
    /// Reads the head.
    pub(super) fn open(source: R) -> Result<Self, DbError> {
        let mut file = Self {
            source: BufReader::with_capacity(1 << 16, source),
            stands: 0,
            length: 0,
            next: HEAD,
            chunks: 0,
            version: 0,
        };
        let seek = |error| DbError {
            wrong: Wrong::Io(error),
            at: 0,
            chunk: None,
        };
        file.length = file.source.seek(SeekFrom::End(0)).map_err(seek)?;
        file.source.rewind().map_err(seek)?;
        let bare = |wrong| DbError {
            wrong,
            at: 0,
            chunk: None,
        };
        let magic = MAGIC.len() as u64;
        if file.length < magic {
            return Err(bare(Wrong::Foreign));
        }
        let mut head = [0; MAGIC.len()];
        file.read_at(0, &mut head)?;
        if head != MAGIC {
            return Err(bare(Wrong::Foreign));
        }
        if file.length < HEAD {
            return Err(bare(Wrong::Cut("its head")));
        }
        let mut version = [0; 4];
        file.read_at(HEAD - 4, &mut version)?;
        file.version = u32::from_be_bytes(version);
        if !matches!(file.version, 5 | 6) {
            return Err(bare(Wrong::Version(file.version)));
        }
        Ok(file)
    }

    /// The next chunk; none at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Chunk>, DbError> {
        let at = self.next;
        if at == self.length {
            return Ok(None);
        }
        self.chunks += 1;
        let number = self.chunks;
        let unknown = |wrong| DbError {
            wrong,
            at,
            chunk: Some((number, None)),
        };
        let left = self.length - at;
        if left < CHUNK_HEAD {
            return Err(unknown(Wrong::Cut("the head of a chunk")));
        }
        let (mut kind, mut length) = ([0; 4], [0; 4]);
        self.read_at(at, &mut kind)?;
        self.read_at(at + 4, &mut length)?;
        let (kind, length) = (u32::from_be_bytes(kind), u32::from_be_bytes(length));
        let Some(kind) = Kind::of(kind) else {
            return Err(unknown(Wrong::Damaged(format!(
                "there is no kind {kind} of chunk in a file of Mosquitto 1.6 to 2.1"
            ))));
        };
        let chunk = Chunk {
            kind,
            number,
            at,
            length,
        };
        if u64::from(length) > left - CHUNK_HEAD {
            return Err(chunk.wrong(Wrong::Cut("a chunk")));
        }
        self.next = chunk.begin() + u64::from(length);
        Ok(Some(chunk))
    }

    /// Fills the buffer from that byte on. Whoever asks knows that the file is so long.
    pub(super) fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), DbError> {
        let io = |error| DbError {
            wrong: Wrong::Io(error),
            at,
            chunk: None,
        };
        // A relative seek keeps what is in the buffer.
        let distance = i128::from(at) - i128::from(self.stands);
        match i64::try_from(distance) {
            Ok(0) => {}
            Ok(distance) => self.source.seek_relative(distance).map_err(io)?,
            Err(_) => drop(self.source.seek(SeekFrom::Start(at)).map_err(io)?),
        }
        self.stands = at;
        self.source.read_exact(into).map_err(io)?;
        self.stands += into.len() as u64;
        Ok(())
    }
}
