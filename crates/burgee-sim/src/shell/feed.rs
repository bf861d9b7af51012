//! The inputs of one turn, lent to the core one at a time.
//!
//! What must hold: what the doors promise: kept bytes come first, the end comes behind all bytes. Deliberately absent:
//! a look at the effects; as in the real event loop they are carried out after the turn.

use std::collections::VecDeque;

use burgee_core::io::{ConnKey, End, Input, Inputs, ListenerNo, Parcel, ShardId, Verdict};

use super::Order;
use super::slots::Slots;
use crate::disk::News;
use crate::house::listener_of;
use crate::oracle::{Seen, Told};

/// An input that is about to be handed out.
#[derive(Debug)]
pub(super) enum Prepared {
    Accepted(ConnKey),
    Bytes(ConnKey),
    Ended(ConnKey, End),
    Room(ConnKey),
    Mail(ShardId, Parcel),
    News(News),
    Order(usize, Order),
    Verdict(ConnKey, Verdict),
    Shutdown,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Feed<'a> {
    pub(super) slots: &'a mut Slots,
    pub(super) prepared: VecDeque<Prepared>,
    /// What the core has taken so far.
    pub(super) seen: Vec<Seen>,
    pub(super) problem: Option<String>,
    scratch: Vec<u8>,
    lent: Option<ConnKey>,
    /// Connections come in by two listeners.
    two_doors: bool,
}

impl<'a> Feed<'a> {
    pub(super) const fn new(slots: &'a mut Slots, prepared: VecDeque<Prepared>, two_doors: bool) -> Self {
        Self {
            slots,
            prepared,
            seen: Vec::new(),
            problem: None,
            scratch: Vec::new(),
            lent: None,
            two_doors,
        }
    }

    /// Bytes that the core did not answer for stay where they are.
    pub(super) fn settle(&mut self, used: usize, needed: usize) {
        let Some(key) = self.lent.take() else { return };
        let bytes = std::mem::take(&mut self.scratch);
        if used > bytes.len() {
            self.problem = Some(format!("{used} of {} bytes are consumed", bytes.len()));
        }
        if let Some(slot) = self.slots.get_mut(key) {
            slot.tail = bytes.get(used..).unwrap_or_default().to_vec();
            slot.needed = needed;
            self.seen.push(Seen::Bytes {
                link: slot.link,
                bytes,
                used,
            });
        }
    }
}

impl Inputs for Feed<'_> {
    fn next(&mut self) -> Option<Input<'_>> {
        self.settle(0, 0);
        let next = self.prepared.pop_front()?;
        let link_of = |slots: &mut Slots, key| slots.get_mut(key).map_or(usize::MAX, |slot| slot.link);
        Some(match next {
            Prepared::Accepted(conn) => {
                let link = link_of(self.slots, conn);
                self.seen.push(Seen::Accepted(link));
                let door = if self.two_doors { listener_of(link) } else { 0 };
                Input::Accepted {
                    conn,
                    listener: ListenerNo(u16::try_from(door).unwrap_or(0)),
                    address: None,
                }
            }
            Prepared::Ended(conn, how) => {
                self.seen.push(Seen::Ended(link_of(self.slots, conn), how));
                Input::Ended { conn, how }
            }
            Prepared::Bytes(conn) => {
                self.lent = Some(conn);
                self.scratch = self
                    .slots
                    .get_mut(conn)
                    .map(|slot| std::mem::take(&mut slot.tail))
                    .unwrap_or_default();
                Input::Bytes {
                    conn,
                    bytes: &self.scratch,
                }
            }
            Prepared::Room(conn) => {
                self.seen.push(Seen::Other);
                Input::Room { conn }
            }
            Prepared::Mail(from, parcel) => {
                self.seen.push(Seen::Other);
                Input::Mail { from, parcel }
            }
            Prepared::News(News::Durable(batch)) => {
                self.seen.push(Seen::Other);
                Input::Durable { batch }
            }
            Prepared::News(News::Bodies(key, bodies)) => {
                self.seen.push(Seen::Other);
                Input::Bodies { key, bodies }
            }
            Prepared::News(News::Failed) => {
                self.seen.push(Seen::StoreFailed);
                Input::StoreFailed
            }
            Prepared::Order(number, order) => {
                self.seen.push(Seen::Law(number));
                match order {
                    Order::Policy(policy) => Input::Policy(policy),
                    Order::Reload(reload) => {
                        self.seen.push(Seen::Edition(number));
                        Input::Reload(reload)
                    }
                }
            }
            Prepared::Verdict(conn, verdict) => {
                self.seen.push(Seen::Verdict(link_of(self.slots, conn), told(&verdict)));
                Input::Verdict { conn, verdict }
            }
            Prepared::Shutdown => {
                self.seen.push(Seen::Shutdown);
                Input::Shutdown
            }
        })
    }

    fn consumed(&mut self, used: usize, needed: usize) {
        self.settle(used, needed);
    }

    fn may_have_more(&self, conn: ConnKey) -> bool {
        self.slots.get(conn).is_some_and(|slot| slot.unread)
    }
}

/// The same for the oracle.
fn told(verdict: &Verdict) -> Told {
    match verdict {
        Verdict::Admitted(admission) => Told::Admitted(admission.user.as_deref().map(str::to_owned)),
        Verdict::Refused(code) => Told::Refused(*code),
    }
}
