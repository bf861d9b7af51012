//! Writes a store as lines of JSON: sessions, then messages, then retained messages, each by number or topic.
//!
//! What must hold: the last line counts the others, so that a file that was cut off is no export.

use std::io::Write;
use std::path::Path;

use burgee_codec::QoS;
use burgee_store::{Failure, Fault, Limit, MessageNo, Page, SessionNo, SessionRecord};

use crate::error::TransferError;
use crate::load::load;
use crate::ndjson::{
    BodyField, DeliveryField, EndLine, FORMAT, Line, MessageLine, OwedField, RetainedLine, SessionLine, StageField,
    StartLine, SubscriptionField, WillField,
};
use crate::read;
use crate::reader::Reader;
use crate::rows::TargetsOf;
use crate::schema;
use crate::state::State;
use crate::tables::{body_row, each, replay_text, retained_row};

/// Sessions are read in pages of this size.
const SESSIONS: Limit = Limit {
    items: 1000,
    bytes: 4 << 20,
};

/// Writes the store of a directory, which nobody may have open, as lines of JSON.
///
/// # Errors
/// It cannot be read, or the lines cannot be written. What was written is no whole export.
pub fn export(directory: &Path, to: impl Write) -> Result<(), TransferError> {
    let reader = Reader::open(directory)?;
    let state = load(&reader.conn, reader.format)?;
    let mut lines = Lines {
        to: std::io::BufWriter::new(to),
        failed: None,
    };
    let totals = state.totals;
    lines.write(&Line::Burgee(StartLine {
        format: FORMAT,
        next_session: totals.next_session,
        next_message: totals.next_message,
    }))?;
    sessions(&reader, &state, &mut lines)?;
    let told = messages(&reader, &state, &mut lines).and_then(|()| retained(&reader, &mut lines));
    if let Some(error) = lines.failed.take() {
        return Err(TransferError::Write { path: None, error });
    }
    told?;
    lines.write(&Line::End(EndLine {
        sessions: totals.sessions,
        messages: totals.messages,
        retained: totals.retained,
    }))?;
    lines
        .to
        .flush()
        .map_err(|error| TransferError::Write { path: None, error })
}

struct Lines<W: Write> {
    to: std::io::BufWriter<W>,
    /// Why a line was not written, while rows are read.
    failed: Option<std::io::Error>,
}

impl<W: Write> Lines<W> {
    fn write(&mut self, line: &Line) -> Result<(), TransferError> {
        let written = serde_json::to_writer(&mut self.to, line).map_err(std::io::Error::from);
        written
            .and_then(|()| self.to.write_all(b"\n"))
            .map_err(|error| TransferError::Write { path: None, error })
    }

    /// From within a read, which ends where this fails.
    fn put(&mut self, line: &Line) -> Result<(), Failure> {
        self.write(line).map_err(|error| {
            if let TransferError::Write { error, .. } = error {
                self.failed = Some(error);
            }
            Failure::new(Fault::Device, "the export cannot be written")
        })
    }
}

fn sessions<W: Write>(reader: &Reader, state: &State, lines: &mut Lines<W>) -> Result<(), TransferError> {
    let (mut after, mut page) = (SessionNo(0), Vec::new());
    loop {
        let end = read::sessions(&reader.conn, state, after, SESSIONS, &mut page)?;
        for record in page.drain(..) {
            after = record.session;
            lines.write(&Line::Session(session(record)))?;
        }
        if end == Page::End {
            return Ok(());
        }
    }
}

fn session(record: SessionRecord) -> SessionLine {
    let subscriptions = record.subscriptions.into_iter().map(|held| SubscriptionField {
        filter: held.filter.as_str().to_owned(),
        qos: held.qos.bits(),
        replay: replay_text(&held.replay).map(str::to_owned),
    });
    SessionLine {
        number: record.session.0,
        client_id: record.client_id.into(),
        user: record.user.map(Into::into),
        subscriptions: subscriptions.collect(),
        received: record.received.into_iter().map(burgee_codec::PacketId::get).collect(),
        will: record.will.map(|will| WillField {
            qos: will.qos.bits(),
            retain: will.retain,
            body: BodyField::of(&will.body),
        }),
    }
}

fn messages<W: Write>(reader: &Reader, state: &State, lines: &mut Lines<W>) -> Result<(), Failure> {
    each(&reader.conn, ("msg", schema::MSG_WHOLE), |cells| {
        let message = MessageNo(cells.number(0)?);
        let (head, targets, body) = body_row(cells)?;
        let mut owing: Vec<(SessionNo, QoS)> = Vec::new();
        for target in TargetsOf::new(targets) {
            let (session, qos) = target.map_err(|odd| cells.odd(odd))?;
            // The last word about a session counts.
            owing.retain(|(named, _)| *named != session);
            owing.push((session, qos));
        }
        let owed_to = owing.into_iter().filter_map(|(number, qos)| {
            let session = state.sessions.get(&number).filter(|session| session.owes(message))?;
            let delivery = session.delivery(message).map(|out| DeliveryField {
                id: out.id.get(),
                stage: StageField::of(out.stage),
            });
            Some(OwedField {
                session: number.0,
                qos: qos.bits(),
                delivery,
            })
        });
        lines.put(&Line::Message(MessageLine {
            number: message.0,
            retain: head.retain,
            body: BodyField::of(&body),
            owed_to: owed_to.collect(),
        }))
    })
}

fn retained<W: Write>(reader: &Reader, lines: &mut Lines<W>) -> Result<(), Failure> {
    each(
        &reader.conn,
        ("retained", reader.format.words().retained_all),
        |cells| {
            let held = retained_row(cells)?;
            lines.put(&Line::Retained(RetainedLine {
                qos: held.qos.bits(),
                body: BodyField::of(&held.body),
            }))
        },
    )
}
