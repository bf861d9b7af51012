//! One connection: its socket, the beginning of a packet whose end has not come yet, and what is to be sent.
//!
//! What must hold: no buffer is owned unless there are bytes in it.

use std::io::{self, IoSliceMut, Read};

use mio::net::TcpStream;

use crate::book::{NONE, TopicId};
use crate::out::{Out, Pool};
use crate::wire::{Head, Malformed};

/// A packet larger than this is received into memory of its own, which its subscribers then share.
const LARGE: usize = 16 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) socket: TcpStream,
    /// The beginning of a packet; of a large one: all of its bytes, so many of which are there.
    tail: Vec<u8>,
    filled: usize,
    pub(crate) out: Out,
    /// The topic of the message before.
    pub(crate) last: TopicId,
    /// Which of the slot's connections this is.
    pub(crate) generation: u32,
    /// The packet identifier of the message before, to this subscriber.
    pub(crate) id: u16,
    /// It stands in the list of those that have something to send.
    pub(crate) dirty: bool,
    /// The kernel takes nothing more for now.
    pub(crate) blocked: bool,
    /// There may be more to read than was read.
    pub(crate) ended: bool,
}

/// What a receive brought.
#[derive(Debug)]
pub(crate) struct Received {
    /// A large packet that is whole now; it comes first.
    pub(crate) large: Option<Vec<u8>>,
    /// Bytes in the scratch buffer.
    pub(crate) count: usize,
    /// The socket is drained.
    pub(crate) drained: bool,
}

impl Conn {
    pub(crate) fn new(socket: TcpStream, generation: u32) -> Self {
        Self {
            socket,
            tail: Vec::new(),
            filled: 0,
            out: Out::default(),
            last: NONE,
            generation,
            id: 0,
            dirty: false,
            blocked: false,
            ended: false,
        }
    }

    /// Receives once. What was kept of a packet comes before the new bytes. An error: the connection is done.
    pub(crate) fn receive(&mut self, scratch: &mut [u8], pool: &mut Pool) -> io::Result<Received> {
        if self.filled < self.tail.len() {
            return self.receive_large(scratch);
        }
        let kept = self.tail.len();
        let (head, room) = scratch.split_at_mut_checked(kept).ok_or(io::ErrorKind::InvalidData)?;
        let size = room.len();
        let Some(read) = some(self.socket.read(room))? else {
            return Ok(Received {
                large: None,
                count: 0,
                drained: true,
            });
        };
        if kept > 0 {
            head.copy_from_slice(&self.tail);
            pool.give(std::mem::take(&mut self.tail));
            self.filled = 0;
        }
        Ok(Received {
            large: None,
            count: kept + read,
            drained: read < size,
        })
    }

    fn receive_large(&mut self, scratch: &mut [u8]) -> io::Result<Received> {
        let missing = self.tail.get_mut(self.filled..).unwrap_or_default();
        let (rest, room) = (missing.len(), scratch.len());
        let mut slices = [IoSliceMut::new(missing), IoSliceMut::new(scratch)];
        let read = some(self.socket.read_vectored(&mut slices))?.unwrap_or(0);
        self.filled += read.min(rest);
        let large = (read >= rest).then(|| std::mem::take(&mut self.tail));
        if large.is_some() {
            self.filled = 0;
        }
        Ok(Received {
            large,
            count: read.saturating_sub(rest),
            drained: read < rest + room,
        })
    }

    /// Keeps the beginning of a packet until there is more of it.
    pub(crate) fn keep(&mut self, bytes: &[u8], pool: &mut Pool) -> Result<(), Malformed> {
        let large = Head::read(bytes)?.filter(|head| head.total > LARGE);
        self.tail = match large {
            Some(head) => pool.take_large(head.total),
            None => pool.take(),
        };
        if let Some(place) = self.tail.get_mut(..bytes.len()).filter(|_| large.is_some()) {
            place.copy_from_slice(bytes);
        } else {
            self.tail.extend_from_slice(bytes);
        }
        self.filled = bytes.len();
        Ok(())
    }

    /// The next packet identifier: one to 65,535, and round again.
    #[inline]
    pub(crate) fn next_id(&mut self) -> [u8; 2] {
        self.id = self.id.checked_add(1).unwrap_or(1);
        self.id.to_be_bytes()
    }
}

/// Nothing to read now is no error; the end of the stream is.
fn some(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => Ok(Some(count)),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(e) => Err(e),
    }
}
