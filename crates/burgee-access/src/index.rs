//! The topics of many rules as one tree of levels, so that a question looks only at rules whose topics fit.
//!
//! What must hold: it finds the first rule, in the order of the list, whose topics fit and that the asker takes. A question
//! is a topic name, or a filter, which fits a rule whose filter matches all that it matches. Deliberately absent: whom a
//! rule is for; the asker knows.

use std::collections::BTreeMap;

use crate::pattern::{TopicPattern, behind, has_names};
use crate::who::Who;

/// A rule's place in its list.
pub(crate) type RuleNo = u32;

/// One level of the topics of some rules.
#[derive(Debug)]
struct Node {
    /// The first of all rules from here on.
    least: RuleNo,
    literal: BTreeMap<Box<str>, usize>,
    /// Levels with the client's names in them.
    named: Vec<(Box<str>, usize)>,
    plus: Option<usize>,
    /// Rules whose filter ends here, in order.
    here: Vec<RuleNo>,
    /// Rules whose filter goes on with `#`, in order.
    below: Vec<RuleNo>,
}

impl Node {
    const fn new(least: RuleNo) -> Self {
        Self {
            least,
            literal: BTreeMap::new(),
            named: Vec::new(),
            plus: None,
            here: Vec::new(),
            below: Vec::new(),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Index {
    nodes: Vec<Node>,
    /// Rules for all topics, in order.
    all: Vec<RuleNo>,
}

/// What is looked for, and the best so far.
#[derive(Debug)]
pub(crate) struct Search<'a, F> {
    pub(crate) who: &'a Who<'a>,
    /// Whether a rule is for what is asked, its topics aside.
    pub(crate) takes: F,
    /// The first rule found.
    pub(crate) best: Option<RuleNo>,
    /// How many rules were looked at.
    pub(crate) looked_at: u32,
}

impl<F: Fn(RuleNo) -> bool> Search<'_, F> {
    fn is_beaten(&self, rule: RuleNo) -> bool {
        self.best.is_some_and(|best| best <= rule)
    }

    pub(crate) fn look(&mut self, rules: &[RuleNo]) {
        for rule in rules {
            if self.is_beaten(*rule) {
                return;
            }
            self.looked_at += 1;
            if (self.takes)(*rule) {
                self.best = Some(*rule);
                return;
            }
        }
    }
}

impl Index {
    /// Rules have to come in their order.
    pub(crate) fn insert_all(&mut self, rule: RuleNo) {
        self.all.push(rule);
    }

    /// Rules have to come in their order.
    pub(crate) fn insert(&mut self, pattern: &TopicPattern, rule: RuleNo) {
        let mut at = 0;
        if self.nodes.is_empty() {
            self.nodes.push(Node::new(rule));
        }
        for level in pattern.as_str().split('/') {
            if level == "#" {
                if let Some(node) = self.nodes.get_mut(at) {
                    push(&mut node.below, rule);
                }
                return;
            }
            at = self.child(at, (level, pattern.has_names() && has_names(level)), rule);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            push(&mut node.here, rule);
        }
    }

    fn child(&mut self, at: usize, (level, is_named): (&str, bool), rule: RuleNo) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        let found = if level == "+" {
            *node.plus.get_or_insert(next)
        } else if is_named {
            let known = node.named.iter().find(|(text, _)| **text == *level).map(|(_, at)| *at);
            known.unwrap_or_else(|| {
                node.named.push((level.into(), next));
                next
            })
        } else if let Some(found) = node.literal.get(level) {
            *found
        } else {
            node.literal.insert(level.into(), next);
            next
        };
        if found == next {
            self.nodes.push(Node::new(rule));
        }
        found
    }

    /// Looks for the first rule for `name`, a topic name or a filter.
    pub(crate) fn search<F: Fn(RuleNo) -> bool>(&self, name: &str, search: &mut Search<'_, F>) {
        search.look(&self.all);
        if !self.nodes.is_empty() {
            self.walk((0, true), Some(name), search);
        }
    }

    /// `rest` is what follows; `None`: nothing does. No deeper than a pattern has levels.
    fn walk<F: Fn(RuleNo) -> bool>(&self, (at, first): (usize, bool), rest: Option<&str>, search: &mut Search<'_, F>) {
        let Some(node) = self.nodes.get(at).filter(|node| !search.is_beaten(node.least)) else {
            return;
        };
        // [MQTT-4.7.2-1] a wildcard in front does not match a topic that begins with $.
        let open = !(first && rest.is_some_and(|rest| rest.starts_with('$')));
        if open {
            search.look(&node.below);
        }
        let Some(rest) = rest else {
            search.look(&node.here);
            return;
        };
        let (level, tail) = match rest.split_once('/') {
            Some((level, tail)) => (level, Some(tail)),
            None => (rest, None),
        };
        if level == "#" {
            // Only what goes on with # covers a filter that does.
            return;
        }
        if level != "+"
            && let Some(child) = node.literal.get(level)
        {
            self.walk((*child, false), tail, search);
        }
        if open && let Some(child) = node.plus {
            self.walk((child, false), tail, search);
        }
        for (text, child) in &node.named {
            // Nor does a name that begins so.
            let may = open || text.starts_with('$');
            match behind(text, search.who, rest).filter(|_| may) {
                Some("") => self.walk((*child, false), None, search),
                Some(tail) => {
                    if let Some(tail) = tail.strip_prefix('/') {
                        self.walk((*child, false), Some(tail), search);
                    }
                }
                None => {}
            }
        }
    }
}

/// A rule with two filters that are the same is one.
fn push(rules: &mut Vec<RuleNo>, rule: RuleNo) {
    if rules.last() != Some(&rule) {
        rules.push(rule);
    }
}
