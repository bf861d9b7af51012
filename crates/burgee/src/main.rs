//! The `burgee` command: one subcommand, one module.
//!
//! What must hold: exit code 0 for a clean end, 1 for a failure, 2 for a command line that cannot be understood; the commands
//! that stand in for Mosquitto's have its exit codes, 1 for a wrong command line among them. Deliberately absent: everything that a subcommand does.

#![allow(
    rustdoc::broken_intra_doc_links,
    clippy::doc_markdown,
    reason = "the comments of options are help texts: brackets and names in them are for people"
)]

mod arguments;
mod bench;
mod check;
mod completions;
mod config;
mod connect;
mod doctor;
mod failure;
mod follow;
mod import;
mod init;
mod lines;
mod log;
mod man;
mod passwd;
mod print;
mod progress;
mod publish;
mod record;
mod reload;
mod replay;
mod request;
mod run;
mod serve;
mod settings;
mod size;
mod store;
mod subscribe;
mod traffic;
mod tree;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

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
    Pub(Box<publish::Options>),
    Sub(Box<subscribe::Options>),
    Rr(Box<request::Options>),
    Record(Box<record::Options>),
    Replay(Box<replay::Options>),
    Bench(bench::Options),
    Store(store::Options),
    Passwd(passwd::Options),
    Import(import::Options),
    Init(init::Options),
    Doctor(doctor::Options),
    Reload(reload::Options),
    Completions(completions::Options),
    Man(man::Options),
}

fn main() -> ExitCode {
    let args = arguments::by_name(std::env::args_os().collect());
    let command = args
        .get(1)
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let args = match arguments::arranged(&Cli::command(), args) {
        Ok(args) => args,
        Err(failure) => return failure.report(&command, false),
    };
    let like_mosquitto = arguments::COMMANDS.contains(&command.as_str());
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // That nobody reads it is no reason to fail.
            error.print().ok();
            return match (error.use_stderr(), like_mosquitto) {
                (false, _) => ExitCode::SUCCESS,
                (true, true) => ExitCode::FAILURE,
                (true, false) => ExitCode::from(2),
            };
        }
    };
    match cli.command {
        Command::Serve(options) => serve::run(&options),
        Command::Check(options) => check::run(options),
        Command::Config(options) => config::run(&options),
        Command::Pub(options) => publish::run(*options),
        Command::Sub(options) => subscribe::run(*options),
        Command::Rr(options) => request::run(*options),
        Command::Record(options) => record::run(*options),
        Command::Replay(options) => replay::run(*options),
        Command::Bench(options) => bench::run(options),
        Command::Store(options) => store::run(options),
        Command::Passwd(options) => passwd::run(&options),
        Command::Import(options) => import::run(options),
        Command::Init(options) => init::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Reload(options) => reload::run(options),
        Command::Completions(options) => completions::run::<Cli>(&options),
        Command::Man(options) => man::run::<Cli>(&options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
