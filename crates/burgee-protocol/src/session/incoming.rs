//! The receiver's half of QoS 2: which packet identifiers came in and are not released yet.
//!
//! What must hold: between a PUBLISH and its PUBREL the identifier alone decides that a PUBLISH is a repetition,
//! whatever its DUP flag or content [MQTT-4.3.3-2]; the identifiers survive the connection [MQTT-4.1.0-1].
//! A message is handed on when its PUBLISH comes, not at PUBREL: two bytes of memory instead of the message.
//! Deliberately absent: QoS 1, which remembers nothing [MQTT-4.3.2-2].

use burgee_codec::PacketId;

/// What a PUBLISH with QoS 2 is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// A message not seen before: hand it on.
    New,
    /// The same message again: answer with PUBREC, deliver nothing.
    Repeated,
}

/// Room for so many identifiers is kept when none is held.
const KEPT: usize = 64;

/// The identifiers of received and unreleased QoS 2 messages; at most 65,535, two bytes each.
#[derive(Debug, Default)]
pub struct Incoming {
    /// Sorted: identifiers mostly come in ascending order, so that an insertion is a push.
    unreleased: Vec<u16>,
}

impl Incoming {
    /// A PUBLISH with QoS 2 and this identifier has come.
    pub fn publish(&mut self, id: PacketId) -> Arrival {
        // [MQTT-4.3.3-2] until PUBREL, every PUBLISH with this identifier is the same message.
        match self.unreleased.binary_search(&id.get()) {
            Ok(_) => Arrival::Repeated,
            Err(place) => {
                self.unreleased.insert(place, id.get());
                Arrival::New
            }
        }
    }

    /// Whether a PUBLISH with this identifier would be a repetition.
    #[must_use]
    pub fn holds(&self, id: PacketId) -> bool {
        self.unreleased.binary_search(&id.get()).is_ok()
    }

    /// PUBREL has come: the identifier stands for a new message from now on. Says whether it was held; PUBCOMP is the
    /// answer either way.
    pub fn release(&mut self, id: PacketId) -> bool {
        let found = self.unreleased.binary_search(&id.get());
        if let Ok(place) = found {
            self.unreleased.remove(place);
            if self.unreleased.is_empty() && self.unreleased.capacity() > KEPT {
                self.unreleased = Vec::new();
            }
        }
        found.is_ok()
    }

    /// How many identifiers are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.unreleased.len()
    }

    /// None is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unreleased.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).expect("not zero")
    }

    #[test]
    fn an_identifier_is_repeated_until_its_release() {
        let mut incoming = Incoming::default();
        for value in [7, 3, 65535, 1] {
            assert_eq!(incoming.publish(id(value)), Arrival::New);
            assert_eq!(incoming.publish(id(value)), Arrival::Repeated);
        }
        assert!(incoming.release(id(3)) && !incoming.release(id(3)));
        assert_eq!(incoming.publish(id(7)), Arrival::Repeated);
        assert_eq!(incoming.publish(id(3)), Arrival::New);
        assert_eq!(incoming.len(), 4);
    }
}
