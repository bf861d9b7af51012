//! `cargo xtask ci`: all steps in order, the cheap ones first; the first failure ends the run.
//! What must hold: exit codes decide, nothing is skipped because it is missing, and a failure says how to go on.

use crate::tidy;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What a step does.
enum Action {
    /// The house rules, in this process.
    Tidy,
    /// Cargo with these arguments.
    Cargo(&'static [&'static str]),
    /// Clippy with the client library alone, with this instead of its features.
    Features(&'static str),
    /// A script of this repository with its arguments.
    Script(&'static [&'static str]),
}

struct Step {
    name: &'static str,
    action: Action,
}

const fn cargo(name: &'static str, arguments: &'static [&'static str]) -> Step {
    Step {
        name,
        action: Action::Cargo(arguments),
    }
}

const fn script(name: &'static str, words: &'static [&'static str]) -> Step {
    Step {
        name,
        action: Action::Script(words),
    }
}

/// The client library as those have it who take only a part: the workspace's build joins all features.
const fn features(name: &'static str, given: &'static str) -> Step {
    Step {
        name,
        action: Action::Features(given),
    }
}

/// The conformance suite needs the release binary, so it has a step of its own after the build.
const STEPS: &[Step] = &[
    cargo("fmt", &["fmt", "--all", "--check"]),
    Step {
        name: "tidy",
        action: Action::Tidy,
    },
    cargo(
        "clippy",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    ),
    features("client-bare", "--features="),
    features("client-tls", "--features=tls"),
    features("client-ws", "--features=websocket"),
    features("client-block", "--features=blocking"),
    features("client-outbox", "--features=outbox"),
    cargo(
        "test",
        &["test", "--workspace", "--exclude", "burgee-conformance", "--locked"],
    ),
    cargo("build", &["build", "--release", "--package", "burgee", "--locked"]),
    script("counts", &["scripts/counts"]),
    cargo(
        "sim",
        &[
            "run",
            "--release",
            "--package",
            "burgee-sim",
            "--locked",
            "--",
            "--seeds",
            "2000",
        ],
    ),
    script("conformance", &["scripts/conformance", "--check"]),
    script("interop", &["scripts/interop"]),
    script("client-interop", &["scripts/client-interop"]),
    script("import", &["scripts/import"]),
    script("crash", &["scripts/crash", "10"]),
    script("sync-order", &["scripts/sync-order"]),
    script("memory-limit", &["scripts/memory-limit"]),
    script("fuzz", &["scripts/fuzz", "10"]),
    cargo("doc", &["doc", "--workspace", "--no-deps", "--locked"]),
];

const fn clippy_of_client(given: &str) -> [&str; 9] {
    [
        "clippy",
        "--package",
        "burgee-client",
        "--lib",
        "--locked",
        "--no-default-features",
        given,
        "--",
        "-Dwarnings",
    ]
}

impl Step {
    /// The words that a person would type.
    fn words(&self) -> String {
        match self.action {
            Action::Tidy => "cargo xtask tidy".to_owned(),
            Action::Cargo(arguments) => format!("cargo {}", arguments.join(" ")),
            Action::Features(given) => format!("cargo {}", clippy_of_client(given).join(" ")),
            Action::Script(words) => words.join(" "),
        }
    }

    fn run(&self, root: &Path) -> Result<(), String> {
        let mut command = match self.action {
            Action::Tidy => return tidy::command(root, &[]),
            Action::Cargo(arguments) => {
                let mut command = Command::new(tidy::cargo_program());
                command.args(arguments);
                command
            }
            Action::Features(given) => {
                let mut command = Command::new(tidy::cargo_program());
                command.args(clippy_of_client(given));
                command
            }
            Action::Script(words) => {
                let (program, arguments) = words.split_first().ok_or("a step without words")?;
                let path = root.join(program);
                if !path.is_file() {
                    return Err(format!("{program} does not exist"));
                }
                let mut command = Command::new(path);
                command.args(arguments);
                command
            }
        };
        if self.name == "doc" {
            command.env("RUSTDOCFLAGS", "-D warnings");
        }
        let status = command
            .current_dir(root)
            .status()
            .map_err(|error| format!("`{}` could not be started: {error}", self.words()))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`{}` ended with {status}", self.words()))
        }
    }
}

/// Reads the arguments behind `ci` and does what they ask for.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<(), String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let steps = match *words.as_slice() {
        [] => STEPS,
        ["--list"] => {
            for step in STEPS {
                println!("{:<14} {}", step.name, step.words());
            }
            return Ok(());
        }
        ["--from", name] => STEPS.get(position(name)?..).unwrap_or_default(),
        ["--only", name] => {
            let at = position(name)?;
            STEPS.get(at..=at).unwrap_or_default()
        }
        _ => return Err("usage: cargo xtask ci [--list] [--from STEP] [--only STEP]".to_owned()),
    };
    run(root, steps)
}

fn position(name: &str) -> Result<usize, String> {
    let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    let found = names.iter().position(|known| *known == name);
    found.ok_or_else(|| format!("no step is called {name}; there are: {}", names.join(", ")))
}

fn run(root: &Path, steps: &[Step]) -> Result<(), String> {
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for step in steps {
        println!("\n== {}: {}", step.name, step.words());
        let began = Instant::now();
        let done = step.run(root);
        let took = began.elapsed();
        if let Err(why) = done {
            let name = step.name;
            return Err(format!(
                "{why}\n== {name}: FAILED after {took:.1?}; again: cargo xtask ci --from {name}"
            ));
        }
        println!("== {}: ok, {took:.1?}", step.name);
        times.push((step.name, took));
    }
    println!();
    for (name, took) in &times {
        println!("{name:<14} {:>7.1} s", took.as_secs_f64());
    }
    let all: Duration = times.iter().map(|(_, took)| *took).sum();
    println!("{:<14} {:>7.1} s", "all", all.as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(given: &[&str]) -> Vec<String> {
        given.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_missing_script_is_a_failure_and_not_a_skipped_step() {
        let step = script("nothing", &["scripts/there-is-no-such-script"]);
        let why = step.run(Path::new(".")).unwrap_err();
        assert!(why.contains("does not exist"), "{why}");
    }

    #[test]
    fn the_first_failure_ends_the_run_and_says_how_to_go_on() {
        let steps = [
            script("one", &["scripts/there-is-no-such-script"]),
            cargo("two", &["this-would-fail-otherwise"]),
        ];
        let why = run(Path::new("."), &steps).unwrap_err();
        assert!(why.contains("--from one"), "{why}");
        assert!(!why.contains("this-would-fail-otherwise"), "{why}");
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_names_of_the_known() {
        let why = command(Path::new("."), &words(&["--only", "everything"])).unwrap_err();
        assert!(why.contains("clippy"), "{why}");
        assert!(command(Path::new("."), &words(&["--frm", "fmt"])).is_err());
    }
}
