//! Mail between shards.
//!
//! What must hold: parcels of one shard to another arrive in the order in which they were sent, none is lost.
//! Deliberately absent: answers in the same turn. Nothing waits for mail.

use burgee_codec::QoS;

use crate::counters::Counters;
use crate::message::Message;

/// One session's copy of a message.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Copy {
    /// The session's place in its shard.
    pub slot: u32,
    /// The session's generation.
    pub generation: u32,
    /// The QoS of this delivery: the lesser of the message's and the granted one.
    pub qos: QoS,
}

/// QoS 0 packets that go out as they came in, each to one session: copied behind one another, so that a message between
/// two shards allocates nothing of its own, and nothing is freed on a thread that did not allocate it but once a bundle.
#[derive(Debug, Default)]
pub struct Bundle {
    bytes: Vec<u8>,
    packets: Vec<Forward>,
}

#[derive(Debug)]
struct Forward {
    slot: u32,
    generation: u32,
    packet: u32,
    payload: u32,
}

/// One packet of a [`Bundle`].
#[derive(Copy, Clone, Debug)]
pub struct Forwarded<'a> {
    /// The session that gets it, at QoS 0.
    pub copy: Copy,
    /// The whole PUBLISH.
    pub packet: &'a [u8],
    /// Bytes of its payload.
    pub payload_len: usize,
}

/// A bundle is closed once it has so many bytes; a turn's mail is counted in parcels of about this size.
const BUNDLE: usize = 32 * 1024;

impl Bundle {
    /// Puts a packet at the end, if the bundle is not closed. Says how much weight that added.
    pub(crate) fn push(&mut self, forwarded: &Forwarded<'_>) -> Option<usize> {
        let packet = u32::try_from(forwarded.packet.len()).ok()?;
        if self.bytes.len() >= BUNDLE {
            return None;
        }
        self.bytes.extend_from_slice(forwarded.packet);
        self.packets.push(Forward {
            slot: forwarded.copy.slot,
            generation: forwarded.copy.generation,
            packet,
            payload: u32::try_from(forwarded.payload_len).unwrap_or(packet),
        });
        Some(forwarded.packet.len() + size_of::<Forward>())
    }

    /// All packets, in the order in which they were put in.
    pub fn iter(&self) -> impl Iterator<Item = Forwarded<'_>> {
        let mut rest = self.bytes.as_slice();
        self.packets.iter().map(move |forward| {
            let (packet, behind) = rest.split_at_checked(forward.packet as usize).unwrap_or_default();
            rest = behind;
            Forwarded {
                copy: Copy {
                    slot: forward.slot,
                    generation: forward.generation,
                    qos: QoS::AtMostOnce,
                },
                packet,
                payload_len: forward.payload as usize,
            }
        })
    }

    fn weight(&self) -> usize {
        self.bytes.len() + self.packets.len() * size_of::<Forward>()
    }
}

/// What one shard tells another.
#[derive(Debug)]
pub enum Parcel {
    /// A message that is owed to several sessions of the receiving shard.
    Publish {
        /// The message.
        message: Message,
        /// Who is owed it, in the order of their keys.
        copies: Vec<Copy>,
    },
    /// Messages that are owed to one session each.
    Singles(Vec<(Message, Copy)>),
    /// Small messages of QoS 0, each for one session of the receiving shard.
    Bundle(Bundle),
    /// The broker ends, and all that the sending shard had to send is before this.
    Ending,
    /// Shard 0 wants the counters.
    CountersWanted,
    /// The counters as they are now.
    Counters(Box<Counters>),
}

impl Parcel {
    /// Bytes that it counts for in the mail's limit.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Publish { message, copies } => message.weight() + size_of_val(copies.as_slice()) + 64,
            Self::Singles(singles) => singles.iter().map(|(message, _)| single_weight(message)).sum(),
            Self::Bundle(bundle) => bundle.weight(),
            Self::Ending | Self::CountersWanted => 16,
            Self::Counters(_) => size_of::<Counters>(),
        }
    }
}

/// Messages for one session each that travel in one parcel, at most.
const SINGLES: usize = 256;

/// What a message for one session counts for.
fn single_weight(message: &Message) -> usize {
    message.weight() + size_of::<(Message, Copy)>()
}

/// Whether there is no room for another one.
pub(super) const fn is_closed(singles: &[(Message, Copy)]) -> bool {
    singles.len() >= SINGLES
}

/// Puts a message for one session behind others. Says how much weight that added.
pub(super) fn push_single(singles: &mut Vec<(Message, Copy)>, message: Message, copy: Copy) -> usize {
    let added = single_weight(&message);
    singles.push((message, copy));
    added
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_gives_back_what_was_put_in() {
        let mut bundle = Bundle::default();
        let (mut count, mut weight) = (0_u32, 0);
        loop {
            let packet = vec![7; count as usize % 300 + 1];
            let copy = Copy {
                slot: count,
                generation: 9,
                qos: QoS::AtMostOnce,
            };
            let forwarded = Forwarded {
                copy,
                packet: &packet,
                payload_len: 1,
            };
            let Some(added) = bundle.push(&forwarded) else { break };
            weight += added;
            count += 1;
        }
        assert!(weight == bundle.weight() && weight > BUNDLE);
        let seen: Vec<(u32, usize)> = bundle.iter().map(|one| (one.copy.slot, one.packet.len())).collect();
        assert_eq!(seen, (0..count).map(|n| (n, n as usize % 300 + 1)).collect::<Vec<_>>());
    }

    #[test]
    fn singles_count_for_what_was_added() {
        let copy = Copy {
            slot: 1,
            generation: 1,
            qos: QoS::AtLeastOnce,
        };
        let topic = burgee_codec::TopicName::parse("a/b").unwrap();
        let (mut singles, mut weight) = (Vec::new(), 0);
        while !is_closed(&singles) {
            let message = Message::new(topic, &vec![0; singles.len()], copy.qos);
            weight += push_single(&mut singles, message, copy);
        }
        assert_eq!((singles.len(), Parcel::Singles(singles).weight()), (SINGLES, weight));
    }
}
