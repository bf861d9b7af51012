//! One verb: somebody else is asked whether a client may come in, and as whom.
//!
//! What must hold: a CONNECT is answered by a verdict of its own, which is asked for once; meanwhile its connection is not
//! read, and its time goes on. Nobody loses anything to a newcomer that is not admitted. A verdict for a connection that
//! is gone finds nothing. Deliberately absent: how the verdict is found.

use std::sync::Arc;

use burgee_codec::{Connect, Version, Versions, code};

use crate::conns::{Hold, State};
use crate::expire::LATER_MS;
use crate::io::{Admission, Ask, CloseMode, ConnKey, Effects, Reason, Verdict};
use crate::policy::{ListenerNo, Policy};
use crate::state::{Next, Shard};

impl Shard {
    /// As whom the client of a CONNECT comes in.
    ///
    /// # Errors
    /// It does not, or not yet.
    pub(crate) fn admission(
        &mut self,
        conn: ConnKey,
        connect: &Connect<'_>,
        fx: &mut Effects,
    ) -> Result<Admission, Next> {
        let Some(State::Awaiting(newcomer)) = self.conns.get(conn).map(|conn| &conn.state) else {
            return Err(Next::Gone);
        };
        let listener = newcomer.listener;
        match &newcomer.verdict {
            Some(Verdict::Admitted(admission)) => {
                let mut admission = admission.clone();
                admission.address = admission.address.or(newcomer.address);
                // To the store an empty name says that there is none.
                admission.user = admission.user.filter(|user| !user.is_empty());
                return Ok(admission);
            }
            Some(Verdict::Refused(refusal)) => {
                let refusal = match *refusal {
                    allowed @ code::IDENTIFIER_REJECTED..=code::NOT_AUTHORIZED => allowed,
                    _ => code::NOT_AUTHORIZED,
                };
                self.refuse(conn, refusal, fx);
                return Err(Next::Gone);
            }
            None => {}
        }
        match self.policy.listener(listener).map(|listener| listener.ask) {
            Some(false) => Ok(Admission {
                address: newcomer.address,
                ..Admission::default()
            }),
            Some(true) => {
                fx.asks.push(Ask {
                    conn,
                    listener,
                    client_id: connect.client_id.into(),
                    user: connect.user_name.map(Into::into),
                    password: connect.password.map(Into::into),
                    version: connect.version,
                });
                Err(Next::Wait(Hold::Verdict))
            }
            None => {
                self.refuse(conn, code::SERVER_UNAVAILABLE, fx);
                Err(Next::Gone)
            }
        }
    }

    /// The answer to an ask: the CONNECT comes again.
    pub(crate) fn verdict(&mut self, conn: ConnKey, verdict: Verdict, fx: &mut Effects) {
        let now = self.now;
        if let Some(state) = self.conns.get_mut(conn)
            && state.hold == Hold::Verdict
            && let State::Awaiting(newcomer) = &mut state.state
        {
            newcomer.verdict = Some(verdict);
            // Its CONNECT comes again in the next turn, and its time must not end in this one.
            newcomer.due = newcomer.due.max(now.plus_millis(LATER_MS));
            self.unhold(conn, Hold::Verdict, fx);
        }
    }

    /// From now on another policy holds.
    pub(crate) fn obey(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
        self.restrictive = false;
        self.look_ahead_anew();
        for conn in self.conns.keys() {
            let Some(listener) = self.conns.open_mut(conn).map(|open| open.listener) else {
                continue;
            };
            self.look_at_limits_again(conn, listener);
            self.look_at_rules_again(conn);
        }
    }

    /// Somebody who was here has no place here any more. Its will is published: it did not leave in peace.
    pub(crate) fn kick(&mut self, conn: ConnKey, why: &'static str, fx: &mut Effects) {
        self.counters.kicked += u64::from(self.conns.get(conn).is_some());
        self.close(conn, Reason::Kicked(why), CloseMode::AfterFlush, fx);
    }

    /// The largest remaining length of a connection's packets.
    pub(crate) fn max_packet_bytes(&self, listener: ListenerNo) -> u32 {
        let most = self
            .policy
            .listener(listener)
            .map_or(u32::MAX, |of| of.max_packet_bytes);
        most.min(self.config.max_packet_bytes)
    }

    /// How much the filters of a connection's session may weigh.
    pub(crate) fn max_subscriptions(&self, listener: ListenerNo) -> usize {
        let most = self
            .policy
            .listener(listener)
            .map_or(usize::MAX, |of| of.max_subscriptions);
        most.min(self.config.max_subscriptions)
    }

    /// The versions that a connection may speak.
    pub(crate) fn versions(&self, listener: ListenerNo) -> Versions {
        let spoken = self
            .policy
            .listener(listener)
            .map_or(Versions::NONE.with(Version::V311), |listener| listener.versions);
        let wanted = |version| spoken.contains(version);
        let mut versions = Versions::NONE;
        if wanted(Version::V311) {
            versions = versions.with(Version::V311);
        }
        if wanted(Version::V31) && self.config.serve_mqtt31 {
            versions = versions.with(Version::V31);
        }
        versions
    }
}
