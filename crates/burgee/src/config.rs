//! `burgee config`: what can be set, and what is set.
//!
//! What must hold: nothing is started and nothing changed; secrets are not shown. Deliberately absent: whether files that
//! the settings name can be used; see `check`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::say;
use crate::settings::Settings;

/// Show the settings in effect, or all that there are
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print every setting in effect, and where it came from
    ///
    /// Takes the options of burgee serve, and tells what would hold with them. What is printed is a settings file again.
    /// Exit codes: 0 done; 2 the settings cannot be used.
    Show(Box<Settings>),
    /// Print the page docs/configuration.md: every setting with value, default and meaning
    Reference,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let page = match &options.command {
        Command::Reference => burgee_config::reference_page(),
        Command::Show(settings) => match burgee_config::load(&settings.sources()) {
            Ok(checked) => {
                for warning in checked.warnings.iter() {
                    say("config", &warning.to_string());
                }
                checked.settings.show()
            }
            Err(problems) => {
                say("config", &format!("these settings cannot be used\n{problems}"));
                return ExitCode::from(2);
            }
        },
    };
    match io::stdout().write_all(page.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say("config", &format!("cannot print: {error}"));
            ExitCode::FAILURE
        }
    }
}
