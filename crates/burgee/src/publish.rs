//! `burgee pub`: publishes one message, once or again and again, or one for each line that comes.
//!
//! What must hold: it ends with 0 only when the server has acknowledged everything by its QoS. Lines are read no faster
//! than the server takes them. Deliberately absent: trying again; a message that may have arrived is the caller's to
//! repeat.

mod source;

use std::io::{self, IsTerminal};
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use burgee_client::connection::Connection as Client;
use burgee_client::{Error, QoS, TopicName};
use clap::{ArgAction, Args};
use tokio::time::sleep;

use crate::connect::trace::Trace;
use crate::connect::{Connection, qos};
use crate::failure::{EXIT_CODES, Failure};
use crate::progress::Progress;
use crate::run;
use crate::traffic::Line;
pub(crate) use source::Source;
use source::{LineSource, Payload};

/// Publish a message, or one for each line
///
/// For example: burgee pub -t rooms/7/light -m on
///
/// The options are those of mosquitto_pub, and some more.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, args_override_self = true, after_help = EXIT_CODES)]
pub(crate) struct Options {
    /// Topic to publish to
    #[arg(short, long, value_name = "TOPIC", allow_hyphen_values = true)]
    topic: Option<String>,

    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    lines: LineSource,

    /// QoS: 0 sent once, 1 acknowledged, 2 arrives exactly once
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: QoS,

    /// The server shall keep the message for those who subscribe later
    #[arg(short, long)]
    retain: bool,

    /// Publish the message so many times (not with -l and --json)
    #[arg(long, value_name = "COUNT", default_value = "1")]
    repeat: NonZeroU64,

    /// Seconds between two of them
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    repeat_delay: Duration,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    #[command(flatten, next_help_heading = "Connection")]
    connection: Connection,
}

/// A number of seconds, with a fraction or without.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "this is a number of seconds: 0 or more".to_owned())
}

/// Runs the command.
pub(crate) fn run(options: Options) -> ExitCode {
    run::run("pub", options.connection.quiet, publish(options))
}

async fn publish(options: Options) -> Result<(), Failure> {
    let Options {
        connection,
        topic,
        source,
        lines,
        ..
    } = options;
    match &topic {
        // [MQTT-3.3.2-2] before anything is sent, and before standard input is read.
        Some(topic) => TopicName::parse(topic)
            .map(drop)
            .map_err(|error| Failure::usage(format!("the topic {topic:?} is not valid: {error}")))?,
        None if lines.json => {}
        None => return Err(Failure::usage("no topic is given: use -t, or put it into the URL")),
    }
    let (client_options, trace) = connection.options()?;
    let payload = source::open(source, &lines)?;
    trace.connecting();
    let (client, messages) = Client::connect(&client_options).await?;
    trace.connected(0);
    // A kept session may have messages for us; they are acknowledged and forgotten.
    drop(messages);
    let mut target = Target {
        client,
        trace,
        topic: topic.unwrap_or_default(),
        qos: options.qos,
        retain: options.retain,
        sent: 0,
        progress: Progress::new(!connection.quiet && !io::stdin().is_terminal()),
    };
    match payload {
        Payload::Whole(bytes) => {
            let (times, delay) = (options.repeat, options.repeat_delay);
            target.repeat(bytes.into(), times, delay).await?;
        }
        Payload::Lines(lines) => target.send_lines(lines, |line| Ok(plain(line))).await?,
        Payload::Json(lines) => target.send_lines(lines, |line| Line::parse(&line)).await?,
    }
    target.trace.disconnecting();
    // As long as the server lives it may take its time: keep alive notices when it does not.
    target.client.disconnect_within(Duration::MAX).await?;
    Ok(())
}

/// A line that is a payload.
fn plain(payload: Vec<u8>) -> Line {
    Line {
        topic: None,
        payload,
        qos: None,
        retain: None,
        at: None,
    }
}

struct Target {
    client: Client,
    trace: Trace,
    topic: String,
    qos: QoS,
    retain: bool,
    sent: u64,
    progress: Progress,
}

impl Target {
    async fn send(&mut self, topic: &str, payload: Arc<[u8]>, how: (QoS, bool)) -> Result<(), Error> {
        self.trace.publishing(self.sent + 1, topic, payload.len(), how);
        // The end of the connection tells whether all are acknowledged; a receipt for each would only take memory.
        drop(self.client.publish(topic, payload, how.0, how.1).await?);
        self.sent += 1;
        let sent = self.sent;
        self.progress.show(|| format!("{sent} published"));
        Ok(())
    }

    async fn repeat(&mut self, payload: Arc<[u8]>, times: NonZeroU64, delay: Duration) -> Result<(), Failure> {
        let topic = std::mem::take(&mut self.topic);
        for left in (0..times.get()).rev() {
            self.send(&topic, Arc::clone(&payload), (self.qos, self.retain)).await?;
            if left > 0 && !delay.is_zero() {
                tokio::select! {
                    () = sleep(delay) => {}
                    end = self.client.ended() => return Err(end.into()),
                }
            }
        }
        Ok(())
    }

    async fn send_lines(
        &mut self,
        mut lines: crate::lines::Lines,
        parse: impl Fn(Vec<u8>) -> Result<Line, String>,
    ) -> Result<(), Failure> {
        let usual = std::mem::take(&mut self.topic);
        for number in 1_u64.. {
            let line = tokio::select! {
                line = lines.next() => line?,
                end = self.client.ended() => return Err(end.into()),
            };
            let Some(line) = line else { break };
            let wrong = |what: String| Failure::usage(format!("line {number} of standard input: {what}"));
            let line = parse(line).map_err(wrong)?;
            let topic = line.topic.unwrap_or_else(|| usual.clone());
            if topic.is_empty() {
                return Err(wrong("it names no \"topic\", and neither does -t".to_owned()));
            }
            let how = (line.qos.unwrap_or(self.qos), line.retain.unwrap_or(self.retain));
            self.send(&topic, line.payload.into(), how).await?;
        }
        Ok(())
    }
}
