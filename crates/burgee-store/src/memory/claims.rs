//! False claims: operations that take a number or a name that somebody has.
//!
//! What must hold: this looks at all batches of a commit before any is applied, so that a commit is whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use super::state::State;
use crate::batch::{Batch, MessageNo, Op, SessionNo};
use crate::error::{Failure, Fault};

/// What the batches looked at so far change in who has what.
#[derive(Default)]
struct Outlook<'a> {
    deleted: BTreeSet<SessionNo>,
    created: BTreeMap<SessionNo, &'a str>,
    clients: BTreeMap<&'a str, SessionNo>,
    owed: BTreeSet<MessageNo>,
}

pub(super) fn check<'a>(state: &State, batches: impl Iterator<Item = &'a Batch>) -> Result<(), Failure> {
    let mut outlook = Outlook::default();
    for op in batches.flat_map(|batch| &batch.ops) {
        outlook.pass(state, op)?;
    }
    Ok(())
}

impl<'a> Outlook<'a> {
    fn pass(&mut self, state: &State, op: &'a Op) -> Result<(), Failure> {
        if let Op::SessionCreated { session, client_id, .. } = op {
            self.create(state, *session, client_id)?;
        }
        if let Op::SessionDeleted { session } = op {
            self.deleted.insert(*session);
            if let Some(client) = self.created.remove(session) {
                self.clients.remove(client);
            }
        }
        if let Op::Owed { message, .. } = op
            && (state.has_message(*message) || !self.owed.insert(*message))
        {
            return refuse(format!("message number {} was taken twice", message.0));
        }
        Ok(())
    }

    fn create(&mut self, state: &State, session: SessionNo, client_id: &'a str) -> Result<(), Failure> {
        if state.has_session(session) || self.created.contains_key(&session) {
            return refuse(format!("session number {} was taken twice", session.0));
        }
        let living = |held: &SessionNo| !self.deleted.contains(held);
        let old = state.session_of(client_id).filter(living);
        if old.or_else(|| self.clients.get(client_id).copied()).is_some() {
            return refuse(format!("client identifier {client_id:?} has a session already"));
        }
        self.created.insert(session, client_id);
        self.clients.insert(client_id, session);
        Ok(())
    }
}

fn refuse(what: String) -> Result<(), Failure> {
    Err(Failure::new(Fault::Ours, what))
}
