//! What waits for the disk when something else happens: live messages while SUBACK waits, answers when a client leaves,
//! wills when the broker ends.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

mod world;

use burgee_core::Config;
use burgee_core::io::{Banned, End};
use burgee_protocol::connection::SHARE_FROM;
use burgee_store::{Fault, Op};
use world::talk::{
    ACCEPTED, CLEAN, STAYS, SUBACK_1, SUBACK_2, ack, at_home, connect_with, field, joined, subscribed, with_length,
};
use world::{Client, World, publish, subscribe};

fn qos0(topic: &str, payload: &[u8]) -> Vec<u8> {
    with_length(0x30, &[&field(topic.as_bytes()), payload].concat())
}

#[test]
fn suback_comes_before_the_first_message_that_the_new_filter_brings_and_none_is_lost() {
    for shards in [1, 3] {
        let mut world = World::durable(shards);
        let publishers: Vec<_> = (0..usize::from(shards))
            .map(|shard| at_home(&mut world, shard, |name| world::connect(name, CLEAN)).0)
            .collect();
        let reader = subscribed(&mut world, "s", "old", 1);
        world.wait_for_disk();
        world.send(reader, &subscribe("t", 2));
        let large = vec![7; SHARE_FROM * 2];
        for publisher in &publishers {
            world.send(*publisher, &qos0("t", b"zero"));
            world.send(*publisher, &qos0("t", &large));
            world.send(*publisher, &publish(0x32, "t", 1, b"one"));
            world.send(*publisher, &publish(0x34, "t", 2, b"two"));
        }
        assert_eq!(world.recv(reader), b"", "SUBACK is first");
        world.hold_commits = false;
        world.commit();
        let bytes = world.recv(reader);
        assert_eq!(bytes[..5], SUBACK_2);
        let count = |what: &[u8]| bytes.windows(what.len()).filter(|part| *part == what).count();
        for (what, whole) in [("zero", qos0("t", b"zero")), ("large", qos0("t", &large))] {
            assert_eq!(count(&whole), publishers.len(), "{what}, {shards} shards");
        }
        for what in ["one", "two"] {
            assert_eq!(count(what.as_bytes()), publishers.len(), "{what}, {shards} shards");
        }
        // And from now on they come at once.
        world.send(publishers[0], &qos0("t", b"later"));
        assert_eq!(world.recv(reader), qos0("t", b"later"));
    }
}

#[test]
fn what_waits_behind_suback_is_bounded_and_ends_with_its_connection() {
    let mut world = World::durable(1);
    let publisher = joined(&mut world, "p", CLEAN);
    let reader = joined(&mut world, "s", STAYS);
    world.wait_for_disk();
    world.send(reader, &subscribe("t", 0));
    let payload = vec![7; 1_000];
    for _ in 0..2_000 {
        world.send(publisher, &qos0("t", &payload));
    }
    assert!(
        world.counters().dropped_outbox_full > 900,
        "it has the limit of an outbox"
    );
    world.end(reader, End::Broken);
    let reader = world.open(0);
    world.send(reader, &world::connect("s", STAYS));
    world.hold_commits = false;
    world.commit();
    assert_eq!(
        world.recv(reader),
        [0x20, 2, 1, 0],
        "and nothing of an earlier connection"
    );
    world.send(publisher, &qos0("t", b"now"));
    assert_eq!(world.recv(reader), qos0("t", b"now"));
}

#[test]
fn pubrel_goes_out_although_a_suback_waits() {
    let mut world = World::durable(1);
    let publisher = joined(&mut world, "p", CLEAN);
    let reader = subscribed(&mut world, "s", "t", 2);
    world.send(publisher, &publish(0x34, "t", 1, b"two"));
    assert_eq!(world.recv(reader), publish(0x34, "t", 1, b"two"));
    world.wait_for_disk();
    world.send(reader, &ack(0x50, 1));
    world.send(reader, &subscribe("u", 1));
    world.hold_commits = false;
    world.commit();
    assert_eq!(world.recv(reader), [&ack(0x62, 1)[..], &SUBACK_1].concat());
}

#[test]
fn who_leaves_in_peace_gets_the_answers_to_what_he_said_before() {
    let mut world = World::durable(1);
    let reader = subscribed(&mut world, "s", "t", 1);
    world.end(reader, End::Broken);
    let client = joined(&mut world, "c", STAYS);
    world.wait_for_disk();
    let said = [
        subscribe("x", 1),
        publish(0x32, "t", 2, b"one"),
        publish(0x34, "t", 3, b"two"),
        b"\xA2\x05\0\x04\0\x01x".to_vec(),
        b"\xE0\0".to_vec(),
    ];
    world.send(client, &said.concat());
    assert_eq!(world.recv(client), b"");
    assert!(!world.is_closed(client));
    world.commit();
    world.commit();
    let answers = [&SUBACK_1[..], &ack(0x40, 2), &ack(0x50, 3), &ack(0xB0, 4)].concat();
    assert_eq!(world.recv(client), answers);
    assert!(world.is_closed(client), "and then its connection ends");
}

#[test]
fn whoever_left_is_not_waited_for_for_ever() {
    // A disk that never answers.
    let mut world = World::durable(1);
    let client = joined(&mut world, "c", STAYS);
    world.wait_for_disk();
    world.send(client, &[subscribe("x", 1), b"\xE0\0".to_vec()].concat());
    world.pass(4_900);
    assert!(!world.is_closed(client));
    world.pass(200);
    assert!(world.is_closed(client));
    world.commit();
    assert_eq!(world.recv(client), b"");
    // A disk that fails.
    let client = joined(&mut world, "d", CLEAN);
    world.end(client, End::Broken);
    let client = world.open(0);
    world.hold_commits = false;
    world.send(client, &world::connect("e", STAYS));
    world.recv(client);
    world.wait_for_disk();
    world.send(client, &[subscribe("x", 1), b"\xE0\0".to_vec()].concat());
    world.store.fail_commit(1, Fault::Device);
    world.commit();
    assert!(world.is_closed(client));
    assert_eq!(world.recv(client), b"", "what cannot be kept is not acknowledged");
}

#[test]
fn whoever_left_and_is_gone_is_closed_at_once() {
    let mut world = World::durable(1);
    let client = joined(&mut world, "c", STAYS);
    world.wait_for_disk();
    world.send(client, &[subscribe("x", 1), b"\xE0\0".to_vec()].concat());
    world.end(client, End::Broken);
    world.commit();
    world.pass(10_000);
    assert_eq!(world.recv(client), b"");
}

/// A reader of wills, and a client that leaves one: what it has said waits behind a message that a full store holds up.
fn held_up(said: &[u8]) -> (World, Client, Client) {
    let mut world = World::new(Config {
        durable: true,
        store_bytes: 1,
        ..Config::default()
    });
    let reader = joined(&mut world, "r", CLEAN);
    world.send(reader, &subscribe("will", 0));
    assert_eq!(world.recv(reader), [0x90, 3, 0, 1, 0]);
    let client = world.open(0);
    world.send(client, &connect_with("c", 0x04, 0, Some(("will", b"gone"))));
    assert_eq!(world.recv(client), ACCEPTED);
    world.wait_for_disk();
    let messages = [publish(0x34, "t", 1, b"one"), publish(0x34, "t", 2, b"two")].concat();
    world.send(client, &[&messages, said].concat());
    (world, reader, client)
}

#[test]
fn mqtt_3_14_4_3_disconnect_discards_will_while_it_has_to_wait_however_the_connection_ends() {
    let ends: [fn(&mut World, Client); 4] = [
        |world, client| world.end(client, End::Broken),
        |world, _| {
            let newcomer = world.open(0);
            world.send(newcomer, &world::connect("c", CLEAN));
        },
        |world, client| world.kick(client),
        |world, _| world.shut_down(),
    ];
    let will = qos0("will", b"gone");
    for (number, end) in ends.iter().enumerate() {
        let (mut world, reader, client) = held_up(b"\xE0\0");
        end(&mut world, client);
        world.hold_commits = false;
        world.commit();
        assert_eq!(world.recv(reader), b"", "end {number}");
        // It is what DISCONNECT does, and nothing else: who has not said it is missed.
        let (mut world, reader, client) = held_up(b"\xC0\0");
        end(&mut world, client);
        world.hold_commits = false;
        world.commit();
        assert_eq!(world.recv(reader), will, "end {number}");
    }
    // Nor does a restart publish it: the store hears of it at once.
    let (world, ..) = held_up(b"\xE0\0");
    assert!(matches!(world.ops.last(), Some(Op::WillCleared { .. })));
}

/// What a reader of wills gets of a client that acknowledges a message of QoS 1 in a way that is none, and then leaves; both
/// behind messages that have to wait, or not.
fn breaks_a_rule_and_leaves(acknowledged: u8, has_to_wait: bool) -> Vec<u8> {
    let mut world = World::new(Config {
        durable: true,
        store_bytes: if has_to_wait { 1 } else { Config::default().store_bytes },
        ..Config::default()
    });
    let reader = joined(&mut world, "r", CLEAN);
    world.send(reader, &subscribe("will", 0));
    assert_eq!(world.recv(reader), [0x90, 3, 0, 1, 0]);
    let client = world.open(0);
    world.send(client, &connect_with("c", 0x04, 0, Some(("will", b"gone"))));
    world.send(client, &subscribe("x", 1));
    assert_eq!(world.recv(client), [&ACCEPTED[..], &[0x90, 3, 0, 1, 1]].concat());
    world.pass(300);
    world.send(reader, &publish(0x32, "x", 7, b"one"));
    world.pass(300);
    assert_eq!(world.recv(reader), ack(0x40, 7));
    let got = world.recv(client);
    assert_eq!(got.first(), Some(&0x32));
    if has_to_wait {
        world.wait_for_disk();
    }
    let messages = [publish(0x34, "t", 1, b"one"), publish(0x34, "t", 2, b"two")].concat();
    let said = [&messages, &ack(acknowledged, got[6])[..], b"\xE0\0"].concat();
    world.send(client, &said);
    assert_eq!(world.is_closed(client), !has_to_wait);
    world.hold_commits = false;
    world.commit();
    assert!(world.is_closed(client));
    world.recv(reader)
}

#[test]
fn mqtt_3_1_2_8_will_is_stored_and_published_where_a_rule_is_broken_before_disconnect() {
    for has_to_wait in [false, true] {
        for wrong in [0x50, 0x70] {
            let got = breaks_a_rule_and_leaves(wrong, has_to_wait);
            assert_eq!(got, qos0("will", b"gone"), "{wrong:#x}, {has_to_wait}");
        }
        assert_eq!(breaks_a_rule_and_leaves(0x40, has_to_wait), b"", "{has_to_wait}");
    }
}

#[test]
fn a_disk_that_is_lost_discards_no_farewell_whether_that_waits_or_not() {
    let (mut world, reader, client) = held_up(b"\xE0\0");
    world.fail_store();
    assert!(world.is_closed(client));
    assert_eq!(world.recv(reader), b"", "it waited");
    for (said, will) in [(&b"\xE0\0"[..], &b""[..]), (b"\xC0\0", &qos0("will", b"gone"))] {
        let mut world = World::new(Config {
            durable: true,
            ..Config::default()
        });
        let reader = joined(&mut world, "r", CLEAN);
        world.send(reader, &subscribe("will", 0));
        assert_eq!(world.recv(reader), [0x90, 3, 0, 1, 0]);
        let client = world.open(0);
        world.send(client, &connect_with("c", 0x04, 0, Some(("will", b"gone"))));
        assert_eq!(world.recv(client), ACCEPTED);
        world.fail_store();
        world.send(client, &[&publish(0x34, "t", 1, b"one")[..], said].concat());
        assert!(world.is_closed(client));
        assert_eq!(world.recv(reader), will);
    }
}

#[test]
fn a_limit_that_is_lifted_lets_a_farewell_be_heard() {
    let config = |most| Config {
        durable: true,
        store_bytes: 1,
        max_packet_bytes: most,
        ..Config::default()
    };
    let mut world = World::new(config(40));
    let reader = joined(&mut world, "r", CLEAN);
    world.send(reader, &subscribe("will", 0));
    assert_eq!(world.recv(reader), [0x90, 3, 0, 1, 0]);
    let client = world.open(0);
    world.send(client, &connect_with("c", 0x04, 0, Some(("will", b"gone"))));
    assert_eq!(world.recv(client), ACCEPTED);
    world.wait_for_disk();
    let messages = [
        publish(0x34, "t", 1, b""),
        publish(0x34, "t", 2, b""),
        publish(0x34, "t", 3, &[7; 60]),
    ];
    world.send(client, &[&messages.concat(), &b"\xE0\0"[..]].concat());
    world.reload(config(1000), Banned::default());
    world.commit();
    assert!(!world.is_closed(client), "the large one waits");
    world.end(client, End::Broken);
    world.hold_commits = false;
    world.commit();
    assert_eq!(world.recv(reader), b"");
}

#[test]
fn only_a_disconnect_whose_turn_would_come_discards_the_will() {
    let payload = publish(0x34, "t", 3, b"\xE0\0");
    for (what, said) in [
        ("within a payload", payload.clone()),
        ("behind what no client sends", b"\xD0\0\xE0\0".to_vec()),
        (
            "behind a second CONNECT",
            [world::connect("c", CLEAN), b"\xE0\0".to_vec()].concat(),
        ),
        ("behind what cannot be read", b"\x36\0\xE0\0".to_vec()),
        ("in part", b"\xE0".to_vec()),
    ] {
        let (mut world, reader, client) = held_up(&said);
        world.end(client, End::Broken);
        world.hold_commits = false;
        world.commit();
        assert_eq!(world.recv(reader), qos0("will", b"gone"), "{what}");
    }
    // Held up three times, and received in pieces.
    let (mut world, reader, client) = held_up(&payload[..5]);
    world.commit();
    world.send(client, &[&payload[5..], &publish(0x34, "t", 4, b"")].concat());
    world.commit();
    world.send(client, b"\xC0\0\xE0\0");
    world.commit();
    assert!(!world.is_closed(client), "it waits for the last answer");
    world.commit();
    assert!(world.is_closed(client));
    assert_eq!(world.recv(reader), b"");
}

#[test]
fn at_the_end_wills_of_all_shards_reach_clean_subscribers_of_all_shards_whatever_the_disk_takes() {
    for qos in 0..3_u8 {
        let mut world = World::durable(3);
        let subscribers: Vec<_> = (0..3)
            .map(|shard| {
                let (client, _) = at_home(&mut world, shard, |name| world::connect(&format!("s{name}"), CLEAN));
                world.send(client, &subscribe("will/#", qos));
                world.recv(client);
                client
            })
            .collect();
        for shard in 0..3 {
            let topic = format!("will/{shard}");
            at_home(&mut world, shard, |name| {
                connect_with(name, 0x04 | qos << 3, 0, Some((&topic, b"gone")))
            });
        }
        world.wait_for_disk();
        world.shut_down();
        // The disk is slow: the wills of QoS 2 of kept sessions wait for it.
        world.pass(1_000);
        world.hold_commits = false;
        world.commit();
        world.commit();
        for client in &subscribers {
            let bytes = world.recv(*client);
            for shard in 0..3 {
                let topic = format!("will/{shard}");
                let count = bytes
                    .windows(topic.len())
                    .filter(|part| *part == topic.as_bytes())
                    .count();
                assert_eq!(count, 1, "QoS {qos}: {topic}");
            }
            assert!(world.is_closed(*client));
        }
    }
}

#[test]
fn the_end_waits_no_longer_than_three_seconds_for_another_shard() {
    let mut world = World::durable(2);
    let (here, _) = at_home(&mut world, 0, |name| world::connect(name, CLEAN));
    // The other shard never hears that the broker ends.
    world.shut_down_only(0);
    world.pass(2_900);
    assert!(!world.is_closed(here));
    world.pass(200);
    assert!(world.is_closed(here));
}
