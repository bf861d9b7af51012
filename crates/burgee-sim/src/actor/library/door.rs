//! The door of a library's client: what goes out there, what comes in, and what that makes due.
//!
//! What must hold: written from the standard, not from the library. It sees packets when the library makes something of them,
//! and when they have left. Deliberately absent: streams; it says only what came for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use burgee_codec::{Decoded, Limits, Packet, PacketId, Publish, QoS, Version, decode};

use super::affairs::{Affairs, text};
use super::paper::Paper;
use crate::actor::packet::{Note, describe};

/// How far a message of ours is, as far as can be seen.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Stage {
    Published,
    /// PUBREC came.
    Answered,
    /// Before a crash PUBREC came: whether the outbox knows it is its business.
    Either,
    /// PUBREL has left.
    Released,
}

/// A message of ours that is not finished.
#[derive(Clone, Debug)]
struct Flight {
    id: u16,
    payload: Vec<u8>,
    qos: QoS,
    stage: Stage,
    /// The connection on which it was sent last.
    line: u64,
}

/// What the server knows of a filter.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Known {
    Asked,
    Granted,
    /// The connection ended before the answer.
    Perhaps,
}

#[derive(Clone, Debug)]
enum Question {
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
}

/// A message that came for the application.
#[derive(Clone, Debug)]
pub(super) struct Came {
    /// Its number; an acknowledgement may leave when the application is done with it.
    pub(super) number: u64,
    pub(super) id: u16,
    pub(super) note: Note,
    /// Whether it may also be held back, because a crash came at the wrong time.
    pub(super) perhaps: bool,
}

/// What the door has seen, for those behind it.
#[derive(Debug)]
pub(super) enum Seen {
    Came(Came),
    /// SUBACK for this filter; whether it was granted.
    Granted(String, bool),
    /// CONNACK 0.
    Connected(bool),
}

/// A received QoS 2 message without PUBREL.
#[derive(Clone, Debug)]
struct Held {
    number: u64,
    payload: Vec<u8>,
    /// PUBREC has left.
    answered: bool,
    perhaps: bool,
}

/// See the module.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what is known of a session are facts of yes and no"
)]
pub(super) struct Door {
    clean: bool,
    outbox: bool,
    paper: Paper,
    line: u64,
    open: bool,
    out: Vec<u8>,
    input: Vec<u8>,
    /// In the order of first sending.
    flights: Vec<Flight>,
    questions: BTreeMap<u16, Question>,
    filters: BTreeMap<String, Known>,
    /// How often each filter may be asked for although the server knows it.
    causes: BTreeMap<String, u32>,
    held: BTreeMap<u16, Held>,
    /// What is to be acknowledged on this connection, in order.
    unacked: VecDeque<(u16, QoS, u64)>,
    last: u64,
    /// PUBRECs on this connection that PUBREL has to answer.
    releases: VecDeque<u16>,
    /// Messages that the server has taken over for good.
    finished: BTreeSet<Vec<u8>>,
    /// When the last connection ended.
    ended: Option<u64>,
    /// The server has a session of which this run, and its outbox, know nothing: it may have anything released.
    strange: bool,
    /// Messages between PUBREC and PUBCOMP whose session is lost.
    unknown: BTreeSet<Vec<u8>>,
    last_out: u64,
}

impl Door {
    pub(super) fn new(clean: bool, outbox: bool) -> Self {
        Self {
            clean,
            outbox,
            // The first CONNECT may arrive, and its CONNACK not.
            strange: !clean,
            ..Self::default()
        }
    }

    /// Whether the server has taken this message over for good.
    pub(super) fn has_finished(&self, payload: &[u8]) -> bool {
        self.finished.contains(payload)
    }

    /// Whether the library may say of this message that it does not know what became of it: the server had taken it over, and
    /// has lost its session.
    pub(super) fn may_lose(&self, payload: &[u8]) -> bool {
        self.unknown.contains(payload)
    }

    /// Messages without their last acknowledgement.
    pub(super) fn unfinished(&self) -> usize {
        self.flights.len()
    }

    /// When the last byte left.
    pub(super) const fn last_out(&self) -> u64 {
        self.last_out
    }

    /// There is one more reason to ask for this filter.
    pub(super) fn wants(&mut self, filter: &str) {
        *self.causes.entry(filter.to_owned()).or_default() += 1;
    }

    /// A connection begins.
    pub(super) fn dialled(&mut self, now: u64) {
        self.line += 1;
        self.open = false;
        self.out.clear();
        self.input.clear();
        self.unacked.clear();
        self.releases.clear();
        self.last_out = now;
    }

    /// The connection is gone.
    pub(super) fn lost(&mut self, now: u64, affairs: &mut Affairs) {
        self.ended = Some(now);
        self.open = false;
        // What it had read and made nothing of is gone with it.
        self.input.clear();
        for (_, question) in std::mem::take(&mut self.questions) {
            let (Question::Subscribe(filters) | Question::Unsubscribe(filters)) = question;
            let perhaps = filters.into_iter().map(|filter| (filter, Known::Perhaps));
            self.filters.extend(perhaps);
        }
        if self.clean {
            // What is published anew is a new message.
            for flight in self.flights.drain(..) {
                if flight.stage != Stage::Published {
                    self.unknown.insert(flight.payload.clone());
                }
                if let Some(sent) = affairs.get_mut(&flight.payload) {
                    sent.may_repeat = true;
                }
            }
            self.held.clear();
        }
    }

    /// The program has died. `done`: whether its application was done with the message of this number. Gives what may come
    /// to it twice.
    pub(super) fn crash(&mut self, done: impl Fn(u64) -> bool) -> Vec<Vec<u8>> {
        let mut again = Vec::new();
        if self.outbox {
            self.strange |= self.paper.burns();
            for flight in &mut self.flights {
                if flight.stage == Stage::Answered {
                    flight.stage = Stage::Either;
                }
            }
            self.held.retain(|_, held| {
                if held.answered {
                    return true;
                }
                again.push(held.payload.clone());
                held.perhaps = true;
                done(held.number)
            });
        } else {
            self.flights.clear();
            self.strange = !self.clean;
            again.extend(std::mem::take(&mut self.held).into_values().map(|held| held.payload));
        }
        self.causes.clear();
        again
    }

    /// All that has happened is being put on disk.
    pub(super) fn is_being_written(&mut self) {
        self.paper.is_being_written();
    }

    /// It is there.
    pub(super) fn is_written(&mut self) {
        self.paper.is_written();
    }

    /// What the server has been asked for.
    pub(super) fn filters(&self) -> impl Iterator<Item = &str> {
        self.filters.keys().map(String::as_str)
    }

    /// Bytes that the library has read.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Bytes that have left.
    pub(super) fn wrote(&mut self, bytes: &[u8], now: u64) {
        self.out.extend_from_slice(bytes);
        self.last_out = now;
    }

    /// Looks at everything that the library has made something of; it has not of the last `undigested` bytes.
    pub(super) fn look_in(&mut self, undigested: usize) -> Result<Vec<Seen>, String> {
        let mut seen = Vec::new();
        while self.input.len() > undigested {
            let input = std::mem::take(&mut self.input);
            let taken = match decode(&input, Version::V311, &Limits::default()) {
                Ok(Decoded::Packet { packet, len }) => {
                    self.comes(&packet, &mut seen);
                    len
                }
                Ok(Decoded::Incomplete { .. }) => 0,
                Err(error) => return Err(format!("the server sent what cannot be read: {error:?}")),
            };
            self.input = input.get(taken..).unwrap_or_default().to_vec();
            if taken == 0 {
                break;
            }
        }
        Ok(seen)
    }

    fn comes(&mut self, packet: &Packet<'_>, seen: &mut Vec<Seen>) {
        match packet {
            Packet::ConnAck(connack) if connack.code == 0 => {
                self.open = true;
                if !connack.session_present {
                    self.begin_anew();
                }
                seen.push(Seen::Connected(connack.session_present));
            }
            Packet::Publish(publish) => seen.extend(self.message(publish).map(Seen::Came)),
            Packet::PubAck(ack) => self.finish(ack.packet_id.get(), QoS::AtLeastOnce),
            Packet::PubRec(ack) => {
                let id = ack.packet_id.get();
                self.releases.push_back(id);
                if let Some(flight) = self.flights.iter_mut().find(|flight| flight.id == id)
                    && flight.stage != Stage::Released
                {
                    flight.stage = Stage::Answered;
                }
            }
            Packet::PubComp(ack) => {
                self.paper.is_finished_again(ack.packet_id.get());
                self.finish(ack.packet_id.get(), QoS::ExactlyOnce);
            }
            Packet::PubRel(ack) => {
                self.held.remove(&ack.packet_id.get());
            }
            Packet::SubAck(suback) => {
                if let Some(Question::Subscribe(filters)) = self.questions.remove(&suback.packet_id.get()) {
                    for (filter, code) in filters.into_iter().zip(suback.codes.iter()) {
                        self.filters.insert(filter.clone(), Known::Granted);
                        seen.push(Seen::Granted(filter, *code < 0x80));
                    }
                }
            }
            Packet::UnsubAck(unsuback) => {
                if let Some(Question::Unsubscribe(filters)) = self.questions.remove(&unsuback.packet_id.get()) {
                    for filter in filters {
                        if !self.is_asked(&filter) {
                            self.filters.remove(&filter);
                        }
                    }
                }
            }
            Packet::ConnAck(_)
            | Packet::PingResp
            | Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Disconnect(_)
            | Packet::Auth(_) => {}
        }
    }

    fn is_asked(&self, filter: &str) -> bool {
        self.questions
            .values()
            .any(|question| matches!(question, Question::Subscribe(filters) if filters.iter().any(|f| f == filter)))
    }

    /// The server has no session.
    fn begin_anew(&mut self) {
        self.paper.begins_anew();
        for flight in self.flights.drain(..) {
            if flight.stage != Stage::Published {
                self.paper.is_finished(flight.id);
            }
        }
        self.held.clear();
        self.filters.clear();
        self.strange = false;
    }

    fn finish(&mut self, id: u16, qos: QoS) {
        let (finished, paper) = (&mut self.finished, &mut self.paper);
        self.flights.retain(|flight| {
            let over = flight.id == id && flight.qos == qos;
            if over {
                finished.insert(flight.payload.clone());
                if qos == QoS::ExactlyOnce {
                    paper.is_finished(id);
                }
            }
            !over
        });
    }

    fn message(&mut self, publish: &Publish<'_>) -> Option<Came> {
        let id = publish.packet_id.map_or(0, PacketId::get);
        let mut perhaps = false;
        if publish.qos == QoS::ExactlyOnce
            && let Some(held) = self.held.get_mut(&id)
        {
            perhaps = std::mem::replace(&mut held.perhaps, false);
            self.unacked.push_back((id, publish.qos, held.number));
            if !perhaps {
                return None;
            }
        } else {
            self.last += 1;
            if publish.qos > QoS::AtMostOnce {
                self.unacked.push_back((id, publish.qos, self.last));
            }
        }
        let number = self
            .held
            .get(&id)
            .filter(|_| perhaps)
            .map_or(self.last, |held| held.number);
        if publish.qos == QoS::ExactlyOnce && !perhaps {
            let held = Held {
                number,
                payload: publish.payload.to_vec(),
                answered: false,
                perhaps: false,
            };
            self.held.insert(id, held);
        }
        Some(Came {
            number,
            id,
            note: Note {
                topic: publish.topic.as_str().to_owned(),
                payload: publish.payload.to_vec(),
                qos: publish.qos,
                retain: publish.retain,
            },
            perhaps,
        })
    }

    /// Looks at everything that has left whole. `done` hears of each message that is acknowledged, by its number, and says
    /// whether the application may be done with it.
    pub(super) fn look_out(
        &mut self,
        affairs: &mut Affairs,
        mut done: impl FnMut(u64) -> bool,
    ) -> Result<Vec<String>, String> {
        let mut told = Vec::new();
        loop {
            let out = std::mem::take(&mut self.out);
            let taken = match decode(&out, Version::V311, &Limits::default()) {
                Ok(Decoded::Packet { packet, len }) => {
                    let line = describe(out.get(..len).unwrap_or_default());
                    self.goes(&packet, affairs, &mut done)
                        .map_err(|problem| format!("out goes {line}: {problem}"))?;
                    told.push(line);
                    len
                }
                Ok(Decoded::Incomplete { .. }) => 0,
                Err(error) => return Err(format!("the library sent what cannot be read: {error:?}")),
            };
            self.out = out.get(taken..).unwrap_or_default().to_vec();
            if taken == 0 {
                return Ok(told);
            }
        }
    }

    fn goes(
        &mut self,
        packet: &Packet<'_>,
        affairs: &mut Affairs,
        done: &mut impl FnMut(u64) -> bool,
    ) -> Result<(), String> {
        if !self.open && !matches!(packet, Packet::Connect(_)) {
            return Err("something goes out before CONNACK".to_owned());
        }
        match packet {
            Packet::Publish(publish) if publish.qos > QoS::AtMostOnce => self.sends(publish, affairs),
            Packet::PubAck(ack) => self.acknowledges(ack.packet_id.get(), QoS::AtLeastOnce, done),
            Packet::PubRec(ack) => self.acknowledges(ack.packet_id.get(), QoS::ExactlyOnce, done),
            Packet::PubRel(ack) => self.releases(ack.packet_id.get()),
            Packet::Subscribe(subscribe) => {
                let filters: Vec<String> = subscribe
                    .filters
                    .iter()
                    .map(|(filter, _)| filter.as_str().to_owned())
                    .collect();
                for filter in &filters {
                    self.asks_for(filter)?;
                }
                self.asks(subscribe.packet_id.get(), Question::Subscribe(filters))
            }
            Packet::Unsubscribe(unsubscribe) => {
                let filters = unsubscribe.filters.iter().map(|filter| filter.as_str().to_owned());
                let filters: Vec<String> = filters.collect();
                for filter in &filters {
                    self.filters.remove(filter);
                }
                self.asks(unsubscribe.packet_id.get(), Question::Unsubscribe(filters))
            }
            Packet::Connect(_) if self.open => Err("a second CONNECT".to_owned()),
            Packet::Connect(_) | Packet::Publish(_) | Packet::PubComp(_) | Packet::PingReq | Packet::Disconnect(_) => {
                Ok(())
            }
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp | Packet::Auth(_) => {
                Err("no client sends this".to_owned())
            }
        }
    }

    fn asks(&mut self, id: u16, question: Question) -> Result<(), String> {
        self.is_free(id)?;
        self.questions.insert(id, question);
        Ok(())
    }

    /// The server is asked for what it does not have, and for nothing else.
    fn asks_for(&mut self, filter: &str) -> Result<(), String> {
        if self.filters.insert(filter.to_owned(), Known::Asked) != Some(Known::Granted) {
            return Ok(());
        }
        // Not needed for the server, but for somebody who waits for its answer, or for what it has retained.
        let Some(left) = self.causes.get_mut(filter).filter(|left| **left > 0) else {
            return Err(format!("the server has {filter:?}, and nobody wants it anew"));
        };
        *left -= 1;
        Ok(())
    }

    fn is_free(&self, id: u16) -> Result<(), String> {
        if self.questions.contains_key(&id) || self.flights.iter().any(|flight| flight.id == id) {
            return Err(format!("identifier {id} is in use"));
        }
        Ok(())
    }

    fn sends(&mut self, publish: &Publish<'_>, affairs: &mut Affairs) -> Result<(), String> {
        let id = publish.packet_id.map_or(0, PacketId::get);
        let line = self.line;
        let place = self.flights.iter().position(|flight| flight.id == id);
        // [MQTT-4.4.0-1] [MQTT-4.6.0-1] what is unfinished comes again in its order, and before anything new.
        let before = self.flights.iter().take(place.unwrap_or(usize::MAX));
        let waiting = before
            .into_iter()
            .find(|flight| flight.line != line)
            .map(|flight| flight.id);
        let Some(flight) = place.and_then(|place| self.flights.get_mut(place)) else {
            self.is_free(id)?;
            let sent = affairs.get_mut(publish.payload);
            let sent = sent.ok_or("no application published this")?;
            sent.left += 1;
            let handed = sent.handed;
            let cut_off = self.ended.is_some_and(|ended| ended >= handed);
            if publish.dup && (!cut_off || self.clean) {
                return Err("DUP, and it was never sent before".to_owned());
            }
            if let Some(waiting) = waiting.filter(|_| !publish.dup) {
                return Err(format!("a new message before {waiting} is sent again"));
            }
            let flight = Flight {
                id,
                payload: publish.payload.to_vec(),
                qos: publish.qos,
                stage: Stage::Published,
                line,
            };
            // A program that died may have had the answer to one that its outbox still holds: it stands where it stood.
            let stood = waiting.and_then(|waiting| self.flights.iter().position(|flight| flight.id == waiting));
            self.flights.insert(stood.unwrap_or(self.flights.len()), flight);
            return Ok(());
        };
        if flight.payload != publish.payload || flight.qos != publish.qos {
            return Err(format!("identifier {id} stands for {:?}", text(&flight.payload)));
        }
        if flight.line == line {
            return Err("twice on one connection".to_owned());
        }
        if !matches!(flight.stage, Stage::Published | Stage::Either) {
            return Err("PUBLISH again behind PUBREC".to_owned());
        }
        if !publish.dup {
            return Err("again, and without DUP".to_owned());
        }
        if let Some(waiting) = waiting {
            return Err(format!("again before {waiting}, which was sent before it"));
        }
        flight.line = line;
        flight.stage = Stage::Published;
        if let Some(sent) = affairs.get_mut(publish.payload) {
            sent.left += 1;
        }
        Ok(())
    }

    /// PUBREL answers a PUBREC of this connection, or repeats one of an earlier connection.
    fn releases(&mut self, id: u16) -> Result<(), String> {
        let line = self.line;
        let asked = self.releases.iter().position(|other| *other == id);
        if let Some(place) = asked {
            // One that is none of ours is answered when an identifier of the session before is freed.
            let ours = |id: &u16| self.flights.iter().any(|flight| flight.id == *id);
            if self.releases.iter().take(place).any(ours) {
                return Err("PUBRELs out of the order of the PUBRECs".to_owned());
            }
            self.releases.remove(place);
        }
        let ours = |flight: &&mut Flight| flight.id == id && flight.qos == QoS::ExactlyOnce;
        let Some(flight) = self.flights.iter_mut().find(ours) else {
            let known = asked.is_some() || self.paper.has_released(id) || self.strange;
            return if known {
                Ok(())
            } else {
                Err("nobody sent PUBREC".to_owned())
            };
        };
        if flight.stage == Stage::Published {
            return Err("PUBREL before PUBREC".to_owned());
        }
        (flight.stage, flight.line) = (Stage::Released, line);
        Ok(())
    }

    /// [MQTT-4.6.0-2] [MQTT-4.6.0-3] in the order of arrival, and not before the application is done with it.
    fn acknowledges(&mut self, id: u16, qos: QoS, done: &mut impl FnMut(u64) -> bool) -> Result<(), String> {
        let Some((first, kind, number)) = self.unacked.pop_front() else {
            return Err("nothing came that this acknowledges".to_owned());
        };
        if (first, kind) != (id, qos) {
            return Err(format!("{first} with {kind:?} came before it, and is not acknowledged"));
        }
        if !done(number) {
            return Err("the application is not done with it".to_owned());
        }
        if let Some(held) = self.held.get_mut(&id).filter(|_| qos == QoS::ExactlyOnce) {
            held.answered = true;
        }
        Ok(())
    }
}
