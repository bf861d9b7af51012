//! What a message may not touch: with several shards, the way of a message takes no lock and writes nothing that
//! another shard reads or writes. Shown by counting both.

#![allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]

mod world;

use burgee_core::Config;
use burgee_router::counting::{Touches, touches};
use world::{Client, World, connect, publish, subscribe};

const CLEAN: u8 = 2;

/// A client that the shard wanted is at home on.
fn client_on(world: &mut World, shard: usize, kind: &str) -> Client {
    for number in 0..64 {
        let client = world.open(0);
        world.send(client, &connect(&format!("{kind}{number}"), CLEAN));
        if world.shard_of(client) == shard {
            world.recv(client);
            return client;
        }
    }
    unreachable!("half of all identifiers belong to each of two shards");
}

/// One message and everything that its quality asks for, at both ends.
fn exchange(world: &mut World, [from, to]: [Client; 2], qos: u8, id: u8) {
    world.send(from, &publish(0x30 | qos << 1, "house/room", id, b"21 degrees"));
    let received = world.recv(to);
    assert_eq!(received.first(), Some(&(0x30 | qos << 1)), "it arrived");
    // The identifier stands behind the topic.
    let [high, low] = [received.get(14), received.get(15)].map(|byte| *byte.unwrap());
    match qos {
        1 => world.send(to, &[0x40, 2, high, low]),
        2 => {
            world.send(to, &[0x50, 2, high, low]);
            assert_eq!(world.recv(to), [0x62, 2, high, low]);
            world.send(to, &[0x70, 2, high, low]);
            assert_eq!(world.recv(from), [0x50, 2, 0, id]);
            world.send(from, &[0x62, 2, 0, id]);
            assert_eq!(world.recv(from), [0x70, 2, 0, id]);
        }
        _ => {}
    }
    world.recv(from);
}

/// Locks taken and values written for a hundred messages of each quality, one by one.
fn traffic(world: &mut World, ends: [Client; 2]) -> Touches {
    let before = touches();
    for id in 1..=100 {
        for qos in 0..3 {
            exchange(world, ends, qos, id);
        }
    }
    let after = touches();
    Touches {
        locks: after.locks - before.locks,
        writes: after.writes - before.writes,
    }
}

#[test]
fn a_message_takes_no_lock_and_writes_nothing_shared() {
    let mut world = World::new(Config {
        shards: 2,
        sys_interval_ms: 0,
        ..Config::default()
    });
    let publisher = client_on(&mut world, 1, "publisher");
    let subscriber = client_on(&mut world, 1, "subscriber");
    world.send(subscriber, &subscribe("house/+", 2));
    world.recv(subscriber);
    let ends = [publisher, subscriber];
    // The first message looks the topic up.
    exchange(&mut world, ends, 0, 1);
    assert_eq!(traffic(&mut world, ends), Touches::default());

    // Somebody subscribes in that corner: that counts, and the next message looks the topic up again, once.
    let other = client_on(&mut world, 0, "other");
    let before = touches();
    world.send(other, &subscribe("house/garden", 0));
    assert!(touches().locks > before.locks && touches().writes > before.writes);
    let again = traffic(&mut world, ends);
    assert_eq!(again, Touches { locks: 2, writes: 0 });
    assert_eq!(traffic(&mut world, ends), Touches::default());

    // A retained message changes what all shards read.
    let before = touches();
    world.send(publisher, &publish(0x31, "house/room", 0, b"21 degrees"));
    assert!(touches().locks > before.locks);
    world.recv(subscriber);
    assert_eq!(
        traffic(&mut world, ends),
        Touches::default(),
        "others have nothing to do with it"
    );
}

#[test]
fn publishers_of_several_shards_share_a_long_list_of_subscribers_without_touching_it() {
    let mut world = World::new(Config {
        shards: 2,
        sys_interval_ms: 0,
        ..Config::default()
    });
    let publishers = [0, 1].map(|shard| client_on(&mut world, shard, "publisher"));
    let subscribers: Vec<_> = (0..600)
        .map(|number| {
            let client = world.open(0);
            world.send(client, &connect(&format!("subscriber{number}"), CLEAN));
            world.send(client, &subscribe("to/all", 0));
            world.recv(client);
            client
        })
        .collect();
    let mut publish_all = || {
        let before = touches();
        for _ in 0..10 {
            for publisher in publishers {
                world.send(publisher, &publish(0x30, "to/all", 0, b"good morning"));
            }
        }
        for subscriber in &subscribers {
            assert_eq!(world.recv(*subscriber).len(), 20 * 22);
        }
        (touches().locks - before.locks, touches().writes - before.writes)
    };
    // Each looks it up once: two locks, and one for the list that both hold then.
    assert_eq!(publish_all(), (6, 0));
    assert_eq!(publish_all(), (0, 0));
}
