//! A message on its way to everybody: what is known of it at each step, as values.
//!
//! What must hold: an answer is made once and used once. Deliberately absent: what is done with them; see `publish`.

use std::sync::Arc;

use burgee_codec::{PacketId, QoS};
use burgee_router::{Recipient, Route};

use crate::io::ConnKey;
use crate::message::Message;
use crate::sessions::SessionKey;

/// A PUBLISH of a client, as far as it matters once its topic is known.
#[derive(Copy, Clone)]
pub(crate) struct Arrived {
    pub(crate) conn: ConnKey,
    /// The publisher's session.
    pub(crate) key: SessionKey,
    pub(crate) qos: QoS,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) payload_len: usize,
}

/// What was decided about a message before its copies are made.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// One member of each shared group, and the number under which it is owed the message.
    pub(crate) picks: Vec<(Recipient, u64)>,
    /// The number under which everybody else is owed it; 0: nobody is whose session is kept.
    pub(crate) number: u64,
    /// The batch that has to be durable before the message is acknowledged; 0: none.
    pub(crate) need: u64,
}

impl Plan {
    /// Whether a session that is kept is owed the message.
    pub(crate) fn is_owed(&self) -> bool {
        self.number > 0 || self.picks.iter().any(|(_, number)| *number > 0)
    }
}

/// A fan-out that goes on in later turns.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) message: Message,
    pub(crate) route: Arc<Route>,
    pub(crate) plan: Plan,
    pub(crate) next: usize,
    /// Who is not read until the last copy is made.
    pub(crate) publisher: Option<ConnKey>,
    /// What follows the last copy.
    pub(crate) answer: Option<Answer>,
    /// It has waited for the store, and what is parked behind it waits for it.
    pub(crate) was_parked: bool,
    /// It is a will that must not come twice, and comes again after a restart that finds it in the store.
    pub(crate) once: bool,
}

/// How long a message of the broker itself waits before anybody gets it.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Wait {
    /// Not for others.
    No,
    /// For what its client has sent before.
    Others,
    /// Until the store has forgotten it, for it must not come twice.
    Once,
}

/// PUBACK or PUBREC, due.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) conn: ConnKey,
    pub(crate) qos: QoS,
    pub(crate) id: PacketId,
    /// The batch that has to be durable before.
    pub(crate) need: u64,
    /// It has waited for that, and what is still parked comes after it.
    pub(crate) is_next: bool,
}
