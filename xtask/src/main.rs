//! The project's own commands: `cargo xtask tidy` checks what no compiler knows about this house, `cargo xtask ci`
//! runs every check and every test in the order in which a failure is cheapest.
//! What must hold: the exit code is 0 only if everything that was asked for was done and was right.
//! Deliberately absent: installing anything (that is `scripts/setup`).
#![expect(clippy::print_stdout, reason = "a command line tool speaks on standard output")]

mod ci;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage:
  cargo xtask ci [--list] [--from STEP] [--only STEP]   every check and every test, in order
  cargo xtask tidy [--list] [CHECK...]                  the house rules: layers, budgets, cycles, docs, marks";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = root();
    let done = match arguments.split_first() {
        Some((command, rest)) if command == "ci" => ci::command(&root, rest),
        Some((command, rest)) if command == "tidy" => tidy::command(&root, rest),
        Some((command, _)) if command == "help" || command == "--help" => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder: cargo says where this package lives, and it lives one level below.
fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    here.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
