//! Who is owed a message, and what is retained: the two indexes that all shards share.
//!
//! [`Router`] answers "which subscribers match this topic name", [`RetainedIndex`] answers the
//! mirror question, "which retained messages match this filter". A publisher keeps a
//! [`RouteCache`] beside its connection: while nobody subscribes in that corner of the topic
//! space, a publish to the same topic takes no lock and writes no shared memory.
//!
//! Invariant: what a call returned is visible to every call that begins after it, on whichever
//! thread; a cached route is never older than the last change before the call.
//!
//! Deliberately absent: sessions, sockets, message bodies and who may subscribe to what. Locks
//! and atomics live in `shared.rs` alone; everything else here is plain data. No answer depends
//! on the order of a hash table.

#[cfg(any(test, feature = "counting"))]
pub mod counting;
#[cfg(not(any(test, feature = "counting")))]
mod counting;
mod crowded;
mod exact;
mod group;
mod index;
mod interest;
mod label;
mod leaves;
mod members;
#[cfg(test)]
mod model;
mod records;
mod retained;
mod route;
mod router;
mod scan;
mod shared;
mod slab;
mod subscriber;
mod table;
mod trie;

pub use group::GroupRoute;
pub use retained::{RetainedIndex, Topical, Word};
pub use route::Route;
pub use router::{RouteCache, Router};
pub use scan::RetainedCursor;
pub use subscriber::{Kept, Recipient, SubscriberKey};
