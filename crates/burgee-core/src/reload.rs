//! One verb: other settings hold from here on.
//!
//! What must hold: whoever is not named by the change stays connected, with all that is under way. What the change names
//! is closed in this turn, and told; nobody comes in by a verdict from before. Deliberately absent: what needs a restart; see [`Config::reloaded`].

use std::sync::Arc;

use crate::conns::State;
use crate::io::{Banned, ConnKey, Dismissed, Effects, Reload};
use crate::sessions::shown;
use crate::state::Shard;

/// Its listener was taken out of the settings.
const NO_LISTENER: &str = "its listener was removed from the settings";
/// Its user was removed, or has another password.
const NO_USER: &str = "its user was removed or changed in the settings";
/// It has no user, and its listener wants one now.
const NO_NAME: &str = "anonymous clients are not let in on its listener any more";

impl Shard {
    /// See [`Reload`].
    pub(crate) fn reload(&mut self, reload: &Reload, fx: &mut Effects) {
        self.config = Arc::new(self.config.reloaded(&reload.config));
        self.obey(Arc::clone(&reload.config.policy));
        let mut dismissed = Vec::new();
        for conn in self.conns.keys() {
            // By the old users, and with rights of the old settings: who is not in yet is asked about again.
            if let Some(State::Awaiting(newcomer)) = self.conns.get_mut(conn).map(|conn| &mut conn.state) {
                newcomer.verdict = None;
            }
            if let Some(why) = self.is_banned(conn, &reload.banned) {
                dismissed.push(Dismissed {
                    conn,
                    client_id: self.client_of(conn),
                    why,
                });
                self.kick(conn, why, fx);
            }
        }
        fx.dismissed = Some(dismissed);
    }

    fn is_banned(&self, conn: ConnKey, banned: &Banned) -> Option<&'static str> {
        let known = self.conns.get(conn)?;
        if banned.listeners.contains(&known.listener()) {
            return Some(NO_LISTENER);
        }
        let State::Open(open) = &known.state else {
            return None;
        };
        match self.sessions.user(open.session) {
            Some(user) => banned.users.contains(user).then_some(NO_USER),
            None => banned.nameless.contains(&open.listener).then_some(NO_NAME),
        }
    }

    fn client_of(&self, conn: ConnKey) -> Option<Box<str>> {
        let open = self.conns.get(conn)?.open()?;
        self.sessions.client_id(open.session).map(shown)
    }
}
