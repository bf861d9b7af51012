//! One connection: set up in a blocking way, then driven by readiness.
//!
//! Must hold: bytes of a partial packet are kept, unsent bytes are kept, nothing is sent before [`Link::flush`], so
//! that everything written in one turn leaves in one call.

use std::io::{self, Read, Write};
use std::time::Duration;

use mio::event::Event;
use mio::{Interest, Registry, Token};

use crate::error::Error;
use crate::target::Target;
use crate::wire::{self, Frame, Hello};

/// How long a broker may take to answer while a connection is set up.
const PATIENCE: Duration = if cfg!(test) {
    Duration::from_millis(500)
} else {
    Duration::from_secs(10)
};

/// Bytes read at most in one call.
pub(crate) const SCRATCH: usize = 256 * 1024;

/// A packet longer than this, of which a part has come, gets a buffer of its own.
const LARGE: usize = 32 * 1024;

/// Bytes that the kernel holds for a client which shall soon be felt not to read.
const LITTLE: usize = 16 * 1024;

/// Bytes that it may hold for one that reads again.
const MUCH: usize = 4 * 1024 * 1024;

/// A connection in the making: CONNECT, SUBSCRIBE and PINGREQ, each waited for.
#[derive(Debug)]
pub(crate) struct Dialog(std::net::TcpStream);

impl Dialog {
    /// Connects and says CONNECT; the answer is not waited for.
    ///
    /// # Errors
    /// No connection could be made.
    pub(crate) fn begin(broker: &Target, client: &str, clean_session: bool, keep_alive: u16) -> Result<Self, Error> {
        let unreachable = |error| Error::Unreachable {
            client: client.to_owned(),
            error,
        };
        let stream = match std::net::TcpStream::connect_timeout(&broker.address, PATIENCE) {
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => return Err(e.into()),
            stream => stream.map_err(unreachable)?,
        };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Closing resets: thousands of connections must not leave their ports in TIME_WAIT for the next round.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).map_err(io::Error::from)?;
        let mut dialog = Self(stream);
        let hello = Hello {
            client,
            clean_session,
            keep_alive,
            user: broker.user.as_deref(),
            password: broker.password.as_deref(),
        };
        dialog.say(&wire::connect(&hello), client, "CONNECT")?;
        Ok(dialog)
    }

    /// Waits for the CONNACK.
    ///
    /// # Errors
    /// The broker did not accept, or not a fresh session, or said nothing.
    pub(crate) fn accepted(&mut self, client: &str) -> Result<(), Error> {
        let answer: [u8; 4] = self.hear(client, "CONNACK")?;
        match answer {
            wire::CONNACK_ACCEPTED => Ok(()),
            [0x20, 2, 1, 0] => Err(odd(client, "CONNACK: a session of that name was there already")),
            [0x20, 2, _, code] => Err(Error::refused(client, code)),
            _ => Err(odd(client, &format!("CONNECT was answered with {answer:02x?}"))),
        }
    }

    /// Says SUBSCRIBE; the answer is not waited for.
    ///
    /// # Errors
    /// The connection ended.
    pub(crate) fn ask_for(&mut self, client: &str, filter: &str, qos: u8) -> Result<(), Error> {
        self.say(&wire::subscribe(1, filter, qos), client, "SUBSCRIBE")
    }

    /// Waits for the SUBACK.
    ///
    /// # Errors
    /// The broker granted less, or said nothing.
    pub(crate) fn granted(&mut self, client: &str, qos: u8) -> Result<(), Error> {
        let answer: [u8; 5] = self.hear(client, "SUBACK")?;
        match answer {
            [0x90, 3, 0, 1, granted] if granted == qos => Ok(()),
            [0x90, 3, 0, 1, granted @ 0..=2] => Err(odd(client, &format!("SUBACK: QoS {granted} instead of {qos}"))),
            [0x90, 3, 0, 1, 0x80] => Err(odd(client, "SUBACK 128: the subscription was refused")),
            _ => Err(odd(client, &format!("SUBSCRIBE was answered with {answer:02x?}"))),
        }
    }

    /// Keeps what the kernel holds for a reader that does not read small.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn keep_little(&self) -> io::Result<()> {
        rustix::net::sockopt::set_socket_recv_buffer_size(&self.0, LITTLE).map_err(io::Error::from)
    }

    fn say(&mut self, question: &[u8], client: &str, during: &'static str) -> Result<(), Error> {
        let said = self.0.write_all(question);
        said.map_err(|e| Error::on_connection(client, during, e))
    }

    fn hear<const N: usize>(&mut self, client: &str, awaited: &'static str) -> Result<[u8; N], Error> {
        let mut answer = [0; N];
        let heard = self.0.read_exact(&mut answer);
        heard.map_err(|e| Error::on_connection(client, awaited, e))?;
        Ok(answer)
    }
}

/// A connection in use.
#[derive(Debug)]
pub(crate) struct Link {
    stream: mio::net::TcpStream,
    tail: Vec<u8>,
    large: Large,
    largest: usize,
    out: Vec<u8>,
    sent: usize,
    blocked: bool,
    /// The other side has ended its half: whoever reads has to read up to the end.
    ended: bool,
}

impl Link {
    /// Takes over a connection that has been set up.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn new(dialog: Dialog, registry: &Registry, token: Token) -> io::Result<Self> {
        dialog.0.set_nonblocking(true)?;
        Self::adopt(mio::net::TcpStream::from_std(dialog.0), registry, token)
    }

    /// Takes over a connection that mio knows already.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn adopt(mut stream: mio::net::TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            tail: Vec::new(),
            large: Large::default(),
            largest: SCRATCH,
            out: Vec::new(),
            sent: 0,
            blocked: false,
            ended: false,
        })
    }

    /// Makes a connection in the making: what is flushed before it stands is kept until then.
    pub(crate) fn wait_until_connected(&mut self) {
        self.blocked = true;
    }

    /// Why the connection could not be made, if it could not.
    ///
    /// # Errors
    /// What became of the connection.
    pub(crate) fn connected(&self) -> io::Result<()> {
        self.stream.take_error()?.map_or(Ok(()), Err)
    }

    /// Where to write what the next flush sends.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Lets the kernel hold much again: through little room, what has piled up would come in drops, each after a
    /// delay of the kernel's.
    pub(crate) fn keep_much(&self) {
        // If it cannot be, it takes longer.
        rustix::net::sockopt::set_socket_recv_buffer_size(&self.stream, MUCH).ok();
    }

    /// Bytes written and not yet sent.
    pub(crate) fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// The socket takes bytes again.
    pub(crate) fn writable(&mut self) {
        self.blocked = false;
    }

    /// Takes note of what an event tells. True if there may be something to read.
    pub(crate) fn note(&mut self, event: &Event) -> bool {
        if event.is_writable() {
            self.blocked = false;
        }
        self.ended |= event.is_read_closed();
        event.is_readable() || event.is_read_closed()
    }

    /// Expects packets of up to so many bytes; without this, of up to [`SCRATCH`].
    pub(crate) fn expect(&mut self, largest: usize) {
        self.largest = largest.max(SCRATCH);
    }

    /// Reads until the socket is drained and hands over every whole packet, with the buffer for answers.
    /// `scratch` has [`SCRATCH`] bytes or more.
    ///
    /// # Errors
    /// What the system says, a closed connection, a packet that cannot be read or is larger than expected.
    pub(crate) fn receive(
        &mut self,
        scratch: &mut [u8],
        mut on_frame: impl FnMut(Frame<'_>, &mut Vec<u8>),
    ) -> io::Result<()> {
        while self.read(scratch, || 0, |frame, _, out| on_frame(frame, out))? {}
        Ok(())
    }

    /// Reads once, and hands over every whole packet with the time when the read was done. True if there may be more
    /// to read: no event will tell of that.
    ///
    /// # Errors
    /// As [`Link::receive`].
    pub(crate) fn read(
        &mut self,
        scratch: &mut [u8],
        now: impl FnOnce() -> u64,
        mut on_frame: impl FnMut(Frame<'_>, u64, &mut Vec<u8>),
    ) -> io::Result<bool> {
        if self.large.wanted > 0 {
            return self.read_large(now, on_frame);
        }
        let kept = self.tail.len();
        let (head, room) = scratch.split_at_mut_checked(kept).ok_or_else(too_large)?;
        head.copy_from_slice(&self.tail);
        let size = room.len();
        let Some(read) = some_bytes(&mut self.stream, room)? else {
            return Ok(false);
        };
        let now = now();
        let mut rest = scratch.get(..kept + read).unwrap_or_default();
        while let Some((frame, after)) = wire::next(rest)? {
            on_frame(frame, now, &mut self.out);
            rest = after;
        }
        self.tail.clear();
        match wire::announced(rest)? {
            Some(whole) if whole > self.largest => return Err(too_large()),
            Some(whole) if whole > LARGE => self.large.begin(rest, whole),
            _ => self.tail.extend_from_slice(rest),
        }
        // A short read means drained: what comes later raises an event of its own. An end that was told of together
        // with these bytes does not.
        Ok(read == size || self.ended)
    }

    fn read_large(
        &mut self,
        now: impl FnOnce() -> u64,
        mut on_frame: impl FnMut(Frame<'_>, u64, &mut Vec<u8>),
    ) -> io::Result<bool> {
        let Some(read) = some_bytes(&mut self.stream, self.large.room())? else {
            return Ok(false);
        };
        if let Some(packet) = self.large.filled_by(read)
            && let Some((frame, _)) = wire::next(packet)?
        {
            on_frame(frame, now(), &mut self.out);
            return Ok(true);
        }
        Ok(self.ended)
    }

    /// Sends what has been written; keeps what the socket does not take.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.blocked && self.sent < self.out.len() {
            match self.stream.write(self.out.get(self.sent..).unwrap_or_default()) {
                Ok(written) => self.sent += written,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        } else if self.sent > self.out.len() / 2 && self.sent > SCRATCH {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }
}

/// One large packet in the making. Its bytes are read where they stay.
#[derive(Debug, Default)]
struct Large {
    buffer: Vec<u8>,
    filled: usize,
    /// Length of the packet; zero if there is none.
    wanted: usize,
}

impl Large {
    fn begin(&mut self, head: &[u8], wanted: usize) {
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        if let Some(place) = self.buffer.get_mut(..head.len()) {
            place.copy_from_slice(head);
        }
        (self.filled, self.wanted) = (head.len(), wanted);
    }

    fn room(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.filled..self.wanted).unwrap_or_default()
    }

    /// The packet, if these bytes were its last ones.
    fn filled_by(&mut self, read: usize) -> Option<&[u8]> {
        self.filled += read;
        if self.filled < self.wanted {
            return None;
        }
        self.wanted = 0;
        self.buffer.get(..self.filled)
    }
}

/// Reads once; none if there is nothing to read now.
fn some_bytes(stream: &mut mio::net::TcpStream, room: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match stream.read(room) {
            Ok(0) if room.is_empty() => return Err(too_large()),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => return Ok(Some(read)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn odd(client: &str, what: &str) -> Error {
    Error::Refused {
        client: client.to_owned(),
        what: what.to_owned(),
    }
}

fn too_large() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the broker sent a packet larger than any expected",
    )
}

#[cfg(test)]
mod tests;
