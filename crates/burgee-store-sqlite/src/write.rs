//! Applies the operations of a commit, in their order: to memory, and, where nothing is gained by waiting, to the file.
//!
//! What must hold: a transaction is open. A false claim, or any error, leaves memory half changed: the caller rolls back
//! and loads anew. Deliberately absent: messages, cursors and identifiers in flight; they wait for `flush`, because much
//! of it cancels out.

use burgee_codec::{QoS, TopicFilterBuf, TopicNameBuf};
use burgee_store::{Batch, Body, Failure, Fault, MessageNo, Op, Replay, SessionNo, Will};
use rusqlite::Connection;

use crate::changes::{Changes, Fresh};
use crate::faults::{Cells, Doing, ours};
use crate::lane::Entry;
use crate::rows::{Head, Targets, body_sum, is_number};
use crate::schema;
use crate::session::{Out, Session};
use crate::state::State;
use crate::tables::{replay_text, retained_sum, session_sum, sub_sum, will_sum};

const WRITING: &str = "writing a commit";

/// A commit while it is made.
pub(crate) struct Writer<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) state: &'a mut State,
    pub(crate) changes: &'a mut Changes,
}

impl Writer<'_> {
    /// Everything that a batch says.
    pub(crate) fn batch(&mut self, batch: Batch) -> Result<(), Failure> {
        let source = batch.source.0;
        batch.ops.into_iter().try_for_each(|op| self.op(source, op))
    }

    fn op(&mut self, source: u16, op: Op) -> Result<(), Failure> {
        self.changes.others |= !matches!(
            op,
            Op::Owed { .. } | Op::Settled { .. } | Op::Delivery { .. } | Op::Received { .. } | Op::Freed { .. }
        );
        match op {
            Op::SessionCreated {
                session,
                client_id,
                user,
            } => self.create(session, &client_id, user.as_deref()),
            Op::SessionClaimed { session, user } => self.claim(session, &user),
            Op::SessionDeleted { session } => self.delete(session),
            Op::Owed {
                message,
                body,
                retain,
                owing,
            } => self.owe(source, (message, retain), body, &owing),
            Op::Settled { session, message } => {
                self.state.settle(session, message, self.changes);
                Ok(())
            }
            Op::Delivery {
                session,
                message,
                id,
                stage,
            } => {
                self.state.deliver(session, Out { message, id, stage }, self.changes);
                Ok(())
            }
            Op::Received { session, id } => {
                self.state.receive(session, id, self.changes);
                Ok(())
            }
            Op::Freed { session, id } => {
                self.state.free(session, id, self.changes);
                Ok(())
            }
            Op::Subscribed {
                session,
                filter,
                qos,
                replay,
            } => self.subscribe(session, &filter, (qos, &replay)),
            Op::Replayed {
                session,
                filter,
                replay,
            } => self.replayed(session, &filter, &replay),
            Op::Unsubscribed { session, filter } => self.unsubscribe(session, &filter),
            Op::WillSet { session, will } => self.set_will(session, &will),
            Op::WillCleared { session } => self.clear_will(session),
            Op::Retained { body, qos, stamp } => self.retain(&body, (qos, stamp)),
            Op::Unretained { topic, stamp, oldest } => self.unretain(topic, stamp, oldest),
        }
    }

    fn create(&mut self, session: SessionNo, client_id: &str, user: Option<&str>) -> Result<(), Failure> {
        if self.state.sessions.contains_key(&session) {
            return Err(ours(format!("session number {} was taken twice", session.0)));
        }
        if !is_number(session.0) {
            return Err(ours(format!("session number {} cannot be kept", session.0)));
        }
        let mut statement = self.conn.prepare_cached(schema::SESSION_ADD).doing(WRITING)?;
        let sum = session_sum(session.0, client_id, user);
        let row = (int(session.0), client_id, sum, user);
        // The only constraint that can fail is that of the identifier.
        statement.execute(row).doing(WRITING).map_err(|failure| {
            if failure.fault == Fault::Ours {
                return ours(format!("client identifier {client_id:?} has a session already"));
            }
            failure
        })?;
        self.state.sessions.insert(session, Session::default());
        let totals = &mut self.state.totals;
        totals.sessions += 1;
        totals.next_session = totals.next_session.max(session.0 + 1);
        Ok(())
    }

    fn claim(&mut self, session: SessionNo, user: &str) -> Result<(), Failure> {
        let mut statement = self.conn.prepare_cached(schema::SESSION_CLIENT).doing(WRITING)?;
        let mut rows = statement.query((int(session.0),)).doing(WRITING)?;
        let Some(row) = rows.next().doing(WRITING)? else {
            return Ok(());
        };
        let sum = session_sum(session.0, Cells::new("session", row).text(0)?, Some(user));
        self.run(schema::SESSION_CLAIM, (int(session.0), sum, user)).map(drop)
    }

    fn delete(&mut self, session: SessionNo) -> Result<(), Failure> {
        if !self.state.delete(session, self.changes) {
            return Ok(());
        }
        let key = (int(session.0),);
        self.run(schema::SESSION_REMOVE, key)?;
        self.run(schema::QOS2IN_CLEAR, key)?;
        self.run(schema::OUT_CLEAR, key)?;
        self.run(schema::CURSOR_CLEAR, key)?;
        self.state.totals.subs -= self.run(schema::SUB_CLEAR, key)?;
        self.state.totals.wills -= self.run(schema::WILL_REMOVE, key)?;
        Ok(())
    }

    fn owe(
        &mut self,
        source: u16,
        (message, retain): (MessageNo, bool),
        body: Body,
        owing: &[(SessionNo, QoS)],
    ) -> Result<(), Failure> {
        if self.state.knows_message(message) {
            return Err(ours(format!("message number {} was taken twice", message.0)));
        }
        if !is_number(message.0) {
            return Err(ours(format!("message number {} cannot be kept", message.0)));
        }
        self.state.totals.next_message = self.state.totals.next_message.max(message.0 + 1);
        let bytes = u32::try_from(body.len()).ok().filter(|bytes| *bytes < 1 << 31);
        let bytes = bytes.ok_or_else(|| ours(format!("message {} is too large", message.0)))?;
        let lane = self.state.lane_of(source);
        let mut targets = Targets::new(&mut self.changes.targets);
        let count = self.state.owe(lane, (message, bytes), owing, &mut targets);
        if count == 0 {
            return Ok(());
        }
        let entry = Entry::new(message.0, bytes, retain).owed_to(count);
        let held = self.state.lanes.get_mut(usize::from(lane));
        let place = held.and_then(|held| held.push(entry));
        let place = place.ok_or_else(|| ours(format!("message number {} is out of order", message.0)))?;
        self.state.totals.messages += 1;
        self.state.totals.message_bytes += u64::from(bytes);
        self.changes.fresh.push(Fresh {
            lane,
            place,
            head: Head {
                source,
                retain,
                bytes,
                body_sum: body_sum(body.bytes()),
            },
            body,
            targets_end: self.changes.targets.len(),
        });
        Ok(())
    }

    fn subscribe(
        &mut self,
        session: SessionNo,
        filter: &TopicFilterBuf,
        (qos, replay): (QoS, &Replay),
    ) -> Result<(), Failure> {
        if !self.state.sessions.contains_key(&session) {
            return Ok(());
        }
        let (filter, qos, left) = (filter.as_str(), qos.bits(), replay_text(replay));
        let sum = sub_sum(session.0, (filter, qos), left);
        let row = (int(session.0), filter, qos, sum, left);
        if self.run(schema::SUB_CHANGE, row)? == 0 {
            self.state.totals.subs += self.run(schema::SUB_ADD, row)?;
        }
        Ok(())
    }

    fn replayed(&mut self, session: SessionNo, filter: &TopicFilterBuf, replay: &Replay) -> Result<(), Failure> {
        let filter = filter.as_str();
        let mut statement = self.conn.prepare_cached(schema::SUB_QOS).doing(WRITING)?;
        let mut rows = statement.query((int(session.0), filter)).doing(WRITING)?;
        let Some(row) = rows.next().doing(WRITING)? else {
            return Ok(());
        };
        let qos: u8 = Cells::new("sub", row).small(0)?;
        let left = replay_text(replay);
        let sum = sub_sum(session.0, (filter, qos), left);
        let row = (int(session.0), filter, qos, sum, left);
        self.run(schema::SUB_CHANGE, row).map(drop)
    }

    fn unsubscribe(&mut self, session: SessionNo, filter: &TopicFilterBuf) -> Result<(), Failure> {
        if self.state.sessions.contains_key(&session) {
            self.state.totals.subs -= self.run(schema::SUB_REMOVE, (int(session.0), filter.as_str()))?;
        }
        Ok(())
    }

    fn set_will(&mut self, session: SessionNo, will: &Will) -> Result<(), Failure> {
        if !self.state.sessions.contains_key(&session) {
            return Ok(());
        }
        let Will { body, qos, retain } = will;
        let (qos, bytes) = (qos.bits(), &**body.bytes());
        let sum = will_sum(session.0, (qos, *retain), body);
        let row = (int(session.0), qos, *retain, bytes, sum);
        if self.run(schema::WILL_CHANGE, row)? == 0 {
            self.state.totals.wills += self.run(schema::WILL_ADD, row)?;
        }
        Ok(())
    }

    fn clear_will(&mut self, session: SessionNo) -> Result<(), Failure> {
        if self.state.sessions.contains_key(&session) {
            self.state.totals.wills -= self.run(schema::WILL_REMOVE, (int(session.0),))?;
        }
        Ok(())
    }

    fn retain(&mut self, body: &Body, (qos, stamp): (QoS, u64)) -> Result<(), Failure> {
        if stamp > i64::MAX.cast_unsigned() {
            return Err(ours(format!("stamp {stamp} cannot be kept")));
        }
        let (topic, name) = (body.topic(), TopicNameBuf::from(body.topic()));
        let there = self.there(topic.as_str())?;
        if self.is_late(there, &name, stamp) {
            return Ok(());
        }
        self.uncount(topic.as_str(), there);
        self.state.removals.is_back(&name);
        let (qos, payload) = (qos.bits(), body.payload());
        let sum = retained_sum(topic.as_str(), (qos, stamp), payload);
        self.run(schema::RETAINED_WRITE, (topic.as_str(), qos, payload, sum, int(stamp)))?;
        self.state.totals.retained += 1;
        self.state.totals.retained_bytes += size(body.len());
        Ok(())
    }

    fn unretain(&mut self, topic: TopicNameBuf, stamp: u64, oldest: u64) -> Result<(), Failure> {
        self.state.removals.oldest_is(oldest);
        let there = self.there(topic.as_str())?;
        if self.is_late(there, &topic, stamp) {
            return Ok(());
        }
        if there.is_some() {
            self.uncount(topic.as_str(), there);
            self.run(schema::RETAINED_REMOVE, (topic.as_str(),))?;
        }
        if stamp > oldest {
            self.state.removals.removed(topic, stamp);
        }
        Ok(())
    }

    /// Whether a greater stamp has spoken of a topic.
    fn is_late(&self, there: Option<(u64, u64)>, topic: &TopicNameBuf, stamp: u64) -> bool {
        let gone = self.state.removals.stamp(topic);
        there.map(|(_, stamp)| stamp).max(gone).is_some_and(|held| held > stamp)
    }

    /// Payload bytes and stamp of the retained message of a topic.
    fn there(&self, topic: &str) -> Result<Option<(u64, u64)>, Failure> {
        let mut statement = self.conn.prepare_cached(schema::RETAINED_SIZE).doing(WRITING)?;
        let mut rows = statement.query((topic,)).doing(WRITING)?;
        let Some(row) = rows.next().doing(WRITING)? else {
            return Ok(None);
        };
        let cells = Cells::new("retained", row);
        Ok(Some((cells.number(0)?, cells.number(1)?)))
    }

    /// Counts the retained message of a topic as gone, if there is one.
    fn uncount(&mut self, topic: &str, there: Option<(u64, u64)>) {
        if let Some((payload, _)) = there {
            self.state.totals.retained -= 1;
            self.state.totals.retained_bytes -= payload + size(2 + topic.len());
        }
    }

    /// Runs a statement; how many rows it changed.
    pub(crate) fn run(&self, sql: &str, row: impl rusqlite::Params) -> Result<u64, Failure> {
        let mut statement = self.conn.prepare_cached(sql).doing(WRITING)?;
        statement.execute(row).map(size).doing(WRITING)
    }
}

/// A number as SQLite keeps it. Ours are below 2^60.
pub(crate) const fn int(number: u64) -> i64 {
    number.cast_signed()
}

pub(crate) fn size(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
