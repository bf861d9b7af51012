//! One run of a program that uses the library: its client, its streams, and what it waits for.
//!
//! What must hold: everything is asked of the library by its own doors. Deliberately absent: what the program wants.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use burgee_client::simulation::{Machine, Notes, Outbox, simulated};
use burgee_client::{
    Client, ConnectError, End, Error, Event, Events, Options, Overflow, QoS, Receipt, State, Subscription,
};

use super::affairs::{Affairs, Lasting, text};
use super::door::Door;
use super::streams::{Stream, Streams};
use crate::actor::packet::Note;
use crate::rng::Rng;

/// How long `Client::disconnect` waits, in ms.
const CLEAN_END: u64 = 30_000;

type Promise<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

/// See the module.
pub(super) struct Program {
    pub(super) client: Client,
    pub(super) machine: Machine,
    pub(super) streams: Streams,
    /// Messages that the application wants to send, in order.
    pub(super) notes: VecDeque<(u64, Note)>,
    sending: Option<(Note, Promise<Receipt>)>,
    receipts: Vec<(Note, Receipt)>,
    asking: Vec<(u64, Promise<Subscription>)>,
    leaving: Vec<Promise<()>>,
    /// What is being put on disk, and until when.
    pub(super) committing: Option<(u64, Notes)>,
    pub(super) keys: u64,
    pub(super) ending: Option<Promise<()>>,
    /// When it was asked to end, in ms.
    ends: u64,
    /// Messages of QoS 1 and 2 whose receipt ended with the client.
    abandoned: usize,
    events: Events,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("machine", &self.machine)
            .field("unfinished", &self.machine.unfinished())
            .field("notes", &self.notes.len())
            .field("sending", &self.sending.as_ref().map(|(note, _)| text(&note.payload)))
            .field(
                "receipts",
                &self
                    .receipts
                    .iter()
                    .map(|(note, _)| text(&note.payload))
                    .collect::<Vec<_>>(),
            )
            .field("asking", &self.asking.len())
            .field("leaving", &self.leaving.len())
            .field("committing", &self.committing)
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

/// Nobody has to be woken: everybody is asked again after each step.
fn ask<T>(promise: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(promise).poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Program {
    /// Begins, with these streams.
    pub(super) fn start(
        options: Options,
        outbox: Option<&mut Outbox>,
        lasting: Vec<(Lasting, usize)>,
        (now, mut rng): (u64, Rng),
    ) -> Result<Self, String> {
        let options = simulated(options, outbox.is_some());
        let mut prepared = Client::prepare(options).map_err(|error| error.to_string())?;
        let mut streams = Streams::default();
        let mut keys = 0;
        for (lasting, capacity) in lasting {
            let subscription = prepared
                .subscribe_with(&lasting.filter, lasting.qos, capacity, Overflow::Wait)
                .map_err(|error| error.to_string())?;
            streams.all.push(Stream::new(keys, Some(subscription), lasting, true));
            keys += 1;
        }
        let chance = Box::new(move || rng.draw());
        let (client, machine) = Machine::start(prepared, outbox, now, chance)?;
        let events = client.events();
        Ok(Self {
            client,
            machine,
            streams,
            notes: VecDeque::new(),
            sending: None,
            receipts: Vec::new(),
            asking: Vec::new(),
            leaving: Vec::new(),
            committing: None,
            keys,
            ending: None,
            ends: 0,
            abandoned: 0,
            events,
        })
    }

    /// Whether it waits for nothing.
    pub(super) fn is_idle(&self) -> bool {
        let none = self.notes.is_empty() && self.sending.is_none() && self.receipts.is_empty();
        none && self.asking.is_empty() && self.leaving.is_empty() && self.committing.is_none() && self.ending.is_none()
    }

    /// The application wants one more stream.
    pub(super) fn subscribe(&mut self, filter: &'static str, qos: QoS, capacity: usize) {
        let client = self.client.clone();
        let promise = async move { client.subscribe(filter, qos).capacity(capacity).await };
        let key = self.keys;
        self.keys += 1;
        self.streams
            .all
            .push(Stream::new(key, None, Lasting::new(filter.to_owned(), qos), false));
        self.asking.push((key, Box::pin(promise)));
    }

    /// It gives one up, and waits for that or not.
    pub(super) fn give_up(&mut self, key: u64, waits: bool) -> Option<Stream> {
        let mut stream = self.streams.give_up(key)?;
        self.asking.retain(|(asking, _)| *asking != key);
        if let Some(subscription) = stream.subscription.take()
            && waits
        {
            self.leaving.push(Box::pin(subscription.unsubscribe()));
        }
        Some(stream)
    }

    /// It wants to end in order.
    pub(super) fn end(&mut self, now: u64) {
        let client = self.client.clone();
        if self.ending.is_none() {
            self.ends = now;
        }
        self.ending = Some(Box::pin(async move { client.disconnect().await }));
    }

    /// Nobody here breaks the protocol, so nobody may be accused of it.
    pub(super) fn hear(&mut self) -> Result<(), String> {
        while let Some(Some(event)) = ask(&mut Box::pin(self.events.next())) {
            let accused = matches!(&event, Event::Disconnected(End::Violation(_)))
                || matches!(&event, Event::Failed(error) if matches!(**error, ConnectError::Violation(_)));
            if accused {
                return Err(format!("it accuses the server: {event:?}"));
            }
        }
        Ok(())
    }

    /// Why it has ended, if it may.
    pub(super) fn check_end(&self, disk_fails: bool) -> Result<(), String> {
        let state = self.client.state();
        let state = state.borrow();
        let wanted = matches!(&*state, State::Closed(End::Disconnected)) && self.ending.is_some();
        if wanted || (disk_fails && matches!(&*state, State::Closed(End::OutboxFailed(_)))) {
            return Ok(());
        }
        Err(format!("it ends without a reason: {state:?}"))
    }

    /// Whoever waits asks again. Says whether anything changed.
    pub(super) fn ask_all(&mut self, who: usize, now: u64, door: &Door, affairs: &mut Affairs) -> Result<bool, String> {
        let mut changed = self.ask_receipts(door, affairs)?;
        changed |= self.send_all(who, now, affairs)?;
        let mut granted = Vec::new();
        self.asking.retain_mut(|(key, promise)| match ask(promise) {
            Some(answer) => {
                granted.push((*key, answer));
                false
            }
            None => true,
        });
        for (key, answer) in granted {
            changed = true;
            let over = self.machine.is_over() || self.ending.is_some();
            match (answer, self.streams.all.iter_mut().find(|stream| stream.key == key)) {
                (Ok(subscription), Some(stream)) => {
                    stream.subscription = Some(subscription);
                    stream.lasting.since = Some(now);
                }
                (Err(error), _) if !over => return Err(format!("a subscription failed: {error}")),
                (Ok(_) | Err(_), _) => {}
            }
        }
        self.leaving.retain_mut(|promise| ask(promise).is_none());
        // Being asked is what makes it begin.
        if let Some(answer) = self.ending.as_mut().and_then(ask) {
            changed = true;
            self.check_farewell(&answer, now)?;
        }
        Ok(changed)
    }

    /// Whoever ends in order has waited for what was unfinished: to its end, or as long as is said.
    fn check_farewell(&self, answer: &Result<(), Error>, now: u64) -> Result<(), String> {
        let waited = now.saturating_sub(self.ends);
        let waits = |(note, _): &&(Note, Receipt)| note.qos != QoS::AtMostOnce;
        let left = self.abandoned + self.receipts.iter().filter(waits).count();
        match answer {
            Ok(()) if left > 0 => Err(format!("it has ended in order, and left {left} messages unfinished")),
            Err(Error::Unfinished(count)) if waited < CLEAN_END => Err(format!(
                "it gives up {count} messages {waited} ms after it was asked to end"
            )),
            _ => Ok(()),
        }
    }

    fn send_all(&mut self, who: usize, now: u64, affairs: &mut Affairs) -> Result<bool, String> {
        let mut changed = false;
        loop {
            if self.sending.is_none() {
                let Some((which, note)) = self.notes.pop_front() else {
                    return Ok(changed);
                };
                affairs.hand_in((who, which), &note, now);
                let (client, sent) = (self.client.clone(), note.clone());
                let promise = async move {
                    let publish = client.publish(&sent.topic, sent.payload).qos(sent.qos);
                    if sent.retain {
                        publish.retain().send().await
                    } else {
                        publish.send().await
                    }
                };
                self.sending = Some((note, Box::pin(promise)));
                changed = true;
            }
            let Some((note, promise)) = &mut self.sending else {
                return Ok(changed);
            };
            match ask(promise) {
                None => return Ok(changed),
                Some(Ok(receipt)) => self.receipts.push((note.clone(), receipt)),
                Some(Err(_)) if self.machine.is_over() || self.ending.is_some() => {}
                Some(Err(error)) => return Err(format!("{:?} is not taken: {error}", text(&note.payload))),
            }
            changed = true;
            self.sending = None;
        }
    }

    /// With an outbox what was taken is on disk, and arrives whatever happens to the program.
    pub(super) fn taken(&self) -> impl Iterator<Item = &Note> {
        self.receipts.iter().map(|(note, _)| note)
    }

    fn ask_receipts(&mut self, door: &Door, affairs: &mut Affairs) -> Result<bool, String> {
        let mut answers = Vec::new();
        self.receipts.retain_mut(|(note, receipt)| match ask(receipt) {
            Some(answer) => {
                answers.push((note.clone(), answer));
                false
            }
            None => true,
        });
        let changed = !answers.is_empty();
        for (note, answer) in answers {
            let name = text(&note.payload);
            match answer {
                Ok(()) | Err(Error::Ended(_)) if note.qos == QoS::AtMostOnce => {}
                Ok(()) if !door.has_finished(&note.payload) => {
                    return Err(format!(
                        "the receipt for {name:?} says that it is done, and the server did not say so"
                    ));
                }
                Ok(()) => {
                    if let Some(sent) = affairs.get_mut(&note.payload) {
                        sent.sure = true;
                    }
                }
                Err(Error::SessionLost) if door.may_lose(&note.payload) => {}
                Err(Error::Ended(_)) if self.machine.is_over() => self.abandoned += 1,
                Err(error) => return Err(format!("the receipt for {name:?} says: {error}")),
            }
        }
        Ok(changed)
    }
}
