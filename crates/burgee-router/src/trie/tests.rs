//! The trie alone: what it costs, counted in nodes and steps, and that depth does not matter.

use std::collections::BTreeSet;

use burgee_codec::QoS;
use proptest::prelude::*;

use super::*;
use crate::model::{filters, key};
use crate::subscriber::Recipient;

fn trie() -> Trie {
    Trie::new(RandomState::with_seeds(1, 2, 3, 4))
}

fn add(trie: &mut Trie, filter: &str) {
    let recipient = Recipient {
        key: key(1),
        qos: QoS::AtMostOnce,
    };
    trie.upsert(TopicFilter::parse(filter).unwrap(), |interest| interest.put(recipient));
}

fn remove(trie: &mut Trie, filter: &str) -> Option<QoS> {
    trie.alter(TopicFilter::parse(filter).unwrap(), |interest| interest.remove(key(1)))
        .flatten()
}

/// How many filters match, and how many nodes were seen.
fn count(trie: &Trie, topic: &str) -> (usize, usize) {
    let mut found = 0;
    let steps = trie.matching(TopicName::parse(topic).unwrap(), |_| found += 1);
    (found, steps)
}

#[test]
fn filters_share_what_they_begin_with_and_take_it_along_when_they_go() {
    let mut trie = trie();
    for (filter, nodes) in [("a/+/c", 3), ("a/+/#", 3), ("a/+/c/#", 3), ("a/b/+", 5), ("#", 5)] {
        add(&mut trie, filter);
        assert_eq!(trie.nodes(), nodes, "with {filter}");
    }
    assert_eq!(count(&trie, "a/x/c").0, 4);
    for (filter, nodes) in [("a/+/c", 5), ("a/b/+", 3), ("a/+/c/#", 2), ("a/+/#", 0), ("#", 0)] {
        assert_eq!(remove(&mut trie, filter), Some(QoS::AtMostOnce));
        assert_eq!(remove(&mut trie, filter), None);
        assert_eq!(trie.nodes(), nodes, "without {filter}");
    }
    assert!(trie.is_empty());
}

#[test]
fn asking_for_what_is_not_there_adds_nothing() {
    let mut trie = trie();
    add(&mut trie, "a/+");
    for filter in ["a/#", "a/+/b", "+/+", "b/+", "#", "a/+/#"] {
        assert_eq!(remove(&mut trie, filter), None);
        let unused = TopicFilter::parse(filter).unwrap();
        trie.upsert(unused, |_| ());
    }
    assert_eq!(trie.nodes(), 2);
}

#[test]
fn a_node_is_forty_bytes() {
    assert_eq!(size_of::<Node>(), 40);
}

#[test]
fn depth_costs_steps_but_no_stack() {
    let mut trie = trie();
    let deep = vec!["+"; 32_768].join("/");
    let other = format!("{}/#", vec!["a"; 32_000].join("/"));
    add(&mut trie, &deep);
    add(&mut trie, &other);
    assert_eq!(trie.nodes(), 32_768 + 32_000);

    let slashes = "/".repeat(65_535);
    assert_eq!(count(&trie, &slashes), (0, 32_769));
    assert_eq!(count(&trie, &slashes[..32_767]).0, 1);
    // Both branches at the first level only: the trie merges nothing, it need not.
    let (found, steps) = count(&trie, &vec!["a"; 32_768].join("/"));
    assert_eq!(found, 2);
    assert!(steps <= trie.nodes() + 1);

    remove(&mut trie, &deep);
    assert_eq!(trie.nodes(), 32_000);
    // The rest is dropped as it is, in one piece.
    drop(trie);
}

#[test]
fn no_search_sees_more_nodes_than_there_are() {
    let mut trie = trie();
    // All 2^10 ways to write ten levels as `a` or `+`: the worst that so many filters can do.
    for bits in 0..1_024_u32 {
        let levels: Vec<_> = (0..10).map(|at| if bits >> at & 1 == 0 { "a" } else { "+" }).collect();
        add(&mut trie, &levels.join("/"));
    }
    assert_eq!(trie.nodes(), 2_046);
    let (found, steps) = count(&trie, "a/a/a/a/a/a/a/a/a/a");
    assert_eq!((found, steps), (1_024, 1_023));
    assert_eq!(count(&trie, "b/b/b/b/b/b/b/b/b/b"), (1, 10));
}

#[test]
fn a_hundred_thousand_filters_do_not_slow_a_search() {
    let mut trie = trie();
    for number in 0..100_000 {
        add(&mut trie, &format!("site/{number}/+/temperature"));
    }
    assert_eq!(trie.nodes(), 300_001);
    assert_eq!(count(&trie, "site/4711/kitchen/temperature"), (1, 4));
    assert_eq!(count(&trie, "site/4711/kitchen/humidity"), (0, 4));
    assert_eq!(count(&trie, "site/none/kitchen/humidity"), (0, 2));
    for number in 0..100_000 {
        assert!(remove(&mut trie, &format!("site/{number}/+/temperature")).is_some());
        if number == 50_000 {
            // Half of the nodes are free; the others still find each other.
            assert_eq!(count(&trie, "site/50001/kitchen/temperature"), (1, 4));
        }
    }
    assert_eq!(trie.nodes(), 0);
    assert_eq!(trie.edges.capacity(), 0);
}

/// The nodes that these filters need: one for each of their beginnings. Those with a literal
/// last level need an edge in the table.
fn needed(filters: &BTreeSet<String>) -> (usize, usize) {
    let mut beginnings = BTreeSet::new();
    for filter in filters {
        let levels: Vec<_> = filter.split('/').filter(|level| *level != "#").collect();
        beginnings.extend(
            (1..=levels.len())
                .filter_map(|len| levels.get(..len))
                .map(<[_]>::to_vec),
        );
    }
    let literal = beginnings.iter().filter(|levels| levels.last() != Some(&"+")).count();
    (beginnings.len(), literal)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn after_every_change_there_is_exactly_what_the_filters_need(
        changes in prop::collection::vec((filters(), any::<prop::sample::Index>(), any::<bool>()), 1..80),
    ) {
        let mut trie = trie();
        let mut stored = BTreeSet::new();
        for (filter, which, adds) in changes {
            if adds || stored.is_empty() {
                add(&mut trie, &filter);
                stored.insert(filter);
            } else {
                let filter = which.get(&stored.iter().cloned().collect::<Vec<_>>()).clone();
                prop_assert!(remove(&mut trie, &filter).is_some());
                stored.remove(&filter);
            }
            prop_assert_eq!((trie.nodes(), trie.edges.len()), needed(&stored));
            prop_assert_eq!(trie.interests.len(), stored.len());
        }
    }
}
