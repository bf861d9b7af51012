//! Bytes to packets of MQTT 3.1, 3.1.1 and 5.0 and back; topic names and filters.
//!
//! One packet model for all three versions and for both directions. [`decode`] borrows from its input and
//! takes a packet that comes in pieces; [`Packet::encode`] writes into the caller's buffer and
//! [`Packet::encoded_len`] says beforehand how much it will write. What has been decoded, or has a type of its own
//! here, is valid: nobody checks it again.
//!
//! ```
//! use burgee_codec::{Ack, Decoded, Limits, Packet, Version, decode};
//!
//! // A PUBLISH with QoS 1, and half of another packet.
//! let input = [0x32, 0x07, 0x00, 0x01, b'a', 0x00, 0x09, b'h', b'i', 0x30];
//! let mut answers = Vec::new();
//! let mut rest = &input[..];
//! while let Decoded::Packet { packet, len } = decode(rest, Version::V311, &Limits::default())? {
//!     if let Packet::Publish(publish) = packet {
//!         assert_eq!((publish.topic.as_str(), publish.payload), ("a", &b"hi"[..]));
//!         if let Some(id) = publish.packet_id {
//!             Packet::PubAck(Ack::new(id)).append_to(Version::V311, &mut answers)?;
//!         }
//!     }
//!     rest = &rest[len..];
//! }
//! assert_eq!(rest, [0x30]);
//! assert_eq!(answers, [0x40, 0x02, 0x00, 0x09]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Must hold: no panic whatever the input, no allocation while decoding, no byte is indexed outside `wire`.
//! Deliberately absent: what needs to know the course of a connection (order of packets, direction, sessions).
#![no_std]

extern crate alloc;

pub mod code;
mod decode;
mod encode;
mod error;
mod filters;
mod glance;
mod packet;
mod properties;
mod property;
mod publish_copy;
mod rule;
mod topic;
mod types;
mod wire;

pub use decode::{Decoded, Limits, decode};
pub use error::{DecodeError, EncodeError, Violation};
pub use filters::{FilterList, FilterListIter, Filters, FiltersIter};
pub use glance::{AckKind, BareAck, UnreadPublish};
pub use packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, Publish, SubAck, Subscribe, UnsubAck, Unsubscribe, Will,
};
pub use properties::{Properties, PropertiesIter};
pub use property::Property;
pub use publish_copy::{CopyKind, PublishCopy};
pub use topic::{InvalidTopic, SharedFilter, TopicFilter, TopicFilterBuf, TopicName, TopicNameBuf};
pub use types::{PacketId, PacketType, QoS, RetainHandling, SubscribeOptions, Version, Versions};
pub use wire::MAX_REMAINING_LENGTH;
