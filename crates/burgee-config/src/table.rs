//! All options that are there once. **An option is made by adding it here** (or to `listener.rs`): parsing, variable, flag,
//! help, reference and the first file of `burgee init` follow.
//!
//! What must hold: keys are unique, and a key's first part is one of the sections. Deliberately absent: how the
//! descriptions are used.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use burgee_broker::Shards;
use burgee_core::io::ShardId;
use burgee_protocol::session::Policy;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::auth;
use crate::draft::{Draft, Survives};
use crate::spec::{Flag, Kind, Reload, Spec, UNLIMITED};
use crate::tls;
use crate::units::{machine, millis, small};
use crate::usage;
use crate::value::{self, Raw};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// What 32 bits of seconds can say, in whole days.
const LONGEST: Duration = Duration::from_secs(49_710 * 86_400);
/// What four bytes of length can say.
const LARGEST_PACKET: u64 = 268_435_455;
/// Below this, not even one batch of acknowledgements would fit.
const LEAST_OUTBOX: u64 = 4096;

/// See the module.
pub(crate) static OPTIONS: &[Spec<Draft>] = &[
    Spec::new(
        "listen",
        Kind::Texts("a URL like tcp://127.0.0.1:1883", |draft: &mut Draft, text| {
            draft
                .listen
                .push(text.parse().map_err(|error: burgee_broker::InvalidUrl| error.to_string())?);
            Ok(())
        }),
        "",
        "Listen here; may be given several times. Port 0 takes any free port.",
    )
    .said("tcp://127.0.0.1:1883 and tcp://[::1]:1883")
    .more("Goes before the listeners of the file; a listener of the file with the same URL gives it its other settings.")
    .live()
    .flag(Flag::Many("listen"))
    .outside_only(),
    Spec::new(
        "broker.shards",
        Kind::Count {
            least: 1,
            most: Shards::MAX as u64,
            set: |draft: &mut Draft, n| draft.shards = ShardId::try_from(n).ok().and_then(Shards::new).unwrap_or_default(),
        },
        "1",
        "Threads that serve clients.",
    )
    .more("One is a complete broker; more pay on machines with more cores.")
    .flag(Flag::Value("shards")),
    Spec::new(
        "broker.mqtt31",
        Kind::Bool(|draft: &mut Draft, value| draft.core.serve_mqtt31 = value),
        "true",
        "Serve clients of MQTT 3.1, too.",
    )
    .live()
    .flag(Flag::Off("no-mqtt31")),
    Spec::new(
        "broker.sys_interval",
        Kind::Time {
            least: Duration::ZERO,
            most: LONGEST,
            set: |draft: &mut Draft, time| draft.core.sys_interval_ms = millis(time),
        },
        "10s",
        "Time between two rounds of $SYS messages; 0: none.",
    )
    .live()
    .flag(Flag::Value("sys-interval")),
    Spec::new(
        "broker.grace",
        Kind::Time {
            least: Duration::ZERO,
            most: HOUR,
            set: |draft: &mut Draft, time| draft.grace = time,
        },
        "5s",
        "Time for sending what is left when the broker ends.",
    )
    .live()
    .flag(Flag::Value("grace")),
    Spec::new(
        "store.durability",
        Kind::Choice {
            of: &[
                ("sync", "an acknowledged message survives power loss"),
                ("write", "it survives the end of the broker, however that comes, but not that of the system"),
                ("memory", "nothing survives a restart, nothing is written"),
            ],
            set: |draft: &mut Draft, word| {
                draft.survives = match word {
                    "write" => Survives::Process,
                    "memory" => Survives::Nothing,
                    _ => Survives::Power,
                }
            },
        },
        "sync",
        "What survives.",
    )
    .flag(Flag::Value("durability")),
    Spec::new(
        "store.directory",
        Kind::Path(|draft: &mut Draft, path| draft.data = Some(path)),
        "",
        "Where to keep data; made if it is not there. One broker at a time can have it.",
    )
    .said("/var/lib/burgee for root, and for whoever may write there; else burgee in $XDG_DATA_HOME, which is usually ~/.local/share")
    .variable("BURGEE_DATA")
    .flag(Flag::Value("data")),
    Spec::new(
        "session.window",
        Kind::Count {
            least: 1,
            most: u16::MAX as u64,
            set: |draft: &mut Draft, n| draft.core.window = u16::try_from(n).unwrap_or(u16::MAX),
        },
        "100",
        "Messages of QoS 1 and 2 sent to one client and not acknowledged.",
    )
    .more("The rest waits in the queue. A change counts for a client once it has nothing under way.")
    .live()
    .flag(Flag::Value("window")),
    Spec::new(
        "session.queue_messages",
        Kind::Count {
            least: 0,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.core.queue.messages = machine(n),
        },
        "unlimited",
        "Messages that wait for one client that is away or slow.",
    )
    .more("Beyond: see `queue_policy`; counted in `dropped/queue_full`.")
    .live()
    .flag(Flag::Value("queue-messages")),
    Spec::new(
        "session.queue_bytes",
        Kind::Size {
            least: 0,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.core.queue.bytes = machine(n),
        },
        "64MiB",
        "The same in bytes of topic and payload.",
    )
    .live()
    .flag(Flag::Value("queue-bytes")),
    Spec::new(
        "session.queue_policy",
        Kind::Choice {
            of: &[
                ("drop-newest", "the arriving message: what was promised first is kept"),
                ("drop-oldest", "the messages that have waited longest"),
                ("disconnect", "the arriving message; a client that is connected is disconnected"),
            ],
            set: |draft: &mut Draft, word| {
                draft.core.queue.policy = match word {
                    "drop-oldest" => Policy::DropOldest,
                    "disconnect" => Policy::Disconnect,
                    _ => Policy::DropNewest,
                }
            },
        },
        "drop-newest",
        "What is dropped when that queue is full.",
    )
    .live()
    .flag(Flag::Value("queue-policy")),
    Spec::new(
        "session.outbox_bytes",
        Kind::Size {
            least: LEAST_OUTBOX,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.core.outbox_bytes = machine(n),
        },
        "1MiB",
        "Bytes on their way to one client that it has not taken.",
    )
    .more("Beyond: QoS 0 is dropped (`dropped/outbox_full`), QoS 1 and 2 wait; above twice as much the client is not read.")
    .flag(Flag::Value("outbox-bytes")),
    Spec::new(
        "session.outbox_shared_bytes",
        Kind::Size {
            least: 0,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.core.outbox_shared_bytes = machine(n),
        },
        "64MiB",
        "The same for payloads of 1 KiB and more, which are in memory once for all clients.",
    )
    .more("Beyond: QoS 0 is dropped, QoS 1 and 2 wait.")
    .live()
    .flag(Flag::Value("outbox-shared-bytes")),
    Spec::new(
        "session.expiry",
        Kind::Time {
            least: Duration::ZERO,
            most: LONGEST,
            set: |draft: &mut Draft, time| draft.core.session_expiry_ms = millis(time),
        },
        "0s",
        "How long a session outlives its connection; 0: for ever.",
    )
    .more("Counted anew after a restart. It ends with all that it is owed (`clients/expired`).")
    .flag(Flag::Value("session-expiry")),
    Spec::new(
        "session.message_expiry",
        Kind::Time {
            least: Duration::ZERO,
            most: LONGEST,
            set: |draft: &mut Draft, time| draft.core.message_expiry_ms = millis(time),
        },
        "0s",
        "How long a message waits for a client; 0: for ever.",
    )
    .more("Then it is dropped (`dropped/expired`): not earlier; some seconds later, or minutes where a million clients are away. Counted anew after a restart.")
    .flag(Flag::Value("message-expiry")),
    Spec::new(
        "limits.max_packet",
        Kind::Size {
            least: 1,
            most: LARGEST_PACKET,
            set: |draft: &mut Draft, n| draft.core.max_packet_bytes = u32::try_from(n).unwrap_or(u32::MAX),
        },
        "268435455",
        "The largest packet taken from a client, without its fixed header.",
    )
    .more("Beyond: the client is disconnected before memory is taken (`connections/faults`).")
    .live()
    .flag(Flag::Value("max-packet-bytes")),
    Spec::new(
        "limits.connect_timeout",
        Kind::Time {
            least: SECOND,
            most: HOUR,
            set: |draft: &mut Draft, time| draft.core.connect_timeout_ms = millis(time),
        },
        "10s",
        "Time that a client has for its complete CONNECT.",
    )
    .more("Beyond: the connection is closed (`connections/timeouts`).")
    .live()
    .flag(Flag::Value("connect-timeout")),
    Spec::new(
        "limits.max_connections",
        Kind::Count {
            least: 1,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.max_connections = n,
        },
        "unlimited",
        "Clients connected at once, divided evenly between the shards.",
    )
    .more("Beyond: CONNACK 3 (`connections/refused`).")
    .live()
    .flag(Flag::Value("max-connections")),
    Spec::new(
        "limits.max_sessions",
        Kind::Count {
            least: 1,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.max_sessions = Some(n),
        },
        "",
        "Sessions, of clients connected or away, divided evenly between the shards.",
    )
    .said("1000000 a shard")
    .more("Beyond: CONNACK 3 (`connections/refused`).")
    .live()
    .flag(Flag::Value("max-sessions")),
    Spec::new(
        "limits.max_subscriptions",
        Kind::Count {
            least: 0,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.core.max_subscriptions = machine(n),
        },
        "100000",
        "Subscriptions of one client; a filter counts once more for every 16 levels.",
    )
    .more("Beyond: return code 0x80 for the filter.")
    .live()
    .flag(Flag::Value("max-subscriptions")),
    Spec::new(
        "limits.max_retained",
        Kind::Count {
            least: 0,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.core.max_retained = machine(n),
        },
        "10000000",
        "Retained messages.",
    )
    .more("Beyond: a message for a new topic is delivered and not stored (`dropped/retained_full`).")
    .live()
    .flag(Flag::Value("max-retained")),
    Spec::new(
        "limits.memory",
        Kind::Size {
            least: 0,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.core.memory_limit = machine(n),
        },
        "unlimited",
        "Memory for what clients send: outboxes, messages that wait in memory, retained messages, what is on its way to \
         the disk.",
    )
    .more(
        "Counted on the safe side; connections and subscriptions come on top. Near it, clients that are slow get no more \
         (`dropped/memory`); at it, nobody new is let in: CONNACK 3.",
    )
    .live()
    .flag(Flag::Value("memory-limit")),
    auth::PASSWORDS_FILE,
    auth::ALLOW_ANONYMOUS,
    auth::REMEMBER,
    auth::REMEMBER_ENTRIES,
    auth::HASH_WORKERS,
    auth::QUEUE,
    auth::LONGEST_WAIT,
    auth::FAILED_LOGINS,
    auth::FAILED_ADDRESS,
    auth::FAILED_WINDOW,
    auth::JWT_KEYS_FILE,
    auth::JWT_SECRET_FILE,
    auth::JWT_KEYS_URL,
    auth::JWT_CA_FILE,
    auth::JWT_REFRESH,
    auth::JWT_KEEP,
    auth::JWT_TIME_LIMIT,
    auth::JWT_ISSUER,
    auth::JWT_AUDIENCE,
    auth::JWT_LEEWAY,
    auth::JWT_REQUIRE_EXPIRY,
    auth::JWT_CLOSE_WHEN_EXPIRED,
    auth::JWT_USER_MUST_MATCH,
    auth::JWT_USER_CLAIM,
    auth::JWT_CLIENT_CLAIM,
    auth::JWT_PUBLISH_CLAIM,
    auth::JWT_SUBSCRIBE_CLAIM,
    auth::HTTP_URL,
    auth::HTTP_CA_FILE,
    auth::HTTP_BEARER_FILE,
    auth::HTTP_TIME_LIMIT,
    auth::HTTP_ALLOW_PLAIN,
    auth::HTTP_WORKERS,
    auth::HTTP_KEEP_YES,
    auth::HTTP_KEEP_NO,
    auth::HTTP_ENTRIES,
    auth::HTTP_WHEN_DOWN,
    auth::HTTP_STALE,
    Spec::new(
        "limits.connections_per_address",
        Kind::Count {
            least: 1,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.accept.max_per_address = small(n),
        },
        "unlimited",
        "Connections of one address; of IPv6 the first 64 bits count.",
    )
    .more("Beyond: closed as they come. Unix sockets are exempt.")
    .live(),
    Spec::new(
        "limits.connection_rate",
        Kind::Count {
            least: 0,
            most: 1_000_000,
            set: |draft: &mut Draft, n| draft.accept.rate_per_address = small(n),
        },
        "0",
        "New connections a second of one address; 0: no limit.",
    )
    .more("Beyond: closed as they come.")
    .live(),
    Spec::new(
        "limits.connection_burst",
        Kind::Count {
            least: 1,
            most: 1_000_000,
            set: |draft: &mut Draft, n| draft.accept.burst_per_address = small(n),
        },
        "100",
        "So many of them may come at once.",
    )
    .live(),
    Spec::new(
        "limits.handshakes",
        Kind::Count {
            least: 1,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.accept.max_handshakes = machine(n),
        },
        "1024",
        "Connections that have not come to MQTT: TLS, WebSocket or a PROXY header is still under way.",
    )
    .more("Beyond: new ones are closed as they come.")
    .live(),
    usage::handshakes_per_address(),
    Spec::new(
        "limits.handshake_timeout",
        Kind::Time {
            least: SECOND,
            most: HOUR,
            set: |draft: &mut Draft, time| draft.accept.handshake_timeout_ms = millis(time),
        },
        "10s",
        "Time for that.",
    )
    .live(),
    usage::unfinished_bytes(),
    tls::certificate().flag(Flag::Value("tls-cert")),
    tls::key().flag(Flag::Value("tls-key")),
    tls::certificates(),
    tls::clients().flag(Flag::Value("tls-clients")),
    tls::ca().flag(Flag::Value("tls-ca")),
    tls::crl().flag(Flag::Value("tls-crl")),
    tls::user_from(),
    tls::min_version(),
    Spec::new(
        "tls.watch",
        Kind::Time {
            least: Duration::ZERO,
            most: HOUR,
            set: |draft: &mut Draft, time| draft.accept.tls_watch_ms = millis(time),
        },
        "5s",
        "Time between two looks at the files of TLS; 0: only on reload.",
    )
    .live(),
    usage::connections(),
    usage::messages(),
    usage::message_burst(),
    usage::bytes(),
    usage::byte_burst(),
    usage::close_after(),
    usage::per_user(),
    usage::takeovers(),
    usage::within(),
    usage::slow(),
    Spec::new(
        "access.acl_file",
        Kind::Path(|draft: &mut Draft, path| draft.acl_file = Some(path)),
        "",
        "Access rules in the form of Mosquitto's acl_file.",
    )
    .said("none")
    .more("They are asked behind the rules of this file.")
    .live()
    .flag(Flag::Value("acl-file")),
    Spec::new(
        "log.level",
        Kind::Text("a level, or pairs of module and level", |draft: &mut Draft, text| {
            draft.log = levels(text)?;
            Ok(())
        }),
        "info",
        "What to log: off, error, warn, info, debug, trace, or for single modules as in burgee_broker=debug,info.",
    )
    .more(
        "At `debug` every connection is a line when it comes and when it goes, with the reason and the number of the \
         statement that was broken.",
    )
    .live()
    .flag(Flag::Value("log")),
];

/// Reads what is to be logged: a level, or pairs of module and level.
fn levels(text: &str) -> Result<Targets, String> {
    let help = "write off, error, warn, info, debug or trace, or for single modules burgee_broker=debug,info";
    for part in text.split(',') {
        let level = part.split_once('=').map_or(part, |(_, level)| level);
        // A lone word that is no level would be taken for a module, and nothing would be logged.
        if level.trim().is_empty() || LevelFilter::from_str(level.trim()).is_err() {
            return Err(format!("{level:?} is no level: {help}"));
        }
    }
    Targets::from_str(text).map_err(|error| format!("{error}: {help}"))
}

/// An option as the command line sees it.
#[derive(Copy, Clone)]
pub struct OptionView(&'static Spec<Draft>);

/// All options, in the order of the reference.
pub fn options() -> impl Iterator<Item = OptionView> {
    OPTIONS.iter().map(OptionView)
}

impl OptionView {
    /// Its name in the file.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.0.key
    }

    /// How it is written on the command line.
    #[must_use]
    pub const fn flag(self) -> Flag {
        self.0.flag
    }

    /// What it is, in one sentence.
    #[must_use]
    pub const fn help(self) -> &'static str {
        self.0.help
    }

    /// What else is to be known.
    #[must_use]
    pub const fn more(self) -> &'static str {
        self.0.more
    }

    /// What holds if it is not given.
    #[must_use]
    pub const fn default_text(self) -> &'static str {
        self.0.default_text()
    }

    /// When a change counts.
    #[must_use]
    pub const fn reload(self) -> Reload {
        self.0.reload
    }

    /// Its variable in the environment.
    #[must_use]
    pub fn variable(self) -> String {
        self.0.variable_name()
    }

    /// What its value is called.
    #[must_use]
    pub const fn value_name(self) -> &'static str {
        match &self.0.kind {
            Kind::Bool(_) => "BOOL",
            Kind::Count { .. } => "N",
            Kind::Size { .. } => "SIZE",
            Kind::Time { .. } => "DURATION",
            Kind::Choice { .. } => "WORD",
            Kind::Path(_) => "PATH",
            Kind::Text(..) => "TEXT",
            Kind::Texts(..) => "URL",
            Kind::Pairs(..) => "PATH,PATH",
        }
    }

    /// The words that it can be, each with its meaning; empty: it is no choice.
    #[must_use]
    pub const fn choices(self) -> &'static [(&'static str, &'static str)] {
        match &self.0.kind {
            Kind::Choice { of, .. } => of,
            Kind::Bool(_)
            | Kind::Count { .. }
            | Kind::Size { .. }
            | Kind::Time { .. }
            | Kind::Path(_)
            | Kind::Text(..)
            | Kind::Texts(..)
            | Kind::Pairs(..) => &[],
        }
    }

    /// Whether a value can be used.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(self, text: &str) -> Result<(), String> {
        let set = value::set(&self.0.kind, &Raw::Plain(text), Path::new(""), &mut Draft::default());
        set.map(drop)
            .map_err(|wrong| wrong.into_iter().map(|(_, what)| what).collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sections::SECTIONS;

    #[test]
    fn levels_and_modules_parse_and_typing_errors_do_not() {
        for right in [
            "info",
            "DEBUG",
            "off",
            "warn,burgee_broker=debug",
            "burgee_broker=trace",
        ] {
            assert!(levels(right).is_ok(), "{right}");
        }
        for wrong in ["loud", "", "info,loud", "burgee_broker=loud", "a=b=info"] {
            assert!(levels(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_option_belongs_to_a_section() {
        for spec in OPTIONS.iter().filter(|spec| spec.in_file) {
            let section = spec.key.split_once('.').map(|(section, _)| section).unwrap();
            assert!(SECTIONS.iter().any(|(known, _)| *known == section), "{}", spec.key);
        }
    }
}
