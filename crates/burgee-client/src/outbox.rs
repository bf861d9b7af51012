//! The outbox on disk: unfinished messages of QoS 1 and 2, and the identifiers of received QoS 2 messages, in a SQLite file.
//!
//! What must hold: what is committed survives the process and the power (WAL, synchronous FULL); all notes of one turn are one
//! transaction; a file belongs to one client identifier and to one process at a time. A commit that fails is not tried again:
//! the client ends, because it can promise nothing any more. Deliberately absent: what a note means for the protocol.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use burgee_codec::{PacketId, QoS, TopicNameBuf};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use tokio::task::spawn_blocking;

use crate::engine::{Kept, Note, Outgoing};
use crate::message::Message;
use crate::options::Options;

/// The format of the file.
const FORMAT: i32 = 1;

/// For how long somebody else may hold the file.
const BUSY: Duration = Duration::from_secs(1);

const SCHEMA: &str = "
    CREATE TABLE owner (client_id TEXT NOT NULL);
    -- `sent` is the order of first sending; without it the message has no identifier.
    CREATE TABLE message (
        number INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
        retain INTEGER NOT NULL, id INTEGER, sent INTEGER, released INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE held (id INTEGER PRIMARY KEY);
    PRAGMA user_version = 1;
";

/// A row in it says that the server's session is not older than the file, so that it holds nothing that is not in here.
const WHOLE: &str = "CREATE TABLE IF NOT EXISTS whole (mark INTEGER PRIMARY KEY)";

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    file: Arc<Mutex<File>>,
}

#[derive(Debug)]
struct File {
    connection: Connection,
    /// The next place in the order of sending.
    next_sent: i64,
}

impl Outbox {
    /// Opens the outbox that the options name, and reads what it holds.
    pub(crate) async fn open(options: &Options) -> Result<Option<(Self, Kept)>, Arc<str>> {
        let Some(path) = options.care.outbox.clone() else {
            return Ok(None);
        };
        let client_id = options.client_id.clone();
        let opened =
            in_background(move || open(&path, &client_id).map_err(|error| format!("{}: {error}", path.display())));
        let (file, kept) = opened.await?;
        Ok(Some((
            Self {
                file: Arc::new(Mutex::new(file)),
            },
            kept,
        )))
    }

    /// Puts the notes on disk. When this returns, they are there.
    pub(crate) async fn commit(&self, notes: Vec<Note>) -> Result<(), Arc<str>> {
        let file = Arc::clone(&self.file);
        in_background(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.commit(&notes).map_err(|error| error.to_string())
        })
        .await
    }
}

/// The disk may take its time; the runtime's own threads must not.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Arc<str>> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(Into::into),
        Err(error) => Err(error.to_string().into()),
    }
}

fn open(path: &Path, client_id: &str) -> Result<(File, Kept), Box<dyn std::error::Error>> {
    let mut connection = Connection::open(path)?;
    // A client of this process that has just ended may still hold it for a moment; anybody else keeps it.
    connection.busy_timeout(BUSY)?;
    // Exclusive: a second process would send the same messages under the same identifiers.
    connection
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    let transaction = connection.transaction()?;
    match transaction.query_row("PRAGMA user_version", [], |row| row.get(0))? {
        0 => {
            transaction.execute_batch(SCHEMA)?;
            transaction.execute("INSERT INTO owner VALUES (?1)", [client_id])?;
        }
        FORMAT => {}
        other => return Err(format!("the outbox has format {other}, and only {FORMAT} is known").into()),
    }
    let owner: Option<String> = transaction
        .query_row("SELECT client_id FROM owner", [], |row| row.get(0))
        .optional()?;
    if owner.as_deref() != Some(client_id) {
        return Err(format!(
            "the outbox belongs to the client identifier {:?}",
            owner.unwrap_or_default()
        )
        .into());
    }
    transaction.execute_batch(WHOLE)?;
    let kept = read(&transaction)?;
    let next_sent = transaction.query_row("SELECT ifnull(max(sent), 0) + 1 FROM message", [], |row| row.get(0))?;
    transaction.commit()?;
    Ok((File { connection, next_sent }, kept))
}

fn read(transaction: &Transaction<'_>) -> Result<Kept, Box<dyn std::error::Error>> {
    let mut kept = Kept::default();
    let mut statement = transaction.prepare(
        "SELECT number, topic, payload, qos, retain, id, released FROM message ORDER BY sent IS NULL, sent, number",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number = u64::try_from(row.get::<_, i64>(0)?)?;
        let id = row.get::<_, Option<u16>>(5)?.and_then(PacketId::new);
        let outgoing = match (id, row.get::<_, bool>(6)?) {
            (Some(id), true) => Outgoing::Released(id),
            (id, _) => {
                let message = Message {
                    topic: TopicNameBuf::parse(&row.get::<_, String>(1)?)?,
                    payload: row.get::<_, Vec<u8>>(2)?.into(),
                    qos: QoS::from_bits(row.get(3)?).ok_or("a row has an unknown QoS")?,
                    retain: row.get(4)?,
                    packet_id: None,
                    dup: false,
                };
                id.map_or_else(
                    || Outgoing::Waiting(message.clone()),
                    |id| Outgoing::Sent(id, message.clone()),
                )
            }
        };
        kept.unfinished.push((number, outgoing));
        kept.next_number = kept.next_number.max(number);
    }
    kept.next_number += 1;
    kept.is_whole = transaction.query_row("SELECT EXISTS (SELECT * FROM whole)", [], |row| row.get(0))?;
    let mut statement = transaction.prepare("SELECT id FROM held")?;
    let ids = statement.query_map([], |row| row.get::<_, u16>(0))?;
    for id in ids {
        kept.held.extend(PacketId::new(id?));
    }
    Ok(kept)
}

impl File {
    fn commit(&mut self, notes: &[Note]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for note in notes {
            write(&transaction, note, &mut self.next_sent)?;
        }
        transaction.commit()
    }
}

fn write(transaction: &Transaction<'_>, note: &Note, next_sent: &mut i64) -> rusqlite::Result<()> {
    // Numbers begin at 1 in each file and go up by one: none is above what SQLite can hold.
    let row = |number: &u64| i64::try_from(*number).unwrap_or(i64::MAX);
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| transaction.prepare_cached(sql)?.execute(values).map(drop);
    match note {
        Note::Accepted { number, message } => run(
            "INSERT INTO message (number, topic, payload, qos, retain) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                row(number),
                message.topic.as_str(),
                &*message.payload,
                message.qos.bits(),
                message.retain
            ],
        ),
        Note::Sent { number, id } => {
            let place = *next_sent;
            *next_sent += 1;
            run(
                "UPDATE message SET id = ?2, sent = ?3 WHERE number = ?1",
                params![row(number), id.get(), place],
            )
        }
        Note::Released { number } => run(
            "UPDATE message SET released = 1, payload = x'' WHERE number = ?1",
            params![row(number)],
        ),
        Note::Done { number } => run("DELETE FROM message WHERE number = ?1", params![row(number)]),
        Note::Held(id) => run("INSERT OR IGNORE INTO held VALUES (?1)", params![id.get()]),
        Note::Freed(id) => run("DELETE FROM held WHERE id = ?1", params![id.get()]),
        Note::Anew => {
            run("INSERT OR IGNORE INTO whole VALUES (1)", &[])?;
            run("DELETE FROM held", &[])?;
            run("DELETE FROM message WHERE released = 1", &[])?;
            run("UPDATE message SET id = NULL, sent = NULL WHERE id IS NOT NULL", &[])
        }
    }
}

#[cfg(all(test, feature = "simulation"))]
mod alike;
