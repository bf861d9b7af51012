//! One connection: set up in a blocking way, then driven by readiness.
//!
//! Must hold: bytes of a partial packet are kept, unsent bytes are kept, nothing is sent before [`Link::flush`], so
//! that everything written in one turn leaves in one call.

use std::io::{self, Read, Write};
use std::time::Duration;

use mio::{Interest, Registry, Token};

use crate::target::Target;
use crate::wire::{self, Frame, Hello};

/// How long a broker may take to answer while a connection is set up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes read at most in one call.
pub(crate) const SCRATCH: usize = 256 * 1024;

/// A connection in the making: CONNECT, SUBSCRIBE and PINGREQ, each waited for.
#[derive(Debug)]
pub(crate) struct Dialog(std::net::TcpStream);

impl Dialog {
    /// Connects with a clean session and a keep-alive of a minute, and waits for the CONNACK.
    ///
    /// # Errors
    /// What the system says, or that the broker did not accept.
    pub(crate) fn open(broker: &Target, client: &str) -> io::Result<Self> {
        Self::open_as(broker, client, true, 60)
    }

    /// The same with a choice of session and keep-alive. A session that was there already is an error: its messages
    /// would be counted as strays.
    ///
    /// # Errors
    /// What the system says, or that the broker did not accept.
    pub(crate) fn open_as(broker: &Target, client: &str, clean_session: bool, keep_alive: u16) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect_timeout(&broker.address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // Closing resets: thousands of connections must not leave their ports in TIME_WAIT for the next round.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        let mut dialog = Self(stream);
        let hello = Hello {
            client,
            clean_session,
            keep_alive,
            user: broker.user.as_deref(),
            password: broker.password.as_deref(),
        };
        dialog.ask(&wire::connect(&hello), &wire::CONNACK_ACCEPTED, "CONNECT")?;
        Ok(dialog)
    }

    /// Subscribes and waits for the SUBACK.
    ///
    /// # Errors
    /// What the system says, or that the broker granted less.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8) -> io::Result<()> {
        self.ask(&wire::subscribe(1, filter, qos), &wire::suback(1, qos), "SUBSCRIBE")
    }

    /// Pings and waits for the answer.
    ///
    /// # Errors
    /// What the system says, or that the broker answered something else.
    pub(crate) fn ping(&mut self) -> io::Result<()> {
        self.ask(&wire::PINGREQ, &wire::PINGRESP, "PINGREQ")
    }

    fn ask(&mut self, question: &[u8], expected: &[u8], name: &str) -> io::Result<()> {
        self.0.write_all(question)?;
        let mut answer = vec![0; expected.len()];
        self.0
            .read_exact(&mut answer)
            .map_err(|e| io::Error::new(e.kind(), format!("no answer to {name}: {e}")))?;
        if answer != expected {
            return Err(io::Error::other(format!("{name} was answered with {answer:02x?}")));
        }
        Ok(())
    }
}

/// A connection in use.
#[derive(Debug)]
pub(crate) struct Link {
    stream: mio::net::TcpStream,
    tail: Vec<u8>,
    out: Vec<u8>,
    sent: usize,
    blocked: bool,
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
            out: Vec::new(),
            sent: 0,
            blocked: false,
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

    /// The socket takes bytes again.
    pub(crate) fn writable(&mut self) {
        self.blocked = false;
    }

    /// Reads until the socket is drained and hands over every whole packet, with the buffer for answers.
    /// `scratch` has [`SCRATCH`] bytes or more.
    ///
    /// # Errors
    /// What the system says, a closed connection, a packet that cannot be read or is larger than `scratch`.
    pub(crate) fn receive(
        &mut self,
        scratch: &mut [u8],
        mut on_frame: impl FnMut(Frame<'_>, &mut Vec<u8>),
    ) -> io::Result<()> {
        loop {
            let kept = self.tail.len();
            let (head, room) = scratch.split_at_mut_checked(kept).ok_or_else(too_large)?;
            head.copy_from_slice(&self.tail);
            let size = room.len();
            let read = match self.stream.read(room) {
                Ok(0) if size == 0 => return Err(too_large()),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let mut rest = scratch.get(..kept + read).unwrap_or_default();
            while let Some((frame, after)) = wire::next(rest)? {
                on_frame(frame, &mut self.out);
                rest = after;
            }
            self.tail.clear();
            self.tail.extend_from_slice(rest);
            if read < size {
                // A short read means drained: what comes later raises an event of its own.
                return Ok(());
            }
        }
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
        }
        Ok(())
    }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a packet larger than the receive buffer")
}
