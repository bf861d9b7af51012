//! Retained messages against a sorted list, page by page.

use std::collections::BTreeMap;

use burgee_codec::TopicNameBuf;
use proptest::prelude::*;

use super::*;
use crate::model::{filters, topics};

#[derive(Debug)]
struct Message {
    topic: TopicNameBuf,
    body: u32,
}

impl Topical for Message {
    fn topic(&self) -> TopicName<'_> {
        self.topic.as_ref()
    }
}

type Retained = RetainedIndex<Arc<Message>>;

fn message(topic: &str, body: u32) -> Arc<Message> {
    Arc::new(Message {
        topic: TopicNameBuf::parse(topic).unwrap(),
        body,
    })
}

fn name(text: &str) -> TopicName<'_> {
    TopicName::parse(text).unwrap()
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).unwrap()
}

fn store(topics: &[&str]) -> Retained {
    let retained = Retained::new();
    for topic in topics {
        assert!(retained.set(message(topic, 0)).is_none());
    }
    retained
}

/// All matches, and how many messages were looked at.
fn search(retained: &Retained, text: &str) -> (Vec<String>, usize) {
    let (mut cursor, mut out, mut looks) = (RetainedCursor::default(), Vec::new(), 0);
    while !retained.page(filter(text), &mut cursor, 1, &mut out) {
        looks += 1;
        assert!(looks < 1_000_000, "no end");
    }
    (
        out.iter().map(|message| message.topic.as_str().to_owned()).collect(),
        looks,
    )
}

#[test]
fn one_message_for_each_topic_and_the_last_one_stays() {
    let retained = Retained::new();
    assert!(retained.is_empty());
    assert!(retained.set(message("a", 1)).is_none());
    assert_eq!(retained.set(message("a", 2)).unwrap().body, 1);
    assert!(retained.set(message("a/b", 3)).is_none());
    assert_eq!(retained.get(name("a")).unwrap().body, 2);
    assert!(retained.get(name("a/")).is_none());
    assert_eq!(retained.len(), 2);
    assert_eq!(retained.remove(name("a")).unwrap().body, 2);
    assert!(retained.remove(name("a")).is_none());
    assert_eq!(retained.len(), 1);
}

#[test]
fn mqtt_4_7_2_1_leading_wildcard_does_not_match_dollar() {
    let retained = store(&["!", "$", "$SYS", "$SYS/x", "$x", "%", "a", "a/$x"]);
    assert_eq!(search(&retained, "#").0, ["!", "%", "a", "a/$x"]);
    assert_eq!(search(&retained, "+").0, ["!", "%", "a"]);
    assert_eq!(search(&retained, "+/x").0, [""; 0]);
    assert_eq!(search(&retained, "a/+").0, ["a/$x"]);
    assert_eq!(search(&retained, "$SYS/#").0, ["$SYS", "$SYS/x"]);
    assert_eq!(search(&retained, "$SYS/+").0, ["$SYS/x"]);
}

#[test]
fn what_lies_between_a_level_and_what_is_under_it_is_no_obstacle() {
    let retained = store(&["a", "a!", "a!/b", "a/", "a/b", "a/b!/c", "a/b/c", "a0", "a0/b", "b"]);
    assert_eq!(search(&retained, "a/#").0, ["a", "a/", "a/b", "a/b!/c", "a/b/c"]);
    assert_eq!(search(&retained, "a/b/#").0, ["a/b", "a/b/c"]);
    assert_eq!(search(&retained, "+/b").0, ["a!/b", "a/b", "a0/b"]);
    assert_eq!(search(&retained, "+/+/c").0, ["a/b!/c", "a/b/c"]);
    assert_eq!(search(&retained, "a/b").0, ["a/b"]);
}

#[test]
fn a_search_jumps_over_what_cannot_match() {
    let retained = Retained::new();
    for number in 0..1_000 {
        retained.set(message(&format!("$SYS/{number}"), 0));
        retained.set(message(&format!("zoo/{number}"), 0));
        for inner in 0..50 {
            retained.set(message(&format!("dev/{number}/{inner}/deep"), 0));
        }
        retained.set(message(&format!("dev/{number}/state"), 0));
    }
    let looks = |text: &str, found: usize| {
        let (topics, looks) = search(&retained, text);
        assert_eq!(topics.len(), found, "{text}");
        looks
    };
    // Of 53,000 messages.
    assert!(looks("+", 0) <= 10);
    assert!(looks("zoo/7", 1) <= 4);
    assert!(looks("nothing/+/here", 0) <= 2);
    assert!(looks("dev/500/+", 1) <= 60);
    assert!(looks("dev/+/state", 1_000) <= 3_010);
    assert!(looks("+/+/state", 1_000) <= 5_010);
    assert_eq!(looks("$SYS/#", 1_000), 1_000);
    assert!(looks("#", 52_000) <= 52_005);
}

#[test]
fn a_long_topic_and_a_long_filter_meet() {
    let slashes = "/".repeat(65_535);
    let plus = vec!["+"; 32_768].join("/");
    let retained = store(&[&slashes, &slashes[..32_767]]);
    assert_eq!(search(&retained, &plus).0, [&slashes[..32_767]]);
    assert_eq!(search(&retained, "#").0.len(), 2);
}

/// What happens between two pages.
#[derive(Clone, Debug)]
enum Event {
    Set(String),
    Remove(String),
    RemoveStored(prop::sample::Index),
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        topics().prop_map(Event::Set),
        topics().prop_map(Event::Remove),
        any::<prop::sample::Index>().prop_map(Event::RemoveStored),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn a_search_finds_what_the_filter_matches_in_order(
        stored in prop::collection::btree_set(topics(), 0..40),
        wanted in filters(),
        budget in 0_usize..7,
    ) {
        let retained = store(&stored.iter().map(String::as_str).collect::<Vec<_>>());
        let (mut cursor, mut out) = (RetainedCursor::default(), Vec::new());
        for _ in 0..1_000 {
            let before = out.len();
            let done = retained.page(filter(&wanted), &mut cursor, budget, &mut out);
            prop_assert!(out.len() - before <= budget.max(1));
            if done {
                break;
            }
        }
        prop_assert!(retained.page(filter(&wanted), &mut cursor, 9, &mut out), "it stays at the end");
        let found: Vec<_> = out.iter().map(|message| message.topic.as_str()).collect();
        let expected: Vec<_> = stored.iter().filter(|topic| filter(&wanted).matches(name(topic))).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn changes_between_pages_neither_hide_nor_repeat_the_others(
        stored in prop::collection::btree_set(topics(), 0..40),
        wanted in filters(),
        pages in prop::collection::vec((1_usize..4, prop::collection::vec(events(), 0..4)), 0..40),
    ) {
        let retained = store(&stored.iter().map(String::as_str).collect::<Vec<_>>());
        let mut model: BTreeMap<String, u32> = stored.iter().map(|topic| (topic.clone(), 0)).collect();
        let mut touched = Vec::new();
        let (mut cursor, mut out) = (RetainedCursor::default(), Vec::new());
        let mut body = 0;
        for (budget, events) in &pages {
            let before = out.len();
            retained.page(filter(&wanted), &mut cursor, *budget, &mut out);
            for message in &out[before..] {
                // What is handed out is what is stored now.
                prop_assert_eq!(model.get(message.topic.as_str()), Some(&message.body));
            }
            for event in events {
                body += 1;
                let topic = match event {
                    Event::RemoveStored(_) if model.is_empty() => continue,
                    Event::RemoveStored(which) => which.get(&model.keys().cloned().collect::<Vec<_>>()).clone(),
                    Event::Set(topic) | Event::Remove(topic) => topic.clone(),
                };
                let (old, expected) = if matches!(event, Event::Set(_)) {
                    (retained.set(message(&topic, body)), model.insert(topic.clone(), body))
                } else {
                    (retained.remove(name(&topic)), model.remove(&topic))
                };
                prop_assert_eq!(old.map(|old| old.body), expected);
                touched.push(topic);
            }
            prop_assert_eq!(retained.len(), model.len());
        }
        while !retained.page(filter(&wanted), &mut cursor, 3, &mut out) {}
        let found: Vec<_> = out.iter().map(|message| message.topic.as_str()).collect();
        prop_assert!(found.is_sorted_by(|a, b| a < b), "in order, so none twice: {found:?}");
        prop_assert!(found.iter().all(|topic| filter(&wanted).matches(name(topic))));
        for topic in stored.iter().filter(|topic| !touched.contains(topic)) {
            let expected = filter(&wanted).matches(name(topic));
            prop_assert_eq!(found.contains(&topic.as_str()), expected, "{}", topic);
        }
    }
}

#[test]
fn a_change_has_a_greater_stamp_than_all_before_and_knows_what_was_not_handed_on() {
    let retained = Retained::new();
    let word = |found: (Option<Arc<Message>>, Word)| (found.1.stamp, found.1.oldest);
    assert_eq!(word(retained.set_by(1, message("a", 1))), (1, 1));
    assert_eq!(word(retained.remove_by(2, name("a"))), (2, 1));
    assert_eq!(word(retained.set_by(2, message("b", 1))), (3, 1));
    retained.handed_on(1);
    assert_eq!(word(retained.set_by(2, message("a", 2))), (4, 2));
    assert_eq!(word(retained.set_by(1, message("a", 3))), (5, 2));
    retained.handed_on(2);
    // Who hands nothing on counts, too, and keeps nobody waiting.
    retained.set(message("c", 1));
    assert_eq!(word(retained.remove_by(2, name("never"))), (7, 5));
    retained.handed_on(1);
    retained.handed_on(2);
    retained.stamps_are_above(90);
    retained.stamps_are_above(10);
    assert_eq!(word(retained.remove_by(3, name("a"))), (91, 91));
}
