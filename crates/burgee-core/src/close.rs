//! One verb: a connection ends.
//!
//! What must hold: every end but DISCONNECT publishes the will, once [MQTT-3.1.2-8]; a session with clean session 1
//! ends with its connection, any other stays with all that is unfinished [MQTT-4.1.0-1]. What the client published last
//! is with everybody before its will is. Deliberately absent: sockets; the event loop closes them.

use burgee_codec::{SharedFilter, code};
use burgee_protocol::Fault;

use crate::conns::{Open, State};
use crate::io::{CloseMode, ConnKey, Effects, Event, Reason};
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
            return;
        };
        fx.closes.push((conn, mode));
        let mut client_id = None;
        if let State::Open(open) = state {
            self.counters.clients_connected = self.counters.clients_connected.saturating_sub(1);
            if fx.debug {
                client_id = self
                    .sessions
                    .get_mut(open.session)
                    .map(|session| shown(&session.client_id));
            }
            self.leave(open, &reason, fx);
        }
        if fx.debug {
            fx.events.push(Event::Closed {
                conn,
                client_id,
                reason,
            });
        }
    }

    fn leave(&mut self, open: Open, reason: &Reason, fx: &mut Effects) {
        let Some(session) = self.sessions.get_mut(open.session) else {
            return;
        };
        session.conn = None;
        if session.clean {
            // [MQTT-4.1.0-2] not before its connection ends.
            self.forget_session(open.session);
        } else {
            // [MQTT-4.1.0-1] subscriptions, what is unfinished, and identifiers not released are kept.
            if let Some(flow) = session.flow_if_any() {
                flow.outgoing.disconnected();
                // They stay until the client comes back.
                flow.outgoing
                    .messages_mut()
                    .for_each(|delivery| delivery.message.settle());
            }
            session.trim();
            self.set_online(open.session, false);
        }
        // [MQTT-3.14.4-3] DISCONNECT discards the will; [MQTT-3.1.2-12] without a will there is nothing to do.
        if *reason != Reason::Disconnect
            && let Some(will) = open.will
        {
            // [MQTT-3.1.2-16] [MQTT-3.1.2-17] like any PUBLISH with that RETAIN; [MQTT-3.1.2-10] it is gone then.
            self.publish_own(&will.message, will.retain, fx);
        }
    }

    /// Removes a session and all that it holds.
    pub(crate) fn forget_session(&mut self, key: SessionKey) {
        // [MQTT-3.1.2-7] retained messages are no part of it.
        let Some(mut session) = self.sessions.remove(key) else {
            return;
        };
        let subscriber = self.subscriber(key);
        for filter in session.filters.iter() {
            unroute(&self.shared, &mut self.counters, subscriber, filter);
        }
        if let Some(flow) = session.flow_if_any() {
            self.counters.unreleased -= flow.incoming.len() as u64;
            for weight in flow.outgoing.weights() {
                self.counters.settled(weight);
            }
        }
        self.counters.sessions = self.sessions.len() as u64;
    }

    /// Tells shared groups whether a member is there: messages go to present members first.
    pub(crate) fn set_online(&mut self, key: SessionKey, online: bool) {
        let subscriber = self.subscriber(key);
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        for filter in session.filters.iter() {
            if let Some(Ok(shared)) = SharedFilter::parse(filter) {
                self.shared.router.set_online(subscriber, shared, online);
            }
        }
    }
}
