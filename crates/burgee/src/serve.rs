//! `burgee serve`: runs the broker until a signal ends it.
//!
//! What must hold: without options it serves loopback only, and acknowledges what is on disk; one line on standard output
//! for each listener says that it can be used. Deliberately absent: the broker itself, and a configuration file.

mod options;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burgee_broker::Broker;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

pub(crate) use options::Options;

/// Ending by this signal number is told to the parent as 128 and the number, as shells do.
const BY_SIGNAL: i32 = 128;

/// Runs until the end; the exit code says how that was.
pub(crate) fn run(options: Options) -> ExitCode {
    crate::log::start(options.log());
    match serve(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: Options) -> Result<bool, Box<dyn std::error::Error>> {
    // Before anything else: a signal during the start must not be lost.
    let mut signals = signals()?;
    raise_file_limit();
    let grace = options.grace();
    let broker = Broker::start(options.into_config()?)?;
    announce(&broker)?;
    let handle = signals.handle();
    broker.on_failure(move || handle.close());
    if signals.forever().next().is_some() {
        tracing::info!("ending; a second signal ends at once");
    }
    let in_order = broker.shutdown(grace);
    tracing::info!("ended");
    Ok(in_order)
}

/// The first signal asks for an orderly end, a second one ends at once.
fn signals() -> io::Result<Signals> {
    let second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order counts: at the first signal the first of the two finds the flag down.
        flag::register_conditional_shutdown(signal, BY_SIGNAL + signal, Arc::clone(&second))?;
        flag::register(signal, Arc::clone(&second))?;
    }
    Signals::new([SIGINT, SIGTERM])
}

/// Each connection is an open file.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::info!("up to {limit} files and connections can be open"),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}

/// For programs that start us and want to know where we listen.
fn announce(broker: &Broker) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for address in broker.addresses() {
        match writeln!(out, "listening on tcp://{address}") {
            // Whoever started us does not want to know.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    out.flush()
}
