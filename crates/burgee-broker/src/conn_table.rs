//! The connections of one shard: slots with generations, so that a stale key finds nothing rather than a stranger.
//!
//! What must hold: a key is given out once; a slot whose generations are used up is retired. A connection at rest owns
//! nothing but its entry here. Deliberately absent: buffers, timers, and anything of MQTT.

use burgee_core::io::ConnKey;
use mio::Token;

use crate::door::Stay;
use crate::layers::Layers;
use crate::mail::Arrival;
use crate::socket::{PeerAddress, Socket};
use crate::tail::Tail;

/// What is known of a connection's state, packed: there may be very many at rest.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Flags(u16);

impl Flags {
    /// The kernel may hold bytes for us.
    pub(crate) const READABLE: Self = Self(1);
    /// On the ready list.
    pub(crate) const QUEUED: Self = Self(1 << 1);
    /// The core does not want its bytes now.
    pub(crate) const PAUSED: Self = Self(1 << 2);
    /// The peer sends no more: read until the end shows, short reads or not.
    pub(crate) const HANGUP: Self = Self(1 << 3);
    /// The kernel did not take all bytes: writing goes on when it says so.
    pub(crate) const BLOCKED: Self = Self(1 << 4);
    /// Writing failed: what is still to be sent is thrown away, what was received is still read.
    pub(crate) const BROKEN: Self = Self(1 << 5);
    /// The end was told to the core, or the core let go of it: nothing is read for the core any more.
    pub(crate) const ENDED: Self = Self(1 << 6);
    /// Its tail is to be handed out even if no new bytes came.
    pub(crate) const HAND_OUT: Self = Self(1 << 7);
    /// It stands in the table of addresses.
    pub(crate) const COUNTED: Self = Self(1 << 8);
    /// It has not come to MQTT yet.
    pub(crate) const HANDSHAKE: Self = Self(1 << 9);
    /// The core has not heard of it: who it is for is to be said by a proxy first.
    pub(crate) const UNHEARD: Self = Self(1 << 10);
    /// Its CONNECT is not done with.
    pub(crate) const NEWCOMER: Self = Self(1 << 11);

    /// Whether any of `these` is set.
    #[inline]
    pub(crate) const fn any(self, these: Self) -> bool {
        self.0 & these.0 != 0
    }

    #[inline]
    pub(crate) const fn set(&mut self, these: Self) {
        self.0 |= these.0;
    }

    #[inline]
    pub(crate) const fn clear(&mut self, these: Self) {
        self.0 &= !these.0;
    }

    /// Both.
    pub(crate) const fn and(self, these: Self) -> Self {
        Self(self.0 | these.0)
    }
}

/// How far the closing of a connection has come; see `closing.rs`.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    /// Has its place in the line of those that still send.
    pub(crate) timed: bool,
    /// Everything is sent, our side is shut down.
    pub(crate) lingers: bool,
    /// The peer sends no more.
    pub(crate) heard_all: bool,
    /// Bytes received and thrown away.
    pub(crate) drained: usize,
}

/// One connection. What is rare is behind a pointer.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) socket: Socket,
    pub(crate) peer: PeerAddress,
    pub(crate) flags: Flags,
    /// The number of the listener that it came through.
    pub(crate) listener: u16,
    /// Bytes that the core has not consumed.
    pub(crate) tail: Option<Box<Tail>>,
    /// How far its closing has come, once the core let go of it.
    pub(crate) closing: Option<Box<Closing>>,
    /// What lies between the socket and MQTT, if anything does.
    pub(crate) layers: Option<Box<Layers>>,
}

impl Conn {
    /// A connection that came in, and the bytes that it brings along, to be handed out first.
    pub(crate) fn new(arrival: Arrival) -> Self {
        let mut flags = Flags::NEWCOMER;
        if arrival.counted {
            flags.set(Flags::COUNTED);
        }
        if let Some(layers) = arrival.layers.as_deref() {
            if !layers.is_open() && layers.ended().is_none() {
                flags.set(Flags::HANDSHAKE);
            }
            if layers.awaits_header() {
                flags.set(Flags::UNHEARD);
            }
            if layers.has_unsent() {
                flags.set(Flags::BLOCKED);
            }
            if layers.ended().is_some() {
                flags.set(Flags::READABLE);
            }
        }
        let mut tail = None;
        if !arrival.bytes.is_empty() {
            flags.set(Flags::HAND_OUT);
            tail = Some(Box::new(Tail::brought(arrival.bytes)));
        }
        Self {
            socket: arrival.socket,
            peer: arrival.peer,
            flags,
            listener: arrival.listener,
            tail,
            closing: None,
            layers: arrival.layers,
        }
    }

    /// What is to be counted off when it goes.
    pub(crate) const fn stay(&self) -> Stay {
        Stay {
            listener: self.listener,
            peer: self.peer,
            counted: self.flags.any(Flags::COUNTED),
            handshake: self.flags.any(Flags::HANDSHAKE),
        }
    }
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    conn: Option<Conn>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    used: usize,
}

/// Half of a token names the slot, the other half the generation, as far as it fits.
const SLOT_BITS: u32 = if usize::BITS >= 64 { 32 } else { 22 };
const SLOT_MASK: usize = (1_usize << SLOT_BITS) - 1;
/// Tokens with this slot are never given to connections: they are for listeners and the waker.
const RESERVED_SLOT: usize = SLOT_MASK;

/// The token of something that is no connection.
pub(crate) const fn reserved_token(number: u16) -> Token {
    Token(((number as usize) << SLOT_BITS) | RESERVED_SLOT)
}

/// The number given to [`reserved_token`], if it is such a one.
pub(crate) const fn reserved_number(token: Token) -> Option<usize> {
    if token.0 & SLOT_MASK == RESERVED_SLOT {
        Some(token.0 >> SLOT_BITS)
    } else {
        None
    }
}

/// The token under which a connection is registered.
pub(crate) const fn token(conn: ConnKey) -> Token {
    Token(((conn.generation as usize) << SLOT_BITS) | conn.slot as usize)
}

impl Table {
    /// Puts a connection into a free slot; gives it back where there is no slot left.
    pub(crate) fn insert(&mut self, conn: Conn) -> Result<ConnKey, Conn> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < RESERVED_SLOT => {
                let Ok(index) = u32::try_from(self.slots.len()) else {
                    return Err(conn);
                };
                self.slots.push(Slot::default());
                index
            }
            None => return Err(conn),
        };
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return Err(conn);
        };
        slot.conn = Some(conn);
        self.used += 1;
        Ok(ConnKey {
            slot: index,
            generation: slot.generation,
        })
    }

    /// The connection of this key, if it is still there.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: ConnKey) -> Option<&mut Conn> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation == key.generation {
            slot.conn.as_mut()
        } else {
            None
        }
    }

    /// Looks without changing.
    pub(crate) fn get(&self, key: ConnKey) -> Option<&Conn> {
        let slot = self.slots.get(key.slot as usize)?;
        if slot.generation == key.generation {
            slot.conn.as_ref()
        } else {
            None
        }
    }

    /// The key behind a token, if its connection is still there.
    #[inline]
    pub(crate) fn find(&self, token: Token) -> Option<ConnKey> {
        let index = token.0 & SLOT_MASK;
        let slot = self.slots.get(index)?;
        let key = ConnKey {
            slot: u32::try_from(index).ok()?,
            generation: slot.generation,
        };
        (slot.conn.is_some() && self::token(key) == token).then_some(key)
    }

    /// Takes a connection out; its key is dead from here on.
    pub(crate) fn remove(&mut self, key: ConnKey) -> Option<Conn> {
        let slot = self
            .slots
            .get_mut(key.slot as usize)
            .filter(|slot| slot.generation == key.generation)?;
        let conn = slot.conn.take()?;
        self.used -= 1;
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(key.slot);
        }
        Some(conn)
    }

    /// The connection in this slot, if there is one.
    pub(crate) fn at(&self, index: u32) -> Option<(ConnKey, &Conn)> {
        let slot = self.slots.get(index as usize)?;
        let key = ConnKey {
            slot: index,
            generation: slot.generation,
        };
        slot.conn.as_ref().map(|conn| (key, conn))
    }

    /// Slots, with connections and without.
    pub(crate) const fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Connections held.
    pub(crate) const fn len(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn() -> Conn {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = mio::net::TcpStream::from_std(std::net::TcpStream::connect(address).unwrap());
        Conn::new(Arrival::plain(socket, address))
    }

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut table = Table::default();
        let first = table.insert(conn()).unwrap();
        assert!(table.get_mut(first).is_some());
        assert_eq!(table.find(token(first)), Some(first));
        assert!(table.remove(first).is_some());
        assert!(table.remove(first).is_none());
        let second = table.insert(conn()).unwrap();
        assert_eq!((second.slot, table.len()), (first.slot, 1));
        assert_ne!(second.generation, first.generation);
        assert!(table.get_mut(first).is_none() && table.get(first).is_none());
        assert_eq!(table.find(token(first)), None);
        assert_eq!(table.find(token(second)), Some(second));
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let mut table = Table::default();
        let first = table.insert(conn()).unwrap();
        table.slots[0].generation = u32::MAX;
        assert!(
            table
                .remove(ConnKey {
                    generation: u32::MAX,
                    ..first
                })
                .is_some()
        );
        assert_eq!(table.insert(conn()).unwrap().slot, 1);
    }

    #[test]
    fn reserved_tokens_are_no_connections() {
        let table = Table::default();
        for number in [0, 1, 40] {
            assert_eq!(table.find(reserved_token(number)), None);
            assert_eq!(reserved_number(reserved_token(number)), Some(usize::from(number)));
        }
        assert_eq!(reserved_number(token(ConnKey { slot: 7, generation: 9 })), None);
    }

    #[test]
    fn an_idle_connection_is_small() {
        // In builds for tests a socket takes eight bytes more.
        assert!(size_of::<Slot>() <= 80, "{}", size_of::<Slot>());
    }
}
