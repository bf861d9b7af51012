//! What a user's clients may use, and who is slowed down.
//!
//! What must hold: a client beyond its rate is not read until it is within it again, so nothing that it sent is lost and
//! its silence is ours; connections of a user are counted over all shards, exactly; whoever fights over an identifier is
//! named. Deliberately absent: limits by address; the event loop has those.

use burgee_protocol::{Fault, Time};

use crate::conns::{Hold, State};
use crate::counters::Counters;
use crate::io::{ConnKey, Effects, Event, ListenerNo};
use crate::meter::Meter;
use crate::policy::UserLimits;
use crate::sessions::SessionKey;
use crate::state::{Next, Shard};

impl Shard {
    /// The limits for clients of this user.
    fn limits_of(&self, user: Option<&str>) -> Option<&UserLimits> {
        self.policy.limits.iter().find(|limits| limits.users.has(user))
    }

    /// The largest remaining length of a client's packets.
    pub(crate) fn max_packet_bytes_for(&self, listener: ListenerNo, user: Option<&str>) -> u32 {
        let most = self.limits_of(user).map_or(u32::MAX, |limits| limits.max_packet_bytes);
        most.min(self.max_packet_bytes(listener))
    }

    /// How much the filters of a client's session may weigh.
    pub(crate) fn max_subscriptions_for(&mut self, listener: ListenerNo, key: SessionKey) -> usize {
        let most = self.max_subscriptions(listener);
        if self.policy.limits.is_empty() {
            return most;
        }
        let user = self.sessions.get_mut(key).and_then(|session| session.owner.user());
        let limits = self.limits_of(user.as_deref());
        most.min(limits.map_or(usize::MAX, |limits| limits.max_subscriptions))
    }

    /// What a client's publishing is measured by; `None`: it is not.
    pub(crate) fn meter_for(&self, user: Option<&str>) -> Option<Box<Meter>> {
        let rate = self.limits_of(user)?.publish;
        let common = user.filter(|_| rate.per_user && rate.limits());
        let common = common.and_then(|user| self.shared.common(user, rate, self.now));
        let meter = match common {
            Some(common) => Some(Meter::in_common(rate, common)),
            None => Meter::new(rate, self.now),
        };
        meter.map(Box::new)
    }

    /// Another policy holds. What was used of a rate stays used while the rate is the same.
    pub(crate) fn look_at_limits_again(&mut self, conn: ConnKey, listener: ListenerNo) {
        let key = self.conns.open_mut(conn).map(|open| open.session);
        let session = key.and_then(|key| self.sessions.get_mut(key));
        let user = session.and_then(|session| session.owner.user());
        let most = self.max_packet_bytes_for(listener, user.as_deref());
        let meter = self.meter_for(user.as_deref());
        if let Some(open) = self.conns.open_mut(conn) {
            open.max_packet_bytes = most;
            let same = |(old, new): (&Meter, &Meter)| old.rate() == new.rate();
            if !open.meter.as_deref().zip(meter.as_deref()).is_some_and(same) {
                open.meter = meter;
            }
        }
    }

    /// One more connection of this user. Says whether there is room for it; `instead`: one of them makes room.
    pub(crate) fn count_in(&self, user: Option<&str>, instead: bool) -> bool {
        let Some(user) = user else { return true };
        let limits = self.limits_of(Some(user));
        let most = limits.map_or(u32::MAX, |limits| limits.max_connections);
        self.shared.enter(user, most.saturating_add(u32::from(instead)))
    }

    /// Whether a client has to wait before what it publishes is looked at.
    #[inline]
    pub(crate) fn has_to_slow(&mut self, conn: ConnKey) -> Option<Result<Next, Fault>> {
        if self.policy.limits.is_empty() {
            return None;
        }
        let meter = self.conns.open_mut(conn)?.meter.as_mut()?;
        slow_down(meter, self.now, &mut self.counters)
    }

    /// A client has published so many bytes.
    #[inline]
    pub(crate) fn charge(&mut self, conn: ConnKey, bytes: usize) {
        if !self.policy.limits.is_empty()
            && let Some(meter) = self.conns.open_mut(conn).and_then(|open| open.meter.as_mut())
        {
            meter.charge(bytes);
        }
    }

    /// Not before this time is the connection read again.
    pub(crate) fn slow(&mut self, conn: ConnKey) {
        let due = match self.conns.get(conn).map(|conn| &conn.state) {
            Some(State::Open(open)) => open.meter.as_ref().map(|meter| meter.due(self.now)),
            Some(State::Awaiting(newcomer)) => newcomer.waits,
            None => None,
        };
        self.slowed.insert(due.unwrap_or(self.now), conn);
    }

    /// Time has passed: those who were slowed go on.
    pub(crate) fn go_on_reading(&mut self, fx: &mut Effects) {
        while let Some(due) = self.slowed.due(self.now) {
            for conn in due {
                self.unhold(conn, Hold::Rate, fx);
            }
        }
    }

    /// Somebody takes an identifier over. Where that happens again and again it is told, and the newcomer may have to
    /// wait: says whether it has to.
    pub(crate) fn fights(&mut self, conn: ConnKey, client_id: &str, fx: &mut Effects) -> bool {
        let rules = self.policy.fights;
        let holder = self.sessions.find(client_id);
        let holder = holder
            .and_then(|key| self.sessions.get_mut(key))
            .and_then(|session| session.conn);
        let (Some(holder), false) = (holder, rules.takeovers == 0) else {
            return false;
        };
        let address = self
            .conns
            .get(holder)
            .and_then(|conn| conn.open())
            .and_then(|open| open.address);
        let now = self.now;
        let Some(State::Awaiting(newcomer)) = self.conns.get_mut(conn).map(|conn| &mut conn.state) else {
            return false;
        };
        if newcomer.waits.is_some() {
            return false;
        }
        let count = self.fighting.another(client_id, now, rules.within_ms);
        if count < rules.takeovers {
            return false;
        }
        if count == rules.takeovers {
            self.counters.fights += 1;
            fx.events.push(Event::Fight {
                client_id: crate::sessions::shown(client_id),
                newcomer: (conn, newcomer.address),
                holder: (holder, address),
                takeovers: count,
            });
        }
        if rules.slow_ms == 0 {
            return false;
        }
        // It grows. That it waits is our doing: its time for CONNECT does not end meanwhile, nor right behind that.
        let doubled = rules.slow_ms.saturating_mul(1 << (count - rules.takeovers).min(16));
        let half = self.config.connect_timeout_ms / 2;
        let until = now.plus_millis(doubled.min(half));
        newcomer.waits = Some(until);
        newcomer.due = newcomer.due.max(until.plus_millis(half));
        true
    }
}

/// Whether the client that is measured so has to wait, or has been beyond its rate for too long.
pub(crate) fn slow_down(meter: &mut Meter, now: Time, counters: &mut Counters) -> Option<Result<Next, Fault>> {
    meter.is_spent(now).then(|| {
        counters.slowed += 1;
        if meter.is_too_long(now) {
            Err(Fault::Limit("it published more than its rate allows for too long"))
        } else {
            Ok(Next::Wait(Hold::Rate))
        }
    })
}
