//! Several shards at once: writers subscribe and unsubscribe while readers route through their
//! caches. Once a change has returned, every reader that hears of it must see it; in the end
//! all routes are those of the subscriptions that are left.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test, and one about threads"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use burgee_codec::{QoS, SharedFilter, TopicFilter, TopicName, TopicNameBuf};
use burgee_router::{Recipient, RetainedCursor, RetainedIndex, RouteCache, Router, SubscriberKey, Topical};

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).unwrap()
}

fn name(text: &str) -> TopicName<'_> {
    TopicName::parse(text).unwrap()
}

fn key(shard: u16, slot: u32) -> SubscriberKey {
    SubscriberKey {
        shard,
        slot,
        generation: 0,
        kept: burgee_router::Kept::NOT,
    }
}

const WRITERS: u16 = 3;
const ROUNDS: u32 = 3_000;
const FILTERS: [&str; 6] = ["a/b", "a/+", "#", "+/b", "c/d", "c/#"];
const TOPICS: [&str; 4] = ["a/b", "c/d", "c/d/e", "$x/b"];

/// Whether a writer ends its work with this subscription.
fn stays(shard: u16, slot: u32) -> bool {
    (slot + u32::from(shard)).is_multiple_of(7)
}

fn qos_of(slot: u32) -> QoS {
    if slot.is_multiple_of(2) {
        QoS::AtLeastOnce
    } else {
        QoS::ExactlyOnce
    }
}

fn filter_of(slot: u32) -> &'static str {
    FILTERS[slot as usize % FILTERS.len()]
}

#[test]
fn writers_and_readers_agree_in_the_end() {
    let router = Router::new([5, 6, 7, 8]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut caches: Vec<_> = TOPICS.iter().map(|_| RouteCache::default()).collect();
                loop {
                    let last = done.load(Ordering::Acquire);
                    for (topic, cache) in TOPICS.iter().zip(&mut caches) {
                        let route = router.route(name(topic), cache);
                        assert!(route.recipients().is_sorted_by(|a, b| a.key < b.key));
                    }
                    if last {
                        break;
                    }
                }
                // The caches were filled while all was moving; the answers are right all the same.
                for (topic, cache) in TOPICS.iter().zip(&mut caches) {
                    assert_eq!(
                        router.route(name(topic), cache).recipients(),
                        expected(topic),
                        "{topic}"
                    );
                }
            });
        }
        let writers: Vec<_> = (0..WRITERS)
            .map(|shard| {
                scope.spawn({
                    let router = &router;
                    move || write(router, shard)
                })
            })
            .collect();
        let results: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Release);
        assert!(results.iter().all(Result::is_ok), "a writer failed");
    });
    let left = (0..WRITERS)
        .flat_map(|shard| (0..ROUNDS).filter(move |slot| stays(shard, *slot)))
        .count();
    assert_eq!(router.subscriptions(), left);
}

fn write(router: &Router, shard: u16) {
    let mut cache = RouteCache::default();
    for slot in 0..ROUNDS {
        let (key, text) = (key(shard, slot), filter_of(slot));
        assert_eq!(router.subscribe(key, filter(text), QoS::AtMostOnce), None);
        assert_eq!(router.subscribe(key, filter(text), qos_of(slot)), Some(QoS::AtMostOnce));
        let group = SharedFilter {
            group: "g",
            filter: filter(text),
        };
        router.subscribe_shared(key, group, QoS::AtMostOnce, slot.is_multiple_of(3));
        router.set_online(key, group, true);
        if text == "a/b" {
            // A writer sees its own changes at once, whatever the others do.
            let route = router.route(name("a/b"), &mut cache);
            let own = Recipient { key, qos: qos_of(slot) };
            assert!(route.recipients().contains(&own));
            assert!(route.groups().iter().all(|group| group.pick().is_some()));
        }
        assert!(router.unsubscribe_shared(key, group));
        if !stays(shard, slot) {
            assert!(router.unsubscribe(key, filter(text)));
        }
    }
}

fn expected(topic: &str) -> Vec<Recipient> {
    let all = (0..WRITERS).flat_map(|shard| (0..ROUNDS).map(move |slot| (shard, slot)));
    all.filter(|(shard, slot)| stays(*shard, *slot) && filter(filter_of(*slot)).matches(name(topic)))
        .map(|(shard, slot)| Recipient {
            key: key(shard, slot),
            qos: qos_of(slot),
        })
        .collect()
}

#[test]
fn a_change_is_seen_by_whoever_hears_of_it() {
    // What the writer says about itself: a number in steps, a change under way, subscribed now.
    const SUBSCRIBED: u32 = 1;
    const BUSY: u32 = 2;
    const STEP: u32 = 4;
    const LAST: u32 = 60_000 * STEP;
    let router = Router::new([1, 1, 1, 1]);
    let told = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut cache = RouteCache::default();
                let mut heard = 0;
                while heard < LAST {
                    let before = told.load(Ordering::Acquire);
                    let found = !router.route(name("t/x"), &mut cache).is_empty();
                    heard = told.load(Ordering::Acquire);
                    // No change began in between.
                    if before == heard && before & BUSY == 0 {
                        assert_eq!(found, before & SUBSCRIBED != 0, "after {before}");
                    }
                }
            });
        }
        let mut said = 0;
        while said < LAST {
            for text in ["t/+", "t/x", "#"] {
                told.store(said | BUSY, Ordering::SeqCst);
                router.subscribe(key(0, 1), filter(text), QoS::AtMostOnce);
                told.store(said | SUBSCRIBED, Ordering::SeqCst);
                told.store(said | BUSY | SUBSCRIBED, Ordering::SeqCst);
                router.unsubscribe(key(0, 1), filter(text));
                said += STEP;
                told.store(said, Ordering::SeqCst);
            }
        }
    });
}

#[derive(Debug)]
struct Message(TopicNameBuf);

impl Topical for Message {
    fn topic(&self) -> TopicName<'_> {
        self.0.as_ref()
    }
}

#[test]
fn retained_messages_are_read_in_pages_while_others_write() {
    let retained: RetainedIndex<Arc<Message>> = RetainedIndex::new();
    let message = |text: &str| Arc::new(Message(TopicNameBuf::parse(text).unwrap()));
    for number in 0..500 {
        retained.set(message(&format!("fixed/{number:03}")));
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..20_000 {
                let topic = format!("fixed/{:03}/moving", number % 500);
                retained.set(message(&topic));
                retained.remove(name(&topic));
            }
            done.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            loop {
                let last = done.load(Ordering::Acquire);
                let (mut cursor, mut out) = (RetainedCursor::default(), Vec::new());
                while !retained.page(filter("fixed/+"), &mut cursor, 7, &mut out) {}
                assert_eq!(out.len(), 500);
                assert!(out.is_sorted_by(|a, b| a.0.as_str() < b.0.as_str()));
                if last {
                    break;
                }
            }
        });
    });
    assert_eq!(retained.len(), 500);
}
