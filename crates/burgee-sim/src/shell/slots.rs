//! A shard's connections as its event loop holds them: keys, kept bytes, pauses.
//!
//! What must hold: a slot's generation differs each time that it is used again. Deliberately absent: sockets; a
//! connection's link is in the network.

use burgee_core::io::ConnKey;

use crate::net::LinkId;

/// One connection.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what an event loop knows about a socket are facts of yes and no"
)]
pub(super) struct Slot {
    pub(super) key: ConnKey,
    pub(super) link: LinkId,
    /// Bytes that were read and not consumed.
    pub(super) tail: Vec<u8>,
    /// So many bytes there must be before it is worth asking again.
    pub(super) needed: usize,
    pub(super) paused: bool,
    /// Its kept bytes are to be handed out even if none follow.
    pub(super) hand_out: bool,
    /// The core has heard of it.
    pub(super) accepted: bool,
    /// The core has let go of it; its outbox is still being sent.
    pub(super) closing: bool,
    /// The core was told of its end.
    pub(super) ended: bool,
    /// The socket takes no more bytes for the moment.
    pub(super) blocked: bool,
    /// Bytes that left the outbox for the socket.
    pub(super) sent: usize,
    /// Bytes of the outbox that the oracle has seen.
    pub(super) seen: usize,
    pub(super) room: bool,
    /// Bytes have come that are not handed out in this turn.
    pub(super) unread: bool,
}

impl Slot {
    /// Whether there may be something to hand to the core.
    pub(super) const fn is_served(&self) -> bool {
        self.accepted && !self.closing && !self.ended
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Option<Slot>>,
    generation: u32,
}

impl Slots {
    pub(super) fn insert(&mut self, link: LinkId, tail: Vec<u8>) -> ConnKey {
        let place = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if place == self.slots.len() {
            self.slots.push(None);
        }
        self.generation += 1;
        let key = ConnKey {
            slot: u32::try_from(place).unwrap_or(u32::MAX),
            generation: self.generation,
        };
        if let Some(slot) = self.slots.get_mut(place) {
            let hand_out = !tail.is_empty();
            *slot = Some(Slot {
                key,
                link,
                tail,
                needed: 0,
                paused: false,
                hand_out,
                accepted: false,
                closing: false,
                ended: false,
                blocked: false,
                sent: 0,
                seen: 0,
                room: false,
                unread: false,
            });
        }
        key
    }

    pub(super) fn get(&self, key: ConnKey) -> Option<&Slot> {
        self.slots
            .get(key.slot as usize)?
            .as_ref()
            .filter(|slot| slot.key == key)
    }

    pub(super) fn get_mut(&mut self, key: ConnKey) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(key.slot as usize)?.as_mut();
        slot.filter(|slot| slot.key == key)
    }

    pub(super) fn remove(&mut self, key: ConnKey) -> Option<Slot> {
        self.slots.get_mut(key.slot as usize)?.take_if(|slot| slot.key == key)
    }

    pub(super) fn find(&mut self, link: LinkId) -> Option<&mut Slot> {
        self.iter_mut().find(|slot| slot.link == link)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().flatten()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten()
    }
}
