//! What the law of the world says to a session: what it may not publish, subscribe to, or be sent.
//!
//! What must hold: nothing is sent that no law allows which was in force on its shard in that turn; what a law forbids
//! while it waits may be missing, and nothing else may. Deliberately absent: the law itself.

use std::collections::BTreeMap;

use burgee_codec::QoS;

use super::Oracle;
use super::state::{Conn, Session};
use crate::law::{Law, Who, Wish};
use crate::net::LinkId;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Laws {
    /// All laws of this world; none: nothing is ever forbidden.
    all: Vec<Law>,
    /// The one that the broker was started with.
    first: usize,
    /// Which one is in force on each shard, if that was replaced.
    in_force: BTreeMap<u16, usize>,
    /// Those that were replaced in this turn.
    replaced: Vec<usize>,
}

impl Laws {
    pub(super) fn new(all: Vec<Law>) -> Self {
        Self { all, ..Self::default() }
    }

    pub(super) const fn are_any(&self) -> bool {
        !self.all.is_empty()
    }

    /// The broker has crashed, and is started with this law.
    pub(super) fn begin_anew(&mut self, number: usize) {
        self.first = number;
        self.in_force.clear();
        self.replaced.clear();
    }

    fn on(&self, shard: u16) -> usize {
        self.in_force.get(&shard).copied().unwrap_or(self.first)
    }

    /// Whether those who publish too fast are slowed on a shard: in every law but the last.
    pub(super) fn have_rates(&self, shard: u16) -> bool {
        self.on(shard) + 1 < self.all.len()
    }

    /// The QoS up to which something is allowed on a shard.
    pub(super) fn allow(&self, shard: u16, (who, wish): (Who<'_>, Wish), name: &str) -> Option<QoS> {
        let law = self.all.get(self.on(shard));
        law.map_or(Some(QoS::ExactlyOnce), |law| law.allows(who, wish, name))
    }

    /// Whether a session may not be sent this now.
    pub(super) fn forbid(&self, session: &Session, topic: &str) -> bool {
        let shard = session.shard.unwrap_or_default();
        self.are_any() && self.allow(shard, (session.who(), Wish::Receive), topic).is_none()
    }
}

impl Oracle {
    /// From here on another law is in force on this shard.
    pub(super) fn new_law(&mut self, number: usize) {
        self.laws.replaced.push(self.laws.on(self.shard));
        self.laws.in_force.insert(self.shard, number);
        let shard = self.shard;
        self.excuse_forbidden(|other| other == shard);
    }

    /// What the law forbids, and waits on one of these shards, may be missing.
    pub(super) fn excuse_forbidden(&mut self, here: impl Fn(u16) -> bool) {
        let (laws, messages) = (&self.laws, &self.messages);
        for session in self.sessions.iter_mut().filter(|session| !session.dead) {
            let Some(shard) = session.shard.filter(|shard| here(*shard)) else {
                continue;
            };
            let (client, user) = (session.client.clone(), session.user.clone());
            let who = Who {
                client: &client,
                user: user.as_deref(),
            };
            let forbidden = |topic: &str| laws.allow(shard, (who, Wish::Receive), topic).is_none();
            for owed in &mut session.owed {
                owed.optional |= messages
                    .get(owed.message)
                    .is_some_and(|message| forbidden(&message.topic));
            }
            for replay in &mut session.replays {
                for (topic, wanted) in &mut replay.wanted {
                    wanted.optional |= forbidden(topic);
                }
            }
        }
    }

    /// Whether a client may publish this now.
    pub(super) fn may_publish(&self, who: Who<'_>, topic: &str, qos: QoS) -> bool {
        let most = self.laws.allow(self.shard, (who, Wish::Publish), topic);
        most.is_some_and(|most| qos <= most)
    }

    /// # Errors
    /// No law that was in force in this turn allows it to be sent.
    pub(super) fn check_law(&mut self, link: LinkId, topic: &str) -> Result<(), String> {
        if !self.laws.are_any() {
            return Ok(());
        }
        let Some(who) = self.conns.get(&link).map(Conn::who) else {
            return Ok(());
        };
        let now = self.laws.allow(self.shard, (who, Wish::Receive), topic).is_some();
        let mut replaced = self
            .laws
            .replaced
            .iter()
            .filter_map(|number| self.laws.all.get(*number));
        if now || replaced.any(|law| law.allows(who, Wish::Receive, topic).is_some()) {
            return Ok(());
        }
        Err("the rules forbid that this is sent".to_owned())
    }

    pub(super) fn end_of_laws(&mut self) {
        self.laws.replaced.clear();
    }
}
