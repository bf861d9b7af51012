//! The port to whatever keeps durable state: what is asked of it, what it answers, and how that is proved.
//!
//! # The verbs
//!
//! [`Store`] has eight. Two change: [`submit`](Store::submit) hands a batch over and costs no waiting;
//! [`commit`](Store::commit) makes everything submitted durable in one transaction and says how far each source has
//! come. Six read: [`recover`](Store::recover) once after opening, then pages of [`sessions`](Store::sessions) and of
//! [`retained`](Store::retained) messages; of what a session is owed either everything, its
//! [`backlog`](Store::backlog), or first what is [`owed`](Store::owed), without bodies, and the
//! [`bodies`](Store::bodies) when their turn has come.
//!
//! # What must hold
//!
//! - **Whole and in order.** The durable state is always that after some number of whole batches, counted in the order
//!   in which they were submitted, over all sources. What `commit` has reported is among them. After a crash, batches
//!   that were submitted but never reported may be there or not: only whole, and only without a gap.
//! - **What is read has happened.** Reads show the state of the last commit, nothing younger: no crash takes back what
//!   was read.
//! - **A failed commit is the end.** It is never tried again; `submit` and `commit` answer with the same [`Failure`]
//!   until the store is opened again. Reads go on.
//! - **One record for each message**, whatever the fan-out and whoever owns the sessions. It is gone when the last
//!   session that is owed it has settled; deleting a session settles all of its messages.
//! - **Numbers never come back**: not after a deletion, not after a restart. [`Recovered`] says where to go on.
//!
//! # What the caller owes
//!
//! - Two kinds of words, two writers. What is about **one session** ([`Op::SessionCreated`],
//!   [`Op::SessionClaimed`], [`Op::SessionDeleted`], subscriptions, identifiers, wills, [`Op::Delivery`] and [`Op::Settled`]) is written by the source (a shard) that
//!   owns the session. [`Op::Owed`] is written by the source that took the message over, once, and names sessions of
//!   any source.
//! - A batch with [`Op::Owed`] is submitted before anybody else hears of the message. Batches become durable in the
//!   order of their submission; so an acknowledgement, whoever writes it, can never overtake its message, nor a message
//!   the session that it is owed to.
//! - Batch numbers of a source count 1, 2, 3 from the moment the store was opened. Session and message numbers of a
//!   source ascend, and no two sources give the same one: [`Numbers`]. [`Intake`] refuses what breaks this.
//! - Words about retained messages carry stamps. Whoever says that one is set or gone got its stamp in the order in which
//!   it became so, all sources together; their batches may come in another. The greater stamp has it. Stamps are above
//!   those of the retained messages that were found when the store was opened.
//! - The numbers of two sources have no order between them: a session may have settled number 900 of one source before
//!   it is owed number 17 of another. So "settled up to here" is never true of a session, only of a session **and** the
//!   source of the messages. After a restart another source may go on with a source's number, above all that was.
//! - It bounds what is under way: [`Batch::weight`] is what a batch holds in memory until its commit.
//!
//! # Late words and false claims
//!
//! An operation about what is not there (a subscription of a deleted session, a settled message settled again) does
//! nothing: between a deletion and the last word about it there is always a gap. [`Op`] says for each what happens.
//! An operation that **claims** what is taken (a session number, a client identifier, a message number in use) is a
//! fault of the caller: the commit fails with [`Fault::Ours`], because going on would lose somebody's message silently.
//!
//! # Limits and units
//!
//! Numbers are below 2^60 and begin at 1. Client identifiers, filters and topic names have at most 65,535 bytes, a
//! [`Body`] fits into one MQTT packet. Pages are limited in items and bytes, and hold one item at least. All orders are
//! by number or by bytes; nothing depends on chance.
//!
//! Deliberately absent: engines with files (each is a crate of its own behind this port), threads, time, and windows:
//! what a restart forgets is none of a store's business. [`contract`] is how an engine proves that it is one.

mod batch;
mod body;
pub mod contract;
mod error;
mod intake;
mod memory;
mod numbers;
mod page;
mod record;
mod removals;
mod store;

pub use batch::{Batch, MessageNo, Op, Owing, Replay, SessionNo, Source, Stage, Will};
pub use body::{Body, NotABody, shared};
pub use error::{Breach, Failure, Fault, SubmitError};
pub use intake::Intake;
pub use memory::MemoryStore;
pub use numbers::Numbers;
pub use page::{Filling, Limit, Page};
pub use record::{
    Backlog, Delivery, Durable, OwedMessage, OwedRef, Recovered, RetainedMessage, SessionRecord, Subscription,
};
pub use removals::Removals;
pub use store::Store;
