//! The relay's own thread: connections, subscriptions, and the wrong that is done to a message on its way.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mio::{Events, Interest, Poll, Token};

use crate::link::{Link, SCRATCH};
use crate::relay::{Counts, Mischief};
use crate::wire::{self, Filler, Frame, Mark, Payload};

/// Of so many messages, one is not as it should be.
const EVERY: u64 = 50;

/// How often at most.
const TIMES: u64 = 7;

/// Which message is stalled, and which one is the last before silence or the end.
const STALLED: u64 = 300;
const LAST: u64 = 100;

/// Token of the listener; connections have those below.
const LISTENER: Token = Token(usize::MAX - 1);

/// Largest packet taken.
const LARGEST: usize = 64 << 20;

#[derive(Debug)]
pub(super) struct Floor {
    listener: Option<mio::net::TcpListener>,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    peers: Vec<Option<Peer>>,
    /// Who hears a topic, and at which QoS.
    topics: BTreeMap<Vec<u8>, Vec<(usize, u8)>>,
    messages: u64,
    mischief: Mischief,
    counts: Arc<Counts>,
    silent: bool,
    /// Does not even answer a ping.
    frozen: bool,
}

#[derive(Debug)]
struct Peer {
    link: Link,
    next_id: u16,
    /// Waits for the next message to overtake it.
    held: Option<Message>,
}

#[derive(Debug, Clone)]
struct Message {
    qos: u8,
    topic: Vec<u8>,
    payload: Vec<u8>,
}

/// What a packet asks for that concerns others.
#[derive(Debug)]
enum Deed {
    Subscribe { filter: Vec<u8>, qos: u8 },
    Publish { id: u16, message: Message },
}

impl Floor {
    pub(super) fn new(listener: TcpListener, poll: Poll, mischief: Mischief, counts: Arc<Counts>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = mio::net::TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            listener: Some(listener),
            poll,
            events: Events::with_capacity(1024),
            scratch: vec![0; SCRATCH],
            peers: Vec::new(),
            topics: BTreeMap::new(),
            messages: 0,
            mischief,
            counts,
            silent: mischief == Mischief::Mute,
            frozen: mischief == Mischief::Mute,
        })
    }

    /// Waits for something to happen, and relays it.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.events, None) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            done => done?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            match event.token() {
                LISTENER => self.accept()?,
                Token(n) => self.serve(n, event.is_writable(), event.is_readable()),
            }
        }
        self.events = events;
        for n in 0..self.peers.len() {
            let flushed = self.peer(n).map(|peer| peer.link.flush());
            if let Some(Err(_)) = flushed {
                self.close(n);
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Some(listener) = &self.listener {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            };
            stream.set_nodelay(true)?;
            let token = Token(self.peers.len());
            let mut link = Link::adopt(stream, self.poll.registry(), token)?;
            link.expect(LARGEST);
            self.peers.push(Some(Peer {
                link,
                next_id: 0,
                held: None,
            }));
        }
        Ok(())
    }

    fn serve(&mut self, n: usize, writable: bool, readable: bool) {
        let (silent, frozen, code) = (self.silent, self.frozen, self.code());
        let mut deeds = Vec::new();
        let (finished, persistent, clean) = (&self.counts.finished, &self.counts.persistent, &self.counts.clean);
        let Some(peer) = self.peers.get_mut(n).and_then(Option::as_mut) else {
            return;
        };
        if writable {
            peer.link.writable();
        }
        let read = if readable {
            peer.link.receive(&mut self.scratch, |frame, out| {
                if !silent || (frame == Frame::PingReq && !frozen) {
                    answer(frame, code, out);
                }
                if let Frame::PubAck(_) | Frame::PubComp(_) = frame {
                    finished.fetch_add(1, Ordering::Relaxed);
                }
                if let Frame::Connect { clean_session } = frame {
                    let count = if clean_session { clean } else { persistent };
                    count.fetch_add(1, Ordering::Relaxed);
                }
                deeds.extend(deed(frame));
            })
        } else {
            Ok(())
        };
        if read.is_err() {
            self.close(n);
        }
        for deed in deeds {
            match deed {
                Deed::Subscribe { filter, qos } => self.topics.entry(filter).or_default().push((n, qos)),
                Deed::Publish { id, message } => self.publish((n, id), &message),
            }
        }
    }

    fn code(&self) -> u8 {
        if let Mischief::Refuse(code) = self.mischief {
            code
        } else {
            0
        }
    }

    /// Acknowledges a message and delivers it.
    fn publish(&mut self, (from, id): (usize, u16), message: &Message) {
        let number = self.messages;
        self.messages += 1;
        self.once(number, message);
        if self.silent {
            self.counts.injected.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let ignored = self.mischief == Mischief::Ignore;
        if let Some(peer) = self.peer(from).filter(|_| !ignored) {
            match message.qos {
                0 => {}
                1 => wire::put_ack(peer.link.out(), wire::PUBACK, id),
                _ => wire::put_ack(peer.link.out(), wire::PUBREC, id),
            }
        }
        let degraded = self.mischief == Mischief::Degrade;
        for (subscriber, granted) in self.topics.get(&message.topic).cloned().unwrap_or_default() {
            let copy = Message {
                qos: message.qos.min(if degraded { 0 } else { granted }),
                ..message.clone()
            };
            self.deliver(subscriber, number, copy);
        }
    }

    /// What is done wrong only once.
    fn once(&mut self, number: u64, message: &Message) {
        let at = if matches!(self.mischief, Mischief::Stall(_)) {
            STALLED
        } else {
            LAST
        };
        if number != at {
            return;
        }
        if let Mischief::Stall(time) = self.mischief {
            self.counts.injected.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(time);
        } else if matches!(self.mischief, Mischief::FallSilent | Mischief::Freeze) {
            (self.silent, self.frozen) = (true, self.mischief == Mischief::Freeze);
        } else if self.mischief == Mischief::Close {
            let receivers = self.topics.get(&message.topic).cloned().unwrap_or_default();
            if let Some((receiver, _)) = receivers.first() {
                self.counts.injected.fetch_add(1, Ordering::Relaxed);
                self.close(*receiver);
            }
        } else if self.mischief == Mischief::Die {
            self.counts.injected.fetch_add(1, Ordering::Relaxed);
            self.listener = None;
            self.peers.clear();
        }
    }

    fn deliver(&mut self, subscriber: usize, number: u64, copy: Message) {
        let injected = self.counts.injected.load(Ordering::Relaxed);
        let chosen = number % EVERY == EVERY - 1 && injected < TIMES;
        let others = self.topics.values().flatten().map(|(n, _)| *n);
        let other = others.filter(|n| *n != subscriber).min();
        let mischief = self.mischief;
        let Some(peer) = self.peer(subscriber) else { return };
        if !chosen || peer.held.is_some() {
            peer.put(&copy);
            if let Some(held) = peer.held.take() {
                peer.put(&held);
            }
            return;
        }
        match mischief {
            Mischief::Lose => {}
            Mischief::Repeat => (0..2).for_each(|_| peer.put(&copy)),
            Mischief::Swap => peer.held = Some(copy),
            Mischief::Corrupt => peer.put(&bent(copy, injected)),
            Mischief::Invent => {
                peer.put(&copy);
                peer.put(&invented(copy));
            }
            Mischief::Misdirect => {
                peer.put(&copy);
                if let Some(other) = other.and_then(|n| self.peer(n)) {
                    other.put(&copy);
                }
            }
            Mischief::None
            | Mischief::Stall(_)
            | Mischief::Close
            | Mischief::FallSilent
            | Mischief::Freeze
            | Mischief::Degrade
            | Mischief::Ignore
            | Mischief::Die
            | Mischief::Refuse(_)
            | Mischief::Mute => return peer.put(&copy),
        }
        self.counts.injected.fetch_add(1, Ordering::Relaxed);
    }

    fn peer(&mut self, n: usize) -> Option<&mut Peer> {
        self.peers.get_mut(n).and_then(Option::as_mut)
    }

    fn close(&mut self, n: usize) {
        if let Some(peer) = self.peers.get_mut(n) {
            *peer = None;
        }
        self.topics
            .values_mut()
            .for_each(|all| all.retain(|(peer, _)| *peer != n));
    }
}

impl Peer {
    fn put(&mut self, message: &Message) {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        let ids = (message.qos, self.next_id);
        wire::put_publish(self.link.out(), ids, &message.topic, &message.payload);
    }
}

/// What is answered to whoever sent a packet.
fn answer(frame: Frame<'_>, code: u8, out: &mut Vec<u8>) {
    if let Frame::Connect { .. } = frame {
        out.extend_from_slice(&[0x20, 2, 0, code]);
    } else if let Frame::Subscribe { id, qos, .. } = frame {
        out.extend_from_slice(&wire::suback(id, qos));
    } else if frame == Frame::PingReq {
        out.extend_from_slice(&wire::PINGRESP);
    } else if let Frame::PubRec(id) = frame {
        wire::put_ack(out, wire::PUBREL, id);
    } else if let Frame::PubRel(id) = frame {
        wire::put_ack(out, wire::PUBCOMP, id);
    }
}

/// What a packet asks for that concerns others.
fn deed(frame: Frame<'_>) -> Option<Deed> {
    if let Frame::Publish {
        qos,
        id,
        topic,
        payload,
        ..
    } = frame
    {
        let (topic, payload) = (topic.to_vec(), payload.to_vec());
        let message = Message { qos, topic, payload };
        Some(Deed::Publish { id, message })
    } else if let Frame::Subscribe { filter, qos, .. } = frame {
        let filter = filter.to_vec();
        Some(Deed::Subscribe { filter, qos })
    } else {
        None
    }
}

/// The message with one bit changed, each time another one.
fn bent(mut message: Message, time: u64) -> Message {
    let bits = message.payload.len() as u64 * 8;
    let bit = (time * 83).checked_rem(bits).unwrap_or_default();
    let byte = usize::try_from(bit / 8).unwrap_or_default();
    if let Some(byte) = message.payload.get_mut(byte) {
        *byte ^= 1 << (bit % 8);
    }
    message
}

/// A message like this one that nobody has sent.
fn invented(mut message: Message) -> Message {
    if let Payload::Sound(mark) = Payload::read(&message.payload) {
        let filler = Filler::new(message.payload.len());
        message.payload.clear();
        let mark = Mark {
            sequence: u32::MAX - 1,
            ..mark
        };
        filler.put(&mut message.payload, mark);
    }
    message
}
