//! The asking side.
//!
//! What must hold: it ends, whatever is at the other end of the socket. Deliberately absent: trying again.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Asked, LINE, LINES, socket_path};

/// A broker that works on it says so every second.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than the broker itself waits for its shards.
const PATIENCE_FOR_LIFE: Duration = Duration::from_secs(10);

/// Asks the broker that runs on this directory for a backup, and waits until it is written. The path is the broker's to
/// open: it has to be absolute.
#[must_use]
pub fn ask_for_backup(directory: &Path, to: &Path) -> Asked {
    let request = [b"backup ", to.as_os_str().as_bytes(), b"\n"].concat();
    if to.is_relative() || to.as_os_str().as_bytes().contains(&b'\n') || request.len() > LINE {
        return Asked::Failed("the path has to be absolute, short and without line breaks".to_owned());
    }
    ask(directory, &request, PATIENCE, &mut Vec::new())
}

/// Asks the broker that runs on this directory to read its settings again, and waits until it has: what it says about that,
/// and whether it took them over.
#[must_use]
pub fn ask_for_reload(directory: &Path) -> (Vec<String>, Asked) {
    let mut said = Vec::new();
    let asked = ask(directory, b"reload\n", PATIENCE, &mut said);
    (said, asked)
}

/// Asks the broker that runs on this directory whether all its shards go round.
#[must_use]
pub fn ask_whether_alive(directory: &Path) -> Asked {
    ask(directory, b"alive\n", PATIENCE_FOR_LIFE, &mut Vec::new())
}

fn ask(directory: &Path, request: &[u8], patience: Duration, said: &mut Vec<String>) -> Asked {
    let stream = match UnixStream::connect(socket_path(directory)) {
        Ok(stream) => stream,
        // A broker that was killed leaves its socket behind; where the path is too long for one, none was made.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::InvalidInput
            ) =>
        {
            return Asked::NobodyThere;
        }
        Err(error) => return Asked::Failed(format!("cannot reach the broker that runs on this directory: {error}")),
    };
    talk(&stream, request, patience, said).unwrap_or_else(|error| {
        let slow = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        Asked::Failed(if slow {
            "the broker does not answer".to_owned()
        } else {
            format!("the broker was lost while it was asked: {error}")
        })
    })
}

fn talk(mut stream: &UnixStream, request: &[u8], patience: Duration, said: &mut Vec<String>) -> std::io::Result<Asked> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(request)?;
    let mut answers = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let most = u64::try_from(LINE).unwrap_or(u64::MAX);
        (&mut answers).take(most).read_until(b'\n', &mut line)?;
        let line = String::from_utf8_lossy(&line);
        match &*line {
            "wait\n" => {}
            "done\n" => return Ok(Asked::Done),
            told if told.starts_with("said ") => {
                if said.len() < LINES {
                    said.push(told.get(5..).unwrap_or_default().trim_end().to_owned());
                }
            }
            _ => {
                let why = line.strip_prefix("failed ").map(str::trim_end);
                let why = why.unwrap_or("the broker ended before it was done");
                return Ok(Asked::Failed(why.to_owned()));
            }
        }
    }
}
