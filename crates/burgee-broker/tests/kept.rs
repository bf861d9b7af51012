//! A broker with a store in the process: what it keeps from one life to the next, who may have its directory, and copies.

#![allow(clippy::unwrap_used, reason = "a test speaks by panicking")]

mod support;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, thread};

use burgee_broker::{Asked, Broker, BrokerConfig, Durability, StartError, SyncPolicy, ask_for_backup};
use support::{Client, connect_packet, publish_packet, publish_qos1, start, subscribe_packet};

/// A directory that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "burgee-kept-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn kept(&self, name: &str) -> impl FnOnce(&mut BrokerConfig) + use<> {
        let durability = Durability::Kept {
            directory: self.0.join(name),
            sync: SyncPolicy::Sync,
        };
        |config| config.durability = durability
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn session(address: std::net::SocketAddr, id: &str, present: bool) -> Client {
    let mut client = Client::raw(address);
    client.send(&connect_packet(id, false));
    client.expect(&[0x20, 2, u8::from(present), 0]);
    client
}

fn subscribe(client: &mut Client, filter: &str) {
    client.send(&subscribe_packet(filter, 1));
    client.expect(&[0x90, 3, 0, 1, 1]);
}

#[test]
fn a_message_for_somebody_who_is_away_outlives_the_broker_whether_ended_or_dropped() {
    for shards in [1, 3] {
        for dropped in [false, true] {
            let folder = Folder::new();
            let (broker, address) = start(shards, folder.kept("data"));
            subscribe(&mut session(address, "away", false), "news");
            let mut publisher = Client::connect(address, "publisher");
            for id in 1..=3 {
                publisher.send(&publish_qos1("news", id, b"hello"));
                publisher.expect(&[0x40, 2, 0, u8::try_from(id).unwrap()]);
            }
            if dropped {
                drop(broker);
            } else {
                assert!(broker.shutdown(Duration::from_secs(5)));
            }
            let (broker, address) = start(4 - shards, folder.kept("data"));
            let mut back = session(address, "away", true);
            for id in 1..=3 {
                let mut packet = publish_qos1("news", id, b"hello");
                let mut got = vec![0; packet.len()];
                std::io::Read::read_exact(&mut back.0, &mut got).unwrap();
                // It may be said that it may have come before.
                packet[0] = got[0];
                assert!(got == packet && got[0] | 8 == 0x3A, "{got:02x?}");
                back.send(&[0x40, 2, 0, u8::try_from(id).unwrap()]);
            }
            back.ping();
            // What nobody waits for is not left behind by an orderly end.
            assert!(broker.shutdown(Duration::from_secs(5)));
            let (_broker, address) = start(shards, folder.kept("data"));
            session(address, "away", true).ping();
        }
    }
}

#[test]
fn a_directory_has_one_broker_at_a_time() {
    let folder = Folder::new();
    let (broker, address) = start(1, folder.kept("data"));
    let mut config = BrokerConfig {
        listeners: BrokerConfig::loopback(0),
        ..BrokerConfig::default()
    };
    folder.kept("data")(&mut config);
    let refused = Broker::start(config.clone()).unwrap_err();
    assert!(matches!(refused, StartError::Store(_)), "{refused:?}");
    session(address, "s", false).ping();
    assert!(broker.shutdown(Duration::from_secs(5)));
    assert!(Broker::start(config).unwrap().shutdown(Duration::from_secs(5)));
}

#[test]
fn a_message_of_qos_0_waits_for_no_disk_and_memory_has_no_directory() {
    let folder = Folder::new();
    let (_broker, address) = start(3, folder.kept("data"));
    let mut subscriber = Client::subscribed(address, "sub", "t", 0);
    let mut publisher = Client::connect(address, "pub");
    publisher.send(&publish_packet("t", b"x"));
    subscriber.expect(&publish_packet("t", b"x"));
    let (_broker, _) = start(1, |config| assert_eq!(config.durability, Durability::Memory));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_running_broker_writes_a_copy_that_another_can_start_on() {
    let folder = Folder::new();
    let (_broker, address) = start(3, folder.kept("data"));
    subscribe(&mut session(address, "away", false), "news");
    // Others go on meanwhile.
    let publisher = thread::spawn(move || {
        let mut publisher = Client::connect(address, "publisher");
        for id in 1..=500_u16 {
            let [high, low] = id.to_be_bytes();
            publisher.send(&publish_qos1("news", id, b"hello"));
            publisher.expect(&[0x40, 2, high, low]);
        }
    });
    let asked = ask_for_backup(&folder.0.join("data"), &folder.0.join("copy"));
    assert_eq!(asked, Asked::Done);
    publisher.join().unwrap();
    let again = ask_for_backup(&folder.0.join("data"), &folder.0.join("copy"));
    assert!(matches!(again, Asked::Failed(_)), "something is there: {again:?}");
    let (_other, address) = start(1, folder.kept("copy"));
    session(address, "away", true);
}
