//! The rounds: each case with each contestant in turn, then again.
//!
//! Must hold: contestants take turns within a round, so that a slow minute of the machine hurts all; each run has a
//! fresh process; who failed in one round is not waited for in the next.

use std::io;
use std::time::Instant;

use serde_json::Value;

use crate::broker::Running;
use crate::case::Case;
use crate::contestant::Contestant;
use crate::cores::{Cores, Place, allow_files};
use crate::crowd;
use crate::generator;
use crate::programs::Programs;
use crate::results::{Results, Sample};

/// Runs all cases so many times.
pub(crate) fn run(cases: &[Case], programs: &Programs, rounds: usize) -> io::Result<Results> {
    allow_files()?;
    let cores = Cores::choose()?;
    let mut results = Results::default();
    for round in 1..=rounds {
        for case in cases {
            for &who in &case.contestants {
                if programs.of(who).is_none() || results.reason(&case.name, who).is_some() {
                    continue;
                }
                let begun = Instant::now();
                let report = one(case, who, programs, &cores);
                let told = told(case, &report);
                let seconds = begun.elapsed().as_secs_f64();
                eprintln!("round {round}: {}: {}: {told} ({seconds:.1} s)", case.name, who.name());
                results.add(Sample {
                    case: case.name.clone(),
                    who,
                    round,
                    report,
                });
            }
        }
    }
    Ok(results)
}

fn one(case: &Case, who: Contestant, programs: &Programs, cores: &Cores) -> Result<Value, String> {
    let burgee = programs.of(Contestant::Burgee).ok_or("burgee is not built")?;
    let place = if case.pinned { Place::Broker } else { Place::Anywhere };
    let running = Running::start(who, programs, cores, place).map_err(|e| e.to_string())?;
    // Held until the run is over.
    let _crowd = crowd::gather(running.address(), case.beside).map_err(|e| e.to_string())?;
    generator::run(burgee, &case.arguments, &running, cores, case.patience)
}

fn told(case: &Case, report: &Result<Value, String>) -> String {
    let report = match report {
        Ok(report) => report,
        Err(reason) => return reason.clone(),
    };
    let figures = case.figures.iter().filter_map(|figure| {
        let value = figure.of(report)?;
        Some(format!("{} {}", figure.print(value), figure.name()))
    });
    figures.collect::<Vec<_>>().join(", ")
}
