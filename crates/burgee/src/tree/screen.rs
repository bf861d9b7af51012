//! A terminal that is drawn on: the other screen, no cursor, keys as they are pressed.
//!
//! What must hold: whatever happens, the terminal is given back as it was; signals still come by their keys.
//! Deliberately absent: what is drawn.

use std::io::{self, IsTerminal, Read, Write as _};
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// A key that means something to us.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// Fold the line under the cursor, or unfold it.
    Fold,
    /// Show so many levels; 0 is all.
    Levels(u8),
    Quit,
}

/// The terminal while it is ours.
#[derive(Debug)]
pub(super) struct Screen {
    keys: mpsc::Receiver<Key>,
    /// As the keyboard was before; `None` where there is none.
    before: Option<Termios>,
}

impl Screen {
    /// `None` if standard output is no terminal.
    pub(super) fn open() -> Option<Self> {
        if !io::stdout().is_terminal() || std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
            return None;
        }
        let before = quiet_keyboard();
        let (give, keys) = mpsc::channel(16);
        if before.is_some() {
            // The thread ends with the process.
            thread::spawn(move || {
                let mut bytes = [0; 64];
                while let Ok(count @ 1..) = io::stdin().lock().read(&mut bytes) {
                    let pressed = keys_of(bytes.get(..count).unwrap_or_default());
                    if pressed.into_iter().any(|key| give.blocking_send(key).is_err()) {
                        break;
                    }
                }
            });
        }
        write(ENTER);
        Some(Self { keys, before })
    }

    /// The next key. Cancel-safe.
    pub(super) async fn key(&mut self) -> Key {
        match self.keys.recv().await {
            Some(key) => key,
            // No keyboard: a signal ends it.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write(LEAVE);
        if let Some(before) = &self.before {
            // If the terminal is gone there is nothing to give back.
            tcsetattr(io::stdin(), OptionalActions::Flush, before).ok();
        }
    }
}

/// Columns and rows.
pub(super) fn size() -> (usize, usize) {
    tcgetwinsize(io::stdout()).map_or((80, 24), |size| {
        let or = |count: u16, usual| if count == 0 { usual } else { usize::from(count) };
        (or(size.ws_col, 80), or(size.ws_row, 24))
    })
}

/// That nobody sees it is no reason to fail.
pub(super) fn write(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).ok();
}

/// Keys come one by one and are not shown.
fn quiet_keyboard() -> Option<Termios> {
    if !io::stdin().is_terminal() {
        return None;
    }
    let before = tcgetattr(io::stdin()).ok()?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Now, &quiet).ok()?;
    Some(before)
}

/// What has been pressed; several keys may come at once.
fn keys_of(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some(first) = bytes.first() {
        let (key, length) = match bytes {
            [27, b'[', b'A', ..] => (Some(Key::Up), 3),
            [27, b'[', b'B', ..] => (Some(Key::Down), 3),
            [27, b'[', b'C' | b'D', ..] => (Some(Key::Fold), 3),
            [27, b'[', b'H', ..] => (Some(Key::Home), 3),
            [27, b'[', b'F', ..] => (Some(Key::End), 3),
            [27, b'[', b'5', b'~', ..] => (Some(Key::PageUp), 4),
            [27, b'[', b'6', b'~', ..] => (Some(Key::PageDown), 4),
            _ => (plain(*first), 1),
        };
        keys.extend(key);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    keys
}

const fn plain(byte: u8) -> Option<Key> {
    Some(match byte {
        b'k' => Key::Up,
        b'j' => Key::Down,
        b'b' => Key::PageUp,
        b' ' => Key::PageDown,
        b'g' => Key::Home,
        b'G' => Key::End,
        b'\r' | b'\n' | b'\t' => Key::Fold,
        b'0'..=b'9' => Key::Levels(byte - b'0'),
        b'q' => Key::Quit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_even_when_they_come_together() {
        let keys = keys_of(b"\x1b[A\x1b[5~j3x\x1b[Fq");
        assert_eq!(
            keys,
            [Key::Up, Key::PageUp, Key::Down, Key::Levels(3), Key::End, Key::Quit]
        );
    }
}
