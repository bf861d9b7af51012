//! What each user may use, while it is read.
//!
//! What must hold: the defaults are those that the table of options tells, and limit nobody. Deliberately absent: how it is
//! written; see `usage.rs`.

use burgee_access::Users;
use burgee_core::{Fights, Rate, UserLimits};

/// What each user may use, in the draft.
#[derive(Clone, Debug)]
pub(crate) struct UsageDraft {
    pub(crate) connections: u32,
    pub(crate) publish: Rate,
    pub(crate) fights: Fights,
}

impl Default for UsageDraft {
    fn default() -> Self {
        Self {
            connections: u32::MAX,
            publish: Rate::default(),
            fights: Fights::default(),
        }
    }
}

impl UsageDraft {
    /// The limits of all users, if there are any.
    pub(crate) fn limits(&self) -> Vec<UserLimits> {
        if self.connections == u32::MAX && self.publish == Rate::default() {
            return Vec::new();
        }
        vec![UserLimits {
            max_connections: self.connections,
            publish: self.publish,
            ..UserLimits::new(Users::Everybody)
        }]
    }
}
