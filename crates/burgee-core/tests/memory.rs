//! The memory limit: who pays when it is near, who does not, and that it holds.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

mod world;

use burgee_core::Config;
use burgee_core::io::End;
use burgee_store::{Op, Store};
use world::{Client, World, connect, publish, subscribe};

const CLEAN: u8 = 2;
const LIMIT: usize = 1 << 20;

fn limited(shards: u16) -> World {
    World::new(Config {
        shards,
        durable: true,
        memory_limit: LIMIT,
        ..Config::default()
    })
}

fn reader(world: &mut World, name: &str, flags: u8, qos: u8) -> Client {
    let client = world.open(0);
    world.send(client, &connect(name, flags));
    world.send(client, &subscribe("x", qos));
    assert_eq!(world.recv(client)[4], 0x90);
    client
}

/// Publishes `count` kibibytes at this QoS, and reads what readers get.
fn flood(world: &mut World, publisher: Client, (qos, count): (u8, u16), readers: &[Client]) -> Vec<usize> {
    let mut got = vec![0; readers.len()];
    for number in 0..count {
        let id = u8::try_from(number % 100 + 1).unwrap();
        world.send(publisher, &publish(0x30 | qos << 1, "x", id, &[7; 1000]));
        world.recv(publisher);
        for (got, reader) in got.iter_mut().zip(readers) {
            let mut bytes = world.recv(*reader).into_iter();
            while let Some(first) = bytes.next() {
                assert_eq!(first >> 4, 3);
                *got += 1;
                let rest: Vec<u8> = bytes.by_ref().take(1005 + usize::from(qos > 0) * 2).collect();
                if qos == 1 {
                    world.send(*reader, &[0x40, 2, rest[5], rest[6]]);
                }
            }
        }
    }
    got
}

#[test]
fn slow_clients_pay_and_whoever_reads_does_not() {
    for (shards, qos) in [(1, 0), (1, 1), (2, 1)] {
        let mut world = limited(shards);
        let slow: Vec<Client> = (0..8)
            .map(|n| reader(&mut world, &format!("s{n}"), CLEAN, qos))
            .collect();
        for client in &slow {
            world.set_reads(*client, false);
        }
        let quick = reader(&mut world, "quick", CLEAN, qos);
        let publisher = world.open(0);
        world.send(publisher, &connect("p", CLEAN));
        world.recv(publisher);
        let got = flood(&mut world, publisher, (qos, 1_000), &[quick]);
        assert_eq!(got, [1_000], "QoS {qos}: nobody else stands back");
        world.pass(10);
        let counters = world.counters();
        let held = usize::try_from(counters.memory_held).unwrap();
        assert!(held <= LIMIT + LIMIT / 4, "{held} bytes");
        assert!(held > LIMIT / 2, "{held}: the limit was near");
        assert!(counters.dropped_memory + counters.dropped_outbox_full > 1_000);
    }
}

#[test]
fn kept_messages_of_slow_and_absent_clients_wait_in_the_store_and_none_is_lost() {
    let mut world = limited(1);
    let slow = reader(&mut world, "slow", 0, 1);
    world.set_reads(slow, false);
    let away = reader(&mut world, "away", 0, 1);
    world.end(away, End::Broken);
    let publisher = world.open(0);
    world.send(publisher, &connect("p", CLEAN));
    flood(&mut world, publisher, (1, 3_000), &[]);
    let counters = world.counters();
    assert_eq!((counters.queued_messages, counters.dropped()), (6_000, 0));
    assert!(
        usize::try_from(counters.held_bytes).unwrap() < LIMIT,
        "{}",
        counters.held_bytes
    );
    assert_eq!(world.store.recover().unwrap().messages, 3_000);
    for name in ["away", "slow"] {
        let client = world.open(0);
        world.send(client, &connect(name, 0));
        let mut got = 0;
        let mut bytes = world.recv(client).split_off(4);
        while !bytes.is_empty() {
            for packet in bytes.chunks(1008) {
                got += 1;
                world.send(client, &[0x40, 2, packet[6], packet[7]]);
            }
            bytes = world.recv(client);
        }
        assert_eq!(got, 3_000, "{name}");
    }
    assert_eq!((world.counters().queued_messages, world.counters().held_bytes), (0, 0));
}

#[test]
fn at_the_limit_nobody_new_is_let_in_and_there_is_room_again_once_somebody_reads() {
    let mut world = World::new(Config {
        memory_limit: 100_000,
        ..Config::default()
    });
    let slow = reader(&mut world, "slow", CLEAN, 1);
    world.set_reads(slow, false);
    let publisher = world.open(0);
    world.send(publisher, &connect("p", CLEAN));
    world.send(publisher, &publish(0x32, "x", 1, &vec![7; 200_000]));
    let late = world.open(0);
    world.send(late, &connect("late", CLEAN));
    assert_eq!(world.recv(late), [0x20, 2, 0, 3]);
    world.set_reads(slow, true);
    world.send(slow, &[0x40, 2, 0, 1]);
    let later = world.open(0);
    world.send(later, &connect("later", CLEAN));
    assert_eq!(world.recv(later), [0x20, 2, 0, 0]);
    assert_eq!(world.counters().held_bytes, 0);
}

#[test]
fn near_the_limit_a_qos_2_message_waits_for_its_identifier_too() {
    let mut world = limited(1);
    let kept = world.open(0);
    world.send(kept, &connect("kept", 0));
    world.send(kept, &subscribe("k", 2));
    world.end(kept, End::Broken);
    let slow = reader(&mut world, "slow", CLEAN, 1);
    world.set_reads(slow, false);
    let publisher = world.open(0);
    world.send(publisher, &connect("p", CLEAN));
    // One that is alone in a small window, and one of which many would have room in it.
    world.send(publisher, &publish(0x32, "k", 1, &[7; 9_000]));
    world.send(publisher, &publish(0x34, "k", 2, b"light"));
    world.recv(publisher);
    flood(&mut world, publisher, (1, 1_000), &[]);
    let held = usize::try_from(world.counters().memory_held).unwrap();
    assert!(held >= LIMIT - LIMIT / 8, "{held}: the limit is near");
    let kept = world.open(0);
    world.send(kept, &connect("kept", 0));
    world.wait_for_disk();
    let mut got = world.recv(kept);
    for _ in 0..10 {
        world.send(kept, &[0x40, 2, 0, 1]);
        world.commit();
        got.extend(world.recv(kept));
    }
    assert!(got.windows(5).any(|part| part == b"light"));
    let noted = |op: &Op| matches!(op, Op::Delivery { id, .. } if id.get() == 2);
    assert!(
        world.ops.iter().any(noted),
        "after a crash nobody would know its identifier"
    );
}
