//! The task behind a client: it connects, serves the connection, waits, and connects again.
//!
//! What must hold: nothing is decided here; a wait ends when something of interest has happened. Deliberately absent: the
//! protocol, and when to try again (`course`).

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::pin;
use tokio::time::{Instant, sleep, sleep_until};

use super::course::{Course, Stop};
use super::hub::{Hub, Ticket};
use crate::engine::Engine;
use crate::error::{ConnectError, End};
use crate::link::Link;
use crate::open::open;
use crate::options::Options;
use crate::transport::{Reader, Writer};

type Connected = Link<Reader, Writer, Ticket>;

/// Connects as the options say.
pub(super) async fn connect(
    options: &Options,
    engine: Engine<Ticket>,
) -> Result<(Connected, bool), (ConnectError, Engine<Ticket>)> {
    open(&options.way, options.connect_timeout, engine).await
}

/// See the module.
#[derive(Debug)]
pub(super) struct Task {
    course: Course,
}

impl Task {
    pub(super) fn new(hub: Hub, options: Options) -> Self {
        Self {
            course: Course::new(hub, options, Instant::now()),
        }
    }

    /// Begins with a connection.
    pub(super) async fn run_connected(mut self, link: Connected, session_present: bool) {
        match self.serve(link, session_present).await {
            Ok((engine, wait)) => self.run(engine, wait).await,
            Err(Stop(end, unfinished)) => self.course.hub.finish(end, unfinished),
        }
    }

    /// Begins with a wait.
    pub(super) async fn run(mut self, mut engine: Engine<Ticket>, mut wait: Duration) {
        let Stop(end, unfinished) = loop {
            match self.round(engine, wait).await {
                Ok((next, longer)) => (engine, wait) = (next, longer),
                Err(stop) => break stop,
            }
        };
        self.course.hub.finish(end, unfinished);
    }

    /// Waits, connects, and serves the connection until it is lost.
    async fn round(&mut self, engine: Engine<Ticket>, wait: Duration) -> Result<(Engine<Ticket>, Duration), Stop> {
        let engine = self.pause(engine, wait).await?;
        self.course.trying();
        match self.attempt(engine).await? {
            Ok((link, session_present)) => self.serve(link, session_present).await,
            Err((error, engine)) => {
                let wait = self.course.failed(error, &engine, chance())?;
                Ok((engine, wait))
            }
        }
    }

    /// Without a connection, but not without work: messages are taken, streams come and go.
    async fn pause(&mut self, mut engine: Engine<Ticket>, wait: Duration) -> Result<Engine<Ticket>, Stop> {
        let over = sleep(wait);
        pin!(over);
        loop {
            self.course.rest(&mut engine)?;
            self.course.hub.commit().await.map_err(|end| Stop(end, 0))?;
            if self.course.is_over(engine.unfinished()) {
                return Err(Stop(End::Disconnected, 0));
            }
            tokio::select! {
                () = &mut over => return Ok(engine),
                heard = self.course.hub.hear() => heard.map_err(|end| Stop(end, engine.unfinished()))?,
            }
        }
    }

    async fn attempt(
        &mut self,
        engine: Engine<Ticket>,
    ) -> Result<Result<(Connected, bool), (ConnectError, Engine<Ticket>)>, Stop> {
        let unfinished = engine.unfinished();
        let options = self.course.options.clone();
        let connected = connect(&options, engine);
        pin!(connected);
        loop {
            tokio::select! {
                done = &mut connected => return Ok(done),
                heard = self.course.hub.hear() => {
                    heard.map_err(|end| Stop(end, unfinished))?;
                    self.course.hub.commit().await.map_err(|end| Stop(end, unfinished))?;
                    if self.course.is_over(unfinished) {
                        return Err(Stop(End::Disconnected, 0));
                    }
                }
            }
        }
    }

    /// Serves a connection until it is lost; gives the engine for the next one, and how long to wait before.
    async fn serve(&mut self, mut link: Connected, session_present: bool) -> Result<(Engine<Ticket>, Duration), Stop> {
        self.course.connected(session_present, Instant::now());
        let end = loop {
            if let Err(end) = self.turn(&mut link).await {
                break end;
            }
        };
        let decided = self.course.lost(&end, &mut link.engine, Instant::now(), chance());
        if matches!(end, End::Disconnected) {
            link.close().await;
            return Err(decided.err().unwrap_or(Stop(end, 0)));
        }
        let wait = decided?;
        Ok((link.into_engine(), wait))
    }

    async fn turn(&mut self, link: &mut Connected) -> Result<(), End> {
        let (listening, press_at) = self.course.take_in(link, Link::digest, Instant::now())?;
        let now = link.now();
        self.course.feed(&mut link.engine, now)?;
        self.course.hub.commit().await?;
        if self.course.is_drained(&link.engine) {
            return Err(End::Disconnected);
        }
        tokio::select! {
            turned = link.turn(listening) => turned,
            heard = self.course.hub.hear() => heard,
            () = sleep_until(press_at.unwrap_or_else(Instant::now)), if !listening && press_at.is_some() => Ok(()),
        }
    }
}

/// The hash is keyed at random.
fn chance() -> u8 {
    let [chance, ..] = RandomState::new().hash_one(0).to_be_bytes();
    chance
}

impl AsMut<Engine<Ticket>> for Connected {
    fn as_mut(&mut self) -> &mut Engine<Ticket> {
        &mut self.engine
    }
}
