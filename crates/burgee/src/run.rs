//! The frame of a command that holds a connection: a runtime on this thread, a result, an exit code.
//!
//! What must hold: a thread that still waits for input or for a reader does not keep the process.
//! Deliberately absent: what the command does.

use std::process::ExitCode;
use std::time::Duration;

use burgee_client::connection::Connection as Client;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::failure::Failure;

/// How long the end may take when a signal or -W asks for it.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// Runs `work` to its end and says what went wrong.
pub(crate) fn run(command: &str, quiet: bool, work: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let done = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let done = runtime.block_on(work);
            // A thread may still wait for a line, or for the reader of standard output.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(Failure::refused(format!("the system gives no event queue: {error}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(command, quiet),
    }
}

/// Why to end before the work is done.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    Signal,
    Timeout,
}

/// Hears of the first signal, and of the end of the time if there is a limit.
pub(crate) fn watch_for_stops(wait: Option<Duration>) -> Result<watch::Receiver<Option<Stop>>, Failure> {
    let (stop, stopped) = watch::channel(None);
    watch_signals(stop.clone())?;
    if let Some(time) = wait {
        tokio::spawn(async move {
            sleep(time).await;
            stop.send_if_modified(|stop| {
                let first = stop.is_none();
                *stop = stop.or(Some(Stop::Timeout));
                first
            });
        });
    }
    Ok(stopped)
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
pub(crate) async fn leave(client: &Client) {
    leave_within(client, FAREWELL).await;
}

/// The same, with as little time for what is not acknowledged.
pub(crate) async fn leave_within(client: &Client, patience: Duration) {
    // Whatever goes wrong here, the command has done its work.
    timeout(FAREWELL, client.disconnect_within(patience)).await.ok();
}
