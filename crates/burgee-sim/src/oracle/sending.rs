//! Messages on their way to clients: owed, once, in order, with the right flags and identifiers.
//!
//! What must hold: a first delivery settles exactly one debt; a repetition repeats exactly one unfinished message.
//! Deliberately absent: who is owed what (`routing`).

use burgee_codec::{Publish, QoS};

use super::copies::count;
use super::state::{Copied, Flight, MessageNo, Owed, SessionNo};
use super::{Oracle, Verdict};
use crate::net::LinkId;

/// Which debt a first delivery settles.
#[derive(Debug, Default)]
struct Settled {
    /// It may have been sent before.
    may_repeat: bool,
    /// It came back from the disk.
    restored: bool,
    /// It was sent before that.
    seen: bool,
    message: Option<MessageNo>,
}

impl Oracle {
    pub(super) fn sent_publish(&mut self, link: LinkId, publish: &Publish<'_>) -> Verdict {
        let verdict = self.judge_publish(link, publish);
        // Without a disk packets are refused, and which of those that came together cannot be told: neither what is
        // retained is known then, nor what was acknowledged. A restart follows.
        if self.disk_lost.is_some() && (publish.retain || publish.qos > QoS::AtMostOnce) {
            return Ok(());
        }
        verdict
    }

    fn judge_publish(&mut self, link: LinkId, publish: &Publish<'_>) -> Verdict {
        if publish.topic.as_str().starts_with("$SYS/") {
            self.check_law(link, publish.topic.as_str())?;
            return self.sent_sys(link, publish);
        }
        let number = self.session_of(link)?;
        let id = publish.packet_id.map(burgee_codec::PacketId::get);
        if let Some(id) = id
            && self.session(number).flights.iter().any(|flight| flight.id == id)
        {
            return self.sent_again(link, number, id, publish);
        }
        self.check_law(link, publish.topic.as_str())?;
        let waiting = self
            .session(number)
            .flights
            .iter()
            .find(|flight| flight.sent_on != link);
        let waiting = waiting.filter(|_| id.is_some()).map(|flight| flight.id);
        let settled = if publish.retain {
            self.settle_retained(link, number, publish)?
        } else {
            self.settle(link, number, publish)?
        };
        // [MQTT-4.6.0-1] [MQTT-4.4.0-1] what is unfinished comes before what is new.
        if let Some(waiting) = waiting.filter(|_| !settled.restored) {
            return Err(format!("a new message before unfinished {waiting} is sent again"));
        }
        self.tally.deliveries += 1;
        if publish.dup && !settled.may_repeat {
            return Err("DUP, and it was never sent before".to_owned());
        }
        if settled.seen && !publish.dup {
            return Err("sent before the crash, and now without DUP".to_owned());
        }
        if let Some(message) = settled.message.filter(|_| !publish.retain) {
            self.sent_somebody(message, publish.qos == QoS::ExactlyOnce && self.disk_lost.is_none());
        }
        let Some(id) = publish.packet_id else { return Ok(()) };
        let flight = Flight {
            id: id.get(),
            topic: publish.topic.as_str().to_owned(),
            payload: publish.payload.into(),
            qos: publish.qos,
            retain: publish.retain,
            released: false,
            release_sent: false,
            message: settled.message,
            restored: false,
            seen: true,
            sent_on: link,
        };
        let window = self.rules.window;
        let session = self.session(number);
        session.flights.push(flight);
        if session.flights.len() > window {
            return Err(format!(
                "{} messages are unacknowledged, the window is {window}",
                session.flights.len()
            ));
        }
        Ok(())
    }

    /// A packet identifier that is in use: this must be the same message on a new connection.
    fn sent_again(&mut self, link: LinkId, number: SessionNo, id: u16, publish: &Publish<'_>) -> Verdict {
        self.tally.repeats += 1;
        let flight = self.again(link, number, id)?;
        if flight.released {
            return Err("PUBLISH again after PUBREC".to_owned());
        }
        let same = flight.topic == publish.topic.as_str()
            && *flight.payload == *publish.payload
            && flight.qos == publish.qos
            && flight.retain == publish.retain;
        if !same {
            return Err(format!("identifier {id} stood for another message: {flight:?}"));
        }
        // [MQTT-3.3.1-1] what came back from the disk may have been sent, or not.
        if !publish.dup && flight.seen {
            return Err("repeated without DUP".to_owned());
        }
        let message = flight.message;
        if let Some(flight) = self.session(number).flights.iter_mut().find(|flight| flight.id == id) {
            flight.seen = true;
        }
        // On its first way since a crash it has a place among those that came back with it.
        match message.filter(|_| flight.restored && !flight.retain) {
            Some(message) => self.check_order(link, number, message, publish.qos),
            None => Ok(()),
        }
    }

    /// Something unfinished is sent again. [MQTT-4.6.0-1] PUBLISH and PUBREL in one list, in the order of first sending;
    /// what comes back from the disk is in the order in which the broker took it, and where two publishers met that
    /// need not be the same. Returns the flight as it was.
    fn again(&mut self, link: LinkId, number: SessionNo, id: u16) -> Result<Flight, String> {
        let flights = &mut self.session(number).flights;
        let first = flights.iter().find(|flight| flight.sent_on != link && !flight.restored);
        let first = first.map(|flight| flight.id);
        let may = |flight: &Flight| flight.sent_on != link && (flight.restored || first == Some(flight.id));
        let Some(place) = flights.iter().position(|flight| flight.id == id && may(flight)) else {
            return Err(match first.filter(|first| *first != id) {
                Some(first) => format!("repeated out of order: {first} was sent before"),
                None => format!("identifier {id} is in use, or a message is repeated on its connection"),
            });
        };
        let flight = flights.remove(place);
        let behind = flights.iter().rposition(|flight| flight.sent_on == link);
        let sent = Flight {
            sent_on: link,
            restored: false,
            ..flight.clone()
        };
        flights.insert(behind.map_or(0, |place| place + 1), sent);
        Ok(flight)
    }

    pub(super) fn sent_release(&mut self, link: LinkId, id: u16) -> Verdict {
        let number = self.session_of(link)?;
        let conn = self.conns.get_mut(&link).ok_or("no connection")?;
        // [MQTT-4.6.0-4] in the order of the PUBRECs.
        if conn.answers.pubrel.front() == Some(&id) {
            conn.answers.pubrel.pop_front();
            if let Some(flight) = self.session(number).flights.iter_mut().find(|flight| flight.id == id) {
                flight.sent_on = link;
                flight.release_sent = true;
            }
            return Ok(());
        }
        // [MQTT-4.6.0-1] as for a PUBLISH that is sent again.
        let released = |flight: &Flight| flight.id == id && flight.released && flight.sent_on != link;
        if self.disk_lost.is_none() && !self.session(number).flights.iter().any(released) {
            return Err("a PUBREL that nobody waits for".to_owned());
        }
        let again = self.again(link, number, id).map(drop);
        if self.disk_lost.is_none() {
            again?;
        }
        self.tally.repeats += 1;
        if let Some(flight) = self.session(number).flights.iter_mut().find(|flight| flight.id == id) {
            flight.release_sent = true;
        }
        Ok(())
    }

    /// A live message: settles what the session is owed, by its own subscriptions or by a group.
    fn settle(&mut self, link: LinkId, number: SessionNo, publish: &Publish<'_>) -> Result<Settled, String> {
        let mut candidates = self.by_payload.get(publish.payload).cloned().unwrap_or_default();
        candidates.retain(|message| self.message(*message).topic == publish.topic.as_str());
        // The same may be owed several times; then the order says which one this is.
        let latest = self.latest_from(number, &candidates, publish.qos);
        let lawful = self.laws.are_any();
        let owed = &mut self.session(number).owed;
        let fits = |owed: &Owed| candidates.contains(&owed.message) && owed.qos == publish.qos;
        // Copies of QoS 0 for an earlier connection are mostly lost.
        let sure = |owed: &Owed| fits(owed) && (owed.qos > QoS::AtMostOnce || owed.conn == Some(link));
        // What a law forbade meanwhile may be gone.
        let must = |owed: &Owed| sure(owed) && !(owed.optional && (lawful || owed.qos == QoS::AtMostOnce));
        // Of two that look alike one may have expired: which one that was cannot be told.
        let one_is_old = candidates.len() > 1 && owed.iter().any(|owed| owed.old && fits(owed));
        let of_any = |fact: fn(&Owed) -> bool| one_is_old && owed.iter().any(|owed| fits(owed) && fact(owed));
        let (may_repeat, restored) = (of_any(|owed| owed.perhaps_written), of_any(|owed| owed.restored));
        // What comes back from the disk has DUP set, or looks new.
        let ways: [&dyn Fn(&Owed) -> bool; 5] = [
            &|owed| publish.dup && owed.restored && fits(owed),
            &|owed| owed.message >= latest && must(owed),
            &|owed| owed.message >= latest && sure(owed),
            &|owed| owed.message >= latest && fits(owed),
            &fits,
        ];
        let mut young = ways
            .iter()
            .map(|way| owed.iter().position(|owed| !owed.old && way(owed)));
        let young = young.find_map(|place| place);
        let place = young.or_else(|| ways.iter().find_map(|way| owed.iter().position(way)));
        if let Some(place) = place {
            let owed = owed.remove(place);
            if candidates.len() == 1 {
                self.check_age(&owed)?;
            }
            // A late copy for an earlier connection may look like one for this; then its place cannot be told.
            let late = candidates.len() > 1 && (lawful || (owed.qos == QoS::AtMostOnce && !self.rules.no_delay));
            if !late && !one_is_old && !owed.alike {
                self.check_order(link, number, owed.message, publish.qos)?;
            }
            return Ok(Settled {
                may_repeat: may_repeat || owed.perhaps_written,
                restored: restored || owed.restored,
                seen: owed.seen && candidates.len() == 1,
                message: Some(owed.message).filter(|_| candidates.len() == 1 && !owed.alike),
            });
        }
        let first = candidates.first().copied().unwrap_or(usize::MAX);
        if !self.groups.settle(first, number, publish.qos) {
            return Err(self.why_not_owed(number, publish, &candidates));
        }
        // Which of several it was cannot be told, and neither can its place.
        if candidates.len() == 1 {
            self.check_order(link, number, first, publish.qos)?;
        }
        Ok(Settled {
            may_repeat: true,
            restored: self.crashed,
            seen: false,
            message: Some(first).filter(|_| candidates.len() == 1),
        })
    }

    /// The last message that a session got from the publisher of these.
    fn latest_from(&self, number: SessionNo, candidates: &[MessageNo], qos: QoS) -> MessageNo {
        // Empty ones look alike whoever sent them.
        let Some(first) = candidates.first().filter(|first| self.message(**first).is_marked()) else {
            return 0;
        };
        let publisher = self.message(*first).publisher.clone();
        let class = self.class(*first, qos);
        let session = self.sessions.get(number);
        let latest = session.and_then(|session| session.latest.get(&(publisher, class)));
        latest.copied().unwrap_or(0)
    }

    /// Messages of one class do not overtake one another. One that was published with QoS 2 may have to wait for the
    /// disk where others need not [MQTT-4.6.0-6]; and what has an identifier on the disk may come back before what has
    /// none.
    fn class(&self, message: MessageNo, qos: QoS) -> (u8, bool) {
        let waits = self.rules.durable && self.message(message).qos == QoS::ExactlyOnce;
        let class = if self.crashed { qos } else { qos.min(QoS::AtLeastOnce) };
        (class.bits(), waits)
    }

    fn why_not_owed(&self, number: SessionNo, publish: &Publish<'_>, candidates: &[MessageNo]) -> String {
        if candidates.is_empty() {
            return "nobody published this".to_owned();
        }
        let client = self.sessions.get(number).map_or("", |session| &session.client);
        let qos: Vec<QoS> = self.sessions.get(number).map_or_else(Vec::new, |session| {
            session
                .owed
                .iter()
                .filter(|owed| candidates.contains(&owed.message))
                .map(|owed| owed.qos)
                .collect()
        });
        if qos.is_empty() {
            format!("not owed to {client:?}: a duplicate or a wrong address")
        } else {
            format!("owed to {client:?} with {qos:?}, not with {:?}", publish.qos)
        }
    }

    /// Per publisher and class, messages come in the order in which they were taken.
    fn check_order(&mut self, link: LinkId, number: SessionNo, message: MessageNo, qos: QoS) -> Verdict {
        if !self.message(message).is_marked() {
            return Ok(());
        }
        let publisher = self.message(message).publisher.clone();
        let class = self.class(message, qos);
        let (rules, messages) = (&self.rules, &self.messages);
        let Some(session) = self.sessions.get_mut(number) else {
            return Ok(());
        };
        let latest = session.latest.entry((publisher.clone(), class)).or_default();
        if *latest > message {
            return Err(format!("a later message of {publisher:?} came before this one"));
        }
        *latest = message;
        // Nothing may overtake QoS 0, which never waits: not where it was published with QoS 2 and the disk is awaited.
        let skipped = session.owed.iter().find(|owed| {
            let same = messages.get(owed.message).is_some_and(|other| {
                let waits = rules.durable && other.qos == QoS::ExactlyOnce;
                other.publisher == publisher && other.is_marked() && !waits
            });
            same && owed.message < message && owed.qos == QoS::AtMostOnce && owed.conn == Some(link) && !owed.optional
        });
        match skipped {
            Some(owed) if rules.ample && rules.memory_limit.is_none() => {
                let missing = messages
                    .get(owed.message)
                    .map(|other| String::from_utf8_lossy(&other.payload).into_owned());
                Err(format!("{missing:?} should have come before this one"))
            }
            _ => Ok(()),
        }
    }

    /// A message with RETAIN: only a new subscription brings it.
    fn settle_retained(&mut self, link: LinkId, number: SessionNo, publish: &Publish<'_>) -> Result<Settled, String> {
        self.tally.retained += 1;
        let conn = self.conns.get(&link).ok_or("no connection")?;
        let session = self.sessions.get_mut(number).ok_or("no session")?;
        let (topic, messages) = (publish.topic.as_str(), &self.messages);
        let copy = Copied::of(publish, (link, conn), self.questions);
        let hasty = copy.without_haste();
        let Some(want) = count((&mut session.replays, &mut session.given), topic, copy, messages) else {
            let mut replays = session.replays.clone();
            if count((&mut replays, &mut session.given.clone()), topic, hasty, messages).is_some() {
                return Err("a retained message before its SUBACK".to_owned());
            }
            return Err(format!(
                "RETAIN, but no new subscription asked for this; those that wait: {replays:?}"
            ));
        };
        session
            .replays
            .retain(|replay| replay.open || !replay.wanted.is_empty());
        Ok(Settled {
            may_repeat: want.may_repeat(link),
            restored: want.is_restored(),
            seen: false,
            message: want.only(),
        })
    }

    fn sent_sys(&mut self, link: LinkId, publish: &Publish<'_>) -> Verdict {
        let number = self.session_of(link)?;
        // What was on its way when the subscription ended still comes.
        let session = self.session(number);
        if publish.qos > QoS::AtMostOnce || !session.asked_for_sys {
            return Err("not subscribed to this".to_owned());
        }
        Ok(())
    }

    fn session_of(&self, link: LinkId) -> Result<SessionNo, String> {
        let conn = self.conns.get(&link).ok_or("no connection")?;
        conn.session.ok_or_else(|| "before its CONNECT".to_owned())
    }
}
