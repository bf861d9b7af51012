//! `burgee check access`: what the rules say to one wish, from the files alone.
//!
//! What must hold: it is the broker's own code that decides. Deliberately absent: rules that come with a token or from a
//! call-out; those are known only when somebody comes in.

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use burgee_access::{Request, Who};
use burgee_codec::{QoS, TopicFilter, TopicName};
use clap::{Args, ValueEnum};

use super::sources;
use crate::failure::Failure;

/// Say whether a client may do something, and which rule decides
///
/// Exit codes: 0 allowed; 1 denied, or the settings cannot be used; 2 the command line is wrong.
#[derive(Args, Debug)]
pub(super) struct Options {
    /// The user name; without one: an anonymous client
    #[arg(long)]
    user: Option<String>,

    /// The client identifier
    #[arg(long, default_value = "client")]
    client: String,

    /// The client's address
    #[arg(long)]
    address: Option<IpAddr>,

    /// The settings file [default: as for serve]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// With RETAIN (publish)
    #[arg(long)]
    retain: bool,

    /// The QoS of the message, or the one that is asked for
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,

    /// What it wants
    action: Wish,

    /// The topic, or for subscribe the filter
    topic: String,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
enum Wish {
    /// To publish a message there
    Publish,
    /// To subscribe to this filter
    Subscribe,
    /// To be sent a message that was published there
    Receive,
}

pub(super) fn run(options: &Options) -> ExitCode {
    match act(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => failure.report("check", false),
    }
}

fn act(options: &Options) -> Result<bool, Failure> {
    let checked = burgee_config::load(&sources(options.config.clone()))
        .map_err(|problems| Failure::refused(format!("the settings cannot be used\n{problems}")))?;
    let request = request(options)?;
    let Some(rules) = &checked.broker.core.policy.rules else {
        return say("allowed: there are no rules, and without any everything is", true);
    };
    let who = Who {
        user: options.user.as_deref(),
        client_id: &options.client,
        address: options.address,
    };
    let explanation = rules.explain(&who, &request);
    say(&explanation.to_string(), explanation.allowed)
}

fn request(options: &Options) -> Result<Request<'_>, Failure> {
    let qos = match options.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    };
    let text = &options.topic;
    let wrong = |what: &str, why: &str| Failure::misused(format!("{text:?} is no {what}: {why}"));
    let topic = || TopicName::parse(text).map_err(|error| wrong("topic", &error.to_string()));
    Ok(match options.action {
        Wish::Publish => Request::Publish {
            topic: topic()?,
            qos,
            retain: options.retain,
        },
        Wish::Receive => Request::Receive { topic: topic()? },
        Wish::Subscribe => Request::Subscribe {
            filter: TopicFilter::parse(text).map_err(|error| wrong("topic filter", &error.to_string()))?,
            qos,
        },
    })
}

fn say(text: &str, allowed: bool) -> Result<bool, Failure> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::refused(format!("cannot print: {error}")))
        }
        _ => Ok(allowed),
    }
}
