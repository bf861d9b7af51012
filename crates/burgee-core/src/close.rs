//! One verb: a connection ends.
//!
//! What must hold: every end but DISCONNECT publishes the will, once [MQTT-3.1.2-8]; a session with clean session 1
//! ends with its connection, any other stays with all that is unfinished [MQTT-4.1.0-1]. What the client published last
//! is with everybody before its will is. Deliberately absent: sockets; the event loop closes them.

use burgee_codec::{QoS, SharedFilter, code};
use burgee_protocol::Fault;
use burgee_protocol::session::Deliverable;
use burgee_store::{Op, SessionNo};

use crate::conns::{Open, State};
use crate::io::{CloseMode, ConnKey, Effects, Event, Reason};
use crate::job::Wait;
use crate::message::Message;
use crate::sessions::{SessionKey, shown};
use crate::state::Shard;
use crate::subscribe::unroute;

impl Shard {
    /// The client broke a rule: it is disconnected [MQTT-4.8.0-1], except that a CONNECT of a level that we do not
    /// speak gets an answer first.
    pub(crate) fn fail(&mut self, conn: ConnKey, fault: Fault, fx: &mut Effects) {
        self.counters.faults += 1;
        // [MQTT-3.1.2-2] CONNACK 1, decided from name and level alone.
        if fault.statement() == "MQTT-3.1.2-2" && self.conns.get(conn).is_some_and(|conn| conn.open().is_none()) {
            self.refuse(conn, code::UNACCEPTABLE_PROTOCOL_VERSION, fx);
            return;
        }
        // [MQTT-3.1.4-1] [MQTT-3.2.2-6] a CONNECT that is none gets no CONNACK.
        self.close(conn, Reason::Fault(fault), CloseMode::AfterFlush, fx);
    }

    /// Ends a connection for `reason`.
    pub(crate) fn close(&mut self, conn: ConnKey, reason: Reason, mode: CloseMode, fx: &mut Effects) {
        let Some(state) = self.conns.remove(conn).map(|conn| conn.state) else {
            if mode == CloseMode::Now && self.lingering.remove(conn) {
                fx.closes.push((conn, mode));
            }
            return;
        };
        match &state {
            // What it asked before it left is answered.
            State::Open(open) if reason == Reason::Disconnect && open.parked > 0 => {
                self.lingering.add(conn, open.parked, self.now);
            }
            State::Open(_) | State::Awaiting(_) => fx.closes.push((conn, mode)),
        }
        let mut client_id = None;
        let discard = self.forget_farewell(conn, &reason);
        if let State::Open(open) = state {
            self.counters.clients_connected = self.counters.clients_connected.saturating_sub(1);
            if fx.debug {
                client_id = self
                    .sessions
                    .get_mut(open.session)
                    .map(|session| shown(&session.client_id));
            }
            let user = self.sessions.get(open.session).and_then(|session| session.owner.user());
            if let Some(user) = user {
                self.shared.leave(&user, self.now);
            }
            let id = self.sessions.client_id(open.session);
            let client = id.map(|id| self.trace_of(id));
            let (mut last, before) = (open.last_fan_out, self.journal.parked_so_far());
            self.leave((conn, open), discard, fx);
            if self.journal.parked_so_far() > before {
                last = self.journal.parked_so_far();
            }
            if let Some(client) = client {
                self.journal.note_leaving(client, last);
            }
        }
        if fx.debug {
            fx.events.push(Event::Closed {
                conn,
                client_id,
                reason,
            });
        }
    }

    /// A client identifier as the journal remembers it; 0 without a store.
    pub(crate) fn trace_of(&self, client_id: &str) -> u64 {
        if self.config.durable {
            self.chance.hash_one(client_id)
        } else {
            0
        }
    }

    /// `discard`: its will.
    fn leave(&mut self, (conn, mut open): (ConnKey, Open), discard: bool, fx: &mut Effects) {
        let Some(session) = self.sessions.get_mut(open.session) else {
            return;
        };
        session.conn = None;
        (session.ready, session.subacks) = (false, 0);
        session.restricted = false;
        let kept = SessionNo(session.kept.number());
        if session.clean {
            // [MQTT-4.1.0-2] not before its connection ends.
            self.forget_session(open.session);
        } else {
            // [MQTT-4.1.0-1] subscriptions, what is unfinished, and identifiers not released are kept.
            if let Some(flow) = session.flow_if_any() {
                flow.behind_suback = None;
                flow.outgoing.disconnected();
                // They stay until the client comes back.
                for delivery in flow.outgoing.all_mut() {
                    if delivery.let_go() {
                        self.counters.let_go(delivery.weight());
                    }
                    delivery.message.settle();
                }
            }
            session.trim();
            self.set_online(open.session, false);
            self.begin_to_expire(open.session);
        }
        // [MQTT-3.1.2-12] without a will there is nothing to do.
        let Some(will) = open.will else { return };
        // [MQTT-3.14.4-3] DISCONNECT discards the will.
        self.note_no_will(open.session, kept);
        if !discard {
            let behind = if open.parked > 0 { Wait::Others } else { Wait::No };
            if self.may_publish_will((conn, open.access.as_deref_mut()), &will, fx) {
                self.publish_will(kept, (&will.message, will.retain), behind, fx);
            }
        }
    }

    /// [MQTT-3.1.2-16] [MQTT-3.1.2-17] like any PUBLISH with that RETAIN; [MQTT-3.1.2-10] it is gone then.
    pub(crate) fn publish_will(
        &mut self,
        session: SessionNo,
        (will, retain): (&Message, bool),
        behind: Wait,
        fx: &mut Effects,
    ) {
        let once = will.qos() == QoS::ExactlyOnce && session.0 > 0;
        if once && self.journal.has_failed() {
            // The store still has it, and publishes it after the restart.
            return;
        }
        self.publish_own(will, retain, if once { Wait::Once } else { behind }, fx);
    }

    /// The store forgets a will in the batch in which it is published. Nobody waits for that, but it must not come late:
    /// a crash would publish the will of a client that left in peace.
    pub(crate) fn note_no_will(&mut self, key: SessionKey, session: SessionNo) {
        if session.0 > 0 && self.journal.is_on() {
            self.journal.note(Op::WillCleared { session }, self.now);
            let batch = self.journal.needs();
            self.touch(key, batch);
        }
    }

    /// That a session is there, or its will, depends on this batch.
    pub(crate) fn touch(&mut self, key: SessionKey, batch: u64) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.touched = batch;
        }
    }

    /// Removes a session and all that it holds. Returns the batch behind which a kept one is gone for good; 0: none.
    pub(crate) fn forget_session(&mut self, key: SessionKey) -> u64 {
        // [MQTT-3.1.2-7] retained messages are no part of it.
        let Some(mut session) = self.sessions.remove(key) else {
            return 0;
        };
        let subscriber = self.subscriber(key, session.kept);
        for filter in session.filters.iter() {
            unroute(&self.shared, &mut self.counters, subscriber, filter);
        }
        if let Some(flow) = session.flow_if_any() {
            self.counters.unreleased -= flow.incoming.len() as u64;
            for delivery in flow.outgoing.all_mut() {
                self.counters.settled(delivery.weight(), delivery.is_here());
            }
        }
        self.counters.sessions = self.sessions.len() as u64;
        if !session.kept.is_kept() || !self.journal.is_on() {
            return 0;
        }
        let client = self.trace_of(&session.client_id);
        let number = SessionNo(session.kept.number());
        self.journal.note_deleted((number, client), self.now)
    }

    /// Tells shared groups whether a member is there: messages go to present members first.
    pub(crate) fn set_online(&mut self, key: SessionKey, online: bool) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let subscriber = key.in_shard(self.id, session.kept);
        for filter in session.filters.iter() {
            if let Some(Ok(shared)) = SharedFilter::parse(filter) {
                self.shared.router.set_online(subscriber, shared, online);
            }
        }
    }
}
