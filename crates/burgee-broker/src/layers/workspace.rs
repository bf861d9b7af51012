//! Memory that all layered connections of a shard share while one of them is worked on.
//!
//! What must hold: nothing in it outlives the work on one connection; it is bounded by what is read and sealed at once.
//! Deliberately absent: everything that belongs to a connection.

use burgee_protocol::connection::Outbox;

use super::PIECE;
use crate::websocket::WebSocket;

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
    /// Copies the next piece of an outbox together, in frames if those are wanted: how many of its bytes that are.
    pub(super) fn gather(&mut self, outbox: &Outbox, websocket: Option<&mut WebSocket>) -> usize {
        self.gathered.clear();
        let Some(websocket) = websocket else {
            return copy(outbox, &mut self.gathered);
        };
        self.sealed.clear();
        copy(outbox, &mut self.sealed);
        websocket.wrap(&self.sealed, &mut self.gathered)
    }
}

fn copy(outbox: &Outbox, out: &mut Vec<u8>) -> usize {
    let length = outbox.len().min(PIECE);
    let mut left = length;
    for chunk in outbox.chunks() {
        let part = chunk.get(..left).unwrap_or(chunk);
        out.extend_from_slice(part);
        left -= part.len();
        if left == 0 {
            break;
        }
    }
    length
}
