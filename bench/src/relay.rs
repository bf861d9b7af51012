//! The least that can pass for a broker: forwards the bytes of a QoS 0 PUBLISH to whoever named its exact topic.
//!
//! It is the floor under all figures, and the proof that the generator is not the limit: what the relay reaches, the
//! generator can measure. It also cheats on demand, so that a test can see that the generator notices.
//! Deliberately absent: sessions, wildcards, QoS 1 and 2, limits, checks. It serves nobody but the generator.

use std::collections::HashMap;
use std::io;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::load::link::{Link, SCRATCH};
use crate::load::wire::{self, Frame};

/// What the relay does to the thousandth message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mischief {
    None,
    Lose,
    Repeat,
    Swap,
}

const LISTENER: Token = Token(usize::MAX);

/// A relay that serves until its process ends.
#[derive(Debug)]
pub(crate) struct Relay {
    poll: Poll,
    listener: TcpListener,
    links: Vec<Option<Link>>,
    book: Book,
}

/// Who wants what, and what is to be sent to whom at the end of the turn.
#[derive(Debug)]
struct Book {
    subscribers: HashMap<Vec<u8>, Vec<usize>>,
    dirty: Vec<usize>,
    parcels: Vec<(usize, Vec<u8>)>,
    mischief: Mischief,
    relayed: u64,
    held: Option<Vec<u8>>,
}

impl Mischief {
    /// By its name on the command line.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "" => Some(Self::None),
            "lose" => Some(Self::Lose),
            "repeat" => Some(Self::Repeat),
            "swap" => Some(Self::Swap),
            _ => None,
        }
    }
}

impl Relay {
    /// A relay on a listening socket.
    pub(crate) fn new(listener: std::net::TcpListener, mischief: Mischief) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let book = Book {
            subscribers: HashMap::new(),
            dirty: Vec::new(),
            parcels: Vec::new(),
            mischief,
            relayed: 0,
            held: None,
        };
        Ok(Self {
            poll,
            listener,
            links: Vec::new(),
            book,
        })
    }

    /// Serves for ever.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; SCRATCH];
        loop {
            match self.poll.poll(&mut events, None) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                done => done?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                } else {
                    self.serve(event.token().0, event.is_writable(), &mut scratch);
                }
            }
            self.flush();
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nodelay(true)?;
                    let link = Link::adopt(stream, self.poll.registry(), Token(self.links.len()))?;
                    self.links.push(Some(link));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }

    fn serve(&mut self, n: usize, writable: bool, scratch: &mut [u8]) {
        let Some(slot) = self.links.get_mut(n) else { return };
        let Some(link) = slot else { return };
        if writable {
            link.writable();
        }
        let book = &mut self.book;
        book.dirty.push(n);
        if link.receive(scratch, |frame, out| book.take(n, frame, out)).is_err() {
            *slot = None;
        }
    }

    fn flush(&mut self) {
        let mut parcels = std::mem::take(&mut self.book.parcels);
        for (to, parcel) in &mut parcels {
            if let Some(Some(link)) = self.links.get_mut(*to) {
                link.out().append(parcel);
                self.book.dirty.push(*to);
            }
        }
        // The emptied buffers go back: the steady state must not allocate.
        self.book.parcels = parcels;
        for n in std::mem::take(&mut self.book.dirty) {
            let Some(slot) = self.links.get_mut(n) else { continue };
            if slot.as_mut().is_some_and(|link| link.flush().is_err()) {
                *slot = None;
            }
        }
    }
}

impl Book {
    fn take(&mut self, from: usize, frame: Frame<'_>, out: &mut Vec<u8>) {
        match frame {
            Frame::Connect => out.extend_from_slice(&wire::CONNACK_ACCEPTED),
            Frame::PingReq => out.extend_from_slice(&wire::PINGRESP),
            Frame::Subscribe { id, filter } => {
                self.subscribers.entry(filter.to_vec()).or_default().push(from);
                out.extend_from_slice(&wire::suback(id, 0));
            }
            Frame::Publish { topic, packet, .. } => self.relay(topic, packet),
            Frame::PubAck(_) | Frame::PubRec(_) | Frame::PubRel(_) | Frame::PubComp(_) | Frame::Other(_) => {}
        }
    }

    fn relay(&mut self, topic: &[u8], packet: &[u8]) {
        self.relayed += 1;
        if (1000..=1001).contains(&self.relayed) {
            self.cheat(topic, packet);
        } else {
            self.send(topic, packet);
        }
    }

    fn send(&mut self, topic: &[u8], packet: &[u8]) {
        let Some(subscribers) = self.subscribers.get(topic) else {
            return;
        };
        for &to in subscribers {
            if self.parcels.len() <= to {
                self.parcels.extend((self.parcels.len()..=to).map(|n| (n, Vec::new())));
            }
            if let Some((_, parcel)) = self.parcels.get_mut(to) {
                parcel.extend_from_slice(packet);
            }
        }
    }

    fn cheat(&mut self, topic: &[u8], packet: &[u8]) {
        match (self.mischief, self.held.take()) {
            (Mischief::Swap, None) => self.held = Some(packet.to_vec()),
            (Mischief::Lose, _) if self.relayed == 1000 => {}
            (Mischief::Repeat, _) if self.relayed == 1000 => {
                self.send(topic, packet);
                self.send(topic, packet);
            }
            (_, held) => {
                self.send(topic, packet);
                if let Some(held) = held {
                    self.send(topic, &held);
                }
            }
        }
    }
}
