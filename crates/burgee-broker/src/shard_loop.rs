//! The loop of one shard: sleep until something is due, gather it, take a turn, carry out what the turn wished for.
//!
//! What must hold: no other system calls than poll, one receive for each ready connection and one send for each dirty
//! one; nothing is allocated in a steady state; a loop that has nothing to do sleeps. Deliberately absent: MQTT.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use burgee_core::Shard;
use burgee_core::io::{Dismissed, Effects, Inputs, Mailbox, ShardId};
use burgee_protocol::Time;
use mio::event::Event;
use mio::{Events, Poll};

use crate::acceptor::Acceptor;
use crate::clock::Clock;
use crate::conn_table::{Table, reserved_number, reserved_token};
use crate::connections::Connections;
use crate::keeper::Tray;
use crate::listener::Opened;
use crate::log::EventLog;
use crate::login_desk::LoginDesk;
use crate::logins::{Known, Logins};
use crate::mail::{Arrival, Hub, Inbox};
use crate::order::{Done, Farewell};
use crate::reading::TurnInputs;

/// Events fetched from the kernel in one call.
const EVENTS: usize = 1024;
/// The reserved token number of the waker.
pub(crate) const WAKER: mio::Token = reserved_token(0);
/// Sockets that wait for one shard's slot before the others get them instead.
const WAITING_SOCKETS: usize = 64;
/// Bytes received in one turn, before they are sent on: at most, and at least.
const MOST: usize = 512 * 1024;
const LEAST: usize = 64 * 1024;

/// Whether the keeper shall begin, or stay asleep for one turn more because there is more to read: one receive may take only
/// the larger part of what a client has sent, and two syncs cost more than the start of the first one gains.
#[derive(Debug, Default)]
struct Gathering {
    /// Something was handed in since the keeper was told to begin.
    something: bool,
}

impl Gathering {
    /// A turn is over: whether the keeper shall begin now.
    fn turn(&mut self, handed_in: bool, more_to_read: bool) -> bool {
        // Counted whatever the turn brought: who sends without end what needs no store must hold nobody up.
        let late = self.something;
        self.something |= handed_in;
        (late || !more_to_read) && self.end()
    }

    /// No turn may follow: whether the keeper shall begin now.
    fn end(&mut self) -> bool {
        std::mem::take(&mut self.something)
    }
}

/// What takes turns: the core, or a stand-in in tests.
pub(crate) trait Machine {
    /// See [`Shard::turn`].
    fn turn(&mut self, now: Time, inputs: &mut impl Inputs, effects: &mut Effects);
}

impl Machine for Shard {
    fn turn(&mut self, now: Time, inputs: &mut impl Inputs, effects: &mut Effects) {
        Self::turn(self, now, inputs, effects);
    }
}

/// Sizes that the loop needs to know.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Sizes {
    /// The outbox limit of a connection.
    pub(crate) outbox_bytes: usize,
    /// The mail limit of a pair of shards.
    pub(crate) mail_bytes: usize,
}

/// See the module.
pub(crate) struct ShardLoop<M> {
    id: ShardId,
    hub: Arc<Hub>,
    clock: Clock,
    poll: Poll,
    machine: M,
    effects: Effects,
    connections: Connections,
    inbox: Inbox,
    acceptor: Option<Acceptor>,
    /// The shard that gets the next accepted connection.
    next: ShardId,
    /// Connections that leave, by the shard they go to.
    leaving: Vec<VecDeque<Arrival>>,
    log: EventLog,
    logins: LoginDesk,
    /// Where what is to be kept is handed in; none with durability `memory`.
    tray: Option<Arc<Tray>>,
    gathering: Gathering,
    /// Mail was handed over that publishers were held back for: a turn lets them go on.
    mail_moved: bool,
    /// Who wants to know when the core has obeyed.
    obeyed: Option<Sender<Done>>,
    /// The end was announced: when everything has to be over.
    stopping: Option<Time>,
}

impl<M: Machine> ShardLoop<M> {
    pub(crate) fn new(id: ShardId, (hub, poll): (Arc<Hub>, Poll), clock: Clock, machine: M, sizes: Sizes) -> Self {
        let shards = hub.shards();
        // A burst of one turn must fit into one outbox, or a fast reader would lose messages to a fast writer.
        let budget = (sizes.outbox_bytes / 2).clamp(LEAST, MOST);
        Self {
            id,
            clock,
            machine,
            effects: Effects::new(shards, sizes.mail_bytes),
            connections: Connections::new(Arc::clone(&hub), sizes.outbox_bytes / 2, budget),
            inbox: Inbox::new(id, shards),
            acceptor: None,
            next: 0,
            leaving: (0..shards).map(|_| VecDeque::new()).collect(),
            log: EventLog::default(),
            logins: LoginDesk::default(),
            tray: None,
            gathering: Gathering::default(),
            mail_moved: false,
            obeyed: None,
            stopping: None,
            hub,
            poll,
        }
    }

    /// What its core asks about CONNECTs is answered from here.
    pub(crate) fn ask_about_logins(&mut self, logins: Arc<Logins>) {
        self.logins = LoginDesk::new(self.id, logins);
    }

    /// This shard accepts for all.
    pub(crate) fn accept_from(&mut self, opened: Vec<Opened>) -> io::Result<()> {
        self.acceptor = Some(Acceptor::new(opened, self.hub.doors(), self.poll.registry())?);
        Ok(())
    }

    /// What is to be kept is handed in here.
    pub(crate) fn keep_through(&mut self, tray: Arc<Tray>) {
        self.tray = Some(tray);
    }

    /// Runs until the hub says that the broker ends and all is said.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        // One turn before anything happens, so that the core can say when it wants the next, and for the wills of clients
        // that the last run of the broker lost.
        self.turn(self.clock.now());
        self.deliver();
        loop {
            // Before the kernel is asked, so that mail cannot overtake bytes that were there first: a client that
            // comes back through another shard must find its DISCONNECT read [MQTT-3.14.4-3].
            self.inbox.fetch(&self.hub);
            self.hear_of_logins();
            self.sleep(&mut events)?;
            // What it was woken for may be the store's word: now, and not behind one more question to the kernel.
            self.inbox.fetch_notices(&self.hub);
            self.hear_of_logins();
            let now = self.clock.now();
            for event in &events {
                match reserved_number(event.token()) {
                    None => self.event(now, event),
                    Some(number) => {
                        if let Some(acceptor) = &mut self.acceptor {
                            acceptor.ready(number);
                        }
                    }
                }
            }
            self.accept(now);
            self.admit(now);
            self.connections.recheck();
            self.connections.close_overdue(now, &mut self.effects.outboxes);
            self.logins.end_expired(now, &mut self.connections.news);
            self.heed_stop();
            self.heed_orders();
            if self.is_due(now) {
                self.turn(now);
            }
            self.deliver();
            if self.is_over(now) {
                self.hub.ended(self.id);
                return Ok(());
            }
            self.hub.went_round(self.id);
        }
    }

    fn hear_of_logins(&mut self) {
        let outcomes = &mut self.inbox.notices.outcomes;
        if !outcomes.is_empty() {
            self.logins.hear(self.clock.now(), outcomes, &mut self.connections.news);
        }
    }

    fn event(&mut self, now: Time, event: &Event) {
        // Who waits for an answer is not read, so nothing else would tell that it is gone.
        if !self.logins.is_idle() && (event.is_error() || event.is_write_closed()) {
            let Connections { table, news, .. } = &mut self.connections;
            if let Some(conn) = table.find(event.token()) {
                self.logins.give_up(conn, news);
            }
        }
        self.connections.event(now, event, &mut self.effects.outboxes);
    }

    fn sleep(&mut self, events: &mut Events) -> io::Result<()> {
        let timeout = self.timeout();
        // Only who said that it sleeps has to say that it is awake: that is a write which others may look at.
        let sleeps = timeout != Some(Duration::ZERO) && self.hub.may_sleep(self.id, self.stopping.is_some());
        // Whoever was to be read may be gone, and no turn have followed.
        if sleeps
            && self.gathering.end()
            && let Some(tray) = &self.tray
        {
            tray.begin();
        }
        let polled = self
            .poll
            .poll(events, if sleeps { timeout } else { Some(Duration::ZERO) });
        if sleeps {
            self.hub.awake(self.id);
        }
        match polled {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// How long nothing is to be done; `None`: until something happens.
    fn timeout(&self) -> Option<Duration> {
        if self.has_inputs() {
            return Some(Duration::ZERO);
        }
        let acceptor = self.acceptor.as_ref().and_then(Acceptor::deadline);
        let due = Time::earlier(
            Time::earlier(self.effects.deadline, self.connections.deadline()),
            Time::earlier(acceptor, Time::earlier(self.logins.deadline(), self.stopping)),
        )?;
        Some(Duration::from_millis(due.millis_since(self.clock.now())))
    }

    fn has_inputs(&self) -> bool {
        let Connections { reader, news, .. } = &self.connections;
        self.effects.more || self.mail_moved || reader.has_ready() || !news.is_empty() || !self.inbox.is_empty()
    }

    fn is_due(&self, now: Time) -> bool {
        self.has_inputs() || self.effects.deadline.is_some_and(|due| due <= now)
    }

    fn turn(&mut self, now: Time) {
        let effects = &mut self.effects;
        let Connections {
            table, reader, news, ..
        } = &mut self.connections;
        effects.debug = tracing::enabled!(tracing::Level::DEBUG);
        self.mail_moved = false;
        let inputs = TurnInputs::new(table, reader, &mut self.inbox, news);
        let mut inputs = inputs.telling(&self.hub, self.logins.logins());
        self.machine.turn(now, &mut inputs, effects);
        self.connections.heed_layers(now);
        // Before the mail of this turn leaves: what others settle must have been owed before.
        self.hand_over();
        let effects = &mut self.effects;
        let Connections { table, troubles, .. } = &mut self.connections;
        if let (Some(dismissed), Some(done)) = (effects.dismissed.take(), self.obeyed.take()) {
            // Whoever asked may have gone away.
            drop(done.send(Done {
                dismissed: dismissed.into_iter().map(|it| farewell(table, it)).collect(),
                failed: None,
            }));
        }
        self.log.write(now, table, &mut effects.events);
        self.log.write_troubles(now, self.hub.doors(), troubles);
        for ask in effects.asks.drain(..) {
            let known = self.connections.peer(ask.conn).map(Known::from).unwrap_or_default();
            self.logins.take(now, ask, known, &mut self.connections.news);
        }
        if !self.logins.is_idle() {
            effects.closes.iter().for_each(|(conn, _)| self.logins.left(*conn));
        }
        for (key, to) in effects.moves.drain(..) {
            let arrival = self
                .connections
                .take_leave(key, self.poll.registry(), &mut effects.outboxes);
            if let Some(leaving) = self.leaving.get_mut(usize::from(to)) {
                leaving.extend(arrival);
            }
        }
        self.connections.carry_out(now, effects);
        self.connections.weigh_newcomers();
    }

    /// Gives the keeper what the turn left.
    fn hand_over(&mut self) {
        let Some(tray) = &self.tray else { return };
        let Effects { batches, reads, .. } = &mut self.effects;
        let something = !batches.is_empty() || !reads.is_empty();
        let begin = self.gathering.turn(something, self.connections.reader.has_ready());
        if something {
            tray.hand_in(self.id, batches, reads, begin);
        } else if begin {
            tray.begin();
        }
    }

    fn accept(&mut self, now: Time) {
        let Some(acceptor) = &mut self.acceptor else { return };
        let shards = self.hub.shards();
        acceptor.accept(now, &self.hub, |arrival| {
            let to = self.next;
            self.next = if to + 1 < shards { to + 1 } else { 0 };
            match self.leaving.get_mut(usize::from(to)) {
                Some(leaving) if to != self.id && leaving.len() < WAITING_SOCKETS => leaving.push_back(arrival),
                _ => self.connections.admit(now, arrival, self.poll.registry()),
            }
        });
    }

    /// Takes in connections that came by mail.
    fn admit(&mut self, now: Time) {
        while let Some(arrival) = self.inbox.next_arrival() {
            self.connections.admit(now, arrival, self.poll.registry());
        }
    }

    /// Hands over what other shards take of our mail.
    fn deliver(&mut self) {
        let boxes = self.effects.mail.iter_mut().zip(&mut self.leaving);
        for (to, (mail, leaving)) in (0..).zip(boxes) {
            if mail.is_empty() && leaving.is_empty() {
                continue;
            }
            let was_full = mail.is_full();
            self.hub.deliver(self.id, to, mail, leaving);
            self.mail_moved |= was_full && !mail.is_full();
        }
    }

    /// Carries out what can be done at once; what the core has to obey is told it in the next turn.
    fn heed_orders(&mut self) {
        while self.inbox.notices.reload.is_none()
            && let Some(order) = self.inbox.notices.orders.pop_front()
        {
            let mut failed = None;
            if let Some(acceptor) = &mut self.acceptor {
                acceptor.close(&order.close);
                acceptor.renew(self.hub.doors());
                failed = acceptor.add(order.open, self.hub.doors(), self.poll.registry()).err();
            }
            if order.reload.is_some() {
                (self.inbox.notices.reload, self.obeyed) = (order.reload, order.done);
            } else if let Some(done) = order.done {
                let dismissed = Vec::new();
                drop(done.send(Done { dismissed, failed }));
            }
        }
    }

    fn heed_stop(&mut self) {
        let Some(at) = self.hub.stop_at() else { return };
        if self.stopping.is_none() {
            self.acceptor = None;
            self.connections.forget_unheard();
            self.connections.news.shutdown = true;
        }
        self.stopping = Some(Time::from_millis(at));
    }

    /// The broker ends, and nobody here is still to be served.
    fn is_over(&self, now: Time) -> bool {
        // What it has still to tell the others keeps them from closing their clients.
        let told = || self.effects.over && self.effects.mail.iter().all(Mailbox::is_empty);
        let idle = || self.connections.table.len() == 0 && self.leaving.iter().all(VecDeque::is_empty);
        self.stopping.is_some_and(|at| now >= at || (told() && idle()))
    }
}

/// Still in the table: it is closed behind this.
fn farewell(table: &Table, dismissed: Dismissed) -> Farewell {
    Farewell {
        peer: table.get(dismissed.conn).map(|conn| conn.peer.to_string()),
        client_id: dismissed.client_id,
        why: dismissed.why,
    }
}

#[cfg(test)]
mod tests {
    use super::Gathering;

    #[test]
    fn the_keeper_sleeps_for_one_turn_more_at_most() {
        let mut gathering = Gathering::default();
        assert!(!gathering.turn(false, false), "there is nothing");
        assert!(gathering.turn(true, false), "nothing more is to be read");
        assert!(!gathering.turn(false, false), "it was told");
        assert!(!gathering.turn(true, true) && gathering.turn(true, true));
        assert!(
            !gathering.turn(true, true) && gathering.turn(false, true),
            "what came since needs no store"
        );
        assert!(!gathering.turn(true, true) && gathering.end() && !gathering.end());
        assert!(!gathering.turn(false, true), "a fresh count");
        assert!(!gathering.turn(true, true) && gathering.turn(true, false));
    }
}
