//! What one client may do, and what was found out about that last.
//!
//! What must hold: a decision that is remembered is of the rules in force; whoever no rules hold for has none of this, and
//! pays for looking. Deliberately absent: what follows from a denial; see the verbs.

use core::net::IpAddr;
use std::sync::Arc;

use burgee_access::{Action, Decision, Place, Rules, Who};
use burgee_codec::QoS;
use burgee_protocol::Time;

use crate::io::{ConnKey, Event};

/// A longer topic is not remembered: what is kept for each client has to be little.
const LONGEST: usize = 1024;

/// After a denial was told, its client's next ones are only counted for so many milliseconds.
const QUIET_MS: u64 = 10_000;
/// Characters of a topic that are told.
const SHOWN: usize = 200;

/// Something that was denied, with its topic or filter.
#[derive(Debug)]
pub(crate) enum Denied<'a> {
    /// What was looked up last for publishing.
    Publish(&'a str),
    Subscribe(&'a str, Found),
    /// What was looked up last for receiving.
    Receive(&'a str),
}

/// The last topic that was asked about.
#[derive(Debug, Default)]
struct Known {
    topic: String,
    retain: bool,
    found: Option<Found>,
}

/// A decision, and whose.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Found {
    pub(crate) decision: Decision,
    /// By a rule of the client's own.
    own: bool,
}

/// Who a client is, for rules.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) user: Option<Arc<str>>,
    pub(crate) client_id: Box<str>,
    pub(crate) address: Option<IpAddr>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Access {
    name: Name,
    /// The client's own rules, which come first.
    own: Option<Arc<Rules>>,
    common: Option<Arc<Rules>>,
    publish: Known,
    receive: Known,
    /// Until then its denials are not told.
    quiet: Time,
    /// Denials since something was told.
    untold: u64,
}

impl Access {
    /// `None` if no rules hold for this client.
    pub(crate) fn new(name: Name, own: Option<Arc<Rules>>, common: Option<Arc<Rules>>) -> Option<Box<Self>> {
        (own.is_some() || common.is_some()).then(|| {
            Box::new(Self {
                name,
                own,
                common,
                publish: Known::default(),
                receive: Known::default(),
                quiet: Time::ZERO,
                untold: 0,
            })
        })
    }

    /// The client's own rules.
    pub(crate) const fn own(&self) -> Option<&Arc<Rules>> {
        self.own.as_ref()
    }

    /// Whether it is known that a message without RETAIN may be published there.
    #[inline]
    pub(crate) fn is_known_to_allow(&self, topic: &[u8], qos: QoS) -> bool {
        let known = &self.publish;
        known.topic.as_bytes() == topic && !known.retain && known.found.is_some_and(|found| found.decision.allows(qos))
    }

    /// What holds for publishing there.
    pub(crate) fn publish(&mut self, topic: &str, retain: bool, lookups: &mut u64) -> Decision {
        if self.publish.topic != topic || self.publish.retain != retain || self.publish.found.is_none() {
            let found = self.look_up(Action::Publish, topic, retain, lookups);
            self.publish.learn(topic, retain, found);
        }
        self.publish.found.map_or(Decision::NO_RULE, |found| found.decision)
    }

    /// Whether a message of this topic may be sent to it.
    #[inline]
    pub(crate) fn may_receive(&mut self, topic: &str, lookups: &mut u64) -> bool {
        if self.receive.topic != topic || self.receive.found.is_none() {
            let found = self.look_up(Action::Receive, topic, false, lookups);
            self.receive.learn(topic, false, found);
        }
        self.receive.found.is_some_and(|found| found.decision.allowed)
    }

    /// What holds for subscribing to this filter.
    pub(crate) fn subscribe(&self, filter: &str, lookups: &mut u64) -> Found {
        self.look_up(Action::Subscribe, filter, false, lookups)
    }

    /// Something was denied: what is told of it, unless something was a short time ago.
    pub(crate) fn tell(&mut self, now: Time, conn: ConnKey, denied: &Denied<'_>) -> Option<Event> {
        if self.quiet > now {
            self.untold += 1;
            return None;
        }
        self.quiet = now.plus_millis(QUIET_MS);
        let (action, found) = match denied {
            Denied::Publish(_) => (Action::Publish, self.publish.found),
            Denied::Subscribe(_, found) => (Action::Subscribe, Some(*found)),
            Denied::Receive(_) => (Action::Receive, self.receive.found),
        };
        let (Denied::Publish(topic) | Denied::Subscribe(topic, _) | Denied::Receive(topic)) = denied;
        Some(Event::Denied {
            conn,
            client_id: self.name.client_id.clone(),
            user: self.name.user.clone(),
            action,
            topic: topic.chars().take(SHOWN).collect(),
            rule: found.and_then(|found| self.place(found)),
            untold: core::mem::take(&mut self.untold),
        })
    }

    fn place(&self, found: Found) -> Option<Place> {
        let rules = if found.own { &self.own } else { &self.common };
        let rule = rules.as_ref()?.rule(found.decision.rule?)?;
        Some(rule.place.clone())
    }

    fn look_up(&self, action: Action, name: &str, retain: bool, lookups: &mut u64) -> Found {
        *lookups += 1;
        let who = Who {
            user: self.name.user.as_deref(),
            client_id: &self.name.client_id,
            address: self.name.address,
        };
        let ask = |rules: &Option<Arc<Rules>>| {
            rules
                .as_ref()
                .and_then(|rules| rules.decide(&who, action, name, retain))
        };
        if let Some(decision) = ask(&self.own) {
            return Found { decision, own: true };
        }
        let decision = match (&self.common, ask(&self.common)) {
            (_, Some(decision)) => decision,
            (Some(_), None) => Decision::NO_RULE,
            // Its own rules say nothing of it, and there are no others.
            (None, None) => Decision {
                allowed: true,
                max_qos: QoS::ExactlyOnce,
                ..Decision::NO_RULE
            },
        };
        Found { decision, own: false }
    }
}

impl Known {
    fn learn(&mut self, topic: &str, retain: bool, found: Found) {
        self.topic.clear();
        if topic.len() <= LONGEST {
            self.topic.push_str(topic);
        }
        (self.retain, self.found) = (retain, Some(found));
    }
}
