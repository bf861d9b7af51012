//! What the operations of a commit came to, before it is written: so that a hundred acknowledgements are one row, and
//! what came and went within one commit is none.
//!
//! What must hold: empty between two commits; the buffers are kept.

use burgee_codec::PacketId;
use burgee_store::{Body, MessageNo, SessionNo};

use crate::rows::Head;

/// A message that has no row yet.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) lane: u16,
    /// In its lane.
    pub(crate) place: usize,
    pub(crate) head: Head,
    pub(crate) body: Body,
    /// Where its targets end in [`Changes::targets`].
    pub(crate) targets_end: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) fresh: Vec<Fresh>,
    /// Who is owed the fresh messages, encoded, one behind the other.
    pub(crate) targets: Vec<u8>,
    /// Messages whose rows have to go.
    pub(crate) gone: Vec<u64>,
    /// Who settled what of which lane, as the message's place there.
    pub(crate) settled: Vec<(SessionNo, u16, usize)>,
    /// Received identifiers that came or went, and whether they were there before.
    pub(crate) received: Vec<(SessionNo, PacketId, bool)>,
    /// Deliveries that came, changed or went, and whether they were there before.
    pub(crate) deliveries: Vec<(SessionNo, MessageNo, bool)>,
    /// Cursors to be written.
    pub(crate) cursors: Vec<(SessionNo, u16)>,
    /// Something was said but of messages and identifiers.
    pub(crate) others: bool,
    /// For whatever is encoded next.
    pub(crate) scratch: Vec<u8>,
}

impl Changes {
    pub(crate) fn clear(&mut self) {
        self.fresh.clear();
        self.targets.clear();
        self.gone.clear();
        self.settled.clear();
        self.received.clear();
        self.deliveries.clear();
        self.cursors.clear();
        self.others = false;
        self.scratch.clear();
        // One huge commit does not keep its room for ever.
        self.fresh.shrink_to(4096);
        self.targets.shrink_to(1 << 20);
        self.gone.shrink_to(1 << 16);
        self.settled.shrink_to(1 << 16);
    }
}
