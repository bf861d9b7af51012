//! Floods below MQTT: records of TLS, key updates, headers that announce much. Each costs bounded memory, and others are
//! served meanwhile. Alone in its process, because it looks at the memory of that.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use burgee_broker::{Anonymous, Broker, Listen};
use rustls::{ClientConfig, version};
use support::certificates::{Authority, Place, listener};
use support::secure::{Secure, config};
use support::{Client, PATIENCE, start};

/// Resident memory may grow by so much in a flood: an outbox at its limit, what is read in a turn, and the allocator's share.
const ROOM: usize = 24 * 1024 * 1024;

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Writes this again and again until the broker has closed, takes no more for a second, or it was so often.
fn flood(stream: &mut impl Write, times: usize, mut piece: impl FnMut(usize) -> Vec<u8>) -> bool {
    for at in 0..times {
        match stream.write_all(&piece(at)).and_then(|()| stream.flush()) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return false,
            Err(_) => return true,
        }
    }
    false
}

fn raw(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    stream
}

/// The broker closes: nothing comes any more but an alert.
fn ends(mut stream: TcpStream) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!(rest.len() < 100, "{rest:?}");
}

fn until_failed(broker: &Broker, count: u64) {
    let end = Instant::now() + PATIENCE;
    while broker.transport_counters().failed_handshakes < count {
        assert!(Instant::now() < end, "{:?}", broker.transport_counters());
        std::thread::yield_now();
    }
}

/// Floods before TLS is there.
fn before_tls(secure: SocketAddr) {
    // A ClientHello of 60,000 bytes in records of one byte each.
    let mut tiny = raw(secure);
    tiny.write_all(&[0x16, 3, 1, 0, 4, 1, 0, 0xEA, 0x60]).unwrap();
    flood(&mut tiny, 60_000, |_| vec![0x16, 3, 1, 0, 1, 7]);
    ends(tiny);
    // Records that mean nothing, without end.
    let mut nothing = raw(secure);
    flood(&mut nothing, 100_000, |_| [0x14, 3, 3, 0, 1, 1].repeat(10));
    ends(nothing);
    // A record as long as can be announced.
    let mut long = raw(secure);
    flood(&mut long, 64, |at| {
        if at == 0 {
            vec![0x16, 3, 1, 0xFF, 0xFF]
        } else {
            vec![1; 1024]
        }
    });
    ends(long);
}

/// PROXY headers that announce more than any has, or have no end.
fn headers(proxied: SocketAddr) {
    let mut header = raw(proxied);
    flood(&mut header, 65_535, |at| {
        if at == 0 {
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec()
        } else {
            vec![0]
        }
    });
    ends(header);
    let mut line = raw(proxied);
    flood(&mut line, 10_000, |at| {
        if at == 0 { b"PROXY TCP4 ".to_vec() } else { vec![b' '] }
    });
    ends(line);
}

/// New keys with every packet, and the answers are never read.
fn new_keys(secure: SocketAddr, config: &Arc<ClientConfig>) {
    let mut client = Secure::connect(secure, config, "keys");
    client.0.sock.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    for _ in 0..20_000 {
        client.0.conn.refresh_traffic_keys().unwrap();
        if client.0.write_all(&[0xC0, 0]).and_then(|()| client.0.flush()).is_err() {
            break;
        }
    }
    // Nothing but new keys is no conversation.
    let mut client = Secure::connect(secure, config, "only-keys");
    let closed = (0..1000).any(|_| {
        client.0.conn.refresh_traffic_keys().unwrap();
        client.0.flush().is_err()
    });
    let over = |read: std::io::Result<usize>| read.map_or(true, |count| count == 0);
    assert!(closed || over(client.0.read(&mut [0; 1])), "it goes on");
}

#[test]
fn floods_below_mqtt_cost_bounded_memory_and_others_are_served() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let (broker, plain) = start(1, |settings| {
        settings.listeners.push(listener("mqtts", place.settings(&authority)));
        settings.listeners.push(Listen {
            proxy: vec!["127.0.0.0/8".parse().unwrap()],
            anonymous: Anonymous::Allowed,
            ..Listen::new("tcp://127.0.0.1:0".parse().unwrap())
        });
    });
    let (secure, proxied) = (broker.addresses()[1], broker.addresses()[2]);
    let mut other = Client::connect(plain, "other");
    let before = resident();
    let mut check = |what: &str| {
        other.ping();
        let grown = resident().saturating_sub(before);
        assert!(grown < ROOM, "{what}: {grown} bytes");
    };
    before_tls(secure);
    check("records before TLS");
    until_failed(&broker, 3);
    headers(proxied);
    check("PROXY headers");
    until_failed(&broker, 5);
    let config = config(&authority, &version::TLS13, None);
    // Packets in records of one byte each: they are served, if dearly, and nothing is kept of them.
    let mut client = Secure::connect(secure, &config, "tiny");
    flood(&mut client.0, 20_000, |at| vec![[0xC0, 0][at % 2]]);
    check("packets in tiny records");
    new_keys(secure, &config);
    check("new keys");
}
