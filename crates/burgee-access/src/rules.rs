//! Many rules, compiled: which one decides.
//!
//! What must hold: the first rule that fits decides, as if the list were read from top to bottom. A question costs what the
//! rules cost whose user or client may be the asker's and whose topics fit, not what the list is long. Deliberately
//! absent: what happens where no rule fits; whoever has several lists knows.

use std::collections::BTreeMap;

use burgee_codec::QoS;

use crate::actions::Action;
use crate::glob::Glob;
use crate::index::{Index, RuleNo, Search};
use crate::pattern::TopicPattern;
use crate::rule::{Effect, Reply, Rule, Topics, Users};
use crate::who::Who;

/// What was decided, and by which rule.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// Whether it is allowed, up to `max_qos`.
    pub allowed: bool,
    /// See [`Rule::max_qos`].
    pub max_qos: QoS,
    /// See [`Rule::reply`].
    pub reply: Reply,
    /// The rule's place in its list; `None`: none fits.
    pub rule: Option<u32>,
}

impl Decision {
    /// Where there are rules and none fits.
    pub const NO_RULE: Self = Self {
        allowed: false,
        max_qos: QoS::AtMostOnce,
        reply: Reply::Acknowledge,
        rule: None,
    };

    /// Whether a message may be published with this QoS.
    #[must_use]
    pub fn allows(&self, qos: QoS) -> bool {
        self.allowed && qos <= self.max_qos
    }
}

/// Rules for those who share a name.
#[derive(Debug, Default)]
struct Bucket {
    index: Index,
    /// Rules with the client's names in their topics, in order.
    named: Vec<RuleNo>,
}

/// See the module.
#[derive(Debug)]
pub struct Rules {
    list: Vec<Rule>,
    of_user: BTreeMap<Box<str>, Bucket>,
    of_client: BTreeMap<Box<str>, Bucket>,
    anonymous: Bucket,
    others: Bucket,
}

impl Rules {
    /// Compiles a list; its order is what matters.
    #[must_use]
    pub fn new(list: Vec<Rule>) -> Self {
        let mut rules = Self {
            list: Vec::new(),
            of_user: BTreeMap::new(),
            of_client: BTreeMap::new(),
            anonymous: Bucket::default(),
            others: Bucket::default(),
        };
        for (number, rule) in (0..).zip(&list) {
            rules.insert(number, rule);
        }
        rules.list = list;
        rules
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// None: everything is denied.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// A rule by its place in the list.
    #[must_use]
    pub fn rule(&self, number: u32) -> Option<&Rule> {
        self.list.get(number as usize)
    }

    /// What the first rule says that fits. `name` is a topic name, or for [`Action::Subscribe`] a filter; `retain` is the
    /// RETAIN flag of what is published. `None`: no rule fits.
    #[must_use]
    pub fn decide(&self, who: &Who<'_>, action: Action, name: &str, retain: bool) -> Option<Decision> {
        self.search(who, (action, retain), name).0
    }

    /// How many rules a question looks at: for tests.
    #[must_use]
    pub fn looked_at(&self, who: &Who<'_>, action: Action, name: &str, retain: bool) -> u32 {
        self.search(who, (action, retain), name).1
    }

    fn search(&self, who: &Who<'_>, (action, retain): (Action, bool), name: &str) -> (Option<Decision>, u32) {
        let (wildcard, slash) = (who.has(&['+', '#']), who.has(&['/']));
        let is_safe = |rule: &Rule| !wildcard && (!slash || rule.any_levels);
        let takes = |number: RuleNo| {
            self.rule(number).is_some_and(|rule| {
                rule.actions.has(action)
                    && rule
                        .retain
                        .is_none_or(|wanted| action != Action::Publish || wanted == retain)
                    && is_for(rule, who)
                    && (!rule.only_unsafe || wildcard)
            })
        };
        let mut search = Search {
            who,
            takes: |number: RuleNo| {
                takes(number) && self.rule(number).is_some_and(|rule| is_safe(rule) || !rule.has_names())
            },
            best: None,
            looked_at: 0,
        };
        let of_user = who.user.map_or(Some(&self.anonymous), |user| self.of_user.get(user));
        let of_client = self.of_client.get(who.client_id);
        let buckets = [of_user, of_client, Some(&self.others)].into_iter().flatten();
        for bucket in buckets.clone() {
            bucket.index.search(name, &mut search);
        }
        let (mut best, mut looked_at) = (search.best, search.looked_at);
        if wildcard || slash {
            // Whoever has a name that no rule may put into a topic is denied by the first that would.
            let mut search = Search {
                who,
                takes: |number: RuleNo| {
                    takes(number) && self.rule(number).is_some_and(|rule| asks(rule, who) && !is_safe(rule))
                },
                best,
                looked_at,
            };
            for bucket in buckets {
                search.look(&bucket.named);
            }
            looked_at = search.looked_at;
            if search.best != best {
                best = search.best;
                let denied = Decision {
                    rule: best,
                    ..Decision::NO_RULE
                };
                return (Some(denied), looked_at);
            }
        }
        let decision = best.and_then(|number| Some((number, self.rule(number)?)));
        let decision = decision.map(|(number, rule)| Decision {
            allowed: rule.effect == Effect::Allow,
            max_qos: rule.max_qos,
            reply: rule.reply,
            rule: Some(number),
        });
        (decision, looked_at)
    }

    fn insert(&mut self, number: RuleNo, rule: &Rule) {
        let exact = |globs: &[Glob]| -> Option<Vec<Box<str>>> {
            globs.iter().map(|glob| glob.exact().map(Box::from)).collect()
        };
        let users = match &rule.users {
            Users::Matching(globs) => exact(globs),
            Users::Everybody | Users::Anonymous | Users::Named => None,
        };
        let clients = Some(&rule.clients)
            .filter(|clients| !clients.is_empty())
            .and_then(|clients| exact(clients));
        if rule.users == Users::Anonymous {
            self.anonymous.insert(number, rule);
        } else if let Some(users) = users {
            for user in users {
                self.of_user.entry(user).or_default().insert(number, rule);
            }
        } else if let Some(clients) = clients {
            for client in clients {
                self.of_client.entry(client).or_default().insert(number, rule);
            }
        } else {
            self.others.insert(number, rule);
        }
    }
}

impl Bucket {
    fn insert(&mut self, number: RuleNo, rule: &Rule) {
        match &rule.topics {
            Topics::All => self.index.insert_all(number),
            Topics::Matching(patterns) => {
                for pattern in patterns {
                    self.index.insert(pattern, number);
                }
            }
        }
        if rule.has_names() && self.named.last() != Some(&number) {
            self.named.push(number);
        }
    }
}

/// Whether a rule is for somebody, whatever it says of topics.
pub(crate) fn is_for(rule: &Rule, who: &Who<'_>) -> bool {
    let user = rule.users.has(who.user);
    let client = rule.clients.is_empty() || rule.clients.iter().any(|glob| glob.fits(who.client_id));
    let inside = |address| rule.addresses.iter().any(|range| range.has(address));
    user && client && (rule.addresses.is_empty() || who.address.is_some_and(inside))
}

/// Whether a rule asks for a name that the client has.
fn asks(rule: &Rule, who: &Who<'_>) -> bool {
    let asks = |pattern: &TopicPattern| pattern.has_client() || (pattern.has_user() && who.user.is_some());
    match &rule.topics {
        Topics::All => false,
        Topics::Matching(patterns) => patterns.iter().any(asks),
    }
}
