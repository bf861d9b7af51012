//! Access rules of a world: as the broker is given them, and as the oracle reads them.
//!
//! What must hold: the oracle's reading is the definition, a list from top to bottom, and shares no code with the compiled
//! rules. Deliberately absent: which users there are; see `house`.

use std::sync::Arc;

use burgee_access::{Actions, Effect, Place, Rule, Rules, Topics, Users};
use burgee_codec::QoS;
use burgee_core::{Policy, Rate, UserLimits};

use crate::rng::Rng;

/// What a client wants.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Wish {
    /// To publish.
    Publish,
    /// To subscribe.
    Subscribe,
    /// To be sent something.
    Receive,
}

/// Who wants something.
#[derive(Copy, Clone, Debug)]
pub struct Who<'a> {
    /// The client identifier.
    pub client: &'a str,
    /// The user name, proven.
    pub user: Option<&'a str>,
}

/// One rule.
#[derive(Clone, Debug)]
struct Clause {
    allows: bool,
    wishes: Vec<Wish>,
    /// `None`: everybody.
    client: Option<String>,
    /// `None`: everybody, with a user name or without.
    user: Option<String>,
    /// `None`: all topics.
    filter: Option<&'static str>,
    most: QoS,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Law {
    /// `None`: everything is allowed.
    clauses: Option<Vec<Clause>>,
}

const FILTERS: [&str; 12] = [
    "a", "a/#", "a/b", "+/b", "+", "b/#", "#", "$x/#", "$SYS/#", "own/%c", "%c/#", "a/+/c",
];

impl Law {
    /// Some law for a world of so many clients.
    #[must_use]
    pub fn draw(rng: &mut Rng, devices: usize) -> Self {
        let mut clauses: Vec<Clause> = (0..rng.size(0, 6)).map(|_| Clause::draw(rng, devices)).collect();
        if rng.percent(70) {
            clauses.push(Clause::for_all());
        }
        Self { clauses: Some(clauses) }
    }

    /// A law that forbids nothing: one without rules, or one with a rule that allows everything.
    #[must_use]
    pub fn open(rng: &mut Rng) -> Self {
        let clauses = rng.percent(50).then(|| vec![Clause::for_all()]);
        Self { clauses }
    }

    /// Some of its rules are for one of so many users.
    pub fn name_users(&mut self, rng: &mut Rng, users: u64) {
        for clause in self
            .clauses
            .iter_mut()
            .flatten()
            .filter(|clause| clause.filter.is_some())
        {
            clause.user = rng.percent(35).then(|| format!("u{}", rng.below(users)));
        }
    }

    /// The QoS up to which something is allowed. `None`: it is not.
    #[must_use]
    pub fn allows(&self, who: Who<'_>, wish: Wish, name: &str) -> Option<QoS> {
        let Some(clauses) = &self.clauses else {
            return Some(QoS::ExactlyOnce);
        };
        let clause = clauses.iter().find(|clause| clause.fits(who, wish, name))?;
        clause.allows.then_some(clause.most)
    }

    /// The same for the broker.
    #[must_use]
    pub fn to_policy(&self, rate: Option<Rate>) -> Arc<Policy> {
        let rules = self.clauses.as_ref().map(|clauses| {
            let list = (1..).zip(clauses).map(|(line, clause)| clause.to_rule(line));
            Arc::new(Rules::new(list.collect()))
        });
        let limits = rate.map(|publish| UserLimits {
            publish,
            ..UserLimits::new(Users::Everybody)
        });
        Arc::new(Policy {
            rules,
            limits: limits.into_iter().collect(),
            ..Policy::default()
        })
    }
}

impl Clause {
    const fn for_all() -> Self {
        Self {
            allows: true,
            wishes: Vec::new(),
            client: None,
            user: None,
            filter: None,
            most: QoS::ExactlyOnce,
        }
    }

    fn draw(rng: &mut Rng, devices: usize) -> Self {
        let client = rng.percent(40).then(|| format!("d{}", rng.below(devices as u64)));
        Self {
            allows: rng.percent(40),
            // None means all.
            wishes: rng
                .pick(&[
                    vec![Wish::Publish],
                    vec![Wish::Receive],
                    vec![Wish::Receive],
                    vec![Wish::Subscribe, Wish::Receive],
                    vec![Wish::Subscribe],
                    Vec::new(),
                ])
                .clone(),
            client,
            user: None,
            filter: rng.percent(95).then(|| *rng.pick(&FILTERS)),
            most: *rng.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce]),
        }
    }

    fn fits(&self, who: Who<'_>, wish: Wish, name: &str) -> bool {
        let wanted = self.wishes.is_empty() || self.wishes.contains(&wish);
        let here = self.client.as_deref().is_none_or(|only| only == who.client)
            && (self.user.is_none() || self.user.as_deref() == who.user);
        wanted
            && here
            && self
                .filter
                .is_none_or(|filter| covers(&filter.replace("%c", who.client), name))
    }

    fn to_rule(&self, line: u32) -> Rule {
        let bits = |wish: &Wish| match wish {
            Wish::Publish => Actions::PUBLISH,
            Wish::Subscribe => Actions::SUBSCRIBE,
            Wish::Receive => Actions::RECEIVE,
        };
        let actions = self
            .wishes
            .iter()
            .map(bits)
            .reduce(Actions::and)
            .unwrap_or(Actions::ALL);
        let topics = self.filter.and_then(|filter| filter.parse().ok());
        let topics = topics.map_or(Topics::All, |filter| Topics::Matching(vec![filter]));
        let file = Arc::from("law");
        let mut rule = Rule::allow(actions, topics, Place { file, line });
        if !self.allows {
            rule.effect = Effect::Deny;
        }
        rule.clients = self.client.iter().filter_map(|client| client.parse().ok()).collect();
        if let Some(user) = self.user.as_ref().and_then(|user| user.parse().ok()) {
            rule.users = Users::Matching(vec![user]);
        }
        rule.max_qos = self.most;
        rule
    }
}

/// Whether a filter matches a name, or all that another filter matches.
fn covers(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let (filter, name): (Vec<&str>, Vec<&str>) = (filter.split('/').collect(), name.split('/').collect());
    for (at, level) in filter.iter().enumerate() {
        match (*level, name.get(at).copied()) {
            ("#", _) => return true,
            (_, None | Some("#")) => return false,
            ("+", Some(_)) => {}
            (level, Some(other)) if level == other => {}
            (_, Some(_)) => return false,
        }
    }
    filter.len() == name.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_covers_what_it_says() {
        for (filter, name, expected) in [
            ("a/#", "a", true),
            ("a/#", "a/+", true),
            ("a/+", "a/#", false),
            ("#", "#", true),
            ("#", "$x/a", false),
            ("+/b", "+/b", true),
            ("a/b", "a/+", false),
            ("$x/#", "$x", true),
            ("a", "a/b", false),
        ] {
            assert_eq!(covers(filter, name), expected, "{filter} {name}");
        }
    }
}
