//! How near the memory limit is, and who has to step back then.
//!
//! What must hold: what grows with what clients send is counted: outboxes, messages that wait in memory, retained
//! messages, operations on their way to the store. Near the limit, whoever holds much holds no more: the slowest pay
//! first. At the limit nothing new begins, and who holds most is closed. A payload that several clients wait for counts for each of them, so the count
//! errs to the safe side. Deliberately absent: the allocator, and memory that stands in proportion to clients and
//! subscriptions; those have limits in numbers.

use burgee_protocol::Fault;
use burgee_protocol::connection::Outbox;
use burgee_protocol::session::Deliverable;

use crate::io::{ConnKey, Effects};
use crate::pressure::{MODEST, Pressure};
use crate::state::Shard;

/// Between two clients that have to go, in milliseconds; and what one has to hold for that, in bytes.
const RELIEF_MS: u64 = 1_000;
const WORTH: usize = 64 * 1024;

/// Asks to hear when an outbox has room by the limit that holds now.
pub(crate) fn ask_for_room(outbox: &mut Outbox, pressure: Pressure, limit: usize) {
    outbox.wants_room = true;
    let mark = (pressure != Pressure::None).then_some(limit / 2);
    outbox.room_at = mark.and_then(|mark| u32::try_from(mark).ok());
}

impl Shard {
    /// Looks at what is held, once for each turn.
    #[inline]
    pub(crate) fn feel_pressure(&mut self, fx: &Effects) {
        let limit = self.config.memory_limit;
        if limit != usize::MAX {
            self.measure(limit, fx);
        }
    }

    fn measure(&mut self, limit: usize, fx: &Effects) {
        let own = usize::try_from(self.counters.held_bytes).unwrap_or(usize::MAX);
        let shards = usize::from(self.config.shards.max(1));
        let held = own
            .saturating_add(fx.outboxes.total())
            .saturating_add(self.journal.bytes())
            .saturating_add(self.shared.retained_bytes() / shards);
        let limit = limit / shards;
        self.pressure = if held >= limit {
            Pressure::Full
        } else if held >= limit - limit / 8 {
            Pressure::Near
        } else {
            Pressure::None
        };
        self.counters.memory_held = held as u64;
    }

    /// The limits of an outbox: what it holds alone, and what it shares.
    pub(crate) fn outbox_limits(&self) -> (usize, usize) {
        let (own, shared) = (self.config.outbox_bytes, self.config.outbox_shared_bytes);
        if self.pressure == Pressure::None {
            return (own, shared);
        }
        (own.min(MODEST.0), shared.min(MODEST.1))
    }

    /// Asks to hear when an outbox has room by the present limit.
    pub(crate) fn want_room(&self, outbox: &mut Outbox) {
        ask_for_room(outbox, self.pressure, self.outbox_limits().0);
    }

    /// At the limit the client that holds most has to go, one in a while: else nobody might ever be let in again.
    pub(crate) fn relieve(&mut self, fx: &mut Effects) {
        if self.pressure != Pressure::Full {
            self.relief = None;
            return;
        }
        let due = *self.relief.get_or_insert(self.now.plus_millis(RELIEF_MS));
        if due > self.now {
            return;
        }
        self.relief = None;
        let mut worst: Option<(usize, ConnKey)> = None;
        for conn in self.conns.keys() {
            let held = self.held_for(conn, fx);
            if held > WORTH && worst.is_none_or(|(most, _)| held > most) {
                worst = Some((held, conn));
            }
        }
        if let Some((_, conn)) = worst {
            self.counters.closed_for_memory += 1;
            self.fail(
                conn,
                Fault::Limit("it holds the most memory, and the memory limit is reached"),
                fx,
            );
        }
    }

    /// Bytes that wait in memory for one client.
    fn held_for(&mut self, conn: ConnKey, fx: &Effects) -> usize {
        let key = self
            .conns
            .get(conn)
            .and_then(|conn| conn.open())
            .map(|open| open.session);
        let session = key.and_then(|key| self.sessions.get_mut(key));
        let waits = session.and_then(|session| session.flow_if_any()).map_or(0, |flow| {
            let here = flow.outgoing.all_mut().filter(|delivery| delivery.is_here());
            here.map(|delivery| delivery.weight()).sum()
        });
        waits + fx.outboxes.unsent(conn)
    }

    /// Whether newcomers and new retained topics are refused.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.pressure == Pressure::Full
    }
}
