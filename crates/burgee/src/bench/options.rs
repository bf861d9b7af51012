//! The options of `burgee bench` as written.
//!
//! What must hold: what is not given has the default of the scenario, which the library knows; a help text that names a
//! default names that one.

use std::ffi::OsString;
use std::time::Duration;

use burgee_load::Load;
use burgee_load::load::LONGEST;
use clap::{Args, Subcommand};

use super::EXIT_CODES;
use super::address::Address;
use crate::size;

impl Default for Scenario {
    fn default() -> Self {
        Self::SelfTest(SelfTest::default())
    }
}

/// Load an MQTT broker, ours or any other, and measure it
///
/// For example: burgee bench p2p --qos 1 --address broker.example:1883
///
/// Every message carries a sequence number and a check value: what is lost, doubled, out of order or changed is counted.
/// With --process, CPU time, memory and context switches of the broker are measured too.
#[derive(Args, Debug)]
#[command(
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    subcommand_value_name = "SCENARIO",
    subcommand_help_heading = "Scenarios",
    after_help = EXIT_CODES
)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(super) scenario: Option<Scenario>,

    /// The same as the scenario self-test
    #[arg(long)]
    self_test: bool,
}

/// What to do to the broker.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(super) enum Scenario {
    P2p(P2p),
    Fanin(FanIn),
    Fanout(FanOut),
    Latency(Latency),
    Connect(Connect),
    Idle(Idle),
    Subscriptions(Subscriptions),
    Retained(Retained),
    Offline(Offline),
    Large(Large),
    Slow(Slow),
    SelfTest(SelfTest),
}

/// Whom to load, and what to print.
#[derive(Args, Clone, Debug)]
pub(super) struct Common {
    /// The broker: HOST, HOST:PORT or mqtt://[USER[:PASSWORD]@]HOST[:PORT]
    #[arg(short, long, value_name = "HOST:PORT", default_value = "127.0.0.1:1883")]
    pub(super) address: Address,

    /// User name
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    pub(super) user: Option<String>,

    /// Password; needs a user name
    #[arg(
        short = 'P',
        long,
        value_name = "PASSWORD",
        requires = "user",
        allow_hyphen_values = true
    )]
    password: Option<OsString>,

    /// Process of the broker on this machine, whose CPU time, memory and context switches are measured
    #[arg(long, value_name = "PID")]
    pub(super) process: Option<u32>,

    /// Print one JSON object and nothing else
    #[arg(long)]
    pub(super) json: bool,

    /// No live line and no table, only errors and the exit code
    #[arg(long)]
    pub(super) quiet: bool,
}

impl Common {
    pub(super) fn password(&self) -> Option<Vec<u8>> {
        self.password.clone().map(OsString::into_encoded_bytes)
    }
}

/// How hard to press, where a window holds the publishers.
#[derive(Args, Debug)]
pub(super) struct Pressure {
    #[command(flatten)]
    paced: Paced,

    /// Messages that one publisher may have under way [default: 64; fanout and others that deliver to many: 4]
    #[arg(long, value_name = "N", value_parser = window(), conflicts_with = "rate")]
    window: Option<u32>,
}

/// How hard to press, whatever holds the publishers.
#[derive(Args, Debug)]
pub(super) struct Paced {
    /// QoS of publishers and subscriptions: 0, 1 or 2 [default: 0]
    #[arg(short, long, value_name = "QOS", value_parser = qos())]
    qos: Option<u8>,

    /// Bytes of a payload, 16 or more; may carry KiB or MiB [default: 64; large: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    payload: Option<usize>,

    /// Messages a second, published by all together at times set beforehand: a broker that stalls cannot hide it
    /// [default: as many as the window allows; latency: 20000]
    #[arg(long, value_name = "MESSAGES", value_parser = rate)]
    rate: Option<f64>,

    /// Seconds before anything is measured [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    warm_up: Option<Duration>,

    /// Seconds that are measured [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,

    /// Subscribers have sessions that outlive their connections (clean session 0). They are removed at the end
    #[arg(long)]
    persistent: bool,

    /// Look without a pause for what has come, so that waking the generator up is not measured as the broker's time.
    /// It wants a core of its own. Where a rate is given this is so in any case
    #[arg(long)]
    spin: bool,
}

impl Pressure {
    /// What was given, and for the rest what the scenario has.
    pub(super) fn over(&self, default: Load) -> Load {
        Load {
            window: self.window.unwrap_or(default.window),
            ..self.paced.over(default)
        }
    }
}

impl Paced {
    /// What was given, and for the rest what the scenario has.
    pub(super) fn over(&self, default: Load) -> Load {
        Load {
            qos: self.qos.unwrap_or(default.qos),
            payload: self.payload.unwrap_or(default.payload),
            warm_up: self.warm_up.unwrap_or(default.warm_up),
            duration: self.duration.unwrap_or(default.duration),
            rate: self.rate.or(default.rate),
            persistent: self.persistent,
            spin: self.spin,
            ..default
        }
    }
}

/// Pairs of one publisher and one subscriber, each with a topic of its own
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct P2p {
    /// How many pairs
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = count())]
    pub(super) pairs: u32,

    #[command(flatten)]
    pub(super) pressure: Pressure,

    #[command(flatten)]
    pub(super) common: Common,
}

/// Many publishers, one subscriber, one topic
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct FanIn {
    /// How many publishers
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count())]
    pub(super) publishers: u32,

    #[command(flatten)]
    pub(super) pressure: Pressure,

    #[command(flatten)]
    pub(super) common: Common,
}

/// One publisher, many subscribers, one topic
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct FanOut {
    /// How many subscribers
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count())]
    pub(super) subscribers: u32,

    #[command(flatten)]
    pub(super) pressure: Pressure,

    #[command(flatten)]
    pub(super) common: Common,
}

/// Pairs at a fixed rate: how long a message takes when the broker is not full
///
/// Each message has a time at which it is due, and its age counts from then: a broker that stalls cannot hide it.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Latency {
    /// How many pairs
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = count())]
    pub(super) pairs: u32,

    #[command(flatten)]
    pub(super) pressure: Paced,

    #[command(flatten)]
    pub(super) common: Common,
}

/// Connect clients, one after the other or all at once
///
/// The time of a client is that from its connect to the CONNACK. In a storm, another pair exchanges a thousand messages a
/// second all the while: their latency tells whether others are served.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Connect {
    /// How many clients, one after the other [default: 1000]
    #[arg(long, value_name = "N", value_parser = count())]
    pub(super) count: Option<u32>,

    /// How many clients, all at once
    #[arg(long, value_name = "N", conflicts_with = "count", value_parser = count())]
    pub(super) storm: Option<u32>,

    /// The broker keeps the sessions (clean session 0); a storm comes back to sessions left before. They are removed
    /// at the end
    #[arg(long)]
    pub(super) persistent: bool,

    #[command(flatten)]
    pub(super) common: Common,
}

/// Keep idle connections, one subscription and one ping each: what they cost
///
/// Memory is that of the process given with --process, before and after, once it has settled.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Idle {
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count())]
    pub(super) connections: u32,

    /// QoS of their subscriptions: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos())]
    pub(super) qos: u8,

    /// Seconds in which nobody says anything, while the CPU time of the process is measured
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(super) quiet_seconds: Duration,

    #[command(flatten)]
    pub(super) common: Common,
}

/// Subscribe to very many filters, then publish against them
///
/// Filters are such as devices and their watchers use, each different. Tenth by tenth it is measured what a filter costs
/// while the broker holds ever more. Then messages are published, each to a known number of subscribers.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Subscriptions {
    /// How many filters, all clients together
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = count())]
    pub(super) filters: u32,

    /// How many clients
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count())]
    pub(super) clients: u32,

    /// Percentages of exact filters, of those with +, and of those with #
    #[arg(long, value_name = "EXACT,PLUS,HASH", default_value = "80,12,8", value_parser = mix)]
    pub(super) mix: [u32; 3],

    /// Filters in one SUBSCRIBE; fewer where they would make more than 64 KiB
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count())]
    pub(super) per_packet: u32,

    /// How many messages are published afterwards
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = count())]
    pub(super) messages: u32,

    /// QoS of subscriptions and messages: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos())]
    pub(super) qos: u8,

    /// Bytes of a payload, 16 or more; may carry KiB or MiB
    #[arg(long, value_name = "SIZE", default_value = "64", value_parser = size::parse)]
    pub(super) payload: usize,

    /// Messages that may be under way
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = window())]
    pub(super) window: u32,

    #[command(flatten)]
    pub(super) common: Common,
}

/// Set retained messages, then read them all
///
/// While they are read, another pair exchanges a thousand messages a second: their latency tells whether others are
/// served.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Retained {
    /// How many messages, each with a topic of its own
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count())]
    pub(super) count: u32,

    /// Clients that read them all, at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count())]
    pub(super) readers: u32,

    /// QoS with which they are set and read: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "1", value_parser = qos())]
    pub(super) qos: u8,

    /// Bytes of a payload, 16 or more; may carry KiB or MiB
    #[arg(long, value_name = "SIZE", default_value = "64", value_parser = size::parse)]
    pub(super) payload: usize,

    /// Messages not yet acknowledged while they are set
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = window())]
    pub(super) window: u32,

    /// Leave the messages at the broker
    #[arg(long)]
    pub(super) keep: bool,

    #[command(flatten)]
    pub(super) common: Common,
}

/// Publish for persistent sessions whose clients are away, then let them come back
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Offline {
    /// How many clients are away
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count())]
    pub(super) sessions: u32,

    /// How many messages wait for each
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count())]
    pub(super) messages: u32,

    /// QoS of messages and subscriptions: 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(super) qos: u8,

    /// Bytes of a payload, 16 or more; may carry KiB or MiB
    #[arg(long, value_name = "SIZE", default_value = "64", value_parser = size::parse)]
    pub(super) payload: usize,

    /// Messages not yet acknowledged while they are published
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = window())]
    pub(super) window: u32,

    #[command(flatten)]
    pub(super) common: Common,
}

/// Large payloads from one publisher to several subscribers
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Large {
    /// How many subscribers
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count())]
    pub(super) subscribers: u32,

    #[command(flatten)]
    pub(super) pressure: Pressure,

    #[command(flatten)]
    pub(super) common: Common,
}

/// Subscribers of which some stop reading: what that costs the others
///
/// First everybody reads, for the duration, then the stalled ones do not, for the same time.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Slow {
    /// How many subscribers
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count())]
    pub(super) subscribers: u32,

    /// How many of them stop reading
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count())]
    pub(super) stalled: u32,

    #[command(flatten)]
    pub(super) pressure: Pressure,

    #[command(flatten)]
    pub(super) common: Common,
}

/// Test the load generator itself: needs no broker
///
/// A relay does wrong on purpose; everything it did has to be counted, and nothing else. Exit code 1 if not.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct SelfTest {
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub(super) json: bool,

    /// No live line and no table, only errors and the exit code
    #[arg(long)]
    pub(super) quiet: bool,
}

fn window() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=60_000)
}

fn mix(text: &str) -> Result<[u32; 3], String> {
    let parts: Option<Vec<u32>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    let parts = parts.and_then(|parts| <[u32; 3]>::try_from(parts).ok());
    let whole = parts.filter(|parts| parts.iter().map(|&part| u64::from(part)).sum::<u64>() == 100);
    whole.ok_or_else(|| "a mix is three percentages that make 100, as in 80,12,8".to_owned())
}

fn qos() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=2)
}

fn count() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=10_000_000)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "a rate is a number of messages a second, more than 0".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| *seconds <= LONGEST)
        .ok_or_else(|| "a time is a number of seconds, as in 5 or 0.5, up to 3000: 50 minutes".to_owned())
}
