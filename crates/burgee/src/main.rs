//! The `burgee` command: one subcommand, one module.
//!
//! What must hold: exit code 0 for a clean end, 1 for a failure, 2 for a command line that cannot be understood.
//! Deliberately absent: everything that a subcommand does.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the comments of options are help texts: brackets in them are for people"
)]

mod bench;
mod check;
mod completions;
mod config;
mod connect;
mod doctor;
mod failure;
mod import;
mod init;
mod log;
mod passwd;
mod publish;
mod serve;
mod settings;
mod size;
mod store;
mod subscribe;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// MQTT whole: a broker, and the command line tools around it.
#[derive(Parser)]
#[command(name = "burgee", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(Box<serve::Options>),
    Check(check::Options),
    Config(config::Options),
    Pub(publish::Options),
    Sub(subscribe::Options),
    Bench(bench::Options),
    Store(store::Options),
    Passwd(passwd::Options),
    Import(import::Options),
    Init(init::Options),
    Doctor(doctor::Options),
    Completions(completions::Options),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(options) => serve::run(&options),
        Command::Check(options) => check::run(options),
        Command::Config(options) => config::run(&options),
        Command::Pub(options) => publish::run(options),
        Command::Sub(options) => subscribe::run(options),
        Command::Bench(options) => bench::run(options),
        Command::Store(options) => store::run(options),
        Command::Passwd(options) => passwd::run(&options),
        Command::Import(options) => import::run(options),
        Command::Init(options) => init::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Completions(options) => completions::run::<Cli>(&options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
