//! The last judgement: when the world is quiet, nothing that was owed is missing, and the broker's own counts agree.
//!
//! What must hold: a missing message is excused only by a counted drop. Deliberately absent: mercy for anything else.

use burgee_codec::QoS;
use burgee_core::Counters;

use super::copies::share_out;
use super::groups::Member;
use super::state::{Session, SessionNo, Want};
use super::{Oracle, Verdict};
use crate::net::LinkId;

/// What is missing.
#[derive(Debug, Default)]
struct Missing {
    acknowledged: u64,
    /// Of these, what the store had.
    kept: u64,
    unacknowledged: u64,
    /// Of the one kind or the other.
    either: u64,
    /// May have been dropped, or may still be there.
    perhaps: u64,
    first: Option<String>,
}

impl Oracle {
    /// Judges the calm end. `counters` are the sums of all shards.
    ///
    /// # Errors
    /// Something that was owed did not come, or a count is wrong.
    pub fn judge(&self, counters: &Counters) -> Verdict {
        for (link, conn) in &self.conns {
            if let Some(answer) = conn.answers.outstanding() {
                return Err(format!("link {link} ({:?}) still waits for {answer}", conn.client));
            }
        }
        let mut missing = Missing::default();
        for (number, session) in self.sessions.iter().enumerate().filter(|(_, session)| !session.dead) {
            self.missing_of(number, session, &mut missing)?;
        }
        self.missing_of_groups(&mut missing);
        if self.is_tight() && missing.kept > counters.dropped_queue_full {
            return Err(format!("{} messages are missing that the store had", missing.kept));
        }
        let dropped = counters.dropped_queue_full + counters.dropped_memory;
        let excused = (dropped, counters.dropped_outbox_full);
        // With groups it cannot always be told which of two copies is missing.
        let of_one_kind = missing.acknowledged > excused.0 || missing.unacknowledged > excused.1;
        if missing.all() > excused.0 + excused.1 || (of_one_kind && !self.rules.shared) {
            let either = match missing.either {
                0 => String::new(),
                either => format!(" (and {either} more of either)"),
            };
            return Err(format!(
                "{} messages of QoS 1 and 2 and {} of QoS 0{either} are missing, {} and {} were dropped; the first: {}",
                missing.acknowledged,
                missing.unacknowledged,
                excused.0,
                excused.1,
                missing.first.unwrap_or_default()
            ));
        }
        self.check_door(counters)?;
        self.check_expired(counters.dropped_expired)?;
        self.check_drops(counters, &missing)?;
        self.check_counts(counters)
    }

    fn missing_of(&self, number: SessionNo, session: &Session, missing: &mut Missing) -> Verdict {
        let Some(link) = session.conn else {
            missing.perhaps += session.owed.len() as u64;
            return Ok(());
        };
        if let Some(flight) = session.flights.iter().find(|flight| flight.sent_on != link) {
            return Err(format!(
                "{:?} was not sent unfinished {} again",
                session.client, flight.id
            ));
        }
        for owed in &session.owed {
            let gone = owed.qos == QoS::AtMostOnce && owed.conn != Some(link);
            if owed.optional || owed.old || gone {
                missing.perhaps += 1;
                continue;
            }
            missing.kept += u64::from(self.rules.durable && !session.clean && owed.may_expire());
            missing.count(owed.qos, || self.describe(owed.message, number));
        }
        self.missing_of_replays((link, session), missing);
        Ok(())
    }

    /// Who is to blame where several subscriptions wanted the same cannot be told: as few as can be are missing, and how many
    /// of these with QoS 0 is open as far as the copies that went out can be shared out in one way or another.
    fn missing_of_replays(&self, (link, session): (LinkId, &Session), missing: &mut Missing) {
        let messages = &self.messages;
        let mut lacking = Vec::new();
        for replay in &session.replays {
            let wants = replay.wanted.iter();
            lacking.extend(wants.map(|(topic, wanted)| (topic.as_str(), Want::of(replay, wanted))));
        }
        let missed = |want: &Want| !want.is_excused(link, messages);
        let (given, left) = share_out(&session.given, &lacking, &missed, messages);
        let topics = lacking.iter().map(|(topic, _)| *topic);
        let (short, perhaps): (Vec<_>, Vec<_>) = topics.zip(left).partition(|(_, want)| missed(want));
        missing.perhaps += perhaps.len() as u64;
        let without = |other: QoS| {
            let surely = |want: &Want| !want.may_have(other, messages);
            let (_, left) = share_out(&given, &short, &surely, messages);
            left.iter().filter(|want| surely(want)).count() as u64
        };
        let (acknowledged, unacknowledged) = (without(QoS::AtMostOnce), without(QoS::AtLeastOnce));
        missing.acknowledged += acknowledged;
        missing.unacknowledged += unacknowledged;
        missing.either += short.len() as u64 - acknowledged - unacknowledged;
        if let Some((topic, want)) = short.first() {
            let first = || format!("retained {topic:?} for {:?}: {want:?}", session.client);
            missing.first.get_or_insert_with(first);
        }
    }

    fn missing_of_groups(&self, missing: &mut Missing) {
        missing.perhaps += self.groups.open() as u64;
        for (message, member) in self.groups.unsettled(|members| self.may_be_lost(members)) {
            missing.count(member.qos, || {
                format!("shared: {}", self.describe(message, member.session))
            });
        }
    }

    /// Whether the member that was to get it may be gone.
    fn may_be_lost(&self, members: &[Member]) -> bool {
        members.iter().any(|member| {
            let Some(session) = self.sessions.get(member.session) else {
                return true;
            };
            let same = session.conn.is_some() && session.conn == member.conn;
            session.dead || session.conn.is_none() || (member.qos == QoS::AtMostOnce && !same)
        })
    }

    fn describe(&self, message: usize, session: SessionNo) -> String {
        let (message, session) = (self.message(message), self.sessions.get(session));
        let payload: String = String::from_utf8_lossy(&message.payload).chars().take(60).collect();
        format!(
            "{payload:?} on {:?} for {:?}",
            message.topic,
            session.map_or("", |session| &session.client)
        )
    }

    /// Every drop is one of the messages that did not come.
    fn check_drops(&self, counters: &Counters, missing: &Missing) -> Verdict {
        if counters.dropped_not_kept > 0 {
            return Err(format!(
                "{} messages were not found in the store",
                counters.dropped_not_kept
            ));
        }
        let dropped = counters.dropped_queue_full + counters.dropped_outbox_full;
        let dropped = dropped
            - if self.is_tight() {
                counters.dropped_outbox_full
            } else {
                0
            };
        if self.rules.ample && dropped > 0 {
            return Err(format!("{dropped} messages were dropped, and no limit was near"));
        }
        if self.crashed && !self.rules.ample {
            // What was dropped before a crash may have been dropped again after it.
            return Ok(());
        }
        let most = missing.all() + missing.perhaps + self.gone;
        let dropped = counters.dropped_queue_full + counters.dropped_memory;
        // What was dropped of a clean session before a crash is nobody's since.
        if dropped > most && !(self.crashed && self.is_tight()) {
            return Err(format!(
                "{dropped} drops of QoS 1 and 2 are counted, at most {most} are missing"
            ));
        }
        if counters.dropped_denied != self.denied && !self.has_failed {
            return Err(format!(
                "{} denied messages are counted, not {}",
                counters.dropped_denied, self.denied
            ));
        }
        Ok(())
    }

    fn check_counts(&self, counters: &Counters) -> Verdict {
        let alive = || self.sessions.iter().filter(|session| !session.dead);
        let connected = alive().filter(|session| session.conn.is_some()).count() as u64;
        let unreleased: u64 = alive().map(|session| session.incoming.len() as u64).sum();
        let pairs = [
            ("sessions", counters.sessions, alive().count() as u64),
            ("clients_connected", counters.clients_connected, connected),
            ("unreleased", counters.unreleased, unreleased),
        ];
        for (name, counted, expected) in pairs {
            if counted != expected {
                return Err(format!("{name} is counted as {counted}, it is {expected}"));
            }
        }
        let drained = alive().all(|session| session.conn.is_some() && session.flights.is_empty());
        if drained && (counters.queued_messages > 0 || counters.queued_bytes > 0) {
            return Err(format!(
                "{} messages with {} bytes are counted as queued, none is",
                counters.queued_messages, counters.queued_bytes
            ));
        }
        Ok(())
    }

    /// Clients that are connected with their sessions' messages all finished.
    #[must_use]
    pub fn unfinished(&self) -> Option<String> {
        let mut alive = self
            .sessions
            .iter()
            .filter(|session| !session.dead && session.conn.is_some());
        let session = alive.find(|session| !session.flights.is_empty())?;
        Some(format!(
            "{:?} has {} unfinished messages",
            session.client,
            session.flights.len()
        ))
    }
}

impl Missing {
    const fn all(&self) -> u64 {
        self.acknowledged + self.unacknowledged + self.either
    }

    fn count(&mut self, qos: QoS, what: impl FnOnce() -> String) {
        let counter = if qos == QoS::AtMostOnce {
            &mut self.unacknowledged
        } else {
            &mut self.acknowledged
        };
        *counter += 1;
        if self.first.is_none() {
            self.first = Some(format!("{} ({qos:?})", what()));
        }
    }
}
