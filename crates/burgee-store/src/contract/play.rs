//! Plays a script against a store and against the model, and compares the two after every step.

use burgee_codec::QoS;

use super::ground::Ground;
use super::image::Image;
use super::model::Model;
use super::ops;
use super::script::{Act, LATE, SOURCES, Step};
use super::told::{ALL, Told, same};
use crate::batch::{MessageNo, Op, Replay, SessionNo, Stage};
use crate::error::{Failure, SubmitError};
use crate::numbers::Numbers;
use crate::page::Limit;

/// See the module.
pub(super) fn play(ground: Ground, script: &[Step]) -> Told {
    let mut play = Play {
        ground,
        history: Vec::new(),
        durable: 0,
        numbers: Vec::new(),
        opened: 0,
        stamps: (0, 0),
        to_fail: false,
        failed: None,
    };
    play.open()?;
    for (at, step) in script.iter().enumerate() {
        play.step(step)
            .and_then(|()| play.compare(ALL))
            .map_err(|what| format!("step {at}, {step:?}: {what}"))?;
    }
    Ok(())
}

struct Play {
    ground: Ground,
    /// The batches in the order in which they were submitted.
    history: Vec<Vec<Op>>,
    /// How many of them are durable.
    durable: usize,
    /// Session and message numbers of each source.
    numbers: Vec<(Numbers, Numbers)>,
    /// How often the store was opened.
    opened: u16,
    /// The stamp that comes next, and the first one since the store was opened.
    stamps: (u64, u64),
    to_fail: bool,
    failed: Option<Failure>,
}

impl Play {
    /// What whoever opens a store does first. The lanes go round: nothing says that a source gets the same one again.
    fn open(&mut self) -> Told {
        let recovered = self.ground.recovered()?;
        let lanes = u16::from(SOURCES);
        self.opened += 1;
        self.stamps.0 += 1;
        self.stamps.1 = self.stamps.0;
        let numbers = |source| {
            let lane = (source + self.opened) % lanes;
            let session = Numbers::new(recovered.next_session.0, lane, lanes);
            (session, Numbers::new(recovered.next_message.0, lane, lanes))
        };
        self.numbers = (0..lanes).map(numbers).collect();
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Told {
        match step {
            Step::Submit(source, acts) => self.submit(*source, acts),
            Step::Commit => self.commit(),
            Step::Look(limit) => self.compare(*limit),
            Step::Crash => self.crash(),
            Step::Fail => {
                if self.failed.is_none() {
                    self.ground.store.fail_next_commit();
                    self.to_fail = true;
                }
                Ok(())
            }
        }
    }

    fn submit(&mut self, source: u8, acts: &[Act]) -> Told {
        let mut batch = Vec::new();
        for act in acts {
            let model = Model::after(self.history.iter().flatten().chain(&batch));
            batch.extend(self.meant(&model, source, act));
        }
        if let Some(failure) = self.failed.clone() {
            let batch = self.ground.batch(u16::from(source), batch);
            let found = self.ground.store.submit(batch);
            return same("submit after a failure", &Err(SubmitError::Failed(failure)), &found);
        }
        self.ground.submit(u16::from(source), batch.clone())?;
        self.history.push(batch);
        Ok(())
    }

    fn commit(&mut self) -> Told {
        if let Some(failure) = self.failed.clone() {
            let found = self.ground.commit_fails()?;
            return same("commit after a failure", &failure, &found);
        }
        if self.to_fail && self.changes_nothing() {
            // What needs no disk need not fail.
            self.failed = self.ground.attempt()?;
        } else if self.to_fail && self.durable < self.history.len() {
            self.failed = Some(self.ground.commit_fails()?);
        } else {
            self.ground.commit()?;
        }
        if self.failed.is_some() {
            return Ok(());
        }
        self.durable = self.history.len();
        Ok(())
    }

    /// What was reported is there; what waited may be there, whole and without a gap. Where two numbers of batches
    /// look alike, the lower one asks less of the numbers that come next.
    fn crash(&mut self) -> Told {
        self.ground.crash()?;
        (self.failed, self.to_fail) = (None, false);
        let found = self.ground.image()?;
        let fits = |kept: &usize| self.model(*kept).image() == found;
        let Some(kept) = (self.durable..=self.history.len()).find(fits) else {
            let reported = self.model(self.durable).image();
            let told = reported.compare(&found);
            let what = told.err().unwrap_or_default();
            return Err(format!(
                "what is there after the crash is no prefix of the batches: {what}"
            ));
        };
        self.history.truncate(kept);
        self.durable = kept;
        self.open()
    }

    /// Whether all that waits leaves the state as it is. Numbers of messages may be held back in advance, so using them up
    /// alone need not be written.
    fn changes_nothing(&self) -> bool {
        let (before, after) = (self.model(self.durable), self.model(self.history.len()));
        before.highest.0 == after.highest.0 && before.image() == after.image()
    }

    fn model(&self, batches: usize) -> Model {
        Model::after(self.history.iter().take(batches).flatten())
    }

    /// Reads show the last commit, and the numbers go on above it.
    fn compare(&mut self, limit: Limit) -> Told {
        let found = Image::read(&mut *self.ground.store, limit)?;
        let model = self.model(self.durable);
        model.image().compare(&found)?;
        let recovered = self.ground.recovered()?;
        let (session, message) = model.highest;
        if recovered.next_session <= session || recovered.next_message <= message {
            return Err(format!(
                "numbers come back: {session:?} and {message:?} were used, next are {:?} and {:?}",
                recovered.next_session, recovered.next_message
            ));
        }
        Ok(())
    }
}

/// From acts to operations.
impl Play {
    fn meant(&mut self, model: &Model, source: u8, act: &Act) -> Vec<Op> {
        let of = |client: u8| living(model, client);
        match act {
            Act::Create(client) => {
                let (number, client_id) = (self.session_number(source), name(*client));
                let created = match number % 3 {
                    0 => ops::created(number, &client_id),
                    1 => ops::created_by("", number, &client_id),
                    _ => ops::created_by("a user", number, &client_id),
                };
                of(*client).map(ops::deleted).into_iter().chain([created]).collect()
            }
            Act::Owe(owing, size, retain) => {
                let owing = owing.iter().filter_map(|(client, bits)| {
                    let qos = QoS::from_bits(*bits)?;
                    of(*client).map(|session| (SessionNo(session), qos))
                });
                vec![Op::Owed {
                    owing: owing.collect(),
                    message: MessageNo(self.message_number(source)),
                    body: ops::body("t", &text(*size)),
                    retain: *retain,
                }]
            }
            Act::Late(kind, nth) => self.late(model, source, (*kind, *nth)),
            Act::Retain(topic, size, late) => {
                let stamp = self.stamp(*late);
                vec![ops::retained_at(stamp, &topic_name(*topic), &text(*size))]
            }
            Act::Unretain(topic, late) => {
                let (stamp, oldest) = (self.stamp(*late), self.oldest());
                vec![ops::unretained_at(stamp, &topic_name(*topic), oldest)]
            }
            Act::Delete(client)
            | Act::Claim(client, _)
            | Act::Subscribe(client, ..)
            | Act::Replay(client, ..)
            | Act::Unsubscribe(client, _)
            | Act::Settle(client, _)
            | Act::Deliver(client, ..)
            | Act::Receive(client, _)
            | Act::Free(client, _)
            | Act::SetWill(client, _)
            | Act::ClearWill(client) => {
                let op = of(*client).and_then(|session| of_session(model, session, act));
                op.into_iter().collect()
            }
        }
    }

    /// Something about what is gone, or never was.
    fn late(&mut self, model: &Model, source: u8, (kind, nth): (u8, u8)) -> Vec<Op> {
        let gone = u64::from(nth) + 1;
        if model.sessions.iter().any(|(living, ..)| living.0 == gone) {
            return Vec::new();
        }
        let someone = living(model, source).unwrap_or(gone);
        vec![match kind {
            0 if nth % 2 == 0 => ops::subscribed(gone, "a/b", ops::ONE),
            0 => ops::replayed(gone, "a/b", Replay::Whole),
            1 => ops::unsubscribed(gone, "a/b"),
            2 if nth % 2 == 0 => ops::claimed(gone, "late"),
            2 => ops::deleted(gone),
            3 => ops::settled(gone, gone),
            4 => ops::delivery(gone, gone, 1, Stage::Published),
            5 => ops::received(gone, 1),
            6 => ops::will_set(gone, ops::will("late")),
            7 => ops::owed(self.message_number(source), "late", &[gone]),
            8 => ops::owed(self.message_number(source), "late", &[gone, someone]),
            // Beyond all that was given: nobody is owed that.
            _ => ops::delivery(someone, u64::MAX / 4 + gone, 1, Stage::Released),
        }]
    }

    /// The stamp of a word that comes so late.
    fn stamp(&mut self, late: u8) -> u64 {
        self.stamps.0 += 1;
        self.stamps.0.saturating_sub(u64::from(late)).max(self.stamps.1)
    }

    /// Nothing that comes from now on is older.
    const fn oldest(&self) -> u64 {
        // The next one is greater by one.
        let oldest = (self.stamps.0 + 1).saturating_sub(LATE as u64);
        if oldest > self.stamps.1 { oldest } else { self.stamps.1 }
    }

    fn session_number(&mut self, source: u8) -> u64 {
        let numbers = self.numbers.get_mut(usize::from(source));
        numbers.map_or(0, |(session, _)| session.give())
    }

    fn message_number(&mut self, source: u8) -> u64 {
        let numbers = self.numbers.get_mut(usize::from(source));
        numbers.map_or(0, |(_, message)| message.give())
    }
}

fn of_session(model: &Model, session: u64, act: &Act) -> Option<Op> {
    let nth_debt = |nth: u8| {
        let debts: Vec<_> = model.debts.iter().filter(|debt| debt.session.0 == session).collect();
        let at = usize::from(nth).checked_rem(debts.len())?;
        debts.get(at).map(|debt| debt.message.0)
    };
    Some(match act {
        Act::Claim(_, nth) => ops::claimed(session, &"xyz"[..usize::from(*nth)]),
        Act::Delete(_) => ops::deleted(session),
        Act::Subscribe(_, filter, bits, left) => {
            let qos = QoS::from_bits(*bits)?;
            ops::subscribed_with(session, &topic_name(*filter), qos, replay(*left))
        }
        Act::Replay(_, filter, left) => ops::replayed(session, &topic_name(*filter), replay(*left)),
        Act::Unsubscribe(_, filter) => ops::unsubscribed(session, &topic_name(*filter)),
        Act::Settle(_, nth) => ops::settled(session, nth_debt(*nth)?),
        Act::Deliver(_, nth, id, released) => {
            let stage = if *released { Stage::Released } else { Stage::Published };
            ops::delivery(session, nth_debt(*nth)?, u16::from(*id) + 1, stage)
        }
        Act::Receive(_, id) => ops::received(session, u16::from(*id) + 1),
        Act::Free(_, id) => ops::freed(session, u16::from(*id) + 1),
        Act::SetWill(_, size) => ops::will_set(session, ops::will(&text(*size))),
        Act::ClearWill(_) => ops::will_cleared(session),
        Act::Create(_) | Act::Owe(..) | Act::Retain(..) | Act::Unretain(..) | Act::Late(..) => return None,
    })
}

fn replay(left: u8) -> Replay {
    match left {
        0 => Replay::Done,
        1 => Replay::Whole,
        nth => ops::behind(&topic_name(nth)),
    }
}

fn living(model: &Model, client: u8) -> Option<u64> {
    let name = name(client);
    let held = model.sessions.iter().find(|(_, held, _)| **held == *name);
    held.map(|(session, ..)| session.0)
}

fn name(client: u8) -> String {
    format!("client {client}")
}

/// Names of which some begin alike, and one sorts otherwise by letters than by bytes.
fn topic_name(nth: u8) -> String {
    let names = ["a", "a/b", "a/b/c", "B", "ä"];
    (*names.get(usize::from(nth)).unwrap_or(&"z")).to_owned()
}

fn text(size: u8) -> String {
    "x".repeat(usize::from(size))
}
