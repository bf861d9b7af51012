//! Messages on their way to clients: owed, once, in order, with the right flags and identifiers.
//!
//! What must hold: a first delivery settles exactly one debt; a repetition repeats exactly one unfinished message.
//! Deliberately absent: who is owed what (`routing`).

use burgee_codec::{Publish, QoS};

use super::state::{Flight, Message, MessageNo, Owed, Replay, SessionNo};
use super::{Oracle, Verdict};
use crate::net::LinkId;

impl Oracle {
    pub(super) fn sent_publish(&mut self, link: LinkId, publish: &Publish<'_>) -> Verdict {
        if publish.topic.as_str().starts_with("$SYS/") {
            return self.sent_sys(link, publish);
        }
        let number = self.session_of(link)?;
        if let Some(id) = publish.packet_id.map(burgee_codec::PacketId::get) {
            if self.session(number).flights.iter().any(|flight| flight.id == id) {
                return self.sent_again(link, number, id, publish);
            }
            let session = self.session(number);
            // [MQTT-4.6.0-1] [MQTT-4.4.0-1] what is unfinished comes before what is new.
            if let Some(flight) = session.flights.iter().find(|flight| flight.sent_on != link) {
                return Err(format!("a new message before unfinished {} is sent again", flight.id));
            }
        }
        let may_repeat = if publish.retain {
            self.settle_retained(link, number, publish)?
        } else {
            self.settle(link, number, publish)?
        };
        self.tally.deliveries += 1;
        if publish.dup && !may_repeat {
            return Err("DUP, and it was never sent before".to_owned());
        }
        let Some(id) = publish.packet_id else { return Ok(()) };
        let flight = Flight {
            id: id.get(),
            topic: publish.topic.as_str().to_owned(),
            payload: publish.payload.into(),
            qos: publish.qos,
            retain: publish.retain,
            released: false,
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
        let session = self.session(number);
        // [MQTT-4.6.0-1] PUBLISH and PUBREL in one list, in the order of first sending.
        let Some(flight) = session.flights.iter_mut().find(|flight| flight.sent_on != link) else {
            return Err(format!(
                "identifier {id} is in use, or a message is repeated on its connection"
            ));
        };
        if flight.id != id {
            return Err(format!("repeated out of order: {} was sent before", flight.id));
        }
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
        flight.sent_on = link;
        // [MQTT-3.3.1-1]
        if publish.dup {
            Ok(())
        } else {
            Err("repeated without DUP".to_owned())
        }
    }

    pub(super) fn sent_release(&mut self, link: LinkId, id: u16) -> Verdict {
        let number = self.session_of(link)?;
        let conn = self.conns.get_mut(&link).ok_or("no connection")?;
        // [MQTT-4.6.0-4] in the order of the PUBRECs.
        if conn.answers.pubrel.front() == Some(&id) {
            conn.answers.pubrel.pop_front();
            if let Some(flight) = self.session(number).flights.iter_mut().find(|flight| flight.id == id) {
                flight.sent_on = link;
            }
            return Ok(());
        }
        let session = self.session(number);
        // [MQTT-4.6.0-1] as for a PUBLISH that is sent again.
        match session.flights.iter_mut().find(|flight| flight.sent_on != link) {
            Some(flight) if flight.id == id && flight.released => {
                flight.sent_on = link;
                self.tally.repeats += 1;
                Ok(())
            }
            Some(flight) => Err(format!("PUBREL out of order: {} was sent before", flight.id)),
            None => Err("a PUBREL that nobody waits for".to_owned()),
        }
    }

    /// A live message: settles what the session is owed, by its own subscriptions or by a group.
    fn settle(&mut self, link: LinkId, number: SessionNo, publish: &Publish<'_>) -> Result<bool, String> {
        let mut candidates = self.by_payload.get(publish.payload).cloned().unwrap_or_default();
        candidates.retain(|message| self.message(*message).topic == publish.topic.as_str());
        // The same may be owed several times; then the order says which one this is.
        let latest = self.latest_from(number, &candidates, publish.qos);
        let owed = &mut self.session(number).owed;
        let fits = |owed: &Owed| candidates.contains(&owed.message) && owed.qos == publish.qos;
        // Copies of QoS 0 for an earlier connection are mostly lost.
        let sure = |owed: &Owed| fits(owed) && (owed.qos > QoS::AtMostOnce || owed.conn == Some(link));
        let place = owed.iter().position(|owed| owed.message >= latest && sure(owed));
        let place = place.or_else(|| owed.iter().position(|owed| owed.message >= latest && fits(owed)));
        if let Some(place) = place.or_else(|| owed.iter().position(fits)) {
            let owed = owed.remove(place);
            // A late copy for an earlier connection may look like one for this; then its place cannot be told.
            let late = owed.qos == QoS::AtMostOnce && candidates.len() > 1 && !self.rules.no_delay;
            if !late {
                self.check_order(link, number, owed.message, publish.qos)?;
            }
            return Ok(owed.perhaps_written);
        }
        let first = candidates.first().copied().unwrap_or(usize::MAX);
        if !self.groups.settle(first, number, publish.qos) {
            return Err(self.why_not_owed(number, publish, &candidates));
        }
        // Which of several it was cannot be told, and neither can its place.
        if candidates.len() == 1 {
            self.check_order(link, number, first, publish.qos)?;
        }
        Ok(true)
    }

    /// The last message that a session got from the publisher of these.
    fn latest_from(&self, number: SessionNo, candidates: &[MessageNo], qos: QoS) -> MessageNo {
        // Empty ones look alike whoever sent them.
        let Some(first) = candidates.first().filter(|first| self.message(**first).is_marked()) else {
            return 0;
        };
        let publisher = self.message(*first).publisher.clone();
        let session = self.sessions.get(number);
        let latest = session.and_then(|session| session.latest.get(&(publisher, qos > QoS::AtMostOnce)));
        latest.copied().unwrap_or(0)
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

    /// Per publisher and class of QoS, messages come in the order in which they were taken.
    fn check_order(&mut self, link: LinkId, number: SessionNo, message: MessageNo, qos: QoS) -> Verdict {
        if !self.message(message).is_marked() {
            return Ok(());
        }
        let publisher = self.message(message).publisher.clone();
        let acknowledged = qos > QoS::AtMostOnce;
        let (rules, messages) = (&self.rules, &self.messages);
        let Some(session) = self.sessions.get_mut(number) else {
            return Ok(());
        };
        let latest = session.latest.entry((publisher.clone(), acknowledged)).or_default();
        if *latest > message {
            return Err(format!("a later message of {publisher:?} came before this one"));
        }
        *latest = message;
        // Nothing may overtake QoS 0, which never waits.
        let skipped = session.owed.iter().find(|owed| {
            let same = messages
                .get(owed.message)
                .is_some_and(|other| other.publisher == publisher && other.is_marked());
            same && owed.message < message && owed.qos == QoS::AtMostOnce && owed.conn == Some(link) && !owed.optional
        });
        match skipped {
            Some(owed) if rules.ample => {
                let missing = messages
                    .get(owed.message)
                    .map(|other| String::from_utf8_lossy(&other.payload).into_owned());
                Err(format!("{missing:?} should have come before this one"))
            }
            _ => Ok(()),
        }
    }

    /// A message with RETAIN: only a new subscription brings it.
    fn settle_retained(&mut self, link: LinkId, number: SessionNo, publish: &Publish<'_>) -> Result<bool, String> {
        self.tally.retained += 1;
        let messages = &self.messages;
        let fits = |message: &MessageNo, granted: QoS| {
            messages
                .get(*message)
                .is_some_and(|held: &Message| *held.payload == *publish.payload && held.qos.min(granted) == publish.qos)
        };
        let conn = self.conns.get(&link).ok_or("no connection")?;
        let session = self.sessions.get_mut(number).ok_or("no session")?;
        let topic = publish.topic.as_str();
        let early = |replay: &Replay| {
            replay.conn == link && conn.answers.suback.iter().any(|(.., asked)| *asked == replay.question)
        };
        // Of several replays that want it, the first that needs it: what a subscription brings comes before what a later
        // one brings.
        let need = |replay: &Replay| {
            let wanted = replay.wanted.get(topic)?;
            let fits = wanted.any_of.iter().any(|message| fits(message, replay.granted));
            fits.then_some((early(replay), wanted.optional))
        };
        let neediest = session
            .replays
            .iter_mut()
            .filter_map(|replay| Some((need(replay)?, replay)));
        let Some((_, replay)) = neediest.min_by_key(|(need, _)| *need) else {
            let replays = &session.replays;
            return Err(format!(
                "RETAIN, but no new subscription asked for this; those that wait: {replays:?}"
            ));
        };
        if early(replay) {
            return Err("a retained message before its SUBACK".to_owned());
        }
        replay.wanted.remove(topic);
        let may_repeat = replay.conn != link;
        session
            .replays
            .retain(|replay| replay.open || !replay.wanted.is_empty());
        Ok(may_repeat)
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
