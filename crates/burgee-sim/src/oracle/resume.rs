//! Replays of retained messages that a crash cut off: they go on where the disk says.
//!
//! What must hold: what a subscription had not brought yet of QoS 1 and 2 is on the disk as a debt, or lies in what is
//! still to come; nothing that was sent with QoS 2 is to come again. QoS 0 that was on its way may be lost.
//! Deliberately absent: debts; see `debts`.

use burgee_codec::QoS;
use burgee_store::{Replay as Left, Subscription};

use super::Oracle;
use super::found::FoundSession;
use super::routing::matches;
use super::state::{MessageNo, RESTORED, Replay, Session, SessionNo, Wanted};

impl Oracle {
    /// The replays that the disk says go on, as if each were a new one.
    ///
    /// # Errors
    /// A subscription that was acknowledged will not bring what it owes.
    pub(super) fn replays_to_come(&self, found: &FoundSession, number: SessionNo) -> Result<Vec<Replay>, String> {
        let Some(session) = self.sessions.get(number) else {
            return Ok(Vec::new());
        };
        for replay in session.replays.iter().filter(|replay| self.is_answered(replay)) {
            self.check_replay(found, session, replay)?;
        }
        let all = &found.record.subscriptions;
        Ok(all
            .iter()
            .filter_map(|held| self.replay_to_come((session, all), held))
            .collect())
    }

    fn is_answered(&self, replay: &Replay) -> bool {
        let conn = self.conns.get(&replay.conn);
        !conn.is_some_and(|conn| conn.answers.suback.iter().any(|(.., asked)| *asked == replay.question))
    }

    /// All that it owes is there or to come.
    fn check_replay(&self, found: &FoundSession, session: &Session, replay: &Replay) -> Result<(), String> {
        let held = found.record.subscriptions.iter();
        let Some(held) = held
            .filter(|held| held.filter.as_str() == replay.filter)
            .find(|_| !self.rules.shared)
        else {
            return Ok(());
        };
        for (topic, wanted) in replay.wanted.iter().filter(|(_, wanted)| !wanted.optional) {
            let ([message], Some(now)) = (wanted.any_of.as_slice(), self.retained.get(topic)) else {
                continue;
            };
            let qos = self.message(*message).qos.min(replay.granted);
            if message != now || qos == QoS::AtMostOnce || is_left(&held.replay, topic) {
                continue;
            }
            // Where several subscriptions bring the topic, nobody can tell whose copy it was that came.
            let others = session
                .replays
                .iter()
                .filter(|other| other.wanted.contains_key(topic))
                .count()
                > 1;
            if others || session.given.iter().any(|given| given.topic == *topic) {
                continue;
            }
            let payload = &self.message(*message).payload;
            let mut debts = found.owed.iter().filter(|owed| owed.retain);
            if !debts.any(|owed| owed.body.topic().as_str() == topic && *owed.body.payload() == **payload) {
                let client = &found.record.client_id;
                return Err(format!(
                    "after the crash the subscription of {client:?} to {:?} will not bring {topic:?}: {held:?}",
                    replay.filter
                ));
            }
        }
        Ok(())
    }

    fn replay_to_come(&self, session: (&Session, &[Subscription]), held: &Subscription) -> Option<Replay> {
        let filter = held.filter.as_str();
        if held.replay == Left::Done {
            return None;
        }
        let due = self
            .retained
            .iter()
            .filter(|(topic, _)| matches(filter, topic) && is_left(&held.replay, topic));
        let wanted =
            due.filter_map(|(topic, number)| Some((topic.clone(), self.wanted(session, held, (topic, *number))?)));
        Some(Replay {
            filter: filter.to_owned(),
            granted: held.qos,
            wanted: wanted.collect(),
            conn: RESTORED,
            question: 0,
            asked: 0,
            open: true,
        })
    }

    /// `None`: it was sent with QoS 2, and must not come again.
    fn wanted(
        &self,
        (session, all): (&Session, &[Subscription]),
        held: &Subscription,
        (topic, number): (&str, MessageNo),
    ) -> Option<Wanted> {
        let message = self.message(number);
        let waits = session
            .replays
            .iter()
            .any(|replay| replay.filter == held.filter.as_str() && replay.wanted.contains_key(topic));
        // Where several subscriptions bring the topic, nobody can tell whose copy it was that came.
        let alone = all.iter().filter(|other| matches(other.filter.as_str(), topic)).count() == 1;
        let twice = alone
            && message.qos.min(held.qos) == QoS::ExactlyOnce
            && session
                .given
                .iter()
                .any(|given| given.is(topic, &message.payload, QoS::ExactlyOnce));
        (waits || !twice).then(|| Wanted {
            any_of: vec![number],
            optional: false,
        })
    }
}

fn is_left(left: &Left, topic: &str) -> bool {
    match left {
        Left::Done => false,
        Left::Whole => true,
        Left::Behind(behind) => topic > behind.as_str(),
    }
}
