//! Filters, or what is left of them, each with who wants what it matches: the bytes and a lone subscriber side by side
//! in one record, crowds apart.
//!
//! Must hold: a record is some subscriber's, or is just being taken out; a crowd belongs to one record. Deliberately
//! absent: how a record is found.

use burgee_codec::QoS;

use crate::interest::Interest;
use crate::records::{HELD, Held, Moved, Records};
use crate::route::Route;
use crate::slab::Slab;
use crate::subscriber::{Kept, Recipient, SubscriberKey};

#[derive(Debug)]
pub(crate) struct Leaves {
    records: Records,
    /// Interests of several subscribers or of groups.
    crowds: Slab<Interest>,
}

/// Where the quality stands for one subscriber, this says that there is a crowd and its number follows.
const CROWD: u8 = 0xFF;
const NOBODY: Held = [0xFE; HELD];

impl Leaves {
    pub(crate) fn new() -> Self {
        Self {
            records: Records::default(),
            crowds: Slab::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn bytes(&self, id: u32) -> &[u8] {
        self.records.bytes(id)
    }

    /// `None`: two billion are there already, and this one is not added.
    pub(crate) fn insert(&mut self, bytes: (&[u8], &[u8]), interest: Interest) -> Option<u32> {
        let held = self.pack(interest);
        self.records.insert(bytes, &held)
    }

    /// Changes an interest. Says whether somebody is left.
    pub(crate) fn change<R>(&mut self, id: u32, change: impl FnOnce(&mut Interest) -> R) -> (R, bool) {
        let held = self.records.held(id).copied().unwrap_or(NOBODY);
        let mut interest = self.unpack(held);
        let result = change(&mut interest);
        let somebody = !interest.is_nobody();
        let packed = self.pack(interest);
        if packed != held
            && let Some(place) = self.records.held_mut(id)
        {
            *place = packed;
        }
        (result, somebody)
    }

    /// Takes a record out. Another one may have its number now.
    pub(crate) fn remove(&mut self, id: u32) -> (Interest, Option<Moved>) {
        let held = self.records.held(id).copied().unwrap_or(NOBODY);
        let interest = self.unpack(held);
        let moved = self.records.remove(id);
        if self.records.len() == 0 {
            self.crowds = Slab::new();
        }
        (interest, moved)
    }

    pub(crate) fn add_to(&self, id: u32, route: &mut Route) {
        let Some(held) = self.records.held(id) else { return };
        if let Some(recipient) = lone(held) {
            route.add(recipient);
        } else if let Some(interest) = crowd(held).and_then(|id| self.crowds.get(id)) {
            interest.add_to(route);
        }
    }

    /// A crowd gets the number that it had, as nothing came between: the last one freed is the first one given.
    fn pack(&mut self, interest: Interest) -> Held {
        match interest {
            Interest::Nobody => NOBODY,
            Interest::One(Recipient { key, qos }) => {
                let number = u128::from(key.generation) << 56 | u128::from(key.slot) << 24 | u128::from(key.shard) << 8;
                held_of(number | u128::from(qos.bits()), key.kept.number())
            }
            Interest::Many(_) => held_of(u128::from(self.crowds.insert(interest)) << 8 | u128::from(CROWD), 0),
        }
    }

    fn unpack(&mut self, held: Held) -> Interest {
        match (lone(&held), crowd(&held)) {
            (Some(recipient), _) => Interest::One(recipient),
            (None, Some(id)) => self.crowds.remove(id),
            (None, None) => Interest::Nobody,
        }
    }
}

/// The lowest bytes of a number: the quality or [`CROWD`], then the shard, slot and generation or the crowd's number;
/// behind them the number in the store.
fn held_of(number: u128, kept: u64) -> Held {
    let mut held = NOBODY;
    if let Some((front, back)) = held.split_first_chunk_mut::<{ HELD - 8 }>() {
        *front = number.to_le_bytes().first_chunk().copied().unwrap_or(*front);
        back.copy_from_slice(&kept.to_le_bytes());
    }
    held
}

fn lone(held: &Held) -> Option<Recipient> {
    let (qos, rest) = held.split_first()?;
    let (shard, rest) = rest.split_first_chunk()?;
    let (slot, rest) = rest.split_first_chunk()?;
    let (generation, rest) = rest.split_first_chunk()?;
    let key = SubscriberKey {
        shard: u16::from_le_bytes(*shard),
        slot: u32::from_le_bytes(*slot),
        generation: u32::from_le_bytes(*generation),
        kept: Kept::new(u64::from_le_bytes(*rest.first_chunk()?)),
    };
    QoS::from_bits(*qos).map(|qos| Recipient { key, qos })
}

fn crowd(held: &Held) -> Option<u32> {
    let (kind, number) = held.split_first()?;
    let number = u32::from_le_bytes(*number.first_chunk()?);
    (*kind == CROWD).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_fits_and_comes_back() {
        let mut leaves = Leaves::new();
        let [qos, other] = [QoS::AtMostOnce, QoS::ExactlyOnce];
        let key = SubscriberKey {
            shard: u16::MAX - 1,
            slot: u32::MAX - 2,
            generation: u32::MAX - 3,
            kept: Kept::new(u64::MAX - 4),
        };
        let one = Recipient { key, qos: other };
        let id = leaves.insert((b"a", b"/b"), Interest::One(one)).unwrap();
        let mut route = Route::default();
        leaves.add_to(id, &mut route);
        assert_eq!(route.recipients(), [one]);
        let second = Recipient {
            key: SubscriberKey { shard: 0, ..key },
            qos,
        };
        assert_eq!(leaves.change(id, |interest| interest.put(second)), (None, true));
        route.clear();
        leaves.add_to(id, &mut route);
        assert_eq!(route.recipients(), [second, one]);
        assert_eq!(leaves.change(id, |interest| interest.remove(key)), (Some(other), true));
        assert_eq!(
            leaves.change(id, |interest| interest.remove(second.key)),
            (Some(qos), false)
        );
        assert_eq!((leaves.bytes(id), leaves.len()), (&b"a/b"[..], 1));
        assert!(leaves.remove(id).0.is_nobody() && leaves.len() == 0);
    }
}
