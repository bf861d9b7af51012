//! The floor as a process: it answers each QoS, forwards to the right subscribers, and shares large payloads whole.

#![expect(clippy::unwrap_used, reason = "a panic is how a test speaks")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Floor {
    child: Child,
    address: String,
}

impl Floor {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_burgee-floor"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("listening on tcp://").unwrap().to_owned();
        Self { child, address }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut client = Client(stream);
        client.send(&[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 1, b'c']);
        client.expect(&[0x20, 2, 0, 0]);
        client
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

struct Client(TcpStream);

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn expect(&mut self, expected: &[u8]) {
        let mut got = vec![0; expected.len()];
        self.0.read_exact(&mut got).unwrap();
        assert!(got == expected, "{:02x?}...", got.iter().take(40).collect::<Vec<_>>());
    }

    fn subscribe(&mut self, filter: &str, qos: u8) {
        let length = u8::try_from(filter.len()).unwrap();
        self.send(&[&[0x82, length + 5, 0, 1, 0, length], filter.as_bytes(), &[qos]].concat());
        self.expect(&[0x90, 3, 0, 1, qos]);
    }

    fn ping(&mut self) {
        self.send(&[0xC0, 0]);
        self.expect(&[0xD0, 0]);
    }
}

/// A PUBLISH to the topic `t`.
fn publish(qos: u8, id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut length = 3 + payload.len() + if id.is_some() { 2 } else { 0 };
    let mut packet = vec![0x30 | (qos << 1)];
    while length > 127 {
        packet.push(u8::try_from(length % 128).unwrap() | 0x80);
        length /= 128;
    }
    packet.push(u8::try_from(length).unwrap());
    packet.extend_from_slice(&[0, 1, b't']);
    packet.extend(id.into_iter().flat_map(u16::to_be_bytes));
    packet.extend_from_slice(payload);
    packet
}

#[test]
fn each_qos_is_answered_and_forwarded_at_the_lower_of_two() {
    let floor = Floor::start();
    let mut subscribers = [0, 1, 2].map(|qos| {
        let mut client = floor.connect();
        client.subscribe("t", qos);
        client
    });
    let mut publisher = floor.connect();
    publisher.send(&publish(0, None, b"zero"));
    publisher.send(&publish(1, Some(7), b"one"));
    publisher.expect(&[0x40, 2, 0, 7]);
    publisher.send(&publish(2, Some(8), b"two"));
    publisher.expect(&[0x50, 2, 0, 8]);
    publisher.send(&[0x62, 2, 0, 8]);
    publisher.expect(&[0x70, 2, 0, 8]);
    for (subscriber, most) in subscribers.iter_mut().zip(0_u8..) {
        subscriber.expect(&publish(0, None, b"zero"));
        let (one, two) = (most.min(1), most.min(2));
        subscriber.expect(&publish(one, (one > 0).then_some(1), b"one"));
        subscriber.expect(&publish(two, (two > 0).then_some(2), b"two"));
        if two == 2 {
            subscriber.send(&[0x50, 2, 0, 2]);
            subscriber.expect(&[0x62, 2, 0, 2]);
            subscriber.send(&[0x70, 2, 0, 2]);
        }
        subscriber.ping();
    }
}

#[test]
fn large_payloads_reach_all_subscribers_whole() {
    let floor = Floor::start();
    let mut subscribers = [0, 1, 0].map(|qos| {
        let mut client = floor.connect();
        client.subscribe("t", qos);
        client
    });
    let mut publisher = floor.connect();
    for size in [1023, 1024, 16_000, 70_000, 1 << 20, 3 << 20] {
        let payload: Vec<u8> = (0..size).map(|n: u32| u8::try_from(n % 251).unwrap()).collect();
        let packets = [
            publish(1, Some(9), &payload),
            publish(0, None, b"between"),
            publish(0, None, &payload),
        ];
        // The reader's turn comes last: it must not be waited for.
        let sender = std::thread::scope(|scope| {
            let sender = scope.spawn(|| packets.iter().for_each(|packet| publisher.send(packet)));
            for (n, subscriber) in subscribers.iter_mut().enumerate() {
                if n == 1 {
                    let mut head = publish(1, Some(9), &payload);
                    let mut id = [0; 2];
                    let at = head.len() - payload.len() - 2;
                    let mut before = vec![0; at];
                    subscriber.0.read_exact(&mut before).unwrap();
                    subscriber.0.read_exact(&mut id).unwrap();
                    assert_eq!(before, head.drain(..at).collect::<Vec<_>>());
                    subscriber.expect(&payload);
                } else {
                    subscriber.expect(&publish(0, None, &payload));
                }
                subscriber.expect(&publish(0, None, b"between"));
                subscriber.expect(&publish(0, None, &payload));
            }
            sender.join()
        });
        sender.unwrap();
        publisher.expect(&[0x40, 2, 0, 9]);
    }
}

#[test]
fn who_unsubscribes_or_leaves_gets_nothing_more() {
    let floor = Floor::start();
    let (mut stays, mut turns_away, mut leaves) = (floor.connect(), floor.connect(), floor.connect());
    for client in [&mut stays, &mut turns_away, &mut leaves] {
        client.subscribe("t", 0);
    }
    turns_away.send(&[0xA2, 5, 0, 3, 0, 1, b't']);
    turns_away.expect(&[0xB0, 2, 0, 3]);
    leaves.send(&[0xE0, 0]);
    assert_eq!(leaves.0.read(&mut [0; 1]).unwrap(), 0);
    // The place of the one who left is given to another, who must not inherit its subscription.
    let mut heir = floor.connect();
    // A byte at a time: no packet comes whole.
    for byte in publish(0, None, b"hello") {
        stays.send(&[byte]);
    }
    stays.expect(&publish(0, None, b"hello"));
    for client in [&mut turns_away, &mut heir] {
        client.ping();
    }
}
