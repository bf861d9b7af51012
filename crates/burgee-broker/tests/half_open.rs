//! The memory of a process that many connect to and nobody finishes a handshake with. Alone in its process.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use support::certificates::{Authority, Place, listener};
use support::{PATIENCE, start};

/// Connections; each is one open file here and one in the broker, which is in the same process.
const MANY: usize = 300;
/// What each may cost: the 32 KiB that are kept of what it sends, and what rustls needs to begin.
const EACH: usize = 40 * 1024;

/// Resident memory in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn a_flood_of_half_open_handshakes_costs_bounded_memory_and_ends() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let (broker, _) = start(1, |config| {
        config.listeners.push(listener("mqtts", place.settings(&authority)));
        config.accept.max_handshakes = MANY;
        config.accept.handshakes_per_address = MANY;
        config.accept.handshake_timeout_ms = 4_000;
    });
    let secure = broker.addresses()[1];
    let until = |what: &dyn Fn() -> bool| {
        let end = Instant::now() + PATIENCE;
        while !what() {
            assert!(Instant::now() < end, "{:?}", broker.transport_counters());
            thread::yield_now();
        }
    };
    // A ClientHello that is announced with 60,000 bytes, in records: one and a half of them come.
    let mut flight = vec![0x16, 3, 1, 0x40, 0, 1, 0, 0xEA, 0x60];
    flight.resize(5 + 0x4000, 0);
    flight.extend_from_slice(&[0x16, 3, 1, 0x40, 0]);
    flight.resize(31 * 1024, 0);
    let before = resident();
    let flood: Vec<_> = (0..MANY)
        .map(|_| {
            let mut client = TcpStream::connect(secure).unwrap();
            client.write_all(&flight).unwrap();
            client
        })
        .collect();
    until(&|| broker.transport_counters().handshakes == MANY);
    // All that was sent is with the broker by then; until their time is up nothing else happens.
    until(&|| {
        broker.transport_counters().handshakes < MANY || {
            let now = resident().saturating_sub(before);
            assert!(now < MANY * EACH, "{} bytes for each", now / MANY);
            false
        }
    });
    let most = resident().saturating_sub(before);
    assert!(
        most < MANY * EACH && most > MANY * 16 * 1024,
        "{} bytes for each",
        most / MANY
    );
    // They are all gone, and nobody else was harmed.
    until(&|| broker.transport_counters().open == 0);
    drop(flood);
    assert_eq!(broker.transport_counters().failed_handshakes, MANY as u64);
}
