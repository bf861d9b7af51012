//! `burgee bench`: loads a broker, ours or any other, and tells what came of it.
//!
//! What must hold: what is measured goes to standard output, everything else to standard error; the exit code tells a
//! broken promise (1) from a run that could not be made (2). Deliberately absent: what the scenarios do; that is
//! `burgee-load`, which knows no command line.

mod address;
mod files;
mod live;
mod options;
mod scenarios;
mod self_test;
mod table;
mod units;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burgee_load::{Error, Outcome, Target, usage};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::say;
use live::LiveLine;
use options::Common;
pub(crate) use options::Options;
use scenarios::Job;

/// For the `--help` of all scenarios.
const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the broker broke a promise: a message was lost at QoS 1 or 2, doubled at QoS 0 or 2, or at any \
QoS changed, out of order, or delivered to the wrong client; 2 the run could not be made; 130 interrupted.";

/// Ending by this signal number is told to the parent as 128 and the number, as shells do.
const BY_SIGNAL: u8 = 128;

const PROMISE_BROKEN: u8 = 1;
const COULD_NOT_RUN: u8 = 2;

/// Runs the command.
pub(crate) fn run(options: Options) -> ExitCode {
    // Nothing but --self-test can stand without a scenario: without both there is help.
    let scenario = options.scenario.unwrap_or_default();
    let done = match scenarios::job(scenario) {
        Ok((common, job)) => bench(&common, job),
        Err(options) => self_test::run(options),
    };
    done.unwrap_or_else(|text| {
        say("bench", &text);
        ExitCode::from(COULD_NOT_RUN)
    })
}

fn bench(common: &Common, job: Job) -> Result<ExitCode, String> {
    let stop = Arc::new(AtomicBool::new(false));
    stop_at_signals(&stop).map_err(|error| format!("cannot watch for signals: {error}"))?;
    files::provide(job.connections, job.option)?;
    if let Some(process) = common.process {
        let readable = usage::memory(process).map(drop);
        readable.map_err(|error| {
            format!(
                "--process {process} cannot be read ({error}): it has to run on this machine, under Linux, as the same \
                 user"
            )
        })?;
    }
    let mut target = Target::new(common.address.reach()?);
    target.user = common.user.clone().or(common.address.user());
    target.password = common.password().or(common.address.password());
    target.process = common.process;
    target.stop = Arc::clone(&stop);
    let mut line = LiveLine::new(common.quiet);
    let done = (job.run)(&target, &mut |live| line.show(live));
    line.clear();
    let interrupted = stop.load(Ordering::Relaxed);
    match done {
        Ok(mut outcome) => {
            if interrupted {
                outcome
                    .warnings
                    .push("interrupted: these are the figures up to then".to_owned());
            }
            print(&outcome, common, &target);
            Ok(match (interrupted, outcome.promise_kept) {
                (true, _) => interrupted_code(),
                (false, true) => ExitCode::SUCCESS,
                (false, false) => ExitCode::from(PROMISE_BROKEN),
            })
        }
        Err(error) if interrupted => {
            say("bench", &interruption(&error));
            Ok(interrupted_code())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn interruption(error: &Error) -> String {
    match error {
        Error::Interrupted => error.to_string(),
        Error::Option(_)
        | Error::System(_)
        | Error::Unreachable { .. }
        | Error::Refused { .. }
        | Error::Closed { .. }
        | Error::Silent { .. } => format!("interrupted; {error}"),
    }
}

fn interrupted_code() -> ExitCode {
    ExitCode::from(BY_SIGNAL + u8::try_from(SIGINT).unwrap_or_default())
}

/// The first signal ends the run, which tells what it has measured; a second one ends at once.
fn stop_at_signals(stop: &Arc<AtomicBool>) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // The order counts: at the first signal the first of the two finds the flag down.
        flag::register_conditional_shutdown(signal, i32::from(BY_SIGNAL) + signal, Arc::clone(stop))?;
        flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}

fn print(outcome: &Outcome, common: &Common, target: &Target) {
    let text = if common.json {
        serde_json::to_string(outcome).map(|text| text + "\n")
    } else if common.quiet {
        return;
    } else {
        Ok(table::table(outcome, target.address))
    };
    match text {
        // That nobody reads it is no reason to fail.
        Ok(text) => io::stdout().write_all(text.as_bytes()).ok(),
        Err(error) => {
            say("bench", &format!("the outcome cannot be written as JSON: {error}"));
            None
        }
    };
}
