//! Shared subscriptions: one member of each group gets the message, and nobody can say beforehand which.
//!
//! What must hold: the copies that went out can be given to groups so that none has two. A session may be in several
//! groups, so this is a matching; it is found anew with each copy, by augmenting paths. Deliberately absent: turns;
//! any fair or unfair choice is right.

use std::collections::BTreeMap;

use burgee_codec::QoS;

use super::state::{MessageNo, SessionNo};
use crate::net::LinkId;

/// One who may get a group's copy.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) session: SessionNo,
    /// The QoS that its copy would have.
    pub(super) qos: QoS,
    pub(super) conn: Option<LinkId>,
}

/// One group that is owed a message.
#[derive(Clone, Debug)]
struct Group {
    message: MessageNo,
    members: Vec<Member>,
    optional: bool,
}

/// What is owed of all messages with one topic and payload: they look the same.
#[derive(Clone, Debug, Default)]
struct Debt {
    groups: Vec<Group>,
    /// Copies that went out, each with the group that it counts for.
    copies: Vec<((SessionNo, QoS), usize)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Groups {
    debts: BTreeMap<MessageNo, Debt>,
}

impl Groups {
    /// A message is owed to one member of this group. `first` is the first message that looks like it.
    pub(super) fn owe(&mut self, first: MessageNo, message: MessageNo, members: Vec<Member>, optional: bool) {
        self.debts.entry(first).or_default().groups.push(Group {
            message,
            members,
            optional,
        });
    }

    /// A copy went out to a session: whether some group owed it.
    pub(super) fn settle(&mut self, first: MessageNo, session: SessionNo, qos: QoS) -> bool {
        let Some(debt) = self.debts.get_mut(&first) else {
            return false;
        };
        debt.copies.push(((session, qos), usize::MAX));
        let mut tried = vec![false; debt.groups.len()];
        let found = debt.place(debt.copies.len() - 1, &mut tried);
        if !found {
            debt.copies.pop();
        }
        found
    }

    /// Groups whose copy did not go out although it had to: the message and a member. `excused` says whom it may
    /// have been lost with.
    pub(super) fn unsettled(&self, excused: impl Fn(&[Member]) -> bool) -> Vec<(MessageNo, Member)> {
        let mut missing = Vec::new();
        for debt in self.debts.values() {
            let strict = |group: &&Group| !group.optional && !excused(&group.members);
            // Copies that went out are given to those that are not excused first. That all copies are covered is known,
            // so if these groups can be covered by themselves, both can be at once.
            let mut bare = Debt {
                groups: debt.groups.iter().filter(strict).cloned().collect(),
                copies: Vec::new(),
            };
            for (copy, _) in &debt.copies {
                bare.copies.push((*copy, usize::MAX));
                let mut tried = vec![false; bare.groups.len()];
                bare.place(bare.copies.len() - 1, &mut tried);
            }
            for (place, group) in bare.groups.iter().enumerate() {
                let settled = bare.copies.iter().any(|(_, taken)| *taken == place);
                missing.extend(
                    group
                        .members
                        .first()
                        .filter(|_| !settled)
                        .map(|member| (group.message, member.clone())),
                );
            }
        }
        missing
    }

    /// Groups that got nothing.
    pub(super) fn open(&self) -> usize {
        self.debts
            .values()
            .map(|debt| debt.groups.len() - debt.copies.len())
            .sum()
    }
}

impl Debt {
    /// Finds a group for a copy; another copy may have to go to another group for it.
    fn place(&mut self, copy: usize, tried: &mut [bool]) -> bool {
        let Some(((session, qos), _)) = self.copies.get(copy).copied() else {
            return false;
        };
        for group in 0..self.groups.len() {
            if !self.may_get(group, session, qos) || tried.get(group).copied().unwrap_or(true) {
                continue;
            }
            if let Some(tried) = tried.get_mut(group) {
                *tried = true;
            }
            let holder = self.copies.iter().position(|(_, taken)| *taken == group);
            if holder.is_none_or(|holder| self.place(holder, tried)) {
                if let Some((_, taken)) = self.copies.get_mut(copy) {
                    *taken = group;
                }
                return true;
            }
        }
        false
    }

    /// Members that are connected come first.
    fn may_get(&self, group: usize, session: SessionNo, qos: QoS) -> bool {
        let Some(group) = self.groups.get(group) else {
            return false;
        };
        let nobody_there = group.members.iter().all(|member| member.conn.is_none());
        group.members.iter().any(|member| {
            let present = member.conn.is_some() || nobody_there || group.optional;
            member.session == session && member.qos == qos && present
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(session: SessionNo) -> Member {
        Member {
            session,
            qos: QoS::AtMostOnce,
            conn: Some(1),
        }
    }

    #[test]
    fn copies_find_their_groups_whatever_their_order() {
        for order in [[1, 2], [2, 1]] {
            let mut groups = Groups::default();
            groups.owe(0, 0, vec![member(1), member(2)], false);
            groups.owe(0, 0, vec![member(1)], false);
            assert!(order.iter().all(|session| groups.settle(0, *session, QoS::AtMostOnce)));
            assert!(groups.unsettled(|_| false).is_empty());
            assert!(!groups.settle(0, 1, QoS::AtMostOnce) && !groups.settle(0, 2, QoS::AtMostOnce));
        }
    }

    #[test]
    fn a_member_of_one_group_gets_one_copy() {
        let mut groups = Groups::default();
        groups.owe(0, 0, vec![member(1), member(2)], false);
        groups.owe(0, 0, vec![member(2), member(3)], false);
        assert!(groups.settle(0, 1, QoS::AtMostOnce));
        assert!(!groups.settle(0, 1, QoS::AtMostOnce));
        assert!(!groups.settle(0, 2, QoS::AtLeastOnce));
        assert_eq!(groups.unsettled(|_| false).len(), 1);
        assert_eq!(
            groups
                .unsettled(|members| members.iter().any(|member| member.session == 3))
                .len(),
            0
        );
    }
}
