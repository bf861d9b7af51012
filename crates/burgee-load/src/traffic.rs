//! Publishers and subscribers on one readiness loop: as fast as their windows allow, or at times set beforehand.
//!
//! Must hold: in a closed loop a publisher sends only while fewer than `window` of its messages are under way, so that
//! no queue in the broker grows; in an open loop a message is stamped with the time when it was due. Every message is
//! accounted for. A connection that is lost is counted, and the rest goes on. Every loop here ends, whatever comes.
//!
//! An open loop spins, and a closed one on demand: sleeping costs tens of microseconds of precision. It wants a core of its
//! own.

mod crew;
mod drain;
mod ledger;
mod publisher;
mod schedule;
mod shape;

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use crate::clock::{self, Clock};
use crate::error::Error;
use crate::histogram::Percentiles;
use crate::link::{Link, SCRATCH};
use crate::load::Load;
use crate::target::{Target, Ticker};
use crate::wire::{self, Frame, Template};

use crew::Crew;
pub(crate) use crew::forget;
pub(crate) use drain::GaveUp;
pub(crate) use ledger::Account;
use ledger::Ledger;
use publisher::Publisher;
use schedule::Schedule;
pub(crate) use shape::Shape;

/// Without progress for so long, what a publisher has under way no longer holds its window.
const STUCK: u64 = clock::SECOND;

/// Bytes, or payloads if two of them are more, that a closed loop writes ahead of what the socket takes.
const AHEAD: usize = 1 << 20;

/// Bytes that a connection may hold unsent before an open loop waits for it.
const BACKLOG: usize = 16 << 20;

/// Messages of an open loop sent in one turn: what arrives must not wait for long.
const BURST: usize = 256;

/// The kind of packet that answers a ping.
const PINGRESP: u8 = 13;

/// Reads from one connection in one turn.
const READS: usize = 8;

/// What to do to a broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) shape: Shape,
    pub(crate) load: Load,
    /// The first so many subscribers may stop reading.
    pub(crate) sleepers: usize,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) account: Account,
    /// Handshakes never finished of publishers whose connection stands, and whose broker had time and answers.
    pub(crate) unacknowledged: u64,
    /// Why what was still under way at the end was no longer waited for.
    pub(crate) gave_up: Option<GaveUp>,
    pub(crate) latency: Option<Percentiles>,
    /// How late an open loop sent.
    pub(crate) late: Option<Percentiles>,
    /// Messages of an open loop that were due and could not be sent.
    pub(crate) unsent: u64,
    /// That was because the broker did not take them.
    pub(crate) held: bool,
    /// How often a window was opened again because nothing came for a second.
    pub(crate) written_off: u64,
    /// Connections lost, and what was said of the first.
    pub(crate) connections_lost: u64,
    pub(crate) first_loss: Option<String>,
    /// Messages that came with another QoS than was granted.
    pub(crate) wrong_qos: u64,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each may be so whatever the others are")]
struct Member {
    link: Option<Link>,
    /// Does not read.
    asleep: bool,
    /// There may be bytes to read of which no event will tell.
    more: bool,
    /// Its window has room, and its socket takes no more.
    held_back: bool,
    /// Pings not answered.
    pings: u32,
    /// What it has under way is in doubt: nobody waited for it to the end.
    doubted: bool,
}

#[derive(Debug, Default)]
struct Tally {
    written_off: u64,
    connections_lost: u64,
    first_loss: Option<String>,
    unsent: u64,
    wrong_qos: u64,
    gave_up: Option<GaveUp>,
}

/// A run.
#[derive(Debug)]
pub(crate) struct Traffic<'t> {
    target: &'t Target,
    plan: Plan,
    clock: Clock,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    /// Publishers first.
    members: Vec<Member>,
    publishers: Vec<Publisher>,
    ledger: Ledger,
    schedule: Option<Schedule>,
    /// Publishers whose windows may have room.
    touched: Vec<usize>,
    /// Members with something to send.
    dirty: Vec<usize>,
    /// Members with something to read of which no event will tell.
    pending: Vec<usize>,
    tally: Tally,
    worked: Duration,
    /// When the last phase ended: what is due later is nobody's business.
    end: u64,
    /// Nobody is left to publish, or to receive.
    over: bool,
}

impl<'t> Traffic<'t> {
    /// Connects everybody.
    pub(crate) fn connect(target: &'t Target, plan: &Plan, ticker: &mut Ticker<'_>) -> Result<Self, Error> {
        let (shape, load) = (plan.shape, plan.load);
        load.check(shape.publishers() + shape.subscribers())?;
        let poll = Poll::new()?;
        let crew = Crew {
            shape,
            qos: load.qos,
            persistent: load.persistent,
            sleepers: plan.sleepers,
            largest: load.payload + 1024,
        };
        let links = crew.connect(target, poll.registry(), ticker)?;
        let members = links.into_iter().map(|link| Member {
            link: Some(link),
            asleep: false,
            more: false,
            held_back: false,
            pings: 0,
            doubted: false,
        });
        let publishers = (0..shape.publishers()).map(|n| {
            let template = Template::new(&shape.topic(n), load.qos, load.payload);
            Publisher::new(n, template, load.qos)
        });
        Ok(Self {
            target,
            plan: *plan,
            clock: Clock::start(),
            poll,
            events: Events::with_capacity(4096),
            scratch: vec![0; SCRATCH],
            members: members.collect(),
            publishers: publishers.collect(),
            ledger: Ledger::new(shape, load.payload),
            schedule: load.rate.map(Schedule::new),
            touched: Vec::new(),
            dirty: Vec::new(),
            pending: Vec::new(),
            tally: Tally::default(),
            worked: Duration::ZERO,
            end: 0,
            over: false,
        })
    }

    /// Copies delivered so far.
    pub(crate) fn delivered(&self) -> u64 {
        self.ledger.delivered()
    }

    /// Copies delivered so far to these subscribers, each counted once.
    pub(crate) fn delivered_to(&self, subscribers: std::ops::Range<usize>) -> u64 {
        self.ledger.distinct_of(subscribers)
    }

    /// Messages sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.publishers.iter().map(Publisher::sent).sum()
    }

    /// Time that a loop that never sleeps has worked, and not only waited for something to do.
    pub(crate) fn worked(&self) -> Option<Duration> {
        self.plan.load.never_sleeps().then_some(self.worked)
    }

    /// Latencies of messages that arrive from now on are kept, earlier ones are not.
    pub(crate) fn measure_from(&mut self, from: Instant) {
        let from = self.clock.at(from);
        self.ledger.measure_from(from);
        if let Some(schedule) = &mut self.schedule {
            schedule.measure_from(from);
        }
    }

    /// Publishes for so long.
    pub(crate) fn go(&mut self, phase: &'static str, duration: Duration, ticker: &mut Ticker<'_>) -> Result<(), Error> {
        let base = self.delivered();
        ticker.phase(phase, None, 0);
        let begun = self.clock.now();
        let end = begun + clock::units(duration);
        if let Some(schedule) = &mut self.schedule {
            schedule.begin(begun);
        }
        self.touched.extend(0..self.publishers.len());
        let mut looked = begun;
        loop {
            let now = self.clock.now();
            if self.over || self.target.stopped() || now >= end {
                self.end = now.min(end);
                break;
            }
            self.step(end)?;
            if now - looked >= clock::SECOND / 10 {
                looked = now;
                self.look_for_stuck(now);
                let lately = self.ledger.lately(now);
                ticker.tick(Instant::now(), self.ledger.delivered() - base, || lately);
            }
        }
        self.settle()
    }

    /// One round of sending what is due before the end, and of receiving.
    fn step(&mut self, end: u64) -> Result<(), Error> {
        let now = self.clock.now();
        let begun = Instant::now();
        let (sent, nap) = if self.schedule.is_some() {
            (self.send_due(now, end), Duration::ZERO)
        } else {
            self.refill(now);
            let left = Duration::from_nanos(end.saturating_sub(now).saturating_mul(100));
            (!self.dirty.is_empty(), self.plan.load.nap(left))
        };
        if self.turn(nap)? || sent {
            self.worked += begun.elapsed();
        }
        Ok(())
    }

    /// An open loop receives what is under way without a pause, so that reading meters makes nothing late.
    fn settle(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        while self.schedule.is_some()
            && !self.over
            && self.ledger.missing(&self.publishers) > 0
            && begun.elapsed() < Duration::from_millis(5)
        {
            self.turn(Duration::ZERO)?;
        }
        Ok(())
    }

    /// The first so many subscribers stop reading; the window does not wait for them any more.
    pub(crate) fn fall_asleep(&mut self, count: usize) {
        let subscribers = self.members.iter_mut().skip(self.publishers.len());
        subscribers.take(count).for_each(|member| member.asleep = true);
        (0..count).for_each(|subscriber| self.ledger.unpace(subscriber));
    }

    /// They read again.
    pub(crate) fn wake_up(&mut self) {
        for (n, member) in self.members.iter_mut().enumerate() {
            if !std::mem::take(&mut member.asleep) {
                continue;
            }
            member.link.iter().for_each(Link::keep_much);
            if !std::mem::replace(&mut member.more, true) {
                self.pending.push(n);
            }
        }
    }

    /// The account of the whole run.
    pub(crate) fn end(mut self) -> Summary {
        Summary {
            sent: self.sent(),
            delivered: self.delivered(),
            account: self.ledger.account(&self.publishers),
            unacknowledged: self.owed_answers(),
            gave_up: self.tally.gave_up,
            latency: self.ledger.latency(),
            late: self.schedule.as_ref().and_then(Schedule::late),
            unsent: self.tally.unsent,
            held: self.schedule.as_ref().is_some_and(Schedule::held),
            written_off: self.tally.written_off,
            connections_lost: self.tally.connections_lost,
            first_loss: self.tally.first_loss,
            wrong_qos: self.tally.wrong_qos,
        }
    }

    /// Whether nobody is left who could publish to somebody.
    pub(crate) fn over(&self) -> bool {
        self.over
    }

    /// Whether somebody has ended the run.
    pub(crate) fn stopped(&self) -> bool {
        self.target.stopped()
    }

    /// Whether somebody is left.
    pub(crate) fn anybody(&self) -> bool {
        self.members.iter().any(|member| member.link.is_some())
    }

    /// Lets publishers fill their windows.
    fn refill(&mut self, now: u64) {
        let mut touched = std::mem::take(&mut self.touched);
        for n in touched.drain(..) {
            if self.can_publish(n)
                && let Err(e) = self.fill(n, now)
            {
                self.lose(n, &e);
            }
        }
        self.touched = touched;
    }

    /// Fills one publisher's window, as far as its socket takes it: a large window of large payloads has to stay out of
    /// memory.
    fn fill(&mut self, n: usize, now: u64) -> io::Result<()> {
        let received = self.ledger.received(n);
        let Some(member) = self.members.get_mut(n) else {
            return Ok(());
        };
        let (Some(publisher), Some(link)) = (self.publishers.get_mut(n), &mut member.link) else {
            return Ok(());
        };
        let ahead = AHEAD.max(2 * self.plan.load.payload);
        for _ in 0..publisher.room(u64::from(self.plan.load.window), received) {
            if link.unsent() >= ahead {
                link.flush()?;
            }
            member.held_back = link.unsent() >= ahead;
            if member.held_back {
                return Ok(());
            }
            publisher.put(link.out(), now);
        }
        if link.unsent() > 0 {
            self.dirty.push(n);
        }
        Ok(())
    }

    /// Sends what is due. True if anything was.
    fn send_due(&mut self, now: u64, end: u64) -> bool {
        let Some(mut schedule) = self.schedule.take() else {
            return false;
        };
        let mut sent = false;
        for _ in 0..BURST {
            let (number, due) = schedule.next();
            if due > now.min(end) {
                break;
            }
            let turn = number % (self.publishers.len() as u64).max(1);
            let n = usize::try_from(turn).unwrap_or_default();
            if !self.can_publish(n) {
                schedule.skip();
                continue;
            }
            let link = self.members.get_mut(n).and_then(|member| member.link.as_mut());
            let (Some(publisher), Some(link)) = (self.publishers.get_mut(n), link) else {
                break;
            };
            if !publisher.has_room() || link.unsent() > BACKLOG {
                schedule.hold();
                break;
            }
            publisher.put(link.out(), due);
            schedule.sent(now);
            self.dirty.push(n);
            sent = true;
        }
        self.schedule = Some(schedule);
        sent
    }

    /// Whether a publisher is there, and for a pair its subscriber, too.
    fn can_publish(&self, publisher: usize) -> bool {
        let there = |n: usize| self.members.get(n).is_some_and(|member| member.link.is_some());
        let partner = publisher + self.publishers.len();
        there(publisher) && (!matches!(self.plan.shape, Shape::Pairs(_)) || there(partner))
    }

    /// A publisher that has had no progress for a second writes off what is under way, so that a loss is counted and
    /// does not stop the run.
    fn look_for_stuck(&mut self, now: u64) {
        if self.schedule.is_some() {
            return;
        }
        for (n, publisher) in self.publishers.iter_mut().enumerate() {
            if publisher.stuck(self.ledger.received(n), now, STUCK) {
                publisher.write_off();
                self.tally.written_off += 1;
                self.touched.push(n);
            }
        }
    }

    /// Sends what was written, waits for something to happen, and receives. True if anything happened.
    fn turn(&mut self, wait: Duration) -> Result<bool, Error> {
        self.flush();
        let wait = if self.pending.is_empty() { wait } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(false),
            done => done?,
        }
        let mut pending = std::mem::take(&mut self.pending);
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let any = !events.is_empty() || !pending.is_empty();
        for event in &events {
            let Token(n) = event.token();
            let Some(member) = self.members.get_mut(n) else {
                continue;
            };
            let Some(link) = &mut member.link else { continue };
            let readable = link.note(event);
            if event.is_writable() {
                self.dirty.push(n);
            }
            if readable && !member.more {
                self.receive(n);
            }
        }
        self.events = events;
        for n in pending.drain(..) {
            self.receive(n);
        }
        // What has become pending meanwhile waits for the next turn.
        pending.append(&mut self.pending);
        self.pending = pending;
        self.flush();
        Ok(any)
    }

    fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for n in dirty.drain(..) {
            let Some(member) = self.members.get_mut(n) else {
                continue;
            };
            let Some(link) = &mut member.link else { continue };
            match link.flush() {
                Err(e) => self.lose(n, &e),
                Ok(()) if member.held_back && link.unsent() == 0 => {
                    member.held_back = false;
                    self.touched.push(n);
                }
                Ok(()) => {}
            }
        }
        self.dirty = dirty;
    }

    fn receive(&mut self, n: usize) {
        let Some(member) = self.members.get_mut(n) else {
            return;
        };
        // Whoever sleeps finds it when he wakes up.
        member.more = false;
        let (false, Some(link), pings) = (member.asleep, &mut member.link, &mut member.pings) else {
            return;
        };
        let (clock, plan) = (self.clock, &self.plan);
        let subscriber = n.checked_sub(self.publishers.len());
        for _ in 0..READS {
            let read = match subscriber {
                None => {
                    let publisher = self.publishers.get_mut(n);
                    let Some(publisher) = publisher else { return };
                    let answer = |frame: Frame<'_>, _, out: &mut Vec<u8>| {
                        publisher.answer(frame, out);
                        *pings = pings.saturating_sub(pongs(frame));
                    };
                    link.read(&mut self.scratch, || 0, answer)
                }
                Some(subscriber) => {
                    let (ledger, publishers, tally) = (&mut self.ledger, &self.publishers, &mut self.tally);
                    let read = |frame: Frame<'_>, now, out: &mut Vec<u8>| {
                        if let Frame::Publish { qos, id, payload, .. } = frame {
                            ledger.note(now, subscriber, payload, publishers);
                            tally.wrong_qos += u64::from(qos != plan.load.qos);
                            acknowledge(qos, id, out);
                        } else if let Frame::PubRel(id) = frame {
                            wire::put_ack(out, wire::PUBCOMP, id);
                        } else {
                            *pings = pings.saturating_sub(pongs(frame));
                        }
                    };
                    link.read(&mut self.scratch, || clock.now(), read)
                }
            };
            match read {
                Ok(more) => member.more = more,
                Err(e) => return self.lose(n, &e),
            }
            if !member.more {
                break;
            }
        }
        if member.more {
            self.pending.push(n);
        }
        self.dirty.push(n);
        self.touch(n, subscriber);
    }

    /// Something came in: windows may have room.
    fn touch(&mut self, n: usize, subscriber: Option<usize>) {
        let publisher = match (subscriber, self.plan.shape) {
            (None, _) => n,
            (Some(subscriber), Shape::Pairs(_)) => subscriber,
            (Some(_), Shape::FanOut(_)) => 0,
            (Some(_), Shape::FanIn(publishers)) => return self.touched.extend(0..publishers),
        };
        if self.schedule.is_none() && self.touched.last() != Some(&publisher) {
            self.touched.push(publisher);
        }
    }

    /// A connection has ended: it is counted, and the others go on.
    fn lose(&mut self, n: usize, why: &io::Error) {
        let Some(member) = self.members.get_mut(n) else {
            return;
        };
        if member.link.take().is_none() {
            return;
        }
        self.tally.connections_lost += 1;
        let name = crew::name(self.plan.shape, n);
        self.tally.first_loss.get_or_insert_with(|| format!("{name}: {why}"));
        let subscriber = n.checked_sub(self.publishers.len());
        self.ledger.end(subscriber.is_none().then_some(n), subscriber);
        let publishers = (0..self.publishers.len()).any(|n| self.can_publish(n));
        let subscribers = self.members.iter().skip(self.publishers.len());
        self.over = !publishers || subscribers.filter(|member| member.link.is_some()).count() == 0;
    }
}

/// Whether this answers a ping, as a number.
fn pongs(frame: Frame<'_>) -> u32 {
    u32::from(frame == Frame::Other(PINGRESP))
}

fn acknowledge(qos: u8, id: u16, out: &mut Vec<u8>) {
    match qos {
        0 => {}
        1 => wire::put_ack(out, wire::PUBACK, id),
        _ => wire::put_ack(out, wire::PUBREC, id),
    }
}
