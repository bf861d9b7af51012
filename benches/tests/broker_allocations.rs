//! The whole broker over loopback: in a steady state of QoS 0 it asks the allocator for nothing, neither core nor
//! event loop.
//!
//! A test of its own, with one test function: the counter is the whole process's, so the clients here must not
//! allocate either. They write and read buffers that were made before.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test speaks by panics")]

mod heap;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use burgee_broker::{Broker, BrokerConfig};

/// Longer than this, and something hangs.
const PATIENCE: Duration = Duration::from_secs(20);
const BATCH: usize = 16;
const WARM_UP: usize = 300;
const ROUNDS: usize = 300;
const TRIES: usize = 5;

/// Name, publishers, subscribers, and allocations for a thousand messages at most.
const SCENARIOS: [(&str, usize, usize, u64); 4] = [
    ("pair", 1, 1, 0),
    ("fan-out/100", 1, 100, 0),
    // The subscriber's buffer is larger than those that are kept: it is made anew for each turn.
    ("fan-in/50", 50, 1, 20),
    ("both/10x10", 10, 10, 0),
];

struct Client {
    stream: TcpStream,
    /// What it publishes in one go.
    out: Vec<u8>,
    /// As long as what it gets in one go.
    into: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr, id: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self {
            stream,
            out: Vec::new(),
            into: Vec::new(),
        };
        let mut connect = b"\x10\0\0\x04MQTT\x04\x02\0\x3c\0".to_vec();
        connect.push(u8::try_from(id.len()).unwrap());
        connect.extend_from_slice(id.as_bytes());
        connect[1] = u8::try_from(connect.len() - 2).unwrap();
        client.ask(&connect, b"\x20\x02\0\0");
        client
    }

    fn subscribe(&mut self, filter: &str, publish: &[u8], messages: usize) {
        let mut subscribe = b"\x82\0\0\x01\0".to_vec();
        subscribe.push(u8::try_from(filter.len()).unwrap());
        subscribe.extend_from_slice(filter.as_bytes());
        subscribe.push(0);
        subscribe[1] = u8::try_from(subscribe.len() - 2).unwrap();
        self.ask(&subscribe, b"\x90\x03\0\x01\0");
        self.into = vec![0; publish.len() * messages];
    }

    fn ask(&mut self, packet: &[u8], answer: &[u8]) {
        self.stream.write_all(packet).unwrap();
        let mut said = vec![0; answer.len()];
        self.stream.read_exact(&mut said).unwrap();
        assert_eq!(said, answer);
    }

    fn send(&mut self) {
        self.stream.write_all(&self.out).unwrap();
    }

    fn receive(&mut self) {
        self.stream.read_exact(&mut self.into).unwrap();
    }
}

fn publish(topic: &str) -> Vec<u8> {
    let mut packet = b"\x30\0\0".to_vec();
    packet.push(u8::try_from(topic.len()).unwrap());
    packet.extend_from_slice(topic.as_bytes());
    packet.extend_from_slice(&[0x42; 64]);
    packet[1] = u8::try_from(packet.len() - 2).unwrap();
    packet
}

/// So many publishers and subscribers of one topic.
fn crowd(address: SocketAddr, name: &str, publishers: usize, subscribers: usize) -> [Vec<Client>; 2] {
    let packet = publish(name);
    let publisher = |number| {
        let mut client = Client::connect(address, &format!("{name}-p{number}"));
        client.out = packet.repeat(BATCH);
        client
    };
    let subscriber = |number| {
        let mut client = Client::connect(address, &format!("{name}-s{number}"));
        client.subscribe(name, &packet, publishers * BATCH);
        client
    };
    let (publishers, subscribers) = (
        (0..publishers).map(publisher).collect(),
        (0..subscribers).map(subscriber).collect(),
    );
    [publishers, subscribers]
}

/// The first number that is good enough, or the least.
fn lowest(counted: impl Iterator<Item = u64>, enough: u64) -> u64 {
    let mut least = u64::MAX;
    for counted in counted {
        least = least.min(counted);
        if least <= enough {
            break;
        }
    }
    least
}

#[test]
fn nothing_is_allocated_for_messages_of_qos_0() {
    let mut config = BrokerConfig {
        listeners: BrokerConfig::loopback(0),
        ..BrokerConfig::default()
    };
    // Its messages are not the clients'.
    config.core.sys_interval_ms = 0;
    let broker = Broker::start(config).unwrap();
    let address = broker.addresses()[0];

    let mut wrong = Vec::new();
    for (name, publishers, subscribers, most) in SCENARIOS {
        let messages = u64::try_from(ROUNDS * publishers * subscribers * BATCH).unwrap();
        let [mut publishers, mut subscribers] = crowd(address, name, publishers, subscribers);
        let mut rounds = |count| {
            for _ in 0..count {
                publishers.iter_mut().for_each(Client::send);
                subscribers.iter_mut().for_each(Client::receive);
            }
        };
        rounds(WARM_UP);
        // How much comes together in one turn is the scheduler's choice. A buffer that has to grow for it grows once.
        let tries = (0..TRIES).map(|_| heap::allocations_while(&format!("broker/{name}"), || rounds(ROUNDS)));
        let counted = lowest(tries, most * messages / 1000);
        println!("{name:<20} {counted:>6} allocations, {messages} messages delivered");
        if counted > most * messages / 1000 {
            wrong.push(format!("{name}: {counted} allocations for {messages} messages"));
        }
    }
    assert!(broker.shutdown(PATIENCE));
    assert!(wrong.is_empty(), "{wrong:#?}");
}
