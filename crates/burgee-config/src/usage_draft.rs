//! What each user may use, while it is read.
//!
//! What must hold: the defaults are those that the table of options tells, and limit nobody. Deliberately absent: how it is
//! written; see `usage.rs`.

use burgee_access::Users;
use burgee_core::{Fights, Rate, UserLimits};

use crate::limit::LimitDraft;

/// What each user may use, in the draft.
#[derive(Clone, Debug)]
pub(crate) struct UsageDraft {
    pub(crate) connections: u32,
    pub(crate) publish: Rate,
    pub(crate) fights: Fights,
    /// For some users, before what holds for all.
    pub(crate) some: Vec<LimitDraft>,
}

impl Default for UsageDraft {
    fn default() -> Self {
        Self {
            connections: u32::MAX,
            publish: Rate::default(),
            fights: Fights::default(),
            some: Vec::new(),
        }
    }
}

impl UsageDraft {
    /// The limits of users, in the order in which they are asked.
    pub(crate) fn limits(&self) -> Vec<UserLimits> {
        let some = self.some.iter().map(|some| some.over(self.connections, self.publish));
        let limited = self.connections < u32::MAX || self.publish != Rate::default();
        let all = limited.then(|| UserLimits {
            max_connections: self.connections,
            publish: self.publish,
            ..UserLimits::new(Users::Everybody)
        });
        some.chain(all).collect()
    }
}
