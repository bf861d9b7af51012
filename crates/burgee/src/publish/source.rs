//! Where the payload comes from: exactly one of -m, -f, -l, -s, -n, --json.
//!
//! What must hold: whatever can be read is read before the connection is made, so that a wrong file name sends nothing.
//! Lines come through a short queue: a fast input waits for the server. Deliberately absent: any look into the payload.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::lines::Lines;

/// No message can be longer.
const LONGEST: u64 = 268_435_455;

/// What to publish, where it is one message.
#[derive(Args, Debug)]
pub(crate) struct Source {
    /// The payload
    #[arg(short, long, value_name = "PAYLOAD", allow_hyphen_values = true)]
    message: Option<OsString>,

    /// Publish the content of a file
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Publish all of standard input as one message
    #[arg(short, long)]
    stdin_file: bool,

    /// Publish an empty payload (with -r: removes what is retained)
    #[arg(short, long)]
    null_message: bool,
}

/// What to publish, where it is a message for each line.
#[derive(Args, Debug)]
pub(super) struct LineSource {
    /// Publish each line of standard input as a message
    #[arg(short = 'l', long)]
    stdin_line: bool,

    /// Publish what each line of standard input says: {"topic":"a/b","payload":"text","qos":1,"retain":true}; "payload_base64"
    /// for any bytes; what is missing is as -t, -q and -r say
    #[arg(long)]
    pub(super) json: bool,
}

/// The payload, or where payloads come from.
pub(super) enum Payload {
    Whole(Vec<u8>),
    Lines(Lines),
    Json(Lines),
}

/// All that there is.
pub(super) fn open(source: Source, lines: &LineSource) -> Result<Payload, Failure> {
    let ways = [lines.stdin_line, lines.json].into_iter().filter(|way| *way).count() + source.ways();
    if ways > 1 {
        return Err(Failure::usage(
            "only one of --message, --file, --stdin-file, --stdin-line, --null-message and --json can be given",
        ));
    }
    if lines.stdin_line {
        return Ok(Payload::Lines(Lines::of_input(LONGEST)));
    }
    if lines.json {
        return Ok(Payload::Json(Lines::of_input(LONGEST)));
    }
    source.read().map(Payload::Whole)
}

impl Source {
    fn ways(&self) -> usize {
        [
            self.message.is_some(),
            self.file.is_some(),
            self.stdin_file,
            self.null_message,
        ]
        .into_iter()
        .filter(|way| *way)
        .count()
    }

    /// The one message that the options name.
    pub(crate) fn read(self) -> Result<Vec<u8>, Failure> {
        if self.ways() != 1 {
            return Err(Failure::usage(
                "say what to publish, in one way: --message TEXT, --file FILE, --stdin-file, --null-message",
            ));
        }
        if let Some(message) = self.message {
            return Ok(message.into_encoded_bytes());
        }
        if let Some(path) = self.file {
            let read = fs::File::open(&path).and_then(whole);
            return read.map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())));
        }
        if self.null_message {
            return Ok(Vec::new());
        }
        let unreadable = |error| Failure::usage(format!("cannot read standard input: {error}"));
        let bytes = whole(io::stdin().lock()).map_err(unreadable)?;
        if bytes.is_empty() {
            // Most likely what stood before the pipe has failed.
            return Err(Failure::usage(
                "standard input is empty: --null-message publishes an empty message",
            ));
        }
        Ok(bytes)
    }
}

fn whole(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
