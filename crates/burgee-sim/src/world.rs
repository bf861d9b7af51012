//! A world from its first millisecond to the last judgement.
//!
//! What must hold: events happen in the order of the calendar, one at a time. Deliberately absent: chance of its own,
//! but for when it ends in between (`crash`); network, disk, shells and clients have theirs, forked from the seed.

mod crash;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burgee_core::io::Reload;
use burgee_core::{Config, Counters, Shared};

use crate::actor::{Affairs, Device, Hooligans, Library};
use crate::disk::Disk;
use crate::net::{Event, LinkId, Net, Way};
use crate::oracle::{Oracle, Rules, Tally, Verdict};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::shell::{Order, Post, Shell};
use crate::trace::Trace;

/// Time for the world to become quiet, in milliseconds.
const CALM_MS: u64 = 900_000;
/// Time in which a quiet world is watched, in milliseconds.
const WATCH_MS: u64 = 20_000;

/// What came of a seed.
#[derive(Debug)]
pub struct Story {
    /// The seed.
    pub seed: u64,
    /// One number for all that happened.
    pub hash: u64,
    /// What went wrong, and when in virtual time.
    pub failure: Option<String>,
    /// All that happened, if it was to be told.
    pub lines: Vec<String>,
    /// What was checked.
    pub tally: Tally,
    /// Turns of all shards.
    pub turns: u64,
    /// Events until the world became calm.
    pub steps: u64,
    /// Virtual time, in milliseconds.
    pub lasted: u64,
}

/// A crash at a certain point of a story.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Crash {
    /// Before this event, counted from 0.
    pub step: u64,
    /// If that is a shard's turn: when its batches are handed over, and before anything else of it is carried out.
    pub within: bool,
}

/// Runs the world of a seed. `told`: with a trace for a person.
#[must_use]
pub fn run(seed: u64, told: bool) -> Story {
    let mut rng = Rng::new(seed);
    let scenario = Scenario::draw(&mut rng).with_disk(&mut Rng::new(!seed));
    let scenario = scenario.with_settings(&mut Rng::new(seed ^ 0x1C41));
    let scenario = scenario.with_laws(&mut Rng::new(seed ^ 0x1A3D));
    let scenario = scenario.with_house(&mut Rng::new(seed ^ 0x0D00_4B00));
    let scenario = scenario.with_libraries(&mut Rng::new(seed ^ 0x0011_B0A5));
    let scenario = scenario.with_expiry(&mut Rng::new(seed ^ 0xA6E5));
    let scenario = scenario.with_memory(&mut Rng::new(seed ^ 0x2004));
    tell(World::new((seed, told), scenario, rng), seed)
}

/// Runs a small world of a seed with a disk, and lets it crash once or not at all.
#[must_use]
pub fn run_small(seed: u64, told: bool, crash: Option<Crash>) -> Story {
    let mut rng = Rng::new(seed);
    let scenario = Scenario::draw(&mut rng).with_disk(&mut Rng::new(!seed)).made_small();
    let scenario = scenario.with_libraries(&mut Rng::new(seed ^ 0x0011_B0A5));
    let mut world = World::new((seed, told), scenario, rng);
    if let Some(Crash { step, within }) = crash {
        world.crash_at = crash;
        world.rng = Rng::new(world.rng.draw() ^ (step * 2 + u64::from(within)));
    }
    tell(world, seed)
}

/// What the oracle has to know about a world.
fn rules(scenario: &Scenario, config: &Config) -> Rules {
    Rules {
        window: usize::from(config.window),
        connect_timeout: config.connect_timeout_ms,
        max_packet: config.max_packet_bytes,
        max_connect: config.max_connect_bytes,
        max_retained: config.max_retained,
        ample: scenario.ample,
        // Where the window is never full, the broker reads the retained messages at once.
        prompt_replay: config.retained_slice > 1000
            && scenario.ample
            && config.window >= 100
            && !scenario.shared
            && scenario.disk.is_none(),
        no_delay: scenario.no_delay(),
        shared: scenario.shared,
        lateness: scenario.lateness + 5,
        durable: scenario.disk.is_some(),
        rate: scenario.rate,
        session_expiry: config.session_expiry_ms,
        message_expiry: config.message_expiry_ms,
        mail_ms: scenario.mail_ms,
        memory_limit: scenario
            .is_tight()
            .then(|| (config.memory_limit / usize::from(config.shards)) as u64),
        alone: config.shards == 1,
        largest: scenario.largest_packet() as u64,
    }
}

fn tell(mut world: World, seed: u64) -> Story {
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let failure = match lived {
        Ok(Ok(())) => None,
        Ok(Err(problem)) => Some(problem),
        Err(panic) => Some(format!("panic: {}", panic_text(&*panic))),
    };
    Story {
        seed,
        hash: world.net.trace.hash(),
        failure: failure.map(|problem| format!("at {} ms: {problem}", world.net.now)),
        tally: world.oracle.tally,
        turns: world.past.turns + world.shells.iter().map(|shell| shell.turns).sum::<u64>(),
        steps: world.steps,
        lasted: world.net.now,
        lines: world.net.trace.into_lines(),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// What the broker's earlier runs leave behind.
#[derive(Debug, Default)]
struct Past {
    counters: Counters,
    turns: u64,
}

struct World {
    scenario: Scenario,
    config: Arc<Config>,
    rng: Rng,
    net: Net,
    disk: Option<Disk>,
    past: Past,
    /// Crashes that are still to come, the next one last.
    crashes: Vec<u64>,
    /// The crash that was asked for.
    crash_at: Option<Crash>,
    /// The crash is due after so many more events.
    fuse: Option<u64>,
    /// Commits at the last look.
    commits: u64,
    /// Events so far.
    steps: u64,
    /// The time of the last event, and how many there were at that time.
    moment: u64,
    crowded: u32,
    /// The broker is not there: what the disk held is known up to this time.
    down: Option<u64>,
    calm: bool,
    post: Post,
    shells: Vec<Shell>,
    devices: Vec<Device>,
    libraries: Vec<Library>,
    affairs: Affairs,
    hooligans: Hooligans,
    oracle: Oracle,
    /// Which client opened a link.
    owners: Vec<Option<usize>>,
}

impl World {
    fn new((seed, told): (u64, bool), scenario: Scenario, mut rng: Rng) -> Self {
        let config = Arc::new(scenario.config.clone());
        let shared = Arc::new(Shared::new(rng.seeds()));
        let mut net = Net::new(rng.fork(), scenario.net.clone(), Trace::new(told));
        net.trace.say(0, [seed, 0, 0], || format!("seed {seed}: {scenario:#?}"));
        let shells = (0..config.shards)
            .map(|id| Shell::new(id, &scenario, &config, &shared, &mut rng))
            .collect();
        let devices = (0..scenario.devices)
            .map(|number| Device::new(number, &scenario, &mut rng))
            .collect();
        let mut own = Rng::new(seed ^ 0x11B);
        let libraries = (0..scenario.libraries)
            .map(|number| Library::new(number, &scenario, &mut own))
            .collect();
        let victims = if scenario.robs() { scenario.devices } else { 0 };
        let mut hooligans = Hooligans::new(scenario.hooligans, scenario.pace_ms, victims, config.shards, &mut rng);
        if let Some(house) = &scenario.house {
            hooligans.impersonate(house.users.clone());
        }
        let rules = rules(&scenario, &config);
        let house = scenario.house.clone();
        let laws = scenario.laws.iter().map(|(_, law)| law.clone()).collect();
        let post = Post::new(config.shards, scenario.mail_ms, scenario.mail_slot);
        // A chance of its own: what happens to the clients does not depend on it.
        let mut apart = Rng::new(seed ^ 0xD15C);
        let disk = scenario
            .disk
            .clone()
            .map(|settings| Disk::new(settings, config.shards, apart.fork()));
        Self {
            crashes: scenario.crashes.iter().rev().copied().collect(),
            scenario,
            config,
            rng: apart,
            net,
            disk,
            past: Past::default(),
            crash_at: None,
            fuse: None,
            commits: 0,
            steps: 0,
            moment: 0,
            crowded: 0,
            down: None,
            calm: false,
            post,
            shells,
            devices,
            libraries,
            affairs: Affairs::default(),
            hooligans,
            oracle: Oracle::new(rules, laws, house),
            owners: Vec::new(),
        }
    }

    fn live(&mut self) -> Verdict {
        for shell in &mut self.shells {
            shell.wake_soon(&mut self.net);
        }
        self.plan_orders(1);
        for device in &mut self.devices {
            device.plan(&mut self.net);
        }
        for library in &mut self.libraries {
            library.plan(&mut self.net);
        }
        self.hooligans.plan(&mut self.net);
        self.run_until(self.scenario.busy_ms)?;
        self.become_calm();
        self.calm_down()?;
        let counters = self.counters();
        self.oracle.tally.slowed += counters.slowed;
        self.oracle.judge(&counters)?;
        self.judge_libraries()?;
        self.audit()?;
        self.watch()?;
        self.end()
    }

    /// What applications were promised has come.
    fn judge_libraries(&mut self) -> Verdict {
        for library in &self.libraries {
            library.judge(&self.affairs, &self.oracle)?;
            let seldom = library.seldom();
            self.oracle.tally.handed += seldom.handed;
            self.oracle.tally.taken += seldom.taken;
            self.oracle.tally.deaths += seldom.deaths;
        }
        Ok(())
    }

    /// When other rules or other settings come into force, and which, from this number on.
    fn plan_orders(&mut self, first: usize) {
        let scenario = &self.scenario;
        let mut orders: Vec<(u64, usize, Order)> = Vec::new();
        if let Some(house) = &scenario.house {
            for (number, (at, _)) in house.editions.iter().enumerate().skip(first) {
                let banned = house.banned(number);
                let reload = scenario.edition(number).map(|config| Reload {
                    config: Arc::new(config),
                    banned,
                });
                orders.extend(reload.map(|reload| (*at, number, Order::Reload(Arc::new(reload)))));
            }
        } else {
            for (number, (at, law)) in scenario.laws.iter().enumerate().skip(first) {
                let rate = scenario.rate_under(number);
                orders.push((*at, number, Order::Policy(law.to_policy(rate))));
            }
        }
        for (at, number, order) in orders {
            for shell in &mut self.shells {
                // Not everywhere at once.
                let at = at + self.rng.range(0, 3);
                shell.obey(at, number, order.clone(), &mut self.net);
            }
        }
    }

    /// Trouble ends, everybody comes back, everything is finished.
    fn calm_down(&mut self) -> Verdict {
        self.net
            .trace
            .say(self.net.now, [9; 3], || "world  becomes calm".to_owned());
        self.hooligans.go(&mut self.net);
        let links = self.devices.iter().map(Device::link);
        let links = links.chain(self.libraries.iter().map(Library::link));
        let current: Vec<Option<LinkId>> = links.collect();
        for device in &mut self.devices {
            device.calm_down(&mut self.net);
        }
        for library in &mut self.libraries {
            library.calm_down(&mut self.net);
        }
        // Whatever connection nobody cares for any more ends now.
        for link in 0..self.net.links() {
            let forgotten = self.net.link(link).black_hole || !current.contains(&Some(link));
            self.net.link(link).black_hole = false;
            if forgotten && !self.net.link(link).server_gone {
                self.net.cut(link);
            }
        }
        self.run_until_quiet()
    }

    fn run_until_quiet(&mut self) -> Verdict {
        let deadline = self.net.now + CALM_MS;
        let mut quiet = 0;
        while self.net.now < deadline && quiet < 4 {
            self.run_until(self.net.now + 500)?;
            let done = self.devices.iter().all(Device::is_done) && self.libraries.iter().all(Library::is_done);
            let mail = self.shells.iter_mut().all(Shell::is_quiet) && self.post.is_quiet();
            let rest = mail && self.oracle.unfinished().is_none() && self.is_settled();
            let commits = self.disk.as_ref().map_or(0, Disk::commits);
            // Between two messages of a small window everything may look finished while the disk works.
            let still = std::mem::replace(&mut self.commits, commits) == commits;
            quiet = if done && rest && still { quiet + 1 } else { 0 };
        }
        if quiet > 0 {
            return Ok(());
        }
        let stuck = self
            .devices
            .iter()
            .find(|device| !device.is_done())
            .map(Device::describe);
        let lost = self.libraries.iter().find(|library| !library.is_done());
        let stuck = stuck.or_else(|| lost.map(Library::describe));
        Err(format!(
            "the world does not come to rest: {stuck:?}, {:?}",
            self.oracle.unfinished()
        ))
    }

    /// Somebody asks for everything that is retained.
    fn audit(&mut self) -> Verdict {
        if let Some(device) = self.devices.first_mut() {
            device.audit(&mut self.net);
        }
        self.run_until(self.net.now + 1_000)?;
        self.run_until_quiet()?;
        self.oracle.judge(&self.counters())
    }

    /// A quiet broker hardly takes a turn.
    fn watch(&mut self) -> Verdict {
        let before: Vec<u64> = self.shells.iter().map(|shell| shell.turns).collect();
        self.run_until(self.net.now + WATCH_MS)?;
        // Ten looks at the wheel a second at most, a few turns for each PINGREQ, and the $SYS rounds.
        let most = WATCH_MS / 100 * 2 + WATCH_MS / 100 * (self.devices.len() + self.libraries.len()) as u64 + 300;
        let sys = if self.scenario.config.sys_interval_ms > 0 {
            WATCH_MS / 2
        } else {
            0
        };
        for (shell, before) in self.shells.iter().zip(before) {
            let turns = shell.turns - before;
            if turns > most + sys {
                return Err(format!(
                    "{turns} turns in {WATCH_MS} quiet milliseconds, at most {most} are due"
                ));
            }
        }
        Ok(())
    }

    /// The broker ends, or the clients go.
    fn end(&mut self) -> Verdict {
        if !self.scenario.shutdown {
            for device in &mut self.devices {
                device.hang_up(&mut self.net);
            }
            for library in &mut self.libraries {
                library.hang_up(&mut self.net, &mut self.affairs);
            }
            return self.run_until(self.net.now + 2_000);
        }
        // Nobody is accepted any more.
        self.devices.iter_mut().for_each(Device::retire);
        self.libraries.iter_mut().for_each(Library::retire);
        for shell in &mut self.shells {
            shell.shut_down(&mut self.net);
        }
        self.run_until(self.net.now + 10_000)?;
        match self.shells.iter().map(Shell::open).sum::<usize>() {
            0 => Ok(()),
            open => Err(format!("{open} connections are open after the end")),
        }
    }

    fn counters(&self) -> Counters {
        let mut sum = self.past.counters.clone();
        self.shells.iter().for_each(|shell| sum.add(shell.counters()));
        sum
    }

    fn run_until(&mut self, until: u64) -> Verdict {
        while let Some(event) = self.net.next(until) {
            self.step(event)?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Verdict {
        match event {
            Event::Turn(shard) => return self.turn(shard),
            Event::Arrive(link, way, count) => {
                if self.net.arrive(link, way, count) {
                    return self.notice(link, way);
                }
            }
            Event::End(link, way, how) => {
                if self.net.arrive_end(link, way, how) {
                    return self.notice(link, way);
                }
            }
            Event::Writable(link) => {
                if let Some(shell) = shell_of(&mut self.shells, link, &mut self.net) {
                    shell.writable(link, &mut self.net);
                }
            }
            Event::FlushTimeout(link) => {
                if let Some(shell) = shell_of(&mut self.shells, link, &mut self.net) {
                    shell.flush_timeout(link, &mut self.net);
                }
            }
            Event::Commit(life) => return self.commit(life),
            Event::Restart => return self.restart(),
            Event::Post(shard) => {
                if let Some(shell) = self.shells.get_mut(usize::from(shard)) {
                    shell.wake_at(self.net.now, &mut self.net);
                }
            }
            Event::Wake(number) => {
                let Some(device) = self.devices.get_mut(number) else {
                    return self.wake_library(number);
                };
                if let Some(link) = device.wake(&mut self.net)? {
                    self.opened(link, Some(number));
                }
            }
            Event::Hooligan => {
                if self.net.now < self.scenario.busy_ms {
                    let link = self.hooligans.come(&mut self.net);
                    self.opened(link, None);
                    self.hooligans.plan(&mut self.net);
                }
            }
        }
        Ok(())
    }

    fn wake_library(&mut self, number: usize) -> Verdict {
        let place = number.checked_sub(self.devices.len());
        if let Some(library) = place.and_then(|place| self.libraries.get_mut(place))
            && let Some(link) = library.wake(&mut self.net, &mut self.affairs)?
        {
            self.opened(link, Some(number));
        }
        Ok(())
    }

    fn turn(&mut self, shard: u16) -> Verdict {
        let Some(shell) = self.shells.get_mut(usize::from(shard)) else {
            return Ok(());
        };
        if !shell.is_due(&self.net) {
            return Ok(());
        }
        let moves = shell.turn(&mut self.net, (&mut self.post, &mut self.disk), &mut self.oracle)?;
        if shell.dies {
            return self.crash();
        }
        for (link, to, tail) in moves {
            let shell = self
                .shells
                .get_mut(usize::from(to))
                .ok_or("a connection moves to no shard")?;
            shell.admit(link, tail, &mut self.net);
        }
        // What was taken from the mail made room for more.
        for shell in &mut self.shells {
            shell.send_mail(&mut self.net, &mut self.post);
        }
        Ok(())
    }

    fn opened(&mut self, link: LinkId, owner: Option<usize>) {
        self.owners.resize(link + 1, None);
        if let Some(place) = self.owners.get_mut(link) {
            *place = owner;
        }
        // There may be fewer shards than there were.
        let wanted = usize::from(self.net.link(link).shard);
        let shard = wanted.checked_rem(self.shells.len());
        if let Some(shell) = shard.and_then(|shard| self.shells.get_mut(shard)) {
            shell.admit(link, Vec::new(), &mut self.net);
        } else {
            // Nobody listens.
            self.net.link(link).server_gone = true;
            self.net.cut(link);
        }
    }

    /// Something arrived at one end of a link.
    fn notice(&mut self, link: LinkId, way: Way) -> Verdict {
        if way == Way::Up {
            if let Some(shell) = shell_of(&mut self.shells, link, &mut self.net) {
                shell.wake_soon(&mut self.net);
            }
            return Ok(());
        }
        let owner = self.owners.get(link).copied().flatten();
        let place = owner.and_then(|number| number.checked_sub(self.devices.len()));
        let library = place.and_then(|place| self.libraries.get_mut(place));
        if let Some(library) = library.filter(|library| library.link() == Some(link)) {
            let opened = library.work(&mut self.net, &mut self.affairs)?;
            library.plan(&mut self.net);
            if let Some(link) = opened {
                self.opened(link, owner);
            }
            return Ok(());
        }
        let owner = owner.and_then(|number| self.devices.get_mut(number));
        if let Some(device) = owner.filter(|device| device.link() == Some(link)) {
            device.read(&mut self.net)?;
            device.plan(&mut self.net);
        } else {
            // Nobody listens, but the kernel takes it.
            self.net.link(link).down.read(usize::MAX).for_each(drop);
            self.net.after(1, Event::Writable(link));
        }
        Ok(())
    }
}

fn shell_of<'a>(shells: &'a mut [Shell], link: LinkId, net: &mut Net) -> Option<&'a mut Shell> {
    shells.get_mut(usize::from(net.link(link).shard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_tells_the_same_story() {
        for seed in 0..30 {
            let (once, again) = (run(seed, false), run(seed, true));
            assert_eq!(
                (once.hash, once.turns, once.lasted),
                (again.hash, again.turns, again.lasted),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn a_crash_is_part_of_the_story() {
        let crash = |step| Some(Crash { step, within: true });
        let whole = run_small(1, false, None);
        let mut hashes = vec![whole.hash];
        for step in [whole.steps / 3, whole.steps / 2] {
            let (once, again) = (run_small(1, false, crash(step)), run_small(1, true, crash(step)));
            assert_eq!((once.failure, once.hash), (again.failure, again.hash));
            assert_eq!(once.tally.crashes, 1);
            hashes.push(once.hash);
        }
        hashes.dedup();
        assert_eq!(hashes.len(), 3, "each is a story of its own");
    }

    #[test]
    fn a_small_world_survives_a_crash_anywhere() {
        let steps = run_small(3, false, None).steps;
        for step in (0..steps).step_by(97) {
            for within in [false, true] {
                let story = run_small(3, false, Some(Crash { step, within }));
                assert_eq!(story.failure, None, "step {step} within {within}");
            }
        }
    }

    #[test]
    fn stories_differ_and_much_happens_in_them() {
        let stories: Vec<Story> = (0..40).map(|seed| run(seed, false)).collect();
        for story in &stories {
            assert_eq!(story.failure, None, "seed {}", story.seed);
        }
        let sum = |count: fn(&Tally) -> u64| stories.iter().map(|story| count(&story.tally)).sum::<u64>();
        assert!(sum(|tally| tally.deliveries) > 1_000);
        for count in [
            |tally: &Tally| tally.repeats,
            |tally: &Tally| tally.retained,
            |tally: &Tally| tally.resumed,
            |tally: &Tally| tally.takeovers,
            |tally: &Tally| tally.wills,
            |tally: &Tally| tally.violations,
            |tally: &Tally| tally.timeouts,
            |tally: &Tally| tally.forbidden,
            |tally: &Tally| tally.dismissed,
            |tally: &Tally| tally.fights,
            |tally: &Tally| tally.refused,
            |tally: &Tally| tally.crashes,
            |tally: &Tally| tally.recovered_messages,
            |tally: &Tally| tally.handed,
            |tally: &Tally| tally.taken,
            |tally: &Tally| tally.deaths,
            |tally: &Tally| tally.expired_sessions,
            |tally: &Tally| tally.expired_messages,
            |tally: &Tally| tally.squeezed,
        ] {
            assert!(sum(count) > 0);
        }
    }
}
