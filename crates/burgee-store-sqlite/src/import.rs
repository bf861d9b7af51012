//! Makes a store from the lines of an export.
//!
//! What must hold: all or nothing. The database has its name only when the last line has come and has counted right.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use burgee_codec::{PacketId, TopicFilterBuf, TopicName};
use burgee_store::{Batch, Fault, MessageNo, Op, Recovered, Replay, SessionNo, Source, Store, SubmitError, Will};

use crate::connect::{check_library, connect, create_new};
use crate::error::{ImportError, OpenError};
use crate::files::{DATABASE, LOG, Lock, NEW, finish, length, make_directory, remove_unfinished};
use crate::ndjson::{EndLine, FORMAT, Line, MessageLine, RetainedLine, SessionLine, StartLine, qos};
use crate::rows::is_number;
use crate::store::SqliteStore;
use crate::{Settings, SyncPolicy};

/// Bytes of operations that are written together.
const TOGETHER: usize = 4 << 20;

/// Makes a store in a directory that has none from the lines of an export. Says what came in.
///
/// # Errors
/// A line is wrong, or the store cannot be written: then there is no store afterwards either.
pub fn import(directory: &Path, from: impl Read) -> Result<Recovered, ImportError> {
    in_new_store(directory, |store| make(store, from))
}

/// Has a new store filled and closed, in a directory that has none: all or nothing.
pub(crate) fn in_new_store(
    directory: &Path,
    fill: impl FnOnce(SqliteStore) -> Result<Recovered, ImportError>,
) -> Result<Recovered, ImportError> {
    check_library()?;
    make_directory(directory)?;
    let _lock = Lock::take(directory)?;
    if directory.join(DATABASE).exists() || length(&directory.join(LOG))? > 0 {
        return Err(ImportError::Exists {
            path: directory.to_owned(),
        });
    }
    let made = create(directory).and_then(fill).and_then(|recovered| {
        finish(directory).map_err(|error| OpenError::of_io(directory, &error))?;
        Ok(recovered)
    });
    if made.is_err() {
        drop(remove_unfinished(directory));
    }
    made
}

fn create(directory: &Path) -> Result<SqliteStore, ImportError> {
    create_new(directory)?;
    // It is synced as a whole before it gets its name.
    let (conn, _) = connect(
        &directory.join(NEW),
        Settings {
            sync: SyncPolicy::Write,
        },
    )?;
    Ok(SqliteStore::over(conn, None)?)
}

fn make(store: SqliteStore, from: impl Read) -> Result<Recovered, ImportError> {
    let mut importing = Importing {
        store,
        start: None,
        end: None,
        batch: Batch {
            number: 1,
            ..Batch::default()
        },
        weight: 0,
        line: 0,
        sessions: HashSet::new(),
        identifiers: HashSet::new(),
        last: (0, 0),
        count: EndLine {
            sessions: 0,
            messages: 0,
            retained: 0,
        },
    };
    let mut from = BufReader::new(from);
    let mut text = String::new();
    while from.read_line(&mut text).map_err(ImportError::Read)? > 0 {
        importing.line += 1;
        let read = serde_json::from_str(&text).map_err(|error| error.to_string());
        read.and_then(|line| importing.take(line))
            .map_err(|what| importing.wrong(what))?;
        if importing.weight > TOGETHER {
            importing.commit()?;
        }
        text.clear();
    }
    importing.finish()
}

struct Importing {
    store: SqliteStore,
    start: Option<StartLine>,
    end: Option<EndLine>,
    batch: Batch,
    weight: usize,
    line: usize,
    sessions: HashSet<SessionNo>,
    /// Of deliveries.
    identifiers: HashSet<(SessionNo, PacketId)>,
    /// The last session number and the last message number.
    last: (u64, u64),
    count: EndLine,
}

impl Importing {
    const fn wrong(&self, what: String) -> ImportError {
        ImportError::Line { line: self.line, what }
    }

    fn take(&mut self, line: Line) -> Result<(), String> {
        if self.end.is_some() {
            return Err("there is a line behind the end".to_owned());
        }
        if self.start.is_none() {
            let Line::Burgee(start) = line else {
                return Err("an export begins with a line `burgee`".to_owned());
            };
            if !(1..=FORMAT).contains(&start.format) {
                return Err(format!(
                    "format {} is unknown here: 1 to {FORMAT} are known",
                    start.format
                ));
            }
            self.start = Some(start);
            return Ok(());
        }
        match line {
            Line::Burgee(_) => Err("there is a second line `burgee`".to_owned()),
            Line::Session(session) => self.session(session),
            Line::Message(message) => self.message(message),
            Line::Retained(retained) => self.retained(&retained),
            Line::End(end) => {
                if end != self.count {
                    return Err(format!("the export had {end:?}, and this came: {:?}", self.count));
                }
                self.end = Some(end);
                Ok(())
            }
        }
    }

    fn push(&mut self, op: Op) {
        self.batch.ops.push(op);
    }

    fn session(&mut self, line: SessionLine) -> Result<(), String> {
        let session = SessionNo(line.number);
        if !is_number(line.number) || line.number <= self.last.0 {
            return Err(format!("session number {} is not above the one before", line.number));
        }
        if line.client_id.len() > usize::from(u16::MAX) {
            return Err("the client identifier is too long".to_owned());
        }
        self.last.0 = line.number;
        self.sessions.insert(session);
        self.weight += 64 + line.client_id.len();
        let user = self.not_in_1("user", line.user)?;
        self.push(Op::SessionCreated {
            session,
            client_id: line.client_id.into(),
            user: user.map(Into::into),
        });
        for held in line.subscriptions {
            let filter = TopicFilterBuf::parse(&held.filter).map_err(|error| format!("{:?}: {error}", held.filter))?;
            let qos = qos(held.qos)?;
            self.weight += 64 + held.filter.len();
            let replay = match self.not_in_1("replay", held.replay)?.as_deref() {
                None => Replay::Done,
                Some("") => Replay::Whole,
                Some(topic) => TopicName::parse(topic)
                    .map(|topic| Replay::Behind(topic.into()))
                    .map_err(|error| format!("topic {topic:?}: {error}"))?,
            };
            self.push(Op::Subscribed {
                session,
                filter,
                qos,
                replay,
            });
        }
        for id in line.received {
            let id = PacketId::new(id).ok_or("0 is no packet identifier")?;
            self.push(Op::Received { session, id });
        }
        if let Some(will) = line.will {
            let body = will.body.body()?;
            self.weight += body.len();
            let will = Will {
                body,
                qos: qos(will.qos)?,
                retain: will.retain,
            };
            self.push(Op::WillSet { session, will });
        }
        self.count.sessions += 1;
        Ok(())
    }

    /// A field that came with format 2.
    fn not_in_1<T>(&self, name: &str, value: Option<T>) -> Result<Option<T>, String> {
        let first = self.start.as_ref().is_some_and(|start| start.format == 1);
        if first && value.is_some() {
            return Err(format!("format 1 has no field `{name}`"));
        }
        Ok(value)
    }

    fn message(&mut self, line: MessageLine) -> Result<(), String> {
        let message = MessageNo(line.number);
        if !is_number(line.number) || line.number <= self.last.1 {
            return Err(format!("message number {} is not above the one before", line.number));
        }
        if line.owed_to.is_empty() {
            return Err("nobody is owed the message".to_owned());
        }
        self.last.1 = line.number;
        let body = line.body.body()?;
        self.weight += 64 + body.len() + 16 * line.owed_to.len();
        let (mut owing, mut deliveries, mut named) = (Vec::new(), Vec::new(), HashSet::new());
        for owed in line.owed_to {
            let session = SessionNo(owed.session);
            if !self.sessions.contains(&session) || !named.insert(session) {
                return Err(format!("session {} is not there, or named twice", owed.session));
            }
            owing.push((session, qos(owed.qos)?));
            if let Some(delivery) = owed.delivery {
                let id = PacketId::new(delivery.id).ok_or("0 is no packet identifier")?;
                if !self.identifiers.insert((session, id)) {
                    return Err(format!("identifier {id} of session {} is in use twice", owed.session));
                }
                deliveries.push(Op::Delivery {
                    session,
                    message,
                    id,
                    stage: delivery.stage.stage(),
                });
            }
        }
        self.push(Op::Owed {
            message,
            body,
            retain: line.retain,
            owing: owing.into(),
        });
        self.batch.ops.append(&mut deliveries);
        self.count.messages += 1;
        Ok(())
    }

    fn retained(&mut self, line: &RetainedLine) -> Result<(), String> {
        let body = line.body.body()?;
        self.weight += 64 + body.len();
        let qos = qos(line.qos)?;
        self.count.retained += 1;
        let stamp = self.count.retained;
        self.push(Op::Retained { body, qos, stamp });
        Ok(())
    }

    /// What has gathered becomes part of the store.
    fn commit(&mut self) -> Result<(), ImportError> {
        let next = Batch {
            source: Source::default(),
            number: self.batch.number + 1,
            ops: Vec::new(),
        };
        let batch = std::mem::replace(&mut self.batch, next);
        self.weight = 0;
        match self.store.submit(batch) {
            Ok(()) => {}
            Err(SubmitError::Breach(breach)) => return Err(self.wrong(breach.to_string())),
            Err(SubmitError::Failed(failure)) => return Err(failure.into()),
        }
        self.store.commit(&mut Vec::new()).map_err(|failure| {
            if failure.fault == Fault::Ours {
                return self.wrong(failure.what.to_string());
            }
            ImportError::Store(failure)
        })
    }

    fn finish(mut self) -> Result<Recovered, ImportError> {
        let (Some(start), Some(end)) = (self.start.take(), self.end.take()) else {
            self.line += 1;
            return Err(self.wrong("the export breaks off: its last line is missing".to_owned()));
        };
        self.commit()?;
        let numbers = (SessionNo(start.next_session), MessageNo(start.next_message));
        if [start.next_session, start.next_message].into_iter().all(is_number) {
            self.store.raise_numbers(numbers.0, numbers.1)?;
        } else {
            return Err(self.wrong("the next numbers cannot be".to_owned()));
        }
        let recovered = self.store.recover()?;
        if (recovered.sessions, recovered.messages, recovered.retained) != (end.sessions, end.messages, end.retained) {
            return Err(self.wrong("something came twice, and counts once".to_owned()));
        }
        self.store.close()?;
        Ok(recovered)
    }
}
