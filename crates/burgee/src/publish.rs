//! `burgee pub`: publishes one message, or one for each line that comes.
//!
//! What must hold: it ends with 0 only when the server has acknowledged everything by its QoS. Lines are read no faster
//! than the server takes them. Deliberately absent: trying again; a message that may have arrived is the caller's to
//! repeat.

mod source;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use burgee_client::connection::Connection as Client;
use burgee_client::{Error, QoS, TopicName};
use clap::{ArgAction, Args};
use tokio::runtime;

use crate::connect::{Connection, qos};
use crate::failure::{EXIT_CODES, Failure, say};
use source::{Lines, Payload, Source};

/// Publish a message, or one for each line
///
/// For example: burgee pub -t rooms/7/light -m on
///
/// The options are those of Mosquitto's command of this kind.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, args_override_self = true, after_help = EXIT_CODES)]
pub(crate) struct Options {
    /// Topic to publish to
    #[arg(
        short,
        long,
        value_name = "TOPIC",
        required_unless_present = "url",
        allow_hyphen_values = true
    )]
    topic: Option<String>,

    #[command(flatten)]
    source: Source,

    /// QoS: 0 sent once, 1 acknowledged, 2 arrives exactly once
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: QoS,

    /// The server shall keep the message for those who subscribe later
    #[arg(short, long)]
    retain: bool,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    #[command(flatten, next_help_heading = "Connection")]
    connection: Connection,
}

/// Runs the command.
pub(crate) fn run(options: Options) -> ExitCode {
    let quiet = options.connection.quiet;
    let done = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let done = runtime.block_on(publish(options));
            // A thread may still wait for a line.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(Failure::refused(format!("the system gives no event queue: {error}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("pub", quiet),
    }
}

async fn publish(options: Options) -> Result<(), Failure> {
    let Options {
        connection,
        topic,
        source,
        qos,
        retain,
        ..
    } = options;
    let topic = topic.or(connection.url_topic().map(str::to_owned));
    let topic = topic.ok_or_else(|| Failure::usage("no topic is given: use -t, or put it into the URL"))?;
    // [MQTT-3.3.2-2] before anything is sent, and before standard input is read.
    TopicName::parse(&topic).map_err(|error| Failure::usage(format!("the topic {topic:?} is not valid: {error}")))?;
    let client_options = connection.options()?;
    let payload = source.open()?;
    let debug = connection.debug;
    let (client, messages) = Client::connect(&client_options).await?;
    // A kept session may have messages for us; they are acknowledged and forgotten.
    drop(messages);
    let mut target = Target {
        client,
        topic,
        qos,
        retain,
        sent: 0,
    };
    match payload {
        Payload::Whole(bytes) => target.send(bytes.into()).await?,
        Payload::Lines(lines) => target.send_lines(lines).await?,
    }
    if debug {
        say(
            "pub",
            &format!("published {}, waiting for what is not acknowledged", target.sent),
        );
    }
    // As long as the server lives it may take its time: keep alive notices when it does not.
    target.client.disconnect_within(Duration::MAX).await?;
    Ok(())
}

struct Target {
    client: Client,
    topic: String,
    qos: QoS,
    retain: bool,
    sent: u64,
}

impl Target {
    async fn send(&mut self, payload: Arc<[u8]>) -> Result<(), Error> {
        // The end of the connection tells whether all are acknowledged; a receipt for each would only take memory.
        drop(self.client.publish(&self.topic, payload, self.qos, self.retain).await?);
        self.sent += 1;
        Ok(())
    }

    async fn send_lines(&mut self, mut lines: Lines) -> Result<(), Failure> {
        loop {
            tokio::select! {
                line = lines.next() => match line? {
                    Some(line) => self.send(line.into()).await?,
                    None => return Ok(()),
                },
                end = self.client.ended() => return Err(Error::Ended(end).into()),
            }
        }
    }
}
