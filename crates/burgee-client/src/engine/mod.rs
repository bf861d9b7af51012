//! The client as a state machine: bytes and time in; bytes, events and a deadline out. It owns no socket and no clock.
//!
//! What must hold: CONNECT goes out first and CONNACK comes first; everything that comes is acknowledged by its QoS in the
//! order of arrival [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4]; every breach by the server is an error that ends the
//! connection (the same decoder and the same strictness as the broker). The session survives the connection.
//! Deliberately absent: dialling, reconnecting, waiting. One engine serves one connection after the other.

mod alive;
mod deferred;
mod journal;
mod past;
mod session;
mod sorted;
mod write;

use std::collections::VecDeque;

use burgee_codec::{
    Ack, Decoded, Disconnect, Limits, Packet, PacketId, Publish, QoS, TopicFilterBuf, Version, code, decode,
};
use burgee_protocol::connection::{FromServer, Outbox, first_from_server, from_server};
use burgee_protocol::session::{Arrival, Send};
use burgee_protocol::{Fault, Time};

use crate::message::Message;
use alive::Alive;
use deferred::Deferred;
pub(crate) use deferred::Serial;
#[cfg(any(feature = "outbox", feature = "simulation", test))]
pub(crate) use journal::Outgoing;
pub(crate) use journal::{Kept, Note};
use session::{Request, Work};
pub(crate) use session::{Session, Window};
use write::{unwritable, write_message, write_subscribe, write_unsubscribe};

/// Above so many unsent bytes nothing more is taken: neither from the application nor from the server.
const OUTBOX_LIMIT: usize = 1 << 20;

/// What an engine has to know: checked options.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The CONNECT packet, written.
    pub(crate) connect: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) clean_session: bool,
    pub(crate) keep_alive: u16,
    pub(crate) limits: Limits,
    /// CONNACK has to come within so many milliseconds.
    pub(crate) patience: u64,
    pub(crate) when_lost: WhenLost,
    /// Messages are acknowledged when [`Engine::acknowledge`] says so, not when they come.
    pub(crate) deferred: bool,
    /// What has to be on disk is written down in [`Engine::notes`].
    pub(crate) journal: bool,
}

/// What becomes of unfinished messages when the server has no session any more.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum WhenLost {
    /// Those of a kept session are published anew; a clean session ends with its connection.
    ByKind,
    /// They are published anew.
    Anew,
    /// They are given up.
    GiveUp,
}

/// What happened.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Event<T> {
    /// CONNACK with code 0.
    Connected { session_present: bool },
    /// CONNACK with another code.
    Refused(u8),
    /// A message for the application; with a serial that is not 0 it waits for [`Engine::acknowledge`].
    Message(Message, Serial),
    /// A piece of work is done: QoS 0 is written, PUBACK, PUBCOMP, SUBACK or UNSUBACK came. `codes` are those of SUBACK.
    Done { ticket: T, codes: Vec<u8> },
}

/// How long the silence lasted too long.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Silence {
    /// No CONNACK.
    NoConnAck,
    /// Nothing for a keep alive after PINGREQ.
    NoPingResp,
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum State {
    /// No connection.
    Idle,
    /// CONNECT is written; CONNACK is due.
    Connecting {
        due: Time,
    },
    Open,
    /// We refused to go on, or were refused, or sent DISCONNECT: nothing is read or written any more.
    Over,
}

/// One end of the protocol.
#[derive(Debug)]
pub(crate) struct Engine<T> {
    settings: Settings,
    session: Session<T>,
    state: State,
    alive: Alive,
    outbox: Outbox,
    /// Bytes that left the outbox on this connection.
    written: u64,
    /// QoS 0 messages that are not written yet, by where they end.
    unwritten: VecDeque<(u64, T)>,
    events: VecDeque<Event<T>>,
    deferred: Deferred,
    /// QoS 0 messages that were not written when their connection ended.
    unsent: Vec<T>,
}

impl<T> Engine<T> {
    pub(crate) fn new(settings: Settings, mut session: Session<T>) -> Self {
        session.journal.on = settings.journal;
        let alive = Alive::new(settings.keep_alive, Time::ZERO);
        Self {
            settings,
            session,
            state: State::Idle,
            alive,
            outbox: Outbox::default(),
            written: 0,
            unwritten: VecDeque::new(),
            events: VecDeque::new(),
            deferred: Deferred::default(),
            unsent: Vec::new(),
        }
    }

    /// A connection stands: CONNECT goes out.
    pub(crate) fn connected(&mut self, now: Time) {
        self.lost();
        self.alive = Alive::new(self.settings.keep_alive, now);
        // [MQTT-3.1.0-1] the first packet of a client is CONNECT; nothing else goes out before CONNACK.
        self.outbox.append(&self.settings.connect);
        self.state = State::Connecting {
            due: now.plus_millis(self.settings.patience),
        };
    }

    /// The connection is gone.
    pub(crate) fn lost(&mut self) {
        self.state = State::Idle;
        self.outbox = Outbox::default();
        self.written = 0;
        self.unsent.extend(self.unwritten.drain(..).map(|(_, ticket)| ticket));
        self.deferred.disconnected();
        // [MQTT-3.1.2-4] [MQTT-4.1.0-1] the session waits for the next connection.
        // [MQTT-3.1.2-6] a clean session ends with its connection: nothing of it is ever used again. What is published
        // anew is new: it gets another identifier, and no DUP.
        let ends = self.settings.clean_session && self.settings.when_lost != WhenLost::Anew;
        if ends || self.session.disconnected().is_err() {
            self.session.clear();
        }
        if self.settings.clean_session {
            self.deferred.forget();
        }
    }

    /// Whether the session outlives the connection.
    pub(crate) const fn keeps_session(&self) -> bool {
        !self.settings.clean_session
    }

    pub(crate) fn into_session(self) -> Session<T> {
        self.session
    }

    /// Takes the first packet of `input` and says how many bytes it had; `None` if it is not complete.
    ///
    /// # Errors
    /// The server broke the protocol [MQTT-4.8.0-1]: the connection has to end, and nothing is sent any more.
    pub(crate) fn receive(&mut self, input: &[u8], now: Time) -> Result<Option<usize>, Fault> {
        if matches!(self.state, State::Idle | State::Over) {
            return Ok((!input.is_empty()).then_some(input.len()));
        }
        self.alive.heard(now);
        let taken = self.packet(input, now);
        if taken.is_err() {
            self.state = State::Over;
            self.outbox = Outbox::default();
        }
        taken
    }

    fn packet(&mut self, input: &[u8], now: Time) -> Result<Option<usize>, Fault> {
        let (packet, len) = match decode(input, self.settings.version, &self.settings.limits)? {
            Decoded::Incomplete { .. } => return Ok(None),
            Decoded::Packet { packet, len } => (packet, len),
        };
        if matches!(self.state, State::Connecting { .. }) {
            let connack = first_from_server(packet)?;
            self.connack(connack.code, connack.session_present, now)?;
        } else {
            self.opened(&from_server(packet)?, now)?;
        }
        self.pump(now)?;
        Ok(Some(len))
    }

    fn connack(&mut self, code: u8, session_present: bool, now: Time) -> Result<(), Fault> {
        if code != code::ACCEPTED {
            // [MQTT-3.2.2-5] the server closes, and so do we.
            self.state = State::Over;
            self.events.push_back(Event::Refused(code));
            return Ok(());
        }
        if session_present && self.settings.clean_session {
            return Err(Fault::peer(
                "MQTT-3.2.2-1",
                "session present in answer to clean session",
            ));
        }
        self.state = State::Open;
        self.alive.spoke(now);
        // MQTT 3.1 cannot say whether there was a session, so there we take the server at its duty to keep it.
        let resumed = session_present || (self.settings.version == Version::V31 && !self.settings.clean_session);
        if resumed {
            self.session.past.resumed();
        } else {
            // [MQTT-3.2.2-2] the server has no session: ours begins anew as well.
            self.deferred.forget();
            match self.settings.when_lost {
                WhenLost::ByKind | WhenLost::Anew => self.session.begin_anew()?,
                WhenLost::GiveUp => self.session.clear(),
            }
            self.session.past.is_ours();
        }
        self.events.push_back(Event::Connected { session_present });
        Ok(())
    }

    fn opened(&mut self, packet: &FromServer<'_>, now: Time) -> Result<(), Fault> {
        let (done, codes) = match *packet {
            FromServer::Publish(ref publish) => return self.publish_came(publish, now),
            FromServer::PubAck(id) => (self.session.puback(id)?, Vec::new()),
            FromServer::PubRec(id) => {
                // [MQTT-4.3.3-1] [MQTT-4.6.0-4] PUBREL at once, so in the order of the PUBRECs; also for an identifier
                // that we do not know: the server would wait for ever.
                if self.session.pubrec(id)? {
                    self.answer(Packet::PubRel(Ack::new(id)), now)?;
                }
                return Ok(());
            }
            FromServer::PubRel(id) => {
                self.session.release(id);
                // [MQTT-4.3.3-2]
                return self.answer(Packet::PubComp(Ack::new(id)), now);
            }
            FromServer::PubComp(id) => (self.session.pubcomp(id)?, Vec::new()),
            FromServer::SubAck(ref suback) => {
                // [MQTT-3.8.4-2] [MQTT-3.9.3-1] the identifier finds the request, the order the filter.
                (
                    self.session.suback(suback.packet_id, suback.codes.len())?,
                    suback.codes.to_vec(),
                )
            }
            FromServer::UnsubAck(id) => (self.session.unsuback(id)?, Vec::new()),
            FromServer::Pong => {
                self.alive.pong();
                (None, Vec::new())
            }
        };
        if let Some(ticket) = done {
            self.events.push_back(Event::Done { ticket, codes });
        }
        Ok(())
    }

    /// [MQTT-4.5.0-2] every message is acknowledged by its QoS, wanted or not [MQTT-3.3.4-1].
    fn publish_came(&mut self, publish: &Publish<'_>, now: Time) -> Result<(), Fault> {
        let (fresh, serial) = match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(id)) if self.settings.deferred => (true, self.deferred.came(id, publish.qos)),
            (QoS::ExactlyOnce, Some(id)) if self.settings.deferred => self.deferred_qos_2(id, now)?,
            (QoS::AtLeastOnce, Some(id)) => {
                self.answer(Packet::PubAck(Ack::new(id)), now)?;
                (true, 0)
            }
            (QoS::ExactlyOnce, Some(id)) => {
                self.answer(Packet::PubRec(Ack::new(id)), now)?;
                // [MQTT-4.3.3-2] delivered once for each identifier until PUBREL.
                (self.session.incoming.publish(id) == Arrival::New, 0)
            }
            (QoS::AtMostOnce | QoS::AtLeastOnce | QoS::ExactlyOnce, _) => (true, 0),
        };
        if fresh {
            let message = Message {
                topic: publish.topic.into(),
                payload: publish.payload.into(),
                qos: publish.qos,
                retain: publish.retain,
                packet_id: publish.packet_id.map(PacketId::get),
                dup: publish.dup,
            };
            self.events.push_back(Event::Message(message, serial));
        }
        Ok(())
    }

    /// Whether the message is new, and the number under which it will be acknowledged.
    fn deferred_qos_2(&mut self, id: PacketId, now: Time) -> Result<(bool, Serial), Fault> {
        if self.session.incoming.holds(id) {
            // [MQTT-4.3.3-2] the application is done with it: only the answer is repeated.
            self.deferred.came_after_all(id);
            self.send_acknowledgements(now)?;
            return Ok((false, 0));
        }
        if self.deferred.came_again(id) {
            return Ok((false, 0));
        }
        Ok((true, self.deferred.came(id, QoS::ExactlyOnce)))
    }

    /// The application is done with these messages.
    ///
    /// # Errors
    /// As [`Engine::publish`].
    pub(crate) fn acknowledge(&mut self, serials: impl IntoIterator<Item = Serial>, now: Time) -> Result<(), Fault> {
        for serial in serials {
            if let Some(id) = self.deferred.acknowledge(serial) {
                // [MQTT-4.3.3-2] from here on it is a repetition until PUBREL, on every connection.
                self.session.hold(id);
            }
        }
        self.send_acknowledgements(now)
    }

    fn send_acknowledgements(&mut self, now: Time) -> Result<(), Fault> {
        while self.state == State::Open
            && let Some((id, qos)) = self.deferred.next()
        {
            let ack = Ack::new(id);
            let packet = if qos == QoS::ExactlyOnce {
                Packet::PubRec(ack)
            } else {
                Packet::PubAck(ack)
            };
            self.answer(packet, now)?;
        }
        Ok(())
    }

    /// Puts in what an outbox held. For an engine that had no connection yet.
    pub(crate) fn restore(&mut self, kept: Kept, ticket: impl Fn() -> T) {
        self.session.restore(kept, ticket);
    }

    /// What has to be on disk before the outbox is written, since it was asked last.
    pub(crate) fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.session.journal.notes)
    }

    /// Tickets of QoS 0 messages that were not written when their connection ended.
    pub(crate) fn unsent(&mut self) -> Vec<T> {
        std::mem::take(&mut self.unsent)
    }

    fn answer(&mut self, packet: Packet<'_>, now: Time) -> Result<(), Fault> {
        packet
            .append_to(self.settings.version, self.outbox.tail())
            .map_err(|_| unwritable())?;
        self.alive.spoke(now);
        Ok(())
    }

    /// What happened, oldest first.
    pub(crate) fn next_event(&mut self) -> Option<Event<T>> {
        self.events.pop_front()
    }

    /// Whether new work may be handed in. The caller keeps it otherwise: this is where publishers are slowed down.
    pub(crate) fn has_room(&self) -> bool {
        self.state == State::Open && self.session.has_room() && self.outbox.len() < OUTBOX_LIMIT
    }

    /// Whether more of the server's packets may be handed in: their answers need room.
    pub(crate) fn may_receive(&self) -> bool {
        self.outbox.len() < OUTBOX_LIMIT
    }

    /// Publishes a message; `ticket` comes back when it is done. `number` is its number on disk; 0: it is not there.
    ///
    /// # Errors
    /// The message cannot be written. Nobody who checked its length meets this.
    pub(crate) fn publish(&mut self, message: Message, ticket: T, number: u64, now: Time) -> Result<(), Fault> {
        if message.qos > QoS::AtMostOnce {
            self.session.push(Work::Publish {
                message,
                ticket,
                number,
            });
            return self.pump(now);
        }
        if self.state != State::Open {
            // The ticket is dropped: nobody promised anything for QoS 0 without a connection.
            return Ok(());
        }
        // [MQTT-4.3.1-1] [MQTT-3.3.1-2] once, without DUP.
        write_message(&mut self.outbox, self.settings.version, &message, None)?;
        self.alive.spoke(now);
        self.unwritten.push_back((self.end_of_stream(), ticket));
        Ok(())
    }

    /// Asks for subscriptions.
    ///
    /// # Errors
    /// As [`Engine::publish`].
    pub(crate) fn subscribe(&mut self, filters: Vec<(TopicFilterBuf, QoS)>, ticket: T, now: Time) -> Result<(), Fault> {
        self.session.push(Work::Subscribe { filters, ticket });
        self.pump(now)
    }

    /// Gives subscriptions up.
    ///
    /// # Errors
    /// As [`Engine::publish`].
    pub(crate) fn unsubscribe(&mut self, filters: Vec<TopicFilterBuf>, ticket: T, now: Time) -> Result<(), Fault> {
        self.session.push(Work::Unsubscribe { filters, ticket });
        self.pump(now)
    }

    /// Ends the connection in order: what is in the outbox goes out, then DISCONNECT, then nothing.
    pub(crate) fn disconnect(&mut self, now: Time) {
        if self.state == State::Open {
            // Writing fourteen and two zeroes cannot fail in a version that has the packet.
            self.answer(Packet::Disconnect(Disconnect::default()), now).ok();
            // [MQTT-3.14.4-2] nothing more is sent.
            self.state = State::Over;
        }
    }

    /// Nothing is unfinished and nothing unwritten.
    pub(crate) fn is_settled(&self) -> bool {
        self.session.unfinished() == 0 && self.outbox.is_empty()
    }

    /// Work without an answer.
    pub(crate) fn unfinished(&self) -> usize {
        self.session.unfinished() + self.unwritten.len()
    }

    /// What is to be written.
    pub(crate) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The kernel took the first `count` bytes of the outbox.
    ///
    /// # Errors
    /// As [`Engine::publish`].
    pub(crate) fn wrote(&mut self, count: usize, now: Time) -> Result<(), Fault> {
        self.outbox.consume(count);
        self.written += count as u64;
        self.alive.wrote(self.written, now);
        while let Some((end, ticket)) = self.unwritten.pop_front() {
            if end > self.written {
                self.unwritten.push_front((end, ticket));
                break;
            }
            self.events.push_back(Event::Done {
                ticket,
                codes: Vec::new(),
            });
        }
        self.pump(now)
    }

    /// When [`Engine::tick`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Connecting { due } => Some(due),
            State::Open => [self.alive.ping_due(), self.alive.dead_at()]
                .into_iter()
                .flatten()
                .min(),
            State::Idle | State::Over => None,
        }
    }

    /// Time has passed. `listening` is false while the caller does not read: then silence is no sign of anything.
    ///
    /// # Errors
    /// The server was silent for too long: the connection counts as dead.
    pub(crate) fn tick(&mut self, now: Time, listening: bool) -> Result<(), Silence> {
        let reached = |due: Option<Time>| due.is_some_and(|due| due <= now);
        match self.state {
            State::Connecting { due } if reached(Some(due)) => Err(Silence::NoConnAck),
            State::Open => {
                if !listening {
                    self.alive.excuse(now);
                } else if reached(self.alive.dead_at()) {
                    return Err(Silence::NoPingResp);
                }
                if reached(self.alive.ping_due()) && self.answer(Packet::PingReq, now).is_ok() {
                    self.alive.pinged(self.end_of_stream(), now);
                }
                Ok(())
            }
            State::Connecting { .. } | State::Idle | State::Over => Ok(()),
        }
    }

    fn end_of_stream(&self) -> u64 {
        self.written + self.outbox.len() as u64
    }

    /// Writes what the window allows.
    fn pump(&mut self, now: Time) -> Result<(), Fault> {
        let version = self.settings.version;
        if self.state == State::Open {
            for id in self.session.asks() {
                self.answer(Packet::PubRel(Ack::new(id)), now)?;
            }
        }
        while self.state == State::Open && self.outbox.len() < OUTBOX_LIMIT {
            let most = self.session.most();
            let Some(send) = self.session.outgoing.next_within(most) else {
                break;
            };
            match send {
                Send::Publish {
                    id,
                    dup,
                    message: Work::Publish { message, number, .. },
                } => {
                    if !dup {
                        self.session.journal.note(Note::Sent { number: *number, id });
                    }
                    write_message(&mut self.outbox, version, message, Some((id, dup)))?;
                }
                Send::Publish {
                    id,
                    message: Work::Subscribe { filters, .. },
                    ..
                } => {
                    write_subscribe(&mut self.outbox, version, filters, id)?;
                    self.session.requests.insert(id, Request::Subscribe(filters.len()));
                }
                Send::Publish {
                    id,
                    message: Work::Unsubscribe { filters, .. },
                    ..
                } => {
                    write_unsubscribe(&mut self.outbox, version, filters, id)?;
                    self.session.requests.insert(id, Request::Unsubscribe);
                }
                // [MQTT-4.4.0-1] a PUBREL of the lost connection, in its place.
                Send::Release { id } => {
                    let release = Packet::PubRel(Ack::new(id));
                    release
                        .append_to(version, self.outbox.tail())
                        .map_err(|_| unwritable())?;
                }
            }
            self.alive.spoke(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
