//! The router against the standard's examples, against the model, and under load.

use burgee_codec::TopicNameBuf;
use proptest::prelude::*;

use super::*;
use crate::counting::{Touches, touches};
use crate::model::{Membership, Model, answer_of, filters, key, qualities, topics};

const SEEDS: [u64; 4] = [1, 2, 3, 4];
const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).unwrap()
}

fn shared<'a>(group: &'a str, text: &'a str) -> SharedFilter<'a> {
    SharedFilter {
        group,
        filter: filter(text),
    }
}

fn name(text: &str) -> TopicName<'_> {
    TopicName::parse(text).unwrap()
}

fn route(router: &Router, topic: &str) -> Arc<Route> {
    Arc::clone(router.route(name(topic), &mut RouteCache::default()))
}

fn slots(router: &Router, topic: &str) -> Vec<u32> {
    route(router, topic)
        .recipients()
        .iter()
        .map(|recipient| recipient.key.slot)
        .collect()
}

/// Filter, names that it matches, names that it does not match.
const TOPICS: [(&str, &[&str], &[&str]); 14] = [
    ("a/#", &["a", "a/", "a/b", "a/b/c"], &["ab", "/a"]),
    ("a/+", &["a/", "a/b", "a/$x"], &["a", "a/b/c"]),
    ("+/+", &["/", "/b", "a/b"], &["a", "a/b/c"]),
    ("+", &["a"], &["/a", "a/", "$x"]),
    ("#", &["a", "/", "a/b/c/", "//"], &["$SYS/x", "$", "$x"]),
    ("+/#", &["a", "a/b"], &["$SYS", "$SYS/x"]),
    ("+/x/m", &["a/x/m", "/x/m"], &["$x/x/m", "a/x/m/"]),
    ("$SYS/#", &["$SYS", "$SYS/x"], &["SYS/x", "$SYSx"]),
    ("$SYS/+", &["$SYS/x", "$SYS/"], &["$SYS", "$SYS/x/y"]),
    ("a/+/#", &["a/b", "a/", "a/b/c"], &["a"]),
    ("/+", &["/a", "/"], &["a", "a/b", "//"]),
    ("a//b", &["a//b"], &["a/b", "a/ /b"]),
    ("a/b", &["a/b"], &["A/b", "a/B", "a/b/", "/a/b", "a/+b"]),
    ("/", &["/"], &["a", "//", "a/"]),
];

#[test]
fn each_filter_of_the_table_matches_what_it_should() {
    for (text, yes, no) in TOPICS {
        let router = Router::new(SEEDS);
        router.subscribe(key(7), filter(text), Q1);
        for topic in yes {
            assert_eq!(slots(&router, topic), [7], "{text} matches {topic}");
        }
        for topic in no.iter().filter(|topic| TopicName::parse(topic).is_ok()) {
            assert_eq!(slots(&router, topic), [], "{text} does not match {topic}");
        }
    }
}

#[test]
fn the_empty_name_of_a_topic_alias_matches_nothing() {
    let router = Router::new(SEEDS);
    for text in ["#", "+", "/#", "+/#"] {
        router.subscribe(key(1), filter(text), Q0);
    }
    assert!(router.route(TopicName::EMPTY, &mut RouteCache::default()).is_empty());
}

#[test]
fn mqtt_3_3_5_1_overlapping_subscriptions_use_greatest_qos() {
    let subscriptions = [("o/+", Q2), ("o/#", Q0), ("o/x", Q1)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
        let router = Router::new(SEEDS);
        for (text, qos) in order.map(|at| subscriptions[at]) {
            router.subscribe(key(1), filter(text), qos);
        }
        router.subscribe(key(0), filter("o/x"), Q0);
        let expected = [Recipient { key: key(1), qos: Q2 }, Recipient { key: key(0), qos: Q0 }];
        assert_eq!(route(&router, "o/x").recipients(), expected);
    }
}

#[test]
fn mqtt_3_8_4_3_identical_filter_replaces_subscription() {
    let router = Router::new(SEEDS);
    for text in ["t", "t/+", "#"] {
        assert_eq!(router.subscribe(key(1), filter(text), Q0), None);
        assert_eq!(router.subscribe(key(1), filter(text), Q2), Some(Q0));
        assert_eq!(router.subscribe(key(1), filter(text), Q1), Some(Q2));
        assert_eq!(router.subscriptions(), 1);
        assert!(router.unsubscribe(key(1), filter(text)));
        assert!(!router.unsubscribe(key(1), filter(text)));
        assert_eq!((router.subscriptions(), router.size()), (0, 0));
    }
}

#[test]
fn mqtt_3_10_4_1_unsubscribe_compares_filters_exactly() {
    let router = Router::new(SEEDS);
    for text in ["a/b", "a/+", "A/b"] {
        router.subscribe(key(1), filter(text), Q0);
    }
    for text in ["a/#", "a/B", "a/b/", "+/b", "a", "+", "#", "a/+/+"] {
        assert!(!router.unsubscribe(key(1), filter(text)), "{text}");
    }
    assert!(!router.unsubscribe(key(2), filter("a/b")));
    assert_eq!(router.subscriptions(), 3);
    assert!(router.unsubscribe(key(1), filter("a/+")));
    assert_eq!(slots(&router, "a/c"), []);
    assert_eq!(slots(&router, "a/b"), [1]);
    assert_eq!(slots(&router, "A/b"), [1]);
}

#[test]
fn a_group_takes_turns_among_those_who_are_there() {
    let router = Router::new(SEEDS);
    for number in [2, 4, 6] {
        router.subscribe_shared(key(number), shared("g", "s/+"), Q1, number != 4);
    }
    let pick = |topic: &str| route(&router, topic).groups()[0].pick().unwrap().key.slot;
    // One cursor for all routes of the group, also on different topics.
    assert_eq!([pick("s/1"), pick("s/2"), pick("s/1"), pick("s/3")], [2, 6, 2, 6]);
    router.set_online(key(2), shared("g", "s/+"), false);
    assert_eq!([pick("s/1"), pick("s/1")], [6, 6]);
    router.set_online(key(6), shared("g", "s/+"), false);
    let mut all = [pick("s/1"), pick("s/1"), pick("s/1")];
    all.sort_unstable();
    assert_eq!(all, [2, 4, 6]);
}

#[test]
fn groups_filters_and_plain_subscriptions_do_not_mix() {
    let router = Router::new(SEEDS);
    router.subscribe(key(1), filter("s"), Q0);
    router.subscribe_shared(key(1), shared("g", "s"), Q2, true);
    router.subscribe_shared(key(1), shared("h", "s"), Q1, true);
    router.subscribe_shared(key(1), shared("g", "#"), Q1, true);
    let found = route(&router, "s");
    assert_eq!(found.recipients(), [Recipient { key: key(1), qos: Q0 }]);
    let picked: Vec<_> = found.groups().iter().map(|group| group.pick().unwrap().qos).collect();
    assert_eq!(picked, [Q2, Q1, Q1]);
    assert_eq!(router.subscribe_shared(key(1), shared("g", "s"), Q0, true), Some(Q2));
    assert!(!router.unsubscribe_shared(key(1), shared("g", "s/+")));
    assert!(!router.unsubscribe_shared(key(2), shared("g", "s")));
    assert_eq!(router.subscriptions(), 4);
    assert!(router.unsubscribe(key(1), filter("s")));
    for (group, text) in [("g", "s"), ("h", "s"), ("g", "#")] {
        assert!(router.unsubscribe_shared(key(1), shared(group, text)));
    }
    assert_eq!((router.subscriptions(), router.size()), (0, 0));
}

#[test]
fn a_cache_is_used_until_its_part_or_the_wildcard_part_changes() {
    let router = Router::new(SEEDS);
    let mut cache = RouteCache::default();
    assert_eq!(size_of::<RouteCache>(), 8);
    let mut again = |topic: &str| Arc::clone(router.route(name(topic), &mut cache));

    router.subscribe(key(1), filter("a/b"), Q1);
    let first = again("a/b");
    assert!(Arc::ptr_eq(&first, &again("a/b")));
    // Nothing changes: a session that comes back and subscribes again empties no cache.
    router.subscribe(key(1), filter("a/b"), Q1);
    router.unsubscribe(key(2), filter("a/b"));
    router.set_online(key(2), shared("g", "a/b"), true);
    assert!(Arc::ptr_eq(&first, &again("a/b")));
    // Another part changes.
    let elsewhere = (0..200)
        .map(|number| format!("x{number}/b"))
        .find(|text| router.part_number(text) != router.part_number("a/b"));
    router.subscribe(key(1), filter(&elsewhere.unwrap()), Q1);
    assert!(Arc::ptr_eq(&first, &again("a/b")));
    // Its own part, a greater quality, the wildcard part.
    for (text, qos) in [("a/c", Q0), ("a/b", Q2), ("+/c", Q0)] {
        let before = again("a/b");
        router.subscribe(key(1), filter(text), qos);
        assert!(!Arc::ptr_eq(&before, &again("a/b")), "{text}");
    }
    assert_eq!(again("a/b").recipients(), [Recipient { key: key(1), qos: Q2 }]);
    assert_eq!(again("a/c").recipients(), [Recipient { key: key(1), qos: Q0 }]);
    assert_eq!(first.recipients(), [Recipient { key: key(1), qos: Q1 }]);
}

#[test]
fn a_message_on_the_same_topic_takes_no_lock_and_writes_nothing_shared() {
    let router = Router::new(SEEDS);
    let mut cache = RouteCache::default();
    for text in ["a/b", "a/+", "#"] {
        router.subscribe(key(1), filter(text), Q1);
    }
    let spent = |work: &mut dyn FnMut()| {
        let before = touches();
        work();
        let after = touches();
        (after.locks - before.locks, after.writes - before.writes)
    };
    let mut publish = || assert_eq!(router.route(name("a/b"), &mut cache).recipients().len(), 1);
    // The first look-up takes the lock of the topic's part and that of the wildcards.
    assert_eq!(spent(&mut publish), (2, 0));
    assert_eq!(spent(&mut || (0..100).for_each(|_| publish())), (0, 0));
    // It does count: a subscription is a lock, a number and a generation, and the cache is stale then.
    assert_eq!(spent(&mut || _ = router.subscribe(key(2), filter("x/y"), Q0)), (1, 2));
    assert_eq!(spent(&mut publish), (0, 0), "another part");
    assert_eq!(spent(&mut || _ = router.subscribe(key(1), filter("a/c"), Q0)), (1, 2));
    assert_eq!(spent(&mut publish), (2, 0));
    assert_eq!(
        spent(&mut || _ = router.subscribe(key(1), filter("a/c"), Q0)),
        (1, 0),
        "no news"
    );
    assert_eq!(spent(&mut publish), (0, 0));
    // A shared group takes turns by a number that all shards share.
    router.subscribe_shared(key(3), shared("g", "a/b"), Q0, true);
    let picked = router.route(name("a/b"), &mut cache);
    assert_eq!(spent(&mut || _ = picked.groups()[0].pick()), (0, 1));
    assert_ne!(touches(), Touches::default());
}

#[test]
fn publishers_to_one_topic_share_a_long_route_and_each_has_its_own_short_one() {
    let router = Router::new(SEEDS);
    for number in 0..10_000 {
        router.subscribe(key(number), filter("long"), Q0);
        router.subscribe(key(number % 256), filter("short"), Q0);
    }
    let mut caches: Vec<_> = (0..100).map(|_| RouteCache::default()).collect();
    let mut publish = |topic: &str| {
        let first = Arc::clone(router.route(name(topic), &mut caches[0]));
        let locks = touches().locks;
        let mut same = 0;
        for cache in &mut caches {
            same += usize::from(Arc::ptr_eq(&first, router.route(name(topic), cache)));
            assert!(cache.may_stay());
        }
        (same, touches().locks - locks)
    };
    // Two locks for a look-up, one more for a long route; the first one has looked up already.
    assert_eq!(publish("long"), (100, 99 * 3));
    assert_eq!(publish("long"), (100, 0));
    assert_eq!(publish("short"), (1, 99 * 2));
    assert_eq!(publish("long"), (100, 99 * 3));
    // After a change one of them looks up, and the others find what it found.
    router.subscribe(key(10_000), filter("long"), Q0);
    assert_eq!(publish("long"), (100, 99));
    assert_eq!(router.route(name("long"), &mut caches[7]).recipients().len(), 10_001);
}

#[test]
fn no_cache_keeps_long_routes_beyond_the_bound() {
    let router = Router::new(SEEDS);
    for number in 0..100_000 {
        router.subscribe(key(number), filter("#"), Q0);
    }
    let mut caches: Vec<_> = (0..20).map(|_| RouteCache::default()).collect();
    for (number, cache) in caches.iter_mut().enumerate() {
        let topic = number.to_string();
        assert_eq!(router.route(name(&topic), cache).recipients().len(), 100_000);
        // A million recipients in all, 24 bytes each.
        assert_eq!(cache.may_stay(), number < 10, "{number}");
    }
    caches.truncate(5);
    let mut cache = RouteCache::default();
    router.route(name("another"), &mut cache);
    assert!(cache.may_stay(), "there is room again");
}

#[test]
fn a_cache_does_not_keep_what_one_large_route_or_topic_needed() {
    let router = Router::new(SEEDS);
    for number in 0..10_000 {
        router.subscribe(key(number), filter("large"), Q0);
    }
    let long = "l".repeat(65_535);
    let mut cache = RouteCache::default();
    assert_eq!(router.route(name("large"), &mut cache).recipients().len(), 10_000);
    assert!(router.route(name(&long), &mut cache).is_empty());
    assert!(router.route(name("small"), &mut cache).is_empty());
    let cached = cache.entry.unwrap();
    assert!(cached.topic.capacity() <= USUAL_TOPIC);
    assert!(cached.route.room() <= 64);
}

#[test]
fn ten_thousand_subscribers_on_one_filter_come_and_go() {
    let router = Router::new(SEEDS);
    for text in ["one", "one/+", "#"] {
        for number in 0..10_000 {
            assert_eq!(router.subscribe(key(number * 7_919 % 10_000), filter(text), Q0), None);
        }
    }
    assert_eq!(router.subscriptions(), 30_000);
    let found = route(&router, "one");
    assert_eq!(found.recipients().len(), 10_000);
    assert!(found.recipients().is_sorted_by(|a, b| a.key < b.key));
    for text in ["#", "one/+", "one"] {
        for number in 0..10_000 {
            assert!(router.unsubscribe(key(number), filter(text)));
        }
    }
    assert_eq!((router.subscriptions(), router.size()), (0, 0));
}

#[derive(Clone, Debug)]
enum Step {
    Subscribe(u32, String, QoS),
    Unsubscribe(u32, String),
    UnsubscribeHeld(prop::sample::Index),
    Join(u32, &'static str, String, QoS, bool),
    Leave(prop::sample::Index),
    Online(prop::sample::Index, bool),
}

fn steps() -> impl Strategy<Value = Step> {
    let group = prop::sample::select(&["g", "h"][..]);
    let who = 0_u32..5;
    prop_oneof![
        4 => (who.clone(), filters(), qualities()).prop_map(|(a, b, c)| Step::Subscribe(a, b, c)),
        1 => (who.clone(), filters()).prop_map(|(a, b)| Step::Unsubscribe(a, b)),
        2 => any::<prop::sample::Index>().prop_map(Step::UnsubscribeHeld),
        2 => (who, group, filters(), qualities(), any::<bool>())
            .prop_map(|(a, b, c, d, e)| Step::Join(a, b, c, d, e)),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        1 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(a, b)| Step::Online(a, b)),
    ]
}

/// Does the same to both, and compares what they answer.
fn apply(step: &Step, router: &Router, model: &mut Model) {
    match step {
        Step::Subscribe(who, text, qos) => {
            let expected = model.subscribe(key(*who), text, *qos);
            assert_eq!(router.subscribe(key(*who), filter(text), *qos), expected);
        }
        Step::Unsubscribe(who, text) => {
            let expected = model.unsubscribe(key(*who), text);
            assert_eq!(router.unsubscribe(key(*who), filter(text)), expected);
        }
        Step::UnsubscribeHeld(which) => {
            if !model.plain.is_empty() {
                let (key, text, _) = which.get(&model.plain).clone();
                assert!(router.unsubscribe(key, filter(&text)));
                model.unsubscribe(key, &text);
            }
        }
        Step::Join(who, group, text, qos, online) => {
            let found = router.subscribe_shared(key(*who), shared(group, text), *qos, *online);
            let (group, filter) = ((*group).to_owned(), text.clone());
            let membership = Membership {
                key: key(*who),
                group,
                filter,
                qos: *qos,
                online: *online,
            };
            assert_eq!(found, model.join(membership));
        }
        Step::Leave(which) => {
            if !model.shared.is_empty() {
                let held = which.get(&model.shared).clone();
                assert!(router.unsubscribe_shared(held.key, shared(&held.group, &held.filter)));
                model.leave(held.key, &held.group, &held.filter);
            }
        }
        Step::Online(which, online) => {
            if !model.shared.is_empty() {
                let held = which.get(&model.shared).clone();
                router.set_online(held.key, shared(&held.group, &held.filter), *online);
                model.member(held.key, &held.group, &held.filter).unwrap().online = *online;
            }
        }
    }
    assert_eq!(router.subscriptions(), model.plain.len() + model.shared.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn routes_are_those_of_the_model_and_nothing_stays_behind(
        steps in prop::collection::vec((steps(), topics()), 1..60),
        watched in prop::collection::vec(topics(), 3),
    ) {
        let router = Router::new(SEEDS);
        let mut model = Model::default();
        let watched: Vec<_> = watched.iter().map(|topic| TopicNameBuf::parse(topic).unwrap()).collect();
        let mut caches: Vec<_> = watched.iter().map(|_| RouteCache::default()).collect();
        let mut wanderer = RouteCache::default();
        for (step, topic) in &steps {
            apply(step, &router, &mut model);
            // A cache that sees one topic only, and one that sees all.
            for (topic, cache) in watched.iter().zip(&mut caches) {
                let expected = model.answer(topic.as_ref());
                prop_assert_eq!(&answer_of(router.route(topic.as_ref(), cache)), &expected);
                prop_assert_eq!(&answer_of(&route(&router, topic.as_str())), &expected);
            }
            let topic = name(topic);
            prop_assert_eq!(answer_of(router.route(topic, &mut wanderer)), model.answer(topic));
        }
        while let Some((key, text, _)) = model.plain.pop() {
            prop_assert!(router.unsubscribe(key, filter(&text)));
        }
        while let Some(held) = model.shared.pop() {
            prop_assert!(router.unsubscribe_shared(held.key, shared(&held.group, &held.filter)));
        }
        prop_assert_eq!((router.subscriptions(), router.size()), (0, 0));
        for topic in &watched {
            prop_assert!(route(&router, topic.as_str()).is_empty());
        }
    }
}
