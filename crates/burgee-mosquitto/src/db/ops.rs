//! A snapshot as operations for an empty store.
//!
//! What must hold: a session stands before what it is owed; numbers begin at 1 and ascend; one body is in memory at a
//! time, besides those that the receiver holds.

use std::collections::VecDeque;
use std::io::{Read, Seek};
use std::sync::Arc;

use burgee_store::{Body, MessageNo, Op, Replay, SessionNo, Stage};

use super::error::DbError;
use super::gather::{Stored, Way};
use super::plan::Entry;
use super::snapshot::{Snapshot, changed};

/// See the module.
#[derive(Debug)]
pub struct Ops<R> {
    snapshot: Snapshot<R>,
    entries: Vec<Entry>,
    /// The next client, entry and retained message.
    client: usize,
    entry: usize,
    retained: usize,
    messages: u64,
    /// What the last step came to.
    ready: VecDeque<Op>,
}

impl<R: Read + Seek> Snapshot<R> {
    /// All of it as operations for an empty store: sessions, then what they are owed, then what is retained.
    #[must_use]
    pub fn ops(self) -> Ops<R> {
        Ops {
            entries: self.line_up(),
            snapshot: self,
            client: 0,
            entry: 0,
            retained: 0,
            messages: 0,
            ready: VecDeque::new(),
        }
    }
}

impl<R: Read + Seek> Ops<R> {
    /// Makes operations of the next client, message or retained message. Says whether there was one.
    fn step(&mut self) -> Result<bool, DbError> {
        if self.one_client() {
            return Ok(true);
        }
        if let Some(first) = self.entries.get(self.entry).copied() {
            self.one_message(first)?;
            return Ok(true);
        }
        let Some(message) = self.snapshot.retained().get(self.retained).copied() else {
            return Ok(false);
        };
        self.retained += 1;
        let stored = self.snapshot.stored(message)?;
        let body = self.body(&stored)?;
        let (qos, stamp) = (stored.qos, self.retained as u64);
        self.ready.push_back(if stored.payload == 0 {
            // A publisher who had not released it yet removes what was retained.
            Op::Unretained {
                topic: body.topic().into(),
                stamp,
                oldest: stamp,
            }
        } else {
            Op::Retained { body, qos, stamp }
        });
        Ok(true)
    }

    fn one_client(&mut self) -> bool {
        let Some(client) = self.snapshot.clients().get(self.client) else {
            return false;
        };
        let session = number(self.client);
        self.ready.push_back(Op::SessionCreated {
            session,
            client_id: client.name.clone(),
            user: client.user.clone(),
        });
        for (filter, qos) in &client.subscriptions {
            self.ready.push_back(Op::Subscribed {
                session,
                filter: filter.clone(),
                qos: *qos,
                replay: Replay::Done,
            });
        }
        for one in &client.unreleased {
            self.ready.push_back(Op::Received { session, id: one.id });
        }
        self.client += 1;
        true
    }

    fn one_message(&mut self, first: Entry) -> Result<(), DbError> {
        let rest = self.entries.get(self.entry..).unwrap_or_default();
        let receivers = rest.iter().take_while(|entry| entry.shares(&first)).count();
        let receivers: Vec<Entry> = rest.iter().take(receivers).copied().collect();
        self.entry += receivers.len();
        let stored = self.snapshot.stored(first.message())?;
        let body = self.body(&stored)?;
        self.messages += 1;
        let message = MessageNo(self.messages);
        self.ready.push_back(Op::Owed {
            message,
            body,
            retain: first.retain(),
            owing: receivers
                .iter()
                .map(|entry| (number(entry.client), entry.qos))
                .collect(),
        });
        for entry in receivers {
            let (id, stage) = match entry.way {
                Way::Waiting => continue,
                Way::Sent(id) => (id, Stage::Published),
                Way::Released(id) => (id, Stage::Released),
            };
            self.ready.push_back(Op::Delivery {
                session: number(entry.client),
                message,
                id,
                stage,
            });
        }
        Ok(())
    }

    fn body(&mut self, stored: &Stored) -> Result<Body, DbError> {
        let length = stored.topic.to_be_bytes();
        let mut bytes = self.snapshot.bytes(stored, length.len())?;
        bytes.splice(..length.len(), length);
        Body::parse(Arc::from(bytes)).map_err(|_| changed(stored.at))
    }
}

/// Sessions have the numbers of their places, from 1.
const fn number(place: usize) -> SessionNo {
    SessionNo(place as u64 + 1)
}

impl<R: Read + Seek> Iterator for Ops<R> {
    type Item = Result<Op, DbError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(op) = self.ready.pop_front() {
                return Some(Ok(op));
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
