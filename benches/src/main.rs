//! `counts`: how many instructions each case takes, compared with what is written down in `benches/counts.toml`.
//!
//! What must hold: a count depends on the code, the compiler and the C library, not on the machine's load: each case
//! runs alone under callgrind, twice, and what both runs have in common falls out. Deliberately absent: time.
#![expect(clippy::print_stdout, reason = "a command line tool speaks through its output")]

mod ledger;
mod report;
mod runner;
mod tools;

use std::path::Path;
use std::process::ExitCode;

use burgee_benches::{Case, cases};

use crate::ledger::Ledger;
use crate::report::Outcome;
use crate::tools::Tools;

const USAGE: &str = "usage: scripts/counts [--write] [PREFIX..]   count and compare, or write the counts down
       scripts/counts --list                the names of the cases
       scripts/counts --profile CASE        where the instructions of a case are spent";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *words.as_slice() {
        [runner::RUN, name, steps] => run(name, steps).map(|()| Outcome::Fine),
        ["--list"] => {
            for case in cases::all() {
                println!("{}", case.name);
            }
            Ok(Outcome::Fine)
        }
        ["--profile", name] => find(name)
            .and_then(|case| runner::profile(&case))
            .map(|()| Outcome::Fine),
        ["--write", ref prefixes @ ..] => chosen(prefixes).and_then(|cases| write(&cases, prefixes.is_empty())),
        ref prefixes if prefixes.iter().all(|word| !word.starts_with('-')) => {
            chosen(prefixes).and_then(|cases| compare(&cases, prefixes.is_empty()))
        }
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Grown) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("counts: {why}");
            ExitCode::from(2)
        }
    }
}

fn find(name: &str) -> Result<Case, String> {
    let found = cases::all().into_iter().find(|case| case.name == name);
    found.ok_or_else(|| format!("no case is called {name}; see --list"))
}

fn chosen(prefixes: &[&str]) -> Result<Vec<Case>, String> {
    let mut cases = cases::all();
    if let Some(unknown) = prefixes
        .iter()
        .find(|prefix| !cases.iter().any(|case| case.name.starts_with(**prefix)))
    {
        return Err(format!("no case begins with {unknown}; see --list"));
    }
    cases.retain(|case| prefixes.is_empty() || prefixes.iter().any(|prefix| case.name.starts_with(prefix)));
    Ok(cases)
}

/// The counted process.
fn run(name: &str, steps: &str) -> Result<(), String> {
    let steps = steps.parse().map_err(|_| USAGE)?;
    let mut work = (find(name)?.make)();
    runner::steps(&mut *work, steps);
    Ok(())
}

fn path() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/counts.toml"))
}

fn compare(cases: &[Case], all: bool) -> Result<Outcome, String> {
    let (tools, ledger) = (Tools::of_this_machine()?, Ledger::read(path())?);
    let counts = runner::count_all(cases)?;
    Ok(report::compare(&ledger, &tools, &counts, all))
}

fn write(cases: &[Case], all: bool) -> Result<Outcome, String> {
    let tools = Tools::of_this_machine()?;
    let mut ledger = Ledger::read(path())?;
    if !all && ledger.tools != tools {
        return Err(format!(
            "the other counts were made with {}, these would be with {tools}: write all",
            ledger.tools
        ));
    }
    let counts = runner::count_all(cases)?;
    report::compare(&ledger, &tools, &counts, false);
    ledger.tools = tools;
    ledger.replace(&counts, all);
    ledger.write(path())?;
    println!(
        "written to {}; say in the commit why what has grown has grown",
        path().display()
    );
    Ok(Outcome::Fine)
}
