//! What follows from a denial, and who is told.
//!
//! What must hold: what a rule denies reaches nobody, is not retained, and is counted; a copy that a session may not be
//! sent is no longer owed to it. Whoever no rules hold for pays for looking. Deliberately absent: the decision; see
//! `access`.

use burgee_access::Reply;
use burgee_codec::{Publish, QoS, SharedFilter, TopicFilter, code};
use burgee_protocol::session::Deliverable;
use burgee_store::SessionNo;

use crate::access::{Access, Denied, Name};
use crate::conns::{Conn, Will};
use crate::io::{Admission, ConnKey, Effects};
use crate::sessions::{SessionKey, shown};
use crate::state::Shard;

/// Copies that are taken out of one queue in one go.
const SIFTED: usize = 1024;

impl Shard {
    /// What rules hold for a client that comes in.
    pub(crate) fn access_of(&self, conn: ConnKey, client_id: &str, admission: &Admission) -> Option<Box<Access>> {
        let listener = self.conns.get(conn).map_or_else(Default::default, Conn::listener);
        let common = self.policy.rules(listener);
        if common.is_none() && admission.client_rules.is_none() {
            return None;
        }
        let name = Name {
            user: admission.user.clone(),
            client_id: shown(client_id),
            address: admission.address,
        };
        Access::new(name, admission.client_rules.clone(), common.cloned())
    }

    /// Another policy holds: what was remembered of the one before is forgotten.
    pub(crate) fn look_at_rules_again(&mut self, conn: ConnKey) {
        let Some(open) = self.conns.open_mut(conn) else { return };
        let (key, address) = (open.session, open.address);
        let own = open.access.as_ref().and_then(|access| access.own().cloned());
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let admission = Admission {
            user: session.owner.user(),
            address,
            client_rules: own,
        };
        let client_id = session.client_id.clone();
        let access = self.access_of(conn, &client_id, &admission);
        if let Some(session) = self.sessions.get_mut(key) {
            session.restricted = access.is_some();
        }
        self.restrictive |= access.is_some();
        if let Some(open) = self.conns.open_mut(conn) {
            open.access = access;
        }
    }

    /// Whether a client may not publish this, and what it sees then.
    pub(crate) fn is_denied(&mut self, conn: ConnKey, publish: &Publish<'_>, fx: &mut Effects) -> Option<Reply> {
        let access = self.conns.open_mut(conn)?.access.as_mut()?;
        let topic = publish.topic.as_str();
        let decision = access.publish(topic, publish.retain, &mut self.counters.rule_lookups);
        if decision.allows(publish.qos) {
            return None;
        }
        self.counters.dropped_denied += 1;
        fx.events.extend(access.tell(self.now, conn, &Denied::Publish(topic)));
        Some(decision.reply)
    }

    /// The QoS that a client is granted for a filter, or the code of its refusal.
    ///
    /// # Errors
    /// It is refused.
    pub(crate) fn granted(
        &mut self,
        conn: ConnKey,
        (filter, qos): (TopicFilter<'_>, QoS),
        fx: &mut Effects,
    ) -> Result<QoS, u8> {
        let Some(access) = self.conns.open_mut(conn).and_then(|open| open.access.as_mut()) else {
            return Ok(qos);
        };
        let wanted = match SharedFilter::parse(filter) {
            Some(Ok(shared)) => shared.filter,
            Some(Err(_)) | None => filter,
        };
        let found = access.subscribe(wanted.as_str(), &mut self.counters.rule_lookups);
        if found.decision.allowed {
            return Ok(qos.min(found.decision.max_qos));
        }
        self.counters.denied_subscriptions += 1;
        let denied = Denied::Subscribe(filter.as_str(), found);
        fx.events.extend(access.tell(self.now, conn, &denied));
        // [MQTT-3.9.3-2]
        Err(code::SUBSCRIBE_FAILURE)
    }

    /// Whether a will may be published; if not, it is counted and told. One that comes from before a restart has no
    /// `conn`.
    pub(crate) fn may_leave(
        &mut self,
        (conn, access): (ConnKey, &mut Access),
        will: (&str, bool, QoS),
        fx: &mut Effects,
    ) -> bool {
        let (topic, retain, qos) = will;
        let decision = access.publish(topic, retain, &mut self.counters.rule_lookups);
        if decision.allows(qos) {
            return true;
        }
        self.counters.denied_wills += 1;
        fx.events.extend(access.tell(self.now, conn, &Denied::Publish(topic)));
        false
    }

    /// The same of a will that was admitted, and may not be any more.
    pub(crate) fn may_publish_will(
        &mut self,
        (conn, access): (ConnKey, Option<&mut Access>),
        will: &Will,
        fx: &mut Effects,
    ) -> bool {
        let Some(access) = access else { return true };
        let message = &will.message;
        let topic = burgee_router::Topical::topic(message);
        self.may_leave((conn, access), (topic.as_str(), will.retain, message.qos()), fx)
    }

    /// What rules say of a client that was lost with the last run of the broker: where it was is not known any more.
    pub(crate) fn access_of_lost(&mut self, key: SessionKey) -> Option<Box<Access>> {
        let common = self.policy.rules.clone()?;
        let session = self.sessions.get_mut(key)?;
        let name = Name {
            user: session.owner.user(),
            client_id: shown(&session.client_id),
            address: None,
        };
        Access::new(name, None, Some(common))
    }

    /// Whether a session may be given a copy now; if not, it is no longer owed it. Of one whose client is away or waits for
    /// CONNACK that is not known yet.
    pub(crate) fn may_get(&mut self, to: SessionKey, topic: &str, number: u64, fx: &mut Effects) -> bool {
        let session = self.sessions.get_mut(to).filter(|session| session.restricted);
        let Some(conn) = session.and_then(|session| session.line()) else {
            return true;
        };
        let may = self.conns.may_receive(conn, topic, &mut self.counters.rule_lookups);
        if !may {
            self.drop_denied(to, (conn, topic), number, fx);
        }
        may
    }

    /// A copy that a session may not be sent is no longer owed to it.
    fn drop_denied(&mut self, key: SessionKey, (conn, topic): (ConnKey, &str), number: u64, fx: &mut Effects) {
        self.counters.denied_deliveries += 1;
        if let Some(kept) = self.sessions.kept(key) {
            self.note_settled(kept, number);
        }
        if let Some(access) = self.conns.open_mut(conn).and_then(|open| open.access.as_mut()) {
            fx.events.extend(access.tell(self.now, conn, &Denied::Receive(topic)));
        }
    }

    /// Takes out of a queue what its client may not be sent, as far as the window has room for it. Says whether all that
    /// the window has room for was looked at; if not, the next turn goes on.
    pub(crate) fn sift(&mut self, key: SessionKey, fx: &mut Effects) -> bool {
        let Some(session) = self.sessions.get_mut(key) else {
            return true;
        };
        let (conn, kept) = (session.line(), SessionNo(session.kept.number()));
        let (Some(conn), Some(flow)) = (conn, session.flow_if_any()) else {
            return true;
        };
        let Some(mut access) = self.conns.open_mut(conn).and_then(|open| open.access.take()) else {
            return true;
        };
        let (lookups, now) = (&mut self.counters.rule_lookups, self.now);
        let denied = flow.outgoing.sift(SIFTED, |delivery| {
            let topic = burgee_router::Topical::topic(&delivery.message);
            let denied = !access.may_receive(topic.as_str(), lookups);
            if denied {
                fx.events
                    .extend(access.tell(now, conn, &Denied::Receive(topic.as_str())));
            }
            denied
        });
        let all = denied.len() < SIFTED;
        if !all && !core::mem::replace(&mut flow.replay_queued, true) {
            self.replaying.push(key);
        }
        for delivery in denied {
            self.counters.denied_deliveries += 1;
            self.counters.settled(delivery.weight(), delivery.is_here());
            self.note_settled(kept, delivery.number());
        }
        if let Some(open) = self.conns.open_mut(conn) {
            open.access = Some(access);
        }
        all
    }
}
