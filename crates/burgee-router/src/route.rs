//! The answer to one topic name: who gets the message.

use burgee_codec::QoS;

use crate::group::GroupRoute;
use crate::subscriber::Recipient;

/// All who are owed a message on one topic name. Immutable once handed out.
#[derive(Clone, Debug, Default)]
pub struct Route {
    recipients: Vec<Recipient>,
    groups: Vec<GroupRoute>,
    keeps: bool,
}

/// Whether a message for this one may have to be kept.
fn is_kept(recipient: &Recipient) -> bool {
    recipient.key.kept.is_kept() && recipient.qos > QoS::AtMostOnce
}

/// Room that is kept although it is not needed now.
const SLACK: usize = 64;

impl Route {
    /// The subscribers, sorted by key, each once, with the greatest quality granted to it.
    #[must_use]
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// The shared groups: one member of each gets the message, besides all recipients.
    #[must_use]
    pub fn groups(&self) -> &[GroupRoute] {
        &self.groups
    }

    /// Whether somebody, or a member of a group, has a session that a store keeps and was granted QoS 1 or 2.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.keeps
    }

    /// Whether nobody is owed anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recipients.is_empty() && self.groups.is_empty()
    }

    /// Recipients, groups and their candidates: 24 bytes each.
    pub(crate) fn weight(&self) -> usize {
        let groups = self.groups.iter().map(|group| 1 + group.candidates().len());
        self.recipients.len() + groups.sum::<usize>()
    }

    pub(crate) fn clear(&mut self) {
        self.recipients.clear();
        self.groups.clear();
        self.keeps = false;
    }

    pub(crate) fn expect(&mut self, more: usize) {
        self.recipients.reserve(more);
    }

    pub(crate) fn add(&mut self, recipient: Recipient) {
        self.keeps |= is_kept(&recipient);
        self.recipients.push(recipient);
    }

    pub(crate) fn add_group(&mut self, group: GroupRoute) {
        self.keeps |= group.candidates().iter().any(is_kept);
        self.groups.push(group);
    }

    /// How many recipients there is room for.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.recipients.capacity()
    }

    /// Brings what several filters added into its final form.
    pub(crate) fn finish(&mut self) {
        // One filter's subscribers come sorted: only overlapping filters cost a sort.
        if !self.recipients.is_sorted_by(|a, b| a.key < b.key) {
            self.recipients.sort_by_key(|recipient| recipient.key);
            // [MQTT-3.3.5-1] one copy for each subscriber, with the greatest of its qualities.
            self.recipients.dedup_by(|later, kept| {
                let same = later.key == kept.key;
                if same {
                    kept.qos = kept.qos.max(later.qos);
                }
                same
            });
        }
        // A route that once was huge must not stay huge in every cache.
        if self.recipients.capacity() > 4 * self.recipients.len() + SLACK {
            self.recipients.shrink_to(2 * self.recipients.len());
        }
    }
}
