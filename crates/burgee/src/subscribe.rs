//! `burgee sub`: subscribes and prints what comes.
//!
//! What must hold: unless asked otherwise, payloads are printed byte for byte, each message as soon as it is there; a reader
//! that goes away (`| head -1`) or a signal ends it with DISCONNECT and exit code 0; a lost connection is made again. With
//! -C the server is not told of more messages than are printed. Deliberately absent: any storing of messages.

mod choice;
mod printer;

use std::num::{NonZeroU32, NonZeroU64};
use std::process::ExitCode;
use std::time::Duration;

use burgee_client::{QoS, TopicFilter};
use clap::{ArgAction, Args};
use regex_lite::Regex;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::connect::{Connection, qos};
use crate::failure::{EXIT_CODES, Failure};
use crate::follow::{Manner, Subscription, follow};
use crate::print;
use crate::run::{self, FAREWELL, Stop, watch_for_stops};
use crate::tree::Tree;
use choice::{Percentage, Wanted};
use printer::Printer;

/// How long --expect waits where -W does not say it.
const EXPECTATION: Duration = Duration::from_secs(10);

/// Subscribe and print what comes
///
/// For example: burgee sub -v -t 'rooms/+/light'
///
/// The options are those of mosquitto_sub, and some more.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, args_override_self = true, after_help = EXIT_CODES)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Options {
    #[command(flatten)]
    asked: Asked,

    /// Do not print messages whose topic matches; repeatable
    #[arg(short = 'T', long, value_name = "FILTER", allow_hyphen_values = true)]
    filter_out: Vec<String>,

    /// End after so many messages
    #[arg(short = 'C', long, value_name = "COUNT")]
    count: Option<NonZeroU64>,

    /// End after so many seconds, with exit code 27
    #[arg(short = 'W', long, value_name = "SECONDS")]
    wait: Option<NonZeroU32>,

    /// End as soon as the server has acknowledged the subscriptions
    #[arg(short = 'E', long)]
    exit_when_subscribed: bool,

    /// Print only the first message whose payload matches this regular expression, and end: exit code 0 if it came within
    /// the time of -W (10 s if not given), else 1
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true, conflicts_with_all = ["count", "exit_when_subscribed"])]
    expect: Option<Regex>,

    /// Do not print retained messages
    #[arg(short = 'R', long, conflicts_with = "retained_only")]
    no_retained: bool,

    /// Print only retained messages, and end at the first that is not
    #[arg(long)]
    retained_only: bool,

    /// Have the server forget the retained messages that come, except those that -T and -R leave out
    #[arg(long)]
    remove_retained: bool,

    /// Print only so many percent of the messages, chosen by chance (0.1 to 100)
    #[arg(long, value_name = "PERCENT")]
    random_filter: Option<Percentage>,

    /// Show the topics as a tree: the last value of each, how often it comes, * if it was retained. Keys move and fold; where
    /// there is no terminal the tree is printed at the end
    #[arg(long, conflicts_with_all = ["expect", "format", "exit_when_subscribed", "verbose", "json"])]
    tree: bool,

    #[command(flatten)]
    print: print::Options,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    #[command(flatten, next_help_heading = "Connection")]
    connection: Connection,
}

/// What is asked of the server.
#[derive(Args, Debug)]
pub(crate) struct Asked {
    /// Topic filter to subscribe to; repeatable
    #[arg(short, long = "topic", value_name = "FILTER", allow_hyphen_values = true)]
    topics: Vec<String>,

    /// Topic filter to unsubscribe from, in a session that the server kept; repeatable
    #[arg(short = 'U', long, value_name = "FILTER", allow_hyphen_values = true)]
    unsubscribe: Vec<String>,

    /// Greatest QoS with which messages shall come: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: QoS,
}

impl Asked {
    /// Everything, where nothing is named.
    pub(crate) fn subscription_or_all(mut self) -> Result<Subscription, Failure> {
        if self.topics.is_empty() {
            self.topics.push("#".to_owned());
        }
        self.subscription()
    }

    /// Before anything is sent.
    pub(crate) fn subscription(self) -> Result<Subscription, Failure> {
        for filter in self.topics.iter().chain(&self.unsubscribe) {
            check(filter)?;
        }
        if self.topics.is_empty() && self.unsubscribe.is_empty() {
            return Err(Failure::usage("no topic is given: use -t, or put it into the URL"));
        }
        Ok(Subscription {
            filters: self.topics,
            qos: self.qos,
            gone: self.unsubscribe,
        })
    }
}

fn check(filter: &str) -> Result<(), Failure> {
    let parsed = TopicFilter::parse(filter).map(drop);
    parsed.map_err(|error| Failure::usage(format!("the topic filter {filter:?} is not valid: {error}")))
}

/// Runs the command.
pub(crate) fn run(options: Options) -> ExitCode {
    run::run("sub", options.connection.quiet, subscribe(options))
}

async fn show_tree(
    mut tree: Tree,
    mut connection: Connection,
    subscription: Subscription,
    stopped: watch::Receiver<Option<Stop>>,
) -> Result<(), Failure> {
    connection.quiet |= tree.is_live();
    let manner = Manner {
        connection,
        exit_when_subscribed: false,
        command: "sub",
    };
    follow(manner, subscription, &mut tree, stopped).await?;
    tree.finish().await
}

async fn subscribe(options: Options) -> Result<(), Failure> {
    options.filter_out.iter().try_for_each(|filter| check(filter))?;
    let expects = options.expect.as_ref().map(Regex::to_string);
    let wait = options
        .wait
        .map(|seconds| Duration::from_secs(u64::from(seconds.get())));
    let stopped = watch_for_stops(wait.or(expects.is_some().then_some(EXPECTATION)))?;
    let subscription = options.asked.subscription()?;
    if options.tree {
        let tree = Tree::new(options.print.shown(), options.count.map(NonZeroU64::get));
        return show_tree(tree, options.connection, subscription, stopped).await;
    }
    let wanted = Wanted {
        left: options.count.or(expects.is_some().then_some(NonZeroU64::MIN)),
        filter_out: options.filter_out,
        no_retained: options.no_retained,
        retained_only: options.retained_only,
        random_filter: options.random_filter,
        expect: options.expect,
    };
    let mut printer = Printer::new(options.print.style(), wanted, options.remove_retained);
    let manner = Manner {
        connection: options.connection,
        exit_when_subscribed: options.exit_when_subscribed,
        command: "sub",
    };
    let mut late = stopped.clone();
    let outcome = tokio::select! {
        outcome = follow(manner, subscription, &mut printer, stopped.clone()) => outcome,
        // Somebody who does not read our output shall not keep us.
        () = async {
            late.wait_for(Option::is_some).await.ok();
            sleep(FAREWELL * 2).await;
        } => Ok(()),
    };
    let stop = *stopped.borrow();
    match (outcome, stop, expects) {
        (Ok(()), Some(Stop::Timeout), None) => Err(Failure::timeout()),
        (Ok(()), _, Some(pattern)) if !printer.is_done() => Err(Failure::refused(format!(
            "no message came whose payload matches {pattern:?}"
        ))),
        (Ok(()), _, _) | (Err(_), Some(Stop::Signal), None) => Ok(()),
        (Err(failure), _, _) => Err(failure),
    }
}
