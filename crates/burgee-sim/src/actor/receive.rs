//! A device reads: answers, messages, and the end of its connection.
//!
//! What must hold: it acknowledges as its QoS demands, late or never on this connection if that is its habit.
//! Deliberately absent: a check of flags and order; the oracle does that at the broker's door.

use burgee_codec::{Decoded, Limits, Packet, PacketId, Publish, QoS, Version, decode};

use super::device::{Device, Place};
use super::packet;
use crate::net::{Event, Net};

impl Device {
    /// Something happened on its connection: reads what is there.
    ///
    /// # Errors
    /// The broker sent something that it must not send.
    pub fn read(&mut self, net: &mut Net) -> Result<(), String> {
        let Some(link) = self.link() else { return Ok(()) };
        if net.now < self.reads_from {
            return Ok(());
        }
        let count = net.link(link).down.readable();
        if count > 0 {
            self.input.extend(net.link(link).down.read(count));
            net.after(1, Event::Writable(link));
        }
        let mut input = std::mem::take(&mut self.input);
        let mut at = 0;
        while let Decoded::Packet { packet, len } = self.decode(input.get(at..).unwrap_or_default())? {
            at += len;
            self.packet(&packet, net)
                .map_err(|problem| format!("{} got {packet:?}: {problem}", self.name))?;
            if self.link() != Some(link) {
                return Ok(());
            }
        }
        input.drain(..at);
        self.input = input;
        if net.link(link).down.ended().is_some() {
            net.link(link).client_gone = true;
            // What we did not close ourselves the other side closed.
            net.close(link, crate::net::Way::Up, crate::net::Finish::Fin);
            self.stay_away(net);
        }
        self.flush(net);
        Ok(())
    }

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Decoded<'a>, String> {
        let decoded = decode(bytes, Version::V311, &Limits::default());
        decoded.map_err(|error| format!("{} cannot read what it got: {error:?}", self.name))
    }

    fn packet(&mut self, packet: &Packet<'_>, net: &mut Net) -> Result<(), String> {
        match packet {
            Packet::ConnAck(connack) => return self.connected(connack.session_present, connack.code, net),
            Packet::PingResp => self.waiting_since = None,
            Packet::PubAck(ack) => self.memory.acknowledged(ack.packet_id.get()),
            Packet::PubRec(ack) => {
                let release = self.memory.received(ack.packet_id.get());
                self.send(release, net);
            }
            Packet::PubComp(ack) => self.memory.completed(ack.packet_id.get()),
            Packet::SubAck(suback) => self.memory.answered(suback.packet_id.get())?,
            Packet::UnsubAck(unsuback) => self.memory.answered(unsuback.packet_id.get())?,
            Packet::PubRel(ack) => {
                self.memory.release(ack.packet_id.get());
                self.acknowledge(packet::pubcomp(ack.packet_id.get()), net);
            }
            Packet::Publish(publish) => self.message(publish, net)?,
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Disconnect(_)
            | Packet::Auth(_) => return Err("no server sends this".to_owned()),
        }
        Ok(())
    }

    fn connected(&mut self, present: bool, code: u8, net: &mut Net) -> Result<(), String> {
        let Place::Calling(link) = self.place else {
            return Err("a second CONNACK".to_owned());
        };
        if code != 0 {
            // It ends by itself; the next attempt may fare better.
            return Ok(());
        }
        self.place = Place::There(link);
        self.waiting_since = None;
        // MQTT 3.1 does not say whether the session is there: clean session 0 hopes for it.
        let goes_on = present || (self.habits.version == Version::V31 && !self.clean);
        if present && self.clean {
            return Err("a session is present although a clean one was asked for".to_owned());
        }
        if goes_on {
            let again = self.memory.again(link);
            if !again.is_empty() {
                self.send(again, net);
            }
        } else {
            self.memory.forget(link);
        }
        Ok(())
    }

    fn message(&mut self, publish: &Publish<'_>, net: &mut Net) -> Result<(), String> {
        let id = publish.packet_id.map_or(0, PacketId::get);
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.acknowledge(packet::puback(id), net),
            QoS::ExactlyOnce => {
                // Retained messages come with every new subscription besides the live ones, shared ones besides others.
                // Programs without a session publish anew what was not acknowledged.
                let anew = publish.payload.starts_with(b"r");
                let payload = if publish.retain || self.shares || self.robbed || anew {
                    &[]
                } else {
                    publish.payload
                };
                self.memory.take(id, payload)?;
                self.acknowledge(packet::pubrec(id), net);
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, ack: Vec<u8>, net: &mut Net) {
        if self.calm {
            self.acks.push_back((net.now, ack));
            self.flush_acks(net);
            return;
        }
        let withheld = self.rng.percent(self.habits.withheld);
        let late = if withheld {
            1 << 40
        } else {
            self.rng.range(0, self.habits.ack_delay)
        };
        let mut due = net.now + late;
        if !self.habits.unordered {
            // [MQTT-4.6.0-2] in the order in which the messages came.
            due = due.max(self.acks.back().map_or(0, |(last, _)| *last));
        }
        let place = self.acks.partition_point(|(other, _)| *other <= due);
        self.acks.insert(place, (due, ack));
        self.flush_acks(net);
        self.plan(net);
    }

    pub(super) fn flush_acks(&mut self, net: &mut Net) {
        while let Some((due, _)) = self.acks.front()
            && (*due <= net.now || self.calm)
            && let Some((_, ack)) = self.acks.pop_front()
        {
            self.send(ack, net);
        }
    }
}
