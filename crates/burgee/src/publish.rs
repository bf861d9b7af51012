//! `burgee pub`: publishes one message, once or again and again, or one for each line that comes.
//!
//! What must hold: it ends with 0 only when the server has acknowledged everything by its QoS. Lines are read no faster
//! than the server takes them, and go on when a connection is lost. Deliberately absent: trying again with a single message;
//! one that may have arrived is the caller's to repeat.

mod feed;
mod source;

use std::io::{self, IsTerminal};
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use burgee_client::connection::Connection as Client;
use burgee_client::{QoS, TopicName};
use clap::{ArgAction, Args};
use tokio::time::sleep;

use crate::connect::trace::Trace;
use crate::connect::{Connection, qos};
use crate::failure::{EXIT_CODES, Failure};
use crate::lines::Lines;
use crate::progress::Progress;
use crate::run;
use crate::traffic::Line;
use feed::{Feed, Manner, Parcel};
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
    let usual = Usual {
        topic: topic.unwrap_or_default(),
        how: (options.qos, options.retain),
        progress: Progress::new(!connection.quiet && !io::stdin().is_terminal()),
    };
    let manner = Manner {
        quiet: connection.quiet,
        kept: connection.keeps_session(),
        knows_sessions: connection.knows_sessions(),
    };
    match payload {
        Payload::Whole(bytes) => {
            let client = feed::connect(&client_options, &trace).await?;
            let times = (options.repeat, options.repeat_delay);
            repeat(&client, &trace, usual, bytes.into(), times).await?;
            trace.disconnecting();
            // As long as the server lives it may take its time: keep alive notices when it does not.
            client.disconnect_within(Duration::MAX).await?;
        }
        Payload::Lines(lines) => {
            let feed = Feed::begin(client_options, trace, manner).await?;
            send_lines(feed, usual, lines, |line| Ok(plain(line))).await?;
        }
        Payload::Json(lines) => {
            let feed = Feed::begin(client_options, trace, manner).await?;
            send_lines(feed, usual, lines, |line| Line::parse(&line)).await?;
        }
    }
    Ok(())
}

/// Where and how messages go that do not say it themselves.
struct Usual {
    topic: String,
    how: (QoS, bool),
    progress: Progress,
}

async fn repeat(
    client: &Client,
    trace: &Trace,
    mut usual: Usual,
    payload: Arc<[u8]>,
    (times, delay): (NonZeroU64, Duration),
) -> Result<(), Failure> {
    for number in 1..=times.get() {
        if number > 1 && !delay.is_zero() {
            tokio::select! {
                () = sleep(delay) => {}
                end = client.ended() => return Err(end.into()),
            }
        }
        trace.publishing(number, &usual.topic, payload.len(), usual.how);
        let (qos, retain) = usual.how;
        // The end of the connection tells whether all are acknowledged; a receipt for each would only take memory.
        drop(client.publish(&usual.topic, Arc::clone(&payload), qos, retain).await?);
        usual.progress.show(|| format!("{number} published"));
    }
    Ok(())
}

/// What stands before a bad line is sent and acknowledged, so that who mends the line can go on from there.
async fn send_lines(
    mut feed: Feed,
    usual: Usual,
    lines: Lines,
    parse: impl Fn(Vec<u8>) -> Result<Line, String>,
) -> Result<(), Failure> {
    match send_each(&mut feed, usual, lines, parse).await {
        Err(failure) if failure.is_the_callers() => {
            feed.finish().await?;
            Err(failure)
        }
        Err(failure) => Err(failure),
        Ok(()) => feed.finish().await,
    }
}

async fn send_each(
    feed: &mut Feed,
    mut usual: Usual,
    mut lines: Lines,
    parse: impl Fn(Vec<u8>) -> Result<Line, String>,
) -> Result<(), Failure> {
    for number in 1_u64.. {
        let line = loop {
            tokio::select! {
                line = lines.next() => break line?,
                end = feed.ended() => feed.again(end).await?,
            }
        };
        let Some(line) = line else { break };
        let wrong = |what: String| Failure::usage(format!("line {number} of standard input: {what}"));
        let line = parse(line).map_err(wrong)?;
        let topic = line.topic.unwrap_or_else(|| usual.topic.clone());
        if topic.is_empty() {
            return Err(wrong("it names no \"topic\", and neither does -t".to_owned()));
        }
        let (qos, retain) = usual.how;
        feed.send(Parcel {
            topic,
            payload: line.payload.into(),
            how: (line.qos.unwrap_or(qos), line.retain.unwrap_or(retain)),
        })
        .await?;
        let sent = feed.sent;
        usual.progress.show(|| format!("{sent} published"));
    }
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
