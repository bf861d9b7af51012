//! What a session may find of its messages after a crash, and what it must find.
//!
//! What must hold: what was acknowledged to its publisher and not by its subscriber is there; QoS 2 goes on where it
//! stood; nothing else is there. Deliberately absent: what becomes of it (`recovery`).

use std::collections::BTreeSet;
use std::rc::Rc;

use burgee_codec::QoS;
use burgee_store::{OwedMessage, Stage};

use super::Oracle;
use super::found::FoundSession;
use super::state::{Flight, MessageNo, SessionNo};

/// A message that may be there.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of yes and no")]
pub(super) struct Debt {
    pub(super) message: Option<MessageNo>,
    topic: String,
    payload: Rc<[u8]>,
    qos: QoS,
    retain: bool,
    /// The identifier that it must have, and how far it may be.
    delivery: Option<(u16, &'static [Stage])>,
    must: bool,
    /// Whoever else is owed it must have it as well, or nobody.
    pub(super) whole: bool,
    /// Its PUBLISH was seen.
    pub(super) seen: bool,
    /// Which of several that look alike it is cannot be told.
    pub(super) alike: bool,
    pub(super) found: bool,
}

impl Debt {
    fn fits(&self, found: &OwedMessage) -> bool {
        self.qos == found.qos
            && self.retain == found.retain
            && self.topic == found.body.topic().as_str()
            && *self.payload == *found.body.payload()
    }

    /// Whether it may be this one, with this identifier.
    fn is(&self, found: &OwedMessage) -> bool {
        if self.found || !self.fits(found) {
            return false;
        }
        match (self.delivery, delivery(found)) {
            (None, None) => true,
            // It has its identifier and waits for the disk before it is sent.
            (None, Some((_, stage))) => stage == Stage::Published,
            (Some((id, stages)), Some((other, stage))) => id == other && stages.contains(&stage),
            (Some(_), None) => false,
        }
    }
}

/// Identifier and stage: only QoS 2 keeps them.
pub(super) fn delivery(found: &OwedMessage) -> Option<(u16, Stage)> {
    let (id, stage) = found.delivery.filter(|_| found.qos == QoS::ExactlyOnce)?;
    Some((id.get(), stage))
}

impl Oracle {
    /// What a session may find. What was settled before `known` is gone; `unpublished` messages cannot be there.
    pub(super) fn debts(&self, number: SessionNo, known: u64, unpublished: &BTreeSet<MessageNo>) -> Vec<Debt> {
        let Some(session) = self.sessions.get(number) else {
            return Vec::new();
        };
        let strict = self.rules.ample && !self.rules.shared;
        let mut debts = Vec::new();
        let mut owed = session.owed.iter().filter(|owed| owed.qos > QoS::AtMostOnce);
        while let Some(owed) = owed.find(|owed| !self.has_surely_expired(session, owed, known)) {
            let message = self.message(owed.message);
            debts.push(Debt {
                message: Some(owed.message),
                topic: message.topic.clone(),
                payload: Rc::clone(&message.payload),
                qos: owed.qos,
                retain: false,
                delivery: None,
                must: strict && !owed.optional && !owed.old && (message.sure || owed.restored),
                whole: strict && !owed.optional && !owed.old,
                seen: owed.seen,
                alike: owed.alike,
                found: false,
            });
        }
        debts.extend(session.flights.iter().map(|flight| self.unfinished_debt(flight)));
        for done in session.kept.done.iter().filter(|done| done.at >= known) {
            debts.push(Debt {
                message: None,
                topic: done.topic.clone(),
                payload: Rc::clone(&done.payload),
                qos: done.qos,
                retain: done.retain,
                delivery: (done.qos == QoS::ExactlyOnce).then_some((done.id, [Stage::Released].as_slice())),
                must: false,
                whole: false,
                seen: true,
                alike: true,
                found: false,
            });
        }
        for replay in &session.replays {
            let any_of = replay.wanted.values().flat_map(|wanted| &wanted.any_of);
            debts.extend(any_of.map(|number| self.retained_debt(*number, replay.granted)));
        }
        debts.retain(|debt| debt.message.is_none_or(|message| !unpublished.contains(&message)));
        debts
    }

    fn unfinished_debt(&self, flight: &Flight) -> Debt {
        let exactly = flight.qos == QoS::ExactlyOnce;
        let stages: &[Stage] = match (flight.released, flight.release_sent) {
            (false, _) => &[Stage::Published],
            (true, false) => &[Stage::Published, Stage::Released],
            (true, true) => &[Stage::Released],
        };
        let sure = flight.message.is_some_and(|message| self.message(message).sure);
        Debt {
            message: flight.message,
            topic: flight.topic.clone(),
            payload: Rc::clone(&flight.payload),
            qos: flight.qos,
            retain: flight.retain,
            delivery: exactly.then_some((flight.id, stages)),
            must: exactly || (sure && !flight.retain),
            whole: self.rules.ample && !self.rules.shared && !flight.retain,
            seen: flight.seen,
            alike: flight.message.is_none(),
            found: false,
        }
    }

    fn retained_debt(&self, number: MessageNo, granted: QoS) -> Debt {
        let message = self.message(number);
        Debt {
            message: Some(number),
            topic: message.topic.clone(),
            payload: Rc::clone(&message.payload),
            qos: message.qos.min(granted),
            retain: true,
            delivery: None,
            must: false,
            whole: false,
            seen: false,
            alike: false,
            found: false,
        }
    }

    /// Finds the debt of everything that a session has. `None`: it comes of a group, and nobody can tell.
    pub(super) fn recognise(&self, found: &FoundSession, debts: &mut [Debt]) -> Result<Vec<Option<usize>>, String> {
        let client = &found.record.client_id;
        let mut places = Vec::new();
        for owed in &found.owed {
            let exact = |debt: &Debt| debt.is(owed) && debt.delivery.is_some() == delivery(owed).is_some();
            let ways: [&dyn Fn(&Debt) -> bool; 3] =
                [&|debt: &Debt| exact(debt) && debt.must, &exact, &|debt: &Debt| {
                    debt.is(owed)
                }];
            let place = ways.iter().find_map(|way| debts.iter().position(way));
            if let Some(debt) = place.and_then(|place| debts.get_mut(place)) {
                debt.found = true;
            } else if !(self.rules.shared || (owed.retain && self.disk_lost.is_some()))
                || self.who_looks_like(owed).is_empty()
            {
                let like: Vec<&Debt> = debts.iter().filter(|debt| debt.fits(owed)).collect();
                return Err(format!(
                    "{client:?} is owed {owed:?} ({:?}) after the crash, and may not be; what is like it: {like:?}",
                    text(owed.body.payload())
                ));
            }
            places.push(place);
        }
        match debts.iter().find(|debt| debt.must && !debt.found) {
            Some(lost) => Err(format!(
                "{client:?} is not owed {:?} on {:?} after the crash: {lost:?}",
                text(&lost.payload),
                lost.topic
            )),
            None => Ok(places),
        }
    }

    /// All messages that this may be.
    pub(super) fn who_looks_like(&self, found: &OwedMessage) -> Vec<MessageNo> {
        let alike = self.by_payload.get(found.body.payload());
        let mut alike = alike.cloned().unwrap_or_default();
        alike.retain(|number| self.message(*number).topic == found.body.topic().as_str());
        alike
    }
}

fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).chars().take(40).collect()
}
