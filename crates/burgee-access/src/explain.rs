//! Why something is allowed or denied, for a person.
//!
//! What must hold: it says what the broker would do, from the same code. Deliberately absent: a second opinion.

use core::fmt;

use burgee_codec::{QoS, TopicFilter, TopicName};

use crate::actions::Action;
use crate::rule::{Effect, Rule};
use crate::rules::{Decision, Rules};
use crate::who::Who;

/// What somebody wants.
#[derive(Copy, Clone, Debug)]
pub enum Request<'a> {
    /// To publish.
    Publish {
        /// Where.
        topic: TopicName<'a>,
        /// With which QoS.
        qos: QoS,
        /// With RETAIN.
        retain: bool,
    },
    /// To subscribe.
    Subscribe {
        /// To what.
        filter: TopicFilter<'a>,
        /// With which QoS.
        qos: QoS,
    },
    /// To be sent a message.
    Receive {
        /// Its topic.
        topic: TopicName<'a>,
    },
}

impl Request<'_> {
    fn parts(&self) -> (Action, &str, bool, QoS) {
        match self {
            Self::Publish { topic, qos, retain } => (Action::Publish, topic.as_str(), *retain, *qos),
            Self::Subscribe { filter, qos } => (Action::Subscribe, without_group(*filter), false, *qos),
            Self::Receive { topic } => (Action::Receive, topic.as_str(), false, QoS::AtMostOnce),
        }
    }
}

/// What a filter subscribes to: that of a shared subscription is what follows the group.
fn without_group(filter: TopicFilter<'_>) -> &str {
    match burgee_codec::SharedFilter::parse(filter) {
        Some(Ok(shared)) => shared.filter.as_str(),
        Some(Err(_)) | None => filter.as_str(),
    }
}

/// See the module. `Display` says it in a sentence.
#[derive(Copy, Clone, Debug)]
pub struct Explanation<'a> {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The QoS that a subscription is granted.
    pub granted: QoS,
    /// What was decided; not yet with the QoS.
    pub decision: Decision,
    /// The rule that decided.
    pub rule: Option<&'a Rule>,
}

impl Rules {
    /// Explains what these rules alone say.
    #[must_use]
    pub fn explain(&self, who: &Who<'_>, request: &Request<'_>) -> Explanation<'_> {
        let (action, name, retain, qos) = request.parts();
        let decision = self.decide(who, action, name, retain).unwrap_or(Decision::NO_RULE);
        let publishes = action == Action::Publish;
        Explanation {
            allowed: if publishes {
                decision.allows(qos)
            } else {
                decision.allowed
            },
            granted: qos.min(decision.max_qos),
            decision,
            rule: decision.rule.and_then(|number| self.rule(number)),
        }
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.allowed { "allowed" } else { "denied" })?;
        let Some(rule) = self.rule else {
            return f.write_str(": no rule fits, and what no rule allows is denied");
        };
        write!(f, " by {}: {rule}", rule.place)?;
        let why = match (self.allowed, rule.effect, self.decision.allowed) {
            (true, _, _) if rule.max_qos < QoS::ExactlyOnce => return write!(f, "; QoS {}", self.granted.bits()),
            (false, Effect::Allow, true) => "; the QoS is greater",
            (false, Effect::Allow, false) => {
                "; the user name or the client identifier has \"+\", \"#\" or \"/\" in it, which no rule puts into a topic"
            }
            (true, _, _) | (false, Effect::Deny, _) => "",
        };
        f.write_str(why)
    }
}
