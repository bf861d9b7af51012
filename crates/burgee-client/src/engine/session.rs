//! What the client remembers of its session: unfinished messages and requests in both directions.
//!
//! What must hold: it outlives the connection, and what resumes keeps order and identifiers. SUBSCRIBE and UNSUBSCRIBE
//! live in the same window as messages, so that all three draw identifiers from one space [MQTT-2.3.1-2].
//! Deliberately absent: bytes and connections.

use std::collections::BTreeMap;

use burgee_codec::{PacketId, QoS, TopicFilterBuf};
use burgee_protocol::Fault;
use burgee_protocol::session::{Deliverable, Incoming, Outgoing, Policy, QueueLimits, Send, Unfinished};

use super::journal::{self, Journal, Kept, Note};
use super::past::Past;
use super::sorted::Sorted;
use crate::message::Message;

/// What waits for an answer of the server; `ticket` is whoever awaits it.
#[derive(Debug)]
pub(super) enum Work<T> {
    Publish {
        message: Message,
        ticket: T,
        number: u64,
    },
    Subscribe {
        filters: Vec<(TopicFilterBuf, QoS)>,
        ticket: T,
    },
    Unsubscribe {
        filters: Vec<TopicFilterBuf>,
        ticket: T,
    },
}

impl<T> Work<T> {
    pub(super) fn into_ticket(self) -> T {
        match self {
            Self::Publish { ticket, .. } | Self::Subscribe { ticket, .. } | Self::Unsubscribe { ticket, .. } => ticket,
        }
    }
}

impl<T> Deliverable for Work<T> {
    fn qos(&self) -> QoS {
        match self {
            Self::Publish { message, .. } => message.qos,
            // One answer ends it, as with QoS 1.
            Self::Subscribe { .. } | Self::Unsubscribe { .. } => QoS::AtLeastOnce,
        }
    }

    fn number(&self) -> u64 {
        match self {
            Self::Publish { number, .. } => *number,
            Self::Subscribe { .. } | Self::Unsubscribe { .. } => 0,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Publish { message, .. } => message.topic.as_str().len() + message.payload.len(),
            Self::Subscribe { filters, .. } => filters.iter().map(|(filter, _)| filter.as_str().len()).sum(),
            Self::Unsubscribe { filters, .. } => filters.iter().map(|filter| filter.as_str().len()).sum(),
        }
    }
}

/// The caller asks for room before it pushes, so nothing is ever dropped by these.
const ALL: QueueLimits = QueueLimits {
    messages: usize::MAX,
    bytes: usize::MAX,
    policy: Policy::DropNewest,
};

/// How much may be unacknowledged at once.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Window {
    /// Messages and requests, at least 1.
    pub(crate) all: u16,
    /// Messages of QoS 2 among them, at least 1.
    pub(crate) exactly_once: u16,
}

/// A request that is written and not answered.
#[derive(Copy, Clone, Debug)]
pub(super) enum Request {
    /// SUBSCRIBE with so many filters.
    Subscribe(usize),
    Unsubscribe,
}

/// The state of one session; `T` is what the caller gets back when a piece of work is done.
#[derive(Debug)]
pub(crate) struct Session<T> {
    pub(super) outgoing: Outgoing<Work<T>>,
    pub(super) incoming: Incoming,
    /// Which identifiers belong to requests: their answers are of another type than a message's.
    pub(super) requests: BTreeMap<PacketId, Request>,
    /// Tickets of QoS 2 messages between PUBREC and PUBCOMP.
    released: Sorted<PacketId, T>,
    window: Window,
    /// Unfinished messages of QoS 2, in flight or not.
    exactly_once: usize,
    pub(super) past: Past,
    pub(super) journal: Journal,
}

impl<T> Session<T> {
    pub(crate) fn new(window: Window) -> Self {
        Self {
            outgoing: Outgoing::new(window.all),
            incoming: Incoming::default(),
            requests: BTreeMap::new(),
            released: Sorted::default(),
            window,
            exactly_once: 0,
            past: Past::default(),
            journal: Journal::default(),
        }
    }

    /// Pieces of work whose answer has not come.
    pub(crate) fn unfinished(&self) -> usize {
        self.outgoing.in_flight() + self.outgoing.queue().len()
    }

    /// Of these: QoS 2 messages between PUBREC and PUBCOMP.
    pub(crate) fn taken_over(&self) -> usize {
        self.released.len()
    }

    /// Whether new work would go out at once.
    pub(super) fn has_room(&self) -> bool {
        self.outgoing.queue().is_empty()
            && self.outgoing.in_flight() < usize::from(self.window.all)
            && self.exactly_once < usize::from(self.window.exactly_once)
    }

    /// No more than so many may be in flight. Above the narrower window nothing is asked of the queue's order: QoS 1 waits
    /// with QoS 2.
    pub(super) fn most(&self) -> usize {
        let most = usize::from(self.window.exactly_once);
        if self.exactly_once > most { most } else { usize::MAX }
    }

    pub(super) fn push(&mut self, work: Work<T>) {
        self.exactly_once += usize::from(work.qos() == QoS::ExactlyOnce);
        let dropped = self.outgoing.push(work, &ALL);
        debug_assert!(dropped.is_none(), "no limit, nothing dropped");
    }

    pub(super) fn puback(&mut self, id: PacketId) -> Result<Option<T>, Fault> {
        self.is_message(id)?;
        let done = self.outgoing.puback(id)?;
        if let Some(work) = &done {
            self.journal.note(Note::Done { number: work.number() });
        }
        Ok(done.map(Work::into_ticket))
    }

    /// PUBREC came: whether PUBREL is to be written at once.
    pub(super) fn pubrec(&mut self, id: PacketId) -> Result<bool, Fault> {
        if self.past.is_meant(id) {
            return Ok(false);
        }
        self.is_message(id)?;
        if let Some(work) = self.outgoing.pubrec(id)? {
            self.journal.note(Note::Released { number: work.number() });
            self.released.insert(id, work.into_ticket());
        }
        Ok(true)
    }

    pub(super) fn pubcomp(&mut self, id: PacketId) -> Result<Option<T>, Fault> {
        if self.past.answered(id) {
            // What stands behind it goes out in its turn.
            self.outgoing.unseal(id);
            return Ok(None);
        }
        self.is_message(id)?;
        if let Some(number) = self.outgoing.pubcomp(id)? {
            self.exactly_once = self.exactly_once.saturating_sub(1);
            self.journal.note(Note::Done { number });
        }
        Ok(self.released.remove(id))
    }

    /// Identifiers that an earlier life may have left with the server, for which PUBREL has to go out before what waits for
    /// them does.
    pub(super) fn asks(&mut self) -> Vec<PacketId> {
        let most = self.most();
        let past = &mut self.past;
        if matches!(past, Past::Strange(_)) {
            self.outgoing.fill(most, |id, work| past.must_wait(id, work.qos()));
        }
        past.due(self.outgoing.in_flight())
    }

    /// A received QoS 2 message is the application's.
    pub(super) fn hold(&mut self, id: PacketId) {
        self.journal.note(Note::Held(id));
        let _arrival = self.incoming.publish(id);
    }

    /// PUBREL came.
    pub(super) fn release(&mut self, id: PacketId) {
        if self.incoming.release(id) {
            self.journal.note(Note::Freed(id));
        }
    }

    /// Puts in what an outbox held.
    pub(super) fn restore(&mut self, kept: Kept, ticket: impl Fn() -> T) {
        let work = |number, message| Work::Publish {
            message,
            ticket: ticket(),
            number,
        };
        if kept.is_whole {
            self.past.is_ours();
        }
        for (_, one) in &kept.unfinished {
            let exactly_once = match one {
                journal::Outgoing::Sent(_, message) | journal::Outgoing::Waiting(message) => {
                    message.qos == QoS::ExactlyOnce
                }
                journal::Outgoing::Released(_) => true,
            };
            // Under the identifier of a message of QoS 1 the server may hold one of QoS 2 that we do not know.
            if let journal::Outgoing::Sent(id, _) | journal::Outgoing::Released(id) = one
                && exactly_once
            {
                self.past.knows(*id);
            }
            self.exactly_once += usize::from(exactly_once);
        }
        let unfinished = kept.unfinished.into_iter().map(|(number, one)| match one {
            journal::Outgoing::Sent(id, message) => Unfinished::Sent(id, work(number, message)),
            journal::Outgoing::Released(id) => Unfinished::Released(id, number),
            journal::Outgoing::Waiting(message) => Unfinished::Waiting(work(number, message)),
        });
        self.outgoing.restore(unfinished.collect());
        for id in kept.held {
            let _arrival = self.incoming.publish(id);
        }
    }

    /// Everything is given up.
    pub(super) fn clear(&mut self) {
        self.journal.note(Note::Anew);
        let mut old = self.replace().outgoing;
        for work in old.all_mut() {
            self.journal.note(Note::Done { number: work.number() });
        }
    }

    /// An empty session in place of this one; what is written down stays.
    fn replace(&mut self) -> Self {
        let mut old = core::mem::replace(self, Self::new(self.window));
        core::mem::swap(&mut self.journal, &mut old.journal);
        old
    }

    /// SUBACK with so many codes. `None`: nobody asked, and no pending subscription is completed [MQTT-2.3.1-7].
    pub(super) fn suback(&mut self, id: PacketId, codes: usize) -> Result<Option<T>, Fault> {
        match self.requests.get(&id) {
            None => Ok(None),
            Some(Request::Subscribe(filters)) if *filters == codes => self.finish(id),
            // [MQTT-3.8.4-5] one code for each filter.
            Some(Request::Subscribe(_)) => Err(Fault::peer(
                "MQTT-3.8.4-5",
                "SUBACK has another number of codes than SUBSCRIBE had filters",
            )),
            Some(Request::Unsubscribe) => Err(Fault::peer("MQTT-4.8.0-1", "SUBACK for an UNSUBSCRIBE")),
        }
    }

    pub(super) fn unsuback(&mut self, id: PacketId) -> Result<Option<T>, Fault> {
        match self.requests.get(&id) {
            None => Ok(None),
            Some(Request::Unsubscribe) => self.finish(id),
            Some(Request::Subscribe(_)) => Err(Fault::peer("MQTT-4.8.0-1", "UNSUBACK for a SUBSCRIBE")),
        }
    }

    fn finish(&mut self, id: PacketId) -> Result<Option<T>, Fault> {
        self.requests.remove(&id);
        Ok(self.outgoing.puback(id)?.map(Work::into_ticket))
    }

    fn is_message(&self, id: PacketId) -> Result<(), Fault> {
        match self.requests.get(&id) {
            None => Ok(()),
            Some(_) => Err(Fault::peer(
                "MQTT-4.8.0-1",
                "an acknowledgement of PUBLISH for a SUBSCRIBE or UNSUBSCRIBE",
            )),
        }
    }

    /// The connection is gone. Requests go with it: whoever asked has heard that there is no answer, and must be able to
    /// ask again. Messages stay.
    pub(super) fn disconnected(&mut self) -> Result<(), Fault> {
        while let Some((id, _)) = self.requests.pop_first() {
            self.outgoing.puback(id)?;
        }
        // Also those that had to wait and were never written: they are asked for again, or not wanted any more.
        drop(
            self.outgoing
                .sift(usize::MAX, |work| !matches!(work, Work::Publish { .. })),
        );
        self.outgoing.disconnected();
        Ok(())
    }

    /// The server has lost the session: whatever it has not taken over becomes new work, in the old order. Tickets of
    /// messages between PUBREC and PUBCOMP are dropped: the server took them over, and nobody can say what became of them.
    pub(super) fn begin_anew(&mut self) -> Result<(), Fault> {
        self.journal.note(Note::Anew);
        let Self {
            outgoing: mut old,
            past,
            ..
        } = self.replace();
        for id in past.unanswered() {
            old.unseal(id);
        }
        old.disconnected();
        loop {
            let mut unacknowledged = Vec::new();
            let mut released = Vec::new();
            while let Some(send) = old.next() {
                match send {
                    Send::Publish { id, message, .. } => unacknowledged.push((id, message.qos())),
                    Send::Release { id } => released.push(id),
                }
            }
            if unacknowledged.is_empty() && released.is_empty() {
                return Ok(());
            }
            for id in released {
                old.pubcomp(id)?;
            }
            for (id, qos) in unacknowledged {
                let work = if qos == QoS::ExactlyOnce {
                    old.pubrec(id)?
                } else {
                    old.puback(id)?
                };
                if let Some(work) = work {
                    self.push(work);
                }
                if qos == QoS::ExactlyOnce {
                    old.pubcomp(id)?;
                }
            }
        }
    }
}
