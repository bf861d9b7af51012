//! Wills beside the disk: when it has forgotten them, when it fails, and when the broker was killed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

mod world;

use burgee_core::Config;
use burgee_core::io::End;
use world::talk::{ACCEPTED, CLEAN, STAYS, connect_with, join, joined, subscribed};
use world::{World, connect, publish, subscribe};

#[test]
fn the_will_of_a_kept_session_is_published_at_the_next_start_once() {
    let mut world = World::durable(1);
    subscribed(&mut world, "watcher", "w", 1);
    let lost = world.open(0);
    world.send(lost, b"\x10\x13\0\x04MQTT\x04\x0C\0\0\0\x01a\0\x01w\0\x01!");
    let gone = world.open(0);
    world.send(gone, b"\x10\x13\0\x04MQTT\x04\x0C\0\0\0\x01b\0\x01w\0\x01?");
    world.send(gone, b"\xE0\0");
    let world = world.crash(0);
    let mut world = world.crash(0);
    world.pass(1);
    let mut world = world.crash(0);
    let watcher = join(&mut world, "watcher", STAYS);
    assert_eq!(world.recv(watcher).split_off(4), publish(0x3A, "w", 1, b"!"));
}

#[test]
fn a_qos_2_will_reaches_nobody_before_the_store_has_forgotten_it() {
    let mut world = World::durable(1);
    let watcher = joined(&mut world, "watcher", CLEAN);
    world.send(watcher, &subscribe("w", 2));
    world.recv(watcher);
    let lost = world.open(0);
    world.send(lost, b"\x10\x13\0\x04MQTT\x04\x14\0\0\0\x01a\0\x01w\0\x01!");
    assert_eq!(world.recv(lost), ACCEPTED);
    world.wait_for_disk();
    world.end(lost, End::Broken);
    assert_eq!(world.recv(watcher), []);
    world.commit();
    assert_eq!(world.recv(watcher), publish(0x34, "w", 1, b"!"));
    let mut world = world.crash(0);
    let watcher = joined(&mut world, "watcher", CLEAN);
    world.send(watcher, &subscribe("#", 2));
    world.pass(1_000);
    assert_eq!(world.recv(watcher).len(), 5, "once");
}

#[test]
fn a_will_that_waits_behind_its_clients_messages_goes_out_although_the_disk_fails() {
    let mut world = World::durable(1);
    let away = subscribed(&mut world, "away", "x", 1);
    world.end(away, End::Broken);
    let watcher = joined(&mut world, "watcher", CLEAN);
    world.send(watcher, &subscribe("w", 1));
    world.recv(watcher);
    let lost = world.open(0);
    world.send(lost, &connect_with("a", 0x0E, 0, Some(("w", b"!"))));
    world.recv(lost);
    world.wait_for_disk();
    world.send(lost, &publish(0x32, "x", 1, b"1"));
    world.end(lost, End::Broken);
    assert_eq!(world.recv(watcher), []);
    world.fail_store();
    // [MQTT-3.1.2-8] no store has it: it would be lost for good.
    assert_eq!(world.recv(watcher), publish(0x32, "w", 1, b"!"));
}

#[test]
fn a_qos_2_will_that_the_store_still_has_waits_for_the_restart_when_the_disk_fails() {
    for how in [World::fail_store, World::shut_down] {
        let mut world = World::durable(1);
        let away = subscribed(&mut world, "away", "w", 1);
        world.end(away, End::Broken);
        let watcher = joined(&mut world, "watcher", CLEAN);
        world.send(watcher, &subscribe("w", 2));
        world.recv(watcher);
        let [lost, here] = ["a", "b"].map(|name| {
            let client = world.open(0);
            world.send(client, &connect_with(name, 0x14, 0, Some(("w", name.as_bytes()))));
            assert_eq!(world.recv(client), ACCEPTED);
            client
        });
        world.wait_for_disk();
        world.end(lost, End::Broken);
        world.fail_store();
        how(&mut world);
        world.end(here, End::Broken);
        assert_eq!(world.recv(watcher), [], "a restart would send them again");
        let mut world = world.crash(0);
        let away = join(&mut world, "away", STAYS);
        let wills = [publish(0x32, "w", 1, b"a"), publish(0x32, "w", 2, b"b")];
        assert_eq!(world.recv(away).split_off(4), wills.concat());
    }
}

#[test]
fn a_qos_2_will_that_the_store_has_forgotten_goes_out_although_the_disk_fails() {
    let mut world = World::new(Config {
        durable: true,
        fanout_slice: 1,
        ..Config::default()
    });
    let watchers = ["r", "s", "t"].map(|name| {
        let watcher = joined(&mut world, name, CLEAN);
        world.send(watcher, &[subscribe("x", 0), subscribe("w", 2)].concat());
        world.recv(watcher);
        watcher
    });
    let lost = world.open(0);
    world.send(lost, &connect_with("a", 0x14, 0, Some(("w", b"!"))));
    assert_eq!(world.recv(lost), ACCEPTED);
    world.wait_for_disk();
    world.send(lost, &publish(0x34, "x", 1, b"1"));
    world.end(lost, End::Broken);
    // The first message is on its way to all of them, and the will behind it.
    world.commit_unheard();
    world.fail_store();
    for watcher in watchers {
        let both = [publish(0x30, "x", 0, b"1"), publish(0x34, "w", 1, b"!")];
        assert_eq!(world.recv(watcher), both.concat());
    }
}

#[test]
fn the_will_of_a_connection_comes_before_what_the_next_one_says() {
    let mut world = World::durable(1);
    let watcher = subscribed(&mut world, "watcher", "w", 0);
    let away = subscribed(&mut world, "away", "x", 1);
    world.end(away, End::Broken);
    let lost = world.open(0);
    world.send(lost, b"\x10\x13\0\x04MQTT\x04\x06\0\0\0\x01a\0\x01w\0\x01!");
    assert_eq!(world.recv(lost), ACCEPTED);
    world.wait_for_disk();
    world.send(lost, &publish(0x32, "x", 1, b"1"));
    let next = world.open(0);
    world.send(next, &[connect("a", CLEAN), publish(0x30, "w", 0, b"?")].concat());
    assert_eq!((world.recv(next), world.recv(watcher)), (vec![], vec![]));
    world.commit();
    assert_eq!(world.recv(next), ACCEPTED);
    assert_eq!(
        world.recv(watcher),
        [publish(0x30, "w", 0, b"!"), publish(0x30, "w", 0, b"?")].concat()
    );
}
