//! Who wants what: the streams, their filters, and what the server knows of them.
//!
//! What must hold: after each connection the server is asked for what it does not have (D42), and for nothing else; a filter
//! is given up when its last stream is gone. Deliberately absent: packets.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use burgee_codec::{QoS, TopicFilterBuf, TopicName};
use tokio::sync::oneshot;

use super::queue::Queue;
use crate::error::Error;

/// Topics whose streams are remembered.
const REMEMBERED: usize = 1024;
/// Filters in one packet, so that no packet gets too long for a server's taste.
const BATCH: usize = 64;

/// The number of a stream.
pub(super) type Key = u64;

/// Whoever waits for the server's answer to a subscription.
pub(super) type Granted = oneshot::Sender<Result<QoS, Error>>;

#[derive(Debug)]
struct Stream {
    filter: TopicFilterBuf,
    queue: Arc<Queue>,
}

/// What the server knows of a filter.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Known {
    /// It has to be asked.
    Due,
    Asked,
    Granted,
    /// It has to be told that nobody wants it any more.
    LeaveDue,
    Leaving,
}

#[derive(Debug)]
struct Wish {
    known: Known,
    /// The request that asked for it last: only its answer counts.
    asked: u64,
    qos: QoS,
    streams: usize,
    waiting: Vec<(Key, Granted)>,
    leaving: Vec<oneshot::Sender<()>>,
}

/// What to ask the server for, and the number of the request.
#[derive(Debug)]
pub(super) enum Request {
    Subscribe(u64, Vec<(TopicFilterBuf, QoS)>),
    Unsubscribe(u64, Vec<TopicFilterBuf>),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Registry {
    streams: BTreeMap<Key, Stream>,
    wishes: BTreeMap<String, Wish>,
    remembered: HashMap<Box<str>, Arc<[Arc<Queue>]>>,
    /// How many wishes are due.
    due: usize,
    /// Requests so far.
    requests: u64,
}

impl Registry {
    /// A stream for what this filter matches.
    pub(super) fn add(
        &mut self,
        key: Key,
        (filter, qos): (TopicFilterBuf, QoS),
        queue: Arc<Queue>,
        answer: Option<Granted>,
    ) {
        if queue.is_closed() {
            // It was dropped while it waited to be heard of, and that was heard first: nobody would ever give it up.
            return;
        }
        self.remembered.clear();
        let wish = self.wishes.entry(filter.as_str().to_owned()).or_insert(Wish {
            known: Known::Granted,
            asked: 0,
            qos,
            streams: 0,
            waiting: Vec::new(),
            leaving: Vec::new(),
        });
        wish.streams += 1;
        // Never less than what another stream on the same filter was promised.
        wish.qos = if wish.streams > 1 { wish.qos.max(qos) } else { qos };
        wish.waiting.extend(answer.map(|answer| (key, answer)));
        // Whoever gave it up need not wait any longer: it stays, for somebody else. No UNSUBACK may ever come.
        wish.leaving.drain(..).for_each(self::answer);
        set(wish, Known::Due, &mut self.due);
        self.streams.insert(key, Stream { filter, queue });
    }

    /// A stream is gone. `told` hears when the server has let go of the filter.
    pub(super) fn remove(&mut self, key: Key, told: Option<oneshot::Sender<()>>) {
        let Some(stream) = self.streams.remove(&key) else {
            told.map(|told| told.send(()).ok());
            return;
        };
        stream.queue.close();
        self.remembered.clear();
        let Some(wish) = self.wishes.get_mut(stream.filter.as_str()) else {
            return;
        };
        wish.streams -= 1;
        wish.waiting.retain(|(waiting, _)| *waiting != key);
        if wish.streams == 0 {
            wish.leaving.extend(told);
            set(wish, Known::LeaveDue, &mut self.due);
        } else if let Some(told) = told {
            // Others still want it.
            told.send(()).ok();
        }
    }

    /// A new connection stands.
    pub(super) fn connected(&mut self, session_present: bool) {
        let due = &mut self.due;
        self.wishes.retain(|_, wish| {
            match (wish.known, session_present) {
                (Known::Due | Known::LeaveDue | Known::Granted, true) | (Known::Due, false) => {}
                (Known::Asked, true) | (Known::Asked | Known::Granted, false) => set(wish, Known::Due, due),
                (Known::Leaving, true) => set(wish, Known::LeaveDue, due),
                (Known::LeaveDue | Known::Leaving, false) => {
                    set(wish, Known::Leaving, due);
                    wish.leaving.drain(..).for_each(answer);
                    return false;
                }
            }
            true
        });
    }

    /// Whether the server has to be asked for something.
    pub(super) const fn has_request(&self) -> bool {
        self.due > 0
    }

    /// What to ask the server for next.
    pub(super) fn next_request(&mut self) -> Option<Request> {
        if self.due == 0 {
            return None;
        }
        self.requests += 1;
        let (due, number) = (&mut self.due, self.requests);
        let mut take = |from: Known, to: Known| -> Vec<(TopicFilterBuf, QoS)> {
            let wishes = self.wishes.iter_mut().filter(|(_, wish)| wish.known == from);
            let taken = wishes.take(BATCH).filter_map(|(raw, wish)| {
                set(wish, to, due);
                wish.asked = number;
                Some((TopicFilterBuf::parse(raw).ok()?, wish.qos))
            });
            taken.collect()
        };
        // In this order: who gives a filter up and takes another one may not have both for a moment.
        let gone = take(Known::LeaveDue, Known::Leaving);
        if !gone.is_empty() {
            let gone = gone.into_iter().map(|(filter, _)| filter);
            return Some(Request::Unsubscribe(number, gone.collect()));
        }
        let wanted = take(Known::Due, Known::Asked);
        (!wanted.is_empty()).then_some(Request::Subscribe(number, wanted))
    }

    /// SUBACK for the request of this number: one code for each filter. Gives the filters that were refused.
    pub(super) fn answered(&mut self, number: u64, filters: &[String], codes: &[u8]) -> Vec<String> {
        let mut refused = Vec::new();
        for (filter, code) in filters.iter().zip(codes) {
            let Some(wish) = self.wishes.get_mut(filter) else {
                continue;
            };
            if wish.known != Known::Asked || wish.asked != number {
                // Asked again, or given up, in the meantime: the next answer counts.
                continue;
            }
            // [MQTT-3.8.4-6] what was granted counts, not what was asked for.
            if let Some(granted) = QoS::from_bits(*code) {
                set(wish, Known::Granted, &mut self.due);
                wish.waiting
                    .drain(..)
                    .for_each(|(_, answer)| drop(answer.send(Ok(granted))));
            } else {
                refused.push(filter.clone());
                self.refuse(filter);
            }
        }
        refused
    }

    fn refuse(&mut self, filter: &str) {
        self.remembered.clear();
        if let Some(wish) = self.wishes.remove(filter) {
            for (_, answer) in wish.waiting {
                answer.send(Err(Error::NotGranted(filter.to_owned()))).ok();
            }
        }
        self.streams.retain(|_, stream| {
            let stays = stream.filter.as_str() != filter;
            if !stays {
                stream.queue.close();
            }
            stays
        });
    }

    /// UNSUBACK for the request of this number.
    pub(super) fn left(&mut self, number: u64, filters: &[String]) {
        for filter in filters {
            // Wanted again, or given up once more, in the meantime: that has its own answer.
            let over = |wish: &&mut Wish| wish.known == Known::Leaving && wish.asked == number;
            if let Some(wish) = self.wishes.get_mut(filter).filter(over) {
                wish.leaving.drain(..).for_each(answer);
                self.wishes.remove(filter);
            }
        }
    }

    /// The streams of a topic.
    pub(super) fn route(&mut self, topic: TopicName<'_>) -> Arc<[Arc<Queue>]> {
        if let Some(known) = self.remembered.get(topic.as_str()) {
            return Arc::clone(known);
        }
        let matching = self
            .streams
            .values()
            .filter(|stream| stream.filter.as_ref().matches(topic));
        let queues: Arc<[_]> = matching.map(|stream| Arc::clone(&stream.queue)).collect();
        if self.remembered.len() >= REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(topic.as_str().into(), Arc::clone(&queues));
        queues
    }

    /// The client has ended.
    pub(super) fn close(&mut self) {
        self.streams.values().for_each(|stream| stream.queue.close());
        self.streams.clear();
        self.wishes.clear();
        self.remembered.clear();
        self.due = 0;
    }
}

/// Whoever waited may have gone.
fn answer(told: oneshot::Sender<()>) {
    told.send(()).ok();
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.close();
    }
}

/// Changes what the server knows, and counts what is due.
const fn set(wish: &mut Wish, known: Known, due: &mut usize) {
    let is_due = matches!(known, Known::Due | Known::LeaveDue);
    let was_due = matches!(wish.known, Known::Due | Known::LeaveDue);
    match (was_due, is_due) {
        (false, true) => *due += 1,
        (true, false) => *due -= 1,
        (true, true) | (false, false) => {}
    }
    wish.known = known;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::Overflow;

    fn filter(raw: &str) -> (TopicFilterBuf, QoS) {
        (TopicFilterBuf::parse(raw).expect("valid"), QoS::AtLeastOnce)
    }

    fn queue() -> Arc<Queue> {
        Arc::new(Queue::new(1, Overflow::Wait))
    }

    fn asked(registry: &mut Registry) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(request) = registry.next_request() {
            match request {
                Request::Subscribe(_, filters) => {
                    all.extend(filters.iter().map(|(filter, _)| format!("+{}", filter.as_str())));
                }
                Request::Unsubscribe(_, filters) => {
                    all.extend(filters.iter().map(|filter| format!("-{}", filter.as_str())));
                }
            }
        }
        all
    }

    #[test]
    fn the_server_is_asked_for_what_it_does_not_have() {
        let mut registry = Registry::default();
        registry.add(1, filter("a"), queue(), None);
        registry.add(2, filter("b/#"), queue(), None);
        assert_eq!(asked(&mut registry), ["+a", "+b/#"]);
        registry.answered(registry.requests, &["a".to_owned()], &[1]);
        registry.connected(true);
        assert_eq!(asked(&mut registry), ["+b/#"], "it has a, and may have missed b/#");
        registry.connected(false);
        assert_eq!(asked(&mut registry), ["+a", "+b/#"]);
        registry.remove(1, None);
        assert_eq!(asked(&mut registry), ["-a"]);
        registry.connected(true);
        assert_eq!(asked(&mut registry), ["-a", "+b/#"]);
        registry.connected(false);
        assert_eq!(asked(&mut registry), ["+b/#"]);
    }

    #[test]
    fn a_filter_is_kept_until_its_last_stream_is_gone() {
        let mut registry = Registry::default();
        registry.add(1, filter("a"), queue(), None);
        registry.add(2, filter("a"), queue(), None);
        assert_eq!(asked(&mut registry), ["+a"]);
        registry.answered(registry.requests, &["a".to_owned()], &[1]);
        registry.remove(1, None);
        assert_eq!(asked(&mut registry), Vec::<String>::new());
        assert_eq!(registry.route(TopicName::parse("a").expect("valid")).len(), 1);
        registry.remove(2, None);
        assert_eq!(asked(&mut registry), ["-a"]);
        // Wanted again before the answer.
        registry.add(3, filter("a"), queue(), None);
        assert_eq!(asked(&mut registry), ["+a"]);
        registry.left(registry.requests - 1, &["a".to_owned()]);
        registry.answered(registry.requests, &["a".to_owned()], &[0]);
        registry.connected(false);
        assert_eq!(asked(&mut registry), ["+a"]);
    }

    #[test]
    fn who_gives_up_a_filter_that_is_wanted_again_does_not_wait() {
        let mut registry = Registry::default();
        registry.add(1, filter("a"), queue(), None);
        assert_eq!(asked(&mut registry), ["+a"]);
        registry.answered(registry.requests, &["a".to_owned()], &[1]);
        let (told, mut left) = oneshot::channel();
        registry.remove(1, Some(told));
        assert!(left.try_recv().is_err(), "the server has not let go of it");
        registry.add(2, filter("a"), queue(), None);
        assert_eq!(asked(&mut registry), ["+a"], "UNSUBSCRIBE never leaves");
        assert_eq!(left.try_recv(), Ok(()));
    }

    #[test]
    fn a_stream_that_is_gone_before_it_was_heard_of_is_not_asked_for() {
        let (mut registry, gone) = (Registry::default(), queue());
        assert!(gone.abandon().is_empty());
        registry.remove(1, None);
        registry.add(1, filter("a"), gone, None);
        assert_eq!(asked(&mut registry), Vec::<String>::new());
    }

    #[test]
    fn an_answer_to_an_earlier_request_is_not_the_later_ones() {
        let mut registry = Registry::default();
        let (first, _dropped) = oneshot::channel();
        let (second, mut granted) = oneshot::channel();
        let named = |qos| (filter("a").0, qos);
        registry.add(1, named(QoS::AtMostOnce), queue(), Some(first));
        assert_eq!(asked(&mut registry), ["+a"]);
        registry.add(2, named(QoS::ExactlyOnce), queue(), Some(second));
        assert_eq!(asked(&mut registry), ["+a"]);
        registry.answered(registry.requests - 1, &["a".to_owned()], &[0]);
        registry.answered(registry.requests, &["a".to_owned()], &[2]);
        assert!(matches!(granted.try_recv(), Ok(Ok(QoS::ExactlyOnce))));
    }

    #[test]
    fn who_gives_up_a_filter_once_more_waits_for_the_last_unsuback() {
        let mut registry = Registry::default();
        registry.add(1, filter("a"), queue(), None);
        assert_eq!(asked(&mut registry), ["+a"]);
        registry.answered(registry.requests, &["a".to_owned()], &[1]);
        registry.remove(1, None);
        assert_eq!(asked(&mut registry), ["-a"]);
        let earlier = registry.requests;
        registry.add(2, filter("a"), queue(), None);
        assert_eq!(asked(&mut registry), ["+a"]);
        let (told, mut left) = oneshot::channel();
        registry.remove(2, Some(told));
        registry.left(earlier, &["a".to_owned()]);
        assert!(left.try_recv().is_err(), "UNSUBSCRIBE has not even left");
        assert_eq!(asked(&mut registry), ["-a"]);
        registry.left(earlier, &["a".to_owned()]);
        assert!(left.try_recv().is_err());
        registry.left(registry.requests, &["a".to_owned()]);
        assert_eq!(left.try_recv(), Ok(()));
    }

    #[test]
    fn every_stream_whose_filter_matches_gets_the_message() {
        let mut registry = Registry::default();
        for (key, raw) in [(1, "a/+"), (2, "#"), (3, "a/b"), (4, "c")] {
            registry.add(key, filter(raw), queue(), None);
        }
        let mut count = |raw| registry.route(TopicName::parse(raw).expect("valid")).len();
        assert_eq!((count("a/b"), count("a/b"), count("c"), count("$SYS/x")), (3, 3, 2, 0));
    }
}
