//! The trie alone: what it costs, counted in nodes and steps, and that depth does not matter.

use std::collections::{BTreeMap, BTreeSet};

use burgee_codec::QoS;
use proptest::prelude::*;

use super::*;
use crate::model::{filters, key, topics};
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
fn filters_share_nodes_where_they_begin_alike_and_take_them_along_when_they_go() {
    let mut trie = trie();
    // One filter is a leaf and no node; `a/+/#` and `a/+/c` part below `a/+`.
    for (filter, nodes) in [("a/+/c", 0), ("a/+/#", 2), ("a/+/c/#", 3), ("a/b/+", 3), ("#", 3)] {
        add(&mut trie, filter);
        assert_eq!(trie.nodes(), nodes, "with {filter}");
    }
    assert_eq!(count(&trie, "a/x/c").0, 4);
    assert_eq!(count(&trie, "a/b/c").0, 5);
    for (filter, nodes) in [("a/+/c", 3), ("a/b/+", 3), ("a/+/c/#", 2), ("a/+/#", 0), ("#", 0)] {
        assert_eq!(remove(&mut trie, filter), Some(QoS::AtMostOnce));
        assert_eq!(remove(&mut trie, filter), None);
        assert_eq!(trie.nodes(), nodes, "without {filter}");
    }
    assert!(trie.is_empty());
}

#[test]
fn nothing_more_and_an_empty_level_are_two_things() {
    let mut trie = trie();
    for filter in ["+", "+/", "+//", "+/+/", "+/#", "a/", "a/+"] {
        add(&mut trie, filter);
    }
    for (topic, found) in [("a", 2), ("a/", 4), ("a//", 3), ("b/", 2), ("b", 2), ("b/x/", 2)] {
        assert_eq!(count(&trie, topic).0, found, "{topic}");
    }
    for filter in ["+/", "+", "a/+", "+//", "a/", "+/#", "+/+/"] {
        assert!(remove(&mut trie, filter).is_some(), "{filter}");
    }
    assert!(trie.is_empty() && trie.nodes() == 0);
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
    assert_eq!((trie.nodes(), trie.filters()), (0, 1));
}

#[test]
fn a_node_is_forty_bytes() {
    assert_eq!(size_of::<Node>(), 40);
}

#[test]
fn depth_costs_steps_but_no_stack() {
    let mut trie = trie();
    let deep = vec!["+"; 32_767].join("/");
    let other = format!("{}/#", vec!["a"; 32_000].join("/"));
    add(&mut trie, &deep);
    add(&mut trie, &other);
    assert_eq!(trie.nodes(), 0);
    assert_eq!(count(&trie, &"/".repeat(65_535)), (0, 2));
    // Each is parted from another only at its end: all its levels become nodes.
    add(&mut trie, &format!("{deep}/b"));
    add(&mut trie, &other.replace("/#", "/b/#"));
    assert_eq!(trie.nodes(), 32_767 + 32_000);

    let slashes = "/".repeat(65_535);
    assert_eq!(count(&trie, &slashes), (0, 32_768));
    assert_eq!(count(&trie, &slashes[..32_766]).0, 1);
    // Both branches at the first level only: the trie merges nothing, it need not.
    let (found, steps) = count(&trie, &vec!["a"; 32_767].join("/"));
    assert_eq!(found, 2);
    assert!(steps <= trie.nodes() + 1 + trie.filters());

    remove(&mut trie, &deep);
    assert_eq!(trie.nodes(), 32_767 + 32_000);
    remove(&mut trie, &format!("{deep}/b"));
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
    // Those of the last level are leaves.
    assert_eq!((trie.nodes(), trie.filters()), (1_022, 1_024));
    let (found, steps) = count(&trie, "a/a/a/a/a/a/a/a/a/a");
    assert_eq!((found, steps), (1_024, 1_023 + 1_024));
    assert_eq!(count(&trie, "b/b/b/b/b/b/b/b/b/b"), (1, 11));
}

#[test]
fn a_hundred_thousand_filters_do_not_slow_a_search() {
    let mut trie = trie();
    for number in 0..100_000 {
        add(&mut trie, &format!("site/{number}/+/temperature"));
    }
    assert_eq!(trie.nodes(), 1);
    assert_eq!(count(&trie, "site/4711/kitchen/temperature"), (1, 3));
    assert_eq!(count(&trie, "site/4711/kitchen/humidity"), (0, 3));
    assert_eq!(count(&trie, "site/none/kitchen/humidity"), (0, 2));
    for number in 0..100_000 {
        assert!(remove(&mut trie, &format!("site/{number}/+/temperature")).is_some());
        if number == 50_000 {
            // Half of the leaves are gone; the others still find each other.
            assert_eq!(count(&trie, "site/50001/kitchen/temperature"), (1, 3));
        }
    }
    assert_eq!(trie.nodes(), 0);
    assert_eq!((trie.edges.len(), trie.edges.room()), (0, 0));
}

/// The beginnings of these filters, and those that more than one of them has.
fn beginnings(filters: &BTreeSet<String>) -> (usize, usize) {
    let mut count = BTreeMap::new();
    for filter in filters {
        let levels: Vec<_> = filter.split('/').filter(|level| *level != "#").collect();
        for len in 1..=levels.len() {
            *count.entry(levels[..len].to_vec()).or_insert(0) += 1;
        }
    }
    (count.len(), count.values().filter(|count| **count > 1).count())
}

/// Every node and every leaf can be reached in the way that its own bytes tell, and nothing else can.
fn check_links(trie: &Trie, stored: &BTreeSet<String>) {
    let mut literals = 0;
    for filter in stored {
        let found = trie.walk(TopicFilter::parse(filter).unwrap());
        let id = trie.filter_at(found).unwrap();
        assert_eq!(trie.parent_of(id), found.at, "{filter}");
        let (mut at, mut above) = (found.at, Some(()));
        literals += usize::from(matches!(found.rest.step(), Step::Literal(_)));
        while at != ROOT {
            let node = trie.nodes.get(at).unwrap();
            assert!(!node.is_bare());
            above = above.filter(|()| node.parent != NONE);
            at = node.parent;
        }
        assert!(above.is_some());
    }
    assert!(trie.edges.len() >= literals && trie.edges.len() <= literals + trie.nodes());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn after_every_change_there_is_no_more_than_the_filters_need(
        changes in prop::collection::vec((filters(), any::<prop::sample::Index>(), any::<bool>()), 1..80),
    ) {
        let mut trie = trie();
        let mut stored = BTreeSet::new();
        let mut only_grew = true;
        for (filter, which, adds) in changes {
            if adds || stored.is_empty() {
                add(&mut trie, &filter);
                stored.insert(filter);
            } else {
                let filter = which.get(&stored.iter().cloned().collect::<Vec<_>>()).clone();
                prop_assert!(remove(&mut trie, &filter).is_some());
                stored.remove(&filter);
                only_grew = false;
            }
            // A node stands for a beginning that some filter has; one that two have needs a node.
            let (all, common) = beginnings(&stored);
            prop_assert!(common <= trie.nodes() && trie.nodes() <= all);
            if only_grew {
                prop_assert_eq!(trie.nodes(), common);
            }
            prop_assert_eq!(trie.filters(), stored.len());
            check_links(&trie, &stored);
        }
    }

    #[test]
    fn it_finds_what_matches_one_by_one(
        stored in prop::collection::btree_set(filters(), 1..60),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        asked in prop::collection::vec(topics(), 20),
    ) {
        let mut trie = trie();
        let mut left: Vec<_> = stored.into_iter().collect();
        for filter in &left {
            add(&mut trie, filter);
        }
        for which in gone {
            if left.len() > 1 {
                let at = which.index(left.len());
                prop_assert!(remove(&mut trie, &left.swap_remove(at)).is_some());
            }
        }
        for topic in asked {
            // The rule about `$` topics is not the trie's.
            let name = TopicName::parse(&topic).unwrap();
            if !name.is_dollar() {
                let expected = left.iter().filter(|filter| TopicFilter::parse(filter).unwrap().matches(name)).count();
                prop_assert_eq!(count(&trie, &topic).0, expected, "{}", topic);
            }
        }
    }
}
