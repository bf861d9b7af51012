//! WebSocket and the PROXY protocol over loopback, with and without TLS.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::decimal_bitwise_operands,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Instant;

use burgee_broker::{Anonymous, Broker, Listen, TransportCounters};
use rustls::version;
use support::certificates::{Authority, Place, listener};
use support::secure::{Secure, config};
use support::{Client, PATIENCE, connect_packet, connect_with_will, publish_packet, start, subscribe_packet};

fn until(broker: &Broker, what: impl Fn(&TransportCounters) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !what(&broker.transport_counters()) {
        assert!(Instant::now() < end, "{:?}", broker.transport_counters());
        thread::yield_now();
    }
}

/// A client of WebSocket over any stream.
struct Web<S> {
    stream: S,
    /// Payload of binary frames that was not looked at.
    data: Vec<u8>,
}

const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = [1, 2, 3, 4];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

impl<S: Read + Write> Web<S> {
    fn new(mut stream: S) -> Self {
        stream.write_all(REQUEST).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Self {
            stream,
            data: Vec::new(),
        }
    }

    fn connect(stream: S, client_id: &str) -> Self {
        let mut web = Self::new(stream);
        web.send(&connect_packet(client_id, true));
        web.expect(&[0x20, 2, 0, 0]);
        web
    }

    fn send(&mut self, bytes: &[u8]) {
        self.raw(&frame(0x82, bytes));
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    /// The next frame: its first byte and what it holds.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let length = match head[1] {
            126 => {
                let mut more = [0; 2];
                self.stream.read_exact(&mut more).unwrap();
                usize::from(u16::from_be_bytes(more))
            }
            127 => {
                let mut more = [0; 8];
                self.stream.read_exact(&mut more).unwrap();
                usize::try_from(u64::from_be_bytes(more)).unwrap()
            }
            short @ 0..126 => usize::from(short),
            masked => panic!("a server masks nothing: {masked}"),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).unwrap();
        (head[0], payload)
    }

    fn expect(&mut self, bytes: &[u8]) {
        while self.data.len() < bytes.len() {
            let (first, payload) = self.frame();
            assert_eq!(first, 0x82, "{payload:02x?}");
            self.data.extend(payload);
        }
        let rest = self.data.split_off(bytes.len());
        assert!(self.data == bytes, "{:02x?}", &self.data[..self.data.len().min(40)]);
        self.data = rest;
    }

    /// The next is a close frame of this code, and then the end.
    fn expect_close(mut self, code: u16) {
        assert_eq!(self.frame(), (0x88, code.to_be_bytes().to_vec()));
        assert_eq!(self.stream.read(&mut [0; 1]).unwrap(), 0);
    }
}

fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn with_web(shards: u16) -> (Broker, SocketAddr, SocketAddr) {
    let (broker, plain) = start(shards, |config| {
        config
            .listeners
            .push(Listen::new("ws://127.0.0.1:0/mqtt".parse().unwrap()));
    });
    let web = broker.addresses()[1];
    (broker, plain, web)
}

/// Packets over frames of all borders, and large ones back.
fn exchange<S: Read + Write + Send + 'static>(open: impl Fn() -> S, plain: SocketAddr) {
    let mut client = Web::connect(open(), "web");
    let mut other = Client::subscribed(plain, "other", "t", 0);
    // One frame with two packets and a half, one with the other half.
    let packets = [
        subscribe_packet("t", 0),
        publish_packet("t", b"one"),
        publish_packet("t", b"two"),
    ]
    .concat();
    let (first, second) = packets.split_at(packets.len() - 3);
    client.send(first);
    client.send(second);
    let expected = [
        &[0x90, 3, 0, 1, 0][..],
        &publish_packet("t", b"one"),
        &publish_packet("t", b"two"),
    ]
    .concat();
    client.expect(&expected);
    other.expect(&[publish_packet("t", b"one"), publish_packet("t", b"two")].concat());
    // In fragments of one byte, with a ping in between.
    let packet = publish_packet("t", b"bit by bit");
    for (at, byte) in packet.iter().enumerate() {
        let first = if at == 0 { 0x02 } else { 0x00 } | if at + 1 == packet.len() { 0x80 } else { 0 };
        client.raw(&frame(first, &[*byte]));
    }
    client.expect(&packet);
    other.expect(&packet);
    client.raw(&frame(0x89, b"there?"));
    assert_eq!(client.frame(), (0x8A, b"there?".to_vec()));
    let large = publish_packet("t", &(0..=250).cycle().take(3 << 20).collect::<Vec<u8>>());
    let sender = thread::spawn({
        let large = large.clone();
        move || {
            let mut sender = Client::connect(plain, "sender");
            sender.send(&large);
            sender.ping();
        }
    });
    client.expect(&large);
    other.expect(&large);
    sender.join().unwrap();
    let wait = thread::spawn(move || {
        client.send(&large);
        client
    });
    let large = publish_packet("t", &(0..=250).cycle().take(3 << 20).collect::<Vec<u8>>());
    let mut client = wait.join().unwrap();
    client.expect(&large);
    other.expect(&large);
    // We end.
    client.send(&[0xE0, 0]);
    client.expect_close(1000);
}

#[test]
fn frames_and_packets_need_not_align() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    for shards in [1, 3] {
        let (broker, plain) = start(shards, |config| {
            config
                .listeners
                .push(Listen::new("ws://127.0.0.1:0/mqtt".parse().unwrap()));
            let mut wss = listener("wss", place.settings(&authority));
            wss.url = "wss://127.0.0.1:0/mqtt".parse().unwrap();
            config.listeners.push(wss);
        });
        let (web, secure) = (broker.addresses()[1], broker.addresses()[2]);
        exchange(|| tcp(web), plain);
        let config = config(&authority, &version::TLS13, None);
        exchange(|| Secure::new(secure, &config).0, plain);
        until(&broker, |now| now.handshakes == 0);
        assert!(broker.shutdown(PATIENCE));
    }
}

#[test]
fn a_frame_that_breaks_a_rule_is_answered_and_the_will_is_published() {
    let (_broker, plain, web) = with_web(1);
    let mut watcher = Client::subscribed(plain, "w", "will", 0);
    for (bad, code) in [
        (frame(0x81, b"text"), 1003),
        (vec![0x82, 2, 0xC0, 0], 1002),
        (frame(0x88, &1001_u16.to_be_bytes()), 1001),
    ] {
        let mut client = Web::new(tcp(web));
        client.send(&connect_with_will("c", "will", "gone"));
        client.expect(&[0x20, 2, 0, 0]);
        client.raw(&bad);
        watcher.expect(&publish_packet("will", b"gone"));
        client.expect_close(code);
    }
}

#[test]
fn a_request_that_is_refused_gets_its_answer_whole() {
    let (broker, plain, web) = with_web(1);
    for (request, status) in [
        (&b"GET /other HTTP/1.1\r\nHost: h\r\n\r\n"[..], "404 Not Found"),
        (
            b"POST /mqtt HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
            "405 Method Not Allowed",
        ),
        (&connect_packet("c", true), "400 Bad Request"),
        (
            &[&b"GET /mqtt HTTP/1.1\r\nX: "[..], &vec![b'x'; 100_000]].concat(),
            "431 ",
        ),
    ] {
        let mut stream = tcp(web);
        // It may be closed while we still write.
        drop(stream.write_all(request));
        let answer = Client(stream).into_rest();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    until(&broker, |now| {
        now.open == 0 && now.handshakes == 0 && now.failed_handshakes == 4
    });
    Client::connect(plain, "c").ping();
}

fn with_proxy(max_per_address: u32, networks: &[&str]) -> (Broker, SocketAddr) {
    let (broker, _) = start(3, |config| {
        let mut proxied = Listen::new("tcp://127.0.0.1:0".parse().unwrap());
        proxied.proxy = networks.iter().map(|network| network.parse().unwrap()).collect();
        // Whoever it speaks for need not be here.
        proxied.anonymous = Anonymous::Allowed;
        config.listeners.push(proxied);
        config.accept.max_per_address = max_per_address;
        config.accept.handshake_timeout_ms = 1000;
    });
    let address = broker.addresses()[1];
    (broker, address)
}

#[test]
fn behind_a_proxy_the_address_that_it_says_is_the_one_that_counts() {
    let (broker, address) = with_proxy(2, &["10.0.0.0/8", "127.0.0.0/8"]);
    let via = |from: &str| {
        let mut client = Client::raw(address);
        let header = format!("PROXY TCP4 {from} 198.51.100.1 50000 1883\r\n");
        client.send(&[header.as_bytes(), &connect_packet(from, true)].concat());
        client
    };
    // Two at a time of one address, and a third is closed; another address is not touched.
    let stay: Vec<_> = (0..2)
        .map(|at| {
            let mut client = Client::raw(address);
            client.send(b"PROXY TCP4 192.0.2.9 198.51.100.1 50000 1883\r\n");
            client.send(&connect_packet(&format!("stay{at}"), true));
            client.expect(&[0x20, 2, 0, 0]);
            client
        })
        .collect();
    assert_eq!(via("192.0.2.9").into_rest(), b"");
    until(&broker, |now| now.refused_address == 1 && now.open == 2);
    via("192.0.2.10").expect(&[0x20, 2, 0, 0]);
    drop(stay);
    until(&broker, |now| now.open == 0);
}

#[test]
fn a_proxy_that_says_nothing_or_nonsense_is_closed_and_health_checks_are_not() {
    let (broker, address) = with_proxy(u32::MAX, &["127.0.0.1/32"]);
    for bad in [&connect_packet("c", true)[..], b"PROXY TCP4 nonsense\r\n"] {
        let mut client = Client::raw(address);
        client.send(bad);
        assert_eq!(client.into_rest(), b"");
    }
    // Half a header, and then silence.
    let mut client = Client::raw(address);
    client.send(b"PROXY TC");
    assert_eq!(client.into_rest(), b"");
    until(&broker, |now| now.failed_handshakes == 3 && now.open == 0);
    for health in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut client = Client::raw(address);
        client.send(health);
        client.send(&connect_packet("health", true));
        client.expect(&[0x20, 2, 0, 0]);
        client.ping();
    }
    // One that goes as soon as it is let in.
    let mut client = Client::raw(address);
    client.send(b"PROXY UNKNOWN\r\n");
    drop(client);
    until(&broker, |now| now.open == 0 && now.handshakes == 0);
    // While somebody has not said who it is, the broker ends without waiting for that.
    let _silent = Client::raw(address);
    until(&broker, |now| now.handshakes == 1);
    let begun = Instant::now();
    assert!(broker.shutdown(PATIENCE));
    assert!(begun.elapsed() < PATIENCE / 2);
}

#[test]
fn who_is_no_trusted_proxy_speaks_mqtt_at_once() {
    let (_broker, address) = with_proxy(u32::MAX, &["10.0.0.0/8"]);
    Client::connect(address, "direct").ping();
    let mut liar = Client::raw(address);
    liar.send(b"PROXY TCP4 192.0.2.1 198.51.100.1 50000 1883\r\n");
    assert_eq!(liar.into_rest(), b"");
}
