//! What kind of world a seed makes: how many shards and clients, how tight the limits, how bad the network.
//!
//! What must hold: small simple worlds are frequent, because they are easy to read; large and cruel ones happen.
//! Deliberately absent: what the clients do; see `actor`.

use std::sync::Arc;

use burgee_core::{Config, Rate};
use burgee_protocol::session::{Policy, QueueLimits};

use crate::disk::DiskSettings;
use crate::house::House;
use crate::law::Law;
use crate::net::NetSettings;
use crate::rng::Rng;

/// See the module.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about a world")]
pub struct Scenario {
    /// The broker's settings.
    pub config: Config,
    /// The network's.
    pub net: NetSettings,
    /// Clients.
    pub devices: usize,
    /// Programs that use the library.
    pub libraries: usize,
    /// How long clients do things, in milliseconds.
    pub busy_ms: u64,
    /// Time between two things that one client does, at most, in milliseconds.
    pub pace_ms: u64,
    /// No limit is ever reached.
    pub ample: bool,
    /// Greatest size of a payload, in bytes.
    pub payload: usize,
    /// Connections that break rules, of 100 things that happen at the edge of the world.
    pub hooligans: u64,
    /// How often connections end badly, in percent of what a client does.
    pub cuts: u64,
    /// A shard wakes up so much later than it wanted, at most, in milliseconds.
    pub lateness: u64,
    /// Time that mail takes, at most, in milliseconds.
    pub mail_ms: u64,
    /// Bytes of mail on the way from one shard to another.
    pub mail_slot: usize,
    /// Inputs of one turn, at most.
    pub inputs: usize,
    /// The broker is told to end at the end.
    pub shutdown: bool,
    /// MQTT 3.1 clients, in percent.
    pub old_clients: u64,
    /// Whether shared subscriptions are used.
    pub shared: bool,
    /// Packet identifiers that a client uses.
    pub client_ids: u16,
    /// The disk, if what is acknowledged survives a crash.
    pub disk: Option<DiskSettings>,
    /// When the broker crashes, in milliseconds.
    pub crashes: Vec<u64>,
    /// Time that it takes to start again, at most, in milliseconds.
    pub downtime: u64,
    /// Where the broker crashes, there may be users and rules all the same: it reads the settings of the moment when it starts.
    pub settled: bool,
    /// Access rules, and when they come into force; the first is there from the start. None: no rules, ever.
    pub laws: Vec<(u64, Law)>,
    /// How fast each client may publish, in all laws but the last.
    pub rate: Option<Rate>,
    /// Users, and what the settings limit. None: everybody may come in, and nothing is reloaded but the laws.
    pub house: Option<Arc<House>>,
}

/// Worlds with access rules, in percent of those that can have some.
const LAWFUL: u64 = 60;
/// Worlds where publishing has a rate, in percent of those with access rules.
const RATED: u64 = 40;
/// Worlds with users, in percent of those that can have some.
const HOUSED: u64 = 40;
/// Worlds with crashes where settings are reloaded, too, in percent.
const SETTLED: u64 = 30;
/// Worlds with users, in percent of those.
const HOUSED_AND_CRASHING: u64 = 75;
/// Worlds where sessions get an owner, in percent of those that can have some.
const NAMING: u64 = 80;
/// There the broker crashes so soon afterwards, at most, in milliseconds.
const SOON_MS: u64 = 300;
/// Worlds with programs that use the library, in percent of those that can have some.
const LIBRARIES: u64 = 60;
/// Worlds where sessions, or messages, expire, in percent of those where they can.
const AGEING: u64 = 45;
/// Worlds with a memory limit that they reach, in percent of those that can have one.
const TIGHT: u64 = 40;
/// Durable worlds, in percent.
const DURABLE: u64 = 50;

impl Scenario {
    /// The world of this chance.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        let (devices, busy_ms) = match rng.below(20) {
            0..10 => (rng.size(1, 3), rng.range(2_000, 10_000)),
            10..18 => (rng.size(3, 6), rng.range(4_000, 14_000)),
            _ => (rng.size(6, 11), rng.range(8_000, 16_000)),
        };
        let ample = rng.percent(75);
        let payload = *rng.pick(&[10, 10, 40, 200, 2_000, 5_000]);
        Self {
            config: draw_config(rng, ample),
            net: NetSettings {
                delay: *rng.pick(&[0, 3, 20, 20, 100]),
                segment: *rng.pick(&[1, 5, 40, 1500, 1500]),
                buffer: *rng.pick(&[300, 2_000, 65_536, 65_536]),
            },
            devices,
            libraries: 0,
            busy_ms,
            pace_ms: *rng.pick(&[60, 200, 200, 600]),
            ample,
            payload,
            hooligans: *rng.pick(&[0, 0, 5, 20]),
            cuts: *rng.pick(&[0, 5, 10, 25]),
            lateness: *rng.pick(&[0, 0, 5, 20]),
            mail_ms: *rng.pick(&[0, 1, 5, 50]),
            mail_slot: if ample {
                4 << 20
            } else {
                *rng.pick(&[300, 3_000, 4 << 20])
            },
            inputs: *rng.pick(&[1, 3, 100, 100]),
            shutdown: rng.percent(30),
            old_clients: *rng.pick(&[0, 0, 10, 40]),
            shared: rng.percent(30),
            client_ids: *rng.pick(&[8, 30, 65_535]),
            disk: None,
            crashes: Vec::new(),
            downtime: 0,
            settled: false,
            laws: Vec::new(),
            rate: None,
            house: None,
        }
    }

    /// Gives the world a disk, or not. `rng` is a chance of its own: worlds without a disk are what they were.
    #[must_use]
    pub fn with_disk(mut self, rng: &mut Rng) -> Self {
        if !rng.percent(DURABLE) {
            return self;
        }
        self.config.durable = true;
        self.config.store_bytes = *rng.pick(&[300, 20_000, 64 << 20, 64 << 20]);
        // Without a crash what waits for the disk is of interest, and little else is new.
        let crashes = *rng.pick(&[0, 1, 1, 1, 2, 3, 5]);
        let latest = self.busy_ms + 1_500;
        self.crashes = (0..crashes).map(|_| rng.below(latest)).collect();
        self.crashes.sort_unstable();
        self.downtime = *rng.pick(&[0, 10, 500]);
        self.disk = Some(DiskSettings {
            commit_ms: *rng.pick(&[0, 2, 10, 10, 40]),
            stalls: *rng.pick(&[0, 0, 1, 10]),
            notice_ms: *rng.pick(&[0, 1, 1, 20]),
            fails: rng.percent(15).then(|| rng.range(1, 60)),
        });
        self
    }

    /// Lets a world with crashes have users and rules, or not. `rng` is a chance of its own: most worlds with crashes are what they were.
    #[must_use]
    pub fn with_settings(mut self, rng: &mut Rng) -> Self {
        self.settled = !self.crashes.is_empty() && rng.percent(SETTLED);
        self
    }

    /// Gives the world access rules, or not. `rng` is a chance of its own. In a world with shared subscriptions it cannot be
    /// told which member was passed over.
    #[must_use]
    pub fn with_laws(mut self, rng: &mut Rng) -> Self {
        let fails = self.disk.as_ref().is_some_and(|disk| disk.fails.is_some());
        let crashes = !(self.crashes.is_empty() || self.settled);
        if self.shared || fails || crashes || !rng.percent(LAWFUL) {
            return self;
        }
        let mut times: Vec<u64> = (0..rng.size(0, 5)).map(|_| rng.below(self.busy_ms)).collect();
        times.push(0);
        times.sort_unstable();
        self.laws = times.iter().map(|at| (*at, Law::draw(rng, self.devices))).collect();
        // When trouble ends, everybody may do everything: what comes then was not forbidden meanwhile.
        self.laws.push((self.busy_ms, Law::open(rng)));
        self.rate = rng.percent(RATED).then(|| draw_rate(rng));
        if let Some((_, law)) = self.laws.first() {
            self.config.policy = law.to_policy(self.rate);
        }
        self
    }

    /// Gives the world users, or not. `rng` is a chance of its own.
    #[must_use]
    pub fn with_house(mut self, rng: &mut Rng) -> Self {
        let fails = self.disk.as_ref().is_some_and(|disk| disk.fails.is_some());
        let share = if self.settled { HOUSED_AND_CRASHING } else { HOUSED };
        if fails || !(self.crashes.is_empty() || self.settled) || !rng.percent(share) {
            return self;
        }
        let mut times: Vec<u64> = self.laws.iter().map(|(at, _)| *at).collect();
        if times.is_empty() {
            times = (0..rng.size(0, 5)).map(|_| rng.below(self.busy_ms)).collect();
            times.extend([0, self.busy_ms]);
            times.sort_unstable();
        }
        // Where the store makes a CONNECT wait, a fight cannot be told from that.
        let fights = self.disk.is_none() || self.config.store_bytes > 1 << 20;
        let mut house = House::draw(rng, self.devices, &times, fights);
        // A client of MQTT 3.1 cannot learn that its session was taken while it was anybody's.
        if self.settled && self.laws.is_empty() && self.old_clients == 0 && rng.percent(NAMING) {
            // What was just acknowledged is of interest when the broker crashes.
            let at = house.give_names(rng);
            self.crashes.extend(at.map(|at| at + rng.below(SOON_MS)));
            self.crashes.sort_unstable();
        }
        for (_, law) in &mut self.laws {
            law.name_users(rng, crate::house::USERS);
        }
        self.house = Some(Arc::new(house));
        if let Some(config) = self.edition(0) {
            self.config = config;
        }
        self
    }

    /// Gives the world programs that use the library, or not. `rng` is a chance of its own. Where messages may be dropped, or
    /// forbidden, or go to another member, applications cannot tell what they are owed; without its disk a broker refuses
    /// subscriptions, and a stream that is refused ends.
    #[must_use]
    pub fn with_libraries(mut self, rng: &mut Rng) -> Self {
        let fails = self.disk.as_ref().is_some_and(|disk| disk.fails.is_some());
        let strict = self.ample && !self.shared && !fails && self.laws.is_empty() && self.house.is_none();
        if strict && rng.percent(LIBRARIES) {
            self.libraries = *rng.pick(&[1, 2, 2, 3]);
        }
        self
    }

    /// Lets sessions and messages expire, or not. `rng` is a chance of its own. After a failure of the disk nothing is given
    /// up; a client of MQTT 3.1 cannot learn that its session is gone; whose message of a group is missing cannot be told, nor
    /// can applications tell what they are owed.
    #[must_use]
    pub fn with_expiry(mut self, rng: &mut Rng) -> Self {
        if self.disk.as_ref().is_some_and(|disk| disk.fails.is_some()) || self.libraries > 0 {
            return self;
        }
        let limits = [150, 700, 1_000, 2_500, 6_000];
        if rng.percent(AGEING) && self.old_clients == 0 {
            self.config.session_expiry_ms = *rng.pick(&limits);
        }
        if rng.percent(AGEING) && !self.shared {
            self.config.message_expiry_ms = *rng.pick(&limits);
        }
        self
    }

    /// Gives the world a memory limit, or not. `rng` is a chance of its own. Who is owed what has to be certain; what is
    /// retained would fill a small memory for ever, and nobody would be let in.
    #[must_use]
    pub fn with_memory(mut self, rng: &mut Rng) -> Self {
        let fails = self.disk.as_ref().is_some_and(|disk| disk.fails.is_some());
        let certain = self.ample && !self.shared && !fails && self.laws.is_empty() && self.house.is_none();
        let lasting = self.config.session_expiry_ms | self.config.message_expiry_ms == 0;
        if certain && lasting && self.libraries == 0 && rng.percent(TIGHT) {
            self.config.memory_limit = *rng.pick(&[20_000, 60_000, 200_000]) * usize::from(self.config.shards);
            self.payload = *rng.pick(&[2_000, 10_000, 30_000]);
            self.hooligans = 0;
            // What the broker says of itself is retained, too.
            self.config.sys_interval_ms = 0;
        }
        self
    }

    /// Whether there is a memory limit.
    #[must_use]
    pub const fn is_tight(&self) -> bool {
        self.config.memory_limit != usize::MAX
    }

    /// The settings from an edition on.
    #[must_use]
    pub fn edition(&self, number: usize) -> Option<Config> {
        let (_, edition) = self.house.as_ref()?.editions.get(number)?;
        let law = self.laws.get(number).map_or_else(Law::default, |(_, law)| law.clone());
        let rate = self.rate_under(number);
        Some(edition.to_config(&self.config, &law.to_policy(rate), rate))
    }

    /// How fast clients may publish under a law: in the last one as fast as they can.
    #[must_use]
    pub fn rate_under(&self, number: usize) -> Option<Rate> {
        self.rate.filter(|_| number + 1 < self.laws.len())
    }

    /// What a broker finds that starts at this time: the settings of the moment, and their number.
    #[must_use]
    pub fn settings_at(&self, now: u64) -> (usize, Config) {
        if let Some((number, _)) = self.house.as_ref().and_then(|house| house.at(now))
            && let Some(config) = self.edition(number)
        {
            return (number, config);
        }
        let begun = self.laws.iter().take_while(|(at, _)| *at <= now).count();
        let number = begun.saturating_sub(1);
        let mut config = self.config.clone();
        if let Some((_, law)) = self.laws.get(number) {
            config.policy = law.to_policy(self.rate_under(number));
        }
        (number, config)
    }

    /// The same world, but small: with a disk, without a crash of its own, and short.
    #[must_use]
    pub fn made_small(mut self) -> Self {
        self.config.durable = true;
        self.config.shards = self.config.shards.min(2);
        self.devices = self.devices.min(3);
        self.busy_ms = 1_200;
        self.pace_ms = self.pace_ms.min(100);
        self.net.segment = self.net.segment.max(1500);
        self.crashes.clear();
        let disk = self.disk.take();
        self.disk = Some(DiskSettings {
            fails: None,
            ..disk.unwrap_or(DiskSettings {
                commit_ms: 10,
                stalls: 0,
                notice_ms: 1,
                fails: None,
            })
        });
        self
    }

    /// Whether everything that follows from an input happens in its turn.
    #[must_use]
    pub const fn no_delay(&self) -> bool {
        self.config.shards == 1 && self.config.fanout_slice > 1000 && self.disk.is_none()
    }

    /// Whether hooligans use the names of devices. A client of MQTT 3.1 cannot learn that its session was taken.
    #[must_use]
    pub const fn robs(&self) -> bool {
        self.hooligans > 0 && self.old_clients == 0 && self.house.is_none()
    }

    /// The largest packet that a world's clients send, roughly.
    #[must_use]
    pub const fn largest_packet(&self) -> usize {
        self.payload + 200
    }
}

fn draw_config(rng: &mut Rng, ample: bool) -> Config {
    let mut config = Config {
        shards: *rng.pick(&[1, 1, 1, 2, 2, 3, 4]),
        window: *rng.pick(&[1, 2, 5, 20, 100, 100, 100]),
        fanout_slice: *rng.pick(&[1, 2, 4096, 4096, 4096]),
        retained_slice: *rng.pick(&[1, 2, 1024, 1024, 1024]),
        sys_interval_ms: *rng.pick(&[0, 0, 0, 1_000, 10_000]),
        connect_timeout_ms: *rng.pick(&[1_000, 10_000]),
        // A client that reads nothing for a minute must not meet the limit.
        outbox_bytes: 64 << 20,
        ..Config::default()
    };
    if !ample {
        let policy = if rng.percent(50) {
            Policy::DropNewest
        } else {
            Policy::DropOldest
        };
        config.queue = match rng.below(3) {
            0 => QueueLimits {
                messages: rng.size(1, 10),
                bytes: 64 << 20,
                policy,
            },
            1 => QueueLimits {
                messages: usize::MAX,
                bytes: rng.size(50, 2_000),
                policy,
            },
            _ => config.queue,
        };
        config.outbox_bytes = *rng.pick(&[100, 500, 5_000, 1 << 20]);
        config.outbox_shared_bytes = *rng.pick(&[2_000, 20_000, 64 << 20]);
        if config.sys_interval_ms == 0 {
            config.max_retained = *rng.pick(&[2, 5, 1_000]);
        }
        config.mail_bytes = *rng.pick(&[100, 1_000, 4 << 20]);
    }
    config
}

fn draw_rate(rng: &mut Rng) -> Rate {
    let by_bytes = rng.percent(40);
    Rate {
        messages: if by_bytes { 0 } else { *rng.pick(&[1, 3, 10]) },
        message_burst: *rng.pick(&[1, 2, 10]),
        bytes: if by_bytes { *rng.pick(&[50, 400, 5_000]) } else { 0 },
        byte_burst: *rng.pick(&[1, 100, 3_000]),
        close_after_ms: 0,
        per_user: false,
    }
}
