//! One verb: a client wants in.
//!
//! What must hold: a CONNECT is judged whole before it does anything; an older connection under the identifier ends,
//! its will published, before the newcomer gets CONNACK; CONNACK is the first packet that a connection sees.
//! Everything about one identifier happens on the shard that owns it. Deliberately absent: who is asked; see `admit`.

use burgee_codec::{ConnAck, Connect, Packet, Version, code};
use burgee_protocol::connection::{KeepAlive, check_client_id};
use burgee_router::Kept;
use burgee_store::{Op, SessionNo};

use crate::access::Access;
use crate::conns::{Conn, Hold, Open, State, Will};
use crate::io::{Admission, CloseMode, ConnKey, Effects, Event, Reason};
use crate::journal::{Parked, Resumed};
use crate::message::{Message, is_ours};
use crate::outbound::append;
use crate::sessions::{MADE, Owner, SessionKey, shown};
use crate::state::{Next, Shard};

/// A client that may come in.
struct Entrant<'c> {
    connect: &'c Connect<'c>,
    admission: Admission,
    access: Option<Box<Access>>,
}

impl Shard {
    pub(crate) fn connect(&mut self, conn: ConnKey, connect: &Connect<'_>, fx: &mut Effects) -> Next {
        if let Err(code) = self.admit(connect) {
            self.refuse(conn, code, fx);
            return Next::Gone;
        }
        // [MQTT-3.1.3-6] a unique identifier instead of an empty one; nobody else can ask for it, so any shard is its home.
        let made = connect.client_id.is_empty().then(|| self.make_client_id());
        let client_id = made.as_deref().unwrap_or(connect.client_id);
        let home = self.shared.home(client_id, self.config.shards);
        if made.is_none() && home != self.id {
            self.conns.remove(conn);
            self.counters.connections = self.counters.connections.saturating_sub(1);
            fx.moves.push((conn, home));
            return Next::Moved;
        }
        // Only here, where its session would be: another shard's table says nothing about it.
        if !self.has_room_for(client_id) {
            self.refuse(conn, code::SERVER_UNAVAILABLE, fx);
            return Next::Gone;
        }
        if self.journal.is_full() && !connect.clean_session {
            return Next::Wait(Hold::Store);
        }
        // Who comes back may be just whose return frees memory.
        let known = self.sessions.find(client_id).is_some();
        if (self.is_out_of_memory() && !known) || !self.has_store_for(connect, client_id) {
            self.refuse(conn, code::SERVER_UNAVAILABLE, fx);
            return Next::Gone;
        }
        // [MQTT-3.1.4-2] whoever holds the identifier loses it to nobody who is not admitted.
        let admission = match self.admission(conn, connect, fx) {
            Ok(admission) => admission,
            Err(next) => return next,
        };
        if !self.is_free_for(client_id, admission.user.as_deref()) {
            self.counters.denied_identifiers += 1;
            fx.events.push(Event::NotTheirs {
                conn,
                client_id: client_id.into(),
                user: admission.user,
            });
            self.refuse(conn, code::IDENTIFIER_REJECTED, fx);
            return Next::Gone;
        }
        if self.fights(conn, client_id, fx) {
            return Next::Wait(Hold::Rate);
        }
        let mut access = self.access_of(conn, client_id, &admission);
        if let (Some(will), Some(access)) = (&connect.will, &mut access)
            && !self.may_leave((conn, access), (will.topic.as_str(), will.retain, will.qos), fx)
        {
            self.refuse(conn, code::NOT_AUTHORIZED, fx);
            return Next::Gone;
        }
        // Last: whoever is counted is in.
        if !self.count_in(admission.user.as_deref(), self.is_connected(client_id)) {
            self.counters.denied_connections += 1;
            self.refuse(conn, code::SERVER_UNAVAILABLE, fx);
            return Next::Gone;
        }
        let entrant = Entrant {
            connect,
            admission,
            access,
        };
        self.welcome(conn, entrant, client_id, fx)
    }

    /// Whether nobody else's session is there. Who may take an identifier over may read what it is owed, and end it.
    fn is_free_for(&mut self, client_id: &str, user: Option<&str>) -> bool {
        let (known, nameless) = (self.sessions.find(client_id), self.policy.nameless);
        let session = known.and_then(|key| self.sessions.get_mut(key));
        session.is_none_or(|session| session.owner.is_free(nameless) || session.owner.is(user))
    }

    /// After the store has failed: whether this CONNECT needs none.
    fn has_store_for(&mut self, connect: &Connect<'_>, client_id: &str) -> bool {
        if !self.journal.has_failed() {
            return true;
        }
        let known = self.sessions.find(client_id);
        let kept = known.and_then(|key| self.sessions.kept(key)).is_some();
        let nameless = self.policy.nameless;
        if connect.clean_session {
            // [MQTT-3.1.2-6] the old one would come back after a restart.
            !kept && !self.journal.is_in_doubt(self.trace_of(client_id))
        } else {
            // Whom a session goes to could not be kept.
            let touched = known
                .and_then(|key| self.sessions.get_mut(key))
                .filter(|session| !session.owner.is_free(nameless))
                .map(|session| session.touched);
            kept && connect.will.is_none() && touched.is_some_and(|batch| self.journal.is_durable(batch))
        }
    }

    /// # Errors
    /// The return code of the refusal.
    fn admit(&self, connect: &Connect<'_>) -> Result<(), u8> {
        // [MQTT-7.0.0-2] nothing is asked of a client that the standard does not ask.
        check_client_id(connect)?;
        if self.ending.has_begun() {
            return Err(code::SERVER_UNAVAILABLE);
        }
        // A will that may not be published is refused where the device's owner sees it.
        if connect.will.as_ref().is_some_and(|will| is_ours(will.topic)) {
            return Err(code::NOT_AUTHORIZED);
        }
        Ok(())
    }

    /// Whether the limits allow one more; a client that is here already takes nobody's place.
    fn has_room_for(&mut self, client_id: &str) -> bool {
        let known = self.sessions.find(client_id);
        let connected = known
            .and_then(|key| self.sessions.get_mut(key))
            .is_some_and(|session| session.conn.is_some());
        (known.is_some() || self.sessions.len() < self.config.max_sessions)
            && (connected || self.counters.clients_connected < self.config.max_connections as u64)
    }

    /// Whether a client under this identifier is here.
    fn is_connected(&self, client_id: &str) -> bool {
        let session = self.sessions.find(client_id).and_then(|key| self.sessions.get(key));
        session.is_some_and(|session| session.conn.is_some())
    }

    /// [MQTT-3.2.2-5] CONNACK with a return code, then the end; nothing behind the CONNECT is looked at
    /// [MQTT-3.1.4-5].
    pub(crate) fn refuse(&mut self, conn: ConnKey, code: u8, fx: &mut Effects) {
        self.counters.refused += 1;
        // [MQTT-3.2.2-4] session present is 0.
        self.send(conn, Packet::ConnAck(ConnAck::new(false, code)), fx);
        self.close(conn, Reason::Refused(code), CloseMode::AfterFlush, fx);
    }

    fn welcome(&mut self, conn: ConnKey, entrant: Entrant<'_>, client_id: &str, fx: &mut Effects) -> Next {
        let Entrant {
            connect,
            admission,
            access,
        } = entrant;
        self.restrictive |= access.is_some();
        let Admission { user, address, .. } = admission;
        let (session, resumed, mut need) = self.session_for((client_id, user.as_deref()), connect.clean_session, fx);
        if resumed && let Some(claim) = self.claim(session, user.as_deref()) {
            need = claim;
        }
        if let Some(state) = self.sessions.get_mut(session) {
            state.conn = Some(conn);
            state.owner = Owner::User(user.clone());
            state.restricted = access.is_some();
            state.version = connect.version;
        }
        // [MQTT-3.1.2-8] [MQTT-3.1.2-10] the will is this connection's own, whatever an earlier one had.
        let will = connect.will.as_ref().map(|will| {
            Box::new(Will {
                message: Message::new(will.topic, will.payload, will.qos),
                retain: will.retain,
            })
        });
        if let (Some(will), Some(kept)) = (&will, self.sessions.kept(session)) {
            need = self.note_will(kept, will);
            self.touch(session, need);
        }
        let listener = self.conns.get(conn).map_or_else(Default::default, Conn::listener);
        let max_packet_bytes = self.max_packet_bytes_for(listener, user.as_deref());
        let meter = self.meter_for(user.as_deref());
        if let Some(state) = self.conns.get_mut(conn) {
            state.state = State::Open(Open {
                session,
                version: connect.version,
                max_packet_bytes,
                listener,
                address,
                access,
                meter,
                keep_alive: KeepAlive::new(connect.keep_alive, self.now),
                will,
                cache: burgee_router::RouteCache::default(),
                parked: 0,
                last_fan_out: 0,
            });
        }
        if let Some(deadline) = self.conns.deadline(conn) {
            self.wheel.insert(deadline, conn);
        }
        self.counters.clients_connected += 1;
        if fx.debug {
            let clean = connect.clean_session;
            fx.events.push(Event::Connected {
                conn,
                client_id: shown(client_id),
                clean,
                resumed,
            });
        }
        // What an earlier connection said, its will included, must not come after what this one says.
        if self.journal.is_durable(need) && !self.journal.is_leaving(self.trace_of(client_id)) {
            self.greet(conn, Resumed(resumed), fx);
            return Next::Go;
        }
        // [MQTT-3.2.0-1] nothing goes out before CONNACK, and nothing is read: what would be answered is not there yet.
        self.count_parked(conn);
        self.journal.park(need, Parked::Welcome(conn, Resumed(resumed)));
        Next::Held(Hold::Welcome)
    }

    /// CONNACK, and what a session that goes on was owed.
    pub(crate) fn greet(&mut self, conn: ConnKey, Resumed(resumed): Resumed, fx: &mut Effects) {
        let Some(open) = self.conns.get(conn).and_then(|conn| conn.open()) else {
            return;
        };
        let (session, version) = (open.session, open.version);
        let now = self.now;
        if let Some(open) = self.conns.open_mut(conn) {
            // It was we who were silent.
            open.keep_alive.touch(now);
        }
        // [MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3] MQTT 3.1 has no such flag.
        let present = resumed && version != Version::V31;
        // [MQTT-3.1.4-4] [MQTT-3.2.0-1] before anything else goes out.
        if let Some(outbox) = fx.outboxes.writer(conn) {
            let before = outbox.len();
            let connack = Packet::ConnAck(ConnAck::new(present, code::ACCEPTED));
            append(outbox, connack, version);
            self.counters.sent_packet(outbox.len() - before);
        }
        if let Some(state) = self.sessions.get_mut(session) {
            state.ready = true;
        }
        if resumed {
            self.set_online(session, true);
            // [MQTT-4.4.0-1] what was unfinished goes out again.
            self.pump(session, fx);
        }
    }

    /// A session that was free is this user's for good, or of those without a name. Returns the batch that makes it so.
    fn claim(&mut self, key: SessionKey, user: Option<&str>) -> Option<u64> {
        let kept = self.sessions.kept(key)?;
        let claimed = self.sessions.get(key)?.owner.is(user);
        if claimed || !self.journal.is_on() {
            return None;
        }
        let claimed = Op::SessionClaimed {
            session: kept,
            user: user.unwrap_or_default().into(),
        };
        self.journal.note(claimed, self.now);
        let batch = self.journal.needs();
        self.touch(key, batch);
        Some(batch)
    }

    /// The will of a kept session outlives the broker, too.
    fn note_will(&mut self, session: SessionNo, will: &Will) -> u64 {
        let kept = burgee_store::Will {
            body: will.message.to_body(),
            qos: will.message.qos(),
            retain: will.retain,
        };
        self.journal.note(Op::WillSet { session, will: kept }, self.now);
        self.journal.needs()
    }

    /// The session that a CONNECT begins or goes on with, whether it goes on, and the batch that makes it so for good.
    fn session_for(
        &mut self,
        (client_id, user): (&str, Option<&str>),
        clean: bool,
        fx: &mut Effects,
    ) -> (SessionKey, bool, u64) {
        let mut need = 0;
        if let Some(old) = self.sessions.find(client_id) {
            // [MQTT-3.1.4-2] the older connection ends now; if its session was to end with it, it is gone then.
            if let Some(conn) = self.sessions.get_mut(old).and_then(|session| session.conn) {
                self.counters.taken_over += 1;
                self.close(conn, Reason::TakenOver, CloseMode::AfterFlush, fx);
            }
            // [MQTT-3.1.4-3] clean session is carried out after that.
            if self.sessions.get_mut(old).is_some() {
                if !clean {
                    // [MQTT-3.1.2-4]
                    let touched = self.sessions.get_mut(old).map_or(0, |session| session.touched);
                    return (old, true, touched);
                }
                // [MQTT-3.1.2-6] nothing of it is ever used again.
                self.forget_session(old);
            }
        }
        // It may also be that an old one is going just now: that has to be certain before CONNACK says that it is gone.
        need = need.max(self.journal.deletion_of(self.trace_of(client_id)));
        let number = if clean { 0 } else { self.journal.session_number() };
        if number > 0 {
            let created = Op::SessionCreated {
                session: SessionNo(number),
                client_id: client_id.into(),
                user: Some(user.unwrap_or_default().into()),
            };
            self.journal.note(created, self.now);
            need = self.journal.needs();
        }
        let session = self.sessions.create(client_id, clean, Kept::new(number));
        self.touch(session, need);
        self.counters.sessions = self.sessions.len() as u64;
        (session, false, need)
    }

    fn make_client_id(&mut self) -> String {
        self.made_ids += 1;
        let parts = [
            self.chance.hash_one((self.made_ids, 0_u8)),
            self.chance.hash_one((self.made_ids, 1_u8)),
        ];
        let [high, low] = parts;
        format!("{MADE}auto-{high:016x}{low:016x}")
    }
}
