//! What many connections together may hold of CONNECTs that never become whole.

#![allow(clippy::unwrap_used, reason = "a test speaks by panicking")]

mod support;

use std::io::{Read, Write};
use std::time::Instant;

use support::{Client, PATIENCE, connect_packet, start};

/// Of a CONNECT that declares 300,000 bytes.
const PART: usize = 200_000;
const BUDGET: usize = 2 * 1024 * 1024;
/// What one turn of each shard may bring on top of it, and what the memory of a tail is rounded up by.
const SLACK: usize = 2 * 1024 * 1024;

/// CONNECT, remaining length 300,000, and the beginning of a client identifier that will never end.
fn part() -> Vec<u8> {
    let mut bytes = vec![0x10, 0xE0, 0xA7, 0x12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60];
    bytes.resize(PART, b'x');
    bytes
}

#[test]
fn unfinished_connects_share_one_budget_and_the_greatest_pays() {
    for shards in [1, 3] {
        let (broker, address) = start(shards, |config| config.accept.unfinished_bytes = BUDGET);
        let part = part();
        let (mut small, whole) = (Client::raw(address), connect_packet("patient", true));
        small.send(&whole[..5]);
        let flood: Vec<_> = (0..40)
            .map(|_| {
                let mut client = Client::raw(address);
                // It may be closed meanwhile.
                drop(client.0.write_all(&part));
                client
            })
            .collect();
        let end = Instant::now() + PATIENCE;
        loop {
            let now = broker.transport_counters();
            assert!(now.unfinished_bytes <= BUDGET + SLACK, "{now:?}");
            // Of 40, ten or fewer fit.
            if now.closed_unfinished >= 29 {
                break;
            }
            assert!(Instant::now() < end, "{now:?}");
            std::thread::yield_now();
        }
        // Who holds little is not the one that goes, and others come in meanwhile.
        small.send(&whole[5..]);
        small.expect(&[0x20, 2, 0, 0]);
        drop(Client::connect(address, "another"));
        drop(flood);
        let end = Instant::now() + PATIENCE;
        while broker.transport_counters().unfinished_bytes > 0 {
            assert!(Instant::now() < end, "{:?}", broker.transport_counters());
            std::thread::yield_now();
        }
    }
}

#[test]
fn what_is_counted_around_the_shards_is_said_in_sys() {
    let (_broker, address) = start(2, |config| config.core.sys_interval_ms = 50);
    let topic = "$SYS/broker/burgee/connections/closed_unfinished";
    let mut client = Client::subscribed(address, "watcher", topic, 0);
    let text = [&[0, u8::try_from(topic.len()).unwrap()][..], topic.as_bytes(), b"0"].concat();
    let mut head = [0; 2];
    client.0.read_exact(&mut head).unwrap();
    client.expect(&text);
}
