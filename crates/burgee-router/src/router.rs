//! The subscription index as all shards see it: split into parts, each with its own lock and
//! generation, and a cache for each publisher.
//!
//! A filter belongs to the part of its first level; filters that begin with a wildcard share
//! one part of their own. So a topic name needs two parts: that of its first level, and the
//! wildcard part.
//!
//! Must hold: a cached route is used only if neither part has changed since before it was
//! looked up; no cache keeps a long route of its own. Deliberately absent: an order between
//! changes in different parts; nobody can tell which of two simultaneous subscriptions came first.

use std::sync::Arc;

use ahash::RandomState;
use burgee_codec::{QoS, SharedFilter, TopicFilter, TopicName};

use crate::crowded::{Crowded, Version};
use crate::group::Joined;
use crate::index::Index;
use crate::interest::Interest;
use crate::route::Route;
use crate::shared::{Change, Locked, Tally, Watched};
use crate::subscriber::{Recipient, SubscriberKey};

/// Who wants what. Shared by all shards behind one `Arc`.
#[derive(Debug)]
pub struct Router {
    parts: [Watched<Index>; PARTS],
    /// Filters that begin with `+` or `#`.
    wild: Watched<Index>,
    crowded: Locked<Crowded>,
    hasher: RandomState,
    subscriptions: Tally,
}

/// Enough that churn in one corner rarely empties the caches of another.
const PARTS: usize = 64;

impl Router {
    /// An index without subscriptions. The seeds keep strangers from choosing topics that
    /// collide; no answer depends on them.
    #[must_use]
    pub fn new(seeds: [u64; 4]) -> Self {
        let [a, b, c, d] = seeds;
        let hasher = RandomState::with_seeds(a, b, c, d);
        Self {
            parts: std::array::from_fn(|_| Watched::new(Index::new(&hasher))),
            wild: Watched::new(Index::new(&hasher)),
            crowded: Locked::default(),
            hasher,
            subscriptions: Tally::default(),
        }
    }

    /// Subscribes, or replaces what was granted for the same filter, which is returned.
    pub fn subscribe(&self, key: SubscriberKey, filter: TopicFilter<'_>, qos: QoS) -> Option<QoS> {
        self.part_of_filter(filter).write(|index| {
            // [MQTT-3.8.4-3] replaced in place: at no moment is the subscription missing.
            let before = index.upsert(filter, |interest| interest.put(Recipient { key, qos }));
            self.count_added(before);
            if before == Some(qos) {
                Change::Nothing(before)
            } else {
                Change::Made(before)
            }
        })
    }

    /// Ends the subscription to exactly this filter; returns whether there was one.
    pub fn unsubscribe(&self, key: SubscriberKey, filter: TopicFilter<'_>) -> bool {
        // [MQTT-3.10.4-1] the filter is a key here, compared byte for byte, never matched.
        self.part_of_filter(filter).write(|index| {
            let removed = index.alter(filter, |interest| interest.remove(key)).flatten();
            self.count_removed(removed)
        })
    }

    /// Joins a shared group on a filter, or replaces what was granted there, which is returned.
    pub fn subscribe_shared(
        &self,
        key: SubscriberKey,
        filter: SharedFilter<'_>,
        qos: QoS,
        online: bool,
    ) -> Option<QoS> {
        self.part_of_filter(filter.filter).write(|index| {
            let recipient = Recipient { key, qos };
            let join = |interest: &mut Interest| interest.join(filter.group, recipient, online);
            let Joined { before, changed } = index.upsert(filter.filter, join);
            self.count_added(before);
            if changed {
                Change::Made(before)
            } else {
                Change::Nothing(before)
            }
        })
    }

    /// Leaves a shared group; returns whether the subscriber was a member.
    pub fn unsubscribe_shared(&self, key: SubscriberKey, filter: SharedFilter<'_>) -> bool {
        self.part_of_filter(filter.filter).write(|index| {
            let leave = |interest: &mut Interest| interest.leave(filter.group, key);
            let removed = index.alter(filter.filter, leave).flatten();
            self.count_removed(removed)
        })
    }

    /// Says whether a member of a shared group is connected: absent members are passed over
    /// while another one is there.
    pub fn set_online(&self, key: SubscriberKey, filter: SharedFilter<'_>, online: bool) {
        self.part_of_filter(filter.filter).write(|index| {
            let set = |interest: &mut Interest| interest.set_online(filter.group, key, online);
            match index.alter(filter.filter, set) {
                Some(true) => Change::Made(()),
                Some(false) | None => Change::Nothing(()),
            }
        });
    }

    /// Who is owed a message on this topic name. The answer stays in the cache, which has to be
    /// used with this router only.
    pub fn route<'c>(&self, topic: TopicName<'_>, cache: &'c mut RouteCache) -> &'c Arc<Route> {
        let cached = cache.entry.get_or_insert_default();
        if !self.is_fresh(cached, topic.as_str().as_bytes()) {
            self.look_up(cached, topic);
        }
        &cached.route
    }

    /// The route in the cache, if it is the one for the topic name with these bytes and nothing has changed since. A topic
    /// name was valid when it got there, so that equal bytes need no other look.
    #[inline]
    #[must_use]
    pub fn route_again<'c>(&self, topic: &[u8], cache: &'c RouteCache) -> Option<&'c Arc<Route>> {
        let cached = cache.entry.as_deref()?;
        self.is_fresh(cached, topic).then_some(&cached.route)
    }

    /// How many subscriptions there are, shared ones included.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.get()
    }

    /// Filters and trie nodes that are stored.
    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.parts
            .iter()
            .chain([&self.wild])
            .map(|part| part.read(Index::size))
            .sum()
    }

    fn is_fresh(&self, cached: &Cached, topic: &[u8]) -> bool {
        cached.topic.as_bytes() == topic
            && cached.own == Some(self.part(cached.part).generation())
            && cached.wild == self.wild.generation()
    }

    fn look_up(&self, cached: &mut Cached, topic: TopicName<'_>) {
        cached.part = self.part_number(topic.as_str());
        let part = self.part(cached.part);
        // Before looking, so that a change in between makes the answer stale, not wrong.
        let own = part.generation();
        cached.own = None;
        cached.wild = self.wild.generation();
        let version = Version {
            topic: topic.as_str(),
            own,
            wild: cached.wild,
        };
        // Who had a long route for this topic finds a long one now: perhaps another publisher has it already.
        if cached.is_long()
            && cached.topic == version.topic
            && let Some(route) = self.crowded.read(|crowded| crowded.find(version))
        {
            cached.take_over(route, own);
            return;
        }
        cached.remember(topic);
        let route = cached.blank_route();
        part.read(|index| index.add_to(topic, route));
        // [MQTT-4.7.2-1] a filter that begins with a wildcard does not match a `$` topic.
        if !topic.is_dollar() {
            self.wild.read(|index| index.add_to(topic, route));
        }
        route.finish();
        cached.may_stay = true;
        cached.own = Some(own);
        if cached.is_long() {
            match self.crowded.write(|crowded| crowded.admit(version, &cached.route)) {
                Some(route) => cached.take_over(route, own),
                None => cached.may_stay = false,
            }
        }
    }

    fn part_of_filter(&self, filter: TopicFilter<'_>) -> &Watched<Index> {
        match filter.as_str().as_bytes() {
            [b'+' | b'#', ..] => &self.wild,
            _ => self.part(self.part_number(filter.as_str())),
        }
    }

    fn part_number(&self, text: &str) -> usize {
        let first = text.split('/').next().unwrap_or_default();
        // From the middle of the hash: the maps inside a part use both of its ends.
        let [_, _, _, middle, ..] = self.hasher.hash_one(first.as_bytes()).to_le_bytes();
        usize::from(middle) % PARTS
    }

    /// Numbers come from `part_number` and are always in range.
    fn part(&self, number: usize) -> &Watched<Index> {
        self.parts.get(number).unwrap_or(&self.wild)
    }

    fn count_added(&self, before: Option<QoS>) {
        if before.is_none() {
            self.subscriptions.up();
        }
    }

    fn count_removed(&self, removed: Option<QoS>) -> Change<bool> {
        if removed.is_none() {
            return Change::Nothing(false);
        }
        self.subscriptions.down();
        Change::Made(true)
    }
}

/// A publisher's memory of the last topic name that it used. Empty, it costs one pointer.
#[derive(Debug, Default)]
pub struct RouteCache {
    entry: Option<Box<Cached>>,
}

impl RouteCache {
    /// Whether its owner may keep it until the next message: the route is short, or all publishers of the topic share
    /// it and there are not too many such routes.
    #[must_use]
    pub fn may_stay(&self) -> bool {
        self.entry.as_ref().is_none_or(|cached| cached.may_stay)
    }
}

#[derive(Debug, Default)]
struct Cached {
    topic: String,
    part: usize,
    /// The generation of the topic's part; nothing is cached yet without one.
    own: Option<u64>,
    wild: u64,
    /// See [`RouteCache::may_stay`].
    may_stay: bool,
    route: Arc<Route>,
}

/// Longer topics give their memory back when a short one follows.
const USUAL_TOPIC: usize = 256;
/// Up to so many recipients, 24 bytes each, a route is each publisher's own.
const SHORT_ROUTE: usize = 256;

impl Cached {
    fn remember(&mut self, topic: TopicName<'_>) {
        self.topic.clear();
        if self.topic.capacity() > USUAL_TOPIC {
            self.topic.shrink_to(topic.as_str().len());
        }
        self.topic.push_str(topic.as_str());
    }

    fn is_long(&self) -> bool {
        self.route.weight() > SHORT_ROUTE
    }

    /// Holds a route that others hold too.
    fn take_over(&mut self, route: Arc<Route>, own: u64) {
        self.route = route;
        self.own = Some(own);
        self.may_stay = true;
    }

    /// An empty route to be filled: the old one's memory, unless somebody still reads it.
    fn blank_route(&mut self) -> &mut Route {
        if Arc::get_mut(&mut self.route).is_none() {
            self.route = Arc::default();
        }
        let route = Arc::make_mut(&mut self.route);
        route.clear();
        route
    }
}

#[cfg(test)]
mod tests;
