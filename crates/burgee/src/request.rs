//! `burgee rr`: publishes a request and prints the response that comes to a topic of our own.
//!
//! What must hold: the subscription stands before the request goes, so no response is missed; the first message on the
//! response topic is the response. Deliberately absent: telling the other side the response topic and matching responses
//! to requests, which MQTT 3.1.1 has no place for.

use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use burgee_client::connection::{Connection as Client, Grant};
use burgee_client::{QoS, TopicName};
use clap::{ArgAction, Args};
use tokio::time::timeout;

use crate::connect::{Connection, qos};
use crate::failure::{EXIT_CODES, Failure, say};
use crate::print::{self, Received, print};
use crate::publish::Source;
use crate::run;

/// Publish a request and print the response
///
/// For example: burgee rr -t meters/7/ask -m now -e meters/7/answer
///
/// The options are those of mosquitto_rr. The other side has to know the response topic: MQTT 3.1.1 does not carry it.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, args_override_self = true, after_help = EXIT_CODES)]
pub(crate) struct Options {
    /// Topic of the request
    #[arg(short, long, value_name = "TOPIC", allow_hyphen_values = true)]
    topic: Option<String>,

    /// Topic of the response
    #[arg(short = 'e', long, value_name = "TOPIC", allow_hyphen_values = true)]
    response_topic: Option<String>,

    #[command(flatten)]
    source: Source,

    /// QoS of the request, and greatest QoS of the response
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: QoS,

    /// End after so many seconds without a response, with exit code 27
    #[arg(short = 'W', long, value_name = "SECONDS")]
    wait: Option<NonZeroU32>,

    /// A retained message is no response
    #[arg(short = 'R', long)]
    no_retained: bool,

    #[command(flatten)]
    print: print::Options,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    #[command(flatten, next_help_heading = "Connection")]
    connection: Connection,
}

/// Runs the command.
pub(crate) fn run(options: Options) -> ExitCode {
    let limit = options
        .wait
        .map(|seconds| Duration::from_secs(u64::from(seconds.get())));
    run::run("rr", options.connection.quiet, async move {
        let work = request(options);
        match limit {
            Some(limit) => timeout(limit, work).await.unwrap_or_else(|_| Err(Failure::timeout())),
            None => work.await,
        }
    })
}

/// A topic that is given and valid.
fn checked(topic: Option<String>, what: &str, option: &str) -> Result<String, Failure> {
    let topic = topic.ok_or_else(|| Failure::usage(format!("no {what} is given: use {option}")))?;
    TopicName::parse(&topic).map_err(|error| Failure::usage(format!("the {what} {topic:?} is not valid: {error}")))?;
    Ok(topic)
}

async fn request(options: Options) -> Result<(), Failure> {
    let (client_options, trace) = options.connection.options()?;
    let topic = checked(options.topic, "topic", "-t")?;
    let response_topic = checked(options.response_topic, "response topic", "-e")?;
    let payload = options.source.read()?;
    let style = options.print.style();
    trace.connecting();
    let (client, mut messages) = Client::connect(&client_options).await?;
    trace.connected(0);
    trace.subscribing(std::slice::from_ref(&response_topic), options.qos);
    let asked = [(response_topic.as_str(), options.qos)];
    let subscribe = client.subscribe(&asked);
    tokio::pin!(subscribe);
    let mut answered = false;
    // A message that was retained comes right behind the answer: messages are taken while we ask.
    let mut early = None;
    while !answered {
        tokio::select! {
            grants = &mut subscribe => {
                answered = true;
                if grants?.contains(&Grant::Refused) {
                    return Err(Failure::refused(format!("the server refused to subscribe to {response_topic}")));
                }
            }
            message = messages.next(), if early.is_none() => match message {
                Some(message) => early = Some(message),
                None => return Err(client.ended().await.into()),
            }
        }
    }
    trace.answered();
    trace.publishing(2, &topic, payload.len(), (options.qos, false));
    drop(client.publish(&topic, payload, options.qos, false).await?);
    loop {
        let message = match early.take() {
            Some(message) => message,
            None => match messages.next().await {
                Some(message) => message,
                None => return Err(client.ended().await.into()),
            },
        };
        let mut out = Vec::new();
        let received = Received {
            message: &message,
            time: SystemTime::now(),
        };
        trace.received(&message, &mut out);
        let is_response = message.topic.as_str() == response_topic && !(options.no_retained && message.retain);
        if is_response && style.write(&received, &mut out).is_err() {
            say("rr", &format!("the payload is no JSON, on topic {}", message.topic));
        }
        let unwritable = |error| Failure::refused(format!("cannot write to standard output: {error}"));
        print(out).await.map_err(unwritable)?;
        if is_response {
            run::leave(&client).await;
            return Ok(());
        }
    }
}
