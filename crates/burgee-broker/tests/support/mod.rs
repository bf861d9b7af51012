//! A client in bytes, so that what is proven here depends on no code of ours.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test speaks by panicking, and each test binary uses a part of this"
)]

pub(crate) mod certificates;
pub(crate) mod secure;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use burgee_broker::{Broker, BrokerConfig, Shards, StartError};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A broker on a free port of loopback.
pub(crate) fn start(shards: u16, change: impl FnOnce(&mut BrokerConfig)) -> (Broker, SocketAddr) {
    let broker = try_start(|config| {
        config.shards = Shards::new(shards).unwrap();
        change(config);
    });
    let broker = broker.unwrap();
    let address = broker.addresses()[0];
    (broker, address)
}

/// The same where it may be that it does not start.
pub(crate) fn try_start(change: impl FnOnce(&mut BrokerConfig)) -> Result<Broker, StartError> {
    let mut config = BrokerConfig {
        listeners: BrokerConfig::loopback(0).into_iter().take(1).collect(),
        ..BrokerConfig::default()
    };
    config.core.sys_interval_ms = 0;
    change(&mut config);
    Broker::start(config)
}

/// Length-prefixed text.
fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

/// A packet: first byte, remaining length, the rest.
fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = rest.len();
    loop {
        let digit = u8::try_from(length % 128).unwrap();
        length /= 128;
        bytes.push(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(rest);
    bytes
}

pub(crate) fn connect_packet(client_id: &str, clean: bool) -> Vec<u8> {
    let head = [&text("MQTT")[..], &[4, u8::from(clean) << 1, 0, 60]].concat();
    packet(0x10, &[head, text(client_id)].concat())
}

/// CONNECT of a user, with clean session.
pub(crate) fn connect_with_user(client_id: &str, user: &str, password: Option<&[u8]>) -> Vec<u8> {
    let flags = if password.is_some() { 0b1100_0010 } else { 0b1000_0010 };
    let mut rest = [&text("MQTT")[..], &[4, flags, 0, 60], &text(client_id), &text(user)].concat();
    if let Some(password) = password {
        rest.extend(u16::try_from(password.len()).unwrap().to_be_bytes());
        rest.extend(password);
    }
    packet(0x10, &rest)
}

/// CONNECT with a will of QoS 0.
pub(crate) fn connect_with_will(client_id: &str, topic: &str, message: &str) -> Vec<u8> {
    let head = [&text("MQTT")[..], &[4, 0b110, 0, 60]].concat();
    packet(0x10, &[head, text(client_id), text(topic), text(message)].concat())
}

pub(crate) fn subscribe_packet(filter: &str, qos: u8) -> Vec<u8> {
    packet(0x82, &[&[0, 1][..], &text(filter), &[qos]].concat())
}

pub(crate) fn publish_packet(topic: &str, payload: &[u8]) -> Vec<u8> {
    packet(0x30, &[&text(topic)[..], payload].concat())
}

pub(crate) fn publish_qos1(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    packet(0x32, &[&text(topic)[..], &id.to_be_bytes(), payload].concat())
}

pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) fn raw(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) fn connect(address: SocketAddr, client_id: &str) -> Self {
        let mut client = Self::raw(address);
        client.send(&connect_packet(client_id, true));
        client.expect(&[0x20, 2, 0, 0]);
        client
    }

    pub(crate) fn subscribed(address: SocketAddr, client_id: &str, filter: &str, qos: u8) -> Self {
        let mut client = Self::connect(address, client_id);
        client.send(&subscribe_packet(filter, qos));
        client.expect(&[0x90, 3, 0, 1, qos]);
        client
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Reads exactly these bytes.
    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        self.0.read_exact(&mut got).unwrap();
        assert!(
            got == bytes,
            "{:02x?} instead of {:02x?}",
            &got[..got.len().min(40)],
            &bytes[..bytes.len().min(40)]
        );
    }

    /// Answers come, hence everything before was taken in.
    pub(crate) fn ping(&mut self) {
        self.send(&[0xC0, 0]);
        self.expect(&[0xD0, 0]);
    }

    /// Reads to the end, orderly or not, and returns what came before it.
    pub(crate) fn into_rest(mut self) -> Vec<u8> {
        let (mut got, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            match self.0.read(&mut piece) {
                Ok(0) => return got,
                Ok(count) => got.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return got,
                Err(error) => panic!("the broker did not close: {error}"),
            }
        }
    }
}
