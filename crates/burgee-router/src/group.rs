//! Shared subscriptions: the members of one group on one filter take turns.
//!
//! Who is connected goes first: a message for a member that is away would wait for it while
//! others idle. Only if nobody is connected do the absent members take turns, so that their
//! persistent sessions queue the messages and none is lost.

use std::sync::Arc;

use burgee_codec::QoS;

use crate::members::Members;
use crate::shared::Turn;
use crate::subscriber::{Recipient, SubscriberKey};

/// A group as the index keeps it.
#[derive(Debug, Default)]
pub(crate) struct Group {
    turn: Arc<Turn>,
    members: Members<Member>,
}

#[derive(Copy, Clone, Eq, PartialEq, Debug)]
struct Member {
    qos: QoS,
    online: bool,
}

/// What a change did to a member.
pub(crate) struct Joined {
    /// The quality that had been granted before, if the subscriber was a member already.
    pub(crate) before: Option<QoS>,
    /// Whether routes look different now.
    pub(crate) changed: bool,
}

impl Group {
    pub(crate) fn join(&mut self, recipient: Recipient, online: bool) -> Joined {
        let member = Member {
            qos: recipient.qos,
            online,
        };
        let before = self.members.put(recipient.key, member);
        Joined {
            before: before.map(|held| held.qos),
            changed: before != Some(member),
        }
    }

    pub(crate) fn leave(&mut self, key: SubscriberKey) -> Option<QoS> {
        self.members.remove(key).map(|member| member.qos)
    }

    /// Returns whether that is news.
    pub(crate) fn set_online(&mut self, key: SubscriberKey, online: bool) -> bool {
        self.members
            .get_mut(key)
            .is_some_and(|member| std::mem::replace(&mut member.online, online) != online)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn route(&self) -> GroupRoute {
        let mut candidates = Vec::new();
        let mut collect = |wanted: bool| {
            self.members.each(|key, member| {
                if member.online || !wanted {
                    candidates.push(Recipient { key, qos: member.qos });
                }
            });
            candidates.is_empty()
        };
        if collect(true) {
            collect(false);
        }
        GroupRoute {
            turn: Arc::clone(&self.turn),
            candidates,
        }
    }
}

/// A shared group that matches a topic name: one of its members gets the message.
#[derive(Clone, Debug)]
pub struct GroupRoute {
    turn: Arc<Turn>,
    candidates: Vec<Recipient>,
}

impl GroupRoute {
    /// The member whose turn it is. Every call, from whichever route of the group, moves on.
    #[must_use]
    pub fn pick(&self) -> Option<Recipient> {
        let turn = usize::try_from(self.turn.next()).ok()?;
        let at = turn.checked_rem(self.candidates.len())?;
        self.candidates.get(at).copied()
    }

    /// Those who take turns, sorted by key: the members that are online, or all if none is.
    #[must_use]
    pub fn candidates(&self) -> &[Recipient] {
        &self.candidates
    }
}
