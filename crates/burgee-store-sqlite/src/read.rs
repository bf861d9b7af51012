//! Reading records and bodies: what memory does not have comes from the file, row by row, and is judged.

use burgee_codec::TopicName;
use burgee_store::{
    Backlog, Body, Delivery, Failure, Limit, MessageNo, OwedMessage, OwedRef, Page, RetainedMessage, SessionNo,
    SessionRecord,
};
use rusqlite::Connection;

use crate::faults::{Cells, Doing, corrupt};
use crate::schema::{self, Format};
use crate::state::State;
use crate::tables::{body_row, retained_row, session_row, sub_row, will_row};

const READING: &str = "reading the store";

/// As [`Store::sessions`](burgee_store::Store::sessions).
pub(crate) fn sessions(
    conn: &Connection,
    state: &State,
    after: SessionNo,
    limit: Limit,
    out: &mut Vec<SessionRecord>,
) -> Result<Page, Failure> {
    let mut page = limit.filling();
    let words = state.format.words();
    let mut statement = conn.prepare_cached(words.session_behind).doing(READING)?;
    statement.raw_bind_parameter(1, after.0.cast_signed()).doing(READING)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().doing(READING)? {
        let cells = Cells::new("session", row);
        let (session, client_id, user) = session_row(cells)?;
        let mut record = record(conn, state, session)?.ok_or_else(|| cells.odd("it came from nowhere"))?;
        record.client_id = client_id.into();
        record.user = user.map(Into::into);
        if !page.takes(record.weight()) {
            return Ok(Page::More);
        }
        out.push(record);
    }
    Ok(Page::End)
}

/// Everything of a session but its client identifier and its user.
fn record(conn: &Connection, state: &State, number: SessionNo) -> Result<Option<SessionRecord>, Failure> {
    let Some(session) = state.sessions.get(&number) else {
        return Ok(None);
    };
    let mut subscriptions = Vec::new();
    of_session(conn, ("sub", state.format.words().sub_of), number, |cells| {
        subscriptions.push(sub_row(cells)?.1);
        Ok(())
    })?;
    let mut will = None;
    of_session(conn, ("will", schema::WILL_OF), number, |cells| {
        will = Some(will_row(cells)?);
        Ok(())
    })?;
    let deliveries = session.deliveries().map(|out| Delivery {
        message: out.message,
        id: out.id,
        stage: out.stage,
    });
    Ok(Some(SessionRecord {
        session: number,
        client_id: Box::default(),
        user: None,
        subscriptions,
        received: session.received().to_vec(),
        deliveries: deliveries.collect(),
        will,
        backlog: Backlog {
            messages: session.messages,
            bytes: session.bytes,
            first: session.owed(MessageNo(0)).next().map(|(_, message, _)| message),
        },
    }))
}

fn of_session(
    conn: &Connection,
    (table, sql): (&'static str, &str),
    session: SessionNo,
    mut take: impl FnMut(Cells<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut statement = conn.prepare_cached(sql).doing(READING)?;
    statement
        .raw_bind_parameter(1, session.0.cast_signed())
        .doing(READING)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().doing(READING)? {
        take(Cells::new(table, row))?;
    }
    Ok(())
}

/// As [`Store::owed`](burgee_store::Store::owed).
pub(crate) fn owed(state: &State, session: SessionNo, after: MessageNo, limit: Limit, out: &mut Vec<OwedRef>) -> Page {
    let mut page = limit.filling();
    for owed in state.owed(session, after) {
        if !page.takes(owed.weight()) {
            return Page::More;
        }
        out.push(owed);
    }
    Page::End
}

/// As [`Store::backlog`](burgee_store::Store::backlog).
pub(crate) fn backlog(
    conn: &Connection,
    owed: impl Iterator<Item = OwedRef>,
    limit: Limit,
    out: &mut Vec<OwedMessage>,
) -> Result<Page, Failure> {
    let mut page = limit.filling();
    for owed in owed {
        if !page.takes(usize::try_from(owed.bytes).unwrap_or(usize::MAX)) {
            return Ok(Page::More);
        }
        out.push(OwedMessage {
            message: owed.message,
            body: body(conn, owed.message)?,
            qos: owed.qos,
            retain: owed.retain,
            delivery: owed.delivery,
        });
    }
    Ok(Page::End)
}

/// The body of a message that somebody is owed.
pub(crate) fn body(conn: &Connection, message: MessageNo) -> Result<Body, Failure> {
    let mut statement = conn.prepare_cached(schema::MSG_OF).doing(READING)?;
    statement
        .raw_bind_parameter(1, message.0.cast_signed())
        .doing(READING)?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next().doing(READING)? else {
        return Err(corrupt("msg", message.0, "it is missing"));
    };
    body_row(Cells::new("msg", row)).map(|(_, _, body)| body)
}

/// As [`Store::retained`](burgee_store::Store::retained).
pub(crate) fn retained(
    conn: &Connection,
    format: Format,
    after: Option<TopicName<'_>>,
    limit: Limit,
    out: &mut Vec<RetainedMessage>,
) -> Result<Page, Failure> {
    let mut page = limit.filling();
    let words = format.words();
    let sql = if after.is_some() {
        words.retained_behind
    } else {
        words.retained_all
    };
    let mut statement = conn.prepare_cached(sql).doing(READING)?;
    if let Some(after) = after {
        statement.raw_bind_parameter(1, after.as_str()).doing(READING)?;
    }
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().doing(READING)? {
        let retained = retained_row(Cells::new("retained", row))?;
        if !page.takes(retained.weight()) {
            return Ok(Page::More);
        }
        out.push(retained);
    }
    Ok(Page::End)
}
