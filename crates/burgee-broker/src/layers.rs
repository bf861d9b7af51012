//! What lies between the bytes of a socket and those of MQTT: a PROXY header, TLS, WebSocket, in this order.
//!
//! What must hold: a connection without layers never comes here. At rest a layer owns no buffers; received bytes wait only
//! while they are less than a record, and no more is sealed ahead of the kernel than one piece. Whatever the peer sends,
//! what is kept of it is bounded. Deliberately absent: the socket's readiness, deadlines, counting.

mod trouble;
mod workspace;

use std::io::{ErrorKind, Write};
use std::sync::Arc;

use burgee_core::io::End;
use burgee_protocol::connection::Outbox;

pub(crate) use trouble::Trouble;
pub(crate) use workspace::Workspace;

use crate::door::Gate;
use crate::proxy::{self, Header};
use crate::socket::{PeerAddress, Socket};
use crate::tls::{Tls, TlsIdentity};
use crate::websocket::{self, PONG, WebSocket};

/// Received bytes that wait for more, at most: a record of TLS and then some. A handshake has to do with it, too.
const KEPT: usize = 32 * 1024;
/// Bytes of an outbox sealed in one piece: four records of TLS.
const PIECE: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Layers {
    gate: Arc<Gate>,
    /// A PROXY header is still to come.
    proxy: bool,
    tls: TlsLayer,
    websocket: Option<Box<WebSocket>>,
    /// Received bytes that are not enough yet.
    kept: Vec<u8>,
    /// Bytes for the socket that it has not taken, and how many of them it has.
    out: Vec<u8>,
    sent: usize,
    /// There will be no more bytes: how the peer ended.
    ended: Option<End>,
    said_goodbye: bool,
    identity: Option<Arc<TlsIdentity>>,
}

#[derive(Debug)]
enum TlsLayer {
    None,
    /// Made when the first byte comes: who connects and says nothing costs little.
    Due,
    On(Box<Tls>),
}

/// What became of received bytes.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// The PROXY header came.
    pub(crate) header: Option<SpeaksFor>,
    /// From here on MQTT is spoken.
    pub(crate) opened: bool,
    /// Why it ends.
    pub(crate) trouble: Option<Trouble>,
}

/// Whom a proxy speaks for.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum SpeaksFor {
    /// The client at this address.
    Client(PeerAddress),
    /// Itself, to see how we are.
    Itself,
}

/// What the socket made of bytes.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    All,
    /// It takes no more now.
    Blocked,
    /// It takes no more.
    Broken,
}

impl Layers {
    /// The layers of a connection that comes to this gate; none if MQTT is spoken at once.
    pub(crate) fn new(gate: &Arc<Gate>, peer: PeerAddress) -> Option<Box<Self>> {
        if !gate.has_handshake(peer) {
            return None;
        }
        Some(Box::new(Self {
            proxy: gate.is_proxy(peer),
            tls: if gate.tls.is_some() {
                TlsLayer::Due
            } else {
                TlsLayer::None
            },
            websocket: gate
                .websocket
                .as_ref()
                .map(|rules| Box::new(WebSocket::new(Arc::clone(rules)))),
            gate: Arc::clone(gate),
            kept: Vec::new(),
            out: Vec::new(),
            sent: 0,
            ended: None,
            said_goodbye: false,
            identity: None,
        }))
    }

    /// MQTT is spoken.
    pub(crate) fn is_open(&self) -> bool {
        let tls = match &self.tls {
            TlsLayer::None => true,
            TlsLayer::Due => false,
            TlsLayer::On(tls) => tls.is_open(),
        };
        !self.proxy && tls && self.websocket.as_ref().is_none_or(|websocket| websocket.is_open())
    }

    /// Whether it is not known yet who comes.
    pub(crate) const fn awaits_header(&self) -> bool {
        self.proxy
    }

    /// Whether TLS is spoken.
    pub(crate) const fn is_secure(&self) -> bool {
        !matches!(self.tls, TlsLayer::None)
    }

    /// Who has shown a certificate.
    pub(crate) const fn identity(&self) -> Option<&Arc<TlsIdentity>> {
        self.identity.as_ref()
    }

    /// How the peer ended, once it has.
    pub(crate) const fn ended(&self) -> Option<End> {
        self.ended
    }

    /// The bytes that wait for more of theirs.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Bytes held of what was received, and of what waits to be sent.
    pub(crate) fn held(&self) -> usize {
        let request = self.websocket.as_deref().map_or(0, WebSocket::held);
        self.kept.capacity() + self.out.capacity() + request
    }

    /// The socket has not taken all that was sealed.
    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.out.len()
    }

    /// Whether there is a point in saying goodbye.
    pub(crate) fn can_part(&self) -> bool {
        !self.has_unsent() && (self.is_secure() || self.websocket.is_some())
    }

    /// Whether the certificate that was shown is still good.
    pub(crate) fn check(&self) -> Result<(), String> {
        match (&self.tls, &self.gate.tls, &self.identity) {
            (TlsLayer::On(tls), Some(slot), Some(_)) => tls.check(&slot.current()),
            _ => Ok(()),
        }
    }

    /// Takes received bytes, the kept ones in front. What is for MQTT is in `work.plain` afterwards.
    pub(crate) fn receive(&mut self, input: &mut [u8], work: &mut Workspace) -> Received {
        let mut received = Received::default();
        work.plain.clear();
        if self.ended.is_some() {
            return received;
        }
        let was_open = self.is_open();
        let used = self.take(input, work, &mut received);
        let rest = input.get(used..).unwrap_or_default();
        if rest.len() > KEPT && received.trouble.is_none() {
            received.trouble = Some(Trouble::TooMuch);
        }
        // Exactly as much as is needed: many connections may have something that waits.
        self.kept = rest.to_vec();
        if let Some(trouble) = &received.trouble {
            self.ended = Some(End::Broken);
            if matches!(trouble, Trouble::Tls(_) | Trouble::TooMuch) {
                // TLS itself has said what was to be said.
                self.kept = Vec::new();
                self.said_goodbye = true;
            }
        } else if self.ended.is_none() && matches!(&self.tls, TlsLayer::On(tls) if tls.is_closed()) {
            self.ended = Some(End::Finished);
        }
        received.opened = !was_open && (self.is_open() || self.ended == Some(End::Finished));
        received
    }

    /// The peer's stream is at its end: what that means.
    pub(crate) fn end_of_stream(&mut self) -> End {
        // Without a word before it, it may be somebody else who cut it off.
        let cut = matches!(self.tls, TlsLayer::On(_)) && self.ended.is_none();
        let how = if cut { End::Broken } else { End::Finished };
        self.ended = Some(how);
        how
    }

    /// How many bytes of `input` are used up.
    fn take(&mut self, input: &mut [u8], work: &mut Workspace, received: &mut Received) -> usize {
        let mut header = 0;
        if self.proxy {
            match proxy::parse(input) {
                Header::Partial => return 0,
                Header::Bad(why) => {
                    received.trouble = Some(Trouble::Proxy(why));
                    return 0;
                }
                Header::Whole(length, address) => {
                    self.proxy = false;
                    received.header =
                        Some(address.map_or(SpeaksFor::Itself, |address| SpeaksFor::Client(address.into())));
                    header = length;
                }
            }
        }
        let input = input.get_mut(header..).unwrap_or_default();
        if input.is_empty() {
            return header;
        }
        let used = if matches!(self.tls, TlsLayer::None) {
            work.plain.extend_from_slice(input);
            input.len()
        } else {
            self.take_tls(input, work, received)
        };
        if received.trouble.is_none() {
            self.take_websocket(input.get_mut(used..).unwrap_or_default(), work, received);
        }
        header + used
    }

    fn take_tls(&mut self, input: &mut [u8], work: &mut Workspace, received: &mut Received) -> usize {
        let Some(slot) = &self.gate.tls else { return 0 };
        if matches!(self.tls, TlsLayer::Due) {
            match Tls::new(&slot.current()) {
                Ok(tls) => self.tls = TlsLayer::On(Box::new(tls)),
                Err(error) => {
                    received.trouble = Some(Trouble::Tls(error));
                    return 0;
                }
            }
        }
        let TlsLayer::On(tls) = &mut self.tls else { return 0 };
        let was_open = tls.is_open();
        let taken = tls.receive(input, &mut work.plain, &mut self.out);
        received.trouble = taken.error.map(Trouble::Tls);
        if !was_open && tls.is_open() && received.trouble.is_none() {
            match tls.identify(&slot.current()) {
                Ok(identity) => self.identity = identity.map(Arc::new),
                Err(why) => {
                    work.plain.clear();
                    received.trouble = Some(Trouble::Certificate(why));
                }
            }
        }
        taken.used
    }

    fn take_websocket(&mut self, kept: &mut [u8], work: &mut Workspace, received: &mut Received) {
        let Some(websocket) = &mut self.websocket else { return };
        if work.plain.is_empty() {
            return;
        }
        work.gathered.clear();
        let read = websocket.receive(&mut work.plain, &mut work.gathered);
        received.trouble = read.violation.map(Trouble::WebSocket);
        if read.closed {
            self.ended = Some(End::Finished);
        }
        if !work.gathered.is_empty() && !seal(&mut self.tls, kept, &work.gathered, &mut self.out) {
            received.trouble = Some(Trouble::Exhausted);
        }
    }

    /// Sends what waits for the socket.
    pub(crate) fn send_out(&mut self, socket: &mut Socket) -> Sent {
        while let Some(rest) = self.out.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match socket.write(rest) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Sent::Blocked,
                Err(_) => {
                    self.forget_out();
                    return Sent::Broken;
                }
            }
        }
        self.forget_out();
        Sent::All
    }

    fn forget_out(&mut self) {
        self.out = Vec::new();
        self.sent = 0;
    }

    /// Seals what is to be sent next, an answer to a ping or a piece of the outbox, and offers it to the socket. Only to
    /// be called when nothing waits. `None`: there is nothing.
    pub(crate) fn send_next(&mut self, socket: &mut Socket, outbox: &mut Outbox, work: &mut Workspace) -> Option<Sent> {
        if let Some(sent) = self.send_pong(socket, work) {
            return Some(sent);
        }
        if outbox.is_empty() || !self.is_open() {
            return None;
        }
        let taken = work.gather(outbox, self.websocket.as_deref_mut());
        outbox.consume(taken);
        Some(self.send_gathered(socket, work))
    }

    /// The same for the answer to a ping alone.
    pub(crate) fn send_pong(&mut self, socket: &mut Socket, work: &mut Workspace) -> Option<Sent> {
        let pong = self.websocket.as_mut().and_then(|websocket| websocket.take_pong())?;
        work.gathered.clear();
        websocket::put_frame(PONG, &pong, &mut work.gathered);
        Some(self.send_gathered(socket, work))
    }

    fn send_gathered(&mut self, socket: &mut Socket, work: &mut Workspace) -> Sent {
        work.sealed.clear();
        if seal(&mut self.tls, &mut self.kept, &work.gathered, &mut work.sealed) {
            self.offer(socket, &work.sealed)
        } else {
            Sent::Broken
        }
    }

    /// Writes right from the workspace; what the socket does not take is kept.
    fn offer(&mut self, socket: &mut Socket, sealed: &[u8]) -> Sent {
        let mut sent = 0;
        while let Some(rest) = sealed.get(sent..).filter(|rest| !rest.is_empty()) {
            match socket.write(rest) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.out.extend_from_slice(rest);
                    return Sent::Blocked;
                }
                Err(_) => return Sent::Broken,
            }
        }
        Sent::All
    }

    /// Nothing more can be sent, whatever the outbox holds.
    pub(crate) fn is_over(&self) -> bool {
        self.websocket.as_ref().is_some_and(|websocket| websocket.is_over())
            || matches!(&self.tls, TlsLayer::On(tls) if tls.is_dead())
    }

    /// Puts the words that end each layer behind what waits, once. False: they were said before.
    pub(crate) fn say_goodbye(&mut self, work: &mut Workspace) -> bool {
        if std::mem::replace(&mut self.said_goodbye, true) {
            return false;
        }
        if let Some(websocket) = &mut self.websocket {
            work.gathered.clear();
            websocket.close(Some(1000), &mut work.gathered);
            if !work.gathered.is_empty() && !seal(&mut self.tls, &mut self.kept, &work.gathered, &mut self.out) {
                return true;
            }
        }
        if let TlsLayer::On(tls) = &mut self.tls
            && tls.is_open()
        {
            tls.goodbye(&mut self.kept, &mut self.out);
        }
        true
    }
}

/// Appends `data` to `out`, as records of TLS where that is spoken.
fn seal(tls: &mut TlsLayer, kept: &mut [u8], data: &[u8], out: &mut Vec<u8>) -> bool {
    match tls {
        TlsLayer::None => {
            out.extend_from_slice(data);
            true
        }
        TlsLayer::Due => false,
        TlsLayer::On(tls) => tls.seal(kept, data, out),
    }
}

#[cfg(test)]
mod tests;
