//! The sender's half of QoS 1 and 2: packet identifiers, the window of unacknowledged messages, the queue behind it.
//!
//! What must hold: no two unfinished messages share an identifier [MQTT-2.3.1-2] [MQTT-2.3.1-4]; a message keeps its
//! identifier until its flow ends [MQTT-2.3.1-3]; after a lost connection everything unfinished goes out again, in the
//! order of first sending, before anything new [MQTT-4.4.0-1] [MQTT-4.6.0-1]. The window is bounded, so identifiers
//! cannot run out. A sealed flight is written once what it depends on is durable, and what stands behind it after it.
//! Deliberately absent: timers. While a connection stands nothing is sent twice.

use std::collections::VecDeque;

use burgee_codec::{PacketId, QoS};

use super::{Deliverable, Queue, QueueLimits};
use crate::Fault;

/// What is to be written next.
#[derive(Debug, Eq, PartialEq)]
pub enum Send<'a, M> {
    /// PUBLISH; `dup` is set if it may have been written before.
    Publish {
        /// Its packet identifier.
        id: PacketId,
        /// [MQTT-3.3.1-1]
        dup: bool,
        /// What to send.
        message: &'a M,
    },
    /// PUBREL.
    Release {
        /// Its packet identifier.
        id: PacketId,
    },
}

#[derive(Debug)]
enum Stage<M> {
    /// PUBLISH is (to be) sent; PUBACK or PUBREC is awaited.
    Published { message: M, written: bool },
    /// PUBREC came: the message itself is never sent again [MQTT-4.3.3-1]. PUBCOMP is awaited. What is left of it is
    /// its number in the store.
    Released { number: u64 },
}

#[derive(Debug)]
struct Flight<M> {
    id: PacketId,
    /// Its next packet must not be written yet.
    sealed: bool,
    stage: Stage<M>,
}

/// An unfinished message of a session that comes back from a store.
#[derive(Debug)]
pub enum Unfinished<M> {
    /// It has this identifier, and may have been sent under it.
    Sent(PacketId, M),
    /// PUBREC came for this identifier; the number is the message's.
    Released(PacketId, u64),
    /// It has no identifier.
    Waiting(M),
}

/// Room for so many flights is kept when none is left, so that a steady stream does not allocate it again and again.
const KEPT: usize = 64;

/// The unfinished outgoing messages of one session.
#[derive(Debug)]
pub struct Outgoing<M> {
    /// In the order of first sending; a PUBREL stands where its PUBLISH stood.
    flights: VecDeque<Flight<M>>,
    /// So many flights at the front have been written on the present connection.
    written: usize,
    queue: Queue<M>,
    last_id: u16,
    window: u16,
    /// The flights' identifiers stand in the order of the circle from the first flight's to `last_id`, which has not come
    /// round to the first again. It holds until one message stays unfinished for 65,534 others.
    in_circle: bool,
}

impl<M: Deliverable> Outgoing<M> {
    /// A session that may have `window` messages (at least 1) unacknowledged.
    #[must_use]
    pub fn new(window: u16) -> Self {
        Self {
            flights: VecDeque::new(),
            written: 0,
            queue: Queue::default(),
            last_id: 0,
            window: window.max(1),
            in_circle: true,
        }
    }

    /// Takes a message over; it goes out by [`Outgoing::next`] as soon as the window allows. Returns what found no
    /// room. Above the limits several old messages may have to go: then call [`Outgoing::excess`] while it returns one.
    #[must_use = "a dropped message must be counted"]
    pub fn push(&mut self, message: M, limits: &QueueLimits) -> Option<M> {
        self.queue.push(message, limits)
    }

    /// Puts a message straight into the window, as [`Outgoing::push`] and [`Outgoing::next`] would, and has it written
    /// under its identifier, without DUP: if all before it has been written, nothing waits, and the window has room.
    ///
    /// # Errors
    /// The message, which has to be pushed. Nothing was written.
    #[inline]
    pub fn send_at_once(&mut self, message: M, write: impl FnOnce(PacketId, &M)) -> Result<(), M> {
        let in_flight = self.flights.len();
        if self.written < in_flight || !self.queue.is_empty() || in_flight >= usize::from(self.window) {
            return Err(message);
        }
        let Some(id) = self.unused_id() else {
            return Err(message);
        };
        write(id, &message);
        self.flights.push_back(Flight {
            id,
            sealed: false,
            stage: Stage::Published { message, written: true },
        });
        self.written += 1;
        Ok(())
    }

    /// See [`Queue::excess`].
    #[must_use = "a dropped message must be counted"]
    pub fn excess(&mut self, limits: &QueueLimits) -> Option<M> {
        self.queue.excess(limits)
    }

    /// Takes the oldest waiting message out if this holds for it. What is in flight stays.
    #[must_use = "a dropped message must be counted"]
    pub fn drop_front_if(&mut self, old: impl FnOnce(&M) -> bool) -> Option<M> {
        self.queue.pop_if(old)
    }

    /// Takes out those for which `gone` holds, `most` at most: of what has an identifier and was never written, and of the
    /// waiting messages that the window has room for. Of those it looks no further than to the first that lies elsewhere.
    #[must_use = "a dropped message must be counted"]
    pub fn sift(&mut self, most: usize, mut gone: impl FnMut(&M) -> bool) -> Vec<M> {
        let (mut at, mut out) = (self.written, Vec::new());
        while out.len() < most
            && let Some(flight) = self.flights.get(at)
        {
            let new = match &flight.stage {
                Stage::Published { message, written } => !written && message.is_here() && gone(message),
                Stage::Released { .. } => false,
            };
            if new {
                out.extend(self.finish(at));
            } else {
                at += 1;
            }
        }
        let room = usize::from(self.window).saturating_sub(self.flights.len());
        out.extend(self.queue.sift((room, most - out.len()), gone));
        out
    }

    /// Whether [`Outgoing::next`] has something to write.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.written < self.flights.len() || (!self.queue.is_empty() && self.flights.len() < usize::from(self.window))
    }

    /// The next packet to write on the present connection: first what a lost connection left unfinished, then new
    /// messages while the window has room.
    #[allow(clippy::should_implement_trait, reason = "it lends from the window: no iterator can")]
    #[inline]
    pub fn next(&mut self) -> Option<Send<'_, M>> {
        self.next_within(usize::MAX)
    }

    /// The same, where no more than `most` may be in flight although the window is larger.
    pub fn next_within(&mut self, most: usize) -> Option<Send<'_, M>> {
        // [MQTT-4.6.0-1] [MQTT-4.4.0-1] from the front: the order of first sending.
        if self.written == self.flights.len() {
            if self.flights.len() >= usize::from(self.window).min(most) || self.queue.is_empty() {
                return None;
            }
            if !self.queue.front().is_some_and(Deliverable::is_here) {
                return None;
            }
            let id = self.unused_id()?;
            let message = self.queue.pop()?;
            self.flights.push_back(Flight {
                id,
                sealed: false,
                stage: Stage::Published {
                    message,
                    written: false,
                },
            });
        }
        let flight = self.flights.get_mut(self.written)?;
        let here = match &flight.stage {
            Stage::Published { message, .. } => message.is_here(),
            Stage::Released { .. } => true,
        };
        if flight.sealed || !here {
            return None;
        }
        self.written += 1;
        let id = flight.id;
        Some(match &mut flight.stage {
            Stage::Published { message, written } => {
                // [MQTT-3.3.1-1] [MQTT-4.3.2-1] [MQTT-4.3.3-1] DUP only if it may have been on the wire before.
                let dup = core::mem::replace(written, true) || message.is_from_before();
                Send::Publish { id, dup, message }
            }
            Stage::Released { .. } => Send::Release { id },
        })
    }

    /// Gives identifiers to what waits and is here, as far as the window and `most` allow. `seal` says of each whether it must not be
    /// written yet; [`Outgoing::unseal`] lets it go.
    pub fn fill(&mut self, most: usize, mut seal: impl FnMut(PacketId, &M) -> bool) {
        while self.flights.len() < usize::from(self.window).min(most)
            && self.queue.front().is_some_and(Deliverable::is_here)
        {
            let Some(id) = self.unused_id() else { return };
            let Some(message) = self.queue.pop() else { return };
            self.flights.push_back(Flight {
                id,
                sealed: seal(id, &message),
                stage: Stage::Published {
                    message,
                    written: false,
                },
            });
        }
    }

    /// What the flight with this identifier depended on is durable. Says whether its packet was due on the present
    /// connection and has to be written now: it has been passed already.
    pub fn unseal(&mut self, id: PacketId) -> bool {
        let Some(place) = self.place(id) else { return false };
        let Some(flight) = self.flights.get_mut(place) else {
            return false;
        };
        core::mem::replace(&mut flight.sealed, false) && place < self.written
    }

    /// The PUBREL for this identifier must not be written yet.
    pub fn seal(&mut self, id: PacketId) {
        let flight = self.place(id).and_then(|place| self.flights.get_mut(place));
        if let Some(flight) = flight {
            flight.sealed = true;
        }
    }

    /// Whether the next packet for this identifier waits.
    #[must_use]
    pub fn is_sealed(&self, id: PacketId) -> bool {
        let flight = self.place(id).and_then(|place| self.flights.get(place));
        flight.is_some_and(|flight| flight.sealed)
    }

    /// Whether what is to be written next lies elsewhere.
    #[must_use]
    pub fn next_is_away(&self) -> bool {
        match self.flights.get(self.written) {
            Some(flight) => matches!(&flight.stage, Stage::Published { message, .. } if !message.is_here()),
            None => {
                self.flights.len() < usize::from(self.window)
                    && self.queue.front().is_some_and(|message| !message.is_here())
            }
        }
    }

    /// What is not written on the present connection and lies elsewhere, in the order of writing.
    pub fn away(&self) -> impl Iterator<Item = &M> {
        let unwritten = self.flights.iter().skip(self.written);
        let in_flight = unwritten.filter_map(|flight| match &flight.stage {
            Stage::Published { message, .. } => Some(message),
            Stage::Released { .. } => None,
        });
        in_flight.chain(self.queue.iter()).filter(|message| !message.is_here())
    }

    /// The same, so that bodies can be put in. Weights must stay.
    pub fn away_mut(&mut self) -> impl Iterator<Item = &mut M> {
        let unwritten = self.flights.iter_mut().skip(self.written);
        let in_flight = unwritten.filter_map(|flight| match &mut flight.stage {
            Stage::Published { message, .. } => Some(message),
            Stage::Released { .. } => None,
        });
        in_flight
            .chain(self.queue.iter_mut())
            .filter(|message| !message.is_here())
    }

    /// Everything that is not handed over yet, so that bodies can be let go. Weights must stay.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut M> {
        let in_flight = self.flights.iter_mut().filter_map(|flight| match &mut flight.stage {
            Stage::Published { message, .. } => Some(message),
            Stage::Released { .. } => None,
        });
        in_flight.chain(self.queue.iter_mut())
    }

    /// Takes out what lies elsewhere and cannot be had from there. Returns how many.
    #[must_use = "a lost message must be counted"]
    pub fn lose(&mut self, lost: impl Fn(&M) -> bool) -> usize {
        let mut count = 0;
        let mut at = 0;
        while let Some(flight) = self.flights.get(at) {
            let gone = matches!(&flight.stage, Stage::Published { message, .. } if !message.is_here() && lost(message));
            if gone {
                self.finish(at);
                count += 1;
            } else {
                at += 1;
            }
        }
        count + self.queue.remove_if(|message| !message.is_here() && lost(message))
    }

    /// Puts in what was unfinished before a restart, in the order of first sending. For a session that has nothing yet.
    pub fn restore(&mut self, unfinished: Vec<Unfinished<M>>) {
        for one in unfinished {
            let (id, stage) = match one {
                Unfinished::Sent(id, message) => (id, Stage::Published { message, written: true }),
                Unfinished::Released(id, number) => (id, Stage::Released { number }),
                Unfinished::Waiting(message) => {
                    self.queue.restore(message);
                    continue;
                }
            };
            // Identifiers go on behind the greatest, so that none is used again soon.
            self.last_id = self.last_id.max(id.get());
            self.flights.push_back(Flight {
                id,
                sealed: false,
                stage,
            });
        }
        self.in_circle = self.flights.is_empty();
    }

    /// PUBACK has come. Returns the message, which is delivered; `None` if the identifier is not in use.
    ///
    /// # Errors
    /// The identifier belongs to a QoS 2 message.
    pub fn puback(&mut self, id: PacketId) -> Result<Option<M>, Fault> {
        let Some(place) = self.place(id) else { return Ok(None) };
        match self.flights.get(place).map(|flight| &flight.stage) {
            Some(Stage::Published { message, .. }) if message.qos() == QoS::AtLeastOnce => {}
            Some(Stage::Published { .. } | Stage::Released { .. }) => {
                return Err(Fault::peer("MQTT-4.8.0-1", "PUBACK for a message of QoS 2"));
            }
            None => return Ok(None),
        }
        // [MQTT-4.3.2-1] the identifier is free at PUBACK.
        Ok(self.finish(place))
    }

    /// PUBREC has come. Returns the message if this is its first PUBREC. PUBREL is the answer in every case that is no
    /// error: [MQTT-4.3.3-1], and for an unknown identifier because the peer would wait for ever.
    ///
    /// # Errors
    /// The identifier belongs to a QoS 1 message.
    pub fn pubrec(&mut self, id: PacketId) -> Result<Option<M>, Fault> {
        let Some(place) = self.place(id) else { return Ok(None) };
        let Some(flight) = self.flights.get_mut(place) else {
            return Ok(None);
        };
        let number = match &flight.stage {
            Stage::Released { .. } => return Ok(None),
            Stage::Published { message, .. } if message.qos() == QoS::ExactlyOnce => message.number(),
            Stage::Published { .. } => return Err(Fault::peer("MQTT-4.8.0-1", "PUBREC for a message of QoS 1")),
        };
        let stage = core::mem::replace(&mut flight.stage, Stage::Released { number });
        match stage {
            Stage::Published { message, .. } => Ok(Some(message)),
            Stage::Released { .. } => Ok(None),
        }
    }

    /// PUBCOMP has come: the identifier is free. Returns the message's number if the identifier was in use.
    ///
    /// # Errors
    /// The identifier belongs to a message that is not released.
    pub fn pubcomp(&mut self, id: PacketId) -> Result<Option<u64>, Fault> {
        let Some(place) = self.place(id) else { return Ok(None) };
        match self.flights.get(place).map(|flight| &flight.stage) {
            Some(&Stage::Released { number }) => {
                self.finish(place);
                Ok(Some(number))
            }
            Some(Stage::Published { .. }) => Err(Fault::peer("MQTT-4.8.0-1", "PUBCOMP before PUBREC")),
            None => Ok(None),
        }
    }

    /// The weights of all messages that are not handed over yet: in flight before PUBREC, and waiting.
    pub fn weights(&self) -> impl Iterator<Item = usize> {
        let in_flight = self.flights.iter().filter_map(|flight| match &flight.stage {
            Stage::Published { message, .. } => Some(message.weight()),
            Stage::Released { .. } => None,
        });
        in_flight.chain(self.queue.iter().map(Deliverable::weight))
    }

    /// The connection is gone: everything unfinished is to be written again on the next one [MQTT-4.4.0-1].
    pub const fn disconnected(&mut self) {
        self.written = 0;
    }

    /// The first identifier after the last one given that no unfinished message holds [MQTT-2.3.1-4].
    fn unused_id(&mut self) -> Option<PacketId> {
        let Some(first) = self.flights.front() else {
            self.in_circle = true;
            self.last_id = after(self.last_id);
            return PacketId::new(self.last_id);
        };
        if self.in_circle {
            let id = after(self.last_id);
            if id != first.id.get() {
                self.last_id = id;
                return PacketId::new(id);
            }
            self.in_circle = false;
        }
        for _ in 0..u16::MAX {
            self.last_id = after(self.last_id);
            if let Some(id) = PacketId::new(self.last_id)
                && self.place(id).is_none()
            {
                return Some(id);
            }
        }
        None
    }

    /// Where the message with this identifier stands. Acknowledgements mostly come in order and most identifiers follow
    /// one another, so that the first two looks find nearly all.
    fn place(&self, id: PacketId) -> Option<usize> {
        let first = self.flights.front()?.id;
        if first == id {
            return Some(0);
        }
        if !self.in_circle {
            return self.flights.iter().position(|flight| flight.id == id);
        }
        let steps = steps(first, id);
        if self.flights.get(steps).is_some_and(|flight| flight.id == id) {
            return Some(steps);
        }
        self.flights
            .binary_search_by_key(&steps, |flight| self::steps(first, flight.id))
            .ok()
    }

    fn finish(&mut self, place: usize) -> Option<M> {
        let flight = self.flights.remove(place)?;
        if place < self.written {
            self.written -= 1;
        }
        if self.flights.is_empty() && self.flights.capacity() > KEPT {
            self.flights = VecDeque::new();
        }
        match flight.stage {
            Stage::Published { message, .. } => Some(message),
            Stage::Released { .. } => None,
        }
    }
}

impl<M> Outgoing<M> {
    /// Unfinished messages that have an identifier.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// How many of those were written on the present connection.
    #[must_use]
    pub const fn on_the_wire(&self) -> usize {
        self.written
    }

    /// Messages that wait behind the window.
    #[must_use]
    pub const fn queue(&self) -> &Queue<M> {
        &self.queue
    }

    /// Nothing is unfinished and nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flights.is_empty() && self.queue.is_empty()
    }
}

/// The next identifier. [MQTT-2.3.1-1] 0 is none: 65,535 is followed by 1.
const fn after(id: u16) -> u16 {
    if id == u16::MAX { 1 } else { id + 1 }
}

/// How many steps lead from one identifier to another, the way that they are given out.
fn steps(from: PacketId, to: PacketId) -> usize {
    let (from, to) = (usize::from(from.get()), usize::from(to.get()));
    if to >= from {
        to - from
    } else {
        to + usize::from(u16::MAX) - from
    }
}

#[cfg(test)]
mod tests;
