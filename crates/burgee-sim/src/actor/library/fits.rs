//! How what a stream gives fits what came for it.
//!
//! What must hold: of what came before the stream was granted it gives all from some message on, and nothing before that: from
//! there on the library had heard of it. Which message that is cannot be seen where two look alike, as a message and its
//! repetition do; so every way in which it fits is kept until something rules it out, and none left is an error.
//! Deliberately absent: applications; see `streams`.

use std::collections::VecDeque;

use burgee_client::Message;
use burgee_codec::QoS;

use super::affairs::text;
use super::door::Came;

/// One way in which it fits.
#[derive(Clone, Debug, Default)]
struct Fit {
    /// The place of what is due next.
    next: u64,
    /// QoS 0 that was passed over.
    skipped: u64,
    /// What the application has in hand: which gift of the stream, and the number of its message.
    hands: Vec<(u64, u64)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Fits {
    /// What came and was not given, in the way that is furthest behind.
    due: VecDeque<Came>,
    /// The place of the first of these.
    first: u64,
    all: Vec<Fit>,
    /// So much was given.
    given: u64,
}

impl Fits {
    pub(super) fn new() -> Self {
        Self {
            due: VecDeque::new(),
            first: 0,
            all: vec![Fit::default()],
            given: 0,
        }
    }

    /// How much may be due.
    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    /// A message came. `granted`: the application has the stream, so the library has heard of it.
    pub(super) fn comes(&mut self, came: &Came, granted: bool) {
        self.due.push_back(came.clone());
        if !granted {
            // Or it hears of it only behind this one.
            self.all.push(Fit {
                next: self.first + self.due.len() as u64,
                ..Fit::default()
            });
        }
    }

    /// The stream gives a message: the number of that gift.
    ///
    /// # Errors
    /// It is not what has to come next.
    pub(super) fn gives(&mut self, got: &Message) -> Result<u64, String> {
        let gift = self.given;
        self.given += 1;
        let mut found: Vec<Fit> = Vec::new();
        let mut passed = None;
        for fit in &self.all {
            let mut skipped = fit.skipped;
            for (place, due) in self.from(fit) {
                if is(due, got) {
                    let mut hands = fit.hands.clone();
                    if due.note.qos > QoS::AtMostOnce {
                        hands.push((gift, due.number));
                    }
                    let next = place + 1;
                    match found.iter_mut().find(|fit| (fit.next, &fit.hands) == (next, &hands)) {
                        Some(other) => other.skipped = other.skipped.min(skipped),
                        None => found.push(Fit { next, skipped, hands }),
                    }
                }
                // What may be held back may also have been, whether it is this one or not.
                match (is(due, got), due.perhaps, due.note.qos) {
                    (_, true, _) => {}
                    (true, false, _) => break,
                    (false, false, QoS::AtMostOnce) => skipped += 1,
                    (false, false, QoS::AtLeastOnce | QoS::ExactlyOnce) => {
                        passed = Some(&due.note.payload);
                        break;
                    }
                }
            }
        }
        if found.is_empty() {
            return Err(match passed.filter(|_| self.due.iter().any(|due| is(due, got))) {
                Some(passed) => format!("{:?} before {:?}, which came first", text(&got.payload), text(passed)),
                None => format!("{:?}, which did not come, or came once", text(&got.payload)),
            });
        }
        self.all = found;
        self.forget();
        Ok(gift)
    }

    /// The application is done with this gift.
    pub(super) fn finished(&mut self, gift: u64) {
        for fit in &mut self.all {
            fit.hands.retain(|(held, _)| *held != gift);
        }
    }

    /// Whether the application may be done with the message of this number, as far as this stream goes.
    pub(super) fn may_be_done(&self, number: u64) -> bool {
        self.all.iter().any(|fit| self.is_done(fit, number))
    }

    /// It is acknowledged, so the application is done with it.
    pub(super) fn is_acknowledged(&mut self, number: u64) {
        let mut all = std::mem::take(&mut self.all);
        all.retain(|fit| self.is_done(fit, number));
        self.all = all;
        self.forget();
    }

    fn is_done(&self, fit: &Fit, number: u64) -> bool {
        let due = self.from(fit).any(|(_, due)| due.number == number && !due.perhaps);
        !due && fit.hands.iter().all(|(_, held)| *held != number)
    }

    /// Nothing that has to come is missing, where the stream says that it has dropped so much.
    pub(super) fn check(&self, dropped: u64) -> Result<(), String> {
        let mut problem = Ok(());
        for fit in &self.all {
            problem = self.check_one(fit, dropped);
            if problem.is_ok() {
                break;
            }
        }
        problem
    }

    fn check_one(&self, fit: &Fit, dropped: u64) -> Result<(), String> {
        if fit.skipped > dropped {
            return Err(format!("misses {} messages of QoS 0 and counts {dropped}", fit.skipped));
        }
        let lost = |due: &&Came| !due.perhaps && due.note.qos > QoS::AtMostOnce;
        match self.from(fit).map(|(_, due)| due).find(lost) {
            Some(due) => Err(format!(
                "does not give {:?}, which came for it",
                text(&due.note.payload)
            )),
            None => Ok(()),
        }
    }

    /// What is due in this way, and where it stands.
    fn from(&self, fit: &Fit) -> impl Iterator<Item = (u64, &Came)> {
        let behind = usize::try_from(fit.next - self.first).unwrap_or(usize::MAX);
        (self.first..).zip(&self.due).skip(behind)
    }

    /// What was given, or passed over, in every way.
    fn forget(&mut self) {
        let next = self.all.iter().map(|fit| fit.next).min().unwrap_or(self.first);
        while self.first < next && self.due.pop_front().is_some() {
            self.first += 1;
        }
    }
}

/// Whether a message is what came.
fn is(came: &Came, got: &Message) -> bool {
    let (note, id) = (&came.note, got.packet_id.unwrap_or(0));
    let flags = (came.id, note.qos, note.retain) == (id, got.qos, got.retain);
    flags && note.topic == got.topic.as_str() && *note.payload == *got.payload
}
