//! What is to be sent on one connection: own bytes, and large payloads shared with other connections in between.
//!
//! What must hold: bytes leave in order; an emptied queue owns no memory, its buffers go back to the pool.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::rc::Rc;

use mio::net::TcpStream;

/// Slices handed to the kernel in one call.
const SLICES: usize = 64;
/// Own bytes, and shared pieces, that wait on one connection at most: what comes on top is dropped.
const MOST_BYTES: usize = 16 << 20;
const MOST_PIECES: usize = 1024;
/// Buffers kept for reuse, and the bytes that each may have.
const POOL: usize = 4096;
const POOLED_CAPACITY: usize = 1 << 20;
/// Large packets kept for reuse.
const POOL_LARGE: usize = 8;

/// Memory given back, for the next who needs some.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
}

impl Pool {
    /// An empty buffer, with capacity if there is one.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.small.pop().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        if self.small.len() < POOL && buffer.capacity() <= POOLED_CAPACITY {
            buffer.clear();
            self.small.push(buffer);
        }
    }

    /// A buffer of just so many bytes, whatever they are.
    pub(crate) fn take_large(&mut self, length: usize) -> Vec<u8> {
        let mut buffer = self.large.pop().unwrap_or_default();
        buffer.resize(length, 0);
        buffer
    }

    /// Somebody is done with a shared packet. The last gives its memory back.
    pub(crate) fn give_large(&mut self, packet: Rc<Vec<u8>>) {
        if let Some(buffer) = Rc::into_inner(packet)
            && self.large.len() < POOL_LARGE
        {
            self.large.push(buffer);
        }
    }
}

/// A part of a packet that others send, too.
#[derive(Debug)]
struct Piece {
    /// So many own bytes go first.
    at: usize,
    packet: Rc<Vec<u8>>,
    from: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Out {
    bytes: Vec<u8>,
    sent: usize,
    pieces: VecDeque<Piece>,
}

impl Out {
    /// The buffer to append to, with memory from the pool if there is none.
    #[inline]
    pub(crate) fn bytes(&mut self, pool: &mut Pool) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take();
        }
        &mut self.bytes
    }

    /// Whether more waits than anybody should be owed.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() > MOST_BYTES || self.pieces.len() > MOST_PIECES
    }

    /// Appends the end of a packet without copying it.
    pub(crate) fn share(&mut self, packet: &Rc<Vec<u8>>, from: usize) {
        self.pieces.push_back(Piece {
            at: self.bytes.len(),
            packet: Rc::clone(packet),
            from,
        });
    }

    /// Sends what the kernel takes. True: everything is gone.
    pub(crate) fn flush(&mut self, socket: &mut TcpStream, pool: &mut Pool) -> io::Result<bool> {
        loop {
            let (offered, sent) = self.send(socket)?;
            self.consume(sent, pool);
            if sent < offered {
                return Ok(false);
            }
            if self.sent == self.bytes.len() && self.pieces.is_empty() {
                pool.give(std::mem::take(&mut self.bytes));
                self.sent = 0;
                return Ok(true);
            }
        }
    }

    /// One call: how many bytes were offered, and how many taken.
    fn send(&self, socket: &mut TcpStream) -> io::Result<(usize, usize)> {
        let rest = self.bytes.get(self.sent..).unwrap_or_default();
        if self.pieces.is_empty() {
            return taken(rest.len(), socket.write(rest));
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut own = self.sent;
        let mut offered = 0;
        let mut places = slices.iter_mut();
        let parts = self.pieces.iter().flat_map(|piece| {
            let before = self.bytes.get(own..piece.at).unwrap_or_default();
            own = piece.at;
            [before, piece.packet.get(piece.from..).unwrap_or_default()]
        });
        for part in parts.filter(|part| !part.is_empty()) {
            let Some(place) = places.next() else { break };
            *place = IoSlice::new(part);
            offered += part.len();
        }
        let last = self.pieces.back().map_or(self.sent, |piece| piece.at.max(self.sent));
        let tail = self.bytes.get(last..).unwrap_or_default();
        if let Some(place) = places.next().filter(|_| !tail.is_empty()) {
            *place = IoSlice::new(tail);
            offered += tail.len();
        }
        let free = places.len();
        taken(
            offered,
            socket.write_vectored(slices.get(..SLICES - free).unwrap_or_default()),
        )
    }

    fn consume(&mut self, mut count: usize, pool: &mut Pool) {
        while let Some(piece) = self.pieces.front_mut() {
            let own = count.min(piece.at.saturating_sub(self.sent));
            self.sent += own;
            count -= own;
            let rest = piece.packet.len() - piece.from;
            if self.sent < piece.at || count < rest {
                piece.from += count;
                return;
            }
            count -= rest;
            if let Some(piece) = self.pieces.pop_front() {
                pool.give_large(piece.packet);
            }
        }
        self.sent += count;
    }
}

/// A kernel that takes nothing now is no error.
fn taken(offered: usize, result: io::Result<usize>) -> io::Result<(usize, usize)> {
    match result {
        Ok(count) => Ok((offered, count)),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok((offered.max(1), 0)),
        Err(e) => Err(e),
    }
}
