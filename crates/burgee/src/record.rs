//! `burgee record`: writes the messages that come into a file, each with its time, for `burgee replay`.
//!
//! What must hold: a line is whole or not there, whatever ends the recording; a file that exists is not overwritten unasked.
//! Deliberately absent: syncing to disk; a recording is no database.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use burgee_client::Message;
use burgee_client::connection::Connection as Client;
use clap::{ArgAction, Args};
use serde_json::Value;
use tokio::time::Instant;

use crate::connect::Connection;
use crate::connect::trace::{self, Trace};
use crate::failure::{EXIT_CODES, Failure, say};
use crate::follow::{Manner, Next, Take, follow};
use crate::progress::Progress;
use crate::run::{self, watch_for_stops};
use crate::subscribe::Asked;
use crate::traffic;

/// A batch is not longer, unless one message is.
const BATCH: usize = 256 * 1024;

/// Write the messages that come into a file, with their timing
///
/// For example: burgee record night.ndjson -t 'rooms/#' -W 3600
///
/// Each line is a message as JSON: "at" in seconds since the beginning, "topic", "qos", "retain", and "payload" or
/// "payload_base64". A signal ends the recording; `burgee replay` plays it.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, args_override_self = true, after_help = EXIT_CODES)]
pub(crate) struct Options {
    /// File to write; - for standard output
    file: PathBuf,

    /// Overwrite the file if it exists
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    asked: Asked,

    /// End after so many messages
    #[arg(short = 'C', long, value_name = "COUNT")]
    count: Option<NonZeroU64>,

    /// End after so many seconds
    #[arg(short = 'W', long, value_name = "SECONDS")]
    wait: Option<NonZeroU32>,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    #[command(flatten, next_help_heading = "Connection")]
    connection: Connection,
}

/// Runs the command.
pub(crate) fn run(options: Options) -> ExitCode {
    run::run("record", options.connection.quiet, record(options))
}

async fn record(options: Options) -> Result<(), Failure> {
    let quiet = options.connection.quiet;
    let subscription = options.asked.subscription_or_all()?;
    let out = open(&options.file, options.force)?;
    let stopped = watch_for_stops(
        options
            .wait
            .map(|seconds| Duration::from_secs(u64::from(seconds.get()))),
    )?;
    let mut recorder = Recorder {
        out: Some(out),
        buffer: Vec::new(),
        began: Instant::now(),
        left: options.count.map(NonZeroU64::get),
        taken: 0,
        progress: Progress::new(!quiet),
    };
    let manner = Manner {
        connection: options.connection,
        exit_when_subscribed: false,
        command: "record",
    };
    let outcome = follow(manner, subscription, &mut recorder, stopped).await;
    let taken = recorder.taken;
    drop(recorder);
    if !quiet {
        say("record", &format!("{taken} messages recorded"));
    }
    outcome
}

fn open(path: &PathBuf, force: bool) -> Result<Box<dyn Write + Send>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdout()));
    }
    let mut how = OpenOptions::new();
    how.write(true);
    if force {
        how.create(true).truncate(true);
    } else {
        how.create_new(true);
    }
    match how.open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::usage(format!(
            "{} exists already: --force overwrites it",
            path.display()
        ))),
        Err(error) => Err(Failure::usage(format!("cannot write {}: {error}", path.display()))),
    }
}

struct Recorder {
    /// Away only while it writes.
    out: Option<Box<dyn Write + Send>>,
    buffer: Vec<u8>,
    began: Instant,
    left: Option<u64>,
    taken: u64,
    progress: Progress,
}

impl Recorder {
    fn add(&mut self, message: &Message) -> Next {
        // Microseconds are enough, and short to write.
        let at = self.began.elapsed().as_secs_f64();
        let at = Value::from((at * 1e6).round() / 1e6);
        traffic::write(message, &[("at", &at)], &mut self.buffer);
        self.buffer.push(b'\n');
        self.taken += 1;
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) { Next::Done } else { Next::GoOn }
    }

    /// Writes the batch where nothing else has to wait for it.
    async fn write(&mut self) -> Result<(), Failure> {
        let (Some(mut out), bytes) = (self.out.take(), std::mem::take(&mut self.buffer)) else {
            return Ok(());
        };
        let written = tokio::task::spawn_blocking(move || {
            let written = out.write_all(&bytes).and_then(|()| out.flush());
            (written, out, bytes)
        });
        let unwritable = |error: io::Error| Failure::refused(format!("cannot write the recording: {error}"));
        let (written, out, mut bytes) = written.await.map_err(io::Error::other).map_err(unwritable)?;
        bytes.clear();
        (self.out, self.buffer) = (Some(out), bytes);
        written.map_err(unwritable)
    }
}

impl Take for Recorder {
    fn takes_one_by_one(&self) -> bool {
        self.left.is_some()
    }

    async fn take(
        &mut self,
        message: Message,
        _: &Client,
        trace: &Trace,
        mut more: impl FnMut() -> Option<Message>,
    ) -> Result<Next, Failure> {
        let mut told = Vec::new();
        trace.received(&message, &mut told);
        let mut next = self.add(&message);
        while next == Next::GoOn
            && self.buffer.len() < BATCH
            && let Some(message) = more()
        {
            trace.received(&message, &mut told);
            next = self.add(&message);
        }
        trace::tell_all(&told);
        self.write().await?;
        let (taken, seconds) = (self.taken, self.began.elapsed().as_secs());
        self.progress
            .show(|| format!("{taken} messages recorded in {seconds} s; Ctrl-C ends"));
        Ok(next)
    }
}
