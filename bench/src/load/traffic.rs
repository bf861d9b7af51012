//! Publishers and subscribers at full speed, bounded by a window of messages not yet received.
//!
//! Must hold: a publisher sends only while fewer than `window` of its messages are under way, so that no queue in the
//! broker grows and a slow broker is not flooded; every message is accounted for after the run.
//! Deliberately absent: latency. Under a full window it says no more than the rate does.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token};

use super::check::{Faults, Stream};
use super::link::{Dialog, Link, SCRATCH};
use super::wire::{self, Frame, Mark, Template};

/// Who publishes to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// So many pairs, each with a topic of its own.
    Pairs(usize),
    /// So many publishers, one subscriber, one topic.
    FanIn(usize),
    /// One publisher, so many subscribers, one topic.
    FanOut(usize),
}

impl Shape {
    fn publishers(self) -> usize {
        match self {
            Self::Pairs(n) | Self::FanIn(n) => n,
            Self::FanOut(_) => 1,
        }
    }

    fn subscribers(self) -> usize {
        match self {
            Self::Pairs(n) | Self::FanOut(n) => n,
            Self::FanIn(_) => 1,
        }
    }

    fn topic(self, member: usize) -> String {
        match self {
            Self::Pairs(_) => format!("bench/pair/{member:03}"),
            Self::FanIn(_) | Self::FanOut(_) => "bench/all".to_owned(),
        }
    }

    /// The stream that a message of `source` belongs to when `subscriber` receives it, if it should receive it.
    fn stream(self, source: usize, subscriber: usize) -> Option<usize> {
        match self {
            Self::Pairs(_) => (source == subscriber).then_some(subscriber),
            Self::FanIn(n) => (source < n).then_some(source),
            Self::FanOut(_) => (source == 0).then_some(subscriber),
        }
    }
}

/// What to do to a broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) shape: Shape,
    pub(crate) qos: u8,
    pub(crate) window: u64,
    pub(crate) payload: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome<S> {
    /// The caller's snapshots at the start and at the end of the measured time.
    pub(crate) snapshots: (S, S),
    /// Messages delivered between the two.
    pub(crate) delivered: u64,
    /// Time between the two.
    pub(crate) elapsed: Duration,
    /// What went wrong in the whole run, warm-up and end included.
    pub(crate) faults: Faults,
}

/// Without a message for so long, what is still under way is lost.
const SILENCE: Duration = Duration::from_secs(2);

/// Runs a plan against a broker; `snapshot` is called when the measured time begins and when it ends.
pub(crate) fn run<S>(
    broker: SocketAddr,
    plan: &Plan,
    mut snapshot: impl FnMut() -> io::Result<S>,
) -> io::Result<Outcome<S>> {
    let mut traffic = Traffic::connect(broker, plan)?;
    traffic.until(Instant::now() + plan.warm_up)?;
    let (from, begun, before) = (snapshot()?, Instant::now(), traffic.delivered);
    traffic.until(begun + plan.measured)?;
    let (to, elapsed, after) = (snapshot()?, begun.elapsed(), traffic.delivered);
    traffic.drain()?;
    Ok(Outcome {
        snapshots: (from, to),
        delivered: after - before,
        elapsed,
        faults: traffic.faults(),
    })
}

#[derive(Debug)]
struct Publisher {
    template: Template,
    sent: u64,
    /// Handshakes not yet finished; stays zero at QoS 0.
    unfinished: u64,
}

#[derive(Debug)]
struct Traffic {
    plan: Plan,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    /// The publishers' links first, then the subscribers'.
    links: Vec<Link>,
    publishers: Vec<Publisher>,
    streams: Vec<Stream>,
    delivered: u64,
}

impl Traffic {
    fn connect(broker: SocketAddr, plan: &Plan) -> io::Result<Self> {
        let poll = Poll::new()?;
        let shape = plan.shape;
        let mut links = Vec::new();
        for n in 0..shape.publishers() {
            let dialog = Dialog::open(broker, &format!("bench-pub-{n}"), 60)?;
            links.push(Link::new(dialog, poll.registry(), Token(links.len()))?);
        }
        for n in 0..shape.subscribers() {
            let mut dialog = Dialog::open(broker, &format!("bench-sub-{n}"), 60)?;
            dialog.subscribe(&shape.topic(n), plan.qos)?;
            links.push(Link::new(dialog, poll.registry(), Token(links.len()))?);
        }
        let publishers = (0..shape.publishers()).map(|n| Publisher {
            template: Template::new(&shape.topic(n), plan.qos, plan.payload),
            sent: 0,
            unfinished: 0,
        });
        let streams = shape.publishers().max(shape.subscribers());
        Ok(Self {
            plan: *plan,
            poll,
            events: Events::with_capacity(4096),
            scratch: vec![0; SCRATCH],
            links,
            publishers: publishers.collect(),
            streams: (0..streams).map(|_| Stream::default()).collect(),
            delivered: 0,
        })
    }

    fn until(&mut self, end: Instant) -> io::Result<()> {
        while Instant::now() < end {
            self.refill();
            self.turn()?;
        }
        Ok(())
    }

    /// Sends nothing new and waits for what is under way.
    fn drain(&mut self) -> io::Result<()> {
        let mut last = (self.under_way(), Instant::now());
        while last.0 > 0 && last.1.elapsed() < SILENCE {
            self.turn()?;
            let now = self.under_way();
            if now != last.0 {
                last = (now, Instant::now());
            }
        }
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        self.links.iter_mut().try_for_each(Link::flush)?;
        // Bounded, so that the clock is looked at when a broker falls silent.
        match self.poll.poll(&mut self.events, Some(Duration::from_millis(50))) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            done => done?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let done = events.iter().try_for_each(|event| self.event(event));
        self.events = events;
        done
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        let Token(n) = event.token();
        let Some(link) = self.links.get_mut(n) else {
            return Ok(());
        };
        if event.is_writable() {
            link.writable();
        }
        if !event.is_readable() {
            return Ok(());
        }
        let received = if let Some(publisher) = self.publishers.get_mut(n) {
            link.receive(&mut self.scratch, |frame, out| publisher.answer(frame, out))
        } else {
            let subscriber = n - self.publishers.len();
            let (plan, publishers, streams) = (&self.plan, &self.publishers, &mut self.streams);
            let delivered = &mut self.delivered;
            link.receive(&mut self.scratch, |frame, out| {
                if let Frame::Publish { qos, id, payload, .. } = frame {
                    account(plan.shape, (subscriber, payload), publishers, streams);
                    *delivered += 1;
                    acknowledge(qos, id, out);
                } else if let Frame::PubRel(id) = frame {
                    wire::put_ack(out, wire::PUBCOMP, id);
                }
            })
        };
        received.map_err(|e| io::Error::new(e.kind(), format!("connection {n}: {e}")))
    }

    /// Lets every publisher fill its window.
    fn refill(&mut self) {
        for n in 0..self.publishers.len() {
            let under_way = self.under_way_of(n);
            let (Some(publisher), Some(link)) = (self.publishers.get_mut(n), self.links.get_mut(n)) else {
                continue;
            };
            let room = self.plan.window.saturating_sub(under_way.max(publisher.unfinished));
            let source = u32::try_from(n).unwrap_or(u32::MAX);
            for _ in 0..room {
                publisher.put(source, link.out(), self.plan.qos);
            }
        }
    }

    fn under_way_of(&self, publisher: usize) -> u64 {
        let sent = self.publishers.get(publisher).map_or(0, |p| p.sent);
        if let Shape::FanOut(subscribers) = self.plan.shape {
            // The mean over all subscribers: one that lost messages must not hold up the others.
            return sent.saturating_sub(self.delivered / subscribers.max(1) as u64);
        }
        sent.saturating_sub(self.streams.get(publisher).map_or(0, Stream::next))
    }

    /// What the drain waits for: messages missing at any subscriber, and handshakes.
    fn under_way(&self) -> u64 {
        let received: u64 = self.streams.iter().map(Stream::distinct).sum();
        let unfinished: u64 = self.publishers.iter().map(|p| p.unfinished).sum();
        let expected: u64 = (0..self.streams.len()).map(|n| self.sent_to(n)).sum();
        expected.saturating_sub(received) + unfinished
    }

    fn sent_to(&self, stream: usize) -> u64 {
        let source = if matches!(self.plan.shape, Shape::FanOut(_)) {
            0
        } else {
            stream
        };
        self.publishers.get(source).map_or(0, |p| p.sent)
    }

    fn faults(&self) -> Faults {
        let mut all = Faults::default();
        for (n, stream) in self.streams.iter().enumerate() {
            all += stream.faults(self.sent_to(n));
        }
        all
    }
}

impl Publisher {
    fn put(&mut self, source: u32, out: &mut Vec<u8>, qos: u8) {
        // Identifiers go round; the window is far smaller than the circle, so none is in use twice.
        let id = u16::try_from(self.sent % 65_535 + 1).unwrap_or(1);
        self.template.put(
            out,
            id,
            Mark {
                source,
                sequence: self.sent,
            },
        );
        self.sent += 1;
        self.unfinished += u64::from(qos > 0);
    }

    fn answer(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) {
        if let Frame::PubRec(id) = frame {
            wire::put_ack(out, wire::PUBREL, id);
        } else if let Frame::PubAck(_) | Frame::PubComp(_) = frame {
            self.unfinished = self.unfinished.saturating_sub(1);
        }
    }
}

fn account(shape: Shape, (subscriber, payload): (usize, &[u8]), publishers: &[Publisher], streams: &mut [Stream]) {
    let mark = Mark::read(payload);
    let source = mark.map_or(usize::MAX, |m| usize::try_from(m.source).unwrap_or(usize::MAX));
    let sent = publishers.get(source).map(|p| p.sent);
    let stream = shape.stream(source, subscriber).and_then(|n| streams.get_mut(n));
    if let (Some(mark), Some(sent), Some(stream)) = (mark, sent, stream) {
        stream.note(mark.sequence, sent);
    } else if let Some(stream) = streams.get_mut(subscriber) {
        stream.note_stray();
    }
}

fn acknowledge(qos: u8, id: u16, out: &mut Vec<u8>) {
    match qos {
        0 => {}
        1 => wire::put_ack(out, wire::PUBACK, id),
        _ => wire::put_ack(out, wire::PUBREC, id),
    }
}

#[cfg(test)]
mod tests;
