//! The last judgement: when the world is quiet, nothing that was owed is missing, and the broker's own counts agree.
//!
//! What must hold: a missing message is excused only by a counted drop. Deliberately absent: mercy for anything else.

use burgee_codec::QoS;
use burgee_core::Counters;

use super::groups::Member;
use super::state::{Given, Session, SessionNo, Wanted};
use super::{Oracle, Verdict};

/// What is missing.
#[derive(Debug, Default)]
struct Missing {
    acknowledged: u64,
    /// Of these, what the store had.
    kept: u64,
    unacknowledged: u64,
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
        let short = if self.rules.shared {
            missing.acknowledged + missing.unacknowledged > excused.0 + excused.1
        } else {
            missing.acknowledged > excused.0 || missing.unacknowledged > excused.1
        };
        if short {
            return Err(format!(
                "{} messages of QoS 1 and 2 and {} of QoS 0 are missing, {} and {} were dropped; the first: {}",
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
        // Copies that were counted for a replay which may have been lost with its connection: if one of them is what another
        // replay misses, it was that one's.
        let spare = |given: &&Given| given.conn != link && self.least(&given.wanted, given.granted) == QoS::AtMostOnce;
        let mut spare: Vec<&Given> = session.given.iter().filter(spare).collect();
        for replay in &session.replays {
            for (topic, wanted) in &replay.wanted {
                let qos = self.least(wanted, replay.granted);
                let other = |given: &&Given| {
                    let (payload, sent) = &given.copy;
                    given.topic == *topic && self.may_be(wanted, replay.granted, (payload, *sent))
                };
                if wanted.optional || (qos == QoS::AtMostOnce && replay.conn != link) {
                    missing.perhaps += 1;
                } else if let Some(place) = spare.iter().position(other) {
                    spare.remove(place);
                    missing.perhaps += 1;
                } else {
                    let filter = &replay.filter;
                    missing.count(qos, || {
                        format!("retained {topic:?} for {:?} on {filter:?}: {replay:?}", session.client)
                    });
                }
            }
        }
        Ok(())
    }

    /// The least QoS with which one of these may come.
    fn least(&self, wanted: &Wanted, granted: QoS) -> QoS {
        let all = wanted.any_of.iter().map(|number| self.message(*number).qos);
        all.map(|qos| qos.min(granted)).min().unwrap_or_default()
    }

    fn may_be(&self, wanted: &Wanted, granted: QoS, (payload, qos): (&[u8], QoS)) -> bool {
        let mut all = wanted.any_of.iter().map(|number| self.message(*number));
        all.any(|held| *held.payload == *payload && held.qos.min(granted) == qos)
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
        let most = missing.acknowledged + missing.unacknowledged + missing.perhaps + self.gone;
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
