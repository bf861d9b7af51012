//! `burgee replay`: publishes what `burgee record` has written, at the pace at which it came or at any other.
//!
//! What must hold: the order is that of the file; a message is never earlier than its time, and what is late is not left
//! out; it ends with 0 only when the server has acknowledged everything. Deliberately absent: the original publishers. One
//! client sends everything.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use burgee_client::connection::Connection as Client;
use burgee_client::{QoS, TopicName};
use clap::{ArgAction, Args};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::connect::trace::Trace;
use crate::connect::{Connection, qos};
use crate::failure::{EXIT_CODES, Failure};
use crate::lines::Lines;
use crate::progress::Progress;
use crate::run::{self, Stop, leave, watch_for_stops};
use crate::traffic::Line;

/// A line with the longest payload in Base64, and everything else.
const LONGEST: u64 = 400 << 20;

/// Publish what was recorded, with its timing
///
/// For example: burgee replay night.ndjson --speed 10
///
/// Reads the lines of `burgee record`; also those of `burgee sub --json`, which go out at once.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, args_override_self = true, after_help = EXIT_CODES)]
pub(crate) struct Options {
    /// File to read; - for standard input
    file: PathBuf,

    /// How fast: 2 is twice as fast as it was, 0.5 half as fast, max is without any pauses
    #[arg(long, value_name = "FACTOR", default_value = "1")]
    speed: Speed,

    /// Play it so many times, one after the other; 0 is for ever
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    r#loop: u64,

    /// Put this before each topic
    #[arg(long, value_name = "PREFIX", default_value = "")]
    topic_prefix: String,

    /// QoS for all messages [default: each has that with which it was recorded]
    #[arg(short, long, value_name = "QOS", value_parser = qos)]
    qos: Option<QoS>,

    /// Publish nothing as a retained message
    #[arg(long)]
    no_retain: bool,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    #[command(flatten, next_help_heading = "Connection")]
    connection: Connection,
}

/// How many times faster than it was; `None` is without pauses.
#[derive(Copy, Clone, Debug, PartialEq)]
struct Speed(Option<f64>);

impl FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Self(None));
        }
        let factor = text
            .parse()
            .ok()
            .filter(|factor: &f64| *factor > 0.0 && factor.is_finite());
        factor
            .map(|factor| Self(Some(factor)))
            .ok_or("this is a factor above 0, or max")
    }
}

impl Speed {
    /// When a message is due that was recorded `at` seconds after the beginning.
    fn due(self, at: f64) -> Duration {
        let seconds = self.0.map_or(0.0, |factor| at / factor);
        // What does not fit is further away than any clock goes.
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(u64::from(u32::MAX)))
    }
}

/// Runs the command.
pub(crate) fn run(options: Options) -> ExitCode {
    run::run("replay", options.connection.quiet, replay(options))
}

async fn replay(options: Options) -> Result<(), Failure> {
    let (client_options, trace) = options.connection.options()?;
    let mut lines = Some(open(&options.file)?);
    let stopped = watch_for_stops(None)?;
    trace.connecting();
    let (client, messages) = Client::connect(&client_options).await?;
    trace.connected(0);
    // A kept session may have messages for us; they are acknowledged and forgotten.
    drop(messages);
    let mut player = Player {
        progress: Progress::new(!options.connection.quiet),
        options,
        client,
        trace,
        stopped,
        sent: 0,
    };
    let mut round = 0;
    while player.options.r#loop == 0 || round < player.options.r#loop {
        round += 1;
        let input = match lines.take() {
            Some(lines) => lines,
            None => open(&player.options.file)?,
        };
        let before = player.sent;
        let wrong = match player.play(input).await {
            Ok(true) if player.sent > before => continue,
            Ok(true) => Failure::usage(format!("{} holds no messages", player.options.file.display())),
            Ok(false) => {
                player.trace.disconnecting();
                leave(&player.client).await;
                return Err(Failure::refused(format!("stopped after {} messages", player.sent)));
            }
            Err(failure) if failure.is_the_callers() => failure,
            Err(failure) => return Err(failure),
        };
        // What stands before a bad line is acknowledged before anybody is told of it.
        player.finish().await?;
        return Err(wrong);
    }
    player.finish().await
}

fn open(path: &Path) -> Result<Lines, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Lines::of_input(LONGEST));
    }
    let unreadable = |error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    Ok(Lines::of_file(file, path.display().to_string(), LONGEST))
}

struct Player {
    options: Options,
    client: Client,
    trace: Trace,
    stopped: watch::Receiver<Option<Stop>>,
    sent: u64,
    progress: Progress,
}

impl Player {
    /// Waits until everything is acknowledged, and ends.
    async fn finish(&self) -> Result<(), Failure> {
        self.trace.disconnecting();
        Ok(self.client.disconnect_within(Duration::MAX).await?)
    }

    /// Plays it once. `false`: a signal has ended it.
    async fn play(&mut self, mut lines: Lines) -> Result<bool, Failure> {
        let began = Instant::now();
        let mut at = 0.0;
        let mut number = 0_u64;
        loop {
            let line = tokio::select! {
                line = lines.next() => line?,
                end = self.client.ended() => return Err(end.into()),
                _ = self.stopped.wait_for(Option::is_some) => return Ok(false),
            };
            let Some(line) = line else { return Ok(true) };
            number += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let wrong = |what: String| Failure::usage(format!("{}:{number}: {what}", self.options.file.display()));
            let line = Line::parse(&line).map_err(wrong)?;
            at = line.at.unwrap_or(at);
            let due = began + self.options.speed.due(at);
            if due > Instant::now() {
                tokio::select! {
                    () = sleep_until(due) => {}
                    end = self.client.ended() => return Err(end.into()),
                    _ = self.stopped.wait_for(Option::is_some) => return Ok(false),
                }
            }
            let topic = line.topic.ok_or_else(|| wrong("it names no \"topic\"".to_owned()))?;
            let topic = format!("{}{topic}", self.options.topic_prefix);
            TopicName::parse(&topic).map_err(|error| wrong(format!("the topic {topic:?} is not valid: {error}")))?;
            let qos = self.options.qos.or(line.qos).unwrap_or_default();
            let retain = line.retain.unwrap_or(false) && !self.options.no_retain;
            self.sent += 1;
            self.trace
                .publishing(self.sent, &topic, line.payload.len(), (qos, retain));
            drop(self.client.publish(&topic, line.payload, qos, retain).await?);
            let sent = self.sent;
            self.progress
                .show(|| format!("{sent} messages published, at {at:.1} s of the recording"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_divides_the_time() {
        let due = |speed: &str| speed.parse::<Speed>().expect("a speed").due(3.0);
        assert_eq!(due("2"), Duration::from_millis(1500));
        assert_eq!(due("0.5"), Duration::from_secs(6));
        assert_eq!(due("max"), Duration::ZERO);
        assert!(due("1e-300") > Duration::from_secs(1_000_000));
        for wrong in ["0", "-1", "inf", "NaN", "fast"] {
            assert!(wrong.parse::<Speed>().is_err(), "{wrong}");
        }
    }
}
