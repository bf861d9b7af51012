//! Which users are here, over all shards: how many connections each has, and what they have used of a rate in common.
//!
//! What must hold: the numbers are exact; who leaves and comes back finds the rate as it was left, so that coming again
//! brings nothing. What is kept of users that are away is bounded, and only what is not whole again. Deliberately absent:
//! limits; whoever asks has them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use burgee_protocol::Time;

use crate::meter::{Buckets, Common};
use crate::policy::Rate;

/// Users that are away whose rate is kept, at most: beyond, all those are forgotten whose rate is whole again, or else this
/// one.
const AWAY: usize = 10_000;

#[derive(Debug, Default)]
struct User {
    connections: u32,
    rate: Option<(Rate, Common)>,
}

impl User {
    /// Whether nothing has to be remembered of it.
    fn is_whole(&self, now: Time) -> bool {
        self.rate.as_ref().is_none_or(|(_, common)| {
            let mut buckets = common.write().unwrap_or_else(PoisonError::into_inner);
            buckets.fill(now)
        })
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Present {
    users: BTreeMap<Box<str>, User>,
    /// Those of them that have no connection.
    away: usize,
}

impl Present {
    /// One more connection of a user, if there are fewer than `most`. Says whether there were.
    pub(crate) fn enter(&mut self, name: &str, most: u32) -> bool {
        let Some(user) = self.users.get_mut(name) else {
            if most > 0 {
                let connections = 1;
                self.users.insert(
                    name.into(),
                    User {
                        connections,
                        rate: None,
                    },
                );
            }
            return most > 0;
        };
        if user.connections >= most {
            return false;
        }
        self.away -= usize::from(user.connections == 0);
        user.connections += 1;
        true
    }

    /// One less.
    pub(crate) fn leave(&mut self, name: &str, now: Time) {
        let Some(user) = self.users.get_mut(name) else { return };
        user.connections = user.connections.saturating_sub(1);
        if user.connections > 0 {
            return;
        }
        if user.is_whole(now) {
            self.users.remove(name);
            return;
        }
        self.away += 1;
        if self.away > AWAY {
            self.users.retain(|_, user| user.connections > 0 || !user.is_whole(now));
            self.away = self.users.values().filter(|user| user.connections == 0).count();
        }
        if self.away > AWAY {
            self.users.remove(name);
            self.away -= 1;
        }
    }

    /// What the connections of a user that is here have used of this rate in common.
    pub(crate) fn common(&mut self, name: &str, rate: Rate, now: Time) -> Option<Common> {
        let user = self.users.get_mut(name)?;
        match &user.rate {
            Some((known, common)) if *known == rate => Some(Arc::clone(common)),
            _ => {
                let common = Arc::new(RwLock::new(Buckets::new(rate, now)));
                user.rate = Some((rate, Arc::clone(&common)));
                Some(common)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        messages: 1,
        message_burst: 0,
        bytes: 0,
        byte_burst: 0,
        close_after_ms: 0,
        per_user: true,
    };

    #[test]
    fn what_is_kept_of_users_that_are_away_is_bounded_and_goes_with_time() {
        let mut present = Present::default();
        let spend = |present: &mut Present, name: &str, now| {
            assert!(present.enter(name, 1));
            let common = present.common(name, RATE, now).unwrap();
            common.write().unwrap().charge(1);
            present.leave(name, now);
        };
        for number in 0..AWAY + 100 {
            spend(&mut present, &number.to_string(), Time::ZERO);
            assert!(present.away <= AWAY && present.users.len() <= AWAY);
        }
        let later = Time::from_millis(10_000);
        spend(&mut present, "late", later);
        assert_eq!(
            (present.away, present.users.len()),
            (1, 1),
            "the others are whole again"
        );
        assert!(present.enter("late", 1) && present.away == 0);
        present.leave("late", Time::from_millis(20_000));
        assert!(present.users.is_empty());
    }
}
