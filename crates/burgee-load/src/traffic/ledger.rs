//! The receiving side: every message that arrives is checked, counted in its stream, and timed.
//!
//! Must hold: what arrives is never believed. A source, a sequence number or a stream that cannot be is a stray.

use crate::check::{Faults, Stream};
use crate::clock;
use crate::histogram::{Latencies, Percentiles};
use crate::traffic::publisher::Publisher;
use crate::traffic::shape::Shape;
use crate::wire::{Filler, Mark, Payload};

/// All that has arrived.
#[derive(Debug)]
pub(super) struct Ledger {
    shape: Shape,
    filler: Filler,
    streams: Vec<Stream>,
    /// Streams whose receivers hold the window, and the sum of what they have reached.
    pacing: Vec<bool>,
    pace: (u64, u64),
    /// Streams that ended with a connection: their tails are in doubt.
    ended: Vec<bool>,
    delivered: u64,
    /// Faults that belong to no stream.
    others: Faults,
    times: Times,
}

/// Latencies of the messages that arrived in the measured time or were due in it. Nothing is due after it, so these are
/// all that arrive once it has begun: a stall that begins before it cannot hide.
#[derive(Debug)]
struct Times {
    from: u64,
    recent: Latencies,
    all: Latencies,
    rolled: u64,
    last: Option<Percentiles>,
}

/// What became of everything that was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// What went wrong.
    pub(crate) faults: Faults,
    /// Messages of connections that were lost: nobody can say whether they were owed.
    pub(crate) in_doubt: u64,
}

impl Ledger {
    pub(super) fn new(shape: Shape, payload: usize) -> Self {
        let streams = shape.streams();
        Self {
            shape,
            filler: Filler::new(payload),
            streams: (0..streams).map(|_| Stream::default()).collect(),
            pacing: vec![true; streams],
            pace: (0, streams as u64),
            ended: vec![false; streams],
            delivered: 0,
            others: Faults::default(),
            times: Times {
                from: u64::MAX,
                recent: Latencies::default(),
                all: Latencies::default(),
                rolled: 0,
                last: None,
            },
        }
    }

    /// Copies that have arrived, whatever they were.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// A payload arrives at a subscriber.
    pub(super) fn note(&mut self, now: u64, subscriber: usize, payload: &[u8], publishers: &[Publisher]) {
        self.delivered += 1;
        let Payload::Sound(mark) = self.filler.read(payload) else {
            self.others.corrupted += 1;
            return;
        };
        let Some(paces) = self.note_mark(subscriber, mark, publishers) else {
            self.others.stray += 1;
            return;
        };
        // Whoever does not read has no latency to tell.
        if paces && now >= self.times.from {
            self.times.recent.note(clock::sent(now, mark.sent_at).1);
        }
    }

    /// Notes it in its stream, if it has one; tells whether that stream holds the window.
    fn note_mark(&mut self, subscriber: usize, mark: Mark, publishers: &[Publisher]) -> Option<bool> {
        let source = usize::try_from(mark.source).ok()?;
        let sent = publishers.get(source)?.sent();
        let number = self.shape.stream(source, subscriber)?;
        let stream = self.streams.get_mut(number)?;
        let before = stream.next();
        stream.note(u64::from(mark.sequence), sent);
        let paces = self.pacing.get(number).is_some_and(|&paces| paces);
        if paces {
            self.pace.0 += stream.next() - before;
        }
        Some(paces)
    }

    /// The first message of a publisher that has not arrived yet: the mean over all its subscribers, for one that lost
    /// messages must not hold up the others.
    pub(super) fn received(&self, publisher: usize) -> u64 {
        match self.shape {
            Shape::FanOut(_) => self.pace.0 / self.pace.1.max(1),
            Shape::Pairs(_) | Shape::FanIn(_) => self.streams.get(publisher).map_or(0, Stream::next),
        }
    }

    /// The streams of this subscriber no longer hold the window.
    pub(super) fn unpace(&mut self, subscriber: usize) {
        for (number, stream) in self.streams.iter().enumerate() {
            let Some(paces) = self.pacing.get_mut(number) else {
                continue;
            };
            if *paces && self.shape.receiver(number) == subscriber {
                *paces = false;
                self.pace = (self.pace.0.saturating_sub(stream.next()), self.pace.1.saturating_sub(1));
            }
        }
    }

    /// A connection was lost: what its streams had not delivered is in doubt.
    pub(super) fn end(&mut self, publisher: Option<usize>, subscriber: Option<usize>) {
        for (number, ended) in self.ended.iter_mut().enumerate() {
            let (source, receiver) = (self.shape.source(number), self.shape.receiver(number));
            *ended |= publisher == Some(source) || subscriber == Some(receiver);
        }
        if let Some(subscriber) = subscriber {
            self.unpace(subscriber);
        }
    }

    /// Messages of streams still alive that have not arrived.
    pub(super) fn missing(&self, publishers: &[Publisher]) -> u64 {
        let alive = self.streams.iter().zip(&self.ended).enumerate();
        let each = alive.filter(|(_, (_, ended))| !**ended);
        each.map(|(number, (stream, _))| self.sent(number, publishers).saturating_sub(stream.distinct()))
            .sum()
    }

    /// The account when all is over.
    pub(super) fn account(&self, publishers: &[Publisher]) -> Account {
        let mut account = Account {
            faults: self.others,
            in_doubt: 0,
        };
        for (number, (stream, &ended)) in self.streams.iter().zip(&self.ended).enumerate() {
            let sent = self.sent(number, publishers);
            let owed = if ended { stream.next() } else { sent };
            account.faults += stream.faults(owed);
            account.in_doubt += sent - owed.min(sent);
        }
        // What arrived corrupted did arrive.
        account.faults.lost = account.faults.lost.saturating_sub(account.faults.corrupted);
        account
    }

    fn sent(&self, stream: usize, publishers: &[Publisher]) -> u64 {
        publishers.get(self.shape.source(stream)).map_or(0, Publisher::sent)
    }

    /// Copies of one subscriber's streams that have arrived, each counted once.
    pub(super) fn distinct_of(&self, subscribers: std::ops::Range<usize>) -> u64 {
        let each = self.streams.iter().enumerate();
        each.filter(|(number, _)| subscribers.contains(&self.shape.receiver(*number)))
            .map(|(_, stream)| stream.distinct())
            .sum()
    }

    /// Takes the latencies of messages that arrive from now on.
    pub(super) fn measure_from(&mut self, from: u64) {
        self.times.recent.clear();
        self.times.all.clear();
        (self.times.from, self.times.rolled) = (from, from);
    }

    /// Moves the last second's latencies to the others; tells the percentiles of the last whole second.
    pub(super) fn lately(&mut self, now: u64) -> Option<Percentiles> {
        if now.saturating_sub(self.times.rolled) >= clock::SECOND {
            self.times.rolled = now;
            self.times.last = self.times.recent.percentiles();
            self.times.all.add(&self.times.recent);
            self.times.recent.clear();
        }
        self.times.last
    }

    /// The percentiles of the measured time.
    pub(super) fn latency(&mut self) -> Option<Percentiles> {
        self.times.all.add(&self.times.recent);
        self.times.recent.clear();
        self.times.all.percentiles()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Template;

    /// A ledger, and a publisher that has sent so many.
    fn sent(shape: Shape, messages: usize) -> (Ledger, Vec<Publisher>) {
        let mut publisher = Publisher::new(0, Template::new("t", 0, 64), 0);
        (0..messages).for_each(|_| publisher.put(&mut Vec::new(), 0));
        (Ledger::new(shape, 64), vec![publisher])
    }

    fn payload(source: u32, sequence: u32, sent_at: u32) -> Vec<u8> {
        let mut payload = Vec::new();
        let mark = Mark {
            source,
            sequence,
            sent_at,
        };
        Filler::new(64).put(&mut payload, mark);
        payload
    }

    #[test]
    fn only_messages_under_way_in_the_measured_time_are_timed() {
        let (mut ledger, publishers) = sent(Shape::Pairs(1), 4);
        ledger.note(50, 0, &payload(0, 0, 10), &publishers);
        ledger.measure_from(100);
        ledger.note(150, 0, &payload(0, 1, 99), &publishers);
        ledger.note(150, 0, &payload(0, 2, 100), &publishers);
        ledger.note(1150, 0, &payload(0, 3, 150), &publishers);
        let latency = ledger.latency().unwrap();
        assert_eq!(
            latency.count, 3,
            "one that was due before and comes only now is one of them"
        );
        assert!((latency.p50 - 5.0).abs() < 0.2 && (latency.max - 100.0).abs() < 0.1);
        assert_eq!(ledger.account(&publishers), Account::default());
    }

    #[test]
    fn the_mean_of_those_who_read_holds_the_window() {
        let (mut ledger, publishers) = sent(Shape::FanOut(4), 8);
        for subscriber in 0..3 {
            (0..8).for_each(|n| ledger.note(0, subscriber, &payload(0, n, 0), &publishers));
        }
        assert_eq!((ledger.received(0), ledger.missing(&publishers)), (6, 8));
        ledger.unpace(3);
        assert_eq!(ledger.received(0), 8);
        ledger.end(None, Some(3));
        assert_eq!(ledger.missing(&publishers), 0, "nobody waits for one that has gone");
        let account = ledger.account(&publishers);
        assert_eq!((account.faults, account.in_doubt), (Faults::default(), 8));
        assert_eq!(ledger.distinct_of(1..4), 16);
    }

    #[test]
    fn what_nobody_can_have_sent_is_a_stray() {
        let (mut ledger, publishers) = sent(Shape::Pairs(1), 1);
        for (source, sequence) in [(1, 0), (u32::MAX, 0), (0, 1), (0, u32::MAX)] {
            ledger.note(0, 0, &payload(source, sequence, 0), &publishers);
        }
        ledger.note(0, 7, &payload(0, 0, 0), &publishers);
        ledger.note(0, 0, b"not one of ours", &publishers);
        let faults = ledger.account(&publishers).faults;
        assert_eq!((faults.stray, faults.corrupted, faults.lost), (5, 1, 0));
    }
}
