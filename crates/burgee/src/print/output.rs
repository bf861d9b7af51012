//! Standard output, which may be slow: a pipe whose reader takes its time.
//!
//! What must hold: while a write waits, everything else (keep alive, signals) goes on; each batch is flushed.
//! Deliberately absent: a queue. Nobody prints before the last print is done.

use std::io::{self, IsTerminal, Write};

/// Whether the terminal shall see colours.
pub(crate) fn wants_colour() -> bool {
    let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !asked_not_to
}

/// Whether anybody is left to read.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Reader {
    Reads,
    Gone,
}

/// Writes and flushes; gives the buffer back.
pub(crate) async fn print(bytes: Vec<u8>) -> io::Result<(Reader, Vec<u8>)> {
    let written = tokio::task::spawn_blocking(move || {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        (written, bytes)
    });
    let (written, mut bytes) = written.await.map_err(io::Error::other)?;
    bytes.clear();
    match written {
        Ok(()) => Ok((Reader::Reads, bytes)),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok((Reader::Gone, bytes)),
        Err(error) => Err(error),
    }
}
