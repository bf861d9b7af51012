//! What is too old: sessions whose clients stay away, and messages that wait for them.
//!
//! What must hold: a session ends in the first turn in which its time is over, neither before nor while its client is here,
//! and does not come back; a message is dropped after its time, not before, and not sent any more; each is counted. A
//! restart begins all ages anew, in the first turn of each shard. Deliberately absent: what is in flight: that is completed.

use std::collections::BTreeMap;

use burgee_codec::QoS;

use super::state::{Owed, RESTORED, Session, SessionNo};
use super::{Oracle, Turn, Verdict};

/// Ages of messages are counted in seconds, and who waits alone is looked for once a second.
const ROUNDING_MS: u64 = 1_000;
const SWEEP_MS: u64 = 1_000;
/// Time that a message may take from the shard that took it to the one that drops it, besides the mail's.
const WAY_MS: u64 = 2_000;

/// What a shard has said, and since when it runs.
#[derive(Debug, Default)]
struct Life {
    began: u64,
    /// Sessions and messages that it has given up.
    told: (u64, u64),
    /// Messages that may be among those, of sessions that are gone.
    gone: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ages {
    lives: BTreeMap<u16, Life>,
}

impl Oracle {
    /// A turn of this shard begins.
    pub(super) fn grow_older(&mut self) {
        let began = self.now;
        let new = || Life {
            began,
            ..Life::default()
        };
        self.ages.lives.entry(self.shard).or_insert_with(new);
    }

    /// The broker is no more.
    pub(super) fn forget_ages(&mut self) {
        self.ages.lives.clear();
    }

    /// Since when this session waits for its client.
    fn waits_since(&self, session: &Session) -> Option<u64> {
        let life = self.ages.lives.get(&session.shard?)?;
        (session.conn.is_none()).then(|| session.left.unwrap_or(life.began))
    }

    /// Since when this message waits.
    fn is_owed_since(&self, session: &Session, owed: &Owed) -> Option<u64> {
        if owed.restored {
            return Some(self.ages.lives.get(&session.shard?)?.began);
        }
        Some(self.message(owed.message).taken)
    }

    /// Gives up what is too old, and compares.
    pub(super) fn check_ages(&mut self, turn: &Turn) -> Verdict {
        self.expire_sessions(turn)?;
        self.expire_messages(turn)
    }

    fn expire_sessions(&mut self, turn: &Turn) -> Verdict {
        let limit = self.rules.session_expiry;
        let mut due = Vec::new();
        if limit > 0 {
            for (number, session) in self.sessions.iter().enumerate() {
                let here = !session.dead && session.shard == Some(self.shard);
                let Some(since) = self.waits_since(session).filter(|_| here) else {
                    continue;
                };
                if since + limit + self.rules.lateness < self.now {
                    return Err(format!(
                        "the session of {:?} waits since {since}, and is not looked at before {}",
                        session.client, self.now
                    ));
                }
                if since + limit <= self.now {
                    due.push(number);
                }
            }
        }
        let told = self.ages.lives.get_mut(&self.shard).map_or(0, |life| {
            turn.given_up.0 - std::mem::replace(&mut life.told.0, turn.given_up.0)
        });
        if told != due.len() as u64 {
            let due: Vec<_> = due.iter().filter_map(|number| self.sessions.get(*number)).collect();
            let due: Vec<_> = due.iter().map(|session| (&session.client, session.left)).collect();
            return Err(format!("{told} sessions expire, due are {due:?}"));
        }
        for number in due {
            self.tally.expired_sessions += 1;
            self.destroy(number);
            self.session(number).expired = Some(turn.now);
        }
        Ok(())
    }

    fn expire_messages(&mut self, turn: &Turn) -> Verdict {
        let told = turn.given_up.1;
        if self.rules.message_expiry == 0 {
            return match told {
                0 => Ok(()),
                _ => Err(format!("{told} messages expire, and none may")),
            };
        }
        let (old, long) = self.mark_all_old();
        let certain = self.is_certain() && !self.rules.durable;
        let Some(life) = self.ages.lives.get_mut(&self.shard) else {
            return Ok(());
        };
        self.tally.expired_messages += told - std::mem::replace(&mut life.told.1, told);
        if told > old + life.gone {
            return Err(format!(
                "{told} messages have expired, {old} and {} may have",
                life.gone
            ));
        }
        if certain && told < long {
            return Err(format!("{long} messages are too old for long, {told} have expired"));
        }
        Ok(())
    }

    /// What may have expired by now is marked before it is looked at what is sent: of two messages that look alike, one
    /// may have been dropped in this very turn, and the other is sent.
    pub(super) fn look_for_old(&mut self) {
        if self.rules.message_expiry > 0 {
            self.mark_all_old();
        }
    }

    /// On this shard, see [`Oracle::mark_old`].
    fn mark_all_old(&mut self) -> (u64, u64) {
        let here = |(number, session): (SessionNo, &Session)| {
            (!session.dead && session.shard == Some(self.shard)).then_some(number)
        };
        let here: Vec<SessionNo> = self.sessions.iter().enumerate().filter_map(here).collect();
        let (mut old, mut long) = (0, 0);
        for number in here {
            let (all, surely) = self.mark_old(number);
            (old, long) = (old + all, long + surely);
        }
        (old, long)
    }

    /// Marks what may have expired by now. Says how much that is, and what must have.
    fn mark_old(&mut self, number: SessionNo) -> (u64, u64) {
        let (now, limit) = (self.now, self.rules.message_expiry);
        let Some(session) = self.sessions.get(number) else {
            return (0, 0);
        };
        let since: Vec<u64> = session
            .owed
            .iter()
            .map(|owed| self.is_owed_since(session, owed).unwrap_or(u64::MAX))
            .collect();
        let late = self.latest();
        let began = session
            .shard
            .and_then(|shard| self.ages.lives.get(&shard))
            .map_or(u64::MAX, |life| life.began);
        let (mut old, mut long) = (0, 0);
        let session = self.session(number);
        for (owed, since) in session.owed.iter_mut().zip(since).filter(|(owed, _)| owed.may_expire()) {
            owed.old |= since.saturating_add(limit) <= now;
            old += u64::from(owed.old);
            long += u64::from(!owed.optional && since.saturating_add(late) < now);
        }
        // What a replay has left in the queue, where its connection ended before it was sent, waits as other messages do.
        let link = session.conn;
        for replay in session.replays.iter_mut().filter(|replay| Some(replay.conn) != link) {
            let since = if replay.conn == RESTORED { began } else { replay.asked };
            if replay.granted > QoS::AtMostOnce && since.saturating_add(limit) <= now {
                for wanted in replay.wanted.values_mut() {
                    wanted.optional = true;
                    old += 1;
                }
            }
        }
        (old, long)
    }

    /// After so long a message must be gone, if its client is not here.
    fn latest(&self) -> u64 {
        self.rules.message_expiry + ROUNDING_MS + SWEEP_MS + WAY_MS + self.rules.mail_ms + self.rules.lateness
    }

    /// A message that is missing has expired.
    fn is_certain(&self) -> bool {
        self.rules.ample && !self.rules.shared && !self.laws.are_any() && !self.crashed
    }

    /// A session is gone with all its messages: some may have expired before.
    pub(super) fn bury_old(&mut self, number: SessionNo) {
        if self.rules.message_expiry == 0 {
            return;
        }
        let (old, _) = self.mark_old(number);
        let shard = self.session(number).shard;
        if let Some(life) = shard.and_then(|shard| self.ages.lives.get_mut(&shard)) {
            life.gone += old;
        }
    }

    /// A message is sent for the first time: it must not be too old. Where a disk is, it may have had its identifier for long.
    pub(super) fn check_age(&self, owed: &Owed) -> Verdict {
        let limit = self.rules.message_expiry;
        if limit == 0 || self.rules.durable || !self.rules.ample || !owed.may_expire() {
            return Ok(());
        }
        let taken = self.message(owed.message).taken;
        let due = if self.rules.no_delay {
            taken.div_ceil(ROUNDING_MS).max(1) * ROUNDING_MS + limit
        } else {
            taken + limit + ROUNDING_MS + WAY_MS + self.rules.mail_ms + self.rules.lateness
        };
        if self.now < due {
            return Ok(());
        }
        Err(format!("it was taken at {taken}, and is too old since {due}"))
    }

    /// Whether it was dropped before this time, so that a crash must not bring it back: its client was away all the time.
    pub(super) fn has_surely_expired(&self, session: &Session, owed: &Owed, known: u64) -> bool {
        let Some(since) = self.is_owed_since(session, owed) else {
            return false;
        };
        let away = session.conn.is_none() && session.left.is_none_or(|left| left < since);
        let limited = self.rules.message_expiry > 0 && self.rules.ample && owed.may_expire();
        limited && away && since.saturating_add(self.latest()) < known
    }

    /// Messages that never came and are too old have been counted, at the calm end.
    pub(super) fn check_expired(&self, counted: u64) -> Verdict {
        if !self.is_certain() {
            return Ok(());
        }
        let here = self
            .sessions
            .iter()
            .filter(|session| !session.dead && session.conn.is_some());
        let missing = here.flat_map(|session| &session.owed);
        let missing = missing.filter(|owed| owed.old && !owed.optional).count() as u64;
        if counted < missing {
            return Err(format!(
                "{missing} messages are missing and too old, {counted} are counted as expired"
            ));
        }
        Ok(())
    }
}
