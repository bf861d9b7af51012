//! The rows of each table: reading one, judging it on the way, and its sum.
//!
//! What must hold: what comes out of here is well-formed, and was written by us. Whether it fits to the rest is seen where
//! the whole is known.

use std::sync::Arc;

use burgee_codec::{PacketId, QoS, TopicFilterBuf, TopicName};
use burgee_store::{Body, Failure, Replay, RetainedMessage, SessionNo, Stage, Subscription, Will};
use rusqlite::Connection;

use crate::faults::{Cells, Doing};
use crate::rows::{Head, body_sum, is_number, row_sum};
use crate::schema::letter;
use crate::session::Out;
use crate::totals::{FIELDS, Told, Totals};

/// Calls `judge` with each row.
pub(crate) fn each(
    conn: &Connection,
    (table, sql): (&'static str, &str),
    mut judge: impl FnMut(Cells<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let doing = format!("reading table {table}");
    let mut statement = conn.prepare(sql).doing(&doing)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().doing(&doing)? {
        judge(Cells::new(table, row))?;
    }
    Ok(())
}

/// The number, the client identifier and the user in a row of the table `session`.
pub(crate) fn session_row(cells: Cells<'_>) -> Result<(SessionNo, &str, Option<&str>), Failure> {
    let (session, client_id) = (cells.number(0)?, cells.text(1)?);
    let user = cells.text_if_any(3)?;
    cells.sums_to(2, session_sum(session, client_id, user))?;
    if !is_number(session) {
        return Err(cells.odd("its number cannot be"));
    }
    Ok((SessionNo(session), client_id, user))
}

/// A row of the table `sub`.
pub(crate) fn sub_row(cells: Cells<'_>) -> Result<(SessionNo, Subscription), Failure> {
    let (session, filter) = (cells.number(0)?, cells.text(1)?);
    let bits: u8 = cells.small(2)?;
    let left = cells.text_if_any(4)?;
    cells.sums_to(3, sub_sum(session, (filter, bits), left))?;
    let qos = QoS::from_bits(bits).ok_or_else(|| cells.odd("its QoS is unknown"))?;
    let filter = TopicFilterBuf::parse(filter).map_err(|_| cells.odd("its filter is malformed"))?;
    let replay = match left {
        None => Replay::Done,
        Some("") => Replay::Whole,
        Some(topic) => TopicName::parse(topic)
            .map(|topic| Replay::Behind(topic.into()))
            .map_err(|_| cells.odd("its replay is behind what is no topic"))?,
    };
    Ok((SessionNo(session), Subscription { filter, qos, replay }))
}

/// What is left of a replay as the column `replay` has it.
pub(crate) fn replay_text(replay: &Replay) -> Option<&str> {
    match replay {
        Replay::Done => None,
        Replay::Whole => Some(""),
        Replay::Behind(topic) => Some(topic.as_str()),
    }
}

pub(crate) fn packet_id(cells: Cells<'_>, column: usize) -> Result<PacketId, Failure> {
    PacketId::new(cells.small(column)?).ok_or_else(|| cells.odd("its packet identifier is 0"))
}

/// A row of the table `will`.
pub(crate) fn will_row(cells: Cells<'_>) -> Result<Will, Failure> {
    let (bits, retain): (u8, u8) = (cells.small(1)?, cells.small(2)?);
    let retain = match retain {
        0 => false,
        1 => true,
        _ => return Err(cells.odd("its RETAIN is unknown")),
    };
    let body = Body::parse(cells.bytes(3)?.into()).map_err(|_| cells.odd("its body is malformed"))?;
    cells.sums_to(4, will_sum(cells.number(0)?, (bits, retain), &body))?;
    let qos = QoS::from_bits(bits).ok_or_else(|| cells.odd("its QoS is unknown"))?;
    Ok(Will { body, qos, retain })
}

/// A row of the table `msg`: its head, its targets, its body.
pub(crate) fn body_row(cells: Cells<'_>) -> Result<(Head, &[u8], Body), Failure> {
    let (head, targets) = Head::decode(cells.number(0)?, cells.bytes(1)?).map_err(|odd| cells.odd(odd))?;
    let body = cells.bytes(2)?;
    if u32::try_from(body.len()) != Ok(head.bytes) || body_sum(body) != head.body_sum {
        return Err(cells.odd("the sum of its body is wrong"));
    }
    let body = Body::parse(Arc::from(body)).map_err(|_| cells.odd("its body is malformed"))?;
    Ok((head, targets, body))
}

/// A row of the table `retained`.
pub(crate) fn retained_row(cells: Cells<'_>) -> Result<RetainedMessage, Failure> {
    let (topic, payload) = (cells.text(0)?, cells.bytes(2)?);
    let bits: u8 = cells.small(1)?;
    let stamp = cells.number(4)?;
    cells.sums_to(3, retained_sum(topic, (bits, stamp), payload))?;
    let qos = QoS::from_bits(bits).ok_or_else(|| cells.odd("its QoS is unknown"))?;
    let topic = TopicName::parse(topic).map_err(|_| cells.odd("its topic is malformed"))?;
    Ok(RetainedMessage {
        body: Body::of(topic, payload),
        qos,
        stamp,
    })
}

pub(crate) fn session_sum(session: u64, client_id: &str, user: Option<&str>) -> i64 {
    sum_with(
        letter::SESSION,
        &[session],
        &[client_id.as_bytes()],
        user.map(str::as_bytes),
    )
}

pub(crate) fn sub_sum(session: u64, (filter, qos): (&str, u8), replay: Option<&str>) -> i64 {
    let numbers = [session, u64::from(qos)];
    sum_with(letter::SUB, &numbers, &[filter.as_bytes()], replay.map(str::as_bytes))
}

/// What version 1 did not have is summed where there is something: so a row without it has the sum that it had then.
fn sum_with(letter: u8, numbers: &[u64], texts: &[&[u8]], added: Option<&[u8]>) -> i64 {
    match added {
        None => row_sum(letter, numbers, texts),
        Some(added) => row_sum(letter, numbers, &[texts, &[added]].concat()),
    }
}

/// The row of `meta` behind its key.
pub(crate) fn meta_row(totals: &Totals, told: Told) -> [i64; FIELDS + 2] {
    let Told {
        next_message,
        counted,
        messages,
        message_bytes,
    } = told;
    let fields = Totals {
        next_message,
        messages,
        message_bytes,
        ..*totals
    }
    .fields();
    let mut row = [0; FIELDS + 2];
    for (cell, number) in row.iter_mut().zip(fields) {
        *cell = number.cast_signed();
    }
    let [.., sum, last] = &mut row;
    (*sum, *last) = (meta_sum(&fields, counted), counted.cast_signed());
    row
}

pub(crate) fn meta_sum(fields: &[u64; FIELDS], counted: u64) -> i64 {
    let added = counted.to_le_bytes();
    sum_with(letter::META, fields, &[], (counted > 0).then_some(&added[..]))
}

pub(crate) fn received_sum(session: SessionNo, id: PacketId) -> i64 {
    row_sum(letter::QOS2IN, &[session.0, u64::from(id.get())], &[])
}

pub(crate) fn will_sum(session: u64, flags: (u8, bool), body: &Body) -> i64 {
    let (qos, retain) = flags;
    row_sum(
        letter::WILL,
        &[session, u64::from(qos), u64::from(retain)],
        &[body.bytes()],
    )
}

pub(crate) fn cursor_sum(session: SessionNo, source: u16, floor: u64, done: &[u8]) -> i64 {
    row_sum(letter::CURSOR, &[session.0, u64::from(source), floor], &[done])
}

pub(crate) const fn stage_bits(stage: Stage) -> u64 {
    match stage {
        Stage::Published => 0,
        Stage::Released => 1,
    }
}

pub(crate) fn out_sum(session: SessionNo, out: Out) -> i64 {
    let numbers = [session.0, out.message.0, u64::from(out.id.get()), stage_bits(out.stage)];
    row_sum(letter::OUT, &numbers, &[])
}

pub(crate) fn retained_sum(topic: &str, (qos, stamp): (u8, u64), payload: &[u8]) -> i64 {
    let added = stamp.to_le_bytes();
    let added = (stamp > 0).then_some(&added[..]);
    sum_with(letter::RETAINED, &[u64::from(qos)], &[topic.as_bytes(), payload], added)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_meta_covers_what_version_3_added_and_is_the_old_one_without_it() {
        let fields = [1; FIELDS];
        assert_eq!(meta_sum(&fields, 0), row_sum(letter::META, &fields, &[]));
        let sums = [0, 1, 2].map(|counted| meta_sum(&fields, counted));
        assert!(sums[0] != sums[1] && sums[1] != sums[2], "{sums:?}");
    }
}
