//! The virtual shell: does for one shard what the event loop does for a real one, in virtual time.
//!
//! What must hold: it does what the doors of the core promise, and no more than they promise: inputs come in any
//! order and number, writes are partial, wake-ups are late. Deliberately absent: knowledge of MQTT.

mod desk;
mod effects;
mod feed;
mod post;
mod slots;

use std::collections::VecDeque;
use std::sync::Arc;

use burgee_core::io::{ConnKey, Effects, End, Reload, ShardId};
use burgee_core::{Config, Counters, Policy, Shard, Shared};
use burgee_protocol::Time;
use burgee_store::{OwedRef, Recovered, SessionRecord};

use crate::disk::{Disk, News};
use crate::net::{Event, Finish, LinkId, Net, Way};
use crate::oracle::{Memory, Oracle, Seen, Turn, Verdict};
use crate::rng::Rng;
use crate::scenario::Scenario;
use desk::Desk;
use feed::{Feed, Prepared};
pub use post::Post;
use slots::Slots;

/// Turns in a row that may be due at once before the shard counts as running in circles.
const RESTLESS: u32 = 50_000;

/// What is to hold from some time on.
#[derive(Clone, Debug)]
pub enum Order {
    /// Other rules.
    Policy(Arc<Policy>),
    /// Other settings, and who has no place under them.
    Reload(Arc<Reload>),
}

/// One shard and its event loop.
#[derive(Debug)]
pub struct Shell {
    id: ShardId,
    shard: Shard,
    effects: Effects,
    slots: Slots,
    rng: Rng,
    /// Accepted connections that the core does not know yet.
    arrivals: VecDeque<ConnKey>,
    next_turn: Option<u64>,
    shutdown: bool,
    /// Laws that are to come into force, and when.
    laws: VecDeque<(u64, usize, Order)>,
    desk: Desk,
    /// What the disk says, and when it is heard.
    news: VecDeque<(u64, News)>,
    /// The core knows that the disk has failed.
    without_disk: bool,
    /// In its next turn it dies when its batches are handed over, before anything else of it is carried out.
    pub dies: bool,
    /// Turns so far.
    pub turns: u64,
    restless: u32,
    limits: Limits,
}

#[derive(Clone, Debug)]
struct Limits {
    outbox: usize,
    outbox_most: usize,
    mail_most: usize,
    /// Messages that one session may have waiting and unacknowledged.
    queue_most: usize,
    /// Messages that a restart found.
    restored: u64,
    inputs: usize,
    lateness: u64,
}

impl Shell {
    /// Shard `id` of a world.
    #[must_use]
    pub fn new(id: ShardId, scenario: &Scenario, config: &Arc<Config>, shared: &Arc<Shared>, rng: &mut Rng) -> Self {
        let largest = scenario.largest_packet();
        // Answers may go on to twice the limit; a page of retained messages is sent whole.
        let outbox_most = config.outbox_bytes * 2 + config.outbox_shared_bytes + 66 * largest;
        let limits = Limits {
            outbox: config.outbox_bytes,
            outbox_most,
            restored: 0,
            queue_most: config.queue.messages.saturating_add(usize::from(config.window)),
            mail_most: config.mail_bytes + scenario.mail_slot / 8 + 200 * largest,
            inputs: scenario.inputs,
            lateness: scenario.lateness,
        };
        Self {
            id,
            shard: Shard::new(id, Arc::clone(config), Arc::clone(shared), rng.seeds()),
            effects: Effects::new(config.shards, config.mail_bytes),
            slots: Slots::default(),
            rng: rng.fork(),
            arrivals: VecDeque::new(),
            next_turn: None,
            shutdown: false,
            laws: VecDeque::new(),
            desk: Desk::new(
                scenario.house.clone(),
                scenario.busy_ms,
                Rng::new(scenario.busy_ms ^ u64::from(id)),
            ),
            news: VecDeque::new(),
            without_disk: false,
            dies: false,
            turns: 0,
            restless: 0,
            limits,
        }
    }

    /// What the shard has counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        self.shard.counters()
    }

    /// Before the first turn: numbers go on where they were.
    pub fn continue_from(&mut self, recovered: &Recovered) {
        self.shard.continue_from(recovered.next_session, recovered.next_message);
    }

    /// Before the first turn: a session comes back.
    pub fn restore(&mut self, record: SessionRecord, owed: &[OwedRef]) {
        // What was acknowledged and comes back all the same goes beyond the limit.
        self.limits.restored += owed.len() as u64;
        self.shard.restore(record, owed);
    }

    /// The disk says something, to be heard at `at`.
    pub fn hear(&mut self, at: u64, news: News, net: &mut Net) {
        self.news.push_back((at, news));
        self.wake_at(at, net);
    }

    /// From `at` on another law is in force.
    pub fn obey(&mut self, at: u64, number: usize, order: Order, net: &mut Net) {
        self.laws.push_back((at, number, order));
        self.wake_at(at, net);
    }

    /// A connection comes in, with bytes that another shard did not consume.
    pub fn admit(&mut self, link: LinkId, tail: Vec<u8>, net: &mut Net) {
        net.link(link).shard = self.id;
        let key = self.slots.insert(link, tail);
        self.arrivals.push_back(key);
        self.wake_soon(net);
    }

    /// The broker is to end.
    pub fn shut_down(&mut self, net: &mut Net) {
        self.shutdown = true;
        self.wake_soon(net);
    }

    /// Something happened to a connection: its shard will look.
    pub fn wake_soon(&mut self, net: &mut Net) {
        let late = self.rng.range(0, 2);
        self.wake_at(net.now + late, net);
    }

    /// The shard takes a turn at this time, or earlier.
    pub fn wake_at(&mut self, at: u64, net: &mut Net) {
        if self.next_turn.is_none_or(|planned| at < planned) {
            self.next_turn = Some(at.max(net.now));
            net.at(at, Event::Turn(self.id));
        }
    }

    /// Whether this event is the turn that was planned last.
    #[must_use]
    pub fn is_due(&self, net: &Net) -> bool {
        self.next_turn == Some(net.now)
    }

    /// The socket of a connection takes bytes again.
    pub fn writable(&mut self, link: LinkId, net: &mut Net) {
        if let Some(slot) = self.slots.find(link) {
            slot.blocked = false;
            let key = slot.key;
            self.flush(key, net);
        }
    }

    /// A connection that is to be closed had time enough.
    pub fn flush_timeout(&mut self, link: LinkId, net: &mut Net) {
        if let Some(slot) = self.slots.find(link).filter(|slot| slot.closing) {
            let key = slot.key;
            self.drop_conn(key, net);
        }
    }

    /// One turn.
    ///
    /// # Errors
    /// The core did something wrong.
    pub fn turn(
        &mut self,
        net: &mut Net,
        (post, disk): (&mut Post, &mut Option<Disk>),
        oracle: &mut Oracle,
    ) -> Result<Moves, String> {
        self.next_turn = None;
        self.turns += 1;
        let before = self.memory();
        let prepared = self.prepare(net, post);
        let (now, count) = (net.now, prepared.len());
        self.effects.debug = net.trace.is_kept();
        let two_doors = self.desk.house().is_some();
        let mut feed = Feed::new(&mut self.slots, prepared, two_doors);
        self.shard.turn(Time::from_millis(now), &mut feed, &mut self.effects);
        feed.settle(0, 0);
        let (inputs, problem) = (feed.seen, feed.problem);
        if let Some(problem) = problem {
            return Err(problem);
        }
        net.trace.say(now, [2, u64::from(self.id), count as u64], || {
            format!("shard {} {}", self.id, tell(&inputs))
        });
        let counters = self.shard.counters();
        let mut turn = Turn {
            shard: self.id,
            now,
            inputs,
            given_up: (counters.sessions_expired, counters.dropped_expired),
            memory: Memory {
                held: counters.memory_held,
                dropped: counters.dropped_memory,
                closed: counters.closed_for_memory,
                ..before
            },
            ..Turn::default()
        };
        self.hand_over(disk.as_mut(), net)?;
        let moves = self.carry_out(&mut turn, net, oracle)?;
        if self.dies {
            return Ok(moves);
        }
        self.send_mail(net, post);
        if let Some(at) = post.next(self.id) {
            self.wake_at(at, net);
        }
        self.plan(net, count)?;
        Ok(moves)
    }

    /// What is in memory before a turn, or may be.
    fn memory(&self) -> Memory {
        let unsent = self.slots.iter().map(|slot| self.effects.outboxes.unsent(slot.key));
        let counters = self.shard.counters();
        Memory {
            outboxes: unsent.sum::<usize>() as u64,
            waiting: counters.queued_bytes + counters.store_bytes,
            ..Memory::default()
        }
    }

    /// Collects what is there for the core, in any order, as much as this world's turns take.
    fn prepare(&mut self, net: &mut Net, post: &mut Post) -> VecDeque<Prepared> {
        let mut prepared = Vec::new();
        while self.laws.front().is_some_and(|(at, ..)| *at <= net.now)
            && let Some((_, number, order)) = self.laws.pop_front()
        {
            let reload = matches!(order, Order::Reload(_));
            prepared.push(Prepared::Order(number, order));
            if reload {
                // Whoever orders a reload waits until it is carried out.
                break;
            }
        }
        if std::mem::take(&mut self.shutdown) {
            prepared.push(Prepared::Shutdown);
        }
        while prepared.len() < self.limits.inputs
            && let Some((from, parcel)) = post.receive(self.id, net.now)
        {
            prepared.push(Prepared::Mail(from, parcel));
        }
        let heard = self.listen(prepared.len(), net.now, &mut prepared);
        if heard > 0 && self.rng.percent(50) {
            prepared.rotate_right(heard);
        }
        let mail = prepared.len();
        while prepared.len() < self.limits.inputs
            && let Some(key) = self.arrivals.pop_front()
        {
            if let Some(slot) = self.slots.get_mut(key) {
                slot.accepted = true;
            }
            prepared.push(Prepared::Accepted(key));
        }
        let mut keys: Vec<ConnKey> = self
            .slots
            .iter()
            .filter(|slot| slot.is_served())
            .map(|slot| slot.key)
            .collect();
        for slot in self.slots.iter_mut() {
            slot.unread = net.link(slot.link).up.readable() > 0;
        }
        self.rng.shuffle(&mut keys);
        for key in keys {
            if prepared.len() >= self.limits.inputs {
                break;
            }
            self.look(key, net, &mut prepared);
        }
        // Mail keeps its order; where it stands among the rest is chance, but nothing comes before its arrival.
        let behind = self.rng.percent(50);
        if behind && mail < prepared.len() {
            prepared.rotate_left(mail);
        }
        let mut prepared = VecDeque::from(prepared);
        for (key, verdict) in self.desk.answers(net.now) {
            prepared.push_front(Prepared::Verdict(key, verdict));
        }
        prepared
    }

    /// Takes what the disk has said, behind `count` other inputs. Says how much that is.
    fn listen(&mut self, count: usize, now: u64, prepared: &mut Vec<Prepared>) -> usize {
        let mut heard = 0;
        while count + heard < self.limits.inputs
            && self.news.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, news)) = self.news.pop_front()
        {
            self.without_disk |= matches!(news, News::Failed);
            prepared.push(Prepared::News(news));
            heard += 1;
        }
        heard
    }

    /// What one connection has for the core: room, bytes, or its end.
    fn look(&mut self, key: ConnKey, net: &mut Net, prepared: &mut Vec<Prepared>) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        if std::mem::take(&mut slot.room) {
            prepared.push(Prepared::Room(key));
        }
        let link = net.link(slot.link);
        if link.up.ended() == Some(Finish::Rst) {
            // What was read before and is kept may be lost with a reset, or be handed out first.
            slot.ended = true;
            prepared.push(Prepared::Ended(key, End::Broken));
            return;
        }
        if slot.paused {
            return;
        }
        let fresh = link.up.readable();
        let count = if self.rng.percent(70) {
            fresh
        } else {
            self.rng.size(0, fresh)
        };
        slot.tail.extend(link.up.read(count));
        slot.unread = count < fresh;
        let enough = slot.tail.len() >= slot.needed || self.rng.percent(10);
        if slot.hand_out || (count > 0 && enough) {
            slot.hand_out = false;
            prepared.push(Prepared::Bytes(key));
        } else if link.up.ended().is_some() {
            slot.ended = true;
            prepared.push(Prepared::Ended(key, End::Finished));
        }
    }

    /// When the next turn is.
    fn plan(&mut self, net: &mut Net, count: usize) -> Verdict {
        let idle = count == 0 && self.effects.more;
        self.restless = if idle { self.restless + 1 } else { 0 };
        if self.restless > RESTLESS {
            return Err(format!("shard {} wants turns for ever", self.id));
        }
        let unread = self.slots.iter().any(|slot| {
            let up = &mut net.link(slot.link).up;
            let readable = !slot.paused && (up.readable() > 0 || slot.hand_out || up.ended().is_some());
            slot.is_served() && (readable || slot.room || up.ended() == Some(Finish::Rst))
        });
        if let Some((at, ..)) = self.laws.front() {
            let at = *at;
            self.wake_at(at, net);
        }
        if let Some(at) = self.desk.next() {
            self.wake_at(at, net);
        }
        if let Some((at, _)) = self.news.front() {
            let at = *at;
            self.wake_at(at, net);
        }
        if self.effects.more || unread || !self.arrivals.is_empty() {
            let late = self.rng.range(0, 1);
            self.wake_at(net.now + late, net);
        }
        if let Some(deadline) = self.effects.deadline {
            let late = self.rng.range(0, self.limits.lateness);
            let at = deadline.as_millis();
            if at <= net.now && count == 0 && !self.effects.more {
                self.restless += 2;
            }
            if at < u64::MAX / 2 {
                self.wake_at(at.max(net.now).saturating_add(late), net);
            }
        }
        Ok(())
    }

    /// Hands mail over, as much as the slots take.
    pub fn send_mail(&mut self, net: &mut Net, post: &mut Post) {
        let mut moved = false;
        for (to, mail) in (0..).zip(&mut self.effects.mail) {
            let full = mail.is_full();
            if let Some(at) = post.send(self.id, to, mail, net) {
                net.at(at, Event::Post(to));
            }
            moved |= full && !mail.is_full();
        }
        if moved {
            self.wake_soon(net);
        }
    }
}

/// The inputs of a turn, for a person.
fn tell(inputs: &[Seen]) -> String {
    let words = inputs.iter().map(|input| match input {
        Seen::Bytes { link, bytes, used } => {
            let taken = crate::actor::packet::describe(bytes.get(..*used).unwrap_or_default());
            format!("from {link}: {taken} ({used} of {} bytes)", bytes.len())
        }
        other @ (Seen::Accepted(_)
        | Seen::Ended(..)
        | Seen::Shutdown
        | Seen::StoreFailed
        | Seen::Law(_)
        | Seen::Edition(_)
        | Seen::Verdict(..)
        | Seen::Other) => {
            format!("{other:?}")
        }
    });
    words.collect::<Vec<_>>().join("; ")
}

/// Connections that leave a shard, with the bytes that it did not consume.
pub type Moves = Vec<(LinkId, ShardId, Vec<u8>)>;

impl Shell {
    /// Says that nobody will read what is sent, and how the client learns of it.
    fn hang_up(link: LinkId, how: Finish, net: &mut Net) {
        net.close(link, Way::Down, how);
        net.link(link).server_gone = true;
    }
}
