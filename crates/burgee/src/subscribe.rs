//! `burgee sub`: subscribes and prints what comes.
//!
//! What must hold: payloads are printed byte for byte, each message as soon as it is there; a reader that goes away
//! (`| head -1`) or a signal ends it with DISCONNECT and exit code 0; a lost connection is made again. With -C the server
//! is not told of more messages than are printed. Deliberately absent: any storing of messages.

mod follow;
mod format;
mod output;

use std::num::{NonZeroU32, NonZeroU64};
use std::process::ExitCode;
use std::time::Duration;

use burgee_client::connection::Connection as Client;
use burgee_client::{QoS, TopicFilter};
use clap::{ArgAction, Args};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::connect::{Connection, qos};
use crate::failure::{EXIT_CODES, Failure};
use format::Format;

/// How long the end may take when a signal or -W asks for it.
const FAREWELL: Duration = Duration::from_secs(2);

/// Subscribe and print what comes
///
/// For example: burgee sub -v -t 'rooms/+/light'
///
/// The options are those of Mosquitto's command of this kind.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, args_override_self = true, after_help = EXIT_CODES)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Options {
    /// Topic filter to subscribe to; repeatable
    #[arg(short, long = "topic", value_name = "FILTER", required_unless_present_any = ["url", "unsubscribe"], allow_hyphen_values = true)]
    topics: Vec<String>,

    /// Topic filter to unsubscribe from, in a session that the server kept; repeatable
    #[arg(short = 'U', long, value_name = "FILTER", allow_hyphen_values = true)]
    unsubscribe: Vec<String>,

    /// Do not print messages whose topic matches; repeatable
    #[arg(short = 'T', long, value_name = "FILTER", allow_hyphen_values = true)]
    filter_out: Vec<String>,

    /// Greatest QoS with which messages shall come: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: QoS,

    /// End after so many messages
    #[arg(short = 'C', value_name = "COUNT")]
    count: Option<NonZeroU64>,

    /// End after so many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS")]
    wait: Option<NonZeroU32>,

    /// End as soon as the server has acknowledged the subscriptions
    #[arg(short = 'E')]
    exit_when_subscribed: bool,

    /// Print the topic before the payload
    #[arg(short, long, conflicts_with = "format")]
    verbose: bool,

    /// How to print: %t topic, %p payload, %x and %X payload in hexadecimal, %l its length, %q QoS, %r retained (0 or 1), %%,
    /// and \n \r \t \0 \a \e \v \\
    #[arg(short = 'F', value_name = "FORMAT", allow_hyphen_values = true)]
    format: Option<Format>,

    /// No end of line behind a message
    #[arg(short = 'N')]
    no_newline: bool,

    /// Do not print retained messages
    #[arg(short = 'R', conflicts_with = "retained_only")]
    no_retained: bool,

    /// Print only retained messages, and end at the first that is not
    #[arg(long)]
    retained_only: bool,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    #[command(flatten, next_help_heading = "Connection")]
    connection: Connection,
}

impl Options {
    /// What to subscribe to.
    fn filters(&self) -> Vec<&str> {
        self.topics
            .iter()
            .map(String::as_str)
            .chain(self.connection.url_topic())
            .collect()
    }

    /// Before anything is sent.
    fn check(&self) -> Result<(), Failure> {
        let listed = self
            .filters()
            .into_iter()
            .chain(self.unsubscribe.iter().map(String::as_str));
        for filter in listed.chain(self.filter_out.iter().map(String::as_str)) {
            TopicFilter::parse(filter)
                .map_err(|error| Failure::usage(format!("the topic filter {filter:?} is not valid: {error}")))?;
        }
        if self.filters().is_empty() && self.unsubscribe.is_empty() {
            return Err(Failure::usage("no topic is given: use -t, or put it into the URL"));
        }
        Ok(())
    }
}

/// Why to end before the work is done.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Stop {
    Signal,
    Timeout,
}

/// Runs the command.
pub(crate) fn run(options: Options) -> ExitCode {
    let quiet = options.connection.quiet;
    let done = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let done = runtime.block_on(subscribe(options));
            // A thread may still wait for the reader of standard output.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(Failure::refused(format!("the system gives no event queue: {error}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("sub", quiet),
    }
}

async fn subscribe(options: Options) -> Result<(), Failure> {
    options.check()?;
    let (stop, stopped) = watch::channel(None);
    watch_signals(stop.clone())?;
    if let Some(seconds) = options.wait {
        let time = Duration::from_secs(u64::from(seconds.get()));
        tokio::spawn(async move {
            sleep(time).await;
            stop.send_replace(Some(Stop::Timeout));
        });
    }
    let mut late = stopped.clone();
    let outcome = tokio::select! {
        outcome = follow::follow(options, stopped.clone()) => outcome,
        // Somebody who does not read our output shall not keep us.
        () = async {
            late.wait_for(Option::is_some).await.ok();
            sleep(FAREWELL * 2).await;
        } => Ok(()),
    };
    let stop = *stopped.borrow();
    match (outcome, stop) {
        (Ok(()), Some(Stop::Timeout)) => Err(Failure::timeout()),
        (Ok(()), Some(Stop::Signal) | None) | (Err(_), Some(Stop::Signal)) => Ok(()),
        (Err(failure), Some(Stop::Timeout) | None) => Err(failure),
    }
}

/// The first signal asks for an orderly end; the system's own way is gone then, so a second one ends at once.
fn watch_signals(stop: watch::Sender<Option<Stop>>) -> Result<(), Failure> {
    let unheard = |error| Failure::refused(format!("the system takes no signal handler: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unheard)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unheard)?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.send_replace(Some(Stop::Signal)).is_some() {
                std::process::exit(130);
            }
        }
    });
    Ok(())
}

/// DISCONNECT, or what is possible of it.
async fn leave(client: &Client) {
    // Whatever goes wrong here, the command has done its work.
    timeout(FAREWELL, client.disconnect_within(FAREWELL)).await.ok();
}
