//! One TLS connection: bytes from the network in, plaintext out, and the other way round.
//!
//! What must hold: it owns no buffers; what it cannot use yet stays with the caller and comes again in front of the next
//! bytes. Everything of rustls is called here and nowhere else in the data path. Deliberately absent: sockets, limits.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use rustls::{Error, HandshakeKind};

use super::context::TlsContext;
use super::identity::TlsIdentity;

/// What a record takes besides its content, at most: header, explicit nonce, type, tag.
const OVERHEAD: usize = 5 + 8 + 1 + 16;
/// Content of a record, at most.
const RECORD: usize = 16 * 1024;
/// Steps without progress after which a connection is given up: rustls promises that there are none.
const IDLE_STEPS: usize = 64;

/// See the module.
pub(crate) struct Tls {
    conn: UnbufferedServerConnection,
    /// The peer has said that it sends no more.
    closed: bool,
    /// It has failed: rustls must not be called any more.
    dead: bool,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

/// What became of received bytes.
#[derive(Debug)]
pub(crate) struct Taken {
    /// So many at the front are used up; the others are to be handed in again.
    pub(crate) used: usize,
    /// Why the connection cannot go on. What is to be said about it is in `out`.
    pub(crate) error: Option<Error>,
}

impl Tls {
    /// A connection under this context.
    pub(crate) fn new(context: &TlsContext) -> Result<Self, Error> {
        Ok(Self {
            conn: UnbufferedServerConnection::new(Arc::clone(&context.config))?,
            closed: false,
            dead: false,
        })
    }

    /// The handshake is complete.
    pub(crate) fn is_open(&self) -> bool {
        !self.dead && !self.conn.is_handshaking()
    }

    /// It has failed.
    pub(crate) const fn is_dead(&self) -> bool {
        self.dead
    }

    /// The peer has ended its side in order.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Who has shown a certificate in the handshake; none: nobody.
    ///
    /// # Errors
    /// It is not good any more: a session that is resumed brings along what was verified when it began.
    pub(crate) fn identify(&self, context: &TlsContext) -> Result<Option<TlsIdentity>, String> {
        let Some(chain) = self.conn.peer_certificates() else {
            return Ok(None);
        };
        if self.conn.handshake_kind() == Some(HandshakeKind::Resumed) {
            context.check(chain)?;
        }
        context.identify(chain).map(Some)
    }

    /// Whether the certificate that was shown is still good; true if none was.
    pub(crate) fn check(&self, context: &TlsContext) -> Result<(), String> {
        self.conn
            .peer_certificates()
            .map_or(Ok(()), |chain| context.check(chain))
    }

    /// Takes received bytes: appends what they hold to `plain`, and what is to be answered to `out`.
    pub(crate) fn receive(&mut self, input: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Taken {
        let (mut used, mut idle) = (0, 0);
        let error = loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state, .. } = self.conn.process_tls_records(rest);
            idle += 1;
            let mut error = (idle >= IDLE_STEPS).then(|| Error::General("no progress".into()));
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                        idle = 0;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, out),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.closed = true,
                // Early data are not offered.
                Ok(ConnectionState::ReadEarlyData(mut data)) => while data.next_record().is_some() {},
                Ok(_) => {
                    used += discard;
                    break None;
                }
                Err(failure) => error = Some(failure),
            }
            used += discard;
            if error.is_some() {
                break error;
            }
        };
        if error.is_some() {
            self.die(out);
        }
        Taken { used, error }
    }

    /// Appends what is still to be said, and nothing comes after it.
    fn die(&mut self, out: &mut Vec<u8>) {
        // While there is something to be sent, rustls does not look at its input. Behind that it must not be called again:
        // it would go on with what has failed.
        while self.conn.wants_write() {
            match self.conn.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, out),
                _ => break,
            }
        }
        self.dead = true;
    }

    /// Appends `data` as records to `out`. `kept` are the bytes that wait for more of theirs. False: nothing can be
    /// sent on this connection any more.
    #[must_use]
    pub(crate) fn seal(&mut self, kept: &mut [u8], data: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let room = data.len() + (data.len() / RECORD + 1) * OVERHEAD;
        self.write(kept, out, |traffic, out| {
            out.resize(start.max(out.len()) + room, 0);
            let at = out.len() - room;
            append(out, at, |space| traffic.encrypt(data, space))
        })
    }

    /// Appends the word that we send no more.
    pub(crate) fn goodbye(&mut self, kept: &mut [u8], out: &mut Vec<u8>) {
        let said = self.write(kept, out, |traffic, out| {
            let at = out.len();
            out.resize(at + 2 * OVERHEAD, 0);
            append(out, at, |space| traffic.queue_close_notify(space))
        });
        if !said {
            tracing::trace!("the end of TLS could not be said");
        }
    }

    fn write(
        &mut self,
        kept: &mut [u8],
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut rustls::unbuffered::WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> bool,
    ) -> bool {
        for _ in 0..IDLE_STEPS {
            if self.dead {
                break;
            }
            match self.conn.process_tls_records(kept).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => return write(&mut traffic, out),
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, out),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.closed = true,
                Ok(_) | Err(_) => self.dead = true,
            }
        }
        false
    }
}

/// Lets `write` fill `out` from `at` on, with as much room as it says that it needs.
fn append(out: &mut Vec<u8>, at: usize, mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>) -> bool {
    for _ in 0..2 {
        match write(out.get_mut(at..).unwrap_or_default()) {
            Ok(written) => {
                out.truncate(at + written);
                return true;
            }
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size, .. })) => {
                out.resize(at + required_size, 0);
            }
            Err(EncryptError::EncryptExhausted) => break,
        }
    }
    out.truncate(at);
    false
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, out: &mut Vec<u8>) {
    let at = out.len();
    if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size, .. })) = data.encode(&mut []) {
        out.resize(at + required_size, 0);
        if data.encode(out.get_mut(at..).unwrap_or_default()).is_err() {
            out.truncate(at);
        }
    }
}

#[cfg(test)]
mod tests;
