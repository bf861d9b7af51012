//! The virtual network: clock, calendar of events, and byte streams that are slow, lumpy, and cut at any byte.
//!
//! What must hold: a stream delivers its bytes in order and unchanged until it ends; every buffer is bounded; all of
//! it follows from the seed. Deliberately absent: what the bytes mean.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::rng::Rng;
use crate::trace::Trace;

/// So many pieces of what is written at once may be as small as the link's segments.
const FINE: usize = 12;
/// Pieces behind those may have so many bytes, at least.
const COARSE: usize = 400;

/// A connection attempt's number; never used again.
pub type LinkId = usize;

/// Which way bytes go.
#[derive(Copy, Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Way {
    /// From the client to the broker.
    Up,
    /// From the broker to the client.
    Down,
}

/// How a stream ended.
#[derive(Copy, Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Finish {
    /// In order, behind all bytes.
    Fin,
    /// Reset: bytes that were not read yet are gone.
    Rst,
}

/// Something that will happen.
#[derive(Copy, Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Event {
    /// A shard's turn.
    Turn(u16),
    /// So many bytes reach the other end.
    Arrive(LinkId, Way, usize),
    /// The end of a stream reaches the other end.
    End(LinkId, Way, Finish),
    /// The broker's socket takes bytes again.
    Writable(LinkId),
    /// The time for flushing a connection that is to be closed is over.
    FlushTimeout(LinkId),
    /// Mail may have arrived for a shard.
    Post(u16),
    /// A client's next step.
    Wake(usize),
    /// The next hooligan comes.
    Hooligan,
    /// A commit of the disk is over; the number of crashes before it says whose it was.
    Commit(u64),
    /// The broker starts again.
    Restart,
}

/// One direction of a connection.
#[derive(Debug)]
pub struct Pipe {
    /// Sent, not yet arrived.
    wire: VecDeque<u8>,
    /// Arrived, not yet read.
    arrived: VecDeque<u8>,
    /// No arrival is scheduled before this time.
    latest: u64,
    capacity: usize,
    end: Option<Finish>,
    /// The sender has said that nothing more comes.
    closed: bool,
    /// The stream is cut when so many more bytes have arrived.
    cut_after: Option<usize>,
}

impl Pipe {
    const fn new(capacity: usize) -> Self {
        Self {
            wire: VecDeque::new(),
            arrived: VecDeque::new(),
            latest: 0,
            capacity,
            end: None,
            closed: false,
            cut_after: None,
        }
    }

    /// Bytes that the sender may still write.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.closed {
            0
        } else {
            self.capacity.saturating_sub(self.wire.len() + self.arrived.len())
        }
    }

    /// Nothing can be written any more.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Bytes that the receiver may read.
    #[must_use]
    pub fn readable(&self) -> usize {
        self.arrived.len()
    }

    /// Takes up to `count` bytes.
    pub fn read(&mut self, count: usize) -> impl Iterator<Item = u8> + '_ {
        let count = count.min(self.arrived.len());
        self.arrived.drain(..count)
    }

    /// How it ended, once the receiver has read everything before.
    #[must_use]
    pub fn ended(&self) -> Option<Finish> {
        self.end.filter(|_| self.arrived.is_empty())
    }

    /// It is not to be cut any more.
    pub const fn spare(&mut self) {
        self.cut_after = None;
    }

    fn finish(&mut self, how: Finish) {
        if how == Finish::Rst {
            self.arrived.clear();
        }
        self.wire.clear();
        self.closed = true;
        self.end.get_or_insert(how);
    }
}

/// A connection between a client and the broker.
#[derive(Debug)]
pub struct Link {
    /// Client to broker.
    pub up: Pipe,
    /// Broker to client.
    pub down: Pipe,
    /// Nothing gets through any more, and nobody is told.
    pub black_hole: bool,
    /// The broker closed its socket: what the client still sends goes nowhere.
    pub server_gone: bool,
    /// The client closed its socket or forgot it.
    pub client_gone: bool,
    /// Where the broker has it.
    pub shard: u16,
    delay: (u64, u64),
    segment: usize,
}

impl Link {
    /// The stream of one direction.
    pub const fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

/// How streams behave in one world.
#[derive(Clone, Debug)]
pub struct NetSettings {
    /// Greatest one-way delay in milliseconds.
    pub delay: u64,
    /// Greatest size of a segment in bytes.
    pub segment: usize,
    /// Bytes that each direction holds.
    pub buffer: usize,
}

/// Clock, calendar and connections.
#[derive(Debug)]
pub struct Net {
    /// Milliseconds since the beginning of the world.
    pub now: u64,
    /// What happened.
    pub trace: Trace,
    /// The network's own chance.
    pub rng: Rng,
    /// How new links behave.
    pub settings: NetSettings,
    links: Vec<Link>,
    calendar: BinaryHeap<Reverse<(u64, u64, Event)>>,
    noted: u64,
}

impl Net {
    /// An empty network.
    #[must_use]
    pub fn new(rng: Rng, settings: NetSettings, trace: Trace) -> Self {
        Self {
            now: 0,
            trace,
            rng,
            settings,
            links: Vec::new(),
            calendar: BinaryHeap::new(),
            noted: 0,
        }
    }

    /// Lets `event` happen at `at`, or now if that is past.
    pub fn at(&mut self, at: u64, event: Event) {
        self.noted += 1;
        self.calendar.push(Reverse((at.max(self.now), self.noted, event)));
    }

    /// Lets `event` happen `delay` milliseconds from now.
    pub fn after(&mut self, delay: u64, event: Event) {
        self.at(self.now + delay, event);
    }

    /// The next event up to and including `until`; the clock moves to it, or to `until` if there is none.
    pub fn next(&mut self, until: u64) -> Option<Event> {
        match self.calendar.peek() {
            Some(Reverse((at, _, _))) if *at <= until => {}
            _ => {
                self.now = self.now.max(until);
                return None;
            }
        }
        let Reverse((at, _, event)) = self.calendar.pop()?;
        self.now = self.now.max(at);
        Some(event)
    }

    /// A new connection.
    pub fn connect(&mut self, shard: u16) -> LinkId {
        let slowest = self.rng.range(0, self.settings.delay);
        let segment = match self.rng.below(4) {
            0 => self.rng.size(1, 8),
            1 => self.rng.size(1, self.settings.segment),
            _ => self.settings.segment,
        };
        self.links.push(Link {
            up: Pipe::new(self.settings.buffer),
            down: Pipe::new(self.settings.buffer),
            black_hole: false,
            server_gone: false,
            client_gone: false,
            shard,
            delay: (slowest / 4, slowest),
            segment,
        });
        self.links.len() - 1
    }

    /// How many connections there have been.
    #[must_use]
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// One connection.
    ///
    /// # Panics
    /// There was no such connection.
    pub fn link(&mut self, link: LinkId) -> &mut Link {
        self.links.get_mut(link).expect("a link is never removed")
    }

    /// Writes as much of `bytes` as there is room for and says how much that is.
    ///
    /// # Panics
    /// There was no such connection.
    pub fn write(&mut self, link: LinkId, way: Way, bytes: &[u8]) -> usize {
        let held = self.links.get_mut(link).expect("a link is never removed");
        let (delay, segment) = (held.delay, held.segment);
        let pipe = held.pipe(way);
        let count = pipe.room().min(bytes.len());
        pipe.wire.extend(bytes.iter().take(count));
        let mut left = count;
        let mut pieces = 0;
        while left > 0 {
            // After a few small pieces the rest comes in larger ones: an event for each byte of a large payload would
            // make worlds slow and nothing clearer.
            pieces += 1;
            let most = if pieces > FINE { segment.max(COARSE) } else { segment };
            let piece = self.rng.size(1, most).min(left);
            left -= piece;
            let at = self.arrival(link, way, delay);
            self.at(at, Event::Arrive(link, way, piece));
        }
        count
    }

    /// Closes one direction: behind the bytes, or by a reset that overtakes them.
    pub fn close(&mut self, link: LinkId, way: Way, how: Finish) {
        let delay = self.link(link).delay;
        let pipe = self.link(link).pipe(way);
        if pipe.closed {
            return;
        }
        pipe.closed = true;
        let at = match how {
            Finish::Fin => self.arrival(link, way, delay),
            Finish::Rst => self.now + self.rng.range(delay.0, delay.1),
        };
        self.at(at, Event::End(link, way, how));
    }

    /// Both directions break when so many more bytes have gone `way`.
    pub fn cut_after(&mut self, link: LinkId, way: Way, bytes: usize) {
        self.link(link).pipe(way).cut_after = Some(bytes);
    }

    /// So many bytes arrive. Says whether something changed for the receiver.
    pub fn arrive(&mut self, link: LinkId, way: Way, count: usize) -> bool {
        if self.link(link).black_hole {
            return false;
        }
        let pipe = self.link(link).pipe(way);
        let allowed = pipe.cut_after.unwrap_or(usize::MAX).min(count).min(pipe.wire.len());
        let moved: Vec<u8> = pipe.wire.drain(..allowed).collect();
        pipe.arrived.extend(moved);
        if let Some(left) = &mut pipe.cut_after {
            *left -= allowed;
            if *left == 0 {
                self.cut(link);
            }
        }
        true
    }

    /// The end of a stream arrives. Says whether something changed for the receiver.
    pub fn arrive_end(&mut self, link: LinkId, way: Way, how: Finish) -> bool {
        let held = self.link(link);
        if held.black_hole || held.pipe(way).end.is_some() {
            return false;
        }
        held.pipe(way).finish(how);
        true
    }

    /// Breaks both directions at once: what is on the wire is lost, what has arrived may be read.
    pub fn cut(&mut self, link: LinkId) {
        let now = self.now;
        let how = if self.rng.percent(50) { Finish::Fin } else { Finish::Rst };
        for way in [Way::Up, Way::Down] {
            let pipe = self.link(link).pipe(way);
            pipe.cut_after = None;
            pipe.wire.clear();
            pipe.closed = true;
            pipe.latest = pipe.latest.max(now);
            self.at(now, Event::End(link, way, how));
        }
        self.trace.say(now, [1, link as u64, how as u64], || {
            format!("net    link {link} is cut ({how:?})")
        });
    }

    fn arrival(&mut self, link: LinkId, way: Way, delay: (u64, u64)) -> u64 {
        let at = self.now + self.rng.range(delay.0, delay.1);
        let pipe = self.link(link).pipe(way);
        pipe.latest = pipe.latest.max(at);
        pipe.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(segment: usize, buffer: usize) -> Net {
        Net::new(
            Rng::new(1),
            NetSettings {
                delay: 20,
                segment,
                buffer,
            },
            Trace::default(),
        )
    }

    fn run(net: &mut Net, link: LinkId) -> (Vec<u8>, Option<Finish>) {
        let mut got = Vec::new();
        while let Some(event) = net.next(10_000) {
            if let Event::Arrive(link, way, count) = event {
                net.arrive(link, way, count);
            } else if let Event::End(link, way, how) = event {
                net.arrive_end(link, way, how);
            }
            got.extend(net.link(link).up.read(usize::MAX));
        }
        (got, net.link(link).up.ended())
    }

    #[test]
    fn bytes_come_in_order_and_the_end_behind_them() {
        let mut net = net(7, 10_000);
        let link = net.connect(0);
        let sent: Vec<u8> = (0..=255).cycle().take(3000).collect();
        assert_eq!(net.write(link, Way::Up, &sent), 3000);
        net.close(link, Way::Up, Finish::Fin);
        assert_eq!(run(&mut net, link), (sent, Some(Finish::Fin)));
    }

    #[test]
    fn a_cut_lets_exactly_its_bytes_through() {
        let mut net = net(7, 10_000);
        let link = net.connect(0);
        net.cut_after(link, Way::Up, 41);
        net.write(link, Way::Up, &[9; 100]);
        let (got, end) = run(&mut net, link);
        assert_eq!(got.len(), 41);
        assert!(end.is_some());
    }

    #[test]
    fn a_full_buffer_takes_no_more() {
        let mut net = net(7, 10);
        let link = net.connect(0);
        assert_eq!(net.write(link, Way::Up, &[1; 25]), 10);
        assert_eq!(net.write(link, Way::Up, &[1; 25]), 0);
    }

    #[test]
    fn a_black_hole_says_nothing() {
        let mut net = net(7, 100);
        let link = net.connect(0);
        net.write(link, Way::Up, &[1; 25]);
        net.close(link, Way::Up, Finish::Fin);
        net.link(link).black_hole = true;
        assert_eq!(run(&mut net, link), (vec![], None));
    }
}
