//! Who may come into a world's broker, and what its settings limit: users, doors, fights, and how all that changes.
//!
//! What must hold: an edition of the settings is plain data, which the broker is given as a reload and the oracle reads as it
//! stands. A client keeps its user for good, or it could not come back to its session; who had none may get one where what
//! the nameless left is given away. Deliberately absent: rules for topics;
//! see `law`.

use std::collections::BTreeSet;

use burgee_access::Users;
use burgee_codec::{Version, Versions};
use burgee_core::io::{Banned, ListenerNo};
use burgee_core::{Config, Fights, ListenerPolicy, Policy, Rate, UserLimits};

use crate::net::LinkId;
use crate::rng::Rng;

/// Users that there may be.
pub const USERS: u64 = 3;
/// Every user's.
pub const PASSWORD: &[u8] = b"sesame";

/// See the module.
#[derive(Clone, Debug)]
pub struct House {
    /// Each client's user.
    pub users: Vec<Option<String>>,
    /// Settings, and when they come into force.
    pub editions: Vec<(u64, Edition)>,
    /// From this edition on nobody comes in without a name, and whoever had none has got one.
    naming: Option<usize>,
}

/// What holds for a time.
#[derive(Clone, Debug)]
pub struct Edition {
    /// Those who may log in.
    pub users: BTreeSet<String>,
    /// Whether one may come without a name, by the listener.
    pub nameless: [bool; 2],
    /// What belongs to those without a name is whose who comes for it first.
    pub gives_away: bool,
    /// The second listener is there.
    pub open: bool,
    /// Connections of one user.
    pub of_user: u32,
    /// Connections of one shard.
    pub connections: usize,
    /// Sessions of one shard.
    pub sessions: usize,
    /// Subscriptions of one session: of those with a name, and of those on the second listener.
    pub subscriptions: [usize; 2],
    /// Bytes of a packet, likewise.
    pub packet: [u32; 2],
    /// What is done about fights.
    pub fights: Fights,
}

/// The listener that a connection comes in by.
#[must_use]
pub const fn listener_of(link: LinkId) -> usize {
    link % 2
}

impl House {
    /// For so many clients; the settings change at these times, the last time to such that forbid nothing.
    #[must_use]
    pub fn draw(rng: &mut Rng, devices: usize, times: &[u64], fights: bool) -> Self {
        let name = |rng: &mut Rng| rng.percent(75).then(|| format!("u{}", rng.below(USERS)));
        let users = (0..devices).map(|_| name(rng)).collect();
        let limited = rng.percent(50);
        let mut editions: Vec<_> = times
            .iter()
            .map(|at| (*at, Edition::draw(rng, limited, fights)))
            .collect();
        if let Some((_, last)) = editions.last_mut() {
            *last = Edition::open();
        }
        Self {
            users,
            editions,
            naming: None,
        }
    }

    /// Many have no name, but from one of its editions on everybody has one. Says when that is.
    pub fn give_names(&mut self, rng: &mut Rng) -> Option<u64> {
        let last = self.editions.len().checked_sub(1).filter(|last| *last > 0)?;
        for user in &mut self.users {
            *user = user.take().filter(|_| rng.percent(40));
        }
        let first = rng.size(1, last);
        for (_, edition) in self.editions.iter_mut().skip(first) {
            (edition.nameless, edition.gives_away) = ([false; 2], true);
        }
        self.naming = Some(first);
        self.editions.get(first).map(|(at, _)| *at)
    }

    /// Whether there is a time from which on everybody has a name.
    #[must_use]
    pub const fn names_everybody(&self) -> bool {
        self.naming.is_some()
    }

    /// A client's user, and from when on.
    #[must_use]
    pub fn user_of(&self, client: usize) -> Option<(u64, String)> {
        if let Some(user) = self.users.get(client)? {
            return Some((0, user.clone()));
        }
        let (at, _) = self.editions.get(self.naming?)?;
        Some((*at, format!("u{}", client as u64 % USERS)))
    }

    /// The edition that is in force outside of the shards, and its number.
    #[must_use]
    pub fn at(&self, now: u64) -> Option<(usize, &Edition)> {
        let begun = self.editions.iter().take_while(|(at, _)| *at <= now).count();
        let number = begun.saturating_sub(1);
        self.editions.get(number).map(|(_, edition)| (number, edition))
    }

    /// Who has no place any more when this edition comes into force.
    #[must_use]
    pub fn banned(&self, number: usize) -> Banned {
        let edition = |number: usize| self.editions.get(number).map(|(_, edition)| edition);
        let (Some(old), Some(new)) = (number.checked_sub(1).and_then(edition), edition(number)) else {
            return Banned::default();
        };
        let shut = |(old, new): (&bool, &bool)| *old && !*new;
        let doors = (0..).zip(old.nameless.iter().zip(&new.nameless));
        Banned {
            listeners: (old.open && !new.open).then_some(ListenerNo(1)).into_iter().collect(),
            users: old
                .users
                .difference(&new.users)
                .map(|user| user.as_str().into())
                .collect(),
            nameless: doors
                .filter(|(_, doors)| shut(*doors))
                .map(|(number, _)| ListenerNo(number))
                .collect(),
        }
    }
}

impl Edition {
    /// Everybody is there, and nothing is limited.
    fn open() -> Self {
        Self {
            users: (0..USERS).map(|number| format!("u{number}")).collect(),
            nameless: [true; 2],
            gives_away: false,
            open: true,
            of_user: u32::MAX,
            connections: usize::MAX,
            sessions: usize::MAX,
            subscriptions: [usize::MAX; 2],
            packet: [u32::MAX; 2],
            fights: Fights {
                takeovers: 0,
                ..Fights::default()
            },
        }
    }

    fn draw(rng: &mut Rng, limited: bool, fights: bool) -> Self {
        let mut edition = Self::open();
        edition.users.retain(|_| rng.percent(75));
        edition.nameless = [rng.percent(75), rng.percent(75)];
        edition.open = rng.percent(85);
        if fights {
            edition.fights = Fights {
                takeovers: *rng.pick(&[1, 2, 3]),
                within_ms: *rng.pick(&[500, 3_000, 60_000]),
                slow_ms: *rng.pick(&[0, 20, 300]),
            };
        }
        if limited {
            edition.of_user = *rng.pick(&[1, 2, u32::MAX]);
            edition.connections = *rng.pick(&[1, 2, usize::MAX]);
            edition.sessions = *rng.pick(&[1, 3, usize::MAX]);
            edition.subscriptions = [*rng.pick(&[1, 3, usize::MAX]), *rng.pick(&[0, 2, usize::MAX])];
            edition.packet = [*rng.pick(&[60, 200, u32::MAX]), *rng.pick(&[80, 1_000, u32::MAX])];
        }
        edition
    }

    /// The same for the broker, with what else holds.
    #[must_use]
    pub fn to_config(&self, config: &Config, policy: &Policy, rate: Option<Rate>) -> Config {
        let listener = |limited: bool, open: bool| ListenerPolicy {
            ask: true,
            versions: if open { spoken() } else { Versions::NONE },
            max_subscriptions: if limited { self.subscriptions[1] } else { usize::MAX },
            max_packet_bytes: if limited { self.packet[1] } else { u32::MAX },
            ..ListenerPolicy::default()
        };
        let limits = |users| UserLimits {
            publish: rate.unwrap_or_default(),
            ..UserLimits::new(users)
        };
        let named = UserLimits {
            max_connections: self.of_user,
            max_subscriptions: self.subscriptions[0],
            max_packet_bytes: self.packet[0],
            ..limits(Users::Named)
        };
        let policy = Policy {
            nameless: !self.gives_away,
            listeners: vec![listener(false, true), listener(true, self.open)],
            rules: policy.rules.clone(),
            limits: vec![named, limits(Users::Everybody)],
            fights: self.fights,
        };
        Config {
            max_connections: self.connections,
            max_sessions: self.sessions,
            policy: std::sync::Arc::new(policy),
            ..config.clone()
        }
    }

    /// Subscriptions that a session may have.
    #[must_use]
    pub fn subscriptions_of(&self, user: Option<&str>, listener: usize) -> usize {
        least(user, listener, self.subscriptions, usize::MAX)
    }

    /// Bytes that a packet may have.
    #[must_use]
    pub fn packet_of(&self, user: Option<&str>, listener: usize) -> u32 {
        least(user, listener, self.packet, u32::MAX)
    }

    /// The versions that are spoken on a listener.
    #[must_use]
    pub fn versions(&self, listener: usize) -> Versions {
        if listener == 1 && !self.open {
            Versions::NONE
        } else {
            spoken()
        }
    }
}

/// What an open door speaks.
#[must_use]
pub const fn spoken() -> Versions {
    Versions::NONE.with(Version::V31).with(Version::V311)
}

fn least<T: Ord + Copy>(user: Option<&str>, listener: usize, [named, second]: [T; 2], most: T) -> T {
    let by_user = if user.is_some() { named } else { most };
    let by_door = if listener == 1 { second } else { most };
    by_user.min(by_door)
}
