//! The task behind a client: it alone owns the connection, and whoever wants something asks it.
//!
//! What must hold: every queue is bounded. The engine's window full: commands wait in their channel, and behind it the
//! callers. The application does not take its messages: we stop reading. Deliberately absent: reconnecting. This is where
//! it will live, because nobody else sees the connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use burgee_codec::{QoS, TopicFilterBuf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::engine::{Event, Session};
use crate::error::End;
use crate::link::Link;
use crate::message::Message;

/// The number of a piece of work. The session keeps the number, so that it is plain data; who waits stays here.
pub(crate) type Ticket = u64;

/// Whoever waits for the end of a piece of work; SUBACK's codes come with it.
pub(crate) type Waiter = oneshot::Sender<Vec<u8>>;

/// What a client asks of its connection.
#[derive(Debug)]
pub(crate) enum Command {
    Publish(Message, Waiter),
    Subscribe(Vec<(TopicFilterBuf, QoS)>, Waiter),
    Unsubscribe(Vec<TopicFilterBuf>, Waiter),
}

/// What "without limit" comes to.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How a connection ended, and how much was left undone.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) end: End,
    pub(crate) unfinished: usize,
}

/// The driver's ends of all channels.
#[derive(Debug)]
pub(crate) struct Wires {
    pub(crate) commands: mpsc::Receiver<Command>,
    /// A wish to end within so much time.
    pub(crate) quit: mpsc::Receiver<Duration>,
    /// Bounded by `room`: one permit for each message until the application asks for the next one.
    pub(crate) messages: mpsc::UnboundedSender<(Message, OwnedSemaphorePermit)>,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) ending: watch::Sender<Option<Ending>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Driver<R, W> {
    link: Link<R, W, Ticket>,
    wires: Wires,
    waiters: HashMap<Ticket, Waiter>,
    next_ticket: Ticket,
    /// Commands may still come.
    commands_open: bool,
    /// The end was asked for and has to be reached by then.
    quit_by: Option<Instant>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Driver<R, W> {
    /// `next_ticket` is a number that the engine's session does not hold, and none above it.
    pub(crate) fn new(link: Link<R, W, Ticket>, wires: Wires, next_ticket: Ticket) -> Self {
        Self {
            link,
            wires,
            waiters: HashMap::new(),
            next_ticket,
            commands_open: true,
            quit_by: None,
        }
    }

    /// Serves the connection until it ends; the session is what can be resumed, with the next ticket's number.
    pub(crate) async fn run(mut self) -> (End, Session<Ticket>, Ticket) {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        let unfinished = self.link.engine.unfinished() + self.wires.commands.len();
        let clock = self.link.now();
        let mut engine = match end {
            // [MQTT-4.8.0-1] after a violation nothing is said any more.
            End::Disconnected => self.link.close().await,
            End::Abandoned
            | End::ClosedByServer
            | End::Network(_)
            | End::Silent
            | End::Violation(_)
            | End::OutboxFailed(_)
            | End::GaveUp(_) => self.link.into_engine(),
        };
        // Said before any waiter is dropped: whoever waits in vain looks here for the reason.
        self.wires.ending.send_replace(Some(Ending {
            end: end.clone(),
            unfinished,
        }));
        self.wires.commands.close();
        engine.lost();
        while let Ok(command) = self.wires.commands.try_recv() {
            // What was accepted before the end belongs to the session, if there is one to resume.
            if let Command::Publish(message, _) = command
                && engine.keeps_session()
            {
                engine.publish(message, self.next_ticket, 0, clock).ok();
                self.next_ticket += 1;
            }
        }
        (end, engine.into_session(), self.next_ticket)
    }

    async fn step(&mut self) -> Result<(), End> {
        let listening = self.take_in()?;
        if self.quit_by.is_some() && !self.commands_open && self.link.engine.is_settled() {
            return Err(End::Disconnected);
        }
        let full = !listening && self.is_full();
        let window_open = self.commands_open && self.link.engine.has_room();
        let Wires {
            commands,
            quit,
            messages,
            room,
            ..
        } = &mut self.wires;
        tokio::select! {
            turned = self.link.turn(listening) => turned,
            command = commands.recv(), if window_open => {
                self.commands_open = command.is_some();
                command.map_or(Ok(()), |command| self.obey(command))
            }
            // The permit goes back at once: there is room again, and nobody else sends.
            () = async { drop(room.acquire().await) }, if full => Ok(()),
            Some(within) = quit.recv(), if self.quit_by.is_none() => {
                commands.close();
                self.quit_by = Instant::now().checked_add(within).or_else(|| Instant::now().checked_add(FAR));
                Ok(())
            }
            () = sleep_until(self.quit_by.unwrap_or_else(Instant::now)), if self.quit_by.is_some() => {
                Err(End::Disconnected)
            }
            () = messages.closed(), if !self.commands_open && self.quit_by.is_none() => Err(End::Abandoned),
        }
    }

    /// Hands everything that came to the engine and its events on. Says whether there is room for more.
    fn take_in(&mut self) -> Result<bool, End> {
        loop {
            while let Some(event) = self.link.engine.next_event() {
                match event {
                    // Nobody has to wait for a receipt, or to take messages: the work is done all the same.
                    Event::Done { ticket, codes } => {
                        drop(self.waiters.remove(&ticket).map(|waiter| waiter.send(codes)));
                    }
                    Event::Message(message, _) => self.hand_on(message),
                    Event::Connected { .. } | Event::Refused(_) => {}
                }
            }
            if self.is_full() || !self.link.engine.may_receive() {
                return Ok(false);
            }
            if !self.link.digest()? {
                return Ok(true);
            }
        }
    }

    /// The application has to take a message first.
    fn is_full(&self) -> bool {
        self.wires.room.available_permits() == 0 && !self.wires.messages.is_closed()
    }

    /// One packet brings one message at most, and there was room before it was taken in.
    fn hand_on(&self, message: Message) {
        if let Ok(permit) = Arc::clone(&self.wires.room).try_acquire_owned() {
            // Nobody has to take messages: they are acknowledged all the same [MQTT-4.5.0-2].
            drop(self.wires.messages.send((message, permit)));
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), End> {
        let now = self.link.now();
        let engine = &mut self.link.engine;
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let waiter = match command {
            Command::Publish(message, waiter) => {
                engine.publish(message, ticket, 0, now)?;
                waiter
            }
            Command::Subscribe(filters, waiter) => {
                engine.subscribe(filters, ticket, now)?;
                waiter
            }
            Command::Unsubscribe(filters, waiter) => {
                engine.unsubscribe(filters, ticket, now)?;
                waiter
            }
        };
        self.waiters.insert(ticket, waiter);
        Ok(())
    }
}
