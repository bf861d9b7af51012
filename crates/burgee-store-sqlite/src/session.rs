//! What is kept in memory of one session: references to what it is owed, and identifiers in flight.
//!
//! What must hold: an identifier belongs to one delivery, a delivery has one identifier. An idle session is small: what
//! only sessions in the middle of something need has a box of its own.
//! Deliberately absent: client identifier, subscriptions and will; the file has them.

use std::collections::VecDeque;

use burgee_codec::{PacketId, QoS};
use burgee_store::{MessageNo, Stage};

use crate::refs::Refs;
use crate::seek::seek;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Of the lane that it is owed most of, as far as one can tell: that which came first.
    first: Option<Refs>,
    /// Of the others.
    more: Vec<Refs>,
    flight: Option<Box<Flight>>,
    /// Messages that it is owed, and the bytes of their bodies.
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// Identifiers in use.
#[derive(Debug, Default)]
struct Flight {
    /// Of received QoS 2 messages, sorted.
    received: Vec<PacketId>,
    /// Of QoS 2 deliveries, by message.
    deliveries: VecDeque<Out>,
}

/// A QoS 2 delivery.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Out {
    pub(crate) message: MessageNo,
    pub(crate) id: PacketId,
    pub(crate) stage: Stage,
}

impl Session {
    /// Whether this is new to it; the last word about the QoS counts.
    pub(crate) fn owe(&mut self, lane: u16, message: MessageNo, qos: QoS) -> bool {
        if let Some(refs) = self.lane_mut(lane) {
            return refs.owe(message.0, qos);
        }
        let mut refs = Refs::new(lane);
        refs.owe(message.0, qos);
        self.add_lane(refs);
        true
    }

    pub(crate) fn lane_mut(&mut self, lane: u16) -> Option<&mut Refs> {
        self.lanes_mut().find(|refs| refs.lane == lane)
    }

    pub(crate) fn add_lane(&mut self, refs: Refs) {
        if self.first.is_none() {
            self.first = Some(refs);
        } else {
            self.more.push(refs);
        }
    }

    pub(crate) fn lanes(&self) -> impl Iterator<Item = &Refs> {
        self.first.iter().chain(&self.more)
    }

    fn lanes_mut(&mut self) -> impl Iterator<Item = &mut Refs> {
        self.first.iter_mut().chain(&mut self.more)
    }

    pub(crate) fn owes(&self, message: MessageNo) -> bool {
        self.lanes().any(|refs| refs.owes(message.0))
    }

    /// The lane of a message that it was owed and is owed no more.
    pub(crate) fn settle(&mut self, message: MessageNo) -> Option<u16> {
        let settled = |refs: &mut Refs| refs.settle(message.0).then_some(refs.lane);
        self.lanes_mut().find_map(settled)
    }

    /// Everything that it is owed behind a number, by number: lane, number, QoS.
    pub(crate) fn owed(&self, after: MessageNo) -> impl Iterator<Item = (u16, MessageNo, QoS)> {
        let mut lanes: Vec<_> = self
            .lanes()
            .map(|refs| (refs.lane, refs.behind(after.0).peekable()))
            .collect();
        std::iter::from_fn(move || {
            let next =
                |(_, rest): &mut (u16, std::iter::Peekable<_>)| rest.peek().map(|(number, _): &(u64, QoS)| *number);
            let heads = lanes
                .iter_mut()
                .enumerate()
                .filter_map(|(at, lane)| Some((next(lane)?, at)));
            let (_, at) = heads.min()?;
            let (lane, rest) = lanes.get_mut(at)?;
            let (number, qos) = rest.next()?;
            Some((*lane, MessageNo(number), qos))
        })
    }
}

/// Identifiers.
impl Session {
    pub(crate) fn received(&self) -> &[PacketId] {
        self.flight.as_ref().map_or(&[], |flight| &flight.received)
    }

    /// Whether it was there before.
    pub(crate) fn receive(&mut self, id: PacketId) -> bool {
        let received = &mut self.flight.get_or_insert_default().received;
        match received.binary_search(&id) {
            Ok(_) => true,
            Err(at) => {
                received.insert(at, id);
                false
            }
        }
    }

    /// Whether it was there before.
    pub(crate) fn free(&mut self, id: PacketId) -> bool {
        let Some(flight) = &mut self.flight else {
            return false;
        };
        let found = flight.received.binary_search(&id);
        if let Ok(at) = found {
            flight.received.remove(at);
            self.land();
        }
        found.is_ok()
    }

    pub(crate) fn deliveries(&self) -> impl Iterator<Item = Out> {
        self.flight.iter().flat_map(|flight| flight.deliveries.iter().copied())
    }

    pub(crate) fn delivery(&self, message: MessageNo) -> Option<Out> {
        let deliveries = &self.flight.as_ref()?.deliveries;
        let at = seek(deliveries, message.0, |out| out.message.0).ok()?;
        deliveries.get(at).copied()
    }

    pub(crate) fn delivery_with(&self, id: PacketId) -> Option<Out> {
        self.deliveries().find(|out| out.id == id)
    }

    /// Whether there was one of this message before. The identifier must be free, or this message's.
    pub(crate) fn deliver(&mut self, new: Out) -> bool {
        let deliveries = &mut self.flight.get_or_insert_default().deliveries;
        match seek(deliveries, new.message.0, |out| out.message.0) {
            Ok(at) => {
                if let Some(out) = deliveries.get_mut(at) {
                    *out = new;
                }
                true
            }
            Err(at) => {
                deliveries.insert(at, new);
                false
            }
        }
    }

    /// Whether there was one of this message.
    pub(crate) fn end_delivery(&mut self, message: MessageNo) -> bool {
        let Some(flight) = &mut self.flight else {
            return false;
        };
        let found = seek(&flight.deliveries, message.0, |out| out.message.0);
        if let Ok(at) = found {
            flight.deliveries.remove(at);
            self.land();
        }
        found.is_ok()
    }

    /// An empty box is given back.
    fn land(&mut self) {
        let empty = |flight: &mut Box<Flight>| flight.received.is_empty() && flight.deliveries.is_empty();
        drop(self.flight.take_if(empty));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<Session>() <= 96, "{}", size_of::<Session>());
    }

    #[test]
    fn what_is_owed_of_several_lanes_comes_by_number() {
        let mut session = Session::default();
        for (lane, numbers) in [(0, vec![2, 8, 9]), (1, vec![1, 3]), (2, vec![]), (3, vec![4, 10])] {
            for number in numbers {
                session.owe(lane, MessageNo(number), QoS::AtLeastOnce);
            }
        }
        let found: Vec<_> = session
            .owed(MessageNo(1))
            .map(|(lane, message, _)| (lane, message.0))
            .collect();
        assert_eq!(found, [(0, 2), (1, 3), (3, 4), (0, 8), (0, 9), (3, 10)]);
        assert_eq!(session.settle(MessageNo(4)), Some(3));
        assert_eq!(session.settle(MessageNo(4)), None);
        assert_eq!(session.owed(MessageNo(3)).count(), 3);
    }
}
