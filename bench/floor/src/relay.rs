//! The turn: read every connection that is ready, once; answer and forward; then send to every connection that has
//! something, once.
//!
//! What must hold: nothing is allocated in the steady state. Deliberately absent: everything that makes a broker:
//! sessions, wildcards, limits, retransmission, keep-alive, checks.

use std::io;
use std::rc::Rc;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::book::{Book, Subscriber, TopicId};
use crate::conn::Conn;
use crate::out::Pool;
use crate::wire::{self, Head, Publish, answer, kind};

const LISTENER: Token = Token(usize::MAX);
/// Bytes received at most from one connection in one turn.
const SCRATCH: usize = 64 * 1024;
/// A payload of so many bytes is shared between subscribers instead of copied.
const SHARED: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Relay {
    poll: Poll,
    listener: TcpListener,
    hall: Hall,
    /// To be read although the kernel does not say so again.
    again: Vec<usize>,
}

/// The connections, and what they want.
#[derive(Debug)]
struct Hall {
    conns: Vec<Option<Conn>>,
    free: Vec<usize>,
    generation: u32,
    book: Book,
    dirty: Vec<u32>,
    pool: Pool,
    /// Answers to the connection that is being read.
    answers: Vec<u8>,
}

/// A connection is over.
#[derive(Debug)]
struct Over;

impl Relay {
    /// A relay on a listening socket.
    pub(crate) fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            hall: Hall::new(),
            again: Vec::new(),
        })
    }

    /// Serves for ever.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; SCRATCH];
        let mut again = Vec::new();
        loop {
            let patience = (!self.again.is_empty()).then_some(std::time::Duration::ZERO);
            match self.poll.poll(&mut events, patience) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                done => done?,
            }
            std::mem::swap(&mut again, &mut self.again);
            for slot in again.drain(..) {
                self.serve(slot, &mut scratch);
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                    continue;
                }
                let slot = event.token().0;
                self.hall
                    .wake(slot, event.is_writable(), event.is_read_closed() || event.is_error());
                if event.is_readable() {
                    self.serve(slot, &mut scratch);
                }
            }
            self.hall.flush();
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut socket, _)) => {
                    socket.set_nodelay(true)?;
                    let slot = self.hall.free.pop().unwrap_or(self.hall.conns.len());
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(&mut socket, Token(slot), interest)?;
                    self.hall.place(slot, socket);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // It went away before we came to it.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn serve(&mut self, slot: usize, scratch: &mut [u8]) {
        match self.hall.serve(slot, scratch) {
            Ok(true) => {}
            Ok(false) => self.again.push(slot),
            Err(Over) => self.hall.remove(slot),
        }
    }
}

impl Hall {
    fn new() -> Self {
        Self {
            conns: Vec::new(),
            free: Vec::new(),
            generation: 0,
            book: Book::new(),
            dirty: Vec::new(),
            pool: Pool::default(),
            answers: Vec::new(),
        }
    }

    fn place(&mut self, slot: usize, socket: mio::net::TcpStream) {
        self.generation = self.generation.wrapping_add(1);
        let conn = Some(Conn::new(socket, self.generation));
        match self.conns.get_mut(slot) {
            Some(place) => *place = conn,
            None => self.conns.push(conn),
        }
    }

    fn remove(&mut self, slot: usize) {
        if let Some(place) = self.conns.get_mut(slot)
            && place.take().is_some()
        {
            self.free.push(slot);
        }
    }

    /// Takes note of what the kernel said.
    fn wake(&mut self, slot: usize, writable: bool, ended: bool) {
        if let Some(Some(conn)) = self.conns.get_mut(slot) {
            conn.ended |= ended;
            if writable && conn.blocked {
                conn.blocked = false;
                mark(conn, slot, &mut self.dirty);
            }
        }
    }

    /// Reads once and does what was read. True: there is nothing more to read now.
    fn serve(&mut self, slot: usize, scratch: &mut [u8]) -> Result<bool, Over> {
        let Some(Some(conn)) = self.conns.get_mut(slot) else {
            return Ok(true);
        };
        let received = conn.receive(scratch, &mut self.pool).map_err(|_| Over)?;
        // After the end of a stream nothing tells of what is left: it is read until the end is seen.
        let done = received.drained && !conn.ended;
        let mut last = conn.last;
        if let Some(packet) = received.large {
            self.take_large(slot, packet, &mut last)?;
        }
        let bytes = scratch.get(..received.count).unwrap_or_default();
        let taken = self.take(slot, bytes, &mut last);
        let Some(Some(conn)) = self.conns.get_mut(slot) else {
            return Err(Over);
        };
        conn.last = last;
        if !self.answers.is_empty() {
            conn.out.bytes(&mut self.pool).extend_from_slice(&self.answers);
            self.answers.clear();
            mark(conn, slot, &mut self.dirty);
        }
        let rest = bytes.get(taken?..).unwrap_or_default();
        if !rest.is_empty() {
            conn.keep(rest, &mut self.pool).map_err(|_| Over)?;
        }
        Ok(done)
    }

    /// Does every whole packet. Returns how many bytes those were.
    fn take(&mut self, slot: usize, bytes: &[u8], last: &mut TopicId) -> Result<usize, Over> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..)
            && let Some(head) = Head::read(rest).map_err(|_| Over)?
            && let Some(packet) = rest.get(..head.total)
        {
            taken += head.total;
            if head.kind() == kind::PUBLISH {
                let publish = Publish::read(head, packet).ok_or(Over)?;
                *last = self.book.find(publish.topic, *last);
                self.answer(&publish)?;
                if packet.len() >= SHARED && self.book.subscribers(*last).len() > 1 {
                    let mut copy = self.pool.take_large(packet.len());
                    copy.copy_from_slice(packet);
                    self.share(&publish, copy, *last);
                } else {
                    self.forward(&publish, *last);
                }
            } else {
                self.control(slot, head, packet.get(head.length..).unwrap_or_default())?;
            }
        }
        Ok(taken)
    }

    /// Does a large packet, whose memory its subscribers will share.
    fn take_large(&mut self, slot: usize, packet: Vec<u8>, last: &mut TopicId) -> Result<(), Over> {
        let head = Head::read(&packet).ok().flatten().ok_or(Over)?;
        if head.kind() != kind::PUBLISH {
            return self.control(slot, head, packet.get(head.length..).unwrap_or_default());
        }
        let publish = Publish::read(head, &packet).ok_or(Over)?;
        *last = self.book.find(publish.topic, *last);
        self.answer(&publish)?;
        // The parts that differ are read from the packet before it is given away: they end where the payload begins.
        let front = packet.get(..publish.payload_start()).ok_or(Over)?.to_vec();
        let publish = Publish::read(head, &front).ok_or(Over)?;
        self.share(&publish, packet, *last);
        Ok(())
    }

    /// Tells the publisher that its message has come.
    #[inline]
    fn answer(&mut self, publish: &Publish<'_>) -> Result<(), Over> {
        if publish.qos > 0 {
            let [high, low] = publish.id().ok_or(Over)?;
            let first = if publish.qos == 1 {
                answer::PUBACK
            } else {
                answer::PUBREC
            };
            self.answers.extend_from_slice(&[first, 2, high, low]);
        }
        Ok(())
    }

    /// Appends a copy for each subscriber.
    #[inline]
    fn forward(&mut self, publish: &Publish<'_>, topic: TopicId) {
        let mut gone = false;
        for subscriber in self.book.subscribers(topic) {
            let Some(conn) = find(&mut self.conns, *subscriber) else {
                gone = true;
                continue;
            };
            if conn.out.is_full() {
                continue;
            }
            let qos = subscriber.qos.min(publish.qos);
            let id = if qos > 0 { conn.next_id() } else { [0; 2] };
            put(conn.out.bytes(&mut self.pool), publish, qos, id);
            mark(conn, subscriber.slot as usize, &mut self.dirty);
        }
        if gone {
            self.forget(topic);
        }
    }

    /// Appends a header for each subscriber, and lets them share the payload.
    fn share(&mut self, publish: &Publish<'_>, packet: Vec<u8>, topic: TopicId) {
        let packet = Rc::new(packet);
        let mut gone = false;
        for subscriber in self.book.subscribers(topic) {
            let Some(conn) = find(&mut self.conns, *subscriber) else {
                gone = true;
                continue;
            };
            if conn.out.is_full() {
                continue;
            }
            let qos = subscriber.qos.min(publish.qos);
            let id = if qos > 0 { conn.next_id() } else { [0; 2] };
            put_head(conn.out.bytes(&mut self.pool), publish, qos, id);
            conn.out.share(&packet, publish.payload_start());
            mark(conn, subscriber.slot as usize, &mut self.dirty);
        }
        self.pool.give_large(packet);
        if gone {
            self.forget(topic);
        }
    }

    /// Strikes out those subscribers of a topic that are gone.
    fn forget(&mut self, topic: TopicId) {
        let conns = &mut self.conns;
        self.book.retain(topic, |subscriber| find(conns, *subscriber).is_some());
    }

    /// Anything but a PUBLISH.
    fn control(&mut self, slot: usize, head: Head, body: &[u8]) -> Result<(), Over> {
        let id = || body.first_chunk::<2>().copied().ok_or(Over);
        match head.kind() {
            kind::CONNECT => self.answers.extend_from_slice(&wire::CONNACK),
            kind::PINGREQ => self.answers.extend_from_slice(&wire::PINGRESP),
            kind::PUBREC => self.answer_id(answer::PUBREL, id()?),
            kind::PUBREL => self.answer_id(answer::PUBCOMP, id()?),
            kind::SUBSCRIBE => self.subscribe(slot, body).ok_or(Over)?,
            kind::UNSUBSCRIBE => {
                let mut rest = body.get(2..).unwrap_or_default();
                while let Some(name) = wire::take_string(&mut rest) {
                    self.book.unsubscribe(name, number(slot));
                }
                self.answer_id(answer::UNSUBACK, id()?);
            }
            kind::DISCONNECT => return Err(Over),
            _ => {}
        }
        Ok(())
    }

    fn answer_id(&mut self, first: u8, [high, low]: [u8; 2]) {
        self.answers.extend_from_slice(&[first, 2, high, low]);
    }

    fn subscribe(&mut self, slot: usize, body: &[u8]) -> Option<()> {
        let generation = self.conns.get(slot)?.as_ref()?.generation;
        let ([high, low], mut rest) = body.split_first_chunk()?;
        let mut granted = Vec::new();
        while let Some(name) = wire::take_string(&mut rest) {
            let (&qos, after) = rest.split_first()?;
            rest = after;
            granted.push(qos);
            let subscriber = Subscriber {
                slot: number(slot),
                generation,
                qos,
            };
            self.book.subscribe(name, subscriber);
        }
        self.answers.push(0x90);
        wire::put_length(&mut self.answers, 2 + granted.len());
        self.answers.extend_from_slice(&[*high, *low]);
        self.answers.extend_from_slice(&granted);
        Some(())
    }

    /// Sends what there is to send, with one call for each connection.
    fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for slot in dirty.drain(..) {
            let slot = slot as usize;
            let Some(Some(conn)) = self.conns.get_mut(slot) else {
                continue;
            };
            conn.dirty = false;
            if conn.blocked {
                continue;
            }
            match conn.out.flush(&mut conn.socket, &mut self.pool) {
                Ok(all) => conn.blocked = !all,
                Err(_) => self.remove(slot),
            }
        }
        self.dirty = dirty;
    }
}

/// The connection of a subscriber, if it is still the same.
#[inline]
fn find(conns: &mut [Option<Conn>], subscriber: Subscriber) -> Option<&mut Conn> {
    let conn = conns.get_mut(subscriber.slot as usize)?.as_mut()?;
    (conn.generation == subscriber.generation).then_some(conn)
}

/// Puts a connection onto the list of those that have something to send, once.
#[inline]
fn mark(conn: &mut Conn, slot: usize, dirty: &mut Vec<u32>) {
    if !conn.dirty {
        conn.dirty = true;
        dirty.push(number(slot));
    }
}

/// A subscriber's copy: the packet itself, with the parts patched that differ.
#[inline]
fn put(out: &mut Vec<u8>, publish: &Publish<'_>, qos: u8, id: [u8; 2]) {
    if (qos > 0) != (publish.qos > 0) {
        put_head(out, publish, qos, id);
        out.extend_from_slice(publish.packet.get(publish.payload_start()..).unwrap_or_default());
        return;
    }
    let start = out.len();
    out.extend_from_slice(publish.packet);
    if let Some(first) = out.get_mut(start) {
        *first = 0x30 | (qos << 1);
    }
    if qos > 0
        && let Some(place) = out
            .get_mut(start + publish.topic_end..)
            .and_then(|rest| rest.first_chunk_mut())
    {
        *place = id;
    }
}

/// Everything of a subscriber's copy but the payload.
fn put_head(out: &mut Vec<u8>, publish: &Publish<'_>, qos: u8, id: [u8; 2]) {
    out.push(0x30 | (qos << 1));
    let payload = publish.head.total - publish.payload_start();
    let topic = publish.packet.get(publish.head.length..publish.topic_end);
    let id = if qos > 0 { id.as_slice() } else { &[] };
    wire::put_length(out, 2 + publish.topic.len() + id.len() + payload);
    out.extend_from_slice(topic.unwrap_or_default());
    out.extend_from_slice(id);
}

fn number(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}
