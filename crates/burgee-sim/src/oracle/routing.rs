//! Who is owed a message: subscriptions, shared groups, retained messages and wills.
//!
//! What must hold: a message is owed to exactly those whose subscription matched when it was taken. Deliberately
//! absent: packets.

use std::collections::BTreeMap;
use std::rc::Rc;

use burgee_codec::{QoS, SharedFilter, TopicFilter};

use super::groups::Member;
use super::state::{Cause, Message, MessageNo, Owed, Replay, Session, SessionNo, Testament, Wanted, Will};
use super::{Oracle, Verdict};
use crate::law::Who;
use crate::net::LinkId;

impl Oracle {
    /// The broker took a message: notes who is owed it. `None`: it is nobody's.
    pub(super) fn route(&mut self, publisher: String, what: Will) -> Option<MessageNo> {
        self.tally.messages += 1;
        // Clients do not write where the broker speaks.
        if what.topic == "$SYS" || what.topic.starts_with("$SYS/") {
            self.denied += 1;
            return None;
        }
        let number = self.messages.len();
        let payload: Rc<[u8]> = what.payload.into();
        let message = Message {
            publisher,
            topic: what.topic,
            payload: Rc::clone(&payload),
            qos: what.qos,
            taken: self.now,
            sure: false,
            exactly: false,
            origin: None,
        };
        self.by_payload.entry(payload).or_default().push(number);
        let mut groups = BTreeMap::new();
        let awaited = self.sessions_without_connack();
        let awaited = |place: SessionNo| awaited.get(place).copied().unwrap_or(false);
        for (place, session) in self
            .sessions
            .iter_mut()
            .enumerate()
            .filter(|(_, session)| !session.dead)
        {
            join_groups(&mut groups, place, session, &message);
            let Some(qos) = granted(session, &message.topic) else {
                continue;
            };
            let (qos, conn) = (qos.min(message.qos), session.conn);
            let offline = qos == QoS::AtMostOnce && conn.is_none();
            // Without delays on the way, a message of QoS 0 for nobody's connection is nobody's.
            if offline && self.rules.no_delay {
                continue;
            }
            if self.rules.shared {
                // What a session is owed for itself looks like what it gets for a group: as if it were one of its own.
                let own = Member {
                    session: place,
                    qos,
                    conn,
                };
                groups.insert((format!("/{place}"), String::new()), vec![own]);
                continue;
            }
            let optional = self.laws.forbid(session, &message.topic)
                || offline
                || self.vague
                || (qos == QoS::AtMostOnce && awaited(place));
            session.owed.push(Owed {
                optional,
                ..Owed::new(number, qos, conn)
            });
        }
        self.messages.push(message);
        let first = self.lookalikes(number).first().copied().unwrap_or(number);
        for members in groups.into_values() {
            let vague = self.vague || members.iter().any(|member| awaited(member.session));
            self.groups.owe(first, number, members, vague);
        }
        if what.retain {
            self.retain(number);
        }
        Some(number)
    }

    /// To who has not had CONNACK yet nothing is sent, and QoS 0 does not wait.
    fn sessions_without_connack(&self) -> Vec<bool> {
        let unanswered = |conn: Option<LinkId>| {
            let conn = conn.and_then(|link| self.conns.get(&link));
            conn.is_some_and(|conn| conn.answers.connack.is_some())
        };
        // Without a disk it is sent in the same turn.
        let sessions = self.sessions.iter().filter(|_| self.rules.durable);
        sessions.map(|session| unanswered(session.conn)).collect()
    }

    /// All messages so far with the topic and payload of this one.
    pub(super) fn lookalikes(&self, number: MessageNo) -> Vec<MessageNo> {
        let message = self.message(number);
        let mut alike = self.by_payload.get(&message.payload).cloned().unwrap_or_default();
        alike.retain(|other| self.message(*other).topic == message.topic);
        alike
    }

    /// Stores, replaces or removes a retained message.
    fn retain(&mut self, number: MessageNo) {
        let (topic, empty) = (
            self.message(number).topic.clone(),
            self.message(number).payload.is_empty(),
        );
        let value = (!empty).then_some(number);
        if empty {
            self.retained.remove(&topic);
        } else if self.retained.len() >= self.rules.max_retained && !self.retained.contains_key(&topic) {
            // It goes to those who are there, and is not kept.
            return;
        } else {
            self.retained.insert(topic.clone(), number);
        }
        if self.rules.durable {
            let history = self.kept_retained.entry(topic.clone()).or_default();
            history.change(value, self.now, number as u64);
        }
        // Replays that are under way may meet the old state or the new one.
        for replay in self
            .sessions
            .iter_mut()
            .flat_map(|session| &mut session.replays)
            .filter(|replay| replay.open)
        {
            match (replay.wanted.get_mut(&topic), empty) {
                (Some(wanted), true) => wanted.optional = true,
                (Some(wanted), false) => wanted.any_of.push(number),
                (None, false) if matches(&replay.filter, &topic) => {
                    replay.wanted.insert(
                        topic.clone(),
                        Wanted {
                            any_of: vec![number],
                            optional: true,
                        },
                    );
                }
                (None, _) => {}
            }
        }
    }

    /// A new subscription brings what is retained.
    pub(super) fn replay(
        &mut self,
        (link, session): (LinkId, SessionNo),
        filter: TopicFilter<'_>,
        granted: QoS,
        question: u64,
    ) {
        let matching = self
            .retained
            .iter()
            .filter(|(topic, _)| matches(filter.as_str(), topic));
        let wanted: BTreeMap<String, Wanted> = matching
            .map(|(topic, number)| {
                (
                    topic.clone(),
                    Wanted {
                        any_of: vec![*number],
                        optional: self
                            .sessions
                            .get(session)
                            .is_some_and(|session| self.laws.forbid(session, topic)),
                    },
                )
            })
            .collect();
        let (filter, asked) = (filter.as_str().to_owned(), self.now);
        self.session(session).replays.push(Replay {
            filter,
            granted,
            wanted,
            conn: link,
            question,
            asked,
            open: true,
        });
    }

    /// The broker ends: wills go out while their subscribers are still there.
    pub(super) fn end_of_shard(&mut self) {
        self.ending.insert(self.shard);
        let here = self.shard;
        let conns = self
            .conns
            .values_mut()
            .filter(|conn| conn.shard == here && conn.closed.is_none());
        let wills: Vec<(String, Option<String>, Will)> = conns
            .filter_map(|conn| Some((conn.client.clone(), conn.user.clone(), conn.will.take()?)))
            .collect();
        for (client, user, will) in wills {
            self.tally.wills += 1;
            // Those who should get it may be gone by then.
            self.vague = true;
            let who = Who {
                client: &client,
                user: user.as_deref(),
            };
            if self.may_publish(who, &will.topic, will.qos) {
                self.route(client, will);
            } else {
                self.tally.forbidden += 1;
            }
        }
        self.vague = false;
    }

    /// A connection is over: its will, and what ends with it.
    pub(super) fn ends(&mut self, link: LinkId, cause: Cause) -> Verdict {
        let Some(conn) = self.conns.get_mut(&link) else {
            return Err(format!("link {link} ends and is unknown"));
        };
        if conn.closed.is_some() {
            return Ok(());
        }
        conn.closed = Some(cause);
        if cause == Cause::Violation && conn.will_behind.is_some() {
            conn.will = conn.will_behind.take();
        }
        let (will, session, client, user) = (conn.will.take(), conn.session, conn.client.clone(), conn.user.clone());
        let unanswered: Vec<u64> = conn.answers.suback.iter().map(|(.., asked)| *asked).collect();
        let Some(session) = session else { return Ok(()) };
        // What waits for the disk has its place in the window, whether it was sent or not.
        let hidden = self.busy_turn || self.rules.durable;
        let durable = self.rules.durable;
        let now = self.now;
        let held = self.session(session);
        (held.conn, held.left) = (None, Some(now));
        // A subscription that was not answered may never have been made.
        for replay in held
            .replays
            .iter_mut()
            .filter(|replay| durable && unanswered.contains(&replay.question))
        {
            replay.wanted.values_mut().for_each(|wanted| wanted.optional = true);
        }
        for owed in held
            .owed
            .iter_mut()
            .filter(|owed| owed.qos > QoS::AtMostOnce && owed.conn == Some(link))
        {
            owed.perhaps_written |= hidden;
        }
        if let Some(will) = will {
            let mut left = Testament::default();
            // Without a disk an earlier packet may have ended it.
            if cause != Cause::Disconnect || (self.vague && self.without_disk.contains(&self.shard)) {
                let who = Who {
                    client: &client,
                    user: user.as_deref(),
                };
                if self.may_publish(who, &will.topic, will.qos) {
                    self.tally.wills += 1;
                    left.published = self.route(client, will);
                } else {
                    self.tally.forbidden += 1;
                }
            }
            let now = self.now;
            self.session(session).kept.will.change(left, now, u64::MAX);
        }
        if self.session(session).clean {
            self.destroy(session);
        }
        Ok(())
    }

    /// A session is gone, and with it all that it was owed.
    pub(super) fn destroy(&mut self, session: SessionNo) {
        self.bury_old(session);
        let held = self.session(session);
        held.dead = true;
        let replays = held.replays.iter().map(|replay| replay.wanted.len());
        let (client, gone) = (held.client.clone(), held.owed.len() + replays.sum::<usize>());
        self.gone += gone as u64;
        self.gone_unacknowledged += gone as u64;
        self.by_client.remove(&client);
    }
}

fn join_groups(
    groups: &mut BTreeMap<(String, String), Vec<Member>>,
    number: SessionNo,
    session: &Session,
    message: &Message,
) {
    for (filter, qos) in &session.filters {
        let Ok(parsed) = TopicFilter::parse(filter) else {
            continue;
        };
        if let Some(Ok(shared)) = SharedFilter::parse(parsed)
            && matches(shared.filter.as_str(), &message.topic)
        {
            let key = (shared.group.to_owned(), shared.filter.as_str().to_owned());
            let member = Member {
                session: number,
                qos: message.qos.min(*qos),
                conn: session.conn,
            };
            groups.entry(key).or_default().push(member);
        }
    }
}

/// The greatest QoS that a session's own subscriptions grant for a topic.
fn granted(session: &Session, topic: &str) -> Option<QoS> {
    let matching = session
        .filters
        .iter()
        .filter(|(filter, _)| !filter.starts_with("$share/") && matches(filter, topic));
    matching.map(|(_, qos)| *qos).max()
}

/// Section 4.7, level by level. Not the codec's: the broker uses that one.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    // [MQTT-4.7.2-1]
    if topic.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let (filter, topic): (Vec<&str>, Vec<&str>) = (filter.split('/').collect(), topic.split('/').collect());
    below(&filter, &topic)
}

fn below(filter: &[&str], topic: &[&str]) -> bool {
    match (filter.split_first(), topic.split_first()) {
        (Some((&"#", _)), _) | (None, None) => true,
        (Some((level, filter)), Some((name, topic))) => (*level == "+" || level == name) && below(filter, topic),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_table_of_the_standard_says() {
        for (filter, topic) in [
            ("a/#", "a"),
            ("a/#", "a/"),
            ("a/+", "a/"),
            ("+/+", "/"),
            ("#", "a/b"),
            ("$x/#", "$x"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [
            ("a/#", "ab"),
            ("a/+", "a"),
            ("+", "/a"),
            ("+", "$x"),
            ("#", "$x/a"),
            ("a", "a/"),
        ] {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }
}
