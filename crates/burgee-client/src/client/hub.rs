//! What a client holds between its handles, its streams and its engine: commands, messages that wait, requests, notes for the
//! disk.
//!
//! What must hold: what waits is bounded by the limit that the user gave, and its policy decides beyond; nothing that has to
//! be on disk first reaches the engine's bytes before it is. Deliberately absent: the connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use burgee_codec::{QoS, TopicFilterBuf};
use burgee_protocol::{Fault, Time};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::publish::Answer;
use super::queue::{Ack, Notices, Queue};
use super::registry::{Registry, Request};
use super::{Command, Ending, Event, State};
use crate::care::{Overflow, QueueLimit};
use crate::engine::{self, Engine, Kept, Note, Serial};
use crate::error::{End, Error};
use crate::message::Message;
use crate::options::Options;
use crate::outbox::Outbox;

/// While there is a connection, so much waits here; the rest waits with those who bring it.
const ONLINE: (usize, usize) = (64, 1 << 20);

/// What "without limit" comes to.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// For how long a full stream may keep us from reading what somebody waits for.
const PATIENCE: Duration = Duration::from_millis(100);

/// Who hears of the end of a piece of work.
#[derive(Debug)]
pub(super) enum Ticket {
    Publish(Answer),
    /// Nobody any more: it comes from before a restart.
    #[cfg_attr(not(feature = "outbox"), allow(dead_code, reason = "only an outbox restores"))]
    Restored,
    /// The number of the request, and its filters.
    Subscribe(u64, Vec<String>),
    Unsubscribe(u64, Vec<String>),
}

/// The task's ends of all channels.
#[derive(Debug)]
pub(super) struct Wires {
    pub(super) commands: mpsc::Receiver<Command>,
    /// A wish to end within so much time.
    pub(super) quit: mpsc::Receiver<Duration>,
    pub(super) ending: watch::Sender<Option<Ending>>,
    pub(super) state: watch::Sender<State>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) notices: Arc<Notices>,
}

/// Where messages are that must not be lost.
#[derive(Debug)]
enum Shelf {
    /// In memory alone.
    Nowhere,
    #[cfg_attr(not(feature = "outbox"), allow(dead_code, reason = "there is none in this build"))]
    Outbox(Outbox),
    /// In an outbox that somebody else has.
    #[cfg(feature = "simulation")]
    Elsewhere,
}

impl Shelf {
    const fn is_memory(&self) -> bool {
        matches!(self, Self::Nowhere)
    }
}

#[derive(Debug)]
struct Pending {
    message: Message,
    answer: Answer,
    number: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) wires: Wires,
    pub(super) registry: Registry,
    limit: QueueLimit,
    waiting: VecDeque<Pending>,
    bytes: usize,
    acks: Vec<Serial>,
    notes: Vec<Note>,
    /// Who hears when the notes are on disk.
    stored: Vec<oneshot::Sender<()>>,
    shelf: Shelf,
    next_number: u64,
    pub(super) online: bool,
    commands_open: bool,
    /// The end was asked for and has to be reached by then.
    quit_by: Option<Instant>,
    /// Streams that keep us from reading, and since when.
    full: Vec<Arc<Queue>>,
    full_since: Option<Instant>,
    pressed: bool,
}

impl Hub {
    pub(super) fn new(wires: Wires, limit: QueueLimit) -> Self {
        Self {
            wires,
            registry: Registry::default(),
            limit,
            waiting: VecDeque::new(),
            bytes: 0,
            acks: Vec::new(),
            notes: Vec::new(),
            stored: Vec::new(),
            shelf: Shelf::Nowhere,
            next_number: 1,
            online: false,
            commands_open: true,
            quit_by: None,
            full: Vec::new(),
            full_since: None,
            pressed: false,
        }
    }

    /// Opens the outbox, if there is one, and gives the engine what it holds.
    pub(super) async fn open_outbox(
        &mut self,
        options: &Options,
        mut engine: Engine<Ticket>,
    ) -> Result<Engine<Ticket>, Arc<str>> {
        if let Some((outbox, kept)) = Outbox::open(options).await? {
            self.restore(kept, &mut engine);
            self.shelf = Shelf::Outbox(outbox);
        }
        Ok(engine)
    }

    /// Somebody else has the outbox, which holds this.
    #[cfg(feature = "simulation")]
    pub(super) fn go_on_with(&mut self, kept: Kept, engine: &mut Engine<Ticket>) {
        self.restore(kept, engine);
        self.shelf = Shelf::Elsewhere;
    }

    fn restore(&mut self, kept: Kept, engine: &mut Engine<Ticket>) {
        self.next_number = kept.next_number;
        engine.restore(kept, || Ticket::Restored);
    }

    /// Waits until somebody says something, and takes it in. `Err`: the client has to end.
    ///
    /// Cancel-safe: what is received is taken in without another wait.
    pub(super) async fn hear(&mut self) -> Result<(), End> {
        let accepting = self.commands_open && self.has_room();
        let Wires {
            commands,
            quit,
            notices,
            ..
        } = &mut self.wires;
        tokio::select! {
            command = commands.recv(), if accepting => self.take(command)?,
            () = notices.wake.notified() => {}
            Some(within) = quit.recv(), if self.quit_by.is_none() => self.quit_within(within, Instant::now()),
            () = sleep_until(self.quit_by.unwrap_or_else(Instant::now)), if self.quit_by.is_some() => {
                return Err(End::Disconnected);
            }
        }
        self.take_notices();
        Ok(())
    }

    /// The same without a wait: says whether there was something to hear.
    #[cfg(feature = "simulation")]
    pub(super) fn listen(&mut self, now: Instant) -> Result<bool, End> {
        use std::pin::pin;
        use std::task::{Context, Waker};
        use tokio::sync::mpsc::error::TryRecvError;
        let mut heard = false;
        if self.commands_open && self.has_room() {
            let command = match self.wires.commands.try_recv() {
                Ok(command) => Some(Some(command)),
                Err(TryRecvError::Disconnected) => Some(None),
                Err(TryRecvError::Empty) => None,
            };
            if let Some(command) = command {
                self.take(command)?;
                heard = true;
            }
        }
        if self.quit_by.is_none()
            && let Ok(within) = self.wires.quit.try_recv()
        {
            self.quit_within(within, now);
            heard = true;
        }
        if self.quit_by.is_some_and(|by| by <= now) {
            return Err(End::Disconnected);
        }
        let mut context = Context::from_waker(Waker::noop());
        heard |= pin!(self.wires.notices.wake.notified()).poll(&mut context).is_ready();
        self.take_notices();
        Ok(heard)
    }

    fn take(&mut self, command: Option<Command>) -> Result<(), End> {
        if let Some(command) = command {
            self.obey(command);
            self.obey_more();
        } else {
            self.commands_open = false;
            if self.quit_by.is_none() {
                return Err(End::Abandoned);
            }
        }
        Ok(())
    }

    fn quit_within(&mut self, within: Duration, now: Instant) {
        self.wires.commands.close();
        self.quit_by = now.checked_add(within).or_else(|| now.checked_add(FAR));
    }

    fn take_notices(&mut self) {
        let told = self.wires.notices.take();
        self.acks.extend(told.acks);
        for key in told.gone {
            self.registry.remove(key, None);
        }
    }

    fn obey_more(&mut self) {
        while self.has_room()
            && let Ok(command) = self.wires.commands.try_recv()
        {
            self.obey(command);
        }
    }

    fn has_room(&self) -> bool {
        let (messages, bytes) = if self.online && self.shelf.is_memory() {
            ONLINE
        } else {
            (self.limit.messages, self.limit.bytes)
        };
        let drops = !self.online && self.limit.overflow != Overflow::Wait;
        drops || (self.waiting.len() < messages && self.bytes < bytes) || self.waiting.is_empty()
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Publish {
                message,
                answer,
                stored,
            } => self.accept(message, answer, stored),
            Command::Subscribe {
                key,
                filter,
                qos,
                queue,
                answer,
            } => self.registry.add(key, (filter, qos), queue, answer),
            Command::Unsubscribe { key, told } => self.registry.remove(key, Some(told)),
        }
    }

    fn accept(&mut self, message: Message, answer: Answer, stored: Option<oneshot::Sender<()>>) {
        let weight = weight(&message);
        let over = |hub: &Self| hub.waiting.len() >= hub.limit.messages || hub.bytes + weight > hub.limit.bytes;
        if !self.online && !self.waiting.is_empty() && over(self) {
            match self.limit.overflow {
                Overflow::Wait => {}
                Overflow::DropNewest => {
                    answer.send(Err(Error::QueueFull)).ok();
                    stored.map(|stored| stored.send(()));
                    return;
                }
                Overflow::DropOldest => {
                    while over(self)
                        && let Some(oldest) = self.pop()
                    {
                        oldest.answer.send(Err(Error::QueueFull)).ok();
                        if oldest.number > 0 {
                            self.notes.push(Note::Done { number: oldest.number });
                        }
                    }
                }
            }
        }
        let mut number = 0;
        if !self.shelf.is_memory() && message.qos > QoS::AtMostOnce {
            number = self.next_number;
            self.next_number += 1;
            self.notes.push(Note::Accepted {
                number,
                message: message.clone(),
            });
        }
        self.stored.extend(stored);
        self.bytes += weight;
        self.waiting.push_back(Pending {
            message,
            answer,
            number,
        });
    }

    fn pop(&mut self) -> Option<Pending> {
        let pending = self.waiting.pop_front()?;
        self.bytes -= weight(&pending.message);
        Some(pending)
    }

    /// Gives the engine what it has room for.
    pub(super) fn feed(&mut self, engine: &mut Engine<Ticket>, now: Time) -> Result<(), Fault> {
        engine.acknowledge(self.acks.drain(..), now)?;
        while self.registry.has_request() && engine.has_room() {
            match self.registry.next_request() {
                Some(Request::Subscribe(number, filters)) => {
                    let names = names(filters.iter().map(|(filter, _)| filter));
                    engine.subscribe(filters, Ticket::Subscribe(number, names), now)?;
                }
                Some(Request::Unsubscribe(number, filters)) => {
                    let names = names(filters.iter());
                    engine.unsubscribe(filters, Ticket::Unsubscribe(number, names), now)?;
                }
                None => break,
            }
        }
        while engine.has_room()
            && let Some(Pending {
                message,
                answer,
                number,
            }) = self.pop()
        {
            engine.publish(message, Ticket::Publish(answer), number, now)?;
        }
        Ok(())
    }

    /// Without a connection: what the application is done with is remembered for the next one.
    pub(super) fn acknowledge(&mut self, engine: &mut Engine<Ticket>) -> Result<(), Fault> {
        engine.acknowledge(self.acks.drain(..), Time::ZERO)
    }

    /// Takes over what the engine wants on disk.
    pub(super) fn collect(&mut self, engine: &mut Engine<Ticket>) {
        self.notes.append(&mut engine.notes());
    }

    /// Puts on disk what has to be there before anything else is written to the server.
    pub(super) async fn commit(&mut self) -> Result<(), End> {
        if let Shelf::Outbox(outbox) = &self.shelf
            && !self.notes.is_empty()
        {
            let notes = std::mem::take(&mut self.notes);
            outbox.commit(notes).await.map_err(End::OutboxFailed)?;
        }
        self.committed();
        Ok(())
    }

    /// What is to be put on disk, for somebody else's.
    #[cfg(feature = "simulation")]
    pub(super) fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// It is on disk: those who waited for that hear of it.
    pub(super) fn committed(&mut self) {
        for stored in self.stored.drain(..) {
            // Who asked may have gone.
            stored.send(()).ok();
        }
    }

    /// Something happened in the engine.
    pub(super) fn handle(&mut self, event: engine::Event<Ticket>) {
        match event {
            engine::Event::Message(message, serial) => self.hand_on(message, serial),
            engine::Event::Done { ticket, codes } => match ticket {
                // Nobody has to wait for a receipt.
                Ticket::Publish(answer) => drop(answer.send(Ok(()))),
                Ticket::Restored => {}
                Ticket::Subscribe(number, filters) => {
                    for filter in self.registry.answered(number, &filters, &codes) {
                        self.tell(Event::SubscriptionRefused(filter));
                    }
                }
                Ticket::Unsubscribe(number, filters) => self.registry.left(number, &filters),
            },
            engine::Event::Connected { .. } | engine::Event::Refused(_) => {}
        }
    }

    fn hand_on(&mut self, message: Message, serial: Serial) {
        let queues = self.registry.route(message.topic.as_ref());
        let ack = Ack::new(serial, queues.len());
        let Some((last, others)) = queues.split_last() else {
            self.acks.extend((serial != 0).then_some(serial));
            self.tell(Event::Unwanted(message.topic.as_str().to_owned()));
            return;
        };
        for queue in others {
            self.push(queue, message.clone(), ack.clone());
        }
        self.push(last, message, ack);
    }

    fn push(&mut self, queue: &Arc<Queue>, message: Message, ack: Ack) {
        let (serial, is_full) = queue.push(message, ack, self.pressed);
        self.acks.extend(serial);
        if is_full && !self.full.iter().any(|known| Arc::ptr_eq(known, queue)) {
            self.full.push(Arc::clone(queue));
        }
    }

    /// Whether the connection may be read; if not, and somebody waits for an answer, when it will be all the same.
    pub(super) fn may_read(&mut self, unfinished: usize, now: Instant) -> (bool, Option<Instant>) {
        if !self.full.is_empty() {
            self.full.retain(|queue| queue.blocks());
        }
        if self.full.is_empty() {
            self.full_since = None;
            self.pressed = false;
            return (true, None);
        }
        let due = *self.full_since.get_or_insert(now) + PATIENCE;
        self.pressed = unfinished > 0 && due <= now;
        (self.pressed, (unfinished > 0).then_some(due))
    }

    /// When the end has to be reached.
    #[cfg(feature = "simulation")]
    pub(super) const fn quit_by(&self) -> Option<Instant> {
        self.quit_by
    }

    pub(super) const fn is_quitting(&self) -> bool {
        self.quit_by.is_some()
    }

    /// Nothing waits here any more, and nothing more comes.
    pub(super) fn is_drained(&self) -> bool {
        !self.commands_open && self.waiting.is_empty() && self.acks.is_empty() && !self.registry.has_request()
    }

    /// The same for a client that has no connection: what the server is to be asked for does not matter any more.
    pub(super) fn has_nothing_to_send(&self) -> bool {
        self.waiting.is_empty() && self.wires.commands.is_empty()
    }

    pub(super) fn tell(&self, event: Event) {
        // Nobody has to listen.
        self.wires.events.send(event).ok();
    }

    pub(super) fn set(&self, state: State) {
        self.wires.state.send_replace(state);
    }

    /// The end: everybody who waits hears of it.
    pub(super) fn finish(&mut self, end: End, unfinished: usize) {
        self.wires.commands.close();
        let unfinished = unfinished + self.waiting.len() + self.wires.commands.len();
        self.set(State::Closed(end.clone()));
        // Said before any waiter is dropped: whoever waits in vain looks here for the reason.
        self.wires.ending.send_replace(Some(Ending { end, unfinished }));
        self.registry.close();
    }
}

fn weight(message: &Message) -> usize {
    message.topic.as_str().len() + message.payload.len()
}

fn names<'a>(filters: impl Iterator<Item = &'a TopicFilterBuf>) -> Vec<String> {
    filters.map(|filter| filter.as_str().to_owned()).collect()
}
