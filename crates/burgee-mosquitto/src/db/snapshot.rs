//! What a file holds, once it has been read through and found whole.
//!
//! What must hold: packet identifiers of a session are in use once. What publishers had not released is owed to those who
//! subscribe to it, behind all that they are owed already.

use std::collections::HashSet;
use std::io::{Read, Seek};

use burgee_codec::{QoS, SharedFilter, TopicName};
use burgee_router::{Kept, RouteCache, Router, SubscriberKey};

use super::chunk::File;
use super::error::{DbError, Wrong};
use super::gather::{Client, Gathered, Owed, Stored, Way, gather};
use super::left::{Left, Remark};
use super::plan::{Entry, line_up};

/// What is in a file, in numbers.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// The version of its format.
    pub format: u32,
    /// Sessions.
    pub sessions: u64,
    /// Their subscriptions.
    pub subscriptions: u64,
    /// Messages that wait for sessions, each counted for each session that is owed it.
    pub owed: u64,
    /// Of these, QoS 2 deliveries under way.
    pub under_way: u64,
    /// Identifiers of QoS 2 messages that were received and not released.
    pub received: u64,
    /// Retained messages.
    pub retained: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Snapshot<R> {
    file: File<R>,
    gathered: Gathered,
}

/// Reads a whole file. `now` is the time in seconds since 1970: Mosquitto's expiry times are judged by it.
///
/// # Errors
/// The file is no persistence file of Mosquitto, or damaged, or cannot be read.
pub fn read<R: Read + Seek>(source: R, now: i64) -> Result<Snapshot<R>, DbError> {
    let mut file = File::open(source)?;
    let mut gathered = gather(&mut file, now)?;
    for client in &mut gathered.clients {
        let mut taken = HashSet::new();
        for owed in &mut client.owed {
            let (Way::Sent(id) | Way::Released(id)) = owed.way else {
                continue;
            };
            if !taken.insert(id) {
                owed.way = Way::Waiting;
                gathered.remarks.add(Left::IdTwice, client.name.clone());
            }
        }
    }
    let mut snapshot = Snapshot { file, gathered };
    snapshot.hand_on()?;
    Ok(snapshot)
}

impl<R: Read + Seek> Snapshot<R> {
    /// In numbers.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            format: self.file.version,
            sessions: self.gathered.clients.len() as u64,
            retained: self.gathered.retained.len() as u64,
            ..Summary::default()
        };
        for client in &self.gathered.clients {
            summary.subscriptions += client.subscriptions.len() as u64;
            summary.owed += client.owed.len() as u64;
            summary.received += client.unreleased.len() as u64;
            let under_way = client.owed.iter().filter(|owed| owed.way != Way::Waiting);
            summary.under_way += under_way.count() as u64;
        }
        summary
    }

    /// What was left out, or comes differently.
    #[must_use]
    pub fn remarks(&self) -> &[Remark] {
        self.gathered.remarks.as_slice()
    }

    pub(super) fn clients(&self) -> &[Client] {
        &self.gathered.clients
    }

    pub(super) fn retained(&self) -> &[u64] {
        &self.gathered.retained
    }

    pub(super) fn line_up(&self) -> Vec<Entry> {
        line_up(self.gathered.clients.iter().map(|client| client.owed.as_slice()))
    }

    /// A message that a chunk refers to: that it is there was checked.
    pub(super) fn stored(&self, message: u64) -> Result<Stored, DbError> {
        self.gathered.messages.get(&message).copied().ok_or_else(|| changed(0))
    }

    /// Topic and payload, as they stand in the file, behind so many bytes of room.
    pub(super) fn bytes(&mut self, stored: &Stored, room: usize) -> Result<Vec<u8>, DbError> {
        let mut bytes = vec![0; room + usize::from(stored.topic) + stored.payload as usize];
        self.file
            .read_at(stored.at, bytes.get_mut(room..).unwrap_or_default())?;
        Ok(bytes)
    }

    fn topic(&mut self, stored: &Stored) -> Result<Box<str>, DbError> {
        let mut bytes = vec![0; usize::from(stored.topic)];
        self.file.read_at(stored.at, &mut bytes)?;
        String::from_utf8(bytes).map(Into::into).map_err(|_| changed(stored.at))
    }

    /// What publishers had not released goes to whoever subscribes, as if it came now, in the order of its numbers.
    fn hand_on(&mut self) -> Result<(), DbError> {
        let clients = self.gathered.clients.iter().enumerate();
        let mut unreleased: Vec<(u64, usize)> = clients
            .flat_map(|(at, client)| client.unreleased.iter().map(move |one| (one.message, at)))
            .collect();
        unreleased.sort_unstable();
        if unreleased.is_empty() {
            return Ok(());
        }
        let router = self.router();
        for (turn, (message, from)) in (0..).zip(unreleased) {
            if let Some(client) = self.gathered.clients.get(from) {
                self.gathered.remarks.add(Left::Unreleased, client.name.clone());
            }
            let stored = self.stored(message)?;
            let topic = self.topic(&stored)?;
            let name = TopicName::parse(&topic).map_err(|_| changed(stored.at))?;
            for (at, granted) in receivers(&router, name, turn) {
                let qos = granted.min(stored.qos);
                if qos == QoS::AtMostOnce {
                    continue;
                }
                if let Some(client) = self.gathered.clients.get_mut(at) {
                    client.owed.push(Owed {
                        message,
                        qos,
                        retain: false,
                        way: Way::Waiting,
                    });
                }
            }
            if stored.retain {
                self.gathered.retained.push(message);
            }
        }
        Ok(())
    }

    fn router(&self) -> Router {
        // What is looked up here is no secret and nobody waits for it: the seeds may be anything.
        let router = Router::new([1, 2, 3, 4]);
        for (slot, client) in (0_u32..).zip(&self.gathered.clients) {
            let key = SubscriberKey {
                shard: 0,
                slot,
                generation: 0,
                kept: Kept::NOT,
            };
            for (filter, qos) in &client.subscriptions {
                match SharedFilter::parse(filter.as_ref()) {
                    Some(Ok(shared)) => drop(router.subscribe_shared(key, shared, *qos, false)),
                    Some(Err(_)) => {}
                    None => drop(router.subscribe(key, filter.as_ref(), *qos)),
                }
            }
        }
        router
    }
}

/// What was checked before is different now.
pub(super) fn changed(at: u64) -> DbError {
    DbError {
        wrong: Wrong::Damaged("it was changed while it was read".to_owned()),
        at,
        chunk: None,
    }
}

/// Who gets a message: places of clients, with the QoS that was granted; of each shared group one member in turn.
fn receivers(router: &Router, topic: TopicName<'_>, turn: usize) -> Vec<(usize, QoS)> {
    let mut cache = RouteCache::default();
    let route = router.route(topic, &mut cache);
    let one_of = route.groups().iter().filter_map(|group| {
        let all = group.candidates();
        all.get(turn.checked_rem(all.len())?)
    });
    let mut found: Vec<(usize, QoS)> = Vec::new();
    for recipient in route.recipients().iter().chain(one_of) {
        let at = recipient.key.slot as usize;
        match found.iter_mut().find(|(known, _)| *known == at) {
            Some((_, qos)) => *qos = (*qos).max(recipient.qos),
            None => found.push((at, recipient.qos)),
        }
    }
    found
}
