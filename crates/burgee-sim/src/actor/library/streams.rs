//! The streams of one run of a program: what came for each, and what its application took.
//!
//! What must hold: a stream gives exactly what came for it, in that order; QoS 0 that is missing was counted by it.
//! Deliberately absent: the connection; what may come twice is the ledger's business.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use burgee_client::{Received, Subscription};
use burgee_codec::QoS;

use super::affairs::{Affairs, Lasting, text};
use super::door::Came;
use crate::actor::packet::Note;
use crate::oracle::matches;
use crate::rng::Rng;

/// A message that is due in a stream.
#[derive(Debug)]
struct Due {
    came: Came,
    /// It must come; else it may.
    must: bool,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (due, hands) = (self.due.len(), self.waiting.len());
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
    due: VecDeque<Due>,
    /// QoS 0 that it passed over.
    skipped: u64,
    pub(super) reads_from: u64,
    /// The message that the application works on.
    current: Option<u64>,
    /// Messages that it will acknowledge by hand, and when.
    waiting: Vec<(u64, u64, Received)>,
}

impl Stream {
    pub(super) const fn new(key: u64, subscription: Option<Subscription>, lasting: Lasting, stays: bool) -> Self {
        Self {
            key,
            subscription,
            lasting,
            stays,
            due: VecDeque::new(),
            skipped: 0,
            reads_from: 0,
            current: None,
            waiting: Vec::new(),
        }
    }

    /// Nothing that has to come is missing.
    pub(super) fn check(&self) -> Result<(), String> {
        let dropped = self.subscription.as_ref().map_or(0, Subscription::dropped);
        if self.skipped > dropped {
            return Err(format!(
                "the stream {:?} misses {} messages of QoS 0 and counts {dropped}",
                self.lasting.filter, self.skipped
            ));
        }
        let lost = |due: &&Due| due.must && due.came.note.qos > QoS::AtMostOnce;
        match self.due.iter().find(lost) {
            Some(due) => Err(format!(
                "{:?} came for the stream {:?}, and it does not give it",
                text(&due.came.note.payload),
                self.lasting.filter
            )),
            None => Ok(()),
        }
    }

    fn find(&mut self, got: &Received) -> Result<Came, String> {
        let same = |due: &Due| {
            let (came, id) = (&due.came, got.packet_id.unwrap_or(0));
            let flags = (came.id, came.note.qos, came.note.retain) == (id, got.qos, got.retain);
            flags && came.note.topic == got.topic.as_str() && *came.note.payload == *got.payload
        };
        let Some(place) = self.due.iter().position(same) else {
            return Err(format!(
                "the stream {:?} gives {:?}, which did not come, or came once",
                self.lasting.filter,
                text(&got.payload)
            ));
        };
        for passed in self.due.drain(..place) {
            if !passed.must {
                continue;
            }
            if passed.came.note.qos > QoS::AtMostOnce {
                return Err(format!(
                    "the stream {:?} gives {:?} before {:?}, which came first",
                    self.lasting.filter,
                    text(&got.payload),
                    text(&passed.came.note.payload)
                ));
            }
            self.skipped += 1;
        }
        self.due.pop_front().map(|due| due.came).ok_or_else(String::new)
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
    /// How many streams have to be done with a message before it may be acknowledged.
    open: BTreeMap<u64, usize>,
    /// What was taken, for the count.
    pub(super) taken: u64,
}

impl Streams {
    /// Whether the application is done with the message of this number.
    pub(super) fn is_done(&self, number: u64) -> bool {
        self.open.get(&number).is_none_or(|copies| *copies == 0)
    }

    /// Nothing waits, and nothing is in the hands of the application.
    pub(super) fn are_empty(&self) -> bool {
        let idle = |stream: &Stream| stream.current.is_none() && stream.waiting.is_empty();
        self.all.iter().all(|stream| idle(stream) && stream.check().is_ok())
    }

    /// A message came for whoever wants it.
    pub(super) fn come(&mut self, came: &Came) {
        let mut copies = 0;
        for stream in &mut self.all {
            if matches(&stream.lasting.filter, &came.note.topic) {
                let must = stream.subscription.is_some() && !came.perhaps;
                copies += usize::from(must);
                stream.due.push_back(Due {
                    came: came.clone(),
                    must,
                });
            }
        }
        if came.note.qos > QoS::AtMostOnce && !came.perhaps {
            self.open.insert(came.number, copies);
        }
    }

    fn done_with(open: &mut BTreeMap<u64, usize>, number: u64) {
        if let Some(copies) = open.get_mut(&number) {
            *copies = copies.saturating_sub(1);
        }
    }

    /// The application gives a stream up: it is done with all of it.
    pub(super) fn give_up(&mut self, key: u64) -> Option<Stream> {
        let place = self.all.iter().position(|stream| stream.key == key)?;
        let mut stream = self.all.remove(place);
        let due = stream.due.drain(..).filter(|due| due.must).map(|due| due.came.number);
        let hands = stream.waiting.drain(..).map(|(_, number, received)| {
            // Whoever acknowledges by hand has to do it, or nothing behind it is.
            received.ack();
            number
        });
        for number in due.chain(hands).chain(stream.current.take()) {
            Self::done_with(&mut self.open, number);
        }
        Some(stream)
    }

    /// The application looks into its streams. Says whether anything changed.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, affairs: &Affairs) -> Result<bool, String> {
        let (now, slow) = (reader.now, reader.slow);
        let mut changed = false;
        for stream in &mut self.all {
            let acknowledged = Self::acknowledge(&mut self.open, stream, now);
            changed |= acknowledged;
            if now < stream.reads_from {
                continue;
            }
            let most = if slow == 0 { u64::MAX } else { reader.rng.range(1, 6) };
            let mut count = 0;
            while count < most
                && let Some(subscription) = &mut stream.subscription
            {
                count += 1;
                if let Some(number) = stream.current.take() {
                    Self::done_with(&mut self.open, number);
                    changed = true;
                }
                let Some(got) = subscription.try_next() else { break };
                changed = true;
                self.taken += 1;
                let came = stream.find(&got)?;
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
                    stream.waiting.push((due, came.number, got));
                } else {
                    stream.current = Some(came.number);
                }
            }
            if slow > 0 {
                stream.reads_from = now + reader.rng.range(1, slow);
            }
        }
        Ok(changed)
    }

    /// Acknowledges by hand what is due, in whatever order that is.
    fn acknowledge(open: &mut BTreeMap<u64, usize>, stream: &mut Stream, now: u64) -> bool {
        let before = stream.waiting.len();
        stream.waiting.retain(|(due, number, received)| {
            if *due > now {
                return true;
            }
            received.ack();
            Self::done_with(open, *number);
            false
        });
        stream.waiting.len() < before
    }

    /// When the application looks again.
    pub(super) fn next(&self) -> Option<u64> {
        let looks = self
            .all
            .iter()
            .filter(|stream| !stream.due.is_empty() || stream.current.is_some());
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
