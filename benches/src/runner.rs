//! Runs cases under callgrind and says how many instructions one operation takes.
//!
//! What must hold: the counted processes see the same arguments and the same, empty, environment each time.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use burgee_benches::{Case, Work};

/// The hidden word with which a counted process is told what to do.
pub(crate) const RUN: &str = "--run";

/// A case's name and its instructions for one operation.
pub(crate) type Count = (&'static str, f64);

/// Does a case's work. Never inlined: the profile begins and ends here.
#[inline(never)]
pub(crate) fn steps(work: &mut dyn Work, count: u64) {
    for _ in 0..count {
        work.step();
    }
}

/// Counts all of them, on as many cores as there are: they do not see each other.
pub(crate) fn count_all(cases: &[Case]) -> Result<Vec<Count>, String> {
    let next = AtomicUsize::new(0);
    let counted = Mutex::new(Vec::new());
    let worker = || {
        while let Some((nth, case)) = nth_of(cases, next.fetch_add(1, Ordering::Relaxed)) {
            let count = count(case);
            if let Ok(mut counted) = counted.lock() {
                counted.push((nth, case.name, count));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    let mut counted = counted.into_inner().map_err(|error| error.to_string())?;
    counted.sort_by_key(|(nth, ..)| *nth);
    counted.into_iter().map(|(_, name, count)| Ok((name, count?))).collect()
}

fn nth_of(cases: &[Case], nth: usize) -> Option<(usize, &Case)> {
    cases.get(nth).map(|case| (nth, case))
}

/// The steps from `N` to `2 N`: the start, the setting up and the first time of everything are in both runs.
fn count(case: &Case) -> Result<f64, String> {
    let (short, long) = (collected(case, case.steps)?, collected(case, 2 * case.steps)?);
    let operations = case.steps * case.per;
    // Both are far below what a double holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "counts of a few million")]
    Ok(long.saturating_sub(short) as f64 / operations as f64)
}

/// All instructions of a process that does so many steps.
fn collected(case: &Case, steps: u64) -> Result<u64, String> {
    let mut command = callgrind(Path::new("/dev/null"), &["--read-inline-info=no"])?;
    command.args([RUN, case.name, &steps.to_string()]);
    let said = finish(&mut command)?;
    let number = said.lines().find_map(|line| line.split_once("Collected :"));
    let number = number.and_then(|(_, number)| number.trim().parse().ok());
    number.ok_or_else(|| format!("callgrind did not say what it collected: {said}"))
}

/// Callgrind with these options around this program; what is to be done comes behind.
fn callgrind(out: &Path, options: &[&str]) -> Result<Command, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut file = OsStr::new("--callgrind-out-file=").to_owned();
    file.push(out);
    let mut command = Command::new("valgrind");
    // Whatever the environment says would move the stack, and might change what is done.
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.arg("--tool=callgrind").args(options).arg(file).arg(this);
    Ok(command)
}

/// Runs it to its end; returns what it said.
fn finish(command: &mut Command) -> Result<String, String> {
    let done = command
        .output()
        .map_err(|error| format!("valgrind could not be started ({error}): scripts/setup installs it"))?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() {
        Ok(said)
    } else {
        Err(format!("{command:?} ended with {}: {said}", done.status))
    }
}

/// Prints which functions a case spends its instructions in, its setting up left out.
pub(crate) fn profile(case: &Case) -> Result<(), String> {
    let directory = std::env::temp_dir().join(format!("burgee-counts-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let done = profile_into(case, &directory.join("callgrind.out"));
    std::fs::remove_dir_all(&directory).map_err(|error| error.to_string())?;
    done
}

fn profile_into(case: &Case, out: &Path) -> Result<(), String> {
    let mut command = callgrind(out, &["--toggle-collect=*runner::steps*"])?;
    finish(command.args([RUN, case.name, &(3 * case.steps).to_string()]))?;
    let mut annotate = Command::new("callgrind_annotate");
    let status = annotate.args(["--threshold=95", "--auto=no"]).arg(out).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("callgrind_annotate ended with {status}")),
        Err(error) => Err(format!("callgrind_annotate: {error}")),
    }
}
