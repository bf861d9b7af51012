//! What one shard has to do with logins: it hands on what its core asks, keeps whom an answer is still owed to, and ends
//! connections whose time is up.
//!
//! What must hold: one answer for each ask; who has gone is not checked any more; no more is kept than there are
//! connections. A client that only stopped sending may have sent all that it wanted, so it is no less owed its answer.
//! Deliberately absent: threads.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use burgee_auth::{Answer, Asked, Outcome, Wanted};
use burgee_core::io::{Admission, Ask, ConnKey, ShardId, Verdict};
use burgee_protocol::Time;

use crate::logins::{Known, Logins};
use crate::reading::News;
use crate::rights;

/// Why a connection ends that was let in for a time.
const OVER: &str = "what let it in has expired";

/// See the module.
#[derive(Default)]
pub(crate) struct LoginDesk {
    shard: ShardId,
    logins: Option<Arc<Logins>>,
    /// With the users that there were when it was asked.
    waiting: HashMap<ConnKey, (Wanted, u64)>,
    /// Who has to go when, both ways round.
    until: HashMap<ConnKey, Time>,
    due: BTreeSet<(Time, ConnKey)>,
}

impl LoginDesk {
    pub(crate) fn new(shard: ShardId, logins: Arc<Logins>) -> Self {
        Self {
            shard,
            logins: Some(logins),
            ..Self::default()
        }
    }

    /// What all shards share of it.
    pub(crate) fn logins(&self) -> Option<&Logins> {
        self.logins.as_deref()
    }

    /// Nobody is to be told that a connection ended.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.until.is_empty()
    }

    /// Hands on what the core asks. What is known at once is answered at once.
    pub(crate) fn take(&mut self, now: Time, ask: Ask, known: Known, news: &mut News) {
        let conn = ask.conn;
        let Some(logins) = &self.logins else {
            refuse(conn, news);
            return;
        };
        // Before it is asked: what is replaced behind that is noticed.
        let generation = logins.generation();
        match logins.ask(self.shard, ask, known) {
            Asked::Now(outcome) => self.settle(now, conn, outcome, news),
            Asked::Later(wanted) => {
                self.waiting.insert(conn, (wanted, generation));
            }
        }
    }

    /// Passes on what came later.
    pub(crate) fn hear(&mut self, now: Time, outcomes: &mut Vec<(ConnKey, Outcome)>, news: &mut News) {
        for (conn, outcome) in outcomes.drain(..) {
            // Who has gone meanwhile hears nothing; its key names nobody else.
            let Some((_, asked_of)) = self.waiting.remove(&conn) else {
                continue;
            };
            let current = self.logins.as_ref().map(|logins| logins.generation()) == Some(asked_of);
            if current || matches!(outcome, Outcome::Refused(_)) {
                self.settle(now, conn, outcome, news);
            } else {
                // It may be from users that were replaced on its way here. The client may come again.
                refuse(conn, news);
            }
        }
    }

    /// A connection is at its end, or was lost: nothing of it is wanted any more.
    pub(crate) fn left(&mut self, conn: ConnKey) {
        self.waiting.remove(&conn);
        if let Some(at) = self.until.remove(&conn) {
            self.due.remove(&(at, conn));
        }
    }

    /// The connection of somebody who waits is lost.
    pub(crate) fn give_up(&mut self, conn: ConnKey, news: &mut News) {
        if self.waiting.remove(&conn).is_some() {
            refuse(conn, news);
        }
    }

    /// When the next one has to go.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Sends away whose time is up.
    pub(crate) fn end_expired(&mut self, now: Time, news: &mut News) {
        while let Some(&(at, conn)) = self.due.first()
            && at <= now
        {
            self.left(conn);
            news.kicks.push_back((conn, OVER));
        }
    }

    fn settle(&mut self, now: Time, conn: ConnKey, outcome: Outcome, news: &mut News) {
        let grant = match outcome {
            Outcome::Admitted(grant) => grant,
            Outcome::Refused(refusal) => {
                let code = code(refusal.answer());
                news.verdicts.push_back((conn, Verdict::Refused(code)));
                return;
            }
        };
        let client_rules = match rights::shared(grant.rights.as_deref(), grant.by) {
            Ok(rules) => rules,
            Err(why) => {
                tracing::warn!(by = %grant.by, %why, "a client is not let in: a topic filter that came with its login is none");
                let code = code(Answer::NotAuthorized);
                news.verdicts.push_back((conn, Verdict::Refused(code)));
                return;
            }
        };
        if let Some(until) = grant.until {
            let left = until.duration_since(SystemTime::now()).unwrap_or_default();
            let at = now + left;
            self.until.insert(conn, at);
            self.due.insert((at, conn));
        }
        let admission = Admission {
            user: grant.user,
            client_rules,
            ..Admission::default()
        };
        news.verdicts.push_back((conn, Verdict::Admitted(admission)));
    }
}

fn refuse(conn: ConnKey, news: &mut News) {
    news.verdicts
        .push_back((conn, Verdict::Refused(code(Answer::Unavailable))));
}

/// The return code of CONNACK.
const fn code(answer: Answer) -> u8 {
    match answer {
        Answer::Unavailable => 3,
        Answer::BadCredentials => 4,
        Answer::NotAuthorized => 5,
    }
}
