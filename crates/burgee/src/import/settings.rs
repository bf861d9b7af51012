//! A `mosquitto.conf` becomes a `burgee.toml`, with the files that go along beside it.
//!
//! What must hold: no file is overwritten; where one is there already, none is made. What was made is read as the broker
//! would read it, and what it would refuse is said.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use burgee_config::{Chosen, Sources, load};
use burgee_mosquitto::conf::{Conversion, Files, Weight, convert};

use crate::failure::Failure;

/// The largest file of settings that is read.
const LARGEST: u64 = 4 << 20;
/// The name of the result.
const RESULT: &str = "burgee.toml";

/// Converts, writes and says what.
pub(super) fn import(path: &Path, out: &Path) -> Result<(), Failure> {
    let conversion = convert(path, &mut Disk).map_err(|error| Failure::misused(error.to_string()))?;
    write_all(&conversion, out).map_err(Failure::refused)?;
    let result = out.join(RESULT);
    let refused = load(&Sources {
        file: Chosen::Named(result.clone()),
        ..Sources::default()
    });
    let refused = refused.err().map(|problems| problems.to_string());
    let shown = show(&mut io::stdout().lock(), &conversion, (path, out), refused.as_deref());
    match shown {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::refused(format!("cannot write to standard output: {error}")));
        }
        _ => {}
    }
    match refused {
        None => Ok(()),
        Some(_) => Err(Failure::refused(format!(
            "{} was written, but cannot be used yet: see above",
            result.display()
        ))),
    }
}

/// The files of this machine.
struct Disk;

impl Files for Disk {
    fn read(&mut self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        let length = File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
        if length as u64 > LARGEST {
            return Err(io::Error::other(format!("it has more than {LARGEST} bytes")));
        }
        Ok(text)
    }

    fn list(&mut self, path: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
    }
}

/// All files, or none.
fn write_all(conversion: &Conversion, out: &Path) -> Result<(), String> {
    let mut contents = vec![(out.join(RESULT), conversion.toml.clone().into_bytes())];
    for file in &conversion.files {
        let bytes = fs::read(&file.from);
        let bytes = bytes.map_err(|error| format!("{} cannot be read: {error}", file.from.display()))?;
        contents.push((out.join(file.name), bytes));
    }
    if let Some((there, _)) = contents.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        return Err(format!(
            "{} is there already, and nothing is overwritten: name another directory with --out",
            there.display()
        ));
    }
    fs::create_dir_all(out).map_err(|error| format!("{} cannot be made: {error}", out.display()))?;
    for (at, (path, bytes)) in contents.iter().enumerate() {
        if let Err(error) = create(path, bytes) {
            // A part of the result would be taken for the whole.
            for (made, _) in contents.iter().take(at) {
                drop(fs::remove_file(made));
            }
            return Err(format!("{} cannot be written: {error}", path.display()));
        }
    }
    Ok(())
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // The service's group may read it: there are hashes of passwords in one of them.
        options.mode(0o640);
    }
    let mut file = options.open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        drop(fs::remove_file(path));
    }
    written
}

fn show(
    out: &mut impl Write,
    conversion: &Conversion,
    (from, to): (&Path, &Path),
    refused: Option<&str>,
) -> io::Result<()> {
    writeln!(out, "{} -> {}", from.display(), to.join(RESULT).display())?;
    for file in &conversion.files {
        writeln!(out, "{} -> {}", file.from.display(), to.join(file.name).display())?;
    }
    for (weight, title) in [
        (Weight::Look, "no counterpart, or another thing here:"),
        (Weight::Needless, "nothing is needed here:"),
    ] {
        let mut of_weight = conversion
            .remarks
            .iter()
            .filter(|remark| remark.weight == weight)
            .peekable();
        if of_weight.peek().is_some() {
            writeln!(out, "{title}")?;
        }
        for remark in of_weight {
            writeln!(out, "  {remark}")?;
        }
    }
    if let Some(database) = &conversion.database {
        writeln!(
            out,
            "sessions and messages: stop Mosquitto, then `burgee import {}`",
            database.display()
        )?;
    }
    if let Some(refused) = refused {
        writeln!(out, "what was written cannot be used as it stands:\n{refused}")?;
    }
    out.flush()
}
