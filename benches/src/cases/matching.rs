//! Who is owed a message: the subscription index, with and without the publisher's cache.
//!
//! What must hold: the index holds a thousand other filters, as a rule exact ones, so that nothing is found by being
//! alone.

use std::hint::black_box;

use burgee_codec::QoS;
use burgee_router::{RouteCache, Router, SubscriberKey};

use crate::packets::{filter, topic};
use crate::work::{Case, Step, Work};

const fn case(name: &'static str, steps: u64, make: fn() -> Box<dyn Work>) -> Case {
    Case {
        name,
        per: 1,
        steps,
        delivers: false,
        make,
    }
}

pub(super) const CASES: &[Case] = &[
    case("match/nobody", 500, || route(&[], 0, &["nothing/1", "nothing/2"])),
    case("match/exact/1", 500, || {
        route(&["site/1/state", "site/2/state"], 1, &["site/1/state", "site/2/state"])
    }),
    case("match/wildcard/1", 500, || {
        route(&["site/+/state"], 1, &["site/1/state", "site/2/state"])
    }),
    case("match/rest/1", 500, || {
        route(&["site/1/#", "site/2/#"], 1, &["site/1/state", "site/2/state"])
    }),
    case("match/overlapping/3", 500, || {
        let filters = &["site/1/state", "site/2/state", "site/+/state", "#"];
        route(filters, 1, &["site/1/state", "site/2/state"])
    }),
    case("match/exact/1000", 50, || {
        route(
            &["site/1/state", "site/2/state"],
            1000,
            &["site/1/state", "site/2/state"],
        )
    }),
    case("match/wildcard/1000", 50, || {
        route(&["site/+/state"], 1000, &["site/1/state", "site/2/state"])
    }),
    case("match/cached/1", 1000, || {
        route(&["site/1/state"], 1, &["site/1/state"])
    }),
    case("match/cached/1000", 1000, || {
        route(&["site/1/state"], 1000, &["site/1/state"])
    }),
    case("match/subscribe/exact", 500, || churn("device/new/state")),
    case("match/subscribe/wildcard", 500, || churn("device/+/new")),
];

/// Filters of clients that the case is not about.
const OTHERS: u32 = 1000;

fn index() -> Router {
    let router = Router::new([1, 2, 3, 4]);
    for number in 0..OTHERS {
        let text = match number % 25 {
            0 => format!("device/{number}/#"),
            1 => format!("device/+/{number}"),
            _ => format!("device/{number}/state"),
        };
        router.subscribe(key(number), filter(&text), QoS::AtMostOnce);
    }
    router
}

const fn key(slot: u32) -> SubscriberKey {
    SubscriberKey {
        shard: 0,
        slot,
        generation: 1,
        kept: burgee_router::Kept::NOT,
    }
}

/// Looks the topics up in turn, so that two of them never find the cache filled; each filter has so many subscribers.
fn route(filters: &[&str], subscribers: u32, topics: &'static [&'static str]) -> Box<dyn Work> {
    let router = index();
    for (nth, text) in (0..).zip(filters) {
        for number in 0..subscribers {
            router.subscribe(key(OTHERS + nth * subscribers + number), filter(text), QoS::AtLeastOnce);
        }
    }
    let mut cache = RouteCache::default();
    let mut turns = topics.iter().cycle();
    Box::new(Step(move || {
        if let Some(name) = turns.next() {
            black_box(router.route(topic(black_box(name)), &mut cache));
        }
    }))
}

/// Subscribes and unsubscribes where others are subscribed as well: nothing begins with an empty table.
fn churn(text: &'static str) -> Box<dyn Work> {
    let router = index();
    Box::new(Step(move || {
        router.subscribe(key(OTHERS), filter(black_box(text)), QoS::AtMostOnce);
        router.unsubscribe(key(OTHERS), filter(black_box(text)));
    }))
}
