//! A message as the application sees it, in both directions.
//!
//! What must hold: the topic is parsed, the payload is shared: cloning a message copies no payload.
//! Deliberately absent: acknowledgements.

use std::sync::Arc;

use burgee_codec::{QoS, TopicNameBuf};

/// A message that came, or that is to be published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Where it was published.
    pub topic: TopicNameBuf,
    /// Any bytes, also none.
    pub payload: Arc<[u8]>,
    /// The QoS of this delivery.
    pub qos: QoS,
    /// Incoming: the server had retained it. Outgoing: the server shall retain it.
    pub retain: bool,
    /// Incoming with QoS 1 or 2: the packet identifier of this delivery, for logs. Not looked at in outgoing messages.
    pub packet_id: Option<u16>,
    /// Incoming with QoS 1: it may be a repetition. Not looked at in outgoing messages; the session knows better.
    pub dup: bool,
}
