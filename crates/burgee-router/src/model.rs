//! What the tests hold the index against: a list of subscriptions, searched from end to end.

use burgee_codec::{QoS, TopicFilter, TopicName};
use proptest::prelude::*;

use crate::{Recipient, Route, SubscriberKey};

/// All subscriptions, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) plain: Vec<(SubscriberKey, String, QoS)>,
    pub(crate) shared: Vec<Membership>,
}

#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) key: SubscriberKey,
    pub(crate) group: String,
    pub(crate) filter: String,
    pub(crate) qos: QoS,
    pub(crate) online: bool,
}

/// A route without its cursors: the recipients, and the candidates of each group.
pub(crate) type Answer = (Vec<Recipient>, Vec<Vec<Recipient>>);

impl Model {
    pub(crate) fn subscribe(&mut self, key: SubscriberKey, filter: &str, qos: QoS) -> Option<QoS> {
        let held = self.plain.iter_mut().find(|held| held.0 == key && held.1 == filter);
        if let Some(held) = held {
            return Some(std::mem::replace(&mut held.2, qos));
        }
        self.plain.push((key, filter.to_owned(), qos));
        None
    }

    pub(crate) fn unsubscribe(&mut self, key: SubscriberKey, filter: &str) -> bool {
        let before = self.plain.len();
        self.plain.retain(|held| held.0 != key || held.1 != filter);
        self.plain.len() < before
    }

    pub(crate) fn join(&mut self, new: Membership) -> Option<QoS> {
        if let Some(held) = self.member(new.key, &new.group, &new.filter) {
            return Some(std::mem::replace(held, new).qos);
        }
        self.shared.push(new);
        None
    }

    pub(crate) fn leave(&mut self, key: SubscriberKey, group: &str, filter: &str) -> bool {
        let before = self.shared.len();
        self.shared
            .retain(|held| held.key != key || held.group != group || held.filter != filter);
        self.shared.len() < before
    }

    pub(crate) fn member(&mut self, key: SubscriberKey, group: &str, filter: &str) -> Option<&mut Membership> {
        self.shared
            .iter_mut()
            .find(|held| held.key == key && held.group == group && held.filter == filter)
    }

    pub(crate) fn answer(&self, topic: TopicName<'_>) -> Answer {
        let mut recipients: Vec<Recipient> = Vec::new();
        for (key, filter, qos) in &self.plain {
            if !matches(filter, topic) {
                continue;
            }
            match recipients.iter_mut().find(|found| found.key == *key) {
                Some(found) => found.qos = found.qos.max(*qos),
                None => recipients.push(Recipient { key: *key, qos: *qos }),
            }
        }
        recipients.sort_by_key(|recipient| recipient.key);

        let mut matching: Vec<_> = self.shared.iter().filter(|held| matches(&held.filter, topic)).collect();
        matching.sort_by_key(|held| (&held.filter, &held.group, held.key));
        let groups = matching
            .chunk_by(|a, b| (&a.filter, &a.group) == (&b.filter, &b.group))
            .map(|group| {
                let nobody = group.iter().all(|member| !member.online);
                let candidates = group.iter().filter(|member| member.online || nobody);
                candidates
                    .map(|member| Recipient {
                        key: member.key,
                        qos: member.qos,
                    })
                    .collect()
            })
            .collect();
        (recipients, sorted(groups))
    }
}

/// A route in the form of the model's answer.
pub(crate) fn answer_of(route: &Route) -> Answer {
    let groups = route.groups().iter().map(|group| group.candidates().to_vec()).collect();
    (route.recipients().to_vec(), sorted(groups))
}

/// Groups of different filters come in no promised order.
fn sorted(mut groups: Vec<Vec<Recipient>>) -> Vec<Vec<Recipient>> {
    groups.sort_by_key(|group| group.iter().map(|member| (member.key, member.qos)).collect::<Vec<_>>());
    groups
}

fn matches(filter: &str, topic: TopicName<'_>) -> bool {
    TopicFilter::parse(filter).unwrap().matches(topic)
}

/// The levels that random names are made of: few, so that they meet; some awkward.
const LEVELS: [&str; 8] = [
    "a",
    "b",
    "",
    "a!",
    "0",
    "$x",
    "ä",
    "a level of more than fourteen bytes",
];

/// Random topic names.
pub(crate) fn topics() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&LEVELS[..]), 1..5).prop_map(|levels| not_empty(&levels))
}

/// Random filters, with and without wildcards.
pub(crate) fn filters() -> impl Strategy<Value = String> {
    let level = prop_oneof![2 => prop::sample::select(&LEVELS[..]), 1 => Just("+")];
    (prop::collection::vec(level, 0..5), any::<bool>()).prop_map(|(mut levels, tail)| {
        levels.extend(tail.then_some("#"));
        not_empty(&levels)
    })
}

fn not_empty(levels: &[&str]) -> String {
    let text = levels.join("/");
    if text.is_empty() { "/".to_owned() } else { text }
}

/// Random qualities of service.
pub(crate) fn qualities() -> impl Strategy<Value = QoS> {
    prop::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

/// A subscriber by number.
pub(crate) fn key(number: u32) -> SubscriberKey {
    SubscriberKey {
        shard: u16::from(number.is_multiple_of(2)),
        slot: number,
        generation: number / 3,
        kept: crate::Kept::new(u64::from(number % 4) << 30),
    }
}
