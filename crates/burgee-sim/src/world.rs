//! A world from its first millisecond to the last judgement.
//!
//! What must hold: events happen in the order of the calendar, one at a time. Deliberately absent: chance of its own;
//! network, shells and clients have theirs, forked from the seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burgee_core::{Counters, Shared};

use crate::actor::{Device, Hooligans};
use crate::net::{Event, LinkId, Net, Way};
use crate::oracle::{Oracle, Rules, Tally, Verdict};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::shell::{Post, Shell};
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
    /// Virtual time, in milliseconds.
    pub lasted: u64,
}

/// Runs the world of a seed. `told`: with a trace for a person.
#[must_use]
pub fn run(seed: u64, told: bool) -> Story {
    let mut world = World::new(seed, told);
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
        turns: world.shells.iter().map(|shell| shell.turns).sum(),
        lasted: world.net.now,
        lines: world.net.trace.into_lines(),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

struct World {
    scenario: Scenario,
    net: Net,
    post: Post,
    shells: Vec<Shell>,
    devices: Vec<Device>,
    hooligans: Hooligans,
    oracle: Oracle,
    /// Which device opened a link.
    owners: Vec<Option<usize>>,
}

impl World {
    fn new(seed: u64, told: bool) -> Self {
        let mut rng = Rng::new(seed);
        let scenario = Scenario::draw(&mut rng);
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
        let victims = if scenario.robs() { scenario.devices } else { 0 };
        let hooligans = Hooligans::new(scenario.hooligans, scenario.pace_ms, victims, config.shards, &mut rng);
        let rules = Rules {
            window: usize::from(config.window),
            connect_timeout: config.connect_timeout_ms,
            max_packet: config.max_packet_bytes,
            max_connect: config.max_connect_bytes,
            max_retained: config.max_retained,
            ample: scenario.ample,
            // Where the window is never full, the broker reads the retained messages at once.
            prompt_replay: config.retained_slice > 1000 && scenario.ample && config.window >= 100 && !scenario.shared,
            no_delay: scenario.no_delay(),
            shared: scenario.shared,
            lateness: scenario.lateness + 5,
        };
        let post = Post::new(config.shards, scenario.mail_ms, scenario.mail_slot);
        Self {
            scenario,
            net,
            post,
            shells,
            devices,
            hooligans,
            oracle: Oracle::new(rules),
            owners: Vec::new(),
        }
    }

    fn live(&mut self) -> Verdict {
        for shell in &mut self.shells {
            shell.wake_soon(&mut self.net);
        }
        for device in &mut self.devices {
            device.plan(&mut self.net);
        }
        self.hooligans.plan(&mut self.net);
        self.run_until(self.scenario.busy_ms)?;
        self.calm_down()?;
        self.oracle.judge(&self.counters())?;
        self.audit()?;
        self.watch()?;
        self.end()
    }

    /// Trouble ends, everybody comes back, everything is finished.
    fn calm_down(&mut self) -> Verdict {
        self.net
            .trace
            .say(self.net.now, [9; 3], || "world  becomes calm".to_owned());
        self.hooligans.go(&mut self.net);
        let current: Vec<Option<LinkId>> = self.devices.iter().map(Device::link).collect();
        for device in &mut self.devices {
            device.calm_down(&mut self.net);
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
            let done = self.devices.iter().all(Device::is_done);
            let mail = self.shells.iter_mut().all(Shell::is_quiet) && self.post.is_quiet();
            let rest = mail && self.oracle.unfinished().is_none();
            quiet = if done && rest { quiet + 1 } else { 0 };
        }
        if quiet > 0 {
            return Ok(());
        }
        let stuck = self
            .devices
            .iter()
            .find(|device| !device.is_done())
            .map(Device::describe);
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
        let most = WATCH_MS / 100 * 2 + WATCH_MS / 100 * self.devices.len() as u64 + 300;
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
            return self.run_until(self.net.now + 2_000);
        }
        // Nobody is accepted any more.
        self.devices.iter_mut().for_each(Device::retire);
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
        let mut sum = Counters::default();
        self.shells.iter().for_each(|shell| sum.add(shell.counters()));
        sum
    }

    fn run_until(&mut self, until: u64) -> Verdict {
        while let Some(event) = self.net.next(until) {
            self.happen(event)?;
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
            Event::Post(shard) => {
                if let Some(shell) = self.shells.get_mut(usize::from(shard)) {
                    shell.wake_at(self.net.now, &mut self.net);
                }
            }
            Event::Wake(number) => {
                let Some(device) = self.devices.get_mut(number) else {
                    return Ok(());
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

    fn turn(&mut self, shard: u16) -> Verdict {
        let Some(shell) = self.shells.get_mut(usize::from(shard)) else {
            return Ok(());
        };
        if !shell.is_due(&self.net) {
            return Ok(());
        }
        let moves = shell.turn(&mut self.net, &mut self.post, &mut self.oracle)?;
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
        if let Some(shell) = shell_of(&mut self.shells, link, &mut self.net) {
            shell.admit(link, Vec::new(), &mut self.net);
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
        let owner = self
            .owners
            .get(link)
            .copied()
            .flatten()
            .and_then(|number| self.devices.get_mut(number));
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
        ] {
            assert!(sum(count) > 0);
        }
    }
}
