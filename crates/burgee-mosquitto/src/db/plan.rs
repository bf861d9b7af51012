//! Which message is written when, and for whom.
//!
//! Our store gives one number to a message, whatever the number of its receivers, and delivers in the order of numbers.
//! Mosquitto has a queue for each client, mostly but not always in the order of its own numbers: a retained message is
//! older than what it is queued behind, and one message may be queued twice for one client.
//!
//! What must hold: for each client our numbers ascend in the order of its queue. A message that stands in order everywhere
//! has one record; where it stands out of order it has another one, behind its predecessor.

use std::cmp::Ordering;

use burgee_codec::QoS;

use super::gather::{Owed, Way};

/// Where a record stands among all: behind which message of the file, as which one there; then what it is.
#[derive(Copy, Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    behind: u64,
    turn: u64,
    message: u64,
    retain: bool,
}

/// One message for one client.
#[derive(Copy, Clone, Debug)]
pub(super) struct Entry {
    key: Key,
    /// The client's place.
    pub(super) client: usize,
    pub(super) qos: QoS,
    pub(super) way: Way,
}

impl Entry {
    /// The number in the file.
    pub(super) const fn message(&self) -> u64 {
        self.key.message
    }

    pub(super) const fn retain(&self) -> bool {
        self.key.retain
    }

    /// Whether both stand in one record.
    pub(super) fn shares(&self, other: &Self) -> bool {
        self.key == other.key
    }

    fn order(&self, other: &Self) -> Ordering {
        (self.key, self.client).cmp(&(other.key, other.client))
    }
}

/// Lines up the queues of all clients, given in the order of their places.
pub(super) fn line_up<'a>(queues: impl Iterator<Item = &'a [Owed]>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (client, queue) in queues.enumerate() {
        let (mut behind, mut turn) = (0, 0);
        for owed in queue {
            if owed.message > behind {
                (behind, turn) = (owed.message, 0);
            } else {
                turn += 1;
            }
            let key = Key {
                behind,
                turn,
                message: owed.message,
                retain: owed.retain,
            };
            entries.push(Entry {
                key,
                client,
                qos: owed.qos,
                way: owed.way,
            });
        }
    }
    entries.sort_unstable_by(Entry::order);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owed(message: u64) -> Owed {
        Owed {
            message,
            qos: QoS::AtLeastOnce,
            retain: false,
            way: Way::Waiting,
        }
    }

    fn records(queues: &[Vec<Owed>]) -> Vec<Vec<Entry>> {
        let entries = line_up(queues.iter().map(Vec::as_slice));
        entries.chunk_by(Entry::shares).map(<[Entry]>::to_vec).collect()
    }

    #[test]
    fn a_message_in_order_has_one_record_for_all() {
        let queue: Vec<Owed> = [3, 5, 9].map(owed).into();
        let records = records(&[queue.clone(), queue]);
        let found: Vec<_> = records
            .iter()
            .map(|record| (record[0].message(), record.len()))
            .collect();
        assert_eq!(found, [(3, 2), (5, 2), (9, 2)]);
    }

    proptest! {
        #[test]
        fn every_queue_keeps_its_order_and_all_that_is_in_it(
            queues in proptest::collection::vec(proptest::collection::vec((1_u64..9, any::<bool>()), 0..12), 0..5)
        ) {
            let queues: Vec<Vec<Owed>> = queues
                .into_iter()
                .map(|queue| queue.into_iter().map(|(message, retain)| Owed { retain, ..owed(message) }).collect())
                .collect();
            let records = records(&queues);
            for (client, queue) in queues.iter().enumerate() {
                let came: Vec<_> = records
                    .iter()
                    .filter_map(|record| {
                        let mut ours = record.iter().filter(|entry| entry.client == client);
                        let first = ours.next();
                        assert!(ours.next().is_none(), "a session stands in a record once");
                        first
                    })
                    .map(|entry| (entry.message(), entry.retain()))
                    .collect();
                let was: Vec<_> = queue.iter().map(|owed| (owed.message, owed.retain)).collect();
                prop_assert_eq!(came, was);
            }
        }
    }
}
