//! The mail between shards: a slot for each pair, bounded, in order, and as slow as the seed wants.
//!
//! What must hold: parcels of a pair arrive in the order in which they were sent, none is lost. Deliberately absent:
//! what is in them.

use std::collections::VecDeque;

use burgee_core::Message;
use burgee_core::io::{Mailbox, Parcel, ShardId};
use burgee_router::Topical;

use crate::net::Net;

#[derive(Debug, Default)]
struct Slot {
    parcels: VecDeque<(u64, Parcel)>,
    bytes: usize,
    latest: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Post {
    slots: Vec<Vec<Slot>>,
    delay: u64,
    capacity: usize,
}

impl Post {
    /// Slots of `capacity` bytes between `shards` shards; parcels travel for up to `delay` milliseconds.
    #[must_use]
    pub fn new(shards: ShardId, delay: u64, capacity: usize) -> Self {
        let row = || (0..shards).map(|_| Slot::default()).collect();
        Self {
            slots: (0..shards).map(|_| row()).collect(),
            delay,
            capacity,
        }
    }

    /// Takes what fits. Says when the receiver should look.
    pub fn send(&mut self, from: ShardId, to: ShardId, mail: &mut Mailbox, net: &mut Net) -> Option<u64> {
        let slot = self.slots.get_mut(usize::from(from))?.get_mut(usize::from(to))?;
        let mut first = None;
        // One parcel always fits into an empty slot.
        while let Some(weight) = mail.next_weight()
            && (slot.parcels.is_empty() || slot.bytes + weight <= self.capacity)
        {
            let Some(parcel) = mail.pop() else { break };
            slot.latest = slot.latest.max(net.now + net.rng.range(0, self.delay));
            slot.bytes += weight;
            slot.parcels.push_back((slot.latest, parcel));
            first.get_or_insert(slot.latest);
        }
        first
    }

    /// The next parcel that has arrived for a shard.
    pub fn receive(&mut self, to: ShardId, now: u64) -> Option<(ShardId, Parcel)> {
        for (from, row) in (0..).zip(&mut self.slots) {
            let slot = row.get_mut(usize::from(to))?;
            if slot.parcels.front().is_some_and(|(at, _)| *at <= now) {
                let (_, parcel) = slot.parcels.pop_front()?;
                slot.bytes -= parcel.weight();
                return Some((from, parcel));
            }
        }
        None
    }

    /// When the next parcel for a shard arrives.
    #[must_use]
    pub fn next(&self, to: ShardId) -> Option<u64> {
        let slots = self.slots.iter().filter_map(|row| row.get(usize::from(to)));
        slots.filter_map(|slot| slot.parcels.front().map(|(at, _)| *at)).min()
    }

    /// No client's message is on its way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let parcels = self.slots.iter().flatten().flat_map(|slot| &slot.parcels);
        parcels.into_iter().all(|(_, parcel)| !is_from_client(parcel))
    }
}

/// With `$SYS` and the counters for it there is always something on its way, and nobody is owed it.
pub(super) fn is_from_client(parcel: &Parcel) -> bool {
    let is_sys = |message: &Message| message.topic().as_str().starts_with("$SYS");
    match parcel {
        Parcel::Publish { message, .. } => !is_sys(message),
        Parcel::Singles(singles) => !singles.iter().all(|(message, _)| is_sys(message)),
        Parcel::Bundle(_) => true,
        Parcel::Ending | Parcel::CountersWanted | Parcel::Counters(_) => false,
    }
}
