//! `burgee completions`: what a shell needs to complete our command lines.
//!
//! Deliberately absent: installing them; every shell and distribution has its own place for that.

use std::io;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print completions for a shell
///
/// For example: burgee completions bash > ~/.local/share/bash-completion/completions/burgee
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The shell to complete for
    shell: Shell,
}

pub(crate) fn run<C: CommandFactory>(options: &Options) -> ExitCode {
    clap_complete::generate(options.shell, &mut C::command(), "burgee", &mut io::stdout());
    ExitCode::SUCCESS
}
