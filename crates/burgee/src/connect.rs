//! To whom and as whom: the options that the commands of messages share, named as Mosquitto names them.
//!
//! What must hold: what is not given has the default that scripts expect (localhost:1883, QoS 0, clean session).
//! Deliberately absent: URLs and files of options; `arguments` has made options of them before.

pub(crate) mod again;
pub(crate) mod trace;
mod transport;
pub(crate) mod url;

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};

use burgee_client::{Options, QoS, Version, Will};
use clap::Args;

use crate::failure::Failure;
use trace::Trace;
use transport::Transport;

/// The options of a connection.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Connection {
    /// Host to connect to: a name or an address [default: localhost]
    #[arg(short = 'h', long, value_name = "HOST")]
    host: Option<String>,

    /// Port to connect to [default: 1883, with TLS 8883, for WebSocket 80 and 443]
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Host, port, user, password and topic in one: mqtt://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC], taken as written
    #[arg(short = 'L', long, value_name = "URL")]
    url: Option<String>,

    /// A file with more options, one a line [default: burgee_COMMAND or mosquitto_COMMAND in ~/.config]
    #[arg(short, long, value_name = "FILE")]
    options: Option<String>,

    /// Client identifier [default: a random one]
    #[arg(short, long, value_name = "ID", allow_hyphen_values = true)]
    id: Option<String>,

    /// Client identifier: this and the process number
    #[arg(
        short = 'I',
        long,
        value_name = "PREFIX",
        conflicts_with = "id",
        allow_hyphen_values = true
    )]
    id_prefix: Option<String>,

    /// User name
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    username: Option<String>,

    /// Password; needs a user name
    #[arg(
        short = 'P',
        long,
        value_name = "PASSWORD",
        requires = "username",
        allow_hyphen_values = true
    )]
    pw: Option<OsString>,

    /// Seconds between two signs of life; 0 switches keep alive off
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60)]
    keepalive: u16,

    /// Protocol version: mqttv311 (or 311) or mqttv31 (or 31)
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "mqttv311", value_parser = version)]
    protocol_version: Version,

    /// Keep the session at the server when the connection ends; needs -i
    #[arg(short = 'c', long)]
    disable_clean_session: bool,

    /// Topic of the message that the server publishes if this client vanishes
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,

    /// Payload of that message [default: empty]
    #[arg(long, value_name = "PAYLOAD", requires = "will_topic", allow_hyphen_values = true)]
    will_payload: Option<OsString>,

    /// QoS of that message: 0, 1 or 2
    #[arg(long, value_name = "QOS", default_value = "0", value_parser = qos)]
    will_qos: QoS,

    /// That message is to be retained
    #[arg(long, requires = "will_topic")]
    will_retain: bool,

    /// How many messages may be unacknowledged at once
    #[arg(short = 'M', long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    max_inflight: u16,

    #[command(flatten)]
    transport: Transport,

    /// Send small packets at once; this is always so
    #[arg(long)]
    nodelay: bool,

    /// Tell on standard output which packets come and go
    #[arg(short, long)]
    debug: bool,

    /// No error messages, only exit codes
    #[arg(long)]
    pub(crate) quiet: bool,
}

impl Connection {
    /// The client's options, and who tells of its packets.
    pub(crate) fn options(&self) -> Result<(Options, Trace), Failure> {
        // Both have become other options before, unless they hide behind a flag: -dL URL.
        if self.url.is_some() || self.options.is_some() {
            return Err(Failure::usage("write -L and -o apart from other options"));
        }
        let host = self.host.as_deref().unwrap_or("localhost");
        let client_id = self.client_id()?;
        let trace = Trace::new(self.debug, &client_id);
        let port = self.port.unwrap_or(self.transport.usual_port());
        let mut options = Options::new(host, port)
            .client_id(client_id)
            .clean_session(!self.disable_clean_session)
            .keep_alive(self.keepalive)
            .version(self.protocol_version)
            .window(self.max_inflight);
        if let Some(name) = self.username.as_deref() {
            options = options.user_name(name);
        }
        if let Some(password) = self.pw.clone() {
            options = options.password(password.into_encoded_bytes());
        }
        if let Some(topic) = &self.will_topic {
            let payload = self.will_payload.clone().unwrap_or_default().into_encoded_bytes();
            options = options.will(Will::new(topic, payload).qos(self.will_qos).retain(self.will_retain));
        }
        Ok((self.transport.apply(port, options)?, trace))
    }

    /// Whether the server keeps the session.
    pub(crate) const fn keeps_session(&self) -> bool {
        self.disable_clean_session
    }

    /// Whether the server can say that it has kept the session.
    pub(crate) fn knows_sessions(&self) -> bool {
        self.protocol_version != Version::V31
    }

    fn client_id(&self) -> Result<String, Failure> {
        match (&self.id, &self.id_prefix) {
            (Some(id), _) => Ok(id.clone()),
            (None, Some(prefix)) => Ok(format!("{prefix}{}", std::process::id())),
            (None, None) if self.disable_clean_session => Err(Failure::usage(
                "-c keeps the session under a client identifier: give one with -i",
            )),
            // As long as MQTT 3.1 allows, and nobody else's.
            (None, None) => Ok(format!(
                "burgee-{:016x}",
                RandomState::new().hash_one(std::process::id())
            )),
        }
    }
}

/// `0`, `1` or `2`.
pub(crate) fn qos(text: &str) -> Result<QoS, String> {
    let level = text.parse().ok().and_then(QoS::from_bits);
    level.ok_or_else(|| "the QoS is 0, 1 or 2".to_owned())
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "mqttv311" | "311" => Ok(Version::V311),
        "mqttv31" | "31" => Ok(Version::V31),
        "mqttv5" | "5" => Err("MQTT 5 is not spoken yet: use mqttv311".to_owned()),
        _ => Err("use mqttv311 or mqttv31".to_owned()),
    }
}
