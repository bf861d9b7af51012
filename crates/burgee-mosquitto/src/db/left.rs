//! What was left out or comes differently: counted by kind, with the first one as an example.
//!
//! What must hold: every place that passes something over counts it here.

use std::fmt;

/// A kind of thing that is not taken along as it was.
#[derive(Copy, Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Left {
    /// The file was written while Mosquitto ran.
    Autosave,
    /// A session whose time was over.
    SessionExpired,
    /// A session that was to end after some time.
    SessionExpiry,
    /// A subscription of a client that has no chunk.
    ClientUnsaid,
    /// A message of a client that is not there.
    ClientUnknown,
    /// A filter that is none.
    Filter,
    /// A subscription with options or an identifier of MQTT 5.
    SubscriptionOptions,
    /// A message whose time was over.
    MessageExpired,
    /// A message that was to end after some time.
    MessageExpiry,
    /// A message or delivery with properties of MQTT 5.
    Properties,
    /// A QoS 0 message that waits.
    Unkept,
    /// A delivery whose identifier another one of the same client has.
    IdTwice,
    /// A QoS 2 message that its publisher has not released.
    Unreleased,
    /// A message that nobody refers to.
    Unowned,
    /// A retained message below `$SYS`.
    Sys,
}

impl Left {
    /// What it is, and what became of it.
    const fn sentence(self) -> (&'static str, &'static str) {
        match self {
            Self::Autosave => (
                "saved while Mosquitto ran",
                "what came after that is not in the file; stop Mosquitto in order (SIGTERM) and import again if it matters",
            ),
            Self::SessionExpired => ("sessions whose time was over", "left out, as Mosquitto does"),
            Self::SessionExpiry => (
                "sessions that end some time after their client left",
                "taken along without that time: session.expiry counts for all",
            ),
            Self::ClientUnsaid => (
                "sessions that stand in the file only as the owner of a subscription",
                "made, as Mosquitto does",
            ),
            Self::ClientUnknown => (
                "messages of clients that are not in the file",
                "left out, as Mosquitto does",
            ),
            Self::Filter => ("subscriptions to what is no topic filter by the standard", "left out"),
            Self::SubscriptionOptions => (
                "subscriptions with an identifier or options of MQTT 5",
                "taken along without them, until the client subscribes again",
            ),
            Self::MessageExpired => ("messages whose time was over", "left out, as Mosquitto does"),
            Self::MessageExpiry => (
                "messages with an expiry time",
                "taken along without it: session.message_expiry counts for all",
            ),
            Self::Properties => (
                "messages and deliveries with properties of MQTT 5",
                "taken along without them",
            ),
            Self::Unkept => (
                "messages of QoS 0 that waited (queue_qos0_messages)",
                "left out: QoS 0 is not kept over a restart",
            ),
            Self::IdTwice => (
                "deliveries with a packet identifier that another delivery of the same client has",
                "taken along, sent with a new one",
            ),
            Self::Unreleased => (
                "messages of QoS 2 that their publishers had not released",
                "handed on to those who are owed them, as burgee does when it takes a message; the exchange ends as usual",
            ),
            Self::Unowned => (
                "messages that nothing in the file refers to",
                "left out; Mosquitto writes such messages for clients without a persistent session, but if there are many, \
                 the file may have been cut off: compare the numbers with what you expect",
            ),
            Self::Sys => ("retained messages below $SYS", "left out, as Mosquitto does"),
        }
    }
}

/// What was left out or comes differently.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remark {
    /// What.
    pub left: Left,
    /// How often.
    pub count: u64,
    /// The first: a client identifier, a topic or a filter.
    pub example: Option<Box<str>>,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, became) = self.left.sentence();
        if self.left == Left::Autosave {
            return write!(f, "{what}: {became}");
        }
        write!(f, "{what}: {}; {became}", self.count)?;
        match &self.example {
            Some(example) => write!(f, " (the first: {example:?})"),
            None => Ok(()),
        }
    }
}

/// All remarks, in the order of their kinds.
#[derive(Clone, Debug, Default)]
pub(super) struct Remarks(Vec<Remark>);

impl Remarks {
    pub(super) fn add(&mut self, left: Left, example: impl Into<Option<Box<str>>>) {
        match self.0.binary_search_by_key(&left, |remark| remark.left) {
            Ok(at) => {
                if let Some(remark) = self.0.get_mut(at) {
                    remark.count += 1;
                }
            }
            Err(at) => self.0.insert(
                at,
                Remark {
                    left,
                    count: 1,
                    example: example.into(),
                },
            ),
        }
    }

    pub(super) fn as_slice(&self) -> &[Remark] {
        &self.0
    }
}
