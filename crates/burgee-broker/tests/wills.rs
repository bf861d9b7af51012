//! Wills when the broker is ended in order: each reaches everybody who is owed it once, now or after the next start.
//!
//! What must hold: nothing is concluded from silence. A PINGRESP waits for no store and may come before bodies that are
//! read back from it; so whoever wants to know that no more comes waits for a message that was published last.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

mod support;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;

use burgee_broker::{Broker, BrokerConfig, Durability, SyncPolicy};
use support::{Client, PATIENCE, connect_packet, connect_with_will, publish_qos1, start, subscribe_packet};

/// Clients with a will: a third each with QoS 0, 1 and 2, half of them with persistent sessions.
const LEAVERS: u8 = 12;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("burgee-wills-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn start(&self, shards: u16) -> (Broker, SocketAddr) {
        let durability = Durability::Kept {
            directory: self.0.join("data"),
            sync: SyncPolicy::Sync,
        };
        start(shards, |config: &mut BrokerConfig| config.durability = durability)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn field(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// The `nth` client with a will: its session, and its will's QoS.
fn nature(nth: u8) -> (bool, u8) {
    (nth.is_multiple_of(2), nth % 3)
}

/// Connects it.
fn leaver(address: SocketAddr, nth: u8) -> Client {
    let (clean, qos) = nature(nth);
    let flags = 0b100 | u8::from(clean) << 1 | qos << 3;
    let rest = [
        field(b"MQTT"),
        vec![4, flags, 0, 60],
        field(format!("leaver-{nth}").as_bytes()),
        field(format!("wills/{nth}").as_bytes()),
        field(&[nth]),
    ];
    let rest = rest.concat();
    let mut client = Client::raw(address);
    client.send(&[&[0x10, u8::try_from(rest.len()).unwrap()][..], &rest].concat());
    client.expect(&[0x20, 2, 0, 0]);
    client
}

/// A persistent session that wants all wills.
fn heir(address: SocketAddr, client_id: &str, present: bool) -> Client {
    let mut client = Client::raw(address);
    client.send(&connect_packet(client_id, false));
    client.expect(&[0x20, 2, u8::from(present), 0]);
    client
}

/// The next packet: first byte, and what is behind the length. None: the connection is over.
fn packet(client: &mut Client) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    client.0.read_exact(&mut head).ok()?;
    assert!(head[1] < 128, "all packets here are short");
    let mut rest = vec![0; usize::from(head[1])];
    client.0.read_exact(&mut rest).unwrap();
    Some((head[0], rest))
}

/// What somebody got: by payload, how often and with which QoS.
#[derive(Debug, Default, Eq, PartialEq)]
struct Got(BTreeMap<u8, Vec<u8>>);

impl Got {
    /// Reads until this payload came, or until the end, and acknowledges nothing or all.
    fn read(client: &mut Client, last: Option<u8>, acknowledges: bool) -> Self {
        let mut got = Self::default();
        while let Some((first, rest)) = packet(client) {
            match first >> 4 {
                3 => {
                    let topic = 2 + usize::from(rest[1]);
                    let qos = first >> 1 & 3;
                    let payload = *rest.last().unwrap();
                    got.0.entry(payload).or_default().push(qos);
                    if qos > 0 && acknowledges {
                        let ack = if qos == 1 { 0x40 } else { 0x50 };
                        client.send(&[ack, 2, rest[topic], rest[topic + 1]]);
                    }
                    if last == Some(payload) {
                        return got;
                    }
                }
                6 if acknowledges => client.send(&[0x70, 2, rest[0], rest[1]]),
                6 => {}
                _ => panic!("{first:#x} {rest:02x?}"),
            }
        }
        assert_eq!(last, None, "the connection ended, and {got:?} had come");
        got
    }

    /// All that leave a will of at least this QoS leave it once, and as it was.
    fn wills(least: u8) -> Self {
        let wills = (0..LEAVERS).map(|nth| (nth, vec![nature(nth).1]));
        Self(wills.filter(|(_, qos)| qos[0] >= least).collect())
    }
}

/// What this session is still owed: it comes before something that is published now.
fn rest(address: SocketAddr, client_id: &str, mark: u8) -> Got {
    let mut client = heir(address, client_id, true);
    let mut publisher = Client::connect(address, "publisher");
    publisher.send(&publish_qos1("wills/mark", 1, &[mark]));
    publisher.expect(&[0x40, 2, 0, 1]);
    let mut got = Got::read(&mut client, Some(mark), true);
    // The marks of others were for it, too.
    got.0.retain(|payload, _| *payload < LEAVERS);
    // What was acknowledged is taken in.
    client.send(&[0xC0, 0]);
    while packet(&mut client).unwrap().0 != 0xD0 {}
    got
}

#[test]
fn at_an_orderly_end_each_will_reaches_everybody_once_now_or_after_the_next_start() {
    for (shards, then) in [(1, 1), (3, 3), (1, 3), (3, 1)] {
        let folder = Folder::new(&format!("{shards}-{then}"));
        let (broker, address) = folder.start(shards);
        for name in ["away", "deaf", "here"] {
            let mut client = heir(address, name, false);
            client.send(&subscribe_packet("wills/#", 2));
            client.expect(&[0x90, 3, 0, 1, 2]);
        }
        // One acknowledges at once, one not at all.
        let (mut here, mut deaf) = (heir(address, "here", true), heir(address, "deaf", true));
        let _leavers: Vec<_> = (0..LEAVERS).map(|nth| leaver(address, nth)).collect();
        let end = std::thread::spawn(move || broker.shutdown(PATIENCE));
        let got = Got::read(&mut here, None, true);
        assert_eq!(got, Got::wills(0), "{shards} shards");
        assert_eq!(Got::read(&mut deaf, None, false), Got::wills(0), "{shards} shards");
        assert!(end.join().unwrap());

        let (broker, address) = folder.start(then);
        assert_eq!(
            rest(address, "away", 200),
            Got::wills(1),
            "{shards} shards, then {then}"
        );
        // It has not said that it had them.
        assert_eq!(
            rest(address, "deaf", 201),
            Got::wills(1),
            "{shards} shards, then {then}"
        );
        assert!(broker.shutdown(PATIENCE));

        let (_broker, address) = folder.start(shards);
        for (mark, name) in [(202, "away"), (203, "deaf")] {
            assert_eq!(rest(address, name, mark), Got::default(), "{name}");
        }
    }
}

#[test]
fn at_an_orderly_end_wills_of_all_shards_come_before_any_client_is_closed() {
    for round in 0..8 {
        let (broker, address) = start(3, |_| {});
        let name = |nth: u32| format!("client-{round}-{nth}");
        let readers: Vec<_> = (0..12)
            .map(|nth| Client::subscribed(address, &name(nth), "wills/#", 0))
            .collect();
        let leavers: Vec<_> = (100..200)
            .map(|nth| {
                let mut client = Client::raw(address);
                client.send(&connect_with_will(&name(nth), "wills/x", "gone"));
                client.expect(&[0x20, 2, 0, 0]);
                client
            })
            .collect();
        assert!(broker.shutdown(PATIENCE));
        for reader in readers {
            let rest = reader.into_rest();
            let came = rest.windows(4).filter(|part| part == b"gone").count();
            assert_eq!(came, leavers.len());
        }
    }
}
