//! Who comes in, as whom, and who has to go: logins, limits of connections, and fights over an identifier.
//!
//! What must hold: nobody is let in without a verdict, by one from before a reload, beyond a limit, or into the session of
//! another user; who is refused is told why in the right code; a reload sends away whom it names, and nobody else; who fights
//! waits exactly as long as the settings say, and is let in then. Deliberately absent: topics; see `lawful`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burgee_codec::{Connect, Versions};
use burgee_core::Counters;
use burgee_core::io::ListenerNo;

use super::state::{Cause, Conn, Session, SessionNo};
use super::waits::Told;
use super::{Oracle, Turn, Verdict};
use crate::house::{Edition, House, listener_of, spoken};
use crate::net::LinkId;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Door {
    house: Option<Arc<House>>,
    /// The edition that the broker was started with.
    first: usize,
    /// Which edition is in force on each shard, if there was a reload.
    in_force: BTreeMap<u16, usize>,
    /// Takeovers of an identifier, and since when they are counted.
    fights: BTreeMap<String, (u64, u32)>,
    /// What the broker is to have counted.
    counted: Counted,
}

#[derive(Debug, Default)]
struct Counted {
    kicked: u64,
    fights: u64,
    identifiers: u64,
    connections: u64,
}

impl Door {
    pub(super) fn new(house: Option<Arc<House>>) -> Self {
        Self {
            house,
            ..Self::default()
        }
    }

    /// What holds on a shard. `None`: everybody may come in.
    fn edition(&self, shard: u16) -> Option<&Edition> {
        let number = self.in_force.get(&shard).copied().unwrap_or(self.first);
        self.house.as_ref()?.editions.get(number).map(|(_, edition)| edition)
    }

    /// The broker has crashed, and is started with these settings: it knows nothing of who fought.
    pub(super) fn begin_anew(&mut self, edition: usize) {
        self.first = edition;
        self.in_force.clear();
        self.fights.clear();
    }

    /// The largest packet of a connection, and the versions that it may begin with.
    pub(super) fn bounds(&self, shard: u16, link: LinkId, user: Option<&str>) -> (u32, Versions) {
        let door = listener_of(link);
        self.edition(shard).map_or((u32::MAX, spoken()), |edition| {
            (edition.packet_of(user, door), edition.versions(door))
        })
    }

    /// Subscriptions that a session may have.
    pub(super) fn subscriptions(&self, shard: u16, link: LinkId, user: Option<&str>) -> usize {
        let edition = self.edition(shard);
        edition.map_or(usize::MAX, |edition| edition.subscriptions_of(user, listener_of(link)))
    }
}

impl Oracle {
    /// A shard heard of a connection.
    pub(super) fn arrived(&mut self, link: LinkId) {
        let (now, shard) = (self.now, self.shard);
        if let Some(conn) = self.conns.get_mut(&link) {
            conn.shard = shard;
            conn.waits.here = now;
        }
    }

    /// A verdict came. For a connection that is over it means nothing.
    pub(super) fn was_told(&mut self, link: LinkId, told: &Told) {
        if let Some(conn) = self.conns.get_mut(&link)
            && std::mem::take(&mut conn.waits.asked)
        {
            conn.waits.told = Some(told.clone());
        }
    }

    /// Other settings hold on this shard: who has no place goes, as the shard says it, and nobody else.
    pub(super) fn new_edition(&mut self, number: usize, turn: &Turn) -> Verdict {
        let Some(house) = self.door.house.clone() else {
            return Ok(());
        };
        self.door.in_force.insert(self.shard, number);
        let banned = house.banned(number);
        let mut named = BTreeSet::new();
        for (link, conn) in &mut self.conns {
            if conn.shard != turn.shard || conn.closed.is_some() || turn.moves.contains(link) {
                continue;
            }
            let listener = ListenerNo(u16::try_from(listener_of(*link)).unwrap_or(0));
            let goes = match (&conn.user, conn.session) {
                (_, None) => false,
                (Some(user), Some(_)) => banned.users.contains(&**user),
                (None, Some(_)) => banned.nameless.contains(&listener),
            };
            if goes || banned.listeners.contains(&listener) {
                named.insert(*link);
            }
            // What was said by the old users is not worth anything.
            conn.waits.told = None;
        }
        let told: BTreeSet<LinkId> = turn.dismissed.iter().copied().collect();
        if let Some(link) = told.symmetric_difference(&named).next() {
            let who = self.conns.get(link).map(|conn| (&conn.client, &conn.user));
            let what = if named.contains(link) { "stays" } else { "is sent away" };
            return Err(format!("a reload names {banned:?}, and link {link} ({who:?}) {what}"));
        }
        self.tally.dismissed += named.len() as u64;
        for link in &turn.dismissed {
            self.door.counted.kicked += 1;
            self.must_close.insert(*link);
            self.ends(*link, Cause::Kicked)?;
        }
        Ok(())
    }

    /// As whom a client comes in, or the code of its refusal. `None`: that is not known yet.
    pub(super) fn admission(&self, link: LinkId, connect: &Connect<'_>) -> Option<Result<Option<String>, u8>> {
        let Some(edition) = self.door.edition(self.shard) else {
            return Some(Ok(None));
        };
        if !self.has_room(connect.client_id, edition) {
            return Some(Err(3));
        }
        match self.conns.get(&link)?.waits.told.as_ref()? {
            Told::Refused(code @ 2..=5) => Some(Err(*code)),
            Told::Refused(_) => Some(Err(5)),
            Told::Admitted(user) if self.is_free(connect.client_id, user.as_deref()) => Some(Ok(user.clone())),
            Told::Admitted(_) => Some(Err(2)),
        }
    }

    /// A client that is here already takes nobody's place, nor does its session.
    fn has_room(&self, client: &str, edition: &Edition) -> bool {
        let here = |conn: &&Conn| conn.shard == self.shard && conn.session.is_some() && conn.closed.is_none();
        let connected = self.conns.values().filter(here).count();
        let alive = self.sessions.iter().filter(|session| !session.dead);
        let sessions = alive.filter(|session| session.shard == Some(self.shard)).count();
        let known = self.by_client.get(client).and_then(|number| self.sessions.get(*number));
        let is_here = known.is_some_and(|session| session.conn.is_some());
        (known.is_some() || sessions < edition.sessions) && (is_here || connected < edition.connections)
    }

    fn is_free(&self, client: &str, user: Option<&str>) -> bool {
        let known = self.by_client.get(client).and_then(|number| self.sessions.get(*number));
        let gives_away = self.door.edition(self.shard).is_some_and(|edition| edition.gives_away);
        let free = |session: &Session| gives_away && session.user.is_none();
        known.is_none_or(|session| free(session) || session.user.as_deref() == user)
    }

    /// A session is this user's from here on, if it was nobody's.
    pub(super) fn belongs_to(&mut self, number: SessionNo, link: LinkId, user: Option<&str>) {
        let now = self.now;
        let session = self.session(number);
        if session.user.as_deref() == user {
            return;
        }
        session.user = user.map(str::to_owned);
        session.kept.owner.change(session.user.clone(), now, link as u64);
        self.tally.claimed += 1;
    }

    /// Whether a user has a connection to spare. One that is taken over makes room.
    pub(super) fn may_enter(&self, client: &str, user: Option<&str>) -> bool {
        let (Some(edition), Some(user)) = (self.door.edition(self.shard), user) else {
            return true;
        };
        let open = self.conns.values().filter(|conn| conn.closed.is_none());
        let theirs = open.filter(|conn| conn.session.is_some() && conn.user.as_deref() == Some(user));
        let most = edition.of_user.saturating_add(u32::from(self.is_held(client)));
        theirs.count() < usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// Whether a client under this identifier is here.
    fn is_held(&self, client: &str) -> bool {
        let known = self.by_client.get(client).and_then(|number| self.sessions.get(*number));
        known.is_some_and(|session| session.conn.is_some())
    }

    /// A CONNECT was looked at. `taken`: it was answered; else somebody has to be asked, or it fights.
    ///
    /// # Errors
    /// It was answered too early, or waits for nothing.
    pub(super) fn looked_at(&mut self, link: LinkId, connect: &Connect<'_>, taken: bool, asks: bool) -> Verdict {
        if self.door.house.is_none() {
            return Ok(());
        }
        match self.admission(link, connect) {
            None if taken => Err(format!("link {link} is let in, and nobody has said that it may come")),
            None => match self.conns.get_mut(&link) {
                // The disk may have to be waited for first.
                Some(conn) if asks => {
                    conn.waits.asked = true;
                    Ok(())
                }
                _ if self.rules.durable => Ok(()),
                _ => Err(format!("nobody is asked whether link {link} may come in")),
            },
            Some(_) if asks => Err(format!(
                "it is known whether link {link} may come in, and somebody is asked"
            )),
            Some(Err(code)) => {
                let other = matches!(
                    self.conns.get(&link).map(|conn| &conn.waits.told),
                    Some(Some(Told::Admitted(_)))
                );
                // Where it waits for the disk, it is not refused yet.
                self.door.counted.identifiers += u64::from(taken && code == 2 && other);
                Ok(())
            }
            Some(Ok(user)) if user.as_deref() != connect.user_name => Err(format!(
                "link {link} comes in as {user:?}, and said {:?}",
                connect.user_name
            )),
            Some(Ok(_)) => self.fights(link, connect.client_id, taken),
        }
    }

    /// Where an identifier is taken over again and again, the newcomer waits before it gets it.
    fn fights(&mut self, link: LinkId, client: &str, taken: bool) -> Verdict {
        let (now, held) = (self.now, self.is_held(client));
        let timeout = self.rules.connect_timeout;
        let Some(rules) = self.door.edition(self.shard).map(|edition| edition.fights) else {
            return Ok(());
        };
        let Some(conn) = self.conns.get_mut(&link) else {
            return Ok(());
        };
        let mut wait = None;
        if rules.takeovers > 0 && held && conn.waits.until.is_none() {
            let fight = self.door.fights.entry(client.to_owned()).or_insert((now, 0));
            if now - fight.0 >= rules.within_ms {
                *fight = (now, 0);
            }
            fight.1 += 1;
            let beyond = fight.1.checked_sub(rules.takeovers);
            self.door.counted.fights += u64::from(beyond == Some(0));
            wait = beyond.filter(|_| rules.slow_ms > 0);
        }
        if let Some(beyond) = wait {
            let doubled = rules.slow_ms << beyond.min(16);
            conn.waits.until = Some(now + doubled.min(timeout / 2));
            self.tally.fights += 1;
            return if taken {
                Err(format!("link {link} fights for {client:?} and does not have to wait"))
            } else {
                Ok(())
            };
        }
        if !taken && !self.rules.durable {
            return Err(format!("link {link} has to wait for {client:?}, and does not fight"));
        }
        match conn.waits.until {
            Some(until) if taken && now < until => Err(format!("link {link} was to wait until {until} for {client:?}")),
            _ => Ok(()),
        }
    }

    /// The user has as many connections as it may.
    pub(super) const fn count_denied(&mut self) {
        self.door.counted.connections += 1;
    }

    /// Nobody had to wait so long that its time was over.
    pub(super) fn check_lost(&self, link: LinkId) -> Verdict {
        let waits = self.conns.get(&link).map(|conn| &conn.waits);
        match waits {
            Some(waits) if waits.until.is_some() && matches!(waits.told, Some(Told::Admitted(_))) => {
                Err(format!("link {link} had to wait, and is not let in: {waits:?}"))
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// The broker has counted something else.
    pub(super) fn check_door(&self, counters: &Counters) -> Verdict {
        if self.door.house.is_none() {
            return Ok(());
        }
        let counted = &self.door.counted;
        for (name, seen, expected) in [
            ("kicked", counters.kicked, counted.kicked),
            ("fights", counters.fights, counted.fights),
            ("denied_identifiers", counters.denied_identifiers, counted.identifiers),
            ("denied_connections", counters.denied_connections, counted.connections),
        ] {
            if seen != expected {
                return Err(format!("{name} is counted as {seen}, it is {expected}"));
            }
        }
        Ok(())
    }
}
