//! What a session remembers: packet identifiers, the flows of QoS 1 and 2 in both directions, the queue behind the
//! window, and how all of it resumes.
//!
//! What must hold: the same halves serve server and client. Deliberately absent: connections, subscriptions, bytes.

mod incoming;
mod outgoing;
mod queue;

pub use incoming::{Arrival, Incoming};
pub use outgoing::{Outgoing, Send, Unfinished};
pub use queue::{Policy, Queue, QueueLimits};

use burgee_codec::QoS;

/// What a queue and a window need to know of a message.
pub trait Deliverable {
    /// The QoS of this delivery: 1 or 2. QoS 0 has no state and never gets here.
    fn qos(&self) -> QoS;
    /// Bytes that it counts for in the queue's limit.
    fn weight(&self) -> usize;
    /// Whether it can be written now. One whose body lies elsewhere has to be fetched first.
    fn is_here(&self) -> bool {
        true
    }
    /// Whether it comes from before a restart: nobody knows whether it was sent.
    fn is_from_before(&self) -> bool {
        false
    }
    /// Its number in a store; 0: it is in none.
    fn number(&self) -> u64 {
        0
    }
}
