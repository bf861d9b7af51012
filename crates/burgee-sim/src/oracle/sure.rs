//! What an acknowledgement promises: from the moment that it leaves, a crash must not undo what it answers.
//!
//! What must hold: the table "what must be durable before what leaves" of the design, row by row. Deliberately absent:
//! the crash itself (`recovery`).

use super::Oracle;
use super::state::{MessageNo, SessionNo};
use crate::net::LinkId;

impl Oracle {
    /// CONNACK 0: the session exists, it is its user's for good, and every earlier one of this client is gone for good.
    pub(super) fn welcomed(&mut self, link: LinkId) {
        let Some(number) = self.conns.get(&link).and_then(|conn| conn.session) else {
            return;
        };
        let client = self.session(number).client.clone();
        let earlier = |(place, session): &(SessionNo, &mut super::state::Session)| {
            *place < number && !session.kept.ended && session.client == client
        };
        let mut wills = Vec::new();
        for (_, session) in self.sessions.iter_mut().enumerate().filter(earlier) {
            session.kept.ended = true;
            if !session.clean && session.kept.created {
                wills.extend(session.kept.will.all().iter().filter_map(|value| value.what.published));
            }
        }
        let without_disk = self.without_disk.contains(&self.shard);
        let kept = &mut self.session(number).kept;
        kept.created = true;
        kept.owner.sure(link as u64);
        if without_disk {
            // The will of an earlier connection cannot be taken back any more.
            return;
        }
        wills.extend(
            kept.will
                .sure(link as u64)
                .iter()
                .filter_map(|value| value.what.published),
        );
        // A will that is not there any more has been published.
        for will in wills {
            self.sure_message(will);
        }
    }

    /// PUBACK or PUBREC: whoever is owed the message gets it, and it is retained if it said so.
    pub(super) fn acknowledged_publish(&mut self, message: Option<MessageNo>) {
        if let Some(message) = message {
            self.sure_message(message);
        }
    }

    pub(super) fn sure_message(&mut self, number: MessageNo) {
        let Some(message) = self.messages.get_mut(number) else {
            return;
        };
        message.sure = true;
        if let Some(history) = self.kept_retained.get_mut(&message.topic) {
            history.sure(number as u64);
        }
    }

    /// PUBREC: the identifier is known until PUBREL.
    pub(super) fn sure_received(&mut self, link: LinkId, id: u16) {
        if let Some(number) = self.conns.get(&link).and_then(|conn| conn.session) {
            let session = self.session(number);
            if session.incoming.contains_key(&id) {
                session.kept.received.insert(id);
            }
        }
    }

    /// PUBCOMP: the identifier is free.
    pub(super) fn sure_freed(&mut self, link: LinkId, id: u16) {
        let Some(conn) = self.conns.get(&link) else { return };
        let again = conn.answers.pubcomp.contains(&id);
        if let Some(number) = conn.session.filter(|_| !again) {
            self.session(number).kept.freed.remove(&id);
        }
    }

    /// SUBACK or UNSUBACK: the subscriptions are as it says.
    pub(super) fn sure_filters(&mut self, link: LinkId, question: u64) {
        if let Some(number) = self.conns.get(&link).and_then(|conn| conn.session) {
            for history in self.session(number).kept.filters.values_mut() {
                history.sure(question);
            }
        }
    }

    /// A QoS 2 message was sent to somebody: sent again by its publisher, it must be known.
    pub(super) fn sent_somebody(&mut self, number: MessageNo, exactly: bool) {
        let Some(message) = self.messages.get_mut(number) else {
            return;
        };
        message.exactly |= exactly;
        if let Some((session, id)) = message.origin
            && self.rules.durable
        {
            let session = self.session(session);
            if session.incoming.get(&id) == Some(&Some(number)) {
                session.kept.received.insert(id);
            }
        }
    }
}
