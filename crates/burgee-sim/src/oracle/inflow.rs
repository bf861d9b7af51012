//! What a shard has taken in, and what follows from it: the rules of MQTT 3.1.1 from the broker's side.
//!
//! What must hold: every packet is judged in the order in which it was taken. Deliberately absent: who gets a message
//! (`routing`) and what comes out (`outflow`, `sending`).

use burgee_codec::{
    Connect, DecodeError, Decoded, Limits, Packet, PacketId, Publish, QoS, SharedFilter, Subscribe, Unsubscribe,
    Version, decode,
};

use super::history::History;
use super::state::{Cause, Done, Flight, Kept, MessageNo, Session, Testament, Will};
use super::{Oracle, Verdict};
use crate::law::{Who, Wish};
use crate::net::LinkId;

/// What a packet does to its connection.
enum Effect {
    Fine,
    Ends(Cause),
}

impl Oracle {
    /// Bytes were offered, `used` of them taken. `last`: no more of this connection's come in this turn.
    pub(super) fn bytes(&mut self, link: LinkId, bytes: &[u8], used: usize, last: bool) -> Verdict {
        let mut at = 0;
        // Whoever is closed for what it has sent has nothing more to say.
        let ends_now = last && used == bytes.len() && self.closing.contains(&link);
        // What needs the disk ends its connection where there is none: which packet did cannot be told.
        self.vague |= self.closing.contains(&link) && self.without_disk.contains(&self.shard);
        while let Some(conn) = self.conns.get(&link).filter(|conn| conn.closed.is_none()) {
            let fresh = conn.session.is_none();
            let (most, versions) = self.door.bounds(self.shard, link, conn.user.as_deref());
            let max_remaining_length = most.min(if fresh {
                self.rules.max_connect
            } else {
                self.rules.max_packet
            });
            let limits = Limits {
                max_remaining_length,
                versions,
            };
            let version = conn.version;
            let rest = bytes.get(at..).unwrap_or_default();
            match decode(rest, version, &limits) {
                Ok(Decoded::Packet { packet, len }) => {
                    if at + len > used {
                        self.stays_out(link, &packet)?;
                        break;
                    }
                    at += len;
                    if let Some(conn) = self.conns.get_mut(&link) {
                        conn.last_packet = self.now;
                    }
                    if matches!(packet, Packet::Publish(_)) && !fresh {
                        self.keeps_pace(link, len)?;
                    }
                    if let Effect::Ends(cause) = self.packet(link, &packet)? {
                        if self.may_linger(link, cause) {
                            self.leavers.insert(link, self.now);
                        } else {
                            self.must_close.insert(link);
                        }
                        self.ends(link, cause)?;
                    }
                }
                Ok(Decoded::Incomplete { .. }) => {
                    // The first byte may say enough.
                    if ends_now && rest.first().is_some_and(|first| is_unwelcome(*first, fresh)) {
                        self.tally.violations += 1;
                        self.must_close.insert(link);
                        return self.ends(link, Cause::Violation);
                    }
                    break;
                }
                Err(error) => {
                    // Without a close the shard has not come to it yet: it holds the connection.
                    if ends_now {
                        self.malformed(link, fresh, &error)?;
                    }
                    return Ok(());
                }
            }
        }
        let open = self.conns.get(&link).is_some_and(|conn| conn.closed.is_none());
        // Without a disk it may have ended at a packet that we take for a good one.
        let ended = self.closing.contains(&link) && self.without_disk.contains(&self.shard);
        if open && at != used && !ended {
            return Err(format!(
                "link {link}: {used} bytes are taken, the packets in them have {at}"
            ));
        }
        self.look_for_farewell(link, bytes.get(used..).unwrap_or_default());
        Ok(())
    }

    /// [MQTT-3.14.4-3] DISCONNECT discards the will when it is received, also where what stands before it has to wait; unless
    /// that turns out to be a violation [MQTT-3.1.2-8].
    fn look_for_farewell(&mut self, link: LinkId, waiting: &[u8]) {
        let Some(conn) = self.conns.get(&link).filter(|conn| conn.closed.is_none()) else {
            return;
        };
        let (Some(session), Some(_)) = (conn.session, &conn.will) else {
            return;
        };
        let (max_remaining_length, versions) = self.door.bounds(self.shard, link, conn.user.as_deref());
        let limits = Limits {
            max_remaining_length: max_remaining_length.min(self.rules.max_packet),
            versions,
        };
        let (version, mut rest) = (conn.version, waiting);
        while let Ok(Decoded::Packet { packet, len }) = decode(rest, version, &limits) {
            rest = rest.get(len..).unwrap_or_default();
            match packet {
                Packet::Disconnect(_) => {
                    if let Some(conn) = self.conns.get_mut(&link) {
                        conn.will_behind = conn.will.take();
                    }
                    let now = self.now;
                    let will = &mut self.session(session).kept.will;
                    return will.change(Testament::default(), now, u64::MAX);
                }
                Packet::Publish(_)
                | Packet::PubAck(_)
                | Packet::PubRec(_)
                | Packet::PubRel(_)
                | Packet::PubComp(_)
                | Packet::Subscribe(_)
                | Packet::Unsubscribe(_)
                | Packet::PingReq => {}
                Packet::Connect(_)
                | Packet::ConnAck(_)
                | Packet::SubAck(_)
                | Packet::UnsubAck(_)
                | Packet::PingResp
                | Packet::Auth(_) => return,
            }
        }
    }

    fn malformed(&mut self, link: LinkId, fresh: bool, error: &DecodeError) -> Verdict {
        let cause = if fresh && matches!(error, DecodeError::UnsupportedLevel { .. }) {
            self.expect_connack(link, false, 1);
            Cause::Refused
        } else {
            Cause::Violation
        };
        self.tally.violations += 1;
        self.must_close.insert(link);
        self.ends(link, cause)
    }

    fn packet(&mut self, link: LinkId, packet: &Packet<'_>) -> Result<Effect, String> {
        let conn = self.conns.get(&link).ok_or("a packet without a connection")?;
        let Some(session) = conn.session else {
            let Packet::Connect(connect) = packet else {
                return Ok(self.violation());
            };
            return self.connect(link, connect);
        };
        if is_violation(packet, self.session(session)) {
            return Ok(self.violation());
        }
        let conn = self.conns.get_mut(&link).ok_or("a packet without a connection")?;
        match packet {
            Packet::Publish(publish) => self.publish(link, session, publish),
            Packet::PubAck(ack) => self.acknowledged(session, ack.packet_id.get(), QoS::AtLeastOnce),
            Packet::PubRec(ack) => {
                conn.answers.pubrel.push_back(ack.packet_id.get());
                self.received(session, ack.packet_id.get());
            }
            Packet::PubComp(ack) => self.acknowledged(session, ack.packet_id.get(), QoS::ExactlyOnce),
            Packet::PubRel(ack) => {
                conn.answers.pubcomp.push_back(ack.packet_id.get());
                self.released(session, ack.packet_id.get());
            }
            Packet::Subscribe(subscribe) => self.subscribe(link, session, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(link, session, unsubscribe),
            Packet::PingReq => conn.answers.pongs += 1,
            Packet::Disconnect(_) => return Ok(Effect::Ends(Cause::Disconnect)),
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp
            | Packet::Auth(_) => return Ok(self.violation()),
        }
        Ok(Effect::Fine)
    }

    fn violation(&mut self) -> Effect {
        self.tally.violations += 1;
        Effect::Ends(Cause::Violation)
    }

    fn expect_connack(&mut self, link: LinkId, present: bool, code: u8) {
        if let Some(conn) = self.conns.get_mut(&link) {
            conn.answers.connack = Some((present, code));
        }
    }

    fn connect(&mut self, link: LinkId, connect: &Connect<'_>) -> Result<Effect, String> {
        if let Some(conn) = self.conns.get_mut(&link) {
            conn.version = connect.version;
        }
        if self.misfit(connect).is_none() {
            self.looked_at(link, connect, true, false)?;
        }
        if let Some(code) = self.refusal(link, connect) {
            self.count_refused(link, connect, code);
            self.expect_connack(link, false, code);
            return Ok(Effect::Ends(Cause::Refused));
        }
        if self.cannot_keep(link) || self.has_no_room(link, connect) {
            self.tally.squeezed += u64::from(self.is_tight());
            self.expect_connack(link, false, 3);
            return Ok(Effect::Ends(Cause::Refused));
        }
        let user = self.admission(link, connect).and_then(Result::ok).flatten();
        // An empty identifier stands for a new one each time.
        let client = if connect.client_id.is_empty() {
            format!("?{link}")
        } else {
            connect.client_id.to_owned()
        };
        self.replace(&client, connect.clean_session)?;
        let found = self.by_client.get(&client).copied();
        let session = found.unwrap_or(self.sessions.len());
        if found.is_none() {
            let (clean, client) = (connect.clean_session, client.clone());
            self.sessions.push(Session {
                client,
                user: user.clone(),
                clean,
                shard: Some(self.shard),
                kept: Kept {
                    owner: History::of(user.clone()),
                    ..Kept::default()
                },
                ..Session::default()
            });
            self.by_client.insert(client_of(&self.sessions, session), session);
        }
        self.tally.resumed += u64::from(found.is_some());
        let shard = self.shard;
        if *self.session(session).shard.get_or_insert(shard) != shard {
            return Err(format!("the session of {client:?} changes its shard"));
        }
        self.belongs_to(session, link, user.as_deref());
        self.session(session).conn = Some(link);
        self.session(session).clean = connect.clean_session;
        let will = connect.will.map(|will| Will {
            topic: will.topic.as_str().to_owned(),
            payload: will.payload.to_vec(),
            qos: will.qos,
            retain: will.retain,
        });
        let testament = Testament {
            will: will.clone(),
            published: None,
        };
        let now = self.now;
        self.session(session).kept.will.change(testament, now, link as u64);
        // MQTT 3.1 has no way to say it.
        self.expect_connack(link, found.is_some() && connect.version != Version::V31, 0);
        if let Some(conn) = self.conns.get_mut(&link) {
            conn.session = Some(session);
            conn.client = client;
            conn.user = user;
            conn.keep_alive = connect.keep_alive;
            conn.will = will;
        }
        Ok(Effect::Fine)
    }

    /// A client takes its identifier over, and where it wants a clean session, ends what was there.
    fn replace(&mut self, client: &str, clean: bool) -> Verdict {
        if let Some(old) = self
            .by_client
            .get(client)
            .and_then(|session| self.sessions.get(*session)?.conn)
        {
            self.tally.takeovers += 1;
            self.must_close.insert(old);
            self.ends(old, Cause::TakenOver)?;
        }
        if clean && let Some(session) = self.by_client.get(client).copied() {
            self.destroy(session);
        }
        Ok(())
    }

    fn publish(&mut self, link: LinkId, session: usize, publish: &Publish<'_>) {
        let Some(conn) = self.conns.get(&link) else { return };
        let publisher = conn.client.clone();
        let may = self.may_publish(conn.who(), publish.topic.as_str(), publish.qos);
        let id = publish.packet_id.map(PacketId::get);
        let twice = publish.qos == QoS::ExactlyOnce;
        // [MQTT-4.3.3-2] the identifier alone says that it is a repetition.
        if let Some(id) = id.filter(|_| twice)
            && let Some(message) = self.session(session).incoming.get(&id).copied()
        {
            self.expect_ack(link, publish.qos, (id, message));
            return;
        }
        let will = Will {
            topic: publish.topic.as_str().to_owned(),
            payload: publish.payload.to_vec(),
            qos: publish.qos,
            retain: publish.retain,
        };
        let number = if may || will.topic.starts_with("$SYS") {
            self.route(publisher, will)
        } else {
            self.tally.forbidden += 1;
            self.denied += 1;
            None
        };
        let Some(id) = id else { return };
        self.expect_ack(link, publish.qos, (id, number));
        if twice {
            self.session(session).incoming.insert(id, number);
            if let Some(message) = number.and_then(|number| self.messages.get_mut(number)) {
                message.origin = Some((session, id));
            }
        }
    }

    fn expect_ack(&mut self, link: LinkId, qos: QoS, ack: (u16, Option<MessageNo>)) {
        let Some(conn) = self.conns.get_mut(&link) else { return };
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => conn.answers.puback.push_back(ack),
            QoS::ExactlyOnce => conn.answers.pubrec.push_back(ack),
        }
    }

    /// PUBREL: the identifier stands for another message from now on.
    fn released(&mut self, session: usize, id: u16) {
        let session = self.session(session);
        if session.incoming.remove(&id).is_some() {
            session.kept.received.remove(&id);
            session.kept.freed.insert(id);
        }
    }

    fn subscribe(&mut self, link: LinkId, session: usize, subscribe: &Subscribe<'_>) {
        let id = subscribe.packet_id.get();
        self.questions += 1;
        let question = self.questions;
        let mut codes = Vec::new();
        let refused = self.forgets(session);
        for (filter, options) in &subscribe.filters {
            let granted = options.qos;
            if refused {
                codes.push(0x80);
                continue;
            }
            let who = self.sessions.get(session).map(Session::who);
            let name = without_group(filter.as_str());
            let most = who.and_then(|who| self.laws.allow(self.shard, (who, Wish::Subscribe), name));
            let Some(most) = most else {
                self.tally.forbidden += 1;
                codes.push(0x80);
                continue;
            };
            if self.has_enough(link, session, filter.as_str()) {
                codes.push(0x80);
                continue;
            }
            let granted = granted.min(most);
            codes.push(granted.bits());
            self.session(session)
                .filters
                .insert(filter.as_str().to_owned(), granted);
            self.change_filter(session, filter.as_str(), Some(granted));
            self.session(session).asked_for_sys |= filter.as_str().starts_with("$SYS");
            // A shared subscription brings no retained messages.
            if SharedFilter::parse(filter).is_none() {
                self.replay((link, session), filter, granted, question);
            }
        }
        if let Some(conn) = self.conns.get_mut(&link) {
            conn.answers.suback.push_back((id, codes, question));
        }
    }

    fn unsubscribe(&mut self, link: LinkId, session: usize, unsubscribe: &Unsubscribe<'_>) {
        self.questions += 1;
        if self.forgets(session) {
            return;
        }
        for filter in &unsubscribe.filters {
            self.change_filter(session, filter.as_str(), None);
            let session = self.session(session);
            session.filters.remove(filter.as_str());
            // Nobody needs to send what is not wanted any more.
            for replay in session
                .replays
                .iter_mut()
                .filter(|replay| replay.filter == filter.as_str())
            {
                replay.wanted.values_mut().for_each(|wanted| wanted.optional = true);
            }
        }
        if let Some(conn) = self.conns.get_mut(&link) {
            conn.answers
                .unsuback
                .push_back((unsubscribe.packet_id.get(), self.questions));
        }
    }

    /// What a question changes is on the disk when its answer leaves.
    fn change_filter(&mut self, session: usize, filter: &str, qos: Option<QoS>) {
        let (now, question) = (self.now, self.questions);
        let filters = &mut self.session(session).kept.filters;
        let history = filters.entry(filter.to_owned()).or_default();
        history.change(qos, now, question);
    }

    /// PUBREC: the message is never sent again, only its PUBREL.
    fn received(&mut self, session: usize, id: u16) {
        let session = self.session(session);
        if let Some(flight) = session.flights.iter_mut().find(|flight| flight.id == id) {
            flight.released = true;
        }
    }

    /// PUBACK or PUBCOMP: the identifier is free. An unknown one means nothing.
    fn acknowledged(&mut self, session: usize, id: u16, qos: QoS) {
        let finished = |flight: &Flight| flight.id == id && (qos == QoS::AtLeastOnce || flight.released);
        let (at, durable) = (self.now, self.rules.durable);
        let session = self.session(session);
        if durable && !session.clean {
            let over = session.flights.iter().filter(|flight| finished(flight));
            session.kept.done.extend(over.map(|flight| Done::of(flight, at)));
        }
        session.flights.retain(|flight| !finished(flight));
    }

    /// Nothing that this session wants kept can be kept any more.
    fn forgets(&self, session: usize) -> bool {
        let clean = self.sessions.get(session).is_none_or(|session| session.clean);
        !clean && self.without_disk.contains(&self.shard)
    }

    /// Without a disk a client may be refused: its session cannot be kept.
    fn cannot_keep(&self, link: LinkId) -> bool {
        self.without_disk.contains(&self.shard) && self.refused.contains(&link)
    }

    /// The return code of a CONNECT that is refused.
    fn refusal(&self, link: LinkId, connect: &Connect<'_>) -> Option<u8> {
        if let Some(code) = self.misfit(connect) {
            return Some(code);
        }
        let user = match self.admission(link, connect)? {
            Ok(user) => user,
            Err(code) => return Some(code),
        };
        let who = Who {
            client: named(connect),
            user: user.as_deref(),
        };
        let unlawful = connect
            .will
            .is_some_and(|will| !self.may_publish(who, will.topic.as_str(), will.qos));
        if unlawful {
            return Some(5);
        }
        (!self.may_enter(connect.client_id, user.as_deref())).then_some(3)
    }

    /// The return code of a CONNECT that is refused whoever it comes from.
    fn misfit(&self, connect: &Connect<'_>) -> Option<u8> {
        let nameless = match connect.version {
            Version::V31 => connect.client_id.is_empty() || connect.client_id.chars().count() > 23,
            Version::V311 | Version::V5 => connect.client_id.is_empty() && !connect.clean_session,
        };
        if nameless {
            return Some(2);
        }
        if self.ending.contains(&self.shard) {
            return Some(3);
        }
        // A will where only the broker speaks.
        let forbidden = connect
            .will
            .is_some_and(|will| will.topic.levels().next() == Some("$SYS"));
        forbidden.then_some(5)
    }

    /// A packet was offered and not taken: a CONNECT waits for its verdict, or for the end of a fight.
    fn stays_out(&mut self, link: LinkId, packet: &Packet<'_>) -> Verdict {
        let fresh = self.conns.get(&link).is_some_and(|conn| conn.session.is_none());
        let Packet::Connect(connect) = packet else {
            return Ok(());
        };
        if !fresh || self.misfit(connect).is_some() {
            return Ok(());
        }
        let asks = self.asks.contains(&link);
        self.looked_at(link, connect, false, asks)
    }

    fn count_refused(&mut self, link: LinkId, connect: &Connect<'_>, code: u8) {
        if self.misfit(connect).is_none() {
            self.tally.refused += 1;
            if code == 3 && matches!(self.admission(link, connect), Some(Ok(_))) {
                self.count_denied();
            }
        }
    }

    /// Whether a session may not have one more subscription.
    fn has_enough(&self, link: LinkId, session: usize, filter: &str) -> bool {
        let Some(held) = self.sessions.get(session) else {
            return false;
        };
        let most = self.door.subscriptions(self.shard, link, held.user.as_deref());
        !held.filters.contains_key(filter) && held.filters.len() >= most
    }
}

/// Who leaves its name to the broker gets one that no rule of these worlds can mean.
const fn named<'c>(connect: &Connect<'c>) -> &'c str {
    if connect.client_id.is_empty() {
        "?"
    } else {
        connect.client_id
    }
}

/// The filter behind the group of a shared subscription.
fn without_group(filter: &str) -> &str {
    let shared = filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
    shared.map_or(filter, |(_, filter)| filter)
}

fn client_of(sessions: &[Session], session: usize) -> String {
    sessions
        .get(session)
        .map(|session| session.client.clone())
        .unwrap_or_default()
}

/// Whether no packet that begins like this may come now.
const fn is_unwelcome(first: u8, fresh: bool) -> bool {
    match first >> 4 {
        1 => !fresh,
        2 | 9 | 11 | 13 | 15 => true,
        _ => fresh,
    }
}

/// Whether a client with this session must not send this packet now.
fn is_violation(packet: &Packet<'_>, session: &Session) -> bool {
    let flight = |id: u16| session.flights.iter().find(|flight| flight.id == id);
    match packet {
        Packet::PubAck(ack) => flight(ack.packet_id.get()).is_some_and(|flight| flight.qos == QoS::ExactlyOnce),
        Packet::PubRec(ack) => flight(ack.packet_id.get()).is_some_and(|flight| flight.qos == QoS::AtLeastOnce),
        Packet::PubComp(ack) => flight(ack.packet_id.get()).is_some_and(|flight| !flight.released),
        Packet::Connect(_)
        | Packet::ConnAck(_)
        | Packet::SubAck(_)
        | Packet::UnsubAck(_)
        | Packet::PingResp
        | Packet::Auth(_) => true,
        Packet::Publish(_)
        | Packet::PubRel(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Disconnect(_) => false,
    }
}
