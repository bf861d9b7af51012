//! `burgee serve`: runs the broker until a signal ends it.
//!
//! What must hold: without settings it serves loopback only, and acknowledges what is on disk; one line on standard output
//! for each listener says that it can be used; settings that are wrong in any way start nothing. Deliberately absent: the
//! broker itself, and what can be set.

#[cfg(target_os = "linux")]
mod notify;
mod reload;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use burgee_broker::{Broker, Durability, ReloadWish, SyncPolicy};
use burgee_config::{Checked, Origin};
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::failure::say;
use crate::settings::Settings;
#[cfg(target_os = "linux")]
use notify::reloading;
use reload::Reloader;

/// Ending by this signal number is told to the parent as 128 and the number, as shells do.
const BY_SIGNAL: i32 = 128;

/// The settings cannot be used.
const WRONG_SETTINGS: u8 = 2;

/// Run the broker
///
/// Without options it listens on port 1883 of loopback, IPv4 and IPv6, and lets everybody in who can reach that.
/// Persistent sessions, what they are owed, and retained messages are on disk before they are acknowledged.
/// SIGINT or SIGTERM end it in order; SIGHUP reads the settings again.
///
/// Sizes are bytes, or KiB, MiB, GiB as in 64MiB. Durations are seconds, or ms, s, min, h, d as in 5min. A flag goes before
/// the environment, that before the file, that before the default; `burgee config show` says what holds and why.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    settings: Settings,
}

/// Runs until the end; the exit code says how that was.
pub(crate) fn run(options: &Options) -> ExitCode {
    let checked = match burgee_config::load(&options.settings.sources()) {
        Ok(checked) => checked,
        Err(problems) => {
            say(
                "serve",
                &format!("these settings cannot be used, nothing was started\n{problems}"),
            );
            return ExitCode::from(WRONG_SETTINGS);
        }
    };
    let log = crate::log::start(checked.log.clone());
    match serve(
        checked,
        &Reloader {
            settings: &options.settings,
            log: &log,
        },
    ) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(mut checked: Checked, reloader: &Reloader<'_>) -> Result<bool, Box<dyn std::error::Error>> {
    // Before anything else: a signal during the start must not be lost.
    let mut signals = signals()?;
    explain(&checked);
    raise_file_limit();
    let mut broker = Broker::start(checked.broker.clone())?;
    announce(&broker)?;
    let handle = signals.handle();
    broker.on_failure(move || handle.close());
    #[cfg(target_os = "linux")]
    let notifier = notify::Notifier::ready(broker.pulse())?;
    let wishes = hear_wishes(&broker);
    for signal in signals.forever() {
        if signal == SIGHUP {
            // Before anything is read: who wishes from here on may mean what is written from here on.
            let wishes = std::mem::take(&mut *wishes.lock().unwrap_or_else(PoisonError::into_inner));
            let (said, done) = reloading(|| reloader.reload(&mut broker, &mut checked));
            for wish in wishes {
                wish.answer(said.clone(), done.clone());
            }
        } else {
            tracing::info!("ending; a second signal ends at once");
            break;
        }
    }
    #[cfg(target_os = "linux")]
    notifier.stopping();
    let in_order = broker.shutdown(checked.grace);
    #[cfg(target_os = "linux")]
    drop(notifier);
    tracing::info!("ended");
    Ok(in_order)
}

/// Who asks for a reload on the control socket has it as by a signal, and gets the answer.
fn hear_wishes(broker: &Broker) -> Arc<Mutex<Vec<ReloadWish>>> {
    let wishes = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&wishes);
    broker.on_reload_wish(move |wish| {
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(wish);
        if let Err(error) = signal_hook::low_level::raise(SIGHUP) {
            tracing::error!(%error, "a reload that was asked for cannot be begun");
            heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    });
    wishes
}

/// There is no service manager to be told.
#[cfg(not(target_os = "linux"))]
fn reloading<T>(read: impl FnOnce() -> T) -> T {
    read()
}

/// Says in the log where the settings are from, and what they mean where that may surprise.
fn explain(checked: &Checked) {
    if let Some(file) = &checked.file {
        tracing::info!("settings are from {}", file.display());
    } else {
        tracing::info!("no settings file: what was not given has its default");
    }
    for warning in checked.warnings.iter() {
        tracing::warn!("{warning}");
    }
    let data = checked.settings.get("store.directory");
    match (&checked.broker.durability, data) {
        (Durability::Memory, Some(data)) if data.origin != Origin::Default => tracing::warn!(
            data = data.shown(),
            "durability is memory: nothing is kept there, sessions and retained messages end with the broker"
        ),
        (Durability::Memory, _) => {
            tracing::info!("durability is memory: sessions and retained messages end with the broker");
        }
        (Durability::Kept { directory, sync }, _) => {
            let survives = match sync {
                SyncPolicy::Sync => "sync: what was acknowledged survives power loss",
                SyncPolicy::Write => "write: what was acknowledged survives the broker, not power loss",
            };
            tracing::info!(data = %directory.display(), "durability is {survives}");
        }
    }
}

/// The first signal asks for an orderly end, a second one ends at once.
fn signals() -> io::Result<Signals> {
    let second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order counts: at the first signal the first of the two finds the flag down.
        flag::register_conditional_shutdown(signal, BY_SIGNAL + signal, Arc::clone(&second))?;
        flag::register(signal, Arc::clone(&second))?;
    }
    Signals::new([SIGINT, SIGTERM, SIGHUP])
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
    for url in broker.listening() {
        match writeln!(out, "listening on {url}") {
            // Whoever started us does not want to know.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    out.flush()
}
