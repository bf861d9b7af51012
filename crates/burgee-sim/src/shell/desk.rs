//! Whoever judges CONNECTs, as the event loop does it: in any order, late, or never.
//!
//! What must hold: what the core is promised: who was judged by users that were replaced since is not let in, and what was
//! judged before a reload comes before it. Deliberately absent: threads, and passwords worth the name.

use std::sync::Arc;

use burgee_core::io::{Admission, Ask, ConnKey, Verdict};

use crate::house::{Edition, House, PASSWORD};
use crate::rng::Rng;

/// A refusal for want of somebody to ask.
const UNAVAILABLE: u8 = 3;

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    house: Option<Arc<House>>,
    /// From then on every ask is answered, and soon.
    calm: u64,
    rng: Rng,
    waiting: Vec<(u64, usize, ConnKey, Verdict)>,
}

impl Desk {
    pub(super) fn new(house: Option<Arc<House>>, calm: u64, rng: Rng) -> Self {
        Self {
            house,
            calm,
            rng,
            waiting: Vec::new(),
        }
    }

    pub(super) const fn house(&self) -> Option<&Arc<House>> {
        self.house.as_ref()
    }

    /// Takes a question. Says when it is answered, if it is.
    pub(super) fn take(&mut self, ask: &Ask, now: u64) -> Option<u64> {
        let (generation, edition) = self.house.as_ref()?.at(now)?;
        let verdict = judge(ask, edition);
        let (delay, verdict) = if now >= self.calm {
            (self.rng.range(0, 3), verdict)
        } else {
            match self.rng.below(100) {
                0..3 => return None,
                // It cannot be said, or is said in words that mean nothing.
                3..5 => (self.rng.range(0, 50), Verdict::Refused(UNAVAILABLE)),
                5..7 => (self.rng.range(0, 50), Verdict::Refused(9)),
                7..20 => (self.rng.range(0, 2_000), verdict),
                20..50 => (self.rng.range(0, 100), verdict),
                _ => (0, verdict),
            }
        };
        self.waiting.push((now + delay, generation, ask.conn, verdict));
        Some(now + delay)
    }

    /// The answers that are due.
    pub(super) fn answers(&mut self, now: u64) -> Vec<(ConnKey, Verdict)> {
        let Some(house) = &self.house else { return Vec::new() };
        let (mut due, waiting): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|(at, ..)| *at <= now);
        self.waiting = waiting;
        self.rng.shuffle(&mut due);
        let answer = |(at, generation, conn, verdict)| {
            let current = house.at(at).is_some_and(|(now, _)| now == generation);
            let stale = !current && matches!(verdict, Verdict::Admitted(_));
            (conn, if stale { Verdict::Refused(UNAVAILABLE) } else { verdict })
        };
        due.into_iter().map(answer).collect()
    }

    /// When the next answer is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.waiting.iter().map(|(at, ..)| *at).min()
    }
}

fn judge(ask: &Ask, edition: &Edition) -> Verdict {
    let nameless = edition.nameless.get(usize::from(ask.listener.0)).copied();
    match &ask.user {
        None if nameless == Some(true) => Verdict::Admitted(Admission::default()),
        None => Verdict::Refused(5),
        Some(user) if edition.users.contains(&**user) && ask.password.as_deref() == Some(PASSWORD) => {
            Verdict::Admitted(Admission {
                user: Some(Arc::from(&**user)),
                ..Admission::default()
            })
        }
        Some(_) => Verdict::Refused(4),
    }
}
