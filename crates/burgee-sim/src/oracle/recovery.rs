//! A crash: what the broker finds on its disk is compared with what it promised, and is the truth from then on.
//!
//! What must hold: what was acknowledged is there; what was not may be there, but whole; nothing comes back that was
//! over. Deliberately absent: the disk. The oracle stands at this door, too, and sees what is handed through it.

use std::collections::{BTreeMap, BTreeSet};

use burgee_codec::{PacketId, QoS};
use burgee_store::{OwedMessage, RetainedMessage, SessionRecord, Stage};

use super::debts::{Debt, delivery};
use super::found::{Found, FoundSession};
use super::groups::{Groups, Member};
use super::history::History;
use super::state::{Flight, Kept, MessageNo, Owed, RESTORED, Replay, Session, SessionNo, Testament, Wanted, Will};
use super::{Oracle, Verdict};

/// Acknowledgements of subscribers and the like may reach the disk so much later, in milliseconds.
const LAZY_MS: u64 = 120;
/// Time for QoS 0 to get through when the disk has failed, in milliseconds.
const SOON_MS: u64 = 1_000;

/// What a session found is.
#[derive(Debug)]
struct Known {
    number: SessionNo,
    debts: Vec<Debt>,
    places: Vec<Option<usize>>,
}

impl Oracle {
    /// The broker is no more. If it had lost its disk before, it must have gone on without it.
    ///
    /// # Errors
    /// It did not.
    pub fn crash(&self, now: u64) -> Verdict {
        if self.without_disk.is_empty() || !self.rules.ample {
            return Ok(());
        }
        for session in self.sessions.iter().filter(|session| !session.dead) {
            let late = session.owed.iter().find(|owed| {
                let message = self.message(owed.message);
                let here = owed.conn.is_some() && owed.conn == session.conn;
                message.qos == QoS::AtMostOnce && here && !owed.optional && message.taken + SOON_MS < now
            });
            if let Some(owed) = late {
                let client = &session.client;
                return Err(format!(
                    "QoS 0 does not go on without a disk: {client:?} waits for {owed:?}"
                ));
            }
        }
        Ok(())
    }

    /// The broker starts with what is on its disk.
    ///
    /// # Errors
    /// That is not what it has promised.
    pub fn restart(&mut self, now: u64, found: &Found) -> Verdict {
        self.now = now;
        self.tally.crashes += 1;
        // Without a disk nothing of what happened was handed to it.
        let covered = found.covered.min(self.disk_lost.unwrap_or(u64::MAX));
        let known = covered.saturating_sub(LAZY_MS + self.rules.lateness);
        let numbers = self.who_they_are(found, known)?;
        let unpublished = self.settle_wills(found, &numbers, known)?;
        let mut sessions = Vec::new();
        for (session, number) in found.sessions.iter().zip(&numbers) {
            let mut debts = self.debts(*number, known, &unpublished);
            let places = self.recognise(session, &mut debts)?;
            let number = *number;
            sessions.push(Known { number, debts, places });
        }
        self.check_whole(found, &sessions)?;
        self.settle_retained_messages(found, known, &unpublished)?;
        let mut replays = Vec::new();
        for (session, known) in found.sessions.iter().zip(&sessions) {
            replays.push(self.replays_to_come(session, known.number)?);
        }
        self.begin_anew(found.edition);
        for ((session, known), replays) in found.sessions.iter().zip(&sessions).zip(replays) {
            self.adopt(session, known, replays);
        }
        self.excuse_forbidden(|_| true);
        self.forget_messages();
        Ok(())
    }

    /// Which session each of them is. Several may come into question where an end was not acknowledged.
    fn who_they_are(&self, found: &Found, known: u64) -> Result<Vec<SessionNo>, String> {
        let mut numbers = Vec::new();
        for session in &found.sessions {
            let client = &*session.record.client_id;
            let mut problem = format!("a session of {client:?} is there after the crash, and must not be");
            let candidates = self.sessions.iter().enumerate().rev().filter(|(number, held)| {
                let over = held.kept.ended || held.expired.is_some_and(|at| at < known);
                held.client == client && !held.clean && !over && !numbers.contains(number)
            });
            let mut chosen = None;
            for (place, (number, _)) in candidates.enumerate() {
                match self.fits(session, number, known) {
                    Ok(()) => chosen = chosen.or(Some(number)),
                    Err(why) if place == 0 => problem = why,
                    Err(_) => {}
                }
            }
            numbers.push(chosen.ok_or(problem)?);
        }
        let lost = self.sessions.iter().enumerate().find(|(number, held)| {
            let promised = !held.dead && !held.clean && held.kept.created;
            promised && !numbers.contains(number)
        });
        match lost {
            Some((_, held)) => Err(format!("the session of {:?} is forgotten after the crash", held.client)),
            None => Ok(numbers),
        }
    }

    fn fits(&self, found: &FoundSession, number: SessionNo, known: u64) -> Verdict {
        self.check_owner(&found.record, number, known)?;
        self.check_filters(&found.record, number, known)?;
        self.check_received(&found.record, number)?;
        self.check_will(&found.record, number, known)?;
        let mut debts = self.debts(number, known, &BTreeSet::new());
        self.recognise(found, &mut debts).map(drop)
    }

    fn check_owner(&self, record: &SessionRecord, number: SessionNo, known: u64) -> Verdict {
        let Some(session) = self.sessions.get(number) else {
            return Ok(());
        };
        // A name that is empty stands for none; without a word about it, anybody might have the session.
        let is = |owner: &Option<String>| record.user.as_deref() == Some(owner.as_deref().unwrap_or_default());
        if session.kept.owner.possible(known).iter().any(|value| is(&value.what)) {
            return Ok(());
        }
        let owner = &session.user;
        Err(format!(
            "the session of {:?} belongs to {:?} after the crash; it was that of {owner:?}",
            record.client_id, record.user
        ))
    }

    fn check_filters(&self, record: &SessionRecord, number: SessionNo, known: u64) -> Verdict {
        let Some(session) = self.sessions.get(number) else {
            return Ok(());
        };
        let unknown = History::default();
        let there: BTreeMap<&str, QoS> = record
            .subscriptions
            .iter()
            .map(|held| (held.filter.as_str(), held.qos))
            .collect();
        let names = session.kept.filters.keys().map(String::as_str);
        for filter in names.chain(there.keys().copied()) {
            let is = there.get(filter).copied();
            let history = session.kept.filters.get(filter).unwrap_or(&unknown);
            let mut possible = history.possible(known).iter().map(|value| value.what);
            if !possible.any(|qos| qos == is) {
                return Err(format!(
                    "the subscription of {:?} to {filter:?} is {is:?} after the crash; it was {:?}",
                    session.client,
                    history.possible(known)
                ));
            }
        }
        Ok(())
    }

    fn check_received(&self, record: &SessionRecord, number: SessionNo) -> Verdict {
        let Some(session) = self.sessions.get(number) else {
            return Ok(());
        };
        let there: BTreeSet<u16> = record.received.iter().map(|id| id.get()).collect();
        if let Some(id) = session.kept.received.difference(&there).next() {
            return Err(format!(
                "{:?} has sent {id} with QoS 2, and after the crash nobody knows it",
                session.client
            ));
        }
        let may = |id: &&u16| session.incoming.contains_key(id) || session.kept.freed.contains(id);
        match there.iter().find(|id| !may(id)) {
            Some(id) => Err(format!(
                "identifier {id} of {:?} was free, and is not after the crash",
                session.client
            )),
            None => Ok(()),
        }
    }

    fn check_will(&self, record: &SessionRecord, number: SessionNo, known: u64) -> Verdict {
        let Some(session) = self.sessions.get(number) else {
            return Ok(());
        };
        let is = will_of(record);
        let possible = session.kept.will.possible(known);
        if possible.iter().any(|value| value.what.will == is) {
            return Ok(());
        }
        Err(format!(
            "the will of {:?} is {is:?} after the crash; it was {possible:?}",
            session.client
        ))
    }

    /// A will that is gone was published, and is owed; one that is there will be, so it was not. Returns the messages
    /// that are taken back with the wills that they came of.
    fn settle_wills(
        &mut self,
        found: &Found,
        numbers: &[SessionNo],
        known: u64,
    ) -> Result<BTreeSet<MessageNo>, String> {
        let (mut published, mut unpublished) = (Vec::new(), BTreeSet::new());
        for (number, session) in self.sessions.iter().enumerate().filter(|(_, held)| !held.clean) {
            let values = session.kept.will.all();
            let wills = values
                .iter()
                .enumerate()
                .filter_map(|(place, value)| Some((place, value.what.published?)));
            let place = numbers.iter().position(|other| *other == number);
            let Some(record) = place.and_then(|place| found.sessions.get(place)) else {
                // It ended after all of them, or it never was.
                published.extend(wills.filter(|_| session.kept.created).map(|(_, message)| message));
                continue;
            };
            let is = will_of(&record.record);
            let first = values.len() - session.kept.will.possible(known).len();
            let possible = values.iter().enumerate().skip(first);
            let mut same = possible
                .filter(|(_, value)| value.what.will == is)
                .map(|(place, _)| place);
            let earliest = same.next();
            let latest = same.next_back().or(earliest);
            for (place, message) in wills {
                if earliest.is_some_and(|earliest| place <= earliest) {
                    published.push(message);
                } else if latest.is_some_and(|latest| place > latest) {
                    if self.message(message).exactly {
                        return Err(format!(
                            "the will of {:?} was sent with QoS 2, and will be published again after the crash",
                            session.client
                        ));
                    }
                    unpublished.insert(message);
                }
            }
        }
        for message in published {
            self.sure_message(message);
        }
        Ok(unpublished)
    }

    /// A message is there for all that are owed it or for none, and with it the identifier that it came with.
    fn check_whole(&self, found: &Found, sessions: &[Known]) -> Verdict {
        let mut there: BTreeMap<MessageNo, (bool, bool)> = BTreeMap::new();
        for debt in sessions.iter().flat_map(|known| &known.debts).filter(|debt| debt.whole) {
            let Some(message) = debt.message else { continue };
            let (some, none) = there.entry(message).or_default();
            *some |= debt.found;
            *none |= !debt.found;
        }
        for (number, (some, none)) in there {
            if self.lookalikes(number).len() > 1 {
                continue;
            }
            let message = self.message(number);
            let text = String::from_utf8_lossy(&message.payload);
            if some && none {
                return Err(format!("after the crash some are owed {text:?} and others are not"));
            }
            let Some((publisher, id)) = message.origin else {
                continue;
            };
            let place = sessions.iter().position(|known| known.number == publisher);
            let held = self.sessions.get(publisher).and_then(|held| held.incoming.get(&id));
            let Some(session) = place.and_then(|place| found.sessions.get(place)) else {
                continue;
            };
            let id_there = session.record.received.iter().any(|other| other.get() == id);
            if held == Some(&Some(number)) && id_there != some {
                return Err(format!(
                    "after the crash {text:?} is there: {some}; its identifier {id} is: {id_there}"
                ));
            }
        }
        Ok(())
    }

    fn settle_retained_messages(&mut self, found: &Found, known: u64, unpublished: &BTreeSet<MessageNo>) -> Verdict {
        let there: BTreeMap<&str, &RetainedMessage> = found
            .retained
            .iter()
            .map(|held| (held.body.topic().as_str(), held))
            .collect();
        let unknown = History::default();
        let (mut retained, mut kept) = (BTreeMap::new(), BTreeMap::new());
        let names = self.kept_retained.keys().map(String::as_str);
        for topic in names.chain(there.keys().copied()) {
            let is = there.get(topic);
            let history = self.kept_retained.get(topic).unwrap_or(&unknown);
            let same = |number: &Option<MessageNo>| match (number, is) {
                (None, None) => true,
                (Some(number), Some(is)) => {
                    let message = self.message(*number);
                    let same = *message.payload == *is.body.payload() && message.qos == is.qos;
                    same && !unpublished.contains(number)
                }
                (None, Some(_)) | (Some(_), None) => false,
            };
            let possible = history.possible(known);
            let Some(value) = possible.iter().rev().map(|value| value.what).find(same) else {
                let was: Vec<_> = possible.iter().map(|value| self.told(value.what)).collect();
                return Err(format!(
                    "{is:?} is retained on {topic:?} after the crash; it may be any of {was:?}"
                ));
            };
            retained.extend(value.map(|number| (topic.to_owned(), number)));
            kept.insert(topic.to_owned(), History::of(value));
        }
        self.retained = retained;
        self.kept_retained = kept;
        Ok(())
    }

    fn told(&self, number: Option<MessageNo>) -> Option<(String, QoS)> {
        let message = self.message(number?);
        Some((String::from_utf8_lossy(&message.payload).into_owned(), message.qos))
    }

    /// Connections are gone, and with them all sessions that were not kept. What holds is what is in the settings now.
    fn begin_anew(&mut self, edition: usize) {
        self.crashed = true;
        self.door.begin_anew(edition);
        self.laws.begin_anew(edition);
        self.forget_ages();
        self.forget_room();
        self.conns.clear();
        self.closing.clear();
        self.must_close.clear();
        self.leavers.clear();
        self.ending.clear();
        self.without_disk.clear();
        self.disk_lost = None;
        self.by_client.clear();
        self.testaments.clear();
        self.groups = Groups::default();
        for session in &mut self.sessions {
            session.dead = true;
            session.conn = None;
            session.kept.ended = true;
        }
    }

    /// Messages that nobody can get any more are nobody's lookalikes.
    fn forget_messages(&mut self) {
        if self.rules.shared {
            return;
        }
        let mut used: BTreeSet<MessageNo> = self.retained.values().copied().collect();
        for session in self.sessions.iter().filter(|session| !session.dead) {
            used.extend(session.owed.iter().map(|owed| owed.message));
            used.extend(session.flights.iter().filter_map(|flight| flight.message));
            used.extend(session.incoming.values().copied().flatten());
            let replays = session.replays.iter().flat_map(|replay| replay.wanted.values());
            used.extend(replays.flat_map(|wanted| &wanted.any_of));
        }
        self.by_payload.retain(|_, numbers| {
            numbers.retain(|number| used.contains(number));
            !numbers.is_empty()
        });
    }

    /// What a session is owed, has in flight, and waits for as retained messages.
    fn sort_messages(&mut self, found: &FoundSession, known: &Known) -> (Vec<Owed>, Vec<Flight>, Vec<Replay>) {
        let (mut owed, mut flights, mut replays) = (Vec::new(), Vec::new(), Vec::new());
        for (message, place) in found.owed.iter().zip(&known.places) {
            let debt = place.and_then(|place| known.debts.get(place));
            let alike = self.who_looks_like(message);
            let unclear = alike.len() > 1 || debt.is_some_and(|debt| debt.alike);
            let number = debt.and_then(|debt| debt.message).or(alike.first().copied());
            let one = number.filter(|_| !unclear);
            if let Some(one) = one {
                self.sure_message(one);
            }
            if let Some(delivery) = delivery(message) {
                let seen = debt.is_some_and(|debt| debt.seen);
                flights.push(restored_flight(message, delivery, (one, seen)));
            } else if message.retain {
                replays.push(restored_replay(message, alike));
            } else if let Some(number) = number
                && self.rules.shared
            {
                let first = alike.first().copied().unwrap_or(number);
                let member = Member {
                    session: known.number,
                    qos: message.qos,
                    conn: None,
                };
                self.groups.owe(first, number, vec![member], false);
            } else if let Some(number) = number {
                owed.push(Owed {
                    perhaps_written: true,
                    restored: true,
                    seen: !unclear && debt.is_some_and(|debt| debt.seen),
                    alike: unclear,
                    ..Owed::new(number, message.qos, None)
                });
            }
        }
        (owed, flights, replays)
    }

    fn adopt(&mut self, found: &FoundSession, known: &Known, to_come: Vec<Replay>) {
        let record = &found.record;
        self.tally.recovered += 1;
        self.tally.recovered_messages += found.owed.len() as u64;
        let (owed, flights, mut replays) = self.sort_messages(found, known);
        replays.extend(to_come);
        let session = self.session(known.number);
        (session.owed, session.flights, session.replays) = (owed, flights, replays);
        (session.dead, session.shard) = (false, Some(found.home));
        (session.left, session.expired) = (None, None);
        session.latest.clear();
        session.given.clear();
        let filters = || {
            let subscriptions = record.subscriptions.iter();
            subscriptions.map(|held| (held.filter.as_str().to_owned(), held.qos))
        };
        session.filters = filters().collect();
        let ids = || record.received.iter().copied().map(PacketId::get);
        session.incoming = ids()
            .map(|id| (id, session.incoming.get(&id).copied().flatten()))
            .collect();
        let will = will_of(record);
        session.user = record
            .user
            .as_deref()
            .filter(|user| !user.is_empty())
            .map(str::to_owned);
        session.kept = Kept {
            created: true,
            ended: false,
            filters: filters()
                .map(|(filter, qos)| (filter, History::of(Some(qos))))
                .collect(),
            received: ids().collect(),
            freed: BTreeSet::new(),
            will: History::of(Testament {
                will: will.clone(),
                published: None,
            }),
            owner: History::of(session.user.clone()),
            done: Vec::new(),
        };
        self.by_client.insert(record.client_id.to_string(), known.number);
        self.testaments
            .extend(will.map(|will| (found.home, known.number, will)));
    }

    /// A shard that starts publishes the wills of the clients that it has lost.
    pub(super) fn open_testaments(&mut self) {
        let shard = self.shard;
        let all = std::mem::take(&mut self.testaments);
        let (due, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(home, ..)| *home == shard);
        self.testaments = others;
        for (_, number, will) in due {
            self.vague = self.busy_turn;
            let who = self.sessions.get(number).map(Session::who);
            let may = who.is_some_and(|who| self.may_publish(who, &will.topic, will.qos));
            let published = if may {
                self.tally.wills += 1;
                let client = self.session(number).client.clone();
                self.route(client, will)
            } else {
                self.tally.forbidden += 1;
                None
            };
            let (now, left) = (self.now, Testament { will: None, published });
            self.session(number).kept.will.change(left, now, u64::MAX);
            self.vague = false;
        }
    }
}

fn restored_flight(
    found: &OwedMessage,
    (id, stage): (u16, Stage),
    (message, seen): (Option<MessageNo>, bool),
) -> Flight {
    let released = stage == Stage::Released;
    Flight {
        id,
        topic: found.body.topic().as_str().to_owned(),
        payload: found.body.payload().into(),
        qos: found.qos,
        retain: found.retain,
        released,
        release_sent: released,
        message,
        restored: true,
        seen,
        sent_on: RESTORED,
    }
}

/// A retained message of a new subscription, as if it were a subscription of its own.
fn restored_replay(found: &OwedMessage, any_of: Vec<MessageNo>) -> Replay {
    let wanted = Wanted {
        any_of,
        optional: false,
    };
    Replay {
        filter: String::new(),
        granted: found.qos,
        wanted: [(found.body.topic().as_str().to_owned(), wanted)].into(),
        conn: RESTORED,
        question: 0,
        asked: 0,
        open: false,
    }
}

fn will_of(record: &SessionRecord) -> Option<Will> {
    let will = record.will.as_ref()?;
    Some(Will {
        topic: will.body.topic().as_str().to_owned(),
        payload: will.body.payload().to_vec(),
        qos: will.qos,
        retain: will.retain,
    })
}
