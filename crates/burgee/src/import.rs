//! `burgee import`: what Mosquitto left behind becomes ours.
//!
//! What must hold: nothing is overwritten, and nothing is left out in silence: what comes differently is said on standard
//! output, with the file and the line or the number of things that it is about. Deliberately absent: reading the formats
//! (`burgee-mosquitto`), and our own exports (`burgee store import`).

mod database;
mod settings;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::process::ExitCode;

use burgee_mosquitto::db::MAGIC;
use clap::Args;

use crate::failure::Failure;

/// Take over what Mosquitto left behind
///
/// FILE is a mosquitto.conf, or a mosquitto.db of Mosquitto 1.6 to 2.1; which of them, its first bytes tell.
///
/// Of a mosquitto.conf a burgee.toml is made that does the same, in the directory --out; password file and ACL file are
/// copied beside it, as they are. Each line that has no counterpart is named, with what it means.
///
/// Of a mosquitto.db a new store is made, in the directory --data: sessions with their subscriptions, the messages that
/// they are owed and where each exchange of QoS 2 stands, and retained messages. Stop Mosquitto first, so that it saves
/// everything. A damaged file is refused as a whole.
///
/// Nothing is overwritten.
#[derive(Args, Clone, Debug)]
#[expect(
    clippy::doc_markdown,
    reason = "the comments are the text of --help, which knows no Markdown"
)]
pub(crate) struct Options {
    /// The file that Mosquitto wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Where the store is made; there must be none yet
    ///
    /// [default: BURGEE_DATA from the environment; else /var/lib/burgee for root, and for whoever may write there; else
    /// burgee in XDG_DATA_HOME, which is usually ~/.local/share]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Where burgee.toml is written
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

/// Imports; the exit code says how that went.
pub(crate) fn run(options: Options) -> ExitCode {
    match import(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("import", false),
    }
}

fn import(options: Options) -> Result<(), Failure> {
    let path = options.file;
    let cannot = |error: io::Error| Failure::misused(format!("cannot read {}: {error}", path.display()));
    let mut file = File::open(&path).map_err(cannot)?;
    if is_database(&mut file).map_err(cannot)? {
        return database::import(&path, file, options.data);
    }
    drop(file);
    settings::import(&path, &options.out)
}

/// Whether a file begins as Mosquitto's persistence file does.
fn is_database(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head == MAGIC)
}
