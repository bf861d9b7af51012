//! One run of the generator: `burgee bench` as a process of its own, bounded in time, read as JSON.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde_json::Value;

use crate::broker::Running;
use crate::cores::{Cores, Place};

/// The exit code of a generator that measured and found a promise broken.
const PROMISE_BROKEN: i32 = 1;

/// Runs a scenario against a broker. `Err`: what the reader should know instead of figures.
pub(crate) fn run(
    burgee: &Path,
    arguments: &[String],
    broker: &Running,
    cores: &Cores,
    patience: Duration,
) -> Result<Value, String> {
    let mut command = Command::new(burgee);
    command.arg("bench").args(arguments).args(["--json", "--quiet"]);
    command.arg("--address").arg(broker.address().to_string());
    command.arg("--process").arg(broker.process().to_string());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = cores.spawn(Place::Generator, &mut command);
    let mut child = child.map_err(|e| e.to_string())?;
    let outcome = within(&mut child, patience);
    // Whoever is not done by now is ended; whoever is done does not mind.
    child.kill().ok();
    let status = child.wait().map_err(|e| e.to_string())?;
    let (output, errors) = outcome.map_err(|e| match e {
        RecvTimeoutError::Timeout => format!("not done within {} s", patience.as_secs()),
        RecvTimeoutError::Disconnected => "the generator's output cannot be read".to_owned(),
    })?;
    if !matches!(status.code(), Some(0 | PROMISE_BROKEN)) {
        return Err(reason(&errors).unwrap_or_else(|| format!("the generator ended with {status}")));
    }
    serde_json::from_str(&output).map_err(|e| format!("the generator's report cannot be read: {e}"))
}

/// What a child writes until it closes both outputs.
fn within(child: &mut Child, patience: Duration) -> Result<(String, String), RecvTimeoutError> {
    let (done, outcome) = mpsc::channel();
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    std::thread::spawn(move || {
        let errors = std::thread::spawn(move || all_of(errors));
        let output = all_of(output);
        let errors = errors.join().unwrap_or_else(|_| Ok(String::new()));
        if let (Ok(output), Ok(errors)) = (output, errors) {
            // Nobody waits any more if it took too long.
            done.send((output, errors)).ok();
        }
    });
    outcome.recv_timeout(patience)
}

fn all_of(source: Option<impl Read>) -> io::Result<String> {
    let mut text = Vec::new();
    if let Some(mut source) = source {
        source.read_to_end(&mut text)?;
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// What it said was wrong: the first line that calls itself an error, or else the last line.
fn reason(errors: &str) -> Option<String> {
    let lines = || errors.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines()
        .find(|line| line.starts_with("error: "))
        .or(lines().next_back())?;
    let line = line.trim_start_matches("burgee: ").trim_start_matches("error: ");
    Some(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_calls_itself_an_error_or_the_last_line() {
        assert_eq!(
            reason("error: unexpected\n\nFor more, try '--help'.\n").as_deref(),
            Some("unexpected")
        );
        assert_eq!(
            reason("burgee: one\nburgee: no answer\n\n").as_deref(),
            Some("no answer")
        );
        assert_eq!(reason("\n"), None);
    }

    #[test]
    fn a_child_that_does_not_end_is_not_waited_for() {
        let mut command = Command::new("sleep");
        let mut child = command
            .arg("60")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let outcome = within(&mut child, Duration::from_millis(20));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(outcome, Err(RecvTimeoutError::Timeout));
    }
}
