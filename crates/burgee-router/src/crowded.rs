//! Long routes, of which all publishers to one topic name hold the same one.
//!
//! A short route is each publisher's own. A long one would be held once for each of them, or looked up again for each
//! message: so the router knows those that somebody holds, and whoever looks the same topic up holds that one too.
//! The memory is theirs: a route that nobody holds any more is gone.
//!
//! Must hold: the routes that somebody holds, stale ones as well, are at most so many and have at most so many
//! recipients in all. Deliberately absent: short routes, and whether a route is still right; its generations tell.

use std::sync::{Arc, Weak};

use crate::route::Route;

/// The routes known at once.
const ROUTES: usize = 256;
/// The recipients of all of them, 24 bytes each.
const RECIPIENTS: usize = 1 << 20;

/// What a route is right for: as long as the generations are these.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Version<'a> {
    pub(crate) topic: &'a str,
    pub(crate) own: u64,
    pub(crate) wild: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Crowded {
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    topic: Box<str>,
    own: u64,
    wild: u64,
    route: Weak<Route>,
    recipients: usize,
}

impl Crowded {
    /// The route of this version, if somebody holds it.
    pub(crate) fn find(&self, version: Version<'_>) -> Option<Arc<Route>> {
        let mut known = self.known.iter().filter(|known| known.version() == version);
        known.find_map(|known| known.route.upgrade())
    }

    /// Makes a route known. If one of the same version is known, that is the one to hold. `None`: there are too many,
    /// and this one must not be held.
    pub(crate) fn admit(&mut self, version: Version<'_>, route: &Arc<Route>) -> Option<Arc<Route>> {
        if let Some(found) = self.find(version) {
            return Some(found);
        }
        self.known.retain(|known| known.route.strong_count() > 0);
        let held: usize = self.known.iter().map(|known| known.recipients).sum();
        let recipients = route.weight();
        if self.known.len() >= ROUTES || held.saturating_add(recipients) > RECIPIENTS {
            return None;
        }
        self.known.push(Known {
            topic: version.topic.into(),
            own: version.own,
            wild: version.wild,
            route: Arc::downgrade(route),
            recipients,
        });
        Some(Arc::clone(route))
    }
}

impl Known {
    fn version(&self) -> Version<'_> {
        Version {
            topic: &self.topic,
            own: self.own,
            wild: self.wild,
        }
    }
}

#[cfg(test)]
mod tests {
    use burgee_codec::QoS;

    use super::*;
    use crate::model::key;
    use crate::subscriber::Recipient;

    fn route(recipients: usize) -> Arc<Route> {
        let mut route = Route::default();
        for _ in 0..recipients {
            let qos = QoS::AtMostOnce;
            route.add(Recipient { key: key(1), qos });
        }
        Arc::new(route)
    }

    fn version(topic: &str, own: u64) -> Version<'_> {
        Version { topic, own, wild: 0 }
    }

    #[test]
    fn who_asks_for_the_same_holds_the_same_and_what_nobody_holds_is_gone() {
        let mut crowded = Crowded::default();
        let first = route(1000);
        assert!(crowded.find(version("t", 1)).is_none());
        assert!(Arc::ptr_eq(&crowded.admit(version("t", 1), &first).unwrap(), &first));
        assert!(Arc::ptr_eq(
            &crowded.admit(version("t", 1), &route(1000)).unwrap(),
            &first
        ));
        assert!(Arc::ptr_eq(&crowded.find(version("t", 1)).unwrap(), &first));
        assert!(crowded.find(version("t", 2)).is_none() && crowded.find(version("u", 1)).is_none());
        assert_eq!(Arc::strong_count(&first), 1, "it keeps none itself");
        drop(first);
        assert!(crowded.find(version("t", 1)).is_none());
    }

    #[test]
    fn routes_and_recipients_are_bounded_and_stale_ones_count_while_they_are_held() {
        let mut crowded = Crowded::default();
        let large: Vec<_> = (0..5).map(|_| route(RECIPIENTS / 4)).collect();
        let admitted = |crowded: &mut Crowded, at: usize| {
            let number = u64::try_from(at).unwrap();
            crowded.admit(version("t", number), &large[at]).is_some()
        };
        assert!((0..4).all(|at| admitted(&mut crowded, at)));
        assert!(!admitted(&mut crowded, 4));
        drop(large);
        let small: Vec<_> = (0..=ROUTES).map(|_| route(1)).collect();
        for (number, route) in (0..).zip(&small) {
            let admitted = crowded.admit(version("t", number), route).is_some();
            assert_eq!(admitted, number < u64::try_from(ROUTES).unwrap());
        }
        assert_eq!(crowded.known.len(), ROUTES);
    }
}
