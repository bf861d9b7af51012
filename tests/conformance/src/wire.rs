//! One TCP connection, in packets as they stand on the wire.
//!
//! What must hold: packets are cut out by the fixed header alone; packets put aside while waiting for another one come
//! again in their order; a write to a connection that the server closed is no error, since the reading side will tell.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::packet::{DISCONNECT, Message, PINGREQ, PINGRESP, ack, publish, show, subscribe, unsubscribe};
use crate::{PATIENCE, QUIET};

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A whole packet.
    Packet(Vec<u8>),
    /// The end of the stream; a reset counts as one.
    Closed,
    /// Nothing in the given time.
    Silent,
}

/// A connection to the server.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    chunk: Box<[u8]>,
    buffer: Vec<u8>,
    start: usize,
    held: VecDeque<Vec<u8>>,
    last_id: u16,
}

impl Wire {
    /// Opens a connection and sends nothing.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("cannot connect to the server");
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE * 4)).unwrap();
        Self {
            stream,
            chunk: vec![0; 65_536].into(),
            buffer: Vec::new(),
            start: 0,
            held: VecDeque::new(),
            last_id: 0,
        }
    }

    /// A second handle to the same socket, for a thread that only writes.
    pub fn writer(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// A packet identifier that this connection has not used for a long time.
    pub fn fresh_id(&mut self) -> u16 {
        self.last_id = self.last_id % 65535 + 1;
        self.last_id
    }

    /// Sends bytes. That the server has closed will be seen when reading.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        match self.stream.write_all(bytes.as_ref()) {
            Ok(()) => {}
            Err(error) if gone(error.kind()) => {}
            Err(error) => panic!("cannot send: {error}"),
        }
    }

    /// The next packet, or the end, or silence for so long.
    #[track_caller]
    pub fn next(&mut self, wait: Duration) -> Next {
        if let Some(packet) = self.held.pop_front() {
            return Next::Packet(packet);
        }
        self.next_from_wire(wait)
    }

    /// The next packet.
    #[track_caller]
    pub fn recv(&mut self) -> Vec<u8> {
        match self.next(PATIENCE) {
            Next::Packet(packet) => packet,
            Next::Closed => panic!("the server closed, a packet was expected"),
            Next::Silent => panic!("nothing came, a packet was expected"),
        }
    }

    /// The next packet is this one, byte for byte.
    #[track_caller]
    pub fn expect(&mut self, packet: impl AsRef<[u8]>) {
        let expected = packet.as_ref();
        match self.next(PATIENCE) {
            Next::Packet(got) => assert!(got == expected, "expected {}, got {}", show(expected), show(&got)),
            Next::Closed => panic!("expected {}, the server closed", show(expected)),
            Next::Silent => panic!("expected {}, nothing came", show(expected)),
        }
    }

    /// Waits for this packet and keeps others that come before it for later.
    #[track_caller]
    pub fn await_packet(&mut self, packet: impl AsRef<[u8]>) {
        let expected = packet.as_ref();
        if let Some(place) = self.held.iter().position(|held| held == expected) {
            self.held.remove(place);
            return;
        }
        loop {
            match self.next_from_wire(PATIENCE) {
                Next::Packet(got) if got == expected => return,
                Next::Packet(got) => self.held.push_back(got),
                Next::Closed => panic!("waited for {}, the server closed", show(expected)),
                Next::Silent => panic!("waited for {}, it did not come", show(expected)),
            }
        }
    }

    /// The server closes and sends nothing before.
    #[track_caller]
    pub fn closed(&mut self) {
        self.closed_within(PATIENCE);
    }

    /// The server closes within this time and sends nothing before.
    #[track_caller]
    pub fn closed_within(&mut self, wait: Duration) {
        match self.next(wait) {
            Next::Closed => {}
            Next::Packet(packet) => panic!("the server had to close without answer, got {}", show(&packet)),
            Next::Silent => panic!("the server had to close, the connection is still open"),
        }
    }

    /// Reads and forgets packets until the server closes.
    #[track_caller]
    pub fn drained(&mut self) {
        loop {
            match self.next(PATIENCE) {
                Next::Packet(_) => {}
                Next::Closed => return,
                Next::Silent => panic!("the server had to close, the connection is still open"),
            }
        }
    }

    /// Nothing comes for a short while; only after a marker or an answer this says something.
    #[track_caller]
    pub fn quiet(&mut self) {
        self.quiet_for(QUIET);
    }

    /// Nothing comes for this long.
    #[track_caller]
    pub fn quiet_for(&mut self, wait: Duration) {
        match self.next(wait) {
            Next::Silent => {}
            Next::Packet(packet) => panic!("nothing more was expected, got {}", show(&packet)),
            Next::Closed => panic!("nothing more was expected, the server closed"),
        }
    }

    /// PINGREQ and PINGRESP: the connection lives and nothing else has come.
    #[track_caller]
    pub fn alive(&mut self) {
        self.send(PINGREQ);
        self.expect(PINGRESP);
    }

    /// SUBSCRIBE; the SUBACK grants what was asked. Packets that come before the SUBACK are kept.
    #[track_caller]
    pub fn subscribe<F: AsRef<[u8]>>(&mut self, filters: &[(F, u8)]) {
        let id = self.fresh_id();
        self.send(subscribe(id, filters));
        let mut body = id.to_be_bytes().to_vec();
        body.extend(filters.iter().map(|(_, qos)| *qos));
        self.await_packet(crate::frame(0x90, body));
    }

    /// UNSUBSCRIBE and its UNSUBACK.
    #[track_caller]
    pub fn unsubscribe<F: AsRef<[u8]>>(&mut self, filters: &[F]) {
        let id = self.fresh_id();
        self.send(unsubscribe(id, filters));
        self.await_packet(ack(0xB0, id));
    }

    /// PUBLISH with this first byte and its whole handshake; for QoS 0 a PINGRESP stands for it.
    #[track_caller]
    pub fn publish(&mut self, first: u8, topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) {
        let id = self.fresh_id();
        self.send(publish(first, topic, id, payload));
        match first & 0x06 {
            0 => {
                self.send(PINGREQ);
                self.await_packet(PINGRESP);
            }
            2 => self.await_packet(ack(0x40, id)),
            _ => {
                self.await_packet(ack(0x50, id));
                self.send(ack(0x62, id));
                self.await_packet(ack(0x70, id));
            }
        }
    }

    /// The next packet, which is a PUBLISH.
    #[track_caller]
    pub fn message(&mut self) -> Message {
        Message::parse(&self.recv())
    }

    /// The next packet is a PUBLISH with this first byte, topic and payload; returns its identifier.
    #[track_caller]
    pub fn delivered(&mut self, first: u8, topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> u16 {
        self.same(first, topic.as_ref(), payload.as_ref()).id
    }

    /// The same, and acknowledges it to the end of its handshake.
    #[track_caller]
    pub fn take(&mut self, first: u8, topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) {
        let message = self.same(first, topic.as_ref(), payload.as_ref());
        self.settle(&message);
    }

    /// Acknowledges a message to the end of its handshake.
    #[track_caller]
    pub fn settle(&mut self, message: &Message) {
        match message.qos() {
            0 => {}
            1 => self.send(ack(0x40, message.id)),
            _ => {
                self.send(ack(0x50, message.id));
                self.await_packet(ack(0x62, message.id));
                self.send(ack(0x70, message.id));
            }
        }
    }

    /// DISCONNECT; the server closes and sends nothing more.
    #[track_caller]
    pub fn disconnect(mut self) {
        self.send(DISCONNECT);
        self.closed();
    }

    /// Ends the sending half (FIN) and waits until the server has closed: the end of a client without DISCONNECT, at a
    /// moment that is known.
    #[track_caller]
    pub fn cut(mut self) {
        self.finish_sending();
        self.drained();
    }

    /// Ends the sending half (FIN).
    pub fn finish_sending(&mut self) {
        // The server may have closed already.
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Makes the next close of this socket a reset: unread input lies in the kernel's buffer.
    #[track_caller]
    pub fn arm_reset(&mut self) {
        self.send(PINGREQ);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(
            self.stream.peek(&mut [0]).is_ok_and(|read| read == 1),
            "no PINGRESP to leave unread"
        );
    }

    /// Ends the connection by a reset (RST).
    #[track_caller]
    pub fn reset(mut self) {
        self.arm_reset();
    }

    #[track_caller]
    fn same(&mut self, first: u8, topic: &[u8], payload: &[u8]) -> Message {
        let message = self.message();
        let whole = publish(first, topic, message.id, payload);
        let got = publish(message.first, &message.topic, message.id, &message.payload);
        assert!(
            whole == got,
            "expected PUBLISH {first:02X} {:?} {:?}, got {:02X} {:?} {:?}",
            String::from_utf8_lossy(&topic[..topic.len().min(80)]),
            String::from_utf8_lossy(&payload[..payload.len().min(80)]),
            message.first,
            message.topic().chars().take(80).collect::<String>(),
            message.text().chars().take(80).collect::<String>(),
        );
        message
    }

    #[track_caller]
    fn next_from_wire(&mut self, wait: Duration) -> Next {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(packet) = self.split() {
                return Next::Packet(packet);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Silent;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            self.buffer.drain(..self.start);
            self.start = 0;
            match self.stream.read(&mut self.chunk) {
                Ok(0) => return self.end(),
                Ok(read) => self.buffer.extend_from_slice(&self.chunk[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if gone(error.kind()) => return self.end(),
                Err(error) => panic!("cannot read: {error}"),
            }
        }
    }

    #[track_caller]
    fn end(&self) -> Next {
        assert!(
            self.buffer.is_empty(),
            "the stream ends inside a packet: {}",
            show(&self.buffer)
        );
        Next::Closed
    }

    #[track_caller]
    fn split(&mut self) -> Option<Vec<u8>> {
        let bytes = &self.buffer[self.start..];
        let mut length = 0;
        for place in 1..=4 {
            let byte = *bytes.get(place)?;
            length |= usize::from(byte & 0x7F) << (7 * (place - 1));
            if byte & 0x80 == 0 {
                let whole = place + 1 + length;
                let packet = bytes.get(..whole)?.to_vec();
                self.start += whole;
                return Some(packet);
            }
        }
        panic!("remaining length of five bytes from the server: {}", show(bytes));
    }
}

fn gone(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::NotConnected
    )
}
