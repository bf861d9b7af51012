//! What a client decides about its connections, between them and on them: when to try again, what a lost one means, what may
//! be read, and when it is over.
//!
//! What must hold: there is one owner of reconnection; waits grow and are random, so that a thousand clients do not come at
//! once; what the engine holds goes from one connection to the next. Deliberately absent: waiting, sockets, and chance. The
//! task has them, and the simulator has others.

use std::sync::Arc;
use std::time::Duration;

use burgee_protocol::{Fault, Time};
use tokio::time::Instant;

use super::hub::{Hub, Ticket};
use super::{Event, State};
use crate::engine::Engine;
use crate::error::{ConnectError, End, Error};
use crate::options::Options;

/// The client has to end: why, and how much the engine had left.
#[derive(Debug)]
pub(super) struct Stop(pub(super) End, pub(super) usize);

/// See the module.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) hub: Hub,
    pub(super) options: Options,
    /// Failed attempts since there was a connection.
    failed: u32,
    /// How often the wait was doubled.
    doublings: u32,
    /// There was a connection before.
    was_connected: bool,
    /// Since when the present connection stands.
    began: Instant,
}

impl Course {
    pub(super) fn new(hub: Hub, options: Options, now: Instant) -> Self {
        Self {
            hub,
            options,
            failed: 0,
            doublings: 0,
            was_connected: false,
            began: now,
        }
    }

    /// The next attempt to connect begins.
    pub(super) fn trying(&self) {
        self.hub.set(State::Connecting {
            attempt: self.failed.saturating_add(1),
        });
    }

    /// It failed: how long to wait before the next one.
    pub(super) fn failed(
        &mut self,
        error: ConnectError,
        engine: &Engine<Ticket>,
        chance: u8,
    ) -> Result<Duration, Stop> {
        let error = Arc::new(error);
        self.hub.tell(Event::Failed(Arc::clone(&error)));
        self.failed = self.failed.saturating_add(1);
        if self.options.care.attempts.is_some_and(|most| self.failed >= most) {
            return Err(Stop(End::GaveUp(error), engine.unfinished()));
        }
        let wait = self.next_wait(chance);
        self.hub.set(State::Waiting {
            wait,
            failure: Some(error),
        });
        Ok(wait)
    }

    /// A connection stands.
    pub(super) fn connected(&mut self, session_present: bool, now: Instant) {
        self.began = now;
        self.hub.online = true;
        self.hub.registry.connected(session_present);
        self.hub.set(State::Connected { session_present });
        self.hub.tell(Event::Connected { session_present });
        if self.was_connected && !session_present && self.options.keeps_session() {
            self.hub.tell(Event::SessionLost);
        }
        self.was_connected = true;
        self.failed = 0;
    }

    /// Hands everything that came to the engine, by `digest`, and its events on. Says whether more may be read, and if not,
    /// when.
    pub(super) fn take_in<L: AsMut<Engine<Ticket>>>(
        &mut self,
        link: &mut L,
        digest: impl Fn(&mut L) -> Result<bool, Fault>,
        now: Instant,
    ) -> Result<(bool, Option<Instant>), End> {
        loop {
            while let Some(event) = link.as_mut().next_event() {
                self.hub.handle(event);
            }
            let engine = link.as_mut();
            let (may_read, press_at) = self.hub.may_read(engine.unfinished(), now);
            if !may_read || !engine.may_receive() {
                // What is due already would wake us at once, for nothing: here the answers' way out is full.
                return Ok((false, press_at.filter(|_| !may_read)));
            }
            if !digest(link)? {
                return Ok((true, None));
            }
        }
    }

    /// On a connection: gives the engine what it has room for. What has to be on disk before anything of it is written lies
    /// with the hub then.
    pub(super) fn feed(&mut self, engine: &mut Engine<Ticket>, now: Time) -> Result<(), End> {
        self.hub.feed(engine, now)?;
        self.hub.collect(engine);
        Ok(())
    }

    /// The same without a connection: acknowledgements of QoS 2 are remembered for the next one.
    pub(super) fn rest(&mut self, engine: &mut Engine<Ticket>) -> Result<(), Stop> {
        self.hub.acknowledge(engine).map_err(|fault| Stop(fault.into(), 0))?;
        self.hub.collect(engine);
        Ok(())
    }

    /// Whether a connection has nothing left to do, and none more is wanted.
    pub(super) fn is_drained(&self, engine: &Engine<Ticket>) -> bool {
        self.hub.is_quitting() && self.hub.is_drained() && engine.is_settled()
    }

    /// The same without a connection, where the engine has so much left.
    pub(super) fn is_over(&self, unfinished: usize) -> bool {
        self.hub.is_quitting() && unfinished == 0 && self.hub.has_nothing_to_send()
    }

    /// A connection is lost: how long to wait before the next one.
    pub(super) fn lost(
        &mut self,
        end: &End,
        engine: &mut Engine<Ticket>,
        now: Instant,
        chance: u8,
    ) -> Result<Duration, Stop> {
        self.hub.online = false;
        let unfinished = engine.unfinished();
        match end {
            End::Disconnected | End::Abandoned | End::OutboxFailed(_) | End::GaveUp(_) => {
                return Err(Stop(end.clone(), unfinished));
            }
            End::ClosedByServer | End::Network(_) | End::Silent | End::Violation(_) => {}
        }
        engine.lost();
        for ticket in engine.unsent() {
            if let Ticket::Publish(answer) = ticket {
                answer.send(Err(Error::Ended(end.clone()))).ok();
            }
        }
        self.hub.tell(Event::Disconnected(end.clone()));
        if self.options.care.attempts == Some(0) {
            return Err(Stop(end.clone(), engine.unfinished()));
        }
        // A connection that stood for a while starts the waits anew; one that is cut again and again does not.
        if now.duration_since(self.began) > self.options.care.longest_wait {
            self.doublings = 0;
        }
        let wait = self.next_wait(chance);
        self.hub.set(State::Waiting { wait, failure: None });
        Ok(wait)
    }

    fn next_wait(&mut self, chance: u8) -> Duration {
        let care = &self.options.care;
        let doubled = 2_u32
            .checked_pow(self.doublings)
            .and_then(|times| care.first_wait.checked_mul(times));
        let wait = doubled.unwrap_or(care.longest_wait).min(care.longest_wait);
        self.doublings = self.doublings.saturating_add(1).min(31);
        wait.saturating_sub(wait.mul_f32(f32::from(chance) / 512.0))
    }
}
