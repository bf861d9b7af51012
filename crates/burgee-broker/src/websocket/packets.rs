//! What is sent as frames: each packet of MQTT in one of its own.
//!
//! What must hold: a packet begins with a frame, and one that fits into a piece is in one frame. A receiver must not
//! count on that [MQTT-6.0.0-2], but there are clients that wait for the next frame before they look at a second packet
//! in the one they have. Deliberately absent: what the packets say.

use super::frames::{BINARY, put_frame};

/// Bytes in which a remaining length is said, at most.
const LENGTH_BYTES: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Packets {
    /// What is still to be sent of a packet that did not fit into a piece.
    left: usize,
}

impl Packets {
    pub(super) const fn new() -> Self {
        Self { left: 0 }
    }

    /// Appends frames to `out` for as much of a piece as is to be sent at once: how much that is, at least one byte of any.
    pub(super) fn put(&mut self, piece: &[u8], out: &mut Vec<u8>) -> usize {
        let mut rest = piece;
        while !rest.is_empty() {
            let is_first = rest.len() == piece.len();
            let length = match self.left {
                // Its header is not there: only at the end of a piece.
                0 => packet_length(rest).unwrap_or(usize::MAX),
                left => left,
            };
            if length > rest.len() && !is_first {
                break;
            }
            let (part, behind) = rest.split_at(length.min(rest.len()));
            put_frame(BINARY, part, out);
            self.left = if length == usize::MAX { 0 } else { length - part.len() };
            rest = behind;
        }
        piece.len() - rest.len()
    }
}

/// How long the packet is that begins here; none: that cannot be seen yet.
fn packet_length(bytes: &[u8]) -> Option<usize> {
    let said = bytes.get(1..)?;
    let end = said.iter().take(LENGTH_BYTES).position(|byte| byte & 0x80 == 0)?;
    let digits = said.get(..=end)?;
    let remaining = digits
        .iter()
        .rev()
        .fold(0, |length, byte| length << 7 | usize::from(byte & 0x7F));
    Some(1 + digits.len() + remaining)
}
