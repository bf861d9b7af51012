//! The streams of one run of a program: what came for each, and what its application took.
//!
//! What must hold: a stream gives exactly what came for it, in that order; QoS 0 that is missing was counted by it.
//! Deliberately absent: the connection; what may come twice is the ledger's business.

use std::collections::BTreeSet;
use std::fmt;

use burgee_client::{Received, Subscription};

use super::affairs::{Affairs, Lasting};
use super::door::Came;
use super::fits::Fits;
use crate::actor::packet::Note;
use crate::oracle::matches;
use crate::rng::Rng;

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (due, hands) = (self.fits.len(), self.waiting.len());
        write!(
            f,
            "{:?}: {due} due, {:?} and {hands} in hand, {:?}",
            self.lasting.filter,
            self.current,
            self.check()
        )
    }
}

/// One stream.
pub(super) struct Stream {
    pub(super) key: u64,
    /// `None`: the server has not granted it.
    pub(super) subscription: Option<Subscription>,
    pub(super) lasting: Lasting,
    /// It was there before the first connection, and comes back with its program.
    pub(super) stays: bool,
    fits: Fits,
    pub(super) reads_from: u64,
    /// The gift that the application works on.
    current: Option<u64>,
    /// Gifts that it will acknowledge by hand, and when.
    waiting: Vec<(u64, u64, Received)>,
}

impl Stream {
    pub(super) fn new(key: u64, subscription: Option<Subscription>, lasting: Lasting, stays: bool) -> Self {
        Self {
            key,
            subscription,
            lasting,
            stays,
            fits: Fits::new(),
            reads_from: 0,
            current: None,
            waiting: Vec::new(),
        }
    }

    /// Nothing that has to come is missing.
    pub(super) fn check(&self) -> Result<(), String> {
        let dropped = self.subscription.as_ref().map_or(0, Subscription::dropped);
        let check = self.fits.check(dropped);
        check.map_err(|problem| format!("the stream {:?} {problem}", self.lasting.filter))
    }

    /// Acknowledges by hand what is due, in whatever order that is.
    fn acknowledge(&mut self, now: u64) -> bool {
        let (before, fits) = (self.waiting.len(), &mut self.fits);
        self.waiting.retain(|(due, gift, received)| {
            if *due > now {
                return true;
            }
            received.ack();
            fits.finished(*gift);
            false
        });
        self.waiting.len() < before
    }
}

/// An application that looks into its streams.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) now: u64,
    pub(super) rng: &'a mut Rng,
    /// It takes its time, up to so much.
    pub(super) slow: u64,
    /// It acknowledges by hand.
    pub(super) manual: bool,
    /// What may come a second time.
    pub(super) again: &'a BTreeSet<Vec<u8>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) all: Vec<Stream>,
    /// What was taken, for the count.
    pub(super) taken: u64,
}

impl Streams {
    /// Whether the application may be done with the message of this number: whether all its streams may be.
    pub(super) fn may_be_done(&self, number: u64) -> bool {
        self.all.iter().all(|stream| stream.fits.may_be_done(number))
    }

    /// The message of this number is acknowledged. Says whether that may be.
    pub(super) fn acknowledged(&mut self, number: u64) -> bool {
        let may = self.may_be_done(number);
        if may {
            self.all
                .iter_mut()
                .for_each(|stream| stream.fits.is_acknowledged(number));
        }
        may
    }

    /// Nothing waits, and nothing is in the hands of the application.
    pub(super) fn are_empty(&self) -> bool {
        let idle = |stream: &Stream| stream.current.is_none() && stream.waiting.is_empty();
        self.all.iter().all(|stream| idle(stream) && stream.check().is_ok())
    }

    /// A message came for whoever wants it.
    pub(super) fn come(&mut self, came: &Came) {
        for stream in &mut self.all {
            if matches(&stream.lasting.filter, &came.note.topic) {
                stream.fits.comes(came, stream.subscription.is_some());
            }
        }
    }

    /// The application gives a stream up: it is done with all of it.
    pub(super) fn give_up(&mut self, key: u64) -> Option<Stream> {
        let place = self.all.iter().position(|stream| stream.key == key)?;
        let mut stream = self.all.remove(place);
        for (.., received) in stream.waiting.drain(..) {
            // Whoever acknowledges by hand has to do it, or nothing behind it is.
            received.ack();
        }
        Some(stream)
    }

    /// The application looks into its streams. Says whether anything changed.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, affairs: &Affairs) -> Result<bool, String> {
        let (now, slow) = (reader.now, reader.slow);
        let mut changed = false;
        for stream in &mut self.all {
            changed |= stream.acknowledge(now);
            if now < stream.reads_from {
                continue;
            }
            let most = if slow == 0 { u64::MAX } else { reader.rng.range(1, 6) };
            let mut count = 0;
            while count < most
                && let Some(subscription) = &mut stream.subscription
            {
                count += 1;
                if let Some(gift) = stream.current.take() {
                    stream.fits.finished(gift);
                    changed = true;
                }
                let Some(got) = subscription.try_next() else { break };
                changed = true;
                self.taken += 1;
                let gift = stream.fits.gives(&got);
                let gift = gift.map_err(|problem| format!("the stream {:?} gives {problem}", stream.lasting.filter))?;
                let note = Note {
                    topic: got.topic.as_str().to_owned(),
                    payload: got.payload.to_vec(),
                    qos: got.qos,
                    retain: got.retain,
                };
                if !note.retain {
                    stream
                        .lasting
                        .get(&note, reader.again.contains(&note.payload), affairs)?;
                }
                if reader.manual {
                    let due = now + reader.rng.range(0, slow);
                    stream.waiting.push((due, gift, got));
                } else {
                    stream.current = Some(gift);
                }
            }
            if slow > 0 {
                stream.reads_from = now + reader.rng.range(1, slow);
            }
        }
        Ok(changed)
    }

    /// When the application looks again.
    pub(super) fn next(&self) -> Option<u64> {
        let looks = self
            .all
            .iter()
            .filter(|stream| stream.fits.len() > 0 || stream.current.is_some());
        let hands = self.all.iter().flat_map(|stream| &stream.waiting);
        let looks = looks.map(|stream| stream.reads_from);
        looks.chain(hands.map(|(due, ..)| *due)).min()
    }

    /// From now on everything is taken at once.
    pub(super) fn hurry(&mut self) {
        for stream in &mut self.all {
            stream.reads_from = 0;
            stream.waiting.iter_mut().for_each(|(due, ..)| *due = 0);
        }
    }
}
