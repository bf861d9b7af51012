//! A `mosquitto.db` becomes a store.
//!
//! What must hold: the file is read through before anything is made. Where root imports for a service, the service can use
//! what was made.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use burgee_config::data_dir;
use burgee_mosquitto::db::{self, Remark, Summary};
use burgee_store_sqlite as engine;

use crate::failure::Failure;

/// Imports, and says what.
pub(super) fn import(path: &Path, file: File, data: Option<PathBuf>) -> Result<(), Failure> {
    let directory = data_dir::choose(data).map_err(Failure::misused)?;
    let wrong = |error: &dyn std::fmt::Display| Failure::refused(format!("{}: {error}", path.display()));
    let snapshot = db::read(file, now()).map_err(|error| wrong(&error))?;
    let (summary, remarks) = (snapshot.summary(), snapshot.remarks().to_vec());
    engine::fill(&directory, snapshot.ops()).map_err(|error| wrong(&error))?;
    hand_over(&directory).map_err(|error| {
        Failure::refused(format!(
            "{}: imported, but the files cannot be given to the directory's owner: {error}; do that by hand (chown)",
            directory.display()
        ))
    })?;
    let shown = show(&mut io::stdout().lock(), (path, &directory), &summary, &remarks);
    match shown {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::refused(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Seconds since 1970. A clock before that makes nothing expire.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn show(out: &mut impl Write, places: (&Path, &Path), summary: &Summary, remarks: &[Remark]) -> io::Result<()> {
    let (from, to) = places;
    writeln!(
        out,
        "{} (format {}) -> {}",
        from.display(),
        summary.format,
        to.display()
    )?;
    let rows = [
        ("sessions", summary.sessions),
        ("subscriptions", summary.subscriptions),
        ("messages owed to sessions", summary.owed),
        ("  of these QoS 2 under way", summary.under_way),
        ("QoS 2 received, to be released", summary.received),
        ("retained messages", summary.retained),
    ];
    for (what, count) in rows {
        writeln!(out, "  {what:<32}{count:>10}")?;
    }
    if remarks.is_empty() {
        writeln!(out, "nothing was left out")?;
    } else {
        writeln!(out, "different, or left out:")?;
        for remark in remarks {
            writeln!(out, "  - {remark}")?;
        }
    }
    out.flush()
}

/// What root made in a directory of somebody else belongs to them.
#[cfg(unix)]
fn hand_over(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let owner = std::fs::metadata(directory)?;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.metadata()?.uid() != owner.uid() {
            chown(entry.path(), Some(owner.uid()), Some(owner.gid()))?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn hand_over(_directory: &Path) -> io::Result<()> {
    Ok(())
}
