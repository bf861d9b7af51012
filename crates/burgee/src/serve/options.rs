//! The options of `burgee serve` as written, and the checked settings that they become.
//!
//! What must hold: an option out of range is refused when the command line is read, with the way out.
//! Deliberately absent: defaults that differ from the library's, but for durability: a library writes no files unasked.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use burgee_broker::{BrokerConfig, Durability, Listen, ListenUrl, Shards, SyncPolicy};
use burgee_core::Config;
use burgee_core::io::ShardId;
use burgee_protocol::session::{Policy, QueueLimits};
use clap::{Args, ValueEnum};
use tracing_subscriber::filter::Targets;

use crate::{data_dir, size};

/// Seconds for an orderly end, if not said otherwise.
const GRACE_S: u64 = 5;

/// Run the broker
///
/// Without options it listens on port 1883 of loopback, IPv4 and IPv6, and lets everybody in who can reach that.
/// Persistent sessions, what they are owed, and retained messages are on disk before they are acknowledged.
/// SIGINT or SIGTERM end it in order.
///
/// Sizes are bytes, or KiB, MiB, GiB as in 64MiB.
#[derive(Args, Clone, Debug)]
#[expect(
    clippy::doc_markdown,
    reason = "the comments are the text of --help, which knows no Markdown"
)]
pub(crate) struct Options {
    /// Listen here; may be given several times. Port 0 takes any free port
    ///
    /// On other addresses than loopback anybody who reaches them can publish and subscribe: this version knows no
    /// users yet. [default: tcp://127.0.0.1:1883 and tcp://[::1]:1883]
    #[arg(long, value_name = "URL")]
    listen: Vec<ListenUrl>,

    /// Threads that serve clients, 1 to 64
    #[arg(long, value_name = "N", default_value = "1", value_parser = shards)]
    shards: Shards,

    /// What survives: sync, write or memory
    ///
    /// sync: an acknowledged message survives power loss. write: it survives the end of the broker, however that comes,
    /// but not that of the system. memory: nothing survives a restart, nothing is written.
    #[arg(long, value_name = "WHAT", default_value = "sync", value_parser = durability)]
    durability: Survives,

    /// Where to keep data; made if it is not there. One broker at a time can have it
    ///
    /// [default: BURGEE_DATA from the environment; else /var/lib/burgee for root, and for whoever may write there; else
    /// burgee in XDG_DATA_HOME, which is usually ~/.local/share]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// What to log: off, error, warn, info, debug, trace, or for single modules as in burgee_broker=debug,info
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = crate::log::parse)]
    log: Targets,

    /// Seconds between two rounds of $SYS messages; 0: none
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32))]
    sys_interval: u32,

    /// Unacknowledged QoS 1 and 2 messages sent to one client, 1 to 65535
    #[arg(long, value_name = "N", default_value_t = Config::default().window,
          value_parser = clap::value_parser!(u16).range(1..))]
    window: u16,

    /// Messages that wait for one client that is away or slow [default: no limit]
    #[arg(long, value_name = "N")]
    queue_messages: Option<usize>,

    /// Bytes of messages that wait for one client that is away or slow
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size::parse)]
    queue_bytes: usize,

    /// What is dropped when that queue is full
    #[arg(long, value_name = "POLICY", default_value = "drop-newest")]
    queue_policy: QueuePolicy,

    /// Bytes on their way to one client; beyond, QoS 0 is dropped and QoS 1 and 2 wait. At least 4KiB
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = outbox_bytes)]
    outbox_bytes: usize,

    /// The same for payloads of 1 KiB and more, which are in memory once for all clients
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size::parse)]
    outbox_shared_bytes: usize,

    /// Largest packet accepted, without its fixed header; at most 268435455
    #[arg(long, value_name = "SIZE", default_value = "268435455", value_parser = packet_bytes)]
    max_packet_bytes: u32,

    /// Seconds that a client has for its complete CONNECT, 1 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    connect_timeout: u64,

    /// Clients connected at once, divided evenly between the shards; beyond, CONNACK 3 [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_connections: Option<u64>,

    /// Sessions, of clients connected or away, divided evenly between the shards; beyond, CONNACK 3 [default:
    /// 1000000 a shard]
    #[arg(long, value_name = "N")]
    max_sessions: Option<NonZeroUsize>,

    /// Subscriptions of one client, a filter of many levels counting for several; beyond, return code 0x80
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    max_subscriptions: usize,

    /// Retained messages; beyond, one for a new topic is delivered and not stored
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    max_retained: usize,

    /// Memory for what clients send: near it the slowest get no more, at it nobody new is let in [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    memory_limit: Option<usize>,

    /// Seconds after which a session ends whose client is away; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    session_expiry: u32,

    /// Seconds after which a message is dropped that waits for a client; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    message_expiry: u32,

    /// Do not serve clients of MQTT 3.1
    #[arg(long)]
    no_mqtt31: bool,

    /// Seconds for sending what is left when the broker ends, 0 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = GRACE_S,
          value_parser = clap::value_parser!(u64).range(0..=3600))]
    grace: u64,
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Survives {
    Power,
    Process,
    Nothing,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
enum QueuePolicy {
    /// The arriving message: what was promised first is kept
    DropNewest,
    /// The messages that have waited longest
    DropOldest,
    /// The arriving message; a client that is connected is disconnected
    Disconnect,
}

impl Options {
    /// What is to be logged.
    pub(crate) fn log(&self) -> Targets {
        self.log.clone()
    }

    /// Time for an orderly end.
    pub(crate) const fn grace(&self) -> Duration {
        Duration::from_secs(self.grace)
    }

    /// What is to be kept and where.
    ///
    /// # Errors
    /// There is no usual place here, and none was given.
    fn durability(&self) -> Result<Durability, String> {
        let sync = match self.durability {
            Survives::Power => SyncPolicy::Sync,
            Survives::Process => SyncPolicy::Write,
            Survives::Nothing => return Ok(Durability::Memory),
        };
        let directory = data_dir::choose(self.data.clone())?;
        Ok(Durability::Kept { directory, sync })
    }

    /// Says in the log what the options mean where that may surprise.
    fn explain(&self, durability: &Durability) {
        match (durability, &self.data) {
            (Durability::Memory, Some(data)) => tracing::warn!(
                data = %data.display(),
                "durability is memory: nothing is kept there, sessions and retained messages end with the broker"
            ),
            (Durability::Memory, None) => {
                tracing::info!("durability is memory: sessions and retained messages end with the broker");
            }
            (Durability::Kept { directory, sync }, _) => {
                let survives = match sync {
                    SyncPolicy::Sync => "sync: what was acknowledged survives power loss",
                    SyncPolicy::Write => "write: what was acknowledged survives the broker, not power loss",
                };
                tracing::info!(data = %directory.display(), "durability is {survives}");
            }
        }
    }

    /// The checked settings, and a line in the log for what may surprise.
    ///
    /// # Errors
    /// There is no usual place for data here, and none was given.
    pub(crate) fn into_config(self) -> Result<BrokerConfig, String> {
        let durability = self.durability()?;
        self.explain(&durability);
        Ok(self.with(durability))
    }

    fn with(self, durability: Durability) -> BrokerConfig {
        let defaults = BrokerConfig::default();
        let listen = self
            .listen
            .into_iter()
            .map(|url| Listen { url, optional: false })
            .collect::<Vec<_>>();
        let limit = self
            .max_connections
            .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        BrokerConfig {
            listeners: if listen.is_empty() { defaults.listeners } else { listen },
            shards: self.shards,
            // Some more than the limit, so that those beyond it can be told so by CONNACK 3.
            max_open: limit.saturating_add(limit / 8).saturating_add(64),
            durability,
            core: Config {
                shards: self.shards.get(),
                window: self.window,
                queue: QueueLimits {
                    messages: self.queue_messages.unwrap_or(usize::MAX),
                    bytes: self.queue_bytes,
                    policy: match self.queue_policy {
                        QueuePolicy::DropNewest => Policy::DropNewest,
                        QueuePolicy::DropOldest => Policy::DropOldest,
                        QueuePolicy::Disconnect => Policy::Disconnect,
                    },
                },
                outbox_bytes: self.outbox_bytes,
                outbox_shared_bytes: self.outbox_shared_bytes,
                max_packet_bytes: self.max_packet_bytes,
                connect_timeout_ms: self.connect_timeout * 1000,
                max_connections: limit.div_ceil(usize::from(self.shards.get())),
                max_sessions: self.max_sessions.map_or(defaults.core.max_sessions, |limit| {
                    limit.get().div_ceil(usize::from(self.shards.get()))
                }),
                max_subscriptions: self.max_subscriptions,
                max_retained: self.max_retained,
                memory_limit: self.memory_limit.unwrap_or(usize::MAX),
                session_expiry_ms: u64::from(self.session_expiry) * 1000,
                message_expiry_ms: u64::from(self.message_expiry) * 1000,
                serve_mqtt31: !self.no_mqtt31,
                sys_interval_ms: u64::from(self.sys_interval) * 1000,
                ..defaults.core
            },
        }
    }
}

fn shards(text: &str) -> Result<Shards, String> {
    let count = text.parse::<ShardId>().ok().and_then(Shards::new);
    count.ok_or_else(|| format!("the number of shards is 1 to {}; 1 is a complete broker", Shards::MAX))
}

fn durability(text: &str) -> Result<Survives, String> {
    match text {
        "sync" => Ok(Survives::Power),
        "write" => Ok(Survives::Process),
        "memory" => Ok(Survives::Nothing),
        _ => Err("sync survives power loss, write the end of the broker, memory nothing".to_owned()),
    }
}

/// Below this, not even one batch of acknowledgements would fit.
const LEAST_OUTBOX: usize = 4096;

fn outbox_bytes(text: &str) -> Result<usize, String> {
    let bytes = size::parse(text)?;
    if bytes < LEAST_OUTBOX {
        Err(format!("at least {LEAST_OUTBOX} bytes are needed"))
    } else {
        Ok(bytes)
    }
}

/// What four bytes of length can say.
const LARGEST_PACKET: u32 = 268_435_455;

fn packet_bytes(text: &str) -> Result<u32, String> {
    let bytes = u32::try_from(size::parse(text)?)
        .ok()
        .filter(|bytes| (1..=LARGEST_PACKET).contains(bytes));
    bytes.ok_or_else(|| format!("a packet has 1 to {LARGEST_PACKET} bytes; MQTT has no larger ones"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parse(words: &str) -> Result<BrokerConfig, String> {
        let words = std::iter::once("serve").chain(words.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.options.into_config()
    }

    #[test]
    fn no_options_are_the_defaults_of_the_library() {
        let (ours, library) = (parse("--data x").unwrap(), BrokerConfig::default());
        assert_eq!(ours.listeners, library.listeners);
        assert_eq!(format!("{:?}", ours.core), format!("{:?}", library.core));
        assert_eq!(ours.max_open, library.max_open);
    }

    #[test]
    fn what_is_acknowledged_survives_power_loss_unless_somebody_says_otherwise() {
        let kept = |sync| Durability::Kept {
            directory: "x".into(),
            sync,
        };
        for (line, durability) in [
            ("--data x", kept(SyncPolicy::Sync)),
            ("--data x --durability sync", kept(SyncPolicy::Sync)),
            ("--data x --durability write", kept(SyncPolicy::Write)),
            ("--data x --durability memory", Durability::Memory),
            ("--durability memory", Durability::Memory),
        ] {
            assert_eq!(parse(line).unwrap().durability, durability, "{line}");
        }
    }

    #[test]
    fn options_become_settings() {
        let config = parse(
            "--listen tcp://127.0.0.1:0 --listen tcp://[::1]:7 --shards 3 --window 7 --queue-messages 5 \
             --queue-bytes 1k --queue-policy drop-oldest --outbox-bytes 8KiB --max-packet-bytes 1MiB \
             --connect-timeout 3 --max-connections 100 --max-sessions 31 --max-subscriptions 9 --max-retained 8 \
             --outbox-shared-bytes 2MiB --no-mqtt31 --sys-interval 0 --data x --durability memory \
             --memory-limit 256MiB --session-expiry 60 --message-expiry 5",
        )
        .unwrap();
        assert_eq!(
            (config.listeners.len(), config.shards.get(), config.core.shards),
            (2, 3, 3)
        );
        assert_eq!(
            (config.core.window, config.core.queue.messages, config.core.queue.bytes),
            (7, 5, 1024)
        );
        assert_eq!(config.core.queue.policy, Policy::DropOldest);
        assert_eq!(
            (
                config.core.max_sessions,
                config.core.max_subscriptions,
                config.core.max_retained
            ),
            (11, 9, 8)
        );
        assert_eq!(config.core.outbox_shared_bytes, 2 << 20);
        assert_eq!(
            (config.core.outbox_bytes, config.core.max_packet_bytes),
            (8192, 1 << 20)
        );
        assert_eq!((config.core.connect_timeout_ms, config.core.sys_interval_ms), (3000, 0));
        assert_eq!((config.core.max_connections, config.core.serve_mqtt31), (34, false));
        assert_eq!(
            (
                config.core.memory_limit,
                config.core.session_expiry_ms,
                config.core.message_expiry_ms
            ),
            (256 << 20, 60_000, 5000)
        );
    }

    #[test]
    fn errors_say_the_way_out() {
        for (line, hint) in [
            ("--listen 127.0.0.1:1883", "write tcp://127.0.0.1:1883"),
            ("--listen wss://host", "use tcp://"),
            ("--shards 0", "1 to 64"),
            ("--shards 65", "1 to 64"),
            ("--durability disk", "sync survives power loss"),
            ("--window 0", "1..=65535"),
            ("--outbox-bytes 1", "at least 4096"),
            ("--max-packet-bytes 1GiB", "268435455"),
            ("--connect-timeout 0", "1..=3600"),
            ("--log loud", "no level"),
            ("--queue-bytes many", "64MiB"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(hint), "{line}: {error}");
        }
    }
}
