//! `burgee store`: looks after a data directory.
//!
//! What must hold: no command changes data that are there; nothing that is there is written over; what is said names the
//! directory. Deliberately absent: what lies in the directory, and how; that is the engine's.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burgee_broker::{Asked, ask_for_backup};
use burgee_config::data_dir;
use burgee_store_sqlite::{self as engine, TransferError};
use clap::{Args, Subcommand};

use crate::failure::Failure;

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 it could not be done, or the data are not whole; 2 the command line is wrong or a file cannot be \
used.";

/// Look after the data of a broker: check, export, import, back up
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is there and whether it is whole; nothing is changed
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Write sessions, queues and retained messages as lines of JSON
    Export {
        #[command(flatten)]
        place: Place,
        /// A file that is not there yet [default: standard output]
        file: Option<PathBuf>,
    },
    /// Read such lines into a directory that has no data yet
    Import {
        #[command(flatten)]
        place: Place,
        /// [default: standard input]
        file: Option<PathBuf>,
    },
    /// Write a whole copy that a broker can be started on; the broker may run meanwhile
    Backup {
        #[command(flatten)]
        place: Place,
        /// A directory that is not there yet
        to: PathBuf,
    },
}

#[derive(Args, Debug)]
#[expect(
    clippy::doc_markdown,
    reason = "the comments are the text of --help, which knows no Markdown"
)]
struct Place {
    /// Where the data are
    ///
    /// [default: as for serve: BURGEE_DATA from the environment; else /var/lib/burgee for root, and for whoever may write
    /// there; else burgee in XDG_DATA_HOME, which is usually ~/.local/share]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Place {
    fn directory(self) -> Result<PathBuf, Failure> {
        data_dir::choose(self.data).map_err(Failure::misused)
    }

    /// For commands that need data.
    fn existing(self) -> Result<PathBuf, Failure> {
        let directory = self.directory()?;
        if directory.is_dir() {
            return Ok(directory);
        }
        let text = format!(
            "there is no directory {}; --data DIR names another",
            directory.display()
        );
        Err(Failure::misused(text))
    }
}

/// Runs the command.
pub(crate) fn run(options: Options) -> ExitCode {
    let done = match options.command {
        Command::Check { place } => place.existing().and_then(|directory| check(&directory)),
        Command::Export { place, file } => place
            .existing()
            .and_then(|directory| export(&directory, file.as_deref())),
        Command::Import { place, file } => place
            .directory()
            .and_then(|directory| import(&directory, file.as_deref())),
        Command::Backup { place, to } => place.existing().and_then(|directory| backup(&directory, &to)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("store", false),
    }
}

fn check(directory: &Path) -> Result<(), Failure> {
    let report = engine::check(directory).map_err(|error| Failure::refused(error.to_string()))?;
    show(&mut io::stdout().lock(), &report).or_else(|error| said_enough(&error))?;
    if report.is_whole() {
        return Ok(());
    }
    let faults = report.faults.join("\n  ");
    Err(Failure::refused(format!(
        "the store in {} is damaged:\n  {faults}\nKeep a copy of it, then restore a backup",
        directory.display()
    )))
}

fn show(out: &mut impl Write, report: &engine::Report) -> io::Result<()> {
    writeln!(out, "{}: format {}", report.directory.display(), report.version)?;
    for (name, bytes) in &report.files {
        writeln!(out, "  {name}: {bytes} bytes")?;
    }
    writeln!(
        out,
        "{} with {} and {}; {} of QoS 2 received and not released",
        count(report.sessions, "session"),
        count(report.subscriptions, "subscription"),
        count(report.wills, "will"),
        report.received
    )?;
    writeln!(
        out,
        "{} owed ({} bytes), {} of QoS 2 under way",
        count(report.messages, "message"),
        report.message_bytes,
        report.deliveries
    )?;
    writeln!(out, "{} retained ({} bytes)", report.retained, report.retained_bytes)?;
    if report.is_whole() {
        writeln!(out, "whole")?;
    }
    out.flush()
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn export(directory: &Path, file: Option<&Path>) -> Result<(), Failure> {
    let done = match file {
        None => engine::export(directory, io::stdout().lock()),
        Some(path) => {
            let file = File::create_new(path)
                .map_err(|error| Failure::misused(format!("cannot make the file {}: {error}", path.display())))?;
            let done = engine::export(directory, &file).and_then(|()| {
                let path = Some(path.to_owned());
                file.sync_all().map_err(|error| TransferError::Write { path, error })
            });
            if done.is_err() {
                // A part of an export is none.
                drop(fs::remove_file(path));
            }
            done
        }
    };
    match done {
        Err(TransferError::Write { error, .. }) if file.is_none() => said_enough(&error),
        done => done.map_err(|error| Failure::refused(error.to_string())),
    }
}

fn import(directory: &Path, file: Option<&Path>) -> Result<(), Failure> {
    let found = match file {
        None => engine::import(directory, BufReader::new(io::stdin().lock())),
        Some(path) => {
            let file = File::open(path)
                .map_err(|error| Failure::misused(format!("cannot read {}: {error}", path.display())))?;
            engine::import(directory, BufReader::new(file))
        }
    };
    let found = found.map_err(|error| Failure::refused(error.to_string()))?;
    let done = writeln!(
        io::stdout(),
        "{}: {}, {} owed, {} retained",
        directory.display(),
        count(found.sessions, "session"),
        count(found.messages, "message"),
        found.retained
    );
    done.or_else(|error| said_enough(&error))
}

fn backup(directory: &Path, to: &Path) -> Result<(), Failure> {
    let to = std::path::absolute(to).map_err(|error| Failure::misused(format!("{}: {error}", to.display())))?;
    match ask_for_backup(directory, &to) {
        Asked::Done => Ok(()),
        Asked::Failed(why) => Err(Failure::refused(why)),
        Asked::NobodyThere => engine::backup(directory, &to).map_err(|error| Failure::refused(error.to_string())),
    }
}

/// Whoever reads our output may stop reading.
fn said_enough(error: &io::Error) -> Result<(), Failure> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    Err(Failure::refused(format!("cannot write to standard output: {error}")))
}
