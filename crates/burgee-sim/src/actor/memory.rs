//! A client's half of a session: what it has sent and what it has received, across its connections.
//!
//! Written from the standard, not from the broker's session: one mistake must not hide in both.
//! What must hold: a QoS 2 message is handed to the application once. Deliberately absent: connections.

use std::collections::{BTreeMap, BTreeSet};

use burgee_codec::QoS;

use super::packet::{self, Note};
use crate::net::LinkId;

/// A message that is not finished.
#[derive(Clone, Debug)]
struct Unfinished {
    id: u16,
    note: Note,
    /// PUBREC came.
    received: bool,
    link: LinkId,
    /// It belongs to a clean session.
    clean: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    unfinished: Vec<Unfinished>,
    /// Identifiers of SUBSCRIBE and UNSUBSCRIBE without answer.
    asked: BTreeMap<u16, LinkId>,
    /// Received with QoS 2, not released.
    held: BTreeSet<u16>,
    last_id: u16,
    /// QoS 2 payloads that the application has seen.
    seen: BTreeSet<Vec<u8>>,
}

impl Memory {
    /// Messages without their last acknowledgement.
    #[must_use]
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished.len()
    }

    /// An identifier that is not in use, of the first `most`.
    pub(super) fn id(&mut self, most: u16) -> Option<u16> {
        for _ in 0..most {
            self.last_id = self.last_id % most + 1;
            let id = self.last_id;
            if !self.asked.contains_key(&id) && self.unfinished.iter().all(|other| other.id != id) {
                return Some(id);
            }
        }
        None
    }

    /// A SUBSCRIBE or UNSUBSCRIBE with this identifier was sent.
    pub(super) fn ask(&mut self, id: u16, link: LinkId) {
        self.asked.insert(id, link);
    }

    /// Its answer came.
    ///
    /// # Errors
    /// Nobody asked.
    pub(super) fn answered(&mut self, id: u16) -> Result<(), String> {
        self.asked
            .remove(&id)
            .map(|_| ())
            .ok_or_else(|| format!("an answer to {id}, which nobody asked"))
    }

    /// A message is sent for the first time.
    pub(super) fn send(&mut self, id: u16, note: Note, (link, clean): (LinkId, bool)) {
        self.unfinished.push(Unfinished {
            id,
            note,
            received: false,
            link,
            clean,
        });
    }

    /// The session goes on: what has to be sent again, in order.
    pub(super) fn again(&mut self, link: LinkId) -> Vec<u8> {
        let mut bytes = Vec::new();
        for message in self.unfinished.iter_mut().filter(|message| message.link != link) {
            message.link = link;
            bytes.extend(if message.received {
                packet::pubrel(message.id)
            } else {
                packet::publish(&message.note, Some(message.id), true)
            });
        }
        bytes
    }

    /// [MQTT-3.1.2-6] nothing of a clean session is used in another, whatever CONNACK will say.
    pub(super) fn end_of_clean(&mut self) {
        self.unfinished.retain(|message| !message.clean);
    }

    /// The session is new: everything of earlier connections means nothing any more.
    pub(super) fn forget(&mut self, link: LinkId) {
        self.unfinished.retain(|message| message.link == link);
        self.asked.retain(|_, asked| *asked == link);
        self.held.clear();
    }

    /// A connection is gone; questions without answer are not asked again.
    pub(super) fn lost(&mut self) {
        self.asked.clear();
    }

    /// PUBACK came.
    pub(super) fn acknowledged(&mut self, id: u16) {
        self.unfinished
            .retain(|message| message.id != id || message.note.qos != QoS::AtLeastOnce);
    }

    /// PUBREC came: PUBREL is the answer, whether we know it or not.
    pub(super) fn received(&mut self, id: u16) -> Vec<u8> {
        if let Some(message) = self.unfinished.iter_mut().find(|message| message.id == id) {
            message.received = true;
        }
        packet::pubrel(id)
    }

    /// PUBCOMP came.
    pub(super) fn completed(&mut self, id: u16) {
        self.unfinished.retain(|message| message.id != id || !message.received);
    }

    /// A PUBLISH with QoS 2 came; `payload` is empty where it may come again.
    ///
    /// # Errors
    /// The application has had it before.
    pub(super) fn take(&mut self, id: u16, payload: &[u8]) -> Result<(), String> {
        if self.held.insert(id) && !payload.is_empty() && !self.seen.insert(payload.to_vec()) {
            let text = String::from_utf8_lossy(payload);
            return Err(format!("the application gets {text:?} twice with QoS 2"));
        }
        Ok(())
    }

    /// PUBREL came.
    pub(super) fn release(&mut self, id: u16) {
        self.held.remove(&id);
    }
}
