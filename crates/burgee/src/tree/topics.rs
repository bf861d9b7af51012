//! What is known of each topic.
//!
//! What must hold: at most so many topics, levels and bytes, whatever comes; what does not fit is counted.
//! Deliberately absent: how it looks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use burgee_client::Message;

/// More topics are only counted.
const MOST: usize = 100_000;

/// What is deeper stands on one line: trees are walked level by level, on the stack.
const DEEPEST: usize = 50;

/// Nodes, and bytes of their names.
const NODES: usize = 4 * MOST;
const NAMES: usize = 64 << 20;

/// More of a value is not kept.
const LONGEST: usize = 256;

/// Over how long a rate is taken, about.
const WINDOW: Duration = Duration::from_secs(10);

/// All topics.
#[derive(Debug, Default)]
pub(super) struct Topics {
    pub(super) root: Node,
    /// Topics that have a value.
    pub(super) count: usize,
    pub(super) messages: u64,
    /// Messages on topics that had no place any more.
    pub(super) unplaced: u64,
    began: Option<Instant>,
    nodes: usize,
    names: usize,
}

/// A level of a topic.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) children: BTreeMap<Box<str>, Node>,
    pub(super) value: Option<Value>,
    /// Topics with a value below this one.
    pub(super) below: usize,
    pub(super) rate: Rate,
}

/// What came last.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) payload: Box<[u8]>,
    /// Of the payload, which may be longer than what is kept.
    pub(super) length: usize,
    pub(super) retained: bool,
    pub(super) messages: u64,
}

impl Topics {
    pub(super) fn add(&mut self, message: &Message, now: Instant) {
        self.messages += 1;
        self.began.get_or_insert(now);
        let topic = message.topic.as_str();
        let is_new = !self.root.holds(topic);
        let is_full = self.count >= MOST || self.nodes >= NODES || self.names + topic.len() > NAMES;
        if is_new && is_full {
            self.unplaced += 1;
            return;
        }
        self.count += usize::from(is_new);
        let mut node = &mut self.root;
        for level in levels(topic) {
            node.below += usize::from(is_new);
            // What the server had kept comes all at once and says nothing of how often it comes.
            if !message.retain {
                node.rate.count(now);
            }
            if !node.children.contains_key(level) {
                node.children.insert(level.into(), Node::default());
                self.nodes += 1;
                self.names += level.len();
            }
            let Some(child) = node.children.get_mut(level) else {
                return;
            };
            node = child;
        }
        if !message.retain {
            node.rate.count(now);
        }
        let kept = message.payload.get(..LONGEST).unwrap_or(&message.payload);
        node.value = Some(Value {
            payload: kept.into(),
            length: message.payload.len(),
            retained: message.retain,
            messages: node.value.as_ref().map_or(0, |value| value.messages) + 1,
        });
    }

    /// How long it has been going on.
    pub(super) fn age(&self, now: Instant) -> Duration {
        self.began
            .map_or(Duration::ZERO, |began| now.saturating_duration_since(began))
    }
}

fn levels(topic: &str) -> impl Iterator<Item = &str> {
    topic.splitn(DEEPEST, '/')
}

impl Node {
    fn holds(&self, topic: &str) -> bool {
        let mut node = self;
        for level in levels(topic) {
            match node.children.get(level) {
                Some(child) => node = child,
                None => return false,
            }
        }
        node.value.is_some()
    }
}

/// Messages a second, over a window that slides in two halves.
#[derive(Debug, Default)]
pub(super) struct Rate {
    since: Option<Instant>,
    before: u32,
    now: u32,
}

impl Rate {
    fn count(&mut self, now: Instant) {
        self.slide(now);
        self.now = self.now.saturating_add(1);
    }

    fn slide(&mut self, now: Instant) {
        let half = WINDOW / 2;
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since);
        if passed >= half * 2 {
            (self.since, self.before, self.now) = (Some(now), 0, 0);
        } else if passed >= half {
            (self.since, self.before, self.now) = (Some(since + half), self.now, 0);
        }
    }

    /// A second's share, over at least a second.
    pub(super) fn per_second(&self, now: Instant, age: Duration) -> f64 {
        let half = (WINDOW / 2).as_secs_f64();
        let Some(since) = self.since else { return 0.0 };
        let passed = now.saturating_duration_since(since).as_secs_f64();
        if passed >= half * 2.0 {
            return 0.0;
        }
        let (counted, span) = if passed >= half {
            (self.now, passed)
        } else {
            (self.before.saturating_add(self.now), passed + half)
        };
        f64::from(counted) / span.min(age.as_secs_f64()).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burgee_client::{QoS, TopicNameBuf};

    fn message(topic: &str, retain: bool) -> Message {
        Message {
            topic: TopicNameBuf::parse(topic).expect("valid"),
            payload: vec![b'x'; 300].into(),
            qos: QoS::AtLeastOnce,
            retain,
            dup: false,
            packet_id: None,
        }
    }

    #[test]
    fn values_and_counts_stand_at_their_levels() {
        let (mut topics, now) = (Topics::default(), Instant::now());
        for topic in ["a/b", "a/b", "a/c/d", "a", "/"] {
            topics.add(&message(topic, true), now);
        }
        assert_eq!((topics.count, topics.messages, topics.root.below), (4, 5, 4));
        let a = topics.root.children.get("a").expect("there");
        assert_eq!((a.below, a.value.as_ref().expect("a value").messages), (2, 1));
        let b = a
            .children
            .get("b")
            .and_then(|node| node.value.as_ref())
            .expect("a value");
        assert_eq!((b.messages, b.payload.len(), b.length), (2, LONGEST, 300));
    }

    #[test]
    fn a_rate_rises_at_once_and_falls_to_nothing() {
        let (mut topics, start) = (Topics::default(), Instant::now());
        for tenth in 0..300 {
            topics.add(&message("t", false), start + Duration::from_millis(100 * tenth));
        }
        let end = start + Duration::from_secs(30);
        let rate = |at| topics.root.rate.per_second(at, topics.age(at));
        assert!((9.0..11.0).contains(&rate(end)), "{}", rate(end));
        assert!(rate(end + Duration::from_secs(20)) < 0.01);
    }

    #[test]
    fn a_deep_topic_ends_in_one_line() {
        let (mut topics, now) = (Topics::default(), Instant::now());
        topics.add(&message(&"/".repeat(60_000), true), now);
        assert_eq!((topics.count, topics.nodes), (1, DEEPEST));
        assert!(topics.names < 60_001);
    }

    #[test]
    fn topics_beyond_the_limit_are_counted_only() {
        let (mut topics, now) = (Topics::default(), Instant::now());
        for number in 0..MOST + 3 {
            topics.add(&message(&format!("t/{number}"), true), now);
        }
        topics.add(&message("t/1", true), now);
        assert_eq!((topics.count, topics.unplaced), (MOST, 3));
    }
}
