//! `burgee check`: whether what is written can be used, from the files alone.
//!
//! What must hold: everything that is wrong is told at once; nothing is started and nothing changed. Deliberately absent:
//! what can only be seen by starting; see `doctor` for the machine.

mod access;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use burgee_config::{Chosen, Sources};
use clap::{Args, Subcommand};

use crate::failure::say;

const EXIT_CODES: &str = "Exit codes: 0 it can be used; 1 it cannot; 2 the command line is wrong.";

/// Check settings without starting anything
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(
    clippy::doc_markdown,
    reason = "the comments are the text of --help, which knows no Markdown"
)]
enum Command {
    /// Say all that is wrong in a settings file, with line and column
    ///
    /// The environment counts as it would for burgee serve.
    Config {
        /// [default: as for serve: BURGEE_CONFIG from the environment; else /etc/burgee/burgee.toml]
        file: Option<PathBuf>,
    },
    Access(access::Options),
}

pub(crate) fn run(options: Options) -> ExitCode {
    match options.command {
        Command::Config { file } => config(file),
        Command::Access(options) => access::run(&options),
    }
}

/// The file and the environment, as serve would read them.
pub(crate) fn sources(file: Option<PathBuf>) -> Sources {
    Sources {
        file: file.map_or(Chosen::Usual, Chosen::Named),
        environment: std::env::vars_os().collect(),
        flags: Vec::new(),
    }
}

fn config(file: Option<PathBuf>) -> ExitCode {
    match burgee_config::load(&sources(file)) {
        Ok(checked) => {
            for warning in checked.warnings.iter() {
                say("check", &warning.to_string());
            }
            let name = checked
                .file
                .map_or("no file, the defaults".to_owned(), |file| file.display().to_string());
            // That nobody reads it changes nothing: the exit code says the same.
            drop(writeln!(io::stdout(), "{name}: can be used"));
            ExitCode::SUCCESS
        }
        Err(problems) => {
            let errors = problems.errors();
            let noun = if errors == 1 { "error" } else { "errors" };
            say("check", &format!("{errors} {noun}\n{problems}"));
            ExitCode::FAILURE
        }
    }
}
