//! The task behind a client: it connects, serves the connection, waits, and connects again.
//!
//! What must hold: there is one owner of reconnection; waits grow and are random, so that a thousand clients do not come at
//! once; what the engine holds goes from one connection to the next. Deliberately absent: the protocol.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::pin;
use tokio::time::{Instant, sleep, sleep_until};

use super::hub::{Hub, Ticket};
use super::{Event, State};
use crate::engine::Engine;
use crate::error::{ConnectError, End, Error};
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
    hub: Hub,
    options: Options,
    /// Failed attempts since there was a connection.
    failed: u32,
    /// How often the wait was doubled.
    doublings: u32,
    /// There was a connection before.
    was_connected: bool,
}

/// The client has to end: why, and how much the engine had left.
struct Stop(End, usize);

impl Task {
    pub(super) const fn new(hub: Hub, options: Options) -> Self {
        Self {
            hub,
            options,
            failed: 0,
            doublings: 0,
            was_connected: false,
        }
    }

    /// Begins with a connection.
    pub(super) async fn run_connected(mut self, link: Connected, session_present: bool) {
        match self.serve(link, session_present).await {
            Ok((engine, wait)) => self.run(engine, wait).await,
            Err(Stop(end, unfinished)) => self.hub.finish(end, unfinished),
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
        self.hub.finish(end, unfinished);
    }

    /// Waits, connects, and serves the connection until it is lost.
    async fn round(&mut self, engine: Engine<Ticket>, wait: Duration) -> Result<(Engine<Ticket>, Duration), Stop> {
        let engine = self.pause(engine, wait).await?;
        self.hub.set(State::Connecting {
            attempt: self.failed.saturating_add(1),
        });
        match self.attempt(engine).await? {
            Ok((link, session_present)) => self.serve(link, session_present).await,
            Err((error, engine)) => {
                let error = Arc::new(error);
                self.hub.tell(Event::Failed(Arc::clone(&error)));
                self.failed = self.failed.saturating_add(1);
                if self.options.care.attempts.is_some_and(|most| self.failed >= most) {
                    return Err(Stop(End::GaveUp(error), engine.unfinished()));
                }
                let wait = self.next_wait();
                self.hub.set(State::Waiting {
                    wait,
                    failure: Some(error),
                });
                Ok((engine, wait))
            }
        }
    }

    /// Without a connection, but not without work: messages are taken, streams come and go.
    async fn pause(&mut self, mut engine: Engine<Ticket>, wait: Duration) -> Result<Engine<Ticket>, Stop> {
        let over = sleep(wait);
        pin!(over);
        loop {
            // Acknowledgements of QoS 2 are remembered for the next connection.
            let stop = |end| Stop(end, 0);
            self.hub.acknowledge(&mut engine).map_err(|fault| stop(fault.into()))?;
            self.hub.commit(&mut engine).await.map_err(stop)?;
            if self.hub.is_quitting() && engine.unfinished() == 0 && self.hub.has_nothing_to_send() {
                return Err(Stop(End::Disconnected, 0));
            }
            tokio::select! {
                () = &mut over => return Ok(engine),
                heard = self.hub.hear() => heard.map_err(|end| Stop(end, engine.unfinished()))?,
            }
        }
    }

    async fn attempt(
        &mut self,
        engine: Engine<Ticket>,
    ) -> Result<Result<(Connected, bool), (ConnectError, Engine<Ticket>)>, Stop> {
        let unfinished = engine.unfinished();
        let options = self.options.clone();
        let connected = connect(&options, engine);
        pin!(connected);
        loop {
            tokio::select! {
                done = &mut connected => return Ok(done),
                heard = self.hub.hear() => {
                    heard.map_err(|end| Stop(end, unfinished))?;
                    self.hub.commit_own().await.map_err(|end| Stop(end, unfinished))?;
                    if self.hub.is_quitting() && unfinished == 0 && self.hub.has_nothing_to_send() {
                        return Err(Stop(End::Disconnected, 0));
                    }
                }
            }
        }
    }

    /// Serves a connection until it is lost; gives the engine for the next one, and how long to wait before.
    async fn serve(&mut self, mut link: Connected, session_present: bool) -> Result<(Engine<Ticket>, Duration), Stop> {
        let began = Instant::now();
        self.hub.online = true;
        self.hub.registry.connected(session_present);
        self.hub.set(State::Connected { session_present });
        self.hub.tell(Event::Connected { session_present });
        if self.was_connected && !session_present && self.options.keeps_session() {
            self.hub.tell(Event::SessionLost);
        }
        self.was_connected = true;
        self.failed = 0;
        let end = loop {
            if let Err(end) = self.turn(&mut link).await {
                break end;
            }
        };
        self.hub.online = false;
        let unfinished = link.engine.unfinished();
        let mut engine = match end {
            End::Disconnected => {
                link.close().await;
                return Err(Stop(end, unfinished));
            }
            End::Abandoned | End::OutboxFailed(_) | End::GaveUp(_) => return Err(Stop(end, unfinished)),
            End::ClosedByServer | End::Network(_) | End::Silent | End::Violation(_) => link.into_engine(),
        };
        engine.lost();
        for ticket in engine.unsent() {
            if let Ticket::Publish(answer) = ticket {
                answer.send(Err(Error::Ended(end.clone()))).ok();
            }
        }
        self.hub.tell(Event::Disconnected(end.clone()));
        if self.options.care.attempts == Some(0) {
            return Err(Stop(end, engine.unfinished()));
        }
        // A connection that stood for a while starts the waits anew; one that is cut again and again does not.
        if began.elapsed() > self.options.care.longest_wait {
            self.doublings = 0;
        }
        let wait = self.next_wait();
        self.hub.set(State::Waiting { wait, failure: None });
        Ok((engine, wait))
    }

    async fn turn(&mut self, link: &mut Connected) -> Result<(), End> {
        let (listening, press_at) = self.take_in(link)?;
        let now = link.now();
        self.hub.feed(&mut link.engine, now)?;
        self.hub.commit(&mut link.engine).await?;
        if self.hub.is_quitting() && self.hub.is_drained() && link.engine.is_settled() {
            return Err(End::Disconnected);
        }
        tokio::select! {
            turned = link.turn(listening) => turned,
            heard = self.hub.hear() => heard,
            () = sleep_until(press_at.unwrap_or_else(Instant::now)), if !listening && press_at.is_some() => Ok(()),
        }
    }

    /// Hands everything that came to the engine and its events on. Says whether more may be read, and if not, when.
    fn take_in(&mut self, link: &mut Connected) -> Result<(bool, Option<Instant>), End> {
        loop {
            while let Some(event) = link.engine.next_event() {
                self.hub.handle(event);
            }
            let (may_read, press_at) = self.hub.may_read(link.engine.unfinished());
            if !may_read || !link.engine.may_receive() {
                // What is due already would wake us at once, for nothing: here the answers' way out is full.
                return Ok((false, press_at.filter(|_| !may_read)));
            }
            if !link.digest()? {
                return Ok((true, None));
            }
        }
    }

    fn next_wait(&mut self) -> Duration {
        let care = &self.options.care;
        let doubled = 2_u32
            .checked_pow(self.doublings)
            .and_then(|times| care.first_wait.checked_mul(times));
        let wait = doubled.unwrap_or(care.longest_wait).min(care.longest_wait);
        self.doublings = self.doublings.saturating_add(1).min(31);
        // The hash is keyed at random.
        let [chance, ..] = RandomState::new().hash_one(self.doublings).to_be_bytes();
        wait.saturating_sub(wait.mul_f32(f32::from(chance) / 512.0))
    }
}
