//! A store as a broker leaves it that many clients have left: sessions with subscriptions, and what they are owed.

use std::error::Error;
use std::path::Path;

use burgee_codec::{QoS, TopicFilter, TopicName};
use burgee_store::{Batch, Body, MessageNo, Op, Replay, SessionNo, Source, Store};
use burgee_store_sqlite::{Settings, SqliteStore, SyncPolicy};

/// Operations in one commit.
const GROUP: u64 = 10_000;

/// Fills an empty store.
pub(crate) fn fill(directory: &Path, sessions: u64, messages: u64, payload: usize) -> Result<(), Box<dyn Error>> {
    let settings = Settings {
        sync: SyncPolicy::Write,
    };
    let mut store = SqliteStore::open(directory, settings)?;
    store.recover()?;
    let payload = vec![0x5a; payload];
    let mut number = 0;
    let mut commit = |ops: Vec<Op>| -> Result<(), Box<dyn Error>> {
        number += 1;
        store.submit(Batch {
            source: Source(0),
            number,
            ops,
        })?;
        store.commit(&mut Vec::new())?;
        Ok(())
    };
    for first in (0..sessions).step_by(usize::try_from(GROUP)?) {
        let mut ops = Vec::new();
        for session in first..sessions.min(first + GROUP) {
            ops.push(Op::SessionCreated {
                user: None,
                session: SessionNo(session + 1),
                client_id: format!("queued-{session}").into(),
            });
            ops.push(Op::Subscribed {
                replay: Replay::Done,
                session: SessionNo(session + 1),
                filter: TopicFilter::parse(&format!("queued/{session}"))?.into(),
                qos: QoS::AtLeastOnce,
            });
        }
        commit(ops)?;
    }
    for first in (0..messages).step_by(usize::try_from(GROUP)?) {
        let mut ops = Vec::new();
        for message in first..messages.min(first + GROUP) {
            let session = message % sessions.max(1);
            let topic = format!("queued/{session}");
            ops.push(Op::Owed {
                message: MessageNo(message + 1),
                body: Body::of(TopicName::parse(&topic)?, &payload),
                retain: false,
                owing: [(SessionNo(session + 1), QoS::AtLeastOnce)].into(),
            });
        }
        commit(ops)?;
    }
    Ok(())
}
