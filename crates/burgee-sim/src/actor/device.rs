//! A device: connects, publishes, subscribes, and loses its connection in every way there is.
//!
//! What must hold: all it does follows from its own chance. Deliberately absent: reading (`receive`).

use std::collections::VecDeque;

use burgee_codec::QoS;

use super::habits::{self, Habits};
use super::memory::Memory;
use super::packet::{self, Hello};
use crate::house::PASSWORD;
use crate::net::{Event, Finish, LinkId, Net, Way};
use crate::rng::Rng;
use crate::scenario::Scenario;

/// Time that a device waits for an answer before it gives its connection up, in milliseconds.
const PATIENCE: u64 = 6_000;

/// Where a device stands.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// Without a connection.
    Away,
    /// CONNECT is sent.
    Calling(LinkId),
    /// CONNACK came.
    There(LinkId),
}

/// See the module.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a person has many habits")]
pub struct Device {
    number: usize,
    pub(super) name: String,
    /// And from when on.
    user: Option<(u64, String)>,
    pub(super) habits: Habits,
    pub(super) rng: Rng,
    pub(super) place: Place,
    pub(super) memory: Memory,
    /// This connection began with clean session 1.
    pub(super) clean: bool,
    pub(super) input: Vec<u8>,
    output: VecDeque<u8>,
    /// Acknowledgements that are not sent yet.
    pub(super) acks: VecDeque<(u64, Vec<u8>)>,
    /// Does not read before this time.
    pub(super) reads_from: u64,
    next_action: u64,
    last_sent: u64,
    /// An answer is awaited since this time.
    pub(super) waiting_since: Option<u64>,
    planned: Option<u64>,
    counter: u64,
    pace: u64,
    payload: usize,
    cuts: u64,
    shared: bool,
    ids: u16,
    /// Has ever subscribed to a shared filter.
    pub(super) shares: bool,
    /// Sessions are taken from devices in this world, or expire, and they cannot know.
    pub(super) robbed: bool,
    pub(super) calm: bool,
    /// It does not connect any more.
    pub(super) retired: bool,
    shards: u64,
}

impl Device {
    /// Device `number` of a world.
    #[must_use]
    pub fn new(number: usize, scenario: &Scenario, rng: &mut Rng) -> Self {
        let mut rng = rng.fork();
        let habits = Habits::draw(&mut rng, scenario);
        let house = scenario.house.as_ref();
        let nameless = habits.clean == 100 && habits.version == burgee_codec::Version::V311 && rng.percent(20);
        Self {
            number,
            name: if nameless { String::new() } else { format!("d{number}") },
            user: house.and_then(|house| house.user_of(number)),
            habits,
            place: Place::Away,
            memory: Memory::default(),
            clean: false,
            input: Vec::new(),
            output: VecDeque::new(),
            acks: VecDeque::new(),
            reads_from: 0,
            next_action: rng.below(scenario.pace_ms),
            last_sent: 0,
            waiting_since: None,
            planned: None,
            counter: 0,
            pace: scenario.pace_ms,
            payload: scenario.payload,
            cuts: scenario.cuts,
            shared: scenario.shared,
            ids: scenario.client_ids,
            shares: false,
            // A session that expires may be begun anew by a CONNECT whose CONNACK is lost: the next one finds it present.
            robbed: scenario.robs()
                || scenario.config.session_expiry_ms > 0
                || house.is_some_and(|house| house.names_everybody()),
            calm: false,
            retired: false,
            shards: u64::from(scenario.config.shards),
            rng,
        }
    }

    /// Its connection of the moment.
    #[must_use]
    pub const fn link(&self) -> Option<LinkId> {
        match self.place {
            Place::Away => None,
            Place::Calling(link) | Place::There(link) => Some(link),
        }
    }

    /// Lets it wake up when it next has something to do.
    pub fn plan(&mut self, net: &mut Net) {
        let mut at = self.next_action;
        if let Some((due, _)) = self.acks.front() {
            at = at.min(*due);
        }
        if self.link().is_some() {
            at = at.min(self.waiting_since.map_or(u64::MAX, |since| since + PATIENCE));
            at = at.min(self.ping_at().unwrap_or(u64::MAX));
            at = at.min(if self.output.is_empty() { u64::MAX } else { net.now + 5 });
            at = at.min(if self.reads_from > net.now {
                self.reads_from
            } else {
                u64::MAX
            });
        }
        let at = at.max(net.now + 1);
        if at < u64::MAX && self.planned.is_none_or(|planned| at < planned || planned <= net.now) {
            self.planned = Some(at);
            net.at(at, Event::Wake(self.number));
        }
    }

    /// Does what is due. A connection that it opens is returned.
    ///
    /// # Errors
    /// The broker did something wrong.
    pub fn wake(&mut self, net: &mut Net) -> Result<Option<LinkId>, String> {
        if self.planned != Some(net.now) {
            return Ok(None);
        }
        self.planned = None;
        self.read(net)?;
        self.flush_acks(net);
        let mut opened = None;
        if self.waiting_since.is_some_and(|since| net.now >= since + PATIENCE) {
            self.give_up(net);
        }
        if net.now >= self.next_action {
            opened = self.act(net);
            let pause = self.rng.range(1, self.pace * 2);
            self.next_action = if self.calm { net.now + 200 } else { net.now + pause };
        }
        if self.ping_at().is_some_and(|at| net.now >= at) {
            self.send(packet::ping(), net);
            self.waiting_since.get_or_insert(net.now);
        }
        self.flush(net);
        self.plan(net);
        Ok(opened)
    }

    fn ping_at(&self) -> Option<u64> {
        let Place::There(_) = self.place else { return None };
        let pings = (self.habits.pings || self.calm) && self.habits.keep_alive > 0;
        pings.then(|| self.last_sent + u64::from(self.habits.keep_alive) * 800)
    }

    fn act(&mut self, net: &mut Net) -> Option<LinkId> {
        match self.place {
            Place::Away if !self.retired => Some(self.call(net)),
            Place::Away | Place::Calling(_) => None,
            Place::There(_) if self.calm => None,
            Place::There(link) => self.go_on(link, net),
        }
    }

    /// Opens a connection. What it had before, it forgets; the broker may not know that yet.
    pub(super) fn call(&mut self, net: &mut Net) -> LinkId {
        let shard = u16::try_from(self.rng.below(self.shards)).unwrap_or(0);
        let link = net.connect(shard);
        self.start(link);
        self.clean = if self.calm {
            self.habits.clean == 100
        } else {
            self.rng.percent(self.habits.clean)
        };
        // Nobody without a name has a session to come back to.
        self.clean |= self.name.is_empty();
        if !self.clean {
            self.memory.end_of_clean();
        }
        self.place = Place::Calling(link);
        self.waiting_since = Some(net.now);
        let will = self.rng.percent(self.habits.will).then(|| {
            let mut will = self.note();
            will.topic = if will.topic.starts_with("$SYS") {
                "a".to_owned()
            } else {
                will.topic
            };
            will
        });
        let (version, keep_alive) = (self.habits.version, self.habits.keep_alive);
        // Now and then it has forgotten its password.
        let user = self.user.as_ref().filter(|(from, _)| *from <= net.now);
        let user = user.map(|(_, user)| user.clone());
        let forgets = user.is_some() && !self.calm && self.rng.percent(4);
        let password = if forgets { b"open" } else { PASSWORD };
        let hello = Hello {
            version,
            client: &self.name,
            clean: self.clean,
            keep_alive,
            will,
            login: user.as_deref().map(|user| (user, password)),
        };
        let bytes = packet::connect(&hello);
        self.send(bytes, net);
        if !self.calm && self.rng.percent(self.habits.eager) {
            // [MQTT-3.1.4-5] allowed, and answered behind CONNACK.
            for _ in 0..self.rng.range(1, 3) {
                self.publish(link, net);
            }
            self.subscribe(link, net);
        }
        if !self.calm && self.rng.percent(self.cuts) {
            let way = if self.rng.percent(50) { Way::Up } else { Way::Down };
            let bytes = if self.rng.percent(30) {
                self.rng.size(1, 40)
            } else {
                self.rng.size(1, 3_000)
            };
            net.cut_after(link, way, bytes);
        }
        link
    }

    /// Something that a connected client does.
    fn go_on(&mut self, link: LinkId, net: &mut Net) -> Option<LinkId> {
        if self.rng.percent(self.cuts) {
            return self.end_badly(link, net);
        }
        match self.rng.below(100) {
            0..50 => self.publish(link, net),
            50..60 => {
                for _ in 0..self.rng.range(2, 15) {
                    self.publish(link, net);
                }
            }
            60..82 => self.subscribe(link, net),
            82..89 => self.unsubscribe(link, net),
            89..92 => self.reads_from = net.now + self.rng.range(50, 3_000),
            92..95 => {
                self.send(packet::ping(), net);
                self.waiting_since.get_or_insert(net.now);
            }
            95..98 => self.leave(link, net),
            _ => return self.end_badly(link, net),
        }
        None
    }

    /// Goes, in the way that is its own.
    fn leave(&mut self, link: LinkId, net: &mut Net) {
        if self.rng.percent(self.habits.polite) {
            self.send(packet::disconnect(), net);
        }
        self.flush(net);
        let how = if self.rng.percent(70) { Finish::Fin } else { Finish::Rst };
        net.close(link, Way::Up, how);
        self.stay_away(net);
    }

    fn end_badly(&mut self, link: LinkId, net: &mut Net) -> Option<LinkId> {
        self.flush(net);
        match self.rng.below(6) {
            0 => net.cut(link),
            1 => {
                let way = if self.rng.percent(50) { Way::Up } else { Way::Down };
                let bytes = self.rng.size(1, 300);
                net.cut_after(link, way, bytes);
                return None;
            }
            2 => {
                net.link(link).black_hole = true;
                return None;
            }
            // The old connection stays open until the broker closes it: a takeover.
            3 | 4 => return Some(self.call(net)),
            _ => net.close(link, Way::Up, Finish::Rst),
        }
        self.stay_away(net);
        None
    }

    /// Does its next thing at once.
    pub(super) fn hurry(&mut self, net: &mut Net) {
        self.next_action = net.now;
        self.plan(net);
    }

    pub(super) fn stay_away(&mut self, net: &mut Net) {
        self.place = Place::Away;
        self.waiting_since = None;
        let away = if self.rng.percent(70) { self.pace } else { 4_000 };
        self.next_action = net.now + self.rng.range(0, away);
    }

    fn start(&mut self, link: LinkId) {
        self.input.clear();
        self.output.clear();
        // Acknowledgements belong to the connection on which the message came.
        self.acks.clear();
        self.memory.lost();
        self.reads_from = 0;
        self.place = Place::Calling(link);
    }

    /// No answer came: the connection is of no use.
    fn give_up(&mut self, net: &mut Net) {
        if let Some(link) = self.link() {
            net.close(link, Way::Up, Finish::Rst);
            self.stay_away(net);
        }
    }

    fn note(&mut self) -> packet::Note {
        self.counter += 1;
        let (who, which) = (format!("d{}", self.number), self.counter.to_string());
        habits::note(&mut self.rng, &self.habits, (&who, &which), self.payload)
    }

    fn publish(&mut self, link: LinkId, net: &mut Net) {
        let note = self.note();
        if note.qos == QoS::AtMostOnce {
            self.send(packet::publish(&note, None, false), net);
        } else if self.memory.unfinished() < 50
            && let Some(id) = self.memory.id(self.ids)
        {
            self.send(packet::publish(&note, Some(id), false), net);
            self.memory.send(id, note, (link, self.clean));
        }
    }

    fn subscribe(&mut self, link: LinkId, net: &mut Net) {
        let Some(id) = self.memory.id(self.ids) else { return };
        let count = self.rng.size(1, 3);
        let filters: Vec<(&str, QoS)> = (0..count)
            .map(|_| {
                (
                    habits::filter(&mut self.rng, self.shared),
                    habits::qos(&mut self.rng, 2),
                )
            })
            .collect();
        self.shares |= filters.iter().any(|(filter, _)| filter.starts_with("$share"));
        self.send(packet::subscribe(id, &filters), net);
        self.memory.ask(id, link);
    }

    fn unsubscribe(&mut self, link: LinkId, net: &mut Net) {
        let Some(id) = self.memory.id(self.ids) else { return };
        let filters = [
            habits::filter(&mut self.rng, self.shared),
            habits::filter(&mut self.rng, self.shared),
        ];
        self.send(packet::unsubscribe(id, &filters), net);
        self.memory.ask(id, link);
    }

    pub(super) fn send(&mut self, bytes: Vec<u8>, net: &mut Net) {
        net.trace.say(net.now, [6, self.number as u64, bytes.len() as u64], || {
            format!("d{} on {:?}: {}", self.number, self.link(), packet::describe(&bytes))
        });
        self.last_sent = net.now;
        self.output.extend(bytes);
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self, net: &mut Net) {
        let Some(link) = self.link() else { return };
        let waiting = self.output.make_contiguous();
        let written = net.write(link, Way::Up, waiting);
        self.output.drain(..written);
    }

    /// Subscribes to everything, for the last judgement.
    pub fn audit(&mut self, net: &mut Net) {
        if let Place::There(link) = self.place
            && let Some(id) = self.memory.id(u16::MAX)
        {
            let filters = [
                ("#", QoS::ExactlyOnce),
                ("$x/#", QoS::ExactlyOnce),
                ("a/b", QoS::AtLeastOnce),
            ];
            self.send(packet::subscribe(id, &filters), net);
            self.memory.ask(id, link);
            self.flush(net);
            self.plan(net);
        }
    }
}
