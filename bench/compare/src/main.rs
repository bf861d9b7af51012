//! `burgee-compare`: burgee, the floor and other brokers side by side in one run. See `docs/performance.md`.
//!
//! Must hold: loopback only; every run is bounded in time; only processes started here are ended; what one broker
//! cannot do is told and does not end the run. A slow figure never fails a run: only a broken promise of burgee's, or
//! that it cannot be measured, does.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool speaks on its terminal"
)]

mod broker;
mod case;
mod chart;
mod contestant;
mod cores;
mod crowd;
mod figure;
mod generator;
mod growth;
mod options;
mod page;
mod programs;
mod report;
mod results;
mod rounds;
mod svg;
mod table;
mod target;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Value, json};

use case::{Case, Scale};
use options::Options;
use programs::Programs;
use report::Report;
use results::Results;

fn main() -> ExitCode {
    match compare(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("burgee-compare: {e}");
            ExitCode::from(2)
        }
    }
}

/// The whole comparison. False: burgee broke a promise, or could not be measured.
fn compare(options: &Options) -> io::Result<bool> {
    let scale = Scale { quick: options.quick };
    let series = growth::series(scale);
    let mut cases: Vec<Case> = if options.growth {
        series.iter().flat_map(growth::Series::cases).cloned().collect()
    } else {
        scale.cases()
    };
    cases.retain(|case| options.wants(&case.name));
    for case in &mut cases {
        case.contestants.retain(|who| options.invites(*who));
    }
    if options.list {
        for case in &cases {
            println!("{:18} {}", case.name, case.title);
        }
        return Ok(true);
    }
    if cases.is_empty() {
        return Err(io::Error::other("no case has such a name; --list tells them"));
    }
    let (results, context) = if let Some(file) = &options.from {
        read(file)?
    } else {
        let programs = Programs::find(&options.program)?;
        let context = report::context(&programs, options.rounds(), scale);
        let results = rounds::run(&cases, &programs, options.rounds())?;
        write(options, &results, &context)?;
        (results, context)
    };
    let report = if options.growth {
        Report::growth(&results, &series, &context)
    } else {
        Report::comparison(&results, &cases, &context)
    };
    println!("{}", report.text);
    if options.writes() {
        report.write()?;
    }
    let mut well = true;
    for broken in results.broken(contestant::Contestant::is_burgee) {
        eprintln!("burgee-compare: a promise of the QoS was broken: {broken}");
        well = false;
    }
    for case in &cases {
        for who in case.contestants.iter().filter(|who| who.is_burgee()) {
            if let Some(reason) = results.reason(&case.name, *who) {
                eprintln!("burgee-compare: {}, {}: {reason}", who.name(), case.name);
                well = false;
            }
        }
    }
    Ok(well)
}

fn write(options: &Options, results: &Results, context: &str) -> io::Result<()> {
    if let Some(directory) = options.samples.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let file = if options.growth {
        options.samples.with_file_name("growth.json")
    } else {
        options.samples.clone()
    };
    let all = json!({ "context": context, "samples": results.to_json() });
    std::fs::write(&file, format!("{all:#}\n"))?;
    eprintln!("all samples are in {}", file.display());
    Ok(())
}

fn read(file: &std::path::Path) -> io::Result<(Results, String)> {
    let odd = || io::Error::other(format!("{}: not what an earlier run left", file.display()));
    let all: Value = serde_json::from_str(&std::fs::read_to_string(file)?).map_err(|_| odd())?;
    let context = all.get("context").and_then(Value::as_str).ok_or_else(odd)?;
    let results = all.get("samples").and_then(Results::from_json).ok_or_else(odd)?;
    Ok((results, context.to_owned()))
}
