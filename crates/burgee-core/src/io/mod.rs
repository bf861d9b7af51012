//! The two doors of a shard: what comes in and what it wishes for.
//!
//! What must hold: everything that a shard learns comes through [`Inputs`], everything that it does goes through
//! [`Effects`]. Deliberately absent: sockets, files, clocks. The event loop has them, and so has the simulator.

mod ask;
mod effects;
mod event;
mod outboxes;
mod parcel;
mod reload;

pub use ask::{Admission, Ask, Verdict};
pub use effects::{CloseMode, Effects, Mailbox};
pub use event::{Event, Reason};
pub use outboxes::Outboxes;
pub use parcel::{Bundle, Copy, Forwarded, Parcel};
pub use reload::{Banned, Dismissed, Reload};

use core::net::IpAddr;
use std::sync::Arc;

use burgee_store::{Body, MessageNo};

pub use crate::config::ShardId;
pub use crate::policy::ListenerNo;
use crate::policy::Policy;

/// A connection of this shard: the place in its table, and a generation so that a stale key finds nothing.
///
/// The event loop gives keys out; slots are small and reused, generations are not.
#[derive(Copy, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnKey {
    /// The place in the tables of the event loop and of the core.
    pub slot: u32,
    /// Differs each time that the place is used again.
    pub generation: u32,
}

/// Who asked for messages.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct ReadKey {
    /// Its session's place.
    pub(crate) slot: u32,
    /// And generation.
    pub(crate) generation: u32,
}

/// Messages that are to be read from the store, to be answered by [`Input::Bodies`].
#[derive(Clone, Debug)]
pub struct Read {
    /// To be given back with the answer.
    pub key: ReadKey,
    /// Which.
    pub messages: Vec<MessageNo>,
}

/// How the other side ended a connection.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// Orderly end of its stream, half close included.
    Finished,
    /// Reset, or an error of the transport.
    Broken,
}

/// One thing that happened. See [`Inputs`].
#[derive(Debug)]
pub enum Input<'a> {
    /// A connection came in, from the acceptor or from another shard.
    Accepted {
        /// The key that the event loop gave it.
        conn: ConnKey,
        /// The listener that accepted it.
        listener: ListenerNo,
        /// Its peer's address, where it has one: what rules with addresses look at.
        address: Option<IpAddr>,
    },
    /// Unconsumed bytes of a connection: what was kept of its earlier bytes, and the new ones behind.
    Bytes {
        /// Whose bytes.
        conn: ConnKey,
        /// From the first unconsumed byte on.
        bytes: &'a [u8],
    },
    /// There will be no more bytes. Comes behind all bytes that were received.
    Ended {
        /// Which connection.
        conn: ConnKey,
        /// How.
        how: End,
    },
    /// An outbox that wanted it has room again: half of the limit or less is unsent.
    Room {
        /// Whose outbox.
        conn: ConnKey,
    },
    /// Mail from another shard.
    Mail {
        /// The sender.
        from: ShardId,
        /// What it sent.
        parcel: Parcel,
    },
    /// All batches of this shard up to this number are durable. Never comes without a store.
    Durable {
        /// Number of the last durable batch.
        batch: u64,
    },
    /// What a [`Read`] asked for. It shows what became durable last, and every batch that left before the read among it.
    Bodies {
        /// The read's.
        key: ReadKey,
        /// Those of its messages that are still owed, in the order in which they were asked for.
        bodies: Vec<(MessageNo, Body)>,
    },
    /// The store failed: nothing that needs it can be acknowledged any more. No batch and no read will be answered.
    StoreFailed,
    /// What an [`Ask`] asked for. For a connection that is gone it does nothing.
    Verdict {
        /// Whose.
        conn: ConnKey,
        /// What.
        verdict: Verdict,
    },
    /// Another policy holds from here on.
    Policy(Arc<Policy>),
    /// Other settings hold from here on, another policy among them. [`Effects::dismissed`] says who had to go.
    Reload(Arc<Reload>),
    /// A connection has to go: an operator, or another policy, wants it.
    Kick {
        /// Which.
        conn: ConnKey,
        /// Why, for the log.
        reason: &'static str,
    },
    /// The broker ends: wills are published, connections are refused and, once their outboxes are sent, closed.
    Shutdown,
}

/// Where a shard's turn gets its inputs from, one at a time, each lent until the next.
///
/// Lending is what lets the event loop read each ready connection into one scratch buffer.
pub trait Inputs {
    /// The next input of this turn.
    fn next(&mut self) -> Option<Input<'_>>;

    /// What became of the last [`Input::Bytes`]: `used` of them are done with. The others come again, at the front of
    /// the connection's next bytes, which need not come before there are `needed` of them in all (0: no matter how
    /// many; the connection is paused or closed).
    fn consumed(&mut self, used: usize, needed: usize);

    /// Whether bytes of this connection may have come that were not handed out in this turn. Whoever is silent only
    /// because we did not listen is not dead.
    fn may_have_more(&self, conn: ConnKey) -> bool {
        let _ = conn;
        false
    }

    /// What whoever runs the shards has counted, for `$SYS`: topics below `$SYS/broker`, and values. Asked once for each
    /// round, of shard 0.
    fn outside(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
