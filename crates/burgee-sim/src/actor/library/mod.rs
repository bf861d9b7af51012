//! A program that uses the library, on a network and a disk that fail: it publishes, subscribes, dies, and comes back.
//!
//! What must hold: it judges by what applications see (`affairs`, `streams`) and by what passes its door (`door`); the library
//! under it is the one that is shipped, but for Tokio's runtime and the sockets. Deliberately absent: the broker.

mod affairs;
mod door;
mod fits;
mod life;
mod paper;
mod program;
mod streams;

use std::collections::BTreeSet;

use burgee_client::simulation::{Need, Outbox, Wire};
use burgee_client::{Options, QoS, QueueLimit};

use super::habits;
use crate::net::{Event, LinkId, Net, Way};
use crate::rng::Rng;
use crate::scenario::Scenario;
pub use affairs::Affairs;
use affairs::Lasting;
use door::{Door, Seen};
use program::Program;
use streams::Reader;

/// A packet of ours comes this much later than the keep alive allows, at most, in milliseconds.
const SLACK: u64 = 1_000;

/// What a program is like.
#[derive(Clone, Debug)]
struct Manner {
    clean: bool,
    outbox: bool,
    manual: bool,
    keep_alive: u16,
    /// 0: the library's own.
    window: u16,
    /// Messages that wait in its client, at most.
    queue: usize,
    /// Reads its streams so slowly, at most, in milliseconds.
    slow: u64,
    /// Messages that its streams hold.
    capacity: usize,
    /// The waits between attempts, in milliseconds.
    backoff: (u64, u64),
    connect_timeout: u64,
    /// A commit of its outbox takes so long, at most, in milliseconds.
    commit_ms: u64,
    /// Commits fail, in percent.
    fails: u64,
    /// It dies, in percent of what it does.
    dies: u64,
    habits: habits::Habits,
}

impl Manner {
    fn draw(rng: &mut Rng, scenario: &Scenario) -> Self {
        let clean = rng.percent(25);
        Self {
            clean,
            outbox: !clean && rng.percent(60),
            manual: rng.percent(25),
            keep_alive: *rng.pick(&[0, 1, 3, 10]),
            window: *rng.pick(&[1, 2, 8, 100, 0]),
            queue: *rng.pick(&[2, 1_000, 1_000]),
            slow: *rng.pick(&[0, 0, 50, 1_500]),
            capacity: *rng.pick(&[1, 3, 100, 100]),
            backoff: *rng.pick(&[(20, 200), (100, 1_000), (500, 4_000)]),
            connect_timeout: *rng.pick(&[1_500, 6_000]),
            commit_ms: *rng.pick(&[0, 2, 10, 60]),
            fails: 0,
            dies: *rng.pick(&[0, 0, 2, 6]),
            habits: habits::Habits::draw(rng, scenario),
        }
    }

    fn options(&self, name: &str) -> Options {
        let millis = std::time::Duration::from_millis;
        let options = Options::new("sim", 0)
            .client_id(name)
            .clean_session(self.clean)
            .keep_alive(self.keep_alive)
            .manual_ack(self.manual)
            .queue(QueueLimit {
                messages: self.queue,
                ..QueueLimit::default()
            })
            .backoff(millis(self.backoff.0), millis(self.backoff.1))
            .connect_timeout(millis(self.connect_timeout));
        if self.window > 0 {
            options.window(self.window)
        } else {
            options
        }
    }
}

/// How many things were seen, for those who want to know that a run was not idle.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seldom {
    /// Messages that applications handed in.
    pub handed: u64,
    /// Messages that their streams gave.
    pub taken: u64,
    /// Programs that died.
    pub deaths: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Library {
    /// Its number among all clients of the world.
    index: usize,
    number: usize,
    name: String,
    manner: Manner,
    rng: Rng,
    program: Option<Program>,
    outbox: Option<Outbox>,
    door: Door,
    link: Option<LinkId>,
    /// The streams that it always has, while it does not run.
    lasting: Vec<Lasting>,
    /// What may come to its streams a second time, because it died at the wrong moment.
    again: BTreeSet<Vec<u8>>,
    /// What the server may still have of a run that died.
    leftover: BTreeSet<String>,
    planned: Option<u64>,
    next_action: u64,
    counter: u64,
    pace: u64,
    payload: usize,
    cuts: u64,
    shards: u64,
    /// The connection is given up before CONNACK, and nobody is told why.
    serving_since: Option<u64>,
    calm: bool,
    retired: bool,
    /// Its last stream is given up as soon as it is asked for.
    fickle: bool,
    seldom: Seldom,
}

/// The library's end of a link.
struct Socket<'a> {
    net: &'a mut Net,
    link: LinkId,
    door: &'a mut Door,
}

impl Wire for Socket<'_> {
    fn read(&mut self, into: &mut Vec<u8>) -> Option<usize> {
        let pipe = &mut self.net.link(self.link).down;
        if pipe.readable() == 0 {
            return pipe.ended().is_none().then_some(0);
        }
        let bytes: Vec<u8> = pipe.read(usize::MAX).collect();
        self.net.after(1, Event::Writable(self.link));
        self.door.read(&bytes);
        into.extend_from_slice(&bytes);
        Some(bytes.len())
    }

    fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.net.link(self.link).up.is_closed() {
            return None;
        }
        let count = self.net.write(self.link, Way::Up, bytes);
        let now = self.net.now;
        self.door.wrote(bytes.get(..count).unwrap_or_default(), now);
        Some(count)
    }

    fn finish(&mut self) {
        self.net.close(self.link, Way::Up, crate::net::Finish::Fin);
    }
}

impl Library {
    /// Program `number` of a world with so many devices.
    #[must_use]
    pub fn new(number: usize, scenario: &Scenario, rng: &mut Rng) -> Self {
        let mut rng = rng.fork();
        let mut manner = Manner::draw(&mut rng, scenario);
        // A chance of its own: the others' worlds are what they were.
        let mut apart = Rng::new(scenario.busy_ms ^ number as u64);
        manner.fails = *apart.pick(&[0, 0, 0, 1]);
        let lasting = (0..rng.size(0, 3))
            .map(|_| {
                let filter = habits::filter(&mut rng, false);
                Lasting::new(filter.to_owned(), habits::qos(&mut rng, 2))
            })
            .collect();
        Self {
            index: scenario.devices + number,
            number,
            // Devices have to know whose messages may come twice: who has no session publishes anew.
            name: format!("{}{number}", if manner.clean { 'r' } else { 'l' }),
            program: None,
            outbox: manner.outbox.then(Outbox::default),
            door: Door::new(manner.clean, manner.outbox),
            link: None,
            lasting,
            again: BTreeSet::new(),
            leftover: BTreeSet::new(),
            planned: None,
            next_action: rng.below(scenario.pace_ms),
            counter: 0,
            pace: scenario.pace_ms,
            payload: scenario.payload.min(500),
            cuts: scenario.cuts,
            shards: u64::from(scenario.config.shards),
            serving_since: None,
            calm: false,
            retired: false,
            fickle: false,
            seldom: Seldom::default(),
            manner,
            rng,
        }
    }

    /// Its connection of the moment.
    #[must_use]
    pub const fn link(&self) -> Option<LinkId> {
        self.link
    }

    /// What it has seen.
    #[must_use]
    pub const fn seldom(&self) -> Seldom {
        self.seldom
    }

    /// Lets it wake up when it next has something to do.
    pub fn plan(&mut self, net: &mut Net) {
        let mut at = self.next_action;
        if let Some(program) = &self.program {
            let waits = [
                program.machine.deadline(),
                program.committing.as_ref().map(|(due, _)| *due),
                program.streams.next(),
                (program.machine.waiting_bytes() > 0 && self.link.is_some()).then_some(net.now + 5),
            ];
            at = waits.into_iter().flatten().fold(at, u64::min);
        }
        let at = at.max(net.now + 1);
        if self.planned.is_none_or(|planned| at < planned || planned <= net.now) {
            self.planned = Some(at);
            net.at(at, Event::Wake(self.index));
        }
    }

    /// Does what is due. Connections that it opens are returned.
    ///
    /// # Errors
    /// The library did something wrong, or the broker did.
    pub fn wake(&mut self, net: &mut Net, affairs: &mut Affairs) -> Result<Option<LinkId>, String> {
        if self.planned != Some(net.now) {
            return Ok(None);
        }
        self.planned = None;
        if net.now >= self.next_action {
            self.act(net, affairs)?;
            let pause = self.rng.range(1, self.pace * 2);
            self.next_action = self.next_action.max(net.now + if self.calm { 200 } else { pause });
        }
        let mut opened = self.work(net, affairs)?;
        if self.fickle {
            self.change_its_mind(net);
            opened = self.work(net, affairs)?.or(opened);
        }
        self.plan(net);
        Ok(opened)
    }

    /// Goes on until nothing more can be done now.
    ///
    /// # Errors
    /// As [`Library::wake`].
    pub fn work(&mut self, net: &mut Net, affairs: &mut Affairs) -> Result<Option<LinkId>, String> {
        let before = self.link;
        let worked = self.work_on(net, affairs);
        worked.map_err(|problem| format!("{} ({:?}): {problem}", self.name, self.manner))?;
        Ok(self.link.filter(|link| before != Some(*link)))
    }

    fn work_on(&mut self, net: &mut Net, affairs: &mut Affairs) -> Result<(), String> {
        loop {
            let Some(program) = &mut self.program else {
                return Ok(());
            };
            if let Some((due, notes)) = program.committing.take() {
                if due > net.now {
                    program.committing = Some((due, notes));
                } else if self.manner.fails > 0 && !self.calm && self.rng.percent(self.manner.fails) {
                    program.machine.failed_to_commit("the disk is full");
                } else if let Some(outbox) = &mut self.outbox {
                    outbox.put(&notes)?;
                    self.door.is_written();
                    program.machine.committed();
                }
            }
            let need = match self.link {
                Some(link) => {
                    let door = &mut self.door;
                    let mut socket = Socket { net, link, door };
                    program.machine.step(socket.net.now, Some(&mut socket))?
                }
                None => program.machine.step(net.now, None)?,
            };
            self.look(net, affairs)?;
            let moved = !matches!(need, Need::Nothing);
            self.serve(need, net, affairs);
            let Some(program) = &mut self.program else {
                return Ok(());
            };
            let mut changed = program.ask_all(self.number, net.now, &self.door, affairs)?;
            if self.manner.outbox {
                for note in program.taken() {
                    if let Some(sent) = affairs.get_mut(&note.payload).filter(|_| note.qos > QoS::AtMostOnce) {
                        sent.sure = true;
                    }
                }
            }
            let slow = if self.calm { 0 } else { self.manner.slow };
            let again = &self.again;
            let mut reader = Reader {
                now: net.now,
                rng: &mut self.rng,
                slow,
                manual: self.manner.manual,
                again,
            };
            changed |= program.streams.read(&mut reader, affairs)?;
            program.hear()?;
            if program.machine.is_over() {
                program.check_end(self.manner.fails > 0)?;
                self.bury(net, affairs, true);
                return Ok(());
            }
            if !moved && !changed {
                return Ok(());
            }
        }
    }

    /// What has passed the door.
    fn look(&mut self, net: &mut Net, affairs: &mut Affairs) -> Result<(), String> {
        let Some(program) = &mut self.program else {
            return Ok(());
        };
        let undigested = program.machine.undigested();
        for seen in self.door.look_in(undigested)? {
            match seen {
                Seen::Came(came) => program.streams.come(&came),
                Seen::Granted(filter, true) => {
                    for stream in program
                        .streams
                        .all
                        .iter_mut()
                        .filter(|stream| stream.lasting.filter == filter)
                    {
                        stream.lasting.since.get_or_insert(net.now);
                    }
                }
                Seen::Granted(filter, false) => return Err(format!("{filter:?} is refused")),
                Seen::Connected(present) => {
                    if !present {
                        self.leftover.clear();
                        program
                            .streams
                            .all
                            .iter_mut()
                            .for_each(|stream| stream.lasting.since = None);
                    }
                }
            }
        }
        let told = self
            .door
            .look_out(affairs, |number| program.streams.acknowledged(number))?;
        for line in told {
            net.trace.say(net.now, [12, self.number as u64, line.len() as u64], || {
                format!("{} on {:?}: {line}", self.name, self.link)
            });
        }
        let serving = program.machine.is_serving() && self.link.is_some();
        self.serving_since = self.serving_since.or(Some(net.now)).filter(|_| serving);
        let keep_alive = u64::from(self.manner.keep_alive) * 1000;
        let quiet = program.machine.waiting_bytes() == 0 && program.committing.is_none();
        let last = self.serving_since.map(|since| since.max(self.door.last_out()));
        // [MQTT-3.1.2-23]
        if keep_alive > 0 && quiet && last.is_some_and(|last| net.now > last + keep_alive + SLACK) {
            return Err(format!("nothing was sent since {last:?}"));
        }
        Ok(())
    }

    /// Gives the client what it needs.
    fn serve(&mut self, need: Need, net: &mut Net, affairs: &mut Affairs) {
        let Some(program) = &mut self.program else { return };
        match need {
            Need::Nothing => {}
            Need::Commit(notes) => {
                let due = net.now + self.rng.range(0, self.manner.commit_ms);
                program.committing = Some((due, notes));
                self.door.is_being_written();
            }
            Need::HangUp => self.hang_up_now(net, affairs),
            Need::Dial => {
                let there = !self.retired && (self.calm || !self.rng.percent(4));
                if !there {
                    // Refused at once, or nobody answers.
                    if self.retired || self.rng.percent(50) {
                        program.machine.dialled(net.now, false);
                    }
                    return;
                }
                let shard = u16::try_from(self.rng.below(self.shards)).unwrap_or(0);
                let link = net.connect(shard);
                if !self.calm && self.rng.percent(self.cuts) {
                    let way = if self.rng.percent(50) { Way::Up } else { Way::Down };
                    let most = *self.rng.pick(&[60, 2_000]);
                    let bytes = self.rng.size(1, most);
                    net.cut_after(link, way, bytes);
                }
                self.link = Some(link);
                self.serving_since = None;
                self.door.dialled(net.now);
                program.machine.dialled(net.now, true);
            }
        }
    }
}
