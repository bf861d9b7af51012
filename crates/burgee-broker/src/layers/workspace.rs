//! Memory that all layered connections of a shard share while one of them is worked on.
//!
//! What must hold: nothing in it outlives the work on one connection; it is bounded by what is read and sealed at once.
//! Deliberately absent: everything that belongs to a connection.

use burgee_protocol::connection::Outbox;

use super::PIECE;
use crate::websocket::{BINARY, put_header};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// What was received, unwrapped.
    pub(crate) plain: Vec<u8>,
    /// What is to be sealed.
    pub(super) gathered: Vec<u8>,
    /// What is to be sent.
    pub(super) sealed: Vec<u8>,
}

impl Workspace {
    /// Copies the next piece of an outbox together, in a frame if that is wanted: how many bytes it is.
    pub(super) fn gather(&mut self, outbox: &Outbox, framed: bool) -> usize {
        let length = outbox.len().min(PIECE);
        self.gathered.clear();
        if framed {
            put_header(BINARY, length, &mut self.gathered);
        }
        let mut left = length;
        for chunk in outbox.chunks() {
            let part = chunk.get(..left).unwrap_or(chunk);
            self.gathered.extend_from_slice(part);
            left -= part.len();
            if left == 0 {
                break;
            }
        }
        length
    }
}
