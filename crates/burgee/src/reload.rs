//! `burgee reload`: a running broker reads its settings again, and this says what came of it.
//!
//! What must hold: exit code 0 means that the settings are taken over. Deliberately absent: settings of its own; the broker
//! reads them as it was started.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use burgee_broker::{Asked, ask_for_reload};
use burgee_config::data_dir;
use clap::Args;

use crate::failure::Failure;

const EXIT_CODES: &str = "\
Exit codes: 0 the settings are taken over; 1 they are not, and everything is as it was, or no broker runs on this directory; \
2 the command line is wrong.";

/// Have a running broker read its settings again, and say what came of it
///
/// The broker reads what it was started with: its file, its environment, its flags. What is wrong is told with file and line,
/// what changed with the old and the new value, and who was disconnected. It is asked by the socket in its data directory,
/// which only its owner and root can use; a broker that keeps nothing on disk has none, and is sent SIGHUP.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
#[expect(
    clippy::doc_markdown,
    reason = "the comments are the text of --help, which knows no Markdown"
)]
pub(crate) struct Options {
    /// Where the broker has its data
    ///
    /// [default: as for serve: BURGEE_DATA from the environment; else /var/lib/burgee for root, and for whoever may write
    /// there; else burgee in XDG_DATA_HOME, which is usually ~/.local/share]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(options: Options) -> ExitCode {
    match reload(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("reload", false),
    }
}

fn reload(options: Options) -> Result<(), Failure> {
    let directory = data_dir::choose(options.data).map_err(Failure::misused)?;
    let (said, asked) = ask_for_reload(&directory);
    for line in said {
        // Whoever reads this may have stopped; the exit code says enough.
        if writeln!(io::stdout(), "{line}").is_err() {
            break;
        }
    }
    match asked {
        Asked::Done => Ok(()),
        Asked::Failed(why) => Err(Failure::refused(why)),
        Asked::NobodyThere => Err(Failure::refused(format!(
            "no broker runs on {}; --data DIR names another directory, and a broker with durability memory reads its \
             settings again on SIGHUP",
            directory.display()
        ))),
    }
}
