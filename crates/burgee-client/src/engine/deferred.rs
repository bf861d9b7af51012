//! Acknowledgements that wait until the application is done with its message.
//!
//! What must hold: they go out in the order in which the messages came [MQTT-4.6.0-2] [MQTT-4.6.0-3], whatever the order
//! in which the application is done; a QoS 2 message that it still works on is not given to it again
//! [MQTT-4.3.3-2]. Deliberately absent: QoS 0, which nobody acknowledges.

use std::collections::VecDeque;

use burgee_codec::{PacketId, QoS};

use super::sorted::Sorted;

/// The number of a message that is to be acknowledged; 0: none is.
pub(crate) type Serial = u64;

#[derive(Debug)]
struct Unacked {
    serial: Serial,
    id: PacketId,
    qos: QoS,
    done: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    last: Serial,
    /// What came on the present connection and is not acknowledged, in order.
    unacked: VecDeque<Unacked>,
    /// QoS 2 messages that the application works on, on whatever connection they came.
    held: Sorted<Serial, PacketId>,
    by_id: Sorted<PacketId, Serial>,
}

impl Deferred {
    /// A message came that the application has to be given: the number under which it is acknowledged.
    pub(super) fn came(&mut self, id: PacketId, qos: QoS) -> Serial {
        self.last += 1;
        let serial = self.last;
        if qos == QoS::ExactlyOnce {
            self.held.insert(serial, id);
            self.by_id.insert(id, serial);
        }
        self.push(serial, id, qos, false);
        serial
    }

    /// A QoS 2 message came again: `true` if the application still works on it.
    pub(super) fn came_again(&mut self, id: PacketId) -> bool {
        let Some(&serial) = self.by_id.get(id) else {
            return false;
        };
        self.push(serial, id, QoS::ExactlyOnce, false);
        true
    }

    /// A QoS 2 message came again that the application is done with: the answer waits for its turn only.
    pub(super) fn came_after_all(&mut self, id: PacketId) {
        self.push(0, id, QoS::ExactlyOnce, true);
    }

    fn push(&mut self, serial: Serial, id: PacketId, qos: QoS, done: bool) {
        self.unacked.push_back(Unacked { serial, id, qos, done });
    }

    /// The application is done with this message. Gives the identifier of a QoS 2 message, to be remembered until PUBREL.
    pub(super) fn acknowledge(&mut self, serial: Serial) -> Option<PacketId> {
        // Mostly it is the first.
        for entry in self.unacked.iter_mut().filter(|entry| entry.serial == serial) {
            entry.done = true;
            if entry.qos == QoS::AtLeastOnce {
                return None;
            }
        }
        let id = self.held.remove(serial)?;
        self.by_id.remove(id);
        Some(id)
    }

    /// The next acknowledgement that can go out.
    pub(super) fn next(&mut self) -> Option<(PacketId, QoS)> {
        self.unacked.front().filter(|entry| entry.done)?;
        self.unacked.pop_front().map(|entry| (entry.id, entry.qos))
    }

    /// The connection is gone: what was not acknowledged on it comes again on the next one.
    pub(super) fn disconnected(&mut self) {
        self.unacked.clear();
    }

    /// The session is gone: identifiers mean nothing any more.
    pub(super) fn forget(&mut self) {
        self.held.clear();
        self.by_id.clear();
    }
}
