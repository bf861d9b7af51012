//! The lines of an input that cannot be waited for beside other things: standard input, or a file.
//!
//! What must hold: they come through a short queue, so a fast input waits for who takes them.
//! Deliberately absent: the meaning of a line.

use std::io::{self, BufRead, BufReader, Read};
use std::thread;

use tokio::sync::mpsc;

use crate::failure::Failure;

/// Lines that may wait.
const LINES: usize = 64;

/// The lines, without their ends. An empty line is an empty message.
pub(crate) struct Lines {
    arrived: mpsc::Receiver<io::Result<Vec<u8>>>,
    name: String,
}

impl Lines {
    /// Those of standard input.
    pub(crate) fn of_input(longest: u64) -> Self {
        Self::of(|| io::stdin().lock(), "standard input".to_owned(), longest)
    }

    /// Those of something that was opened.
    pub(crate) fn of_file(file: impl Read + Send + 'static, name: String, longest: u64) -> Self {
        Self::of(|| BufReader::new(file), name, longest)
    }

    fn of<R: BufRead>(open: impl FnOnce() -> R + Send + 'static, name: String, longest: u64) -> Self {
        let (give, arrived) = mpsc::channel(LINES);
        // The thread ends with the process.
        thread::spawn(move || {
            let mut input = open();
            while let Some(line) = read_line(&mut input, longest).transpose() {
                if give.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        Self { arrived, name }
    }

    /// The next one; `None` at the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let line = self.arrived.recv().await.transpose();
        line.map_err(|error| Failure::usage(format!("cannot read {}: {error}", self.name)))
    }
}

fn read_line(input: &mut impl BufRead, longest: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if input.take(longest + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 > longest {
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
        let lines: Vec<_> = std::iter::from_fn(|| read_line(&mut input, 9).expect("memory cannot fail")).collect();
        assert_eq!(lines, [&b"one"[..], b"", b"two\r", b"last"]);
        assert!(read_line(&mut &b"0123456789"[..], 9).is_err());
    }
}
