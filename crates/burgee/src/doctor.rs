//! `burgee doctor`: looks at the machine and the files that a broker with these settings would meet.
//!
//! What must hold: nothing is changed, and a broker that runs is not disturbed; each finding says the way out. Deliberately
//! absent: repairing.

mod machine;
mod places;
mod running;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use burgee_config::{Checked, Level, data_dir};
use clap::Args;

use crate::failure::say;

/// Look at the machine, the files and the limits that a broker would meet
///
/// Nothing is changed, and the broker may run meanwhile. Exit codes: 0 nothing is wrong, though there may be warnings; 1
/// something is wrong; 2 the command line is wrong.
///
/// With --running it is a probe for containers and monitoring: only the broker that has the data directory is asked. Where
/// --data or BURGEE_DATA names this directory, no settings are read, so that a broker that has refused a wrong settings file
/// counts as the running broker that it is.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The settings file [default: as for serve]
    file: Option<PathBuf>,

    /// Print one JSON array with an object for each finding
    #[arg(long)]
    json: bool,

    /// Only ask whether a broker runs with these settings, and whether all its threads go on
    #[arg(long)]
    running: bool,

    /// Where the broker that is asked has its data [default: BURGEE_DATA; else as the settings say]
    #[arg(long, value_name = "DIR", requires = "running", conflicts_with = "file")]
    data: Option<PathBuf>,
}

/// How bad a finding is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Grade {
    Fine,
    Warning,
    Wrong,
}

impl Grade {
    const fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "warning",
            Self::Wrong => "error",
        }
    }
}

/// What was seen.
#[derive(Clone, Debug)]
struct Finding {
    check: &'static str,
    grade: Grade,
    what: String,
    way_out: String,
}

impl Finding {
    fn fine(check: &'static str, what: impl Into<String>) -> Self {
        Self {
            check,
            grade: Grade::Fine,
            what: what.into(),
            way_out: String::new(),
        }
    }

    fn warning(check: &'static str, what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self {
            grade: Grade::Warning,
            way_out: way_out.into(),
            ..Self::fine(check, what)
        }
    }

    fn wrong(check: &'static str, what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self {
            grade: Grade::Wrong,
            ..Self::warning(check, what, way_out)
        }
    }
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let findings = findings(options);
    let page = if options.json {
        as_json(&findings)
    } else {
        as_text(&findings)
    };
    match io::stdout().write_all(page.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say("doctor", &format!("cannot print: {error}"));
            ExitCode::FAILURE
        }
        _ if findings.iter().any(|finding| finding.grade == Grade::Wrong) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn findings(options: &Options) -> Vec<Finding> {
    if options.running
        && let Some(directory) = data_dir::named(options.data.clone())
    {
        return vec![running::ask(&directory)];
    }
    let checked = match burgee_config::load(&crate::check::sources(options.file.clone())) {
        Ok(checked) => checked,
        Err(problems) => {
            let told = problems.iter().map(|problem| {
                let what = format!("{}: {}", problem.place, problem.what);
                match problem.level {
                    Level::Error => Finding::wrong("settings", what, &problem.way_out),
                    Level::Warning => Finding::warning("settings", what, &problem.way_out),
                }
            });
            return told.collect();
        }
    };
    if options.running {
        return vec![running::ask_with(&checked)];
    }
    let mut findings = vec![settings(&checked)];
    let warnings = checked.warnings.iter();
    findings.extend(warnings.map(|it| Finding::warning("settings", format!("{}: {}", it.place, it.what), &it.way_out)));
    findings.extend(places::look(&checked));
    findings.extend(machine::look(&checked));
    findings
}

fn settings(checked: &Checked) -> Finding {
    let from = match &checked.file {
        Some(file) => format!("settings from {} can be used", file.display()),
        None => "no settings file: the defaults".to_owned(),
    };
    Finding::fine("settings", from)
}

fn as_text(findings: &[Finding]) -> String {
    let mut page = String::new();
    for finding in findings {
        let grade = finding.grade.word();
        writeln!(page, "{grade:8} {:12} {}", finding.check, finding.what).ok();
        if !finding.way_out.is_empty() {
            writeln!(page, "{:21} way out: {}", "", finding.way_out).ok();
        }
    }
    let count = |grade| findings.iter().filter(|finding| finding.grade == grade).count();
    writeln!(
        page,
        "{} errors, {} warnings",
        count(Grade::Wrong),
        count(Grade::Warning)
    )
    .ok();
    page
}

fn as_json(findings: &[Finding]) -> String {
    let all: Vec<_> = findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "check": finding.check,
                "level": finding.grade.word(),
                "what": finding.what,
                "way_out": finding.way_out,
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Array(all))
}
