//! Where the payload comes from: exactly one of -m, -f, -l, -s, -n.
//!
//! What must hold: whatever can be read is read before the connection is made, so that a wrong file name sends nothing.
//! Lines come through a short queue: a fast input waits for the server. Deliberately absent: any look into the payload.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;
use std::thread;

use clap::Args;
use tokio::sync::mpsc;

use crate::failure::Failure;

/// No message can be longer.
const LONGEST: u64 = 268_435_455;

/// Lines that may wait.
const LINES: usize = 64;

/// What to publish.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Source {
    /// The payload
    #[arg(short, long, value_name = "PAYLOAD", allow_hyphen_values = true)]
    message: Option<OsString>,

    /// Publish the content of a file
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Publish each line of standard input as a message
    #[arg(short = 'l', long)]
    stdin_line: bool,

    /// Publish all of standard input as one message
    #[arg(short, long)]
    stdin_file: bool,

    /// Publish an empty payload (with -r: removes what is retained)
    #[arg(short, long)]
    null_message: bool,
}

/// The payload, or where payloads come from.
pub(super) enum Payload {
    Whole(Vec<u8>),
    Lines(Lines),
}

impl Source {
    pub(super) fn open(self) -> Result<Payload, Failure> {
        if let Some(message) = self.message {
            return Ok(Payload::Whole(message.into_encoded_bytes()));
        }
        if let Some(path) = self.file {
            let read = fs::File::open(&path).and_then(whole);
            let unreadable = |error| Failure::usage(format!("cannot read {}: {error}", path.display()));
            return read.map(Payload::Whole).map_err(unreadable);
        }
        if self.stdin_file {
            let unreadable = |error| Failure::usage(format!("cannot read standard input: {error}"));
            return whole(io::stdin().lock()).map(Payload::Whole).map_err(unreadable);
        }
        // The group of options lets nothing but -l and -n through.
        Ok(if self.stdin_line {
            Payload::Lines(Lines::start())
        } else {
            Payload::Whole(Vec::new())
        })
    }
}

fn whole(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The lines of standard input, without their ends. An empty line is an empty message.
pub(super) struct Lines(mpsc::Receiver<io::Result<Vec<u8>>>);

impl Lines {
    fn start() -> Self {
        let (give, take) = mpsc::channel(LINES);
        // Standard input cannot be waited for beside other things; the thread ends with the process.
        thread::spawn(move || {
            let mut input = io::stdin().lock();
            while let Some(line) = read_line(&mut input).transpose() {
                if give.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        Self(take)
    }

    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let line = self.0.recv().await.transpose();
        line.map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))
    }
}

fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if input.take(LONGEST + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 > LONGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line is longer than a message can be",
        ));
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_its_newline_and_the_last_one_needs_none() {
        let mut input = &b"one\n\ntwo\r\nlast"[..];
        let lines: Vec<_> = std::iter::from_fn(|| read_line(&mut input).expect("memory cannot fail")).collect();
        assert_eq!(lines, [&b"one"[..], b"", b"two\r", b"last"]);
    }
}
