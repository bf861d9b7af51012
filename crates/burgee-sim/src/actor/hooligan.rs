//! Hooligans: connections that break rules, say nothing, or never finish what they say.
//!
//! What must hold: each breaks one rule on purpose, so that what must follow is known. Deliberately absent: sessions
//! of their own that anybody would miss.

use super::packet::{self, Hello, Note};
use crate::house::{PASSWORD, USERS};
use crate::net::{Event, Finish, LinkId, Net, Way};
use crate::rng::Rng;
use burgee_codec::{QoS, Version};

/// See the module.
#[derive(Debug)]
pub struct Hooligans {
    rng: Rng,
    links: Vec<LinkId>,
    percent: u64,
    pace: u64,
    devices: u64,
    shards: u64,
    counter: u64,
    /// The users of the devices, where there are users.
    users: Vec<Option<String>>,
}

impl Hooligans {
    /// As many as `percent` of what devices do at this `pace`.
    #[must_use]
    pub fn new(percent: u64, pace: u64, devices: usize, shards: u16, rng: &mut Rng) -> Self {
        let (rng, links) = (rng.fork(), Vec::new());
        Self {
            rng,
            links,
            percent,
            pace,
            devices: devices as u64,
            shards: u64::from(shards),
            counter: 0,
            users: Vec::new(),
        }
    }

    /// Some come as devices, with the names of other users. What they begin ends with their connection: a session that
    /// stays would belong to that user, and the device would never come in again.
    pub fn impersonate(&mut self, users: Vec<Option<String>>) {
        self.users = users;
    }

    fn impostor(&mut self) -> Vec<u8> {
        let number = self.rng.below(self.users.len() as u64);
        let client = format!("d{number}");
        let owner = usize::try_from(number)
            .ok()
            .and_then(|number| self.users.get(number)?.clone());
        let mut others: Vec<Option<String>> = (0..USERS).map(|user| Some(format!("u{user}"))).collect();
        others.push(None);
        others.retain(|other| *other != owner);
        let user = self.rng.pick(&others).clone();
        let hello = Hello {
            version: Version::V311,
            client: &client,
            clean: true,
            keep_alive: 2,
            will: self.rng.percent(30).then(|| self.note()),
            login: user.as_deref().map(|user| (user, PASSWORD)),
        };
        let mut bytes = packet::connect(&hello);
        if self.rng.percent(50) {
            bytes.extend(self.publish());
        }
        bytes
    }

    /// Plans the next one.
    pub fn plan(&mut self, net: &mut Net) {
        if let Some(rarely) = (self.pace * 200).checked_div(self.percent) {
            let pause = self.rng.range(1, rarely);
            net.after(pause, Event::Hooligan);
        }
    }

    /// One comes.
    pub fn come(&mut self, net: &mut Net) -> LinkId {
        let shard = u16::try_from(self.rng.below(self.shards)).unwrap_or(0);
        let link = net.connect(shard);
        let bytes = self.script();
        net.trace.say(net.now, [7, link as u64, bytes.len() as u64], || {
            format!("hooligan on {link}: {}", packet::describe(&bytes))
        });
        net.write(link, Way::Up, &bytes);
        match self.rng.below(4) {
            0 => net.close(link, Way::Up, Finish::Fin),
            1 => net.close(link, Way::Up, Finish::Rst),
            _ => {}
        }
        self.links.push(link);
        link
    }

    /// All go.
    pub fn go(&mut self, net: &mut Net) {
        self.percent = 0;
        for link in std::mem::take(&mut self.links) {
            net.close(link, Way::Up, Finish::Rst);
        }
    }

    fn script(&mut self) -> Vec<u8> {
        if !self.users.is_empty() && self.rng.percent(40) {
            return self.impostor();
        }
        match self.rng.below(10) {
            0 => (0..self.rng.size(1, 60))
                .map(|_| u8::try_from(self.rng.below(256)).unwrap_or(0))
                .collect(),
            1 => packet::ping(),
            2 => {
                let whole = self.hello();
                let cut = self.rng.size(0, whole.len() - 1);
                whole.get(..cut).unwrap_or_default().to_vec()
            }
            // A level that nobody speaks yet, and a name that is none.
            3 => {
                let level = *self.rng.pick(&[5, 6, 0, 3]);
                [&[0x10, 16, 0, 4], &b"MQTT"[..], &[level, 2, 0, 0, 0, 4], b"nobo"].concat()
            }
            4 => b"\x10\x0e\x00\x06MQTTXX\x04\x02\x00\x00\x00\x00".to_vec(),
            5 => {
                let version = if self.rng.percent(50) {
                    Version::V311
                } else {
                    Version::V31
                };
                packet_without_name(version)
            }
            _ => {
                let mut bytes = self.hello();
                for _ in 0..self.rng.below(3) {
                    bytes.extend(self.publish());
                }
                bytes.extend(self.crime());
                bytes.extend(self.publish());
                bytes
            }
        }
    }

    fn crime(&mut self) -> Vec<u8> {
        let crimes: [&[u8]; 12] = [
            &[0x00, 0],
            &[0xF0, 0],
            &[0x36, 3, 0, 1, b'a'],
            &[0x38, 3, 0, 1, b'a'],
            &[0x20, 2, 0, 0],
            &[0xD0, 0],
            &[0x90, 3, 0, 1, 0],
            &[0x40, 2, 0, 0],
            &[0xC0, 1, 0],
            &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            &[0x82, 6, 0, 1, 0, 1, b'a', 3],
            &[0xE0, 1, 0],
        ];
        if self.rng.percent(20) {
            self.hello()
        } else {
            self.rng.pick(&crimes).to_vec()
        }
    }

    /// A CONNECT, now and then under the name of a device.
    fn hello(&mut self) -> Vec<u8> {
        let victim = self.devices > 0 && self.rng.percent(10);
        let name = if victim {
            format!("d{}", self.rng.below(self.devices))
        } else {
            format!("h{}", self.rng.below(3))
        };
        let clean = self.rng.percent(60);
        let will = self.rng.percent(60).then(|| self.note());
        let keep_alive = u16::try_from(self.rng.below(3)).unwrap_or(0);
        packet::connect(&Hello {
            version: Version::V311,
            client: &name,
            clean,
            keep_alive,
            will,
            login: None,
        })
    }

    fn note(&mut self) -> Note {
        self.counter += 1;
        let topic = *self.rng.pick(&["a", "a/b", "b"]);
        let payload = format!("h:{}:{topic}:", self.counter).into_bytes();
        let qos = super::habits::qos(&mut self.rng, 2);
        Note {
            topic: topic.to_owned(),
            payload,
            qos,
            retain: self.rng.percent(20),
        }
    }

    fn publish(&mut self) -> Vec<u8> {
        let note = self.note();
        let id = (note.qos > QoS::AtMostOnce).then(|| u16::try_from(self.rng.range(1, 9)).unwrap_or(1));
        packet::publish(&note, id, false)
    }
}

/// A CONNECT without identifier that must be refused.
fn packet_without_name(version: Version) -> Vec<u8> {
    match version {
        Version::V31 => b"\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x00\x00\x00".to_vec(),
        Version::V311 | Version::V5 => b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x00\x00\x00".to_vec(),
    }
}
