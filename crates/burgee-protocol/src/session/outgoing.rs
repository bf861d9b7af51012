//! The sender's half of QoS 1 and 2: packet identifiers, the window of unacknowledged messages, the queue behind it.
//!
//! What must hold: no two unfinished messages share an identifier [MQTT-2.3.1-2] [MQTT-2.3.1-4]; a message keeps its
//! identifier until its flow ends [MQTT-2.3.1-3]; after a lost connection everything unfinished goes out again, in the
//! order of first sending, before anything new [MQTT-4.4.0-1] [MQTT-4.6.0-1]. The window is bounded, so identifiers
//! cannot run out. Deliberately absent: timers. While a connection stands nothing is sent twice.

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
    /// PUBREC came: the message itself is never sent again [MQTT-4.3.3-1]. PUBCOMP is awaited.
    Released,
}

#[derive(Debug)]
struct Flight<M> {
    id: PacketId,
    stage: Stage<M>,
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
        let stage = Stage::Published { message, written: true };
        self.flights.push_back(Flight { id, stage });
        self.written += 1;
        Ok(())
    }

    /// See [`Queue::excess`].
    #[must_use = "a dropped message must be counted"]
    pub fn excess(&mut self, limits: &QueueLimits) -> Option<M> {
        self.queue.excess(limits)
    }

    /// Whether [`Outgoing::next`] has something to write.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.written < self.flights.len() || (!self.queue.is_empty() && self.flights.len() < usize::from(self.window))
    }

    /// The next packet to write on the present connection: first what a lost connection left unfinished, then new
    /// messages while the window has room.
    #[allow(clippy::should_implement_trait, reason = "it lends from the window: no iterator can")]
    pub fn next(&mut self) -> Option<Send<'_, M>> {
        // [MQTT-4.6.0-1] [MQTT-4.4.0-1] from the front: the order of first sending.
        if self.written == self.flights.len() {
            if self.flights.len() >= usize::from(self.window) || self.queue.is_empty() {
                return None;
            }
            let id = self.unused_id()?;
            let message = self.queue.pop()?;
            self.flights.push_back(Flight {
                id,
                stage: Stage::Published {
                    message,
                    written: false,
                },
            });
        }
        let flight = self.flights.get_mut(self.written)?;
        self.written += 1;
        let id = flight.id;
        Some(match &mut flight.stage {
            Stage::Published { message, written } => {
                // [MQTT-3.3.1-1] [MQTT-4.3.2-1] [MQTT-4.3.3-1] DUP only if it may have been on the wire before.
                let dup = core::mem::replace(written, true);
                Send::Publish { id, dup, message }
            }
            Stage::Released => Send::Release { id },
        })
    }

    /// PUBACK has come. Returns the message, which is delivered; `None` if the identifier is not in use.
    ///
    /// # Errors
    /// The identifier belongs to a QoS 2 message.
    pub fn puback(&mut self, id: PacketId) -> Result<Option<M>, Fault> {
        let Some(place) = self.place(id) else { return Ok(None) };
        match self.flights.get(place).map(|flight| &flight.stage) {
            Some(Stage::Published { message, .. }) if message.qos() == QoS::AtLeastOnce => {}
            Some(Stage::Published { .. } | Stage::Released) => {
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
        match &flight.stage {
            Stage::Released => return Ok(None),
            Stage::Published { message, .. } if message.qos() == QoS::ExactlyOnce => {}
            Stage::Published { .. } => return Err(Fault::peer("MQTT-4.8.0-1", "PUBREC for a message of QoS 1")),
        }
        let stage = core::mem::replace(&mut flight.stage, Stage::Released);
        match stage {
            Stage::Published { message, .. } => Ok(Some(message)),
            Stage::Released => Ok(None),
        }
    }

    /// PUBCOMP has come: the identifier is free. Says whether it was in use.
    ///
    /// # Errors
    /// The identifier belongs to a message that is not released.
    pub fn pubcomp(&mut self, id: PacketId) -> Result<bool, Fault> {
        let Some(place) = self.place(id) else { return Ok(false) };
        match self.flights.get(place).map(|flight| &flight.stage) {
            Some(Stage::Released) => {
                self.finish(place);
                Ok(true)
            }
            Some(Stage::Published { .. }) => Err(Fault::peer("MQTT-4.8.0-1", "PUBCOMP before PUBREC")),
            None => Ok(false),
        }
    }

    /// The weights of all messages that are not handed over yet: in flight before PUBREC, and waiting.
    pub fn weights(&self) -> impl Iterator<Item = usize> {
        let in_flight = self.flights.iter().filter_map(|flight| match &flight.stage {
            Stage::Published { message, .. } => Some(message.weight()),
            Stage::Released => None,
        });
        in_flight.chain(self.queue.iter().map(Deliverable::weight))
    }

    /// The messages in flight that are not handed over yet, in the order of first sending.
    pub fn messages_mut(&mut self) -> impl Iterator<Item = &mut M> {
        self.flights.iter_mut().filter_map(|flight| match &mut flight.stage {
            Stage::Published { message, .. } => Some(message),
            Stage::Released => None,
        })
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
            Stage::Released => None,
        }
    }
}

impl<M> Outgoing<M> {
    /// Unfinished messages that have an identifier.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.len()
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
