//! `mosquitto.db`, as Mosquitto 1.6 (format 5) and 2.0 and 2.1 (format 6) write it.
//!
//! # The format
//!
//! 15 bytes that name it, a sum of 4 bytes that is always 0, the version in 4 bytes. Then chunks to the end of the file:
//! kind and length, 4 bytes each, and so many bytes. Numbers have their high byte first, but for those of 8 bytes, which are
//! in the order of the machine that wrote them. Each chunk begins with a C struct of fixed size, padding included; texts,
//! payload and MQTT 5 properties follow.
//!
//! | kind | what | struct |
//! | --- | --- | --- |
//! | 1 | the file | last message number 8, written at an orderly end 1, size of message numbers 1, padding 6 |
//! | 2 | a message | number 8, expiry time 8, payload length 4, identifier at its publisher 2, length of publisher 2, of user 2, of topic 2, port 2, QoS 1, retain 1; then publisher, user, topic, payload, properties |
//! | 3 | a message of a client | message number 8, packet identifier 2, length of client 2, QoS 1, state 1, retain and dup 1, direction 1; then client, properties |
//! | 4 | a retained message | message number 8 |
//! | 5 | a subscription | identifier 4, length of client 2, of filter 2, QoS 1, options 1, padding 2; then client, filter |
//! | 6 | a client | expiry time 8, expiry interval 4, last packet identifier 2, length of client 2, and in format 6 port 2, length of user 2, padding 4; then client, user |
//!
//! There is no sum and no end mark. So a file that was cut exactly between two chunks cannot be told from a whole one but
//! by what is missing: messages that nobody refers to are told about.
//!
//! # What must hold
//!
//! - [`read`] goes through the whole file before anything is handed out; then [`Snapshot::ops`] reads the bodies once more,
//!   one at a time. In memory are numbers, client identifiers, filters: never payloads.
//! - Each session is owed its messages in the order of the file, which is the order in which Mosquitto would send them.
//! - A QoS 2 message that its publisher has not released yet was taken by Mosquitto and passed on to nobody. Our broker
//!   passes a message on when it takes it. So it is owed to its subscribers here, and its identifier counts as received.
//!
//! Deliberately absent: formats 3 and 4 of Mosquitto 1.5 and older; any later Mosquitto brings such a file up to date.

mod chunk;
mod error;
mod fields;
mod gather;
mod kind;
mod left;
mod ops;
mod plan;
mod snapshot;

pub use error::{DbError, Wrong};
pub use kind::Kind;
pub use left::{Left, Remark};
pub use ops::Ops;
pub use snapshot::{Snapshot, Summary, read};

/// The bytes that every such file begins with.
pub const MAGIC: [u8; 15] = *b"\x00\xb5\x00mosquitto db";
