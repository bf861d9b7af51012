//! Hard cases of durability: answers to old reads, a store that fails at the wrong time, clients that give nothing back,
//! ends and holds that must come to an end.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]
#![allow(clippy::large_stack_arrays, reason = "payloads of tests")]

mod world;

use std::collections::BTreeSet;

use burgee_core::Config;
use burgee_core::io::End;
use burgee_store::{Fault, Store};
use world::talk::{ACCEPTED, CLEAN, RESUMED, STAYS, ack, at_home, connect_with, join, joined, subscribed, with_length};
use world::{Client, World, connect, publish, subscribe};

fn kept_messages(world: &mut World) -> u64 {
    world.store.recover().unwrap().messages
}

// ---- lost and doubled -----------------------------------------------------------------------------------------------

#[test]
fn an_answer_to_an_older_read_loses_no_newer_message() {
    let mut world = World::durable(1);
    let reader = subscribed(&mut world, "r", "#", 1);
    let publisher = joined(&mut world, "p", CLEAN);
    world.send(publisher, &publish(0x32, "x", 1, b"old"));
    assert_eq!(world.recv(publisher), ack(0x40, 1));
    assert_eq!(world.recv(reader), publish(0x32, "x", 1, b"old"));
    world.end(reader, End::Broken);
    world.wait_for_disk();
    // It is asked for again, and the store takes its time. Meanwhile its late acknowledgement comes.
    let reader = join(&mut world, "r", STAYS);
    assert_eq!(world.recv(reader), RESUMED);
    world.send(reader, &ack(0x40, 1));
    world.end(reader, End::Broken);
    world.send(publisher, &publish(0x32, "x", 2, b"new"));
    let reader = join(&mut world, "r", STAYS);
    assert_eq!(world.recv(reader), RESUMED);
    world.commit();
    world.commit();
    assert_eq!(world.recv(publisher), ack(0x40, 2), "it is ours");
    assert_eq!(world.counters().dropped_not_kept, 0, "and lost");
    let came = world.recv(reader);
    assert_eq!(came, publish(0x32, "x", came[6], b"new"));
}

#[test]
fn a_will_reaches_a_kept_session_of_another_shard_that_comes_back_at_once() {
    let mut world = World::durable(2);
    let (reader, name) = at_home(&mut world, 1, |name| connect(name, STAYS));
    world.send(reader, &subscribe("w", 1));
    world.recv(reader);
    world.end(reader, End::Broken);
    let (lost, _) = at_home(&mut world, 0, |name| connect_with(name, 0x0E, 0, Some(("w", b"!"))));
    world.pass(1_000);
    world.end(lost, End::Broken);
    let reader = join(&mut world, &name, STAYS);
    assert_eq!(world.counters().dropped_not_kept, 0);
    assert_eq!(world.recv(reader)[4..], publish(0x32, "w", 1, b"!"));
}

#[test]
fn a_will_that_was_acknowledged_on_another_shard_is_owed_no_more() {
    let mut world = World::durable(2);
    let (reader, _) = at_home(&mut world, 1, |name| connect(name, STAYS));
    world.send(reader, &subscribe("w", 1));
    world.recv(reader);
    let (lost, _) = at_home(&mut world, 0, |name| connect_with(name, 0x0E, 0, Some(("w", b"!"))));
    world.pass(1_000);
    world.end(lost, End::Broken);
    assert_eq!(world.recv(reader), publish(0x32, "w", 1, b"!"));
    world.send(reader, &ack(0x40, 1));
    world.send(reader, &subscribe("y", 1));
    world.pass(1_000);
    assert_eq!(kept_messages(&mut world), 0);
}

// ---- after a failure ------------------------------------------------------------------------------------------------

/// A broker whose store has failed with a batch under way, and a kept client that is connected.
fn failed() -> (World, Client) {
    let mut world = World::durable(1);
    let away = subscribed(&mut world, "away", "kept", 1);
    world.end(away, End::Broken);
    let client = joined(&mut world, "c", STAYS);
    let other = joined(&mut world, "o", CLEAN);
    world.wait_for_disk();
    world.send(other, &publish(0x32, "kept", 1, b"1"));
    world.store.fail_commit(1, Fault::Full);
    world.commit();
    assert!(world.is_closed(other) && !world.is_closed(client));
    (world, client)
}

#[test]
fn after_a_failure_subscribe_is_answered() {
    let (mut world, client) = failed();
    world.send(client, &subscribe("x", 1));
    assert_eq!(world.recv(client), [0x90, 3, 0, 1, 0x80]);
}

#[test]
fn after_a_failure_the_broker_can_still_end() {
    let (mut world, client) = failed();
    world.send(client, &subscribe("x", 1));
    world.shut_down();
    world.jump(60_000);
    assert!(world.is_closed(client));
}

#[test]
fn after_a_failure_a_repeated_qos_2_message_does_not_wait_for_ever() {
    let mut world = World::durable(1);
    let publisher = joined(&mut world, "p", STAYS);
    world.wait_for_disk();
    world.send(publisher, &publish(0x34, "x", 1, b"1"));
    world.store.fail_commit(1, Fault::Full);
    world.commit();
    assert!(world.is_closed(publisher));
    let publisher = joined(&mut world, "p", STAYS);
    world.send(publisher, &publish(0x3C, "x", 1, b"1"));
    assert!(world.is_closed(publisher), "it cannot be kept, and it hangs");
}

#[test]
fn a_fan_out_that_was_under_way_when_the_store_failed_does_not_leave_its_publisher_waiting() {
    let mut world = World::new(Config {
        durable: true,
        fanout_slice: 1,
        ..Config::default()
    });
    for name in ["a", "b", "c"] {
        let away = subscribed(&mut world, name, "#", 1);
        world.end(away, End::Broken);
    }
    let publisher = joined(&mut world, "p", CLEAN);
    world.wait_for_disk();
    world.send_unheard(publisher, &publish(0x32, "x", 1, b"1"));
    world.fail_store();
    world.pass(60_000);
    assert_eq!(world.recv(publisher), []);
    assert!(world.is_closed(publisher));
}

#[test]
fn connack_of_a_clean_session_never_leaves_while_the_old_one_would_come_back() {
    let mut world = World::durable(1);
    let old = subscribed(&mut world, "a", "x", 1);
    world.end(old, End::Broken);
    world.wait_for_disk();
    let clean = join(&mut world, "a", CLEAN);
    world.store.fail_commit(1, Fault::Full);
    world.commit();
    assert!(world.is_closed(clean));
    let clean = join(&mut world, "a", CLEAN);
    let answer = world.recv(clean);
    let mut world = world.crash(0);
    let again = join(&mut world, "a", STAYS);
    let back = world.recv(again) == RESUMED;
    assert!(!(answer == ACCEPTED && back), "the session that was gone came back");
}

#[test]
fn a_session_that_expired_after_a_failure_does_not_come_back_to_whoever_wanted_a_clean_one() {
    let mut world = World::new(Config {
        durable: true,
        session_expiry_ms: 1_000,
        ..Config::default()
    });
    let old = subscribed(&mut world, "a", "x", 1);
    world.end(old, End::Broken);
    world.fail_store();
    world.pass(2_000);
    let clean = join(&mut world, "a", CLEAN);
    let answer = world.recv(clean);
    let mut world = world.crash(0);
    let again = join(&mut world, "a", STAYS);
    let back = world.recv(again) == RESUMED;
    assert!(!(answer == ACCEPTED && back), "the session that was gone came back");
}

#[test]
fn counters_return_to_zero_after_a_failure() {
    let mut world = World::new(Config {
        durable: true,
        session_expiry_ms: 1_000,
        ..Config::default()
    });
    let reader = subscribed(&mut world, "r", "#", 2);
    let publisher = joined(&mut world, "p", CLEAN);
    world.send(publisher, &publish(0x34, "x", 1, b"1"));
    assert_eq!(world.recv(reader), publish(0x34, "x", 1, b"1"));
    world.send(publisher, &ack(0x62, 1));
    world.fail_store();
    world.send(reader, &ack(0x50, 1));
    world.end(publisher, End::Broken);
    world.pass(5_000);
    let counters = world.counters();
    assert_eq!(
        (counters.queued_messages, counters.queued_bytes, counters.held_bytes),
        (0, 0, 0)
    );
}

#[test]
fn nothing_is_on_its_way_to_a_store_that_has_failed() {
    let (world, _) = failed();
    assert_eq!(world.counters().store_bytes, 0);
}

// ---- memory ---------------------------------------------------------------------------------------------------------

fn small_store() -> World {
    let mut world = World::new(Config {
        durable: true,
        store_bytes: 100_000,
        ..Config::default()
    });
    let away = subscribed(&mut world, "away", "kept", 1);
    world.end(away, End::Broken);
    world
}

#[test]
fn publishers_of_retained_qos_0_messages_wait_when_too_much_is_on_its_way_to_the_disk() {
    let mut world = small_store();
    let publisher = joined(&mut world, "p", CLEAN);
    world.wait_for_disk();
    for _ in 0..1_000 {
        world.send(publisher, &publish(0x31, "r", 0, &[7; 50_000]));
    }
    let waiting = world.counters().store_bytes;
    assert!(waiting < 1_000_000, "{waiting} bytes");
}

#[test]
fn clients_that_come_and_go_with_wills_wait_when_too_much_is_on_its_way_to_the_disk() {
    let mut world = small_store();
    world.wait_for_disk();
    for _ in 0..1_000 {
        let client = world.open(0);
        world.send(client, &connect_with("a", 0x0C, 0, Some(("w", &[7; 60_000]))));
        world.end(client, End::Broken);
    }
    let waiting = world.counters().store_bytes;
    assert!(waiting < 1_000_000, "{waiting} bytes");
}

#[test]
fn qos_2_messages_that_wait_behind_the_disk_are_bounded() {
    let mut world = small_store();
    let publisher = joined(&mut world, "p", CLEAN);
    world.wait_for_disk();
    world.send(publisher, &publish(0x32, "kept", 1, b"1"));
    let mut sent = 0;
    for n in 0..10_000_u16 {
        let id = n.to_be_bytes();
        let body = [&b"\0\x04free"[..], &[id[0], id[1] | 1], &[7; 5_000]].concat();
        world.send(publisher, &with_length(0x34, &body));
        sent += usize::from(!world.is_paused(publisher)) * body.len();
    }
    // All different identifiers with bit 0 set, so half of them are new: 25 MB.
    assert!(
        sent < 1_000_000,
        "{sent} bytes were taken, {} count",
        world.counters().store_bytes
    );
}

#[test]
fn answers_that_wait_for_the_disk_are_bounded() {
    let mut world = small_store();
    let client = joined(&mut world, "c", STAYS);
    world.wait_for_disk();
    world.send(client, &subscribe("x", 1));
    for _ in 0..100 {
        world.send(client, &ack(0x62, 9).repeat(10_000));
    }
    assert!(world.is_paused(client), "a million answers are parked");
}

#[test]
fn the_memory_limit_holds_although_clients_do_not_acknowledge() {
    const LIMIT: usize = 1 << 20;
    let mut world = World::new(Config {
        memory_limit: LIMIT,
        ..Config::default()
    });
    for n in 0..20 {
        let client = joined(&mut world, &format!("s{n}"), CLEAN);
        world.send(client, &subscribe(&format!("t/{n}"), 1));
    }
    let publisher = joined(&mut world, "p", CLEAN);
    for round in 0..100 {
        for n in 0..20 {
            world.send(publisher, &publish(0x32, &format!("t/{n}"), round + 1, &[7; 10_000]));
        }
    }
    world.pass(10);
    let held = usize::try_from(world.counters().memory_held).unwrap();
    assert!(held < 2 * LIMIT, "{held} bytes");
}

#[test]
fn at_the_limit_a_client_may_take_its_own_connection_over() {
    let mut world = World::new(Config {
        durable: true,
        memory_limit: 1 << 20,
        ..Config::default()
    });
    let reader = subscribed(&mut world, "r", "#", 1);
    let publisher = joined(&mut world, "p", CLEAN);
    for id in 1..=100 {
        world.send(publisher, &publish(0x32, "x", id, &[7; 20_000]));
    }
    assert!(world.recv(reader).len() > 700_000);
    // Its network is gone without a word; all that is held is held for it, and would be let go.
    world.pass(86_400_000);
    let again = join(&mut world, "r", STAYS);
    assert_eq!(world.recv(again)[..4], RESUMED);
}

#[test]
fn one_client_that_does_not_acknowledge_locks_nobody_out_for_ever() {
    let mut world = World::new(Config {
        memory_limit: 1 << 20,
        ..Config::default()
    });
    let reader = joined(&mut world, "r", CLEAN);
    world.send(reader, &subscribe("#", 1));
    let publisher = joined(&mut world, "p", CLEAN);
    for id in 1..=100 {
        world.send(publisher, &publish(0x32, "x", id, &[7; 20_000]));
        world.recv(reader);
    }
    world.pass(86_400_000);
    let late = join(&mut world, "late", CLEAN);
    assert_eq!(world.recv(late), ACCEPTED);
}

#[test]
fn clients_that_come_and_go_cost_no_memory_until_sessions_expire() {
    let mut world = World::new(Config {
        durable: true,
        session_expiry_ms: 7 * 86_400_000,
        ..Config::default()
    });
    for _ in 0..1_000 {
        let client = joined(&mut world, "a", STAYS);
        world.end(client, End::Broken);
    }
    let debug = world.debug();
    let leaving = debug.split("leaving: [").nth(1).unwrap().split(']').next().unwrap();
    let count = leaving.matches("SessionKey").count();
    assert!(count < 10, "{count} entries for one session");
}

#[test]
fn near_the_memory_limit_a_slow_client_does_not_keep_the_event_loop_awake() {
    let mut world = World::new(Config {
        memory_limit: 1 << 20,
        ..Config::default()
    });
    let slow = joined(&mut world, "s", CLEAN);
    world.send(slow, &subscribe("x", 1));
    world.recv(slow);
    world.set_reads(slow, false);
    let publisher = joined(&mut world, "p", CLEAN);
    world.send(publisher, &publish(0x31, "r", 0, &vec![7; 950_000]));
    world.room_at_half = true;
    for id in 1..=60 {
        world.send(publisher, &publish(0x32, "x", id, &[7; 600]));
    }
    // "The broker does not come to rest" otherwise.
    assert!(world.turns < 1_000, "{}", world.turns);
}

// ---- order and time -------------------------------------------------------------------------------------------------

#[test]
fn whoever_waited_for_connack_has_his_whole_keep_alive() {
    let mut world = World::durable(1);
    world.wait_for_disk();
    let client = world.open(0);
    world.send(client, &connect_with("a", STAYS, 2, None));
    world.pass(10_000);
    world.commit();
    assert_eq!(world.recv(client), ACCEPTED);
    world.pass(1_000);
    assert!(!world.is_closed(client));
}

#[test]
fn the_broker_ends_although_publishers_go_on() {
    let mut world = World::durable(1);
    let away = subscribed(&mut world, "r", "#", 1);
    world.end(away, End::Broken);
    let publisher = joined(&mut world, "p", CLEAN);
    world.wait_for_disk();
    world.send(publisher, &publish(0x32, "x", 1, b"1"));
    world.shut_down();
    for id in 2..=100 {
        // There is always one on its way.
        world.commit_unheard();
        if world.is_closed(publisher) {
            return;
        }
        world.send(publisher, &publish(0x32, "x", id, b"1"));
    }
    panic!("98 messages later it still serves");
}

#[test]
fn connack_of_a_client_that_was_never_here_waits_for_nobody_elses_session() {
    let mut world = World::durable(1);
    let old = subscribed(&mut world, "a", "x", 1);
    world.end(old, End::Broken);
    world.wait_for_disk();
    join(&mut world, "a", CLEAN);
    let other = join(&mut world, "b", CLEAN);
    assert_eq!(world.recv(other), ACCEPTED);
}

#[test]
fn at_the_end_the_event_loop_sleeps_until_the_disk_has_spoken() {
    let mut world = World::durable(1);
    let away = subscribed(&mut world, "r", "#", 1);
    world.end(away, End::Broken);
    let publisher = joined(&mut world, "p", CLEAN);
    world.wait_for_disk();
    world.send(publisher, &publish(0x32, "x", 1, b"1"));
    world.shut_down();
    world.pass(1);
    assert!(world.turns < 1_000);
}

#[test]
fn the_memory_limit_holds_although_kept_clients_do_not_read() {
    const LIMIT: usize = 1 << 20;
    let mut world = World::new(Config {
        durable: true,
        memory_limit: LIMIT,
        ..Config::default()
    });
    for n in 0..40 {
        let client = subscribed(&mut world, &format!("s{n}"), "x", 1);
        world.set_reads(client, false);
    }
    let publisher = joined(&mut world, "p", CLEAN);
    for id in 1..=200 {
        world.send(publisher, &publish(0x32, "x", id, &[7; 2_000]));
    }
    world.pass(10);
    let held = usize::try_from(world.counters().memory_held).unwrap();
    assert!(held < 2 * LIMIT, "{held} bytes");
}

#[test]
fn whoever_was_not_read_for_want_of_the_disk_is_not_silent() {
    let mut world = World::new(Config {
        durable: true,
        store_bytes: 1,
        ..Config::default()
    });
    let away = subscribed(&mut world, "r", "#", 1);
    world.end(away, End::Broken);
    world.pass(1_000);
    let publisher = world.open(0);
    world.send(publisher, &connect_with("p", CLEAN, 2, None));
    world.wait_for_disk();
    world.send(publisher, &publish(0x32, "x", 1, b"1"));
    world.send(publisher, &publish(0x32, "x", 2, b"2"));
    assert!(world.is_paused(publisher));
    world.pass(10_000);
    world.commit_unheard();
    world.jump(200);
    assert!(!world.is_closed(publisher), "its message was here all the time");
}

#[test]
fn control_retained_messages_come_without_a_crash() {
    let mut world = World::durable(1);
    let publisher = joined(&mut world, "p", CLEAN);
    for n in 0..200_u8 {
        world.send(publisher, &publish(0x33, &format!("r/{n:03}"), 1, &[n]));
    }
    let reader = subscribed(&mut world, "s", "r/#", 1);
    world.end(reader, End::Broken);
    world.pass(1_000);
    let reader2 = join(&mut world, "s", STAYS);
    let mut bytes = world.recv(reader2);
    assert_eq!(bytes.drain(..4).collect::<Vec<_>>(), RESUMED);
    let mut seen = BTreeSet::new();
    while !bytes.is_empty() {
        for packet in bytes.chunks(12) {
            seen.insert(packet[11]);
            world.send(reader2, &[0x40, 2, packet[9], packet[10]]);
        }
        bytes = world.recv(reader2);
    }
    assert_eq!(seen.len(), 200);
}

#[test]
fn answers_that_are_durable_do_not_wait_until_all_great_fan_outs_are_over() {
    let mut world = World::new(Config {
        durable: true,
        fanout_slice: 4,
        ..Config::default()
    });
    let away = subscribed(&mut world, "away", "kept", 1);
    world.end(away, End::Broken);
    for n in 0..10 {
        let client = joined(&mut world, &format!("s{n}"), CLEAN);
        world.send(client, &subscribe("flood", 0));
    }
    let victim = joined(&mut world, "v", CLEAN);
    world.send(victim, &subscribe("flood", 0));
    let loud = ["f1", "f2"].map(|name| joined(&mut world, name, CLEAN));
    world.recv(victim);
    world.wait_for_disk();
    world.send(victim, &publish(0x32, "kept", 1, b"1"));
    for client in loud {
        world.send_unheard(client, &publish(0x30, "flood", 0, b"1").repeat(1_000));
    }
    world.commit_unheard();
    world.jump(0);
    // What came before PUBACK: it has been durable all the time.
    let bytes = world.recv(victim);
    let flood = publish(0x30, "flood", 0, b"1");
    let before = bytes.chunks(flood.len()).take_while(|packet| *packet == flood).count();
    assert!(before < 100, "{before} of 2000 messages of others came first");
}

#[test]
fn what_was_never_sent_expires_although_it_was_about_to_be() {
    let mut world = World::new(Config {
        durable: true,
        message_expiry_ms: 3_000,
        ..Config::default()
    });
    let reader = subscribed(&mut world, "r", "#", 1);
    world.end(reader, End::Broken);
    let publisher = joined(&mut world, "p", CLEAN);
    world.send(publisher, &publish(0x32, "x", 1, b"old"));
    world.wait_for_disk();
    // It is read from the store, and its client leaves before it is.
    let reader = join(&mut world, "r", STAYS);
    world.end(reader, End::Broken);
    world.commit();
    world.pass(86_400_000);
    assert_eq!(world.counters().dropped_expired, 1);
}
