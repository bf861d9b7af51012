//! Who wants what one filter matches: nobody, one subscriber, or more.
//!
//! Must hold: the smallest form is used, so that a filter with one subscriber costs 24 bytes
//! and an index without subscriptions holds nothing.

use std::collections::BTreeMap;

use burgee_codec::QoS;

use crate::group::{Group, Joined};
use crate::members::Members;
use crate::route::Route;
use crate::subscriber::{Recipient, SubscriberKey};

#[derive(Debug, Default)]
pub(crate) enum Interest {
    #[default]
    Nobody,
    One(Recipient),
    Many(Box<Crowd>),
}

/// The form for two subscribers and more, and for shared groups.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    members: Members<QoS>,
    groups: BTreeMap<Box<str>, Group>,
}

impl Interest {
    /// Adds a subscriber or replaces what it was granted; returns what that was.
    pub(crate) fn put(&mut self, recipient: Recipient) -> Option<QoS> {
        match self {
            Self::Nobody => {
                *self = Self::One(recipient);
                None
            }
            Self::One(held) if held.key == recipient.key => Some(std::mem::replace(&mut held.qos, recipient.qos)),
            Self::One(_) => self.with_crowd(|crowd| crowd.members.put(recipient.key, recipient.qos)),
            Self::Many(crowd) => crowd.members.put(recipient.key, recipient.qos),
        }
    }

    pub(crate) fn remove(&mut self, key: SubscriberKey) -> Option<QoS> {
        match self {
            Self::One(held) if held.key == key => {
                let qos = held.qos;
                *self = Self::Nobody;
                Some(qos)
            }
            Self::Nobody | Self::One(_) => None,
            Self::Many(_) => self.with_crowd(|crowd| crowd.members.remove(key)),
        }
    }

    pub(crate) fn join(&mut self, group: &str, recipient: Recipient, online: bool) -> Joined {
        self.with_crowd(|crowd| match crowd.groups.get_mut(group) {
            Some(found) => found.join(recipient, online),
            None => crowd.groups.entry(group.into()).or_default().join(recipient, online),
        })
    }

    pub(crate) fn leave(&mut self, group: &str, key: SubscriberKey) -> Option<QoS> {
        match self {
            Self::Nobody | Self::One(_) => None,
            Self::Many(_) => self.with_crowd(|crowd| {
                let found = crowd.groups.get_mut(group)?;
                let qos = found.leave(key);
                if found.is_empty() {
                    crowd.groups.remove(group);
                }
                qos
            }),
        }
    }

    /// Returns whether that is news.
    pub(crate) fn set_online(&mut self, group: &str, key: SubscriberKey, online: bool) -> bool {
        match self {
            Self::Nobody | Self::One(_) => false,
            Self::Many(crowd) => crowd
                .groups
                .get_mut(group)
                .is_some_and(|group| group.set_online(key, online)),
        }
    }

    pub(crate) fn is_nobody(&self) -> bool {
        matches!(self, Self::Nobody)
    }

    pub(crate) fn add_to(&self, route: &mut Route) {
        match self {
            Self::Nobody => {}
            Self::One(recipient) => route.add(*recipient),
            Self::Many(crowd) => {
                route.expect(crowd.members.len());
                crowd.members.each(|key, qos| route.add(Recipient { key, qos }));
                crowd.groups.values().for_each(|group| route.add_group(group.route()));
            }
        }
    }

    /// Changes the large form, then returns to the smallest one that holds the result.
    fn with_crowd<R>(&mut self, change: impl FnOnce(&mut Crowd) -> R) -> R {
        let mut crowd = match std::mem::take(self) {
            Self::Many(crowd) => crowd,
            Self::One(held) => {
                let mut crowd = Box::<Crowd>::default();
                crowd.members.put(held.key, held.qos);
                crowd
            }
            Self::Nobody => Box::default(),
        };
        let result = change(&mut crowd);
        *self = match crowd.members.only() {
            _ if !crowd.groups.is_empty() => Self::Many(crowd),
            Some((key, qos)) => Self::One(Recipient { key, qos }),
            None if crowd.members.is_empty() => Self::Nobody,
            None => Self::Many(crowd),
        };
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_costs_twenty_four_bytes() {
        assert_eq!(size_of::<Interest>(), 24);
    }

    #[test]
    fn the_smallest_form_is_used_after_every_change() {
        let at = |slot| Recipient {
            key: SubscriberKey {
                shard: 1,
                slot,
                generation: 0,
                kept: crate::Kept::NOT,
            },
            qos: QoS::AtLeastOnce,
        };
        let mut interest = Interest::default();
        interest.put(at(1));
        interest.put(at(2));
        assert!(matches!(interest, Interest::Many(_)));
        interest.remove(at(1).key);
        assert!(matches!(&interest, Interest::One(held) if *held == at(2)));
        interest.join("g", at(2), true);
        interest.remove(at(2).key);
        assert!(matches!(interest, Interest::Many(_)));
        assert_eq!(interest.leave("g", at(2).key), Some(QoS::AtLeastOnce));
        assert!(interest.is_nobody());
    }
}
