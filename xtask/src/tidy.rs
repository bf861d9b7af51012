//! `cargo xtask tidy`: the house rules. Each check is a file of its own and a function from what it looks at to findings;
//! a finding names the place, what is wrong and the way out.
//! What must hold: all checks run before anything is judged, so one run shows everything; an exception has a reason in
//! `xtask/tidy-allow.toml`, and an exception that nothing needs any more is itself an error.

mod allow;
mod banned;
mod budgets;
mod cycles;
mod finding;
mod layers;
mod lexer;
mod licences;
mod marks;
mod metadata;
mod module_docs;
mod packages;
mod paths;
mod sans_io;
mod source;

use finding::Finding;
use metadata::Metadata;
use source::Source;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything that a check may look at.
struct House {
    root: PathBuf,
    /// All Rust files of the repository.
    rust: Vec<Source>,
    /// All other text files: path and text.
    other: Vec<(String, String)>,
    metadata: Metadata,
}

type Check = fn(&House) -> Result<Vec<Finding>, String>;

const CHECKS: &[(&str, &str, Check)] = &[
    ("layers", "a crate depends only on layers below its own", |house| {
        Ok(layers::check(&house.metadata))
    }),
    (
        "sans-io",
        "layers 0 to 2 reach for no socket, file, clock, thread, async or global",
        |house| Ok(sans_io::check(&house.rust)),
    ),
    (
        "budgets",
        "lines per file and function, parameters, packages in the lock file",
        |house| Ok(budgets::check(&house.rust, &house.other)),
    ),
    ("cycles", "modules form no cycle within a crate", |house| {
        Ok(cycles::check(&house.rust))
    }),
    ("module-docs", "every file says what it is for", |house| {
        Ok(module_docs::check(&house.rust))
    }),
    (
        "marks",
        "every MQTT statement has its address in the code and its named test",
        |house| marks::check(&house.root, &house.rust),
    ),
    (
        "banned",
        "no unfinished work, no sleeping tests, no paths of one machine",
        |house| Ok(banned::check(&house.rust, &house.other)),
    ),
    (
        "licences",
        "every package is permissively licensed and comes from the registry",
        |house| Ok(licences::check(&house.metadata, &house.other)),
    ),
    (
        "dependencies",
        "every direct dependency has its line in docs/dependencies.md",
        |house| Ok(packages::check(&house.metadata, &house.other)),
    ),
];

/// Reads the arguments behind `tidy` and does what they ask for.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<(), String> {
    if arguments.first().is_some_and(|word| word == "--list") {
        for (name, what, _) in CHECKS {
            println!("{name:<14} {what}");
        }
        return Ok(());
    }
    if let Some(unknown) = arguments
        .iter()
        .find(|word| !CHECKS.iter().any(|(name, ..)| name == word))
    {
        return Err(format!(
            "no check is called {unknown}; `cargo xtask tidy --list` names them"
        ));
    }
    let house = look(root)?;
    let mut findings = Vec::new();
    for (name, _, check) in CHECKS {
        if arguments.is_empty() || arguments.iter().any(|word| word == name) {
            findings.extend(check(&house)?);
        }
    }
    let allowed = allow::read(root)?;
    let findings = allow::apply(&allowed, findings, arguments.is_empty());
    report(&findings)
}

/// The cargo that runs us, so that the same toolchain does all the work.
pub(crate) fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn report(findings: &[Finding]) -> Result<(), String> {
    for finding in findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err("tidy: 1 finding".to_owned()),
        more => Err(format!("tidy: {more} findings")),
    }
}

fn look(root: &Path) -> Result<House, String> {
    let mut house = House {
        root: root.to_path_buf(),
        rust: Vec::new(),
        other: Vec::new(),
        metadata: Metadata::ask(root)?,
    };
    for path in files(root)? {
        // What is no text (a fuzz corpus, a certificate) has no lines to judge; what is gone is no longer there to judge.
        let Ok(text) = std::fs::read_to_string(root.join(&path)) else {
            continue;
        };
        if Path::new(&path).extension().is_some_and(|extension| extension == "rs") {
            house.rust.push(Source::new(&path, &text));
        } else {
            house.other.push((path, text));
        }
    }
    source::spread_test_modules(&mut house.rust);
    Ok(house)
}

/// The files that are or would be committed, sorted.
fn files(root: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git could not be started: {error}; tidy asks git which files belong here"))?;
    if !output.status.success() {
        return Err(format!(
            "git ls-files: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut paths: Vec<String> = listed
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}
