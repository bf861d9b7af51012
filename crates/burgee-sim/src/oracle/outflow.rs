//! What a shard wants to send: the answers, each in its order, and nothing that nobody asked for.
//!
//! What must hold: every packet that goes out is explained by something that came in. Deliberately absent: messages
//! (`sending`).

use std::collections::VecDeque;

use burgee_codec::{Decoded, Limits, Packet, Version, decode};

use super::{Oracle, Turn, Verdict};
use crate::net::LinkId;

impl Oracle {
    /// Judges everything that this turn put into outboxes.
    pub(super) fn check_outputs(&mut self, turn: &Turn) -> Verdict {
        // What a connection got before it was taken over comes before what its successor gets.
        let mut outputs: Vec<&(LinkId, Vec<u8>)> = turn.outputs.iter().collect();
        let ended = |link: LinkId| turn.closes.iter().position(|(closed, _)| *closed == link);
        outputs.sort_by_key(|(link, _)| ended(*link).unwrap_or(usize::MAX));
        for (link, bytes) in outputs {
            self.output(*link, bytes)
                .map_err(|problem| format!("to link {link}: {problem}"))?;
        }
        Ok(())
    }

    fn output(&mut self, link: LinkId, bytes: &[u8]) -> Verdict {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(version) = self.conns.get(&link).map(|conn| conn.version) else {
                return farewell(rest);
            };
            let (packet, len) = match decode(rest, version, &Limits::default()) {
                Ok(Decoded::Packet { packet, len }) => (packet, len),
                Ok(Decoded::Incomplete { .. }) => return Err("half a packet at the end of a turn".to_owned()),
                Err(error) => return Err(format!("no packet: {error:?}")),
            };
            self.sent(link, version, &packet)
                .map_err(|problem| format!("{problem}: {packet:?}"))?;
            rest = rest.get(len..).unwrap_or_default();
        }
        Ok(())
    }

    fn sent(&mut self, link: LinkId, version: Version, packet: &Packet<'_>) -> Verdict {
        let conn = self
            .conns
            .get_mut(&link)
            .ok_or("a packet for a connection that is over")?;
        let answers = &mut conn.answers;
        // [MQTT-3.2.0-1] nothing overtakes CONNACK.
        if answers.connack.is_some() && !matches!(packet, Packet::ConnAck(_)) {
            return Err("before CONNACK".to_owned());
        }
        if conn.session.is_none() && !matches!(packet, Packet::ConnAck(_)) {
            return Err("before CONNECT".to_owned());
        }
        match packet {
            Packet::ConnAck(connack) => match answers.connack.take() {
                Some(expected) if expected == (connack.session_present, connack.code) => {
                    if connack.code == 0 {
                        self.welcomed(link);
                    }
                    Ok(())
                }
                Some(expected) => Err(format!("expected {expected:?}")),
                None => Err("nobody asked for a CONNACK".to_owned()),
            },
            Packet::PubAck(ack) => {
                let (_, message) = in_turn(&mut answers.puback, ack.packet_id.get(), first)?;
                self.acknowledged_publish(message);
                Ok(())
            }
            Packet::PubRec(ack) => {
                let (id, message) = in_turn(&mut answers.pubrec, ack.packet_id.get(), first)?;
                self.acknowledged_publish(message);
                self.sure_received(link, id);
                Ok(())
            }
            Packet::PubComp(ack) => {
                let id = in_turn(&mut answers.pubcomp, ack.packet_id.get(), |id| *id)?;
                self.sure_freed(link, id);
                Ok(())
            }
            Packet::UnsubAck(ack) => {
                let (_, question) = in_turn(&mut answers.unsuback, ack.packet_id.get(), first)?;
                self.sure_filters(link, question);
                Ok(())
            }
            Packet::SubAck(ack) => match answers.suback.pop_front() {
                Some((id, codes, question)) if id == ack.packet_id.get() && codes == ack.codes => {
                    self.sure_filters(link, question);
                    Ok(())
                }
                expected => Err(format!("expected {expected:?}")),
            },
            Packet::PingResp => {
                answers.pongs = answers.pongs.checked_sub(1).ok_or("nobody asked")?;
                Ok(())
            }
            Packet::PubRel(ack) => self.sent_release(link, ack.packet_id.get()),
            Packet::Publish(publish) => self.sent_publish(link, publish),
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Disconnect(_)
            | Packet::Auth(_) => Err(format!("no server of MQTT {version} sends this")),
        }
    }
}

/// What goes to a connection that is over and still being flushed: the answer to its last message, at most.
fn farewell(bytes: &[u8]) -> Verdict {
    match decode(bytes, Version::V311, &Limits::default()) {
        Ok(Decoded::Packet {
            packet: Packet::PubAck(_) | Packet::PubRec(_),
            len,
        }) if len == bytes.len() => Ok(()),
        other => Err(format!("for a connection that is over: {other:?}")),
    }
}

/// [MQTT-4.6.0-2] [MQTT-4.6.0-3] the answers of one kind have the order of the questions.
fn in_turn<T>(expected: &mut VecDeque<T>, id: u16, id_of: impl Fn(&T) -> u16) -> Result<T, String> {
    match expected.pop_front() {
        Some(first) if id_of(&first) == id => Ok(first),
        Some(first) => Err(format!("expected identifier {}", id_of(&first))),
        None => Err("nobody asked".to_owned()),
    }
}

const fn first<T>(answer: &(u16, T)) -> u16 {
    answer.0
}
