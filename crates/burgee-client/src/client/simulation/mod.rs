//! A client without Tokio's runtime, for the simulator: the same course, hub and engine as the task has, and a shell that is
//! stepped by hand.
//!
//! What must hold: nothing is decided here that the task's course, or the engine, decides there; while something is being put
//! on disk, nothing else happens, as in the task. Deliberately absent: sockets, clocks, and chance of its own.

mod outbox;

use std::fmt;
use std::time::Duration;

use burgee_protocol::{Fault, Time};
use tokio::time::Instant;

use super::course::{Course, Stop};
use super::hub::Ticket;
use super::{Client, Prepared};
use crate::engine::Engine;
use crate::error::{ConnectError, End};
use crate::link::{Input, welcome};
use crate::options::Options;
pub(crate) use outbox::Ledger;
pub use outbox::{Notes, Outbox};

/// How long a server may take to close after our DISCONNECT before we do not wait for it, in milliseconds.
const FAREWELL: u64 = 1000;
/// So many things without a pause are too many.
const RESTLESS: u32 = 100_000;

/// The options of a simulated client; `outbox`: with an outbox.
#[must_use]
pub const fn simulated(mut options: Options, outbox: bool) -> Options {
    options.care.simulated = Some(outbox);
    options
}

/// One connection, from the client's end.
pub trait Wire {
    /// Takes what has come, without waiting. `None`: nothing ever comes again.
    fn read(&mut self, into: &mut Vec<u8>) -> Option<usize>;

    /// Gives as much as is taken. `None`: it is broken.
    fn write(&mut self, bytes: &[u8]) -> Option<usize>;

    /// Our side ends behind what was written.
    fn finish(&mut self);
}

/// What a client wants of its surroundings.
#[derive(Debug)]
pub enum Need {
    /// Nothing before its deadline, or before something happens.
    Nothing,
    /// A connection.
    Dial,
    /// The present connection is to be dropped.
    HangUp,
    /// These are to be put on disk; nothing else happens before.
    Commit(Notes),
}

#[derive(Debug)]
enum Place {
    /// Without a connection, until then.
    Waiting(u64),
    /// A connection is being made, and has to be there by then.
    Dialling(u64),
    /// It is there; CONNACK is due.
    Opening,
    Serving,
    /// DISCONNECT is written, and this is the latest time to go; whether our side has ended.
    Leaving(u64, bool),
    Over,
}

/// See the module.
pub struct Machine {
    course: Course,
    line: Line,
    place: Place,
    base: Instant,
    now: u64,
    /// Notes are being put on disk.
    committing: bool,
    /// What a turn has prepared is done: whether it reads, and when it will all the same.
    turned: Option<(bool, Option<Instant>)>,
    /// Why it ends, and what is left.
    stopped: Option<Stop>,
    chance: Box<dyn FnMut() -> u64>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// The engine and what came for it.
#[derive(Debug)]
struct Line {
    engine: Engine<Ticket>,
    input: Input,
    /// When the connection began.
    began: u64,
    now: u64,
}

impl Line {
    const fn time(&self) -> Time {
        Time::from_millis(self.now - self.began)
    }

    fn digest(&mut self) -> Result<bool, Fault> {
        let now = self.time();
        self.input.digest(&mut self.engine, now)
    }
}

impl AsMut<Engine<Ticket>> for Line {
    fn as_mut(&mut self) -> &mut Engine<Ticket> {
        &mut self.engine
    }
}

/// Something that may happen on a connection.
const KINDS: u64 = 5;

impl Machine {
    /// Goes to work, as [`Prepared::start`] does, on what an outbox kept.
    ///
    /// # Errors
    /// The outbox cannot be read.
    pub fn start(
        prepared: Prepared,
        outbox: Option<&mut Outbox>,
        now: u64,
        chance: Box<dyn FnMut() -> u64>,
    ) -> Result<(Client, Self), String> {
        let (client, mut hub, mut engine, options) = prepared.into_parts();
        if let Some(outbox) = outbox {
            hub.go_on_with(outbox.kept()?, &mut engine);
        }
        // Whatever the real time is: only what is added to it counts.
        let base = Instant::now();
        let began = base + Duration::from_millis(now);
        let line = Line {
            engine,
            input: Input::default(),
            began: now,
            now,
        };
        let machine = Self {
            course: Course::new(hub, options, began),
            line,
            place: Place::Waiting(now),
            base,
            now,
            committing: false,
            turned: None,
            stopped: None,
            chance,
        };
        Ok((client, machine))
    }

    /// Goes on until it has to wait.
    ///
    /// # Errors
    /// It goes on for ever.
    pub fn step(&mut self, now: u64, mut wire: Option<&mut dyn Wire>) -> Result<Need, String> {
        (self.now, self.line.now) = (now, now);
        for _ in 0..RESTLESS {
            if self.committing {
                return Ok(Need::Nothing);
            }
            let gone = match self.place {
                Place::Waiting(until) => self.rest(until),
                Place::Dialling(due) => self.dial(due),
                Place::Opening => self.open(&mut wire),
                Place::Serving => self.serve(&mut wire),
                Place::Leaving(due, ended) => Ok(self.leave((due, ended), &mut wire)),
                Place::Over => return Ok(Need::Nothing),
            };
            match gone {
                Ok(Some(need)) => return Ok(need),
                Ok(None) => {}
                Err(stop) => {
                    if let Some(need) = self.stop(stop) {
                        return Ok(need);
                    }
                }
            }
        }
        Err(format!("a client goes on for ever: {self:?}"))
    }

    /// The connection that was asked for is there, or cannot be had.
    pub fn dialled(&mut self, now: u64, there: bool) {
        (self.now, self.line.now) = (now, now);
        if !matches!(self.place, Place::Dialling(_)) {
            return;
        }
        if there {
            self.line.input = Input::default();
            self.line.began = now;
            let time = self.line.time();
            self.line.engine.connected(time);
            self.place = Place::Opening;
        } else {
            let error = ConnectError::Lost(End::ClosedByServer);
            if let Err(stop) = self.not_open(error) {
                self.stop(stop);
            }
        }
    }

    /// What it wanted on disk is there.
    pub fn committed(&mut self) {
        self.committing = false;
        self.course.hub.committed();
    }

    /// What it wanted on disk could not be put there.
    pub fn failed_to_commit(&mut self, what: &str) {
        self.committing = false;
        let end = End::OutboxFailed(what.into());
        let stop = if matches!(self.place, Place::Serving) {
            self.lost(&end).err()
        } else {
            Some(Stop(end, self.line.engine.unfinished()))
        };
        if let Some(stop) = stop {
            self.stop(stop);
        }
    }

    /// When it goes on although nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        if self.committing {
            return None;
        }
        let here = match self.place {
            Place::Waiting(until) => Some(until),
            Place::Dialling(due) | Place::Leaving(due, _) => Some(due),
            Place::Opening | Place::Serving => {
                let engine = self.line.engine.deadline();
                engine.map(|time| self.line.began.saturating_add(time.as_millis()))
            }
            Place::Over => None,
        };
        let at = |instant: Instant| self.millis(instant);
        let press = self.turned.and_then(|(_, press_at)| press_at).map(at);
        let quit = self.course.hub.quit_by().map(at);
        [here, press, quit].into_iter().flatten().min()
    }

    /// Bytes that are to be written.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.line.engine.outbox().len()
    }

    /// All that is to be written on the present connection and has not been, in order.
    pub fn unwritten(&self) -> impl Iterator<Item = &[u8]> {
        self.line.engine.outbox().chunks()
    }

    /// Bytes that came and that no packet was made of yet.
    #[must_use]
    pub fn undigested(&self) -> usize {
        self.line.input.undigested()
    }

    /// Pieces of work without an answer.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.line.engine.unfinished()
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.place, Place::Over)
    }

    /// Whether there is a connection with CONNACK.
    #[must_use]
    pub const fn is_serving(&self) -> bool {
        matches!(self.place, Place::Serving)
    }

    fn instant(&self) -> Instant {
        self.base + Duration::from_millis(self.now)
    }

    fn millis(&self, instant: Instant) -> u64 {
        let since = instant.duration_since(self.base);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn dice(&mut self) -> u8 {
        let [chance, ..] = (self.chance)().to_be_bytes();
        chance
    }

    /// As `Task::pause`.
    fn rest(&mut self, until: u64) -> Result<Option<Need>, Stop> {
        if self.turned.take().is_none() {
            self.course.rest(&mut self.line.engine)?;
            return Ok(self.commit());
        }
        let unfinished = self.line.engine.unfinished();
        if self.course.is_over(unfinished) {
            return Err(Stop(End::Disconnected, 0));
        }
        let instant = self.instant();
        if self.course.hub.listen(instant).map_err(|end| Stop(end, unfinished))? {
            return Ok(None);
        }
        if self.now >= until {
            self.course.trying();
            let within = u64::try_from(self.course.options.connect_timeout.as_millis()).unwrap_or(u64::MAX);
            self.place = Place::Dialling(self.now.saturating_add(within));
            return Ok(Some(Need::Dial));
        }
        self.turned = Some((false, None));
        Ok(Some(Need::Nothing))
    }

    /// As `Task::attempt`, while there is no connection.
    fn dial(&mut self, due: u64) -> Result<Option<Need>, Stop> {
        if let Some(need) = self.hear_aside()? {
            return Ok(Some(need));
        }
        if self.now >= due {
            let time = self.course.options.connect_timeout;
            self.not_open(ConnectError::Timeout(time))?;
            return Ok(Some(Need::HangUp));
        }
        Ok(Some(Need::Nothing))
    }

    /// What is heard while the engine is busy with a connection that is not open.
    fn hear_aside(&mut self) -> Result<Option<Need>, Stop> {
        let unfinished = self.line.engine.unfinished();
        let instant = self.instant();
        while self.turned.take().is_some() || self.course.hub.listen(instant).map_err(|end| Stop(end, unfinished))? {
            if let Some(need) = self.commit() {
                return Ok(Some(need));
            }
            self.turned = None;
            if self.course.is_over(unfinished) {
                return Err(Stop(End::Disconnected, 0));
            }
        }
        Ok(None)
    }

    /// As `Link::open`.
    fn open(&mut self, wire: &mut Option<&mut dyn Wire>) -> Result<Option<Need>, Stop> {
        if let Some(need) = self.hear_aside()? {
            return Ok(Some(need));
        }
        loop {
            match self.line.digest() {
                Err(fault) => return self.hang_up(ConnectError::Violation(fault)),
                Ok(true) => match self.line.engine.next_event().as_ref().and_then(welcome) {
                    Some(Ok(present)) => {
                        let instant = self.instant();
                        self.course.connected(present, instant);
                        self.place = Place::Serving;
                        return Ok(None);
                    }
                    Some(Err(error)) => return self.hang_up(error),
                    None => {}
                },
                Ok(false) => break,
            }
        }
        match self.go_on(wire, true) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(Need::Nothing)),
            Err(End::Silent) => {
                let time = self.course.options.connect_timeout;
                self.hang_up(ConnectError::Timeout(time))
            }
            Err(end) => self.hang_up(ConnectError::Lost(end)),
        }
    }

    fn hang_up(&mut self, error: ConnectError) -> Result<Option<Need>, Stop> {
        self.not_open(error)?;
        Ok(Some(Need::HangUp))
    }

    /// As `open::open` and `Task::round`, without success.
    fn not_open(&mut self, error: ConnectError) -> Result<(), Stop> {
        self.line.engine.lost();
        let dice = self.dice();
        let wait = self.course.failed(error, &self.line.engine, dice)?;
        self.wait(wait);
        Ok(())
    }

    fn wait(&mut self, wait: Duration) {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.place = Place::Waiting(self.now.saturating_add(wait));
        self.turned = None;
    }

    /// As `Task::turn`.
    fn serve(&mut self, wire: &mut Option<&mut dyn Wire>) -> Result<Option<Need>, Stop> {
        match self.turn(wire) {
            Ok(need) => Ok(need),
            Err(end) => self.lost(&end),
        }
    }

    fn turn(&mut self, wire: &mut Option<&mut dyn Wire>) -> Result<Option<Need>, End> {
        let instant = self.instant();
        let Some((listening, press_at)) = self.turned.take() else {
            let turned = self.course.take_in(&mut self.line, Line::digest, instant)?;
            let time = self.line.time();
            self.course.feed(&mut self.line.engine, time)?;
            let need = self.commit();
            self.turned = Some(turned);
            return Ok(need);
        };
        if self.course.is_drained(&self.line.engine) {
            return Err(End::Disconnected);
        }
        let hears = self.dice().is_multiple_of(2);
        let gone = (hears && self.course.hub.listen(instant)?)
            || self.go_on(wire, listening)?
            || (!hears && self.course.hub.listen(instant)?)
            || (!listening && press_at.is_some_and(|at| at <= instant));
        if gone {
            return Ok(None);
        }
        self.turned = Some((listening, press_at));
        Ok(Some(Need::Nothing))
    }

    /// As `Task::serve`, behind a lost connection.
    fn lost(&mut self, end: &End) -> Result<Option<Need>, Stop> {
        self.turned = None;
        let (instant, dice) = (self.instant(), self.dice());
        let wait = self.course.lost(end, &mut self.line.engine, instant, dice)?;
        self.wait(wait);
        Ok(Some(Need::HangUp))
    }

    /// As `Link::turn`: one thing that is possible. Says whether there was any.
    fn go_on(&mut self, wire: &mut Option<&mut dyn Wire>, listening: bool) -> Result<bool, End> {
        let time = self.line.time();
        let Some(wire) = wire else {
            return Err(End::ClosedByServer);
        };
        let first = (self.chance)() % KINDS;
        for kind in (0..KINDS).map(|kind| (kind + first) % KINDS) {
            let gone = match kind {
                0 | 1 if listening => match wire.read(&mut self.line.input.bytes) {
                    None => return Err(End::ClosedByServer),
                    Some(count) => count > 0,
                },
                2 | 3 => {
                    let Some(chunk) = self.line.engine.outbox().chunks().next() else {
                        continue;
                    };
                    match wire.write(chunk) {
                        None => return Err(End::Network(std::sync::Arc::new(std::io::ErrorKind::BrokenPipe.into()))),
                        Some(0) => false,
                        Some(count) => {
                            self.line.engine.wrote(count, time)?;
                            true
                        }
                    }
                }
                4 if self.line.engine.deadline().is_some_and(|due| due <= time) => {
                    let before = self.line.engine.deadline();
                    self.line.engine.tick(time, listening).map_err(|_| End::Silent)?;
                    self.line.engine.deadline() != before
                }
                _ => false,
            };
            if gone {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// As `Link::say_farewell`.
    fn leave(&mut self, (due, ended): (u64, bool), wire: &mut Option<&mut dyn Wire>) -> Option<Need> {
        if self.now >= due {
            return Some(self.end());
        }
        if !ended && self.waiting_bytes() == 0 {
            if let Some(wire) = wire {
                wire.finish();
            }
            self.place = Place::Leaving(due, true);
            return None;
        }
        let gone = self.go_on(wire, true);
        while let Ok(true) = self.line.digest() {}
        match gone {
            Ok(true) => None,
            Ok(false) => Some(Need::Nothing),
            Err(_) => Some(self.end()),
        }
    }

    /// It has to end.
    fn stop(&mut self, Stop(end, unfinished): Stop) -> Option<Need> {
        let farewell = matches!((&end, &self.place), (End::Disconnected, Place::Serving));
        self.stopped = Some(Stop(end, unfinished));
        if farewell {
            let time = self.line.time();
            self.line.engine.disconnect(time);
            self.place = Place::Leaving(self.now + FAREWELL, false);
            return None;
        }
        Some(self.end())
    }

    fn end(&mut self) -> Need {
        self.place = Place::Over;
        if let Some(Stop(end, unfinished)) = self.stopped.take() {
            self.course.hub.finish(end, unfinished);
        }
        Need::HangUp
    }

    /// What is to be put on disk before anything else happens.
    fn commit(&mut self) -> Option<Need> {
        let notes = self.course.hub.take_notes();
        self.turned = Some((false, None));
        if notes.is_empty() {
            self.course.hub.committed();
            return None;
        }
        self.committing = true;
        Some(Need::Commit(Notes(notes)))
    }
}
